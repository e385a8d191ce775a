//! The architecture: zones and subnets, instances, load balancer and data tier.

use std::time::Duration;

use ipnet::Ipv4Net;
use serde::{Deserialize, Deserializer, Serialize};
use tiketi_station::Profile;

pub use super::data_tier::{DataTier, ExternalServers, PostgresUrl, RedisUrl};
pub use super::edge::{ApiWay, CacheStart, Edge, RoomPlace, StaticFile, Way};
use super::network::{Routes, SecurityGroups};
use tiketi_core::instance_class::InstanceClass;
use tiketi_core::names;
use tiketi_core::units::{Share, ZoneId};

/// The architecture under test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// Address range of the whole VPC.
    pub vpc: Ipv4Net,
    /// Availability zones; a [`ZoneId`] is an index into this list.
    pub zones: Vec<Zone>,
    /// Who may open connections to what.
    pub security_groups: SecurityGroups,
    /// The back-end instances.
    pub instances: Instances,
    /// The edge in front of the VPC.
    #[serde(default = "Edge::without_files")]
    pub edge: Edge,
    /// The load balancer.
    pub alb: Alb,
    /// Where a live run keeps its data.
    #[serde(default)]
    pub data_tier: DataTier,
    /// Redis.
    pub redis: Redis,
    /// PostgreSQL.
    pub database: Database,
    /// Whether S3 is reached through a gateway endpoint, which is free, instead of NAT (A17).
    pub s3_endpoint: bool,
}

/// One availability zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Short name, such as `a`.
    pub name: String,
    /// Subnet of the load-balancer node and the NAT gateway.
    pub public: Ipv4Net,
    /// Subnet of the instances and Redis.
    pub private: Ipv4Net,
    /// Subnet of the database.
    pub data: Ipv4Net,
    /// Whether the zone has a NAT gateway of its own.
    pub nat_gateway: bool,
    /// Where its subnets send traffic for the internet.
    pub routes: Routes,
}

/// The back-end instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instances {
    /// EC2 instance type. It decides the number of virtual CPUs, the speed of each, and the CPU credits.
    pub class: InstanceClass,
    /// What happens to a burstable instance without CPU credits.
    pub credits: CreditMode,
    /// Service times of their operations: `t3-medium-node`, `native`, or a calibrated profile. They hold on the instance
    /// type that the profile names; [`Self::class_profile`] has those on this one.
    #[serde(deserialize_with = "profile_of_known_class")]
    pub profile: Profile,
    /// Instances in service at the start, one entry per zone.
    pub initial: Vec<u32>,
}

fn profile_of_known_class<'de, D: Deserializer<'de>>(from: D) -> Result<Profile, D::Error> {
    let profile = Profile::deserialize(from)?;
    match InstanceClass::from_name(&profile.class) {
        Some(_) => Ok(profile),
        None => Err(serde::de::Error::custom(format_args!(
            "unknown instance type `{}` of profile `{}`",
            profile.class, profile.name
        ))),
    }
}

impl Instances {
    /// Returns the service times on the virtual CPU of these instances: those of the profile, shorter if a thread runs
    /// faster here than on the type that the profile was measured on.
    pub fn class_profile(&self) -> Profile {
        self.profile.at_speed(self.speed())
    }

    /// Returns how fast a thread runs here, relative to the instance type of the profile.
    pub fn speed(&self) -> f64 {
        let measured_on = InstanceClass::from_name(&self.profile.class);
        let measured_on = measured_on.expect("the type is checked when a profile is read");
        self.class.speed_relative_to(measured_on)
    }
}

/// What happens to a burstable instance without CPU credits. Only the model keeps track of credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreditMode {
    /// It slows down to its baseline.
    Standard,
    /// It continues at full speed for a surcharge (the AWS default for T3).
    Unlimited,
}

names!(CreditMode {
    Unlimited = "unlimited",
    Standard = "standard",
});

/// The Application Load Balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alb {
    /// Health checks of the target group.
    pub health_check: HealthCheck,
    /// How long a draining target keeps its connections.
    pub deregistration_delay: Duration,
    /// Lifetime of the `AWSALB` cookie, renewed with each request; `None` if stickiness is off.
    pub stickiness: Option<Duration>,
    /// Idle time after which a connection is closed; a request without a response gets 504.
    pub idle_timeout: Duration,
    /// How long the load balancer waits for a target to accept a connection before 504.
    pub connect_timeout: Duration,
    /// Time to live of the load balancer's DNS record.
    pub dns_ttl: Duration,
}

/// Health checks of a target group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// Time between two checks of one load-balancer node on one target.
    pub interval: Duration,
    /// Time after which a check has failed.
    pub timeout: Duration,
    /// Passed checks in a row that make an unhealthy target healthy; a new target needs one.
    pub healthy_count: u32,
    /// Failed checks in a row that make a target unhealthy.
    pub unhealthy_count: u32,
}

