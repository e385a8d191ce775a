//! What each instance of the testbed did, including those that have ended.

use std::collections::BTreeMap;
use std::time::Duration;

use tiketi_server::InstanceLoad;

use tiketi_core::units::{InstanceId, SimTime};
use tiketi_measure::ending::TargetLoad;
use tiketi_testbed::fleet::InstanceGauge;

/// The last reading of every instance that ever answered.
#[derive(Debug, Default)]
pub(super) struct FleetRecord {
    instances: BTreeMap<InstanceId, Reading>,
}

#[derive(Debug)]
struct Reading {
    first_seen: SimTime,
    last_seen: SimTime,
    load: InstanceLoad,
}

impl FleetRecord {
    /// Records the current load of each instance that answers.
    pub(super) fn read(&mut self, at: SimTime, instances: &[InstanceGauge]) {
        for gauge in instances {
            let Some(load) = gauge.load else { continue };
            let reading = self.instances.entry(gauge.instance);
            let reading = reading.or_insert(Reading {
                first_seen: at,
                last_seen: at,
                load,
            });
            reading.last_seen = at;
            reading.load = load;
        }
    }

    /// Returns the requests by instance.
    pub(super) fn targets(&self) -> Vec<TargetLoad> {
        let load = |(&instance, reading): (&InstanceId, &Reading)| TargetLoad {
            instance,
            requests: reading.load.requests,
            in_service: reading.last_seen - reading.first_seen,
        };
        self.instances.iter().map(load).collect()
    }

    /// Returns the CPU time that all instances have spent on sending messages to sockets.
    pub(super) fn broadcast_busy(&self) -> Duration {
        let readings = self.instances.values();
        readings.map(|reading| reading.load.broadcast_busy).sum()
    }

    /// Sums a counter over all instances.
    pub(super) fn sum(&self, count: impl Fn(&InstanceLoad) -> u64) -> u64 {
        self.instances
            .values()
            .map(|reading| count(&reading.load))
            .sum()
    }
}
