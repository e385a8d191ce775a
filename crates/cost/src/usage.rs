//! The metered usage of a run.

use serde::{Deserialize, Serialize};

use super::capacity::{Dimension, LcuHour};

/// The usage of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Length of the run, in hours.
    pub hours: f64,
    /// Hours of all instances together, from launch to termination.
    pub instance_hours: f64,
    /// vCPU-hours beyond the credits that T3 instances earned, charged when they terminate; `None` if not metered.
    pub surplus_vcpu_hours: Option<f64>,
    /// Lambda invocations.
    pub lambda_runs: u64,
    /// Load balancer usage per hour; hours without a sample are left out.
    pub load_balancer: Vec<LcuHour>,
    /// Requests at the edge; `None` if not metered.
    pub requests: Option<u64>,
    /// Gigabytes to the internet through the edge.
    pub data_out_gb: f64,
    /// Requests of the edge to S3; `None` if not metered.
    #[serde(default)]
    pub origin_requests: Option<u64>,
    /// Requests to the waiting room at the edge; 0 without one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub room_requests: u64,
    /// Traffic by path; `None` if nothing of it is metered.
    pub traffic: Option<Traffic>,
}

/// Traffic by path in gigabytes, each byte counted once; see [`TrafficSample`](super::TrafficSample).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Through NAT gateways, without S3.
    pub nat_gb: f64,
    /// From instances to the internet, through NAT or not.
    pub internet_gb: f64,
    /// Between instances and S3.
    pub s3_gb: f64,
    /// Of that, through NAT.
    #[serde(default)]
    pub s3_nat_gb: f64,
    /// Uploads to S3.
    #[serde(default)]
    pub s3_puts: u64,
    /// To or from a NAT gateway in another zone.
    pub detour_gb: f64,
    /// Between a load-balancer node and an instance in different zones; `None` if not metered.
    pub load_balancer_cross_zone_gb: Option<f64>,
    /// Between an instance and a Redis node in different zones; `None` if not metered.
    pub redis_cross_zone_gb: Option<f64>,
    /// Between an instance and a database node in different zones; `None` if not metered.
    pub database_cross_zone_gb: Option<f64>,
    /// Between primaries and replicas in different zones; `None` if not metered.
    pub replication_gb: Option<f64>,
    /// Reads and writes of the database storage; `None` if not metered.
    pub database_io: Option<u64>,
}

/// Whether nothing was counted.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Traffic {
    /// No traffic at all, all of it metered.
    pub const NOTHING: Self = Self {
        nat_gb: 0.0,
        internet_gb: 0.0,
        s3_gb: 0.0,
        s3_nat_gb: 0.0,
        s3_puts: 0,
        detour_gb: 0.0,
        load_balancer_cross_zone_gb: Some(0.0),
        redis_cross_zone_gb: Some(0.0),
        database_cross_zone_gb: Some(0.0),
        replication_gb: Some(0.0),
        database_io: Some(0),
    };
}

impl Usage {
    /// Returns the billed capacity units of the load balancer: in each hour, those of the dimension used most.
    pub fn lcu_hours(&self) -> f64 {
        self.load_balancer.iter().map(|hour| hour.billed().1).sum()
    }

    /// Returns the load balancer's unit-hours in one dimension, billed or not.
    pub fn lcu_hours_of(&self, dimension: Dimension) -> f64 {
        self.load_balancer
            .iter()
            .map(|hour| hour.of(dimension))
            .sum()
    }
}
