//! What an engine reports to the meter, about once per second of scenario time: counts since the last report.

use serde::{Deserialize, Serialize};

/// Activity of the load balancer since the last sample.
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
    /// Listener rule evaluations beyond the ten that are free per request; 0 with only the default rule.
    pub rule_evaluations: u64,
}

/// What the edge has served from its caches since the last sample. What it passed on to the load balancer is in [`LoadSample`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeSample {
    /// Requests for static files.
    pub requests: u64,
    /// Bytes of static files to buyers.
    pub bytes_out: u64,
    /// Requests to S3. Bytes from S3 to the edge are free.
    pub origin_requests: u64,
    /// Requests to the waiting room at the edge.
    pub room_requests: u64,
    /// Bytes of the responses of the waiting room at the edge.
    pub room_bytes: u64,
}

/// Bytes within and out of the VPC since the last sample, by path.
///
/// Each byte is counted once, in either direction. Traffic that both sender and receiver pay for is doubled when it is
/// priced. Bytes between clients and the load balancer are in [`LoadSample`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficSample {
    /// Through NAT gateways in either direction, without traffic to S3.
    pub nat_bytes: u64,
    /// From instances to the internet, through NAT or not.
    pub internet_bytes_out: u64,
    /// Between instances and S3 in either direction, through the gateway endpoint or NAT.
    pub s3_bytes: u64,
    /// Of `s3_bytes`, those through NAT.
    pub s3_nat_bytes: u64,
    /// Uploads to S3.
    pub s3_puts: u64,
    /// To or from a NAT gateway in another zone than the instance (A18), including those of `s3_nat_bytes`.
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

/// Which of the usage that AWS bills an engine can see. The rest is *not metered*, which is different from zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Instances, load balancer, edge, Lambda, and traffic out of the VPC. Within the VPC, traffic crosses no zones on one
    /// machine, and storage is in memory.
    #[default]
    Testbed,
    /// Everything: the engine also reports traffic by path and surplus credits, even if they are zero.
    Everything,
}
