//! The rules of the VPC's network: route tables and security groups.

use serde::{Deserialize, Serialize};
use tiketi_core::names;
use tiketi_core::units::ZoneId;

/// Where the route table of a subnet sends traffic for the internet (`0.0.0.0/0`). Traffic within the VPC has a route of its
/// own, which every route table contains (documented: "Route tables", Amazon VPC user guide).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefaultRoute {
    /// To the internet gateway: the subnet is public, and what runs in it has a public address.
    InternetGateway,
    /// To the NAT gateway of this zone.
    NatGateway(ZoneId),
    /// Nowhere.
    None,
}

/// The default routes of a zone's subnets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes {
    /// Of the subnet of the load-balancer node and the NAT gateway.
    pub public: DefaultRoute,
    /// Of the subnet of the instances and Redis.
    pub private: DefaultRoute,
    /// Of the subnet of the database.
    pub data: DefaultRoute,
}

/// Who may open connections to each part: the inbound rules of its security group. Responses need no rule of their own
/// (documented: security groups are stateful). Each part listens on one port, so rules do not name ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroups {
    /// To the load-balancer nodes.
    pub load_balancer: Vec<Source>,
    /// To the instances.
    pub instances: Vec<Source>,
    /// To the Redis nodes.
    pub redis: Vec<Source>,
    /// To the database nodes.
    pub database: Vec<Source>,
}

/// The source of an inbound rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Everyone (`0.0.0.0/0`).
    Internet,
    /// Every address in the VPC.
    Vpc,
    /// Members of the load balancer's security group.
    LoadBalancer,
    /// Members of the instances' security group.
    Instances,
    /// Members of Redis' security group.
    Redis,
    /// Members of the database's security group.
    Database,
}

names!(Source {
    Internet = "internet",
    Vpc = "vpc",
    LoadBalancer = "load-balancer",
    Instances = "instances",
    Redis = "redis",
    Database = "database",
});
