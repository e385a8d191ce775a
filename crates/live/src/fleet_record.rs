//! What each instance of the testbed did, ended ones included.

use std::collections::BTreeMap;
use std::time::Duration;

use tiketi_server::InstanceLoad;

use tiketi_core::units::{InstanceId, SimTime};
use tiketi_measure::ending::TargetLoad;
use tiketi_testbed::fleet::InstanceGauge;

/// The last reading of every instance that ever answered.
#[derive(Debug, Default)]
pub(super) struct FleetRecord {
    instances: BTreeMap<InstanceId, Entry>,
    read_at: SimTime,
}

#[derive(Debug)]
struct Entry {
    first_seen: SimTime,
    last_seen: SimTime,
    load: InstanceLoad,
}

impl FleetRecord {
    /// Takes a reading. Returns the mean utilization of the virtual CPUs since the last one, 0 to 1; `None` if no
    /// instance answers or no time has passed.
    pub(super) fn read(&mut self, at: SimTime, instances: &[InstanceGauge]) -> Option<f64> {
        let elapsed = at.saturating_since(self.read_at);
        let mut worked = Duration::ZERO;
        let mut answering = 0_u32;
        for gauge in instances {
            let Some(load) = gauge.load else { continue };
            let entry = self
                .instances
                .entry(gauge.instance)
                .or_insert_with(|| Entry {
                    first_seen: at,
                    last_seen: at,
                    load: InstanceLoad::default(),
                });
            worked += load.cpu_busy.saturating_sub(entry.load.cpu_busy);
            answering += 1;
            entry.last_seen = at;
            entry.load = load;
        }
        self.read_at = at;
        if answering == 0 || elapsed.is_zero() {
            return None;
        }
        let utilization = worked.as_secs_f64() / elapsed.as_secs_f64() / f64::from(answering);
        Some(utilization.min(1.0))
    }

    /// Requests by instance.
    pub(super) fn targets(&self) -> Vec<TargetLoad> {
        let load = |(&instance, entry): (&InstanceId, &Entry)| TargetLoad {
            instance,
            requests: entry.load.requests,
            in_service: entry.last_seen - entry.first_seen,
        };
        self.instances.iter().map(load).collect()
    }

    /// A sum over all instances.
    pub(super) fn sum(&self, count: impl Fn(&InstanceLoad) -> u64) -> u64 {
        self.instances
            .values()
            .map(|entry| count(&entry.load))
            .sum()
    }
}
