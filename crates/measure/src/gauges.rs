//! Gauges: levels that the engine reads about once per second of scenario time.

use serde::{Deserialize, Serialize};

use tiketi_cloud::notice::InstanceState;
use tiketi_core::units::{SimTime, ZoneId};

/// One reading of all gauges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gauges {
    /// When it was taken.
    pub at: SimTime,
    /// Buyers in the queue; `None` if Redis could not be read.
    pub waiting: Option<u64>,
    /// Buyers with a shopping slot; `None` if Redis could not be read.
    pub active: Option<u64>,
    /// Seats with a hold that has not expired.
    pub seats_held: u64,
    /// Seats with a paid order.
    pub seats_sold: u64,
    /// Desired instances of the Auto Scaling group.
    pub desired_instances: u32,
    /// Instances by zone and state; zeros may be left out.
    pub instances: Vec<InstanceCount>,
    /// Mean utilization of the instances' virtual CPUs since the previous reading, 0 to 1; `None` without instances.
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
    /// Returns the number of instances in one of `states`, in all zones.
    pub fn instances_in(&self, states: &[InstanceState]) -> u32 {
        self.instances
            .iter()
            .filter(|entry| states.contains(&entry.state))
            .map(|entry| entry.count)
            .sum()
    }
}
