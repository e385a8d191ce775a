//! What an engine tells the meter, about once a scenario second: counts since the last time it did.

use serde::{Deserialize, Serialize};

/// What the load balancer has done since the last sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadSample {
    /// Connections opened by clients.
    pub new_connections: u64,
    /// Connections open now.
    pub active_connections: u64,
    /// Requests.
    pub requests: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Evaluations of listener rules beyond the ten that are free with each request: 0 with the default rule alone.
    pub rule_evaluations: u64,
}

/// Bytes inside the VPC and out of it, by the path they took, since the last sample.
///
/// Each byte is counted once, whichever way it went; what is paid twice (by its sender and by its receiver) is doubled
/// when it is priced. Bytes between a client and the load balancer are not here but in [`LoadSample`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficSample {
    /// Through NAT gateways, either way, without what went to S3.
    pub nat_bytes: u64,
    /// The part of `nat_bytes` that left for the internet.
    pub nat_bytes_out: u64,
    /// Between instances and S3, either way. Whether by the gateway endpoint or by NAT, the plan says.
    pub s3_bytes: u64,
    /// To or from a NAT gateway in another zone than the instance (A18), `s3_bytes` included if they go that way.
    pub detour_bytes: u64,
    /// Between a load-balancer node and an instance in different zones.
    pub load_balancer_cross_zone_bytes: u64,
    /// Between an instance and a Redis node in different zones.
    pub redis_cross_zone_bytes: u64,
    /// Between an instance and a database node in different zones.
    pub database_cross_zone_bytes: u64,
    /// Between primaries and replicas in different zones, Redis and database together.
    pub replication_bytes: u64,
    /// Reads and writes of the database's storage, as Aurora bills them.
    pub database_io: u64,
}

/// What an engine can see of what AWS bills. What it cannot see is *not metered*, which is not the same as nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Instances, load balancer, edge, Lambda: all of it on one machine, where no byte passes a NAT gateway or a zone's
    /// border, and storage is memory.
    #[default]
    Testbed,
    /// All of it: the engine reports traffic by path and surplus credits, nothing included.
    Everything,
}
