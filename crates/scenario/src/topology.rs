//! The architecture: zones and subnets, instances, load balancer, data tier, ways out.

use std::time::Duration;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use tiketi_station::Profile;

pub use super::data_tier::{DataTier, ExternalServers};
pub use super::server_url::ServerUrl;
use tiketi_core::units::{Share, ZoneId};

/// The architecture under test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// Address range of the whole VPC.
    pub vpc: Ipv4Net,
    /// Availability zones; a [`ZoneId`] is a place in this list.
    pub zones: Vec<Zone>,
    /// The back-end instances.
    pub instances: Instances,
    /// The load balancer.
    pub alb: Alb,
    /// What keeps the data of a live run.
    #[serde(default)]
    pub data_tier: DataTier,
    /// Redis.
    pub redis: Redis,
    /// PostgreSQL.
    pub database: Database,
    /// Whether S3 is reached through a gateway endpoint (free) instead of NAT (A17).
    pub s3_endpoint: bool,
}

/// One availability zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Short name, such as `a`.
    pub name: String,
    /// Public tier: load-balancer node and NAT gateway.
    pub public: Ipv4Net,
    /// Private tier: instances and Redis.
    pub private: Ipv4Net,
    /// Data tier: the database.
    pub data: Ipv4Net,
    /// Whether the zone has a NAT gateway of its own.
    pub nat_gateway: bool,
}

/// The back-end instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instances {
    /// EC2 instance type, such as `t3.medium`; the price book must know it.
    pub class: String,
    /// What happens to a burstable instance that has spent its CPU credits.
    pub credits: CreditMode,
    /// Service times of their operations: `t3-medium-node`, `native`, or a profile that was calibrated.
    pub profile: Profile,
    /// Instances in service when the run starts, an entry a zone.
    pub initial: Vec<u32>,
}

/// What happens to a burstable instance that has spent its CPU credits. Only the model keeps accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CreditMode {
    /// It is held at its baseline.
    Standard,
    /// It goes on at full speed, and surplus is charged (the default of AWS for T3).
    Unlimited,
}

/// The Application Load Balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alb {
    /// Health checks of the target group.
    pub health_check: HealthCheck,
    /// How long a deregistered target keeps its connections.
    pub deregistration_delay: Duration,
    /// Life of the `AWSALB` cookie, renewed with each request; `None` when stickiness is off.
    pub stickiness: Option<Duration>,
    /// Idle time after which a connection is closed and an unanswered request gets 504.
    pub idle_timeout: Duration,
    /// How long the load balancer waits for a target to accept a connection before 504.
    pub connect_timeout: Duration,
    /// Time to live of the load balancer's DNS record.
    pub dns_ttl: Duration,
}

/// Health checks of a target group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// Time between two checks of one node on one target.
    pub interval: Duration,
    /// Time after which a check has failed.
    pub timeout: Duration,
    /// Passes in a row that make an unhealthy target healthy (a new target needs one).
    pub healthy_count: u32,
    /// Failures in a row that make a target unhealthy.
    pub unhealthy_count: u32,
}

/// ElastiCache for Redis.
///
/// Class, zones, `failover` and `dns_ttl` hold for the model and for every tier that a run starts. What else a field
/// means for whom is said with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Redis {
    /// Node type, such as `cache.t3.micro`.
    pub class: String,
    /// Zone of the primary at the start.
    pub primary: ZoneId,
    /// Zone of the replica; `None` without one.
    pub replica: Option<ZoneId>,
    /// From the loss of the primary to the first write on the promoted replica.
    pub failover: Duration,
    /// Age of the youngest writes that asynchronous replication loses with the primary; with servers, the delay of the
    /// link to the replica, so that what is really lost is measured.
    pub lost_window: Duration,
    /// Time to live of the primary's DNS record.
    pub dns_ttl: Duration,
    /// Whether servers of the run speak TLS. Neither the model nor the embedded tier knows of it.
    #[serde(default)]
    pub tls: bool,
    /// Idle time after which Redis closes a connection (B7). Servers alone have it.
    #[serde(default = "redis_idle_timeout")]
    pub idle_timeout: Duration,
    /// Wait for the answer to a command after which the application gives up on it. Only a paused primary
    /// (`pause-primary`) does not answer; a lost one refuses at once.
    #[serde(default = "redis_timeout")]
    pub timeout: Duration,
    /// Memory of the node, MiB; less [`Self::reserved`] it is `maxmemory`.
    pub memory_mib: u32,
    /// Part of the memory that is not for keys (`reserved-memory-percent`).
    pub reserved: Share,
    /// Memory that others take and that eviction cannot free (buffers of connections, keys in constant use), MiB. The
    /// model's alone; a fault does the same for some time anywhere (`fill-redis-memory`).
    pub other_mib: u32,
    /// What happens to a write when the memory is full; `maxmemory-policy` of a server.
    pub eviction: Eviction,
    /// Time of one command on a node with CPU credits. The model's alone: a live run takes the time it takes.
    pub command: Duration,
    /// Whether the node has CPU credits. The model's alone.
    pub cpu_credits: CpuCredits,
    /// Part of a core that the one thread of Redis has left without credits. The model's alone.
    pub baseline: Share,
}

