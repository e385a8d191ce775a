//! What was used, as the meter counted it.

use serde::{Deserialize, Serialize};

use super::capacity::{Dimension, LcuHour};

/// What a run used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Length of the run.
    pub hours: f64,
    /// Hours of all instances together, from launch to end.
    pub instance_hours: f64,
    /// vCPU-hours beyond the credits that T3 instances had earned, as charged at their end; `None` if not metered.
    pub surplus_vcpu_hours: Option<f64>,
    /// Runs of the Lambda.
    pub lambda_runs: u64,
    /// The load balancer hour by hour; an hour without a sample is left out.
    pub load_balancer: Vec<LcuHour>,
    /// Requests that reached the edge; `None` if not metered.
    pub requests: Option<u64>,
    /// Gigabytes to the internet through the edge.
    pub data_out_gb: f64,
    /// Traffic by path; `None` if not metered.
    pub traffic: Option<Traffic>,
}

/// Gigabytes by the path they took, each counted once; see [`TrafficSample`](super::TrafficSample).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Through NAT gateways, without S3.
    pub nat_gb: f64,
    /// The part of them that left for the internet.
    pub nat_out_gb: f64,
    /// Between instances and S3.
    pub s3_gb: f64,
    /// To or from a NAT gateway in another zone.
    pub detour_gb: f64,
    /// Between a load-balancer node and an instance in different zones.
    pub load_balancer_cross_zone_gb: f64,
    /// Between an instance and a Redis node in different zones.
    pub redis_cross_zone_gb: f64,
    /// Between an instance and a database node in different zones.
    pub database_cross_zone_gb: f64,
    /// Between primaries and replicas in different zones.
    pub replication_gb: f64,
    /// Reads and writes of the database's storage.
    pub database_io: u64,
}

impl Usage {
    /// Capacity units of the load balancer that are billed: in each hour the dimension used most.
    pub fn lcu_hours(&self) -> f64 {
        self.load_balancer.iter().map(|hour| hour.billed().1).sum()
    }

    /// Unit-hours of the load balancer in one dimension, billed or not.
    pub fn lcu_hours_of(&self, dimension: Dimension) -> f64 {
        self.load_balancer
            .iter()
            .map(|hour| hour.of(dimension))
            .sum()
    }
}