/// ElastiCache for Redis.
///
/// Unless noted otherwise, fields apply to the model and to every data tier that a run starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Redis {
    /// Node type, such as `cache.t3.micro`.
    pub class: String,
    /// Zone of the primary at the start.
    pub primary: ZoneId,
    /// Zone of the replica; `None` for no replica.
    pub replica: Option<ZoneId>,
    /// From losing the primary to the first write on the promoted replica.
    pub failover: Duration,
    /// Age of the youngest writes that asynchronous replication loses with the primary. With servers, the delay of the
    /// link to the replica; the loss is then measured.
    pub lost_window: Duration,
    /// Time to live of the primary's DNS record.
    pub dns_ttl: Duration,
    /// Whether servers of the run use TLS. Servers only.
    #[serde(default)]
    pub tls: bool,
    /// Idle time after which Redis closes a connection (B7). Servers only.
    #[serde(default = "redis_idle_timeout")]
    pub idle_timeout: Duration,
    /// How long the application waits for the response to a command, and for a connection. A primary that is paused, or
    /// whose zone has lost power, does not answer; one that is lost alone refuses connections at once.
    #[serde(default = "redis_timeout")]
    pub timeout: Duration,
    /// Memory of the node, in MiB. Without the [`Self::reserved`] share it is `maxmemory`.
    pub memory_mib: u32,
    /// Share of the memory that is not for keys (`reserved-memory-percent`).
    pub reserved: Share,
    /// Memory that others take and eviction cannot free (connection buffers, keys in constant use), in MiB. Model only:
    /// the fault `fill-redis-memory` does the same for a limited time, in every environment.
    pub other_mib: u32,
    /// What happens to a write when the memory is full (`maxmemory-policy`).
    pub eviction: Eviction,
    /// Time of one command on a node with CPU credits. Model only: a live run takes the time that its host needs.
    pub command: Duration,
    /// Whether the node has CPU credits. Model only.
    pub cpu_credits: CpuCredits,
    /// Share of a core that the single thread of Redis gets without CPU credits. Model only.
    pub baseline: Share,
}

fn redis_idle_timeout() -> Duration {
    Duration::from_secs(300)
}

fn redis_timeout() -> Duration {
    Duration::from_secs(2)
}

/// What Redis does with a write when its memory is full (`maxmemory-policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// Evicts the least recently used key among a few samples (B7).
    AllKeysLru,
    /// The same, among keys that expire only.
    VolatileLru,
    /// Rejects the write.
    NoEviction,
}

names!(Eviction {
    AllKeysLru = "allkeys-lru",
    VolatileLru = "volatile-lru",
    NoEviction = "noeviction",
});

/// CPU credits of a burstable cache node. Such nodes run in standard mode: without credits they are throttled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuCredits {
    /// Enough for the whole run.
    Full,
    /// None left: the node runs at its baseline.
    Spent,
}

names!(CpuCredits {
    Full = "full",
    Spent = "spent",
});

/// The relational database.
///
/// Unless noted otherwise, fields apply to the model and to every data tier that a run starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Database {
    /// The service, which determines failover and durability.
    pub kind: DatabaseKind,
    /// Instance class, such as `db.t3.medium`.
    pub class: String,
    /// Zone of the writer at the start.
    pub primary: ZoneId,
    /// Zone of the standby or reader; `None` for neither.
    pub standby: Option<ZoneId>,
    /// From losing the writer to the first write on the promoted member.
    pub failover: Duration,
    /// Time to live of the writer's DNS record.
    pub dns_ttl: Duration,
    /// Connections in the pool of one instance (B6).
    pub pool_max: u32,
    /// How long a request waits for a pooled connection before it fails (B6).
    pub pool_connect_timeout: Duration,
    /// Idle time after which a pooled connection is closed (B6). Servers only.
    #[serde(default = "pool_idle")]
    pub pool_idle: Duration,
    /// How long a connection lasts after its server has lost power: TCP keep-alive.
    #[serde(default = "keep_alive")]
    pub keep_alive: Duration,
    /// Connections that the server accepts in total (`max_connections`).
    pub connections_max: u32,
    /// Cores that queries share. Model and embedded tier: servers use those of their host.
    pub cores: u32,
    /// Time of a commit, beyond its query, until it is durable, in another zone too. With servers of kind
    /// `rds-multi-az`, the delay of the link to the standby, which each commit waits for.
    pub commit: Duration,
    /// Lag of Aurora's reader (A12): the delay of the link to it. AWS documents "usually much less than 100 ms"; the
    /// value is an assumption. Servers only: neither the model nor the embedded tier has a reader.
    #[serde(default = "replica_lag")]
    pub replica_lag: Duration,
}

fn pool_idle() -> Duration {
    Duration::from_secs(30)
}

fn keep_alive() -> Duration {
    Duration::from_secs(5)
}

fn replica_lag() -> Duration {
    Duration::from_millis(20)
}

/// The database service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    /// Aurora PostgreSQL: shared storage, failover in about 30 s.
    Aurora,
    /// RDS Multi-AZ instance: a synchronous standby that serves no reads, failover in 60 to 120 s. An RDS Multi-AZ cluster,
    /// whose two standbys serve reads and which fails over within 35 s, is something else and not modeled.
    RdsMultiAz,
}

names!(DatabaseKind {
    Aurora = "aurora",
    RdsMultiAz = "rds-multi-az",
});

impl Redis {
    /// Bytes available to keys and other workloads: `maxmemory`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of the memory of a node, far below 2^53 bytes"
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
