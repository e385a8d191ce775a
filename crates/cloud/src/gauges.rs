//! Levels of a running system that an engine reads about once per scenario second.

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
