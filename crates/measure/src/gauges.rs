//! Levels that the supervisor reads about once a scenario second.

use serde::{Deserialize, Serialize};

use tiketi_cloud::notice::InstanceState;
use tiketi_core::units::{SimTime, ZoneId};

/// What stood where at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gauges {
    /// When.
    pub at: SimTime,
    /// Buyers in the queue; `None` if Redis could not be read.
    pub waiting: Option<u64>,
    /// Buyers on an active place; `None` if Redis could not be read.
    pub active: Option<u64>,
    /// Seats with a live hold.
    pub seats_held: u64,
    /// Seats that are paid.
    pub seats_sold: u64,
    /// Instances that the Auto Scaling group wants.
    pub desired_instances: u32,
    /// Instances by zone and state; what is zero may be left out.
    pub instances: Vec<InstanceCount>,
    /// Mean utilization of the instances' virtual CPUs since the last reading, 0 to 1; `None` without an instance.
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
    /// Instances in one of `states`, in all zones.
    pub fn instances_in(&self, states: &[InstanceState]) -> u32 {
        self.instances
            .iter()
            .filter(|entry| states.contains(&entry.state))
            .map(|entry| entry.count)
            .sum()
    }
}
