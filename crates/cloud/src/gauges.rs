//! Levels of a running system that an engine reads about once per scenario second.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tiketi_core::units::{SimTime, ZoneId};

use crate::notice::InstanceState;

/// The levels at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gauges {
    /// When.
    pub at: SimTime,
    /// Buyers in the queue; `None` if Redis could not be read.
    pub waiting: Option<u64>,
    /// Buyers with a shopping slot; `None` if Redis could not be read.
    pub active: Option<u64>,
    /// Seats with an active hold.
    pub seats_held: u64,
    /// Seats that are paid for.
    pub seats_sold: u64,
    /// The desired number of instances of the Auto Scaling group.
    pub desired_instances: u32,
    /// Instances by zone and state; zero counts may be left out.
    pub instances: Vec<InstanceCount>,
    /// Mean utilization of the instances' application threads (one virtual CPU each) since the last reading, 0 to 1; `None`
    /// without an instance.
    pub cpu: Option<f64>,
    /// What the parts that can run out are doing. An archive that was written without it has no such readings.
    #[serde(default)]
    pub parts: PartReadings,
}

/// Readings of the parts that can run out. Whatever an engine cannot read is `None`.
///
/// Busy times and counts are totals since the start of the run: the difference of two readings says what happened between
/// them, so that nothing is lost where ticks of the time series are merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PartReadings {
    /// Utilization of the busiest instance's application thread since the last reading, 0 to 1.
    pub cpu_busiest: Option<f64>,
    /// Instances whose utilization is known.
    pub cpu_instances: u32,
    /// CPU time that the instances have spent on sending messages to sockets.
    pub broadcast_busy: Option<Duration>,
    /// Time that the single thread of Redis has worked.
    pub redis_busy: Option<Duration>,
    /// Memory of Redis in use now, in bytes.
    pub redis_memory: Option<u64>,
    /// Writes that Redis has refused for lack of memory.
    pub redis_refused: Option<u64>,
    /// Time that the cores of the database have worked, summed over all cores.
    pub database_busy: Option<Duration>,
    /// Connections to the database open now.
    pub connections: Option<u32>,
    /// Connections that the database has refused at its limit.
    pub connections_refused: Option<u64>,
    /// Connections in use now in the fullest pool of an instance.
    pub pool_in_use: Option<u32>,
}

/// Instances of one zone in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceCount {
    /// The zone.
    pub zone: ZoneId,
    /// The state.
    pub state: InstanceState,
    /// How many.
    pub count: u32,
}

impl Gauges {
    /// Returns the number of instances in any of `states`, over all zones.
    pub fn instances_in(&self, states: &[InstanceState]) -> u32 {
        self.instances
            .iter()
            .filter(|entry| states.contains(&entry.state))
            .map(|entry| entry.count)
            .sum()
    }
}
