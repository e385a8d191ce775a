//! What is billed, and under which heading of the documented month.

use serde::{Deserialize, Serialize};

/// One billed thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// Back-end instances, on demand.
    Instance,
    /// Back-end instances of which an hour each month is paid for in advance; only for what a month could save.
    InstanceReserved,
    /// Processor time of T3 instances in unlimited mode beyond the credits they have earned.
    Surplus,
    /// Root volumes of the instances.
    Volumes,
    /// The load balancer itself.
    LoadBalancer,
    /// Its capacity units.
    LoadBalancerCapacity,
    /// Public IPv4 addresses: one a zone of the load balancer, one a NAT gateway.
    PublicAddresses,
    /// Runs of the Lambda.
    LambdaRuns,
    /// Memory and time of these runs.
    LambdaCompute,
    /// Nodes of the database.
    Database,
    /// Storage of the database; the class of its price is the kind of the database.
    DatabaseStorage,
    /// Reads and writes of that storage.
    DatabaseIo,
    /// Nodes of Redis.
    Cache,
    /// NAT gateways.
    NatGateway,
    /// Bytes through NAT gateways, either way.
    NatTraffic,
    /// Bytes between instances and S3 through the gateway endpoint.
    EndpointTraffic,
    /// Bytes between zones that the sender and the receiver pay for: to the data tier, and to a NAT gateway elsewhere.
    CrossZone,
    /// Bytes between a load-balancer node and an instance in another zone.
    CrossZoneLoadBalancer,
    /// Bytes between primaries and replicas in different zones.
    CrossZoneReplication,
    /// Bytes to the internet, through the edge.
    DataOut,
    /// Bytes to the internet, through NAT.
    DataOutNat,
    /// Requests at the edge.
    EdgeRequests,
    /// S3.
    ObjectStorage,
    /// Route 53.
    DnsZone,
    /// Secrets Manager.
    Secrets,
    /// Custom metrics of CloudWatch.
    Metrics,
    /// Calls that report them.
    MetricCalls,
    /// Its alarms.
    Alarms,
}

/// A line of the documented month, which one item or several fall under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heading {
    /// The smallest fleet, with its volumes.
    Instances,
    /// Instances beyond the smallest fleet with their volumes, and surplus credits.
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
    /// Bytes and requests to the internet.
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
    /// The name in price books and reports.
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
