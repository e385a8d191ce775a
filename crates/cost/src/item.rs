//! Billed items, and the headings of the reference bill that they belong to.

use serde::{Deserialize, Serialize};
use tiketi_core::names;
use tiketi_scenario::topology::{Database, DatabaseKind};

/// A billed item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// Back-end instances, on demand.
    Instance,
    /// Reserved back-end instances; used only to compute possible savings.
    InstanceReserved,
    /// CPU time of T3 instances in unlimited mode beyond the credits they earned.
    Surplus,
    /// Root volumes of the instances.
    Volumes,
    /// The load balancer itself.
    LoadBalancer,
    /// Its capacity units.
    LoadBalancerCapacity,
    /// Public IPv4 addresses: one per zone of the load balancer and one per NAT gateway.
    PublicAddresses,
    /// Lambda invocations.
    LambdaRuns,
    /// Memory and time of the Lambda invocations.
    LambdaCompute,
    /// Database nodes.
    Database,
    /// Database storage.
    DatabaseStorage,
    /// Reads and writes of the database storage.
    DatabaseIo,
    /// Redis nodes.
    Cache,
    /// NAT gateways.
    NatGateway,
    /// Bytes through NAT gateways in either direction.
    NatTraffic,
    /// Bytes between instances and S3 through the gateway endpoint.
    EndpointTraffic,
    /// Bytes between zones that sender and receiver both pay for: to the data tier, and to a NAT gateway in another zone.
    CrossZone,
    /// Bytes between a load-balancer node and an instance in another zone.
    CrossZoneLoadBalancer,
    /// Bytes between primaries and replicas in different zones.
    CrossZoneReplication,
    /// Bytes to the internet, through the edge.
    DataOut,
    /// Bytes from instances to the internet, through NAT or not.
    DataOutNat,
    /// Requests at the edge.
    EdgeRequests,
    /// Requests of the edge to S3 (GET).
    OriginRequests,
    /// Requests to the waiting room at the edge, beyond what any request at the edge costs: function and store.
    RoomRequests,
    /// The fee of a plan for the edge, which a book states with the plan.
    EdgePlan,
    /// S3.
    ObjectStorage,
    /// Uploads to S3 (PUT requests).
    ObjectUploads,
    /// Route 53.
    DnsZone,
    /// Secrets Manager.
    Secrets,
    /// Custom CloudWatch metrics.
    Metrics,
    /// API requests that report custom metrics.
    MetricCalls,
    /// CloudWatch alarms.
    Alarms,
}

names!(Item {
    Instance = "instance",
    InstanceReserved = "instance-reserved",
    Surplus = "surplus",
    Volumes = "volumes",
    LoadBalancer = "load-balancer",
    LoadBalancerCapacity = "load-balancer-capacity",
    PublicAddresses = "public-addresses",
    LambdaRuns = "lambda-runs",
    LambdaCompute = "lambda-compute",
    Database = "database",
    DatabaseStorage = "database-storage",
    DatabaseIo = "database-io",
    Cache = "cache",
    NatGateway = "nat-gateway",
    NatTraffic = "nat-traffic",
    EndpointTraffic = "endpoint-traffic",
    CrossZone = "cross-zone",
    CrossZoneLoadBalancer = "cross-zone-load-balancer",
    CrossZoneReplication = "cross-zone-replication",
    DataOut = "data-out",
    DataOutNat = "data-out-nat",
    EdgeRequests = "edge-requests",
    OriginRequests = "origin-requests",
    RoomRequests = "room-requests",
    EdgePlan = "edge-plan",
    ObjectStorage = "object-storage",
    ObjectUploads = "object-uploads",
    DnsZone = "dns-zone",
    Secrets = "secrets",
    Metrics = "metrics",
    MetricCalls = "metric-calls",
    Alarms = "alarms",
});

impl Item {
    /// Whether its price depends on what kind of database it belongs to.
    pub fn has_kinds(self) -> bool {
        [Self::Database, Self::DatabaseStorage, Self::DatabaseIo].contains(&self)
    }
}

/// A database as AWS sells it. Each kind has prices of its own, also for nodes of the same class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DatabaseOffer {
    /// Aurora PostgreSQL. Each node has the same price, whether it writes or reads.
    Aurora,
    /// RDS for PostgreSQL with a standby. AWS lists one price for both nodes; books have half of it, per node.
    RdsMultiAz,
    /// RDS for PostgreSQL in one zone: a single node.
    RdsSingleAz,
}

names!(DatabaseOffer {
    Aurora = "aurora",
    RdsMultiAz = "rds-multi-az",
    RdsSingleAz = "rds-single-az",
});

impl DatabaseOffer {
    /// Returns the kind by which `database` is billed. RDS without a standby is the single-zone kind.
    pub const fn of(database: &Database) -> Self {
        match (database.kind, database.standby) {
            (DatabaseKind::Aurora, _) => Self::Aurora,
            (DatabaseKind::RdsMultiAz, Some(_)) => Self::RdsMultiAz,
            (DatabaseKind::RdsMultiAz, None) => Self::RdsSingleAz,
        }
    }
}

/// A line of the reference bill, which covers one or more items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heading {
    /// The smallest fleet and its volumes.
    Instances,
    /// Instances beyond the smallest fleet and their volumes, and surplus credits.
    Peak,
    /// The load balancer.
    LoadBalancer,
    /// The Lambda.
    Lambda,
    /// The database.
    Database,
    /// Redis.
    Cache,
    /// NAT.
    Nat,
    /// Bytes between zones.
    CrossZone,
    /// Bytes and requests to the internet, and requests to S3.
    Transfer,
    /// S3.
    Storage,
    /// Route 53.
    Dns,
    /// Secrets Manager.
    Secrets,
    /// CloudWatch.
    Monitoring,
}

impl Heading {
    /// Returns the name in price books and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instances => "instances",
            Self::Peak => "peak",
            Self::LoadBalancer => "load-balancer",
            Self::Lambda => "lambda",
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Nat => "nat",
            Self::CrossZone => "cross-zone",
            Self::Transfer => "transfer",
            Self::Storage => "storage",
            Self::Dns => "dns",
            Self::Secrets => "secrets",
            Self::Monitoring => "monitoring",
        }
    }
}