fn redis_idle_timeout() -> Duration {
    Duration::from_secs(300)
}

fn redis_timeout() -> Duration {
    Duration::from_secs(2)
}

/// What Redis does with a write when its memory is full (`maxmemory-policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Eviction {
    /// Drops the key that was used longest ago, of a few that it looks at (B7).
    AllKeysLru,
    /// The same, but only of the keys that expire.
    VolatileLru,
    /// Refuses the write.
    NoEviction,
}

/// CPU credits of a burstable cache node. It runs in standard mode: without credits it is throttled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CpuCredits {
    /// Enough for the whole run.
    Full,
    /// None left: the node has its baseline.
    Spent,
}

/// The relational database.
///
/// Kind, class, zones, `failover`, `dns_ttl`, and the pool hold for the model and for every tier that a run starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Database {
    /// Which service, and so how failover and durability behave.
    pub kind: DatabaseKind,
    /// Instance class, such as `db.t3.medium`.
    pub class: String,
    /// Zone of the writer at the start.
    pub primary: ZoneId,
    /// Zone of the standby or replica; `None` without one.
    pub standby: Option<ZoneId>,
    /// From the loss of the writer to the first write on the promoted one.
    pub failover: Duration,
    /// Time to live of the writer's DNS record.
    pub dns_ttl: Duration,
    /// Connections in the pool of one instance (B6).
    pub pool_max: u32,
    /// Wait for a pooled connection after which a request fails (B6).
    pub pool_connect_timeout: Duration,
    /// Idle time after which a pooled connection is closed (B6). With servers; pools elsewhere keep what they have.
    #[serde(default = "pool_idle")]
    pub pool_idle: Duration,
    /// Connections the server admits in all (`max_connections`).
    pub connections_max: u32,
    /// Cores that queries share, in the model and on the embedded tier.
    pub cores: u32,
    /// What a commit takes beyond its query until it is durable, in another zone too; with servers of the kind
    /// `rds-multi-az`, the delay of the link to the standby, which each commit waits for.
    pub commit: Duration,
    /// How far the reader of `aurora` is behind (A12): with servers, the delay of the link to it. AWS documents "usually
    /// much less than 100 ms"; the figure is an assumption. Neither the model nor the embedded tier has a reader.
    #[serde(default = "replica_lag")]
    pub replica_lag: Duration,
}

fn pool_idle() -> Duration {
    Duration::from_secs(30)
}

fn replica_lag() -> Duration {
    Duration::from_millis(20)
}

/// The database service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseKind {
    /// Aurora PostgreSQL: shared storage, promotes in about 30 s.
    Aurora,
    /// RDS Multi-AZ instance: synchronous standby without reads, 60-120 s.
    RdsMultiAz,
}

impl Redis {
    /// Bytes that keys may take together with everything else: `maxmemory`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a part of the memory of a node, far below 2^53 bytes"
    )]
    pub fn memory_max_bytes(&self) -> u64 {
        const MIB: u64 = 1 << 20;
        let bytes = u64::from(self.memory_mib) * MIB;
        (bytes as f64 * (1.0 - self.reserved.get())) as u64
    }
}

impl Topology {
    /// The zone with this name, or `None`.
    pub fn zone_named(&self, name: &str) -> Option<ZoneId> {
        let index = self.zones.iter().position(|zone| zone.name == name)?;
        u8::try_from(index).ok().map(ZoneId)
    }

    /// All zones by number.
    pub fn zone_ids(&self) -> impl Iterator<Item = ZoneId> + use<> {
        (0..u8::try_from(self.zones.len()).unwrap_or(u8::MAX)).map(ZoneId)
    }
}
