//! What is billed, and under which heading of the documented month.

use serde::{Deserialize, Serialize};

/// One billed thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// Back-end instances.
    Instance,
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
    /// Nodes of Redis.
    Cache,
    /// NAT gateways.
    NatGateway,
    /// Bytes to the internet, through the edge.
    DataOut,
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
    /// Its alarms.
    Alarms,
}

/// A line of the documented month, which one item or several fall under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heading {
    /// The smallest fleet.
    Instances,
    /// Instances beyond the smallest fleet.
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
            Self::Transfer => "transfer",
            Self::Storage => "storage",
            Self::Dns => "dns",
            Self::Secrets => "secrets",
            Self::Monitoring => "monitoring",
        }
    }
}
