//! The faults that a scenario can plan.
//!
//! Names follow AWS Fault Injection Service (FIS) where FIS has such an action or scenario. Each action names its FIS
//! counterpart. FIS has none for an ALB node, a replica's link, slow names, or what a client does rather than AWS.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::impairment::{Impairment, Peer, Quality};
use crate::names;
use crate::units::{DataTierPart, Share, SimTime, ZoneId};

/// One planned fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// When it starts.
    pub at: SimTime,
    /// How long it lasts; it ends at `at + lasts`. Zero for a momentary fault, which has no end, and for a command of the user
    /// that breaks something until it exits.
    pub lasts: Duration,
    /// What breaks.
    pub action: Action,
}

/// What breaks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "action")]
pub enum Action {
    /// The whole zone loses power: ALB node, instances, data-tier primaries and NAT gateway. No instance can launch
    /// there until the fault ends. Servers that existed before the run belong to no zone and are left alone.
    ///
    /// FIS has a scenario for it, "AZ Availability: Power Interruption". It is composed of `aws:ec2:stop-instances`,
    /// `aws:ec2:asg-insufficient-instance-capacity-error`, `aws:network:disrupt-connectivity`,
    /// `aws:rds:failover-db-cluster` and `aws:elasticache:replicationgroup-interrupt-az-power`. Load-balancer nodes and NAT
    /// gateways are not part of it.
    AzPowerInterruption {
        /// The zone.
        zone: ZoneId,
        /// What becomes of connections to what was in it. Archives of runs without this field had resets.
        #[serde(default = "reset")]
        connections: Connections,
    },
    /// Instances end without warning (`aws:ec2:terminate-instances`); the group replaces them. Momentary.
    TerminateInstances {
        /// Their zone.
        zone: ZoneId,
        /// How many, lowest number first; all of the zone if there are fewer.
        count: u32,
    },
    /// Instances accept connections but never answer, a gray failure: their processes are stopped (SIGSTOP) and
    /// continue when the fault ends. The closest FIS action is `aws:ebs:pause-volume-io`, which also makes a system
    /// hang.
    PauseInstances {
        /// Their zone.
        zone: ZoneId,
        /// How many, lowest number first; all of the zone if there are fewer.
        count: u32,
    },
    /// Other work takes a share of the processor of instances, before the application (`AWSFIS-Run-CPU-Stress`,
    /// `aws:ecs:task-cpu-stress`). The stressor of FIS competes with the application for the processor; here it comes first.
    CpuStress {
        /// Their zone.
        zone: ZoneId,
        /// How many, lowest number first; all of the zone if there are fewer.
        count: u32,
        /// Share of the processor that is taken.
        load: Share,
    },
    /// Packets to and from a zone come late (`AWSFIS-Run-Network-Latency-Sources`, `aws:ecs:task-network-latency`; part of the
    /// scenarios "AZ: Application Slowdown" and "Cross-AZ: Traffic Slowdown"). FIS delays what its targets send; here packets
    /// are delayed in both directions.
    NetworkLatency {
        /// The zone.
        zone: ZoneId,
        /// Whose packets.
        peer: Peer,
        /// How much later each packet arrives.
        delay: Duration,
        /// How much the delay varies.
        #[serde(default)]
        jitter: Duration,
    },
    /// Packets to and from a zone are lost (`AWSFIS-Run-Network-Packet-Loss-Sources`, `aws:ecs:task-network-packet-loss`),
    /// in both directions.
    NetworkPacketLoss {
        /// The zone.
        zone: ZoneId,
        /// Whose packets.
        peer: Peer,
        /// Share of the packets that are lost.
        loss: Share,
    },
    /// The load balancer loses its node in one zone. The node's address stays in DNS until the record's health checks
    /// have failed, and in client caches for the record's time to live. FIS has no such action.
    LoseAlbNode {
        /// The zone.
        zone: ZoneId,
    },
    /// The load balancer shifts traffic away from a zone until this ends (`aws:arc:start-zonal-autoshift`): the zone's address
    /// leaves DNS, and no node sends requests to targets in the zone. Open connections stay. A remedy rather than a fault.
    StartZonalAutoshift {
        /// The zone.
        zone: ZoneId,
    },
    /// EC2 has no capacity in the zone for new instances of the group (`aws:ec2:asg-insufficient-instance-capacity-error`):
    /// launches there fail while it lasts. Instances that exist are not affected.
    AsgInsufficientInstanceCapacityError {
        /// The zone.
        zone: ZoneId,
    },
    /// The primary's process is killed. It returns as a replica when the fault ends. The FIS action depends on the service:
    /// `aws:rds:failover-db-cluster` for Aurora, `aws:rds:reboot-db-instances` with `forceFailover` for an RDS Multi-AZ
    /// instance. For Redis it is the part of `aws:elasticache:replicationgroup-interrupt-az-power` that affects a primary;
    /// that action needs Multi-AZ and lasts at least a minute.
    LosePrimary {
        /// Which part of the data tier.
        part: DataTierPart,
    },
    /// The primary's process is stopped: connections stay open and nothing answers until the fault ends
    /// (`aws:ebs:pause-volume-io` on a database). AWS sees no failure, so there is no failover.
    PausePrimary {
        /// Which part of the data tier.
        part: DataTierPart,
    },
    /// The link to the replica is slower by this much. FIS has no such action.
    DelayReplica {
        /// Which part of the data tier.
        part: DataTierPart,
        /// Minimum lag of the replica.
        lag: Duration,
    },
    /// Another workload fills the memory of Redis. FIS has no such action.
    FillRedisMemory {
        /// Share of `maxmemory` that is taken.
        share: Share,
    },
    /// A client outside the system takes database connections and keeps them. FIS has no such action.
    HoldDatabaseConnections {
        /// How many.
        count: u32,
    },
    /// The name server answers queries for public names late, or not at all. What is resolved already can be used until its
    /// time to live is over. FIS has no such action.
    SlowDns {
        /// Time to a response.
        delay: Duration,
        /// Share of queries that get none.
        unanswered: Share,
    },
    /// The NAT gateway of a zone is lost. Route tables that name it keep naming it, so what they send there is dropped.
    /// FIS has no such action.
    LoseNatGateway {
        /// Zone of the gateway.
        zone: ZoneId,
    },
    /// Somebody changes the default route of a zone's private subnet to the NAT gateway of a zone, as with EC2's
    /// `ReplaceRoute`. A remedy and no fault. Momentary.
    ReplaceRoute {
        /// Zone of the subnet.
        zone: ZoneId,
        /// Zone of the gateway.
        gateway: ZoneId,
    },
    /// S3 cannot be reached from the VPC (`aws:network:disrupt-connectivity` with the scope `s3`).
    S3Unavailable,
    /// The gateway endpoint of S3 is gone, and with it its routes: traffic to S3 takes the default route. FIS has no such
    /// action.
    LoseS3Endpoint,
    /// The payment provider takes longer for each answer. FIS has no such action.
    ProviderSlow {
        /// How much longer.
        delay: Duration,
    },
    /// The payment provider rejects every call. FIS has no such action.
    ProviderDown,
    /// A command of the user breaks something, in a live run. No shell reads it. FIS has `aws:ssm:send-command` for it.
    Exec {
        /// Its name in reports; `None` for the command itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The program and its arguments.
        run: Vec<String>,
        /// The program, with its arguments, that ends the fault; empty if nothing needs to be undone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        end: Vec<String>,
        /// How long each of the two may take, in real time.
        timeout: Duration,
    },
    /// An experiment of AWS FIS, from a template of the user, in a live run. The AWS command-line interface starts and stops it.
    Fis {
        /// Its name in reports; `None` for the id of the template.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Id of the experiment template.
        template: String,
        /// How long each call of the command-line interface may take, in real time.
        timeout: Duration,
    },
}

const fn reset() -> Connections {
    Connections::Reset
}

/// What an action does to calls out of the VPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disruption {
    /// The NAT gateway of this zone is lost.
    NatGateway(ZoneId),
    /// The default route of the private subnet of `zone` leads to the NAT gateway of zone `gateway` from now on.
    Route {
        /// Zone of the subnet.
        zone: ZoneId,
        /// Zone of the gateway.
        gateway: ZoneId,
    },
    /// S3 cannot be reached from the VPC.
    S3,
    /// The gateway endpoint of S3 is gone.
    S3Endpoint,
    /// The payment provider takes this much longer for each answer.
    ProviderSlow(Duration),
    /// The payment provider rejects every call.
    ProviderDown,
}

/// What the peers of something that is lost hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Connections {
    /// Nothing, as after a loss of power: packets are dropped. Open connections last until a peer's timeout, and new ones
    /// time out.
    Silent,
    /// A reset, as after the end of a process on a running host: open connections break at once, and new ones are refused.
    Reset,
}

names!(Connections {
    Silent = "silent",
    Reset = "reset",
});

/// An [`Action`] without its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// [`Action::AzPowerInterruption`].
    AzPowerInterruption,
    /// [`Action::TerminateInstances`].
    TerminateInstances,
    /// [`Action::PauseInstances`].
    PauseInstances,
    /// [`Action::CpuStress`].
    CpuStress,
    /// [`Action::NetworkLatency`].
    NetworkLatency,
    /// [`Action::NetworkPacketLoss`].
    NetworkPacketLoss,
    /// [`Action::LoseAlbNode`].
    LoseAlbNode,
    /// [`Action::StartZonalAutoshift`].
    StartZonalAutoshift,
    /// [`Action::AsgInsufficientInstanceCapacityError`].
    AsgInsufficientInstanceCapacityError,
    /// [`Action::LosePrimary`].
    LosePrimary,
    /// [`Action::PausePrimary`].
    PausePrimary,
    /// [`Action::DelayReplica`].
    DelayReplica,
    /// [`Action::FillRedisMemory`].
    FillRedisMemory,
    /// [`Action::HoldDatabaseConnections`].
    HoldDatabaseConnections,
    /// [`Action::SlowDns`].
    SlowDns,
    /// [`Action::LoseNatGateway`].
    LoseNatGateway,
    /// [`Action::ReplaceRoute`].
    ReplaceRoute,
    /// [`Action::S3Unavailable`].
    S3Unavailable,
    /// [`Action::LoseS3Endpoint`].
    LoseS3Endpoint,
    /// [`Action::ProviderSlow`].
    ProviderSlow,
    /// [`Action::ProviderDown`].
    ProviderDown,
    /// [`Action::Exec`].
    Exec,
    /// [`Action::Fis`].
    Fis,
}

names!(FaultKind {
    AzPowerInterruption = "az-power-interruption",
    TerminateInstances = "terminate-instances",
    PauseInstances = "pause-instances",
    CpuStress = "cpu-stress",
    NetworkLatency = "network-latency",
    NetworkPacketLoss = "network-packet-loss",
    LoseAlbNode = "lose-alb-node",
    StartZonalAutoshift = "start-zonal-autoshift",
    AsgInsufficientInstanceCapacityError = "asg-insufficient-instance-capacity-error",
    LosePrimary = "lose-primary",
    PausePrimary = "pause-primary",
    DelayReplica = "delay-replica",
    FillRedisMemory = "fill-redis-memory",
    HoldDatabaseConnections = "hold-database-connections",
    SlowDns = "slow-dns",
    LoseNatGateway = "lose-nat-gateway",
    ReplaceRoute = "replace-route",
    S3Unavailable = "s3-unavailable",
    LoseS3Endpoint = "lose-s3-endpoint",
    ProviderSlow = "provider-slow",
    ProviderDown = "provider-down",
    Exec = "exec",
    Fis = "fis",
});

impl FaultKind {
    /// Whether such a fault is over as soon as it has started, so that it has no end.
    pub const fn is_momentary(self) -> bool {
        match self {
            Self::TerminateInstances | Self::ReplaceRoute => true,
            Self::AzPowerInterruption
            | Self::PauseInstances
            | Self::CpuStress
            | Self::NetworkLatency
            | Self::NetworkPacketLoss
            | Self::LoseAlbNode
            | Self::StartZonalAutoshift
            | Self::AsgInsufficientInstanceCapacityError
            | Self::LosePrimary
            | Self::PausePrimary
            | Self::DelayReplica
            | Self::FillRedisMemory
            | Self::HoldDatabaseConnections
            | Self::SlowDns
            | Self::LoseNatGateway
            | Self::S3Unavailable
            | Self::LoseS3Endpoint
            | Self::ProviderSlow
            | Self::ProviderDown
            | Self::Exec
            | Self::Fis => false,
        }
    }
}

impl FaultKind {
    /// Whether it is a remedy that is planned like a fault: it breaks nothing.
    pub const fn is_remedy(self) -> bool {
        match self {
            Self::StartZonalAutoshift | Self::ReplaceRoute => true,
            Self::AzPowerInterruption
            | Self::TerminateInstances
            | Self::PauseInstances
            | Self::CpuStress
            | Self::NetworkLatency
            | Self::NetworkPacketLoss
            | Self::LoseAlbNode
            | Self::AsgInsufficientInstanceCapacityError
            | Self::LosePrimary
            | Self::PausePrimary
            | Self::DelayReplica
            | Self::FillRedisMemory
            | Self::HoldDatabaseConnections
            | Self::SlowDns
            | Self::LoseNatGateway
            | Self::S3Unavailable
            | Self::LoseS3Endpoint
            | Self::ProviderSlow
            | Self::ProviderDown
            | Self::Exec
            | Self::Fis => false,
        }
    }
}

impl FaultKind {
    /// Whether the user's own programs carry it out, outside this program and the model.
    pub const fn is_command(self) -> bool {
        matches!(self, Self::Exec | Self::Fis)
    }
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Action {
    /// The action without its parameters.
    pub const fn kind(&self) -> FaultKind {
        match *self {
            Self::AzPowerInterruption { .. } => FaultKind::AzPowerInterruption,
            Self::TerminateInstances { .. } => FaultKind::TerminateInstances,
            Self::PauseInstances { .. } => FaultKind::PauseInstances,
            Self::CpuStress { .. } => FaultKind::CpuStress,
            Self::NetworkLatency { .. } => FaultKind::NetworkLatency,
            Self::NetworkPacketLoss { .. } => FaultKind::NetworkPacketLoss,
            Self::LoseAlbNode { .. } => FaultKind::LoseAlbNode,
            Self::StartZonalAutoshift { .. } => FaultKind::StartZonalAutoshift,
            Self::AsgInsufficientInstanceCapacityError { .. } => {
                FaultKind::AsgInsufficientInstanceCapacityError
            }
            Self::LosePrimary { .. } => FaultKind::LosePrimary,
            Self::PausePrimary { .. } => FaultKind::PausePrimary,
            Self::DelayReplica { .. } => FaultKind::DelayReplica,
            Self::FillRedisMemory { .. } => FaultKind::FillRedisMemory,
            Self::HoldDatabaseConnections { .. } => FaultKind::HoldDatabaseConnections,
            Self::SlowDns { .. } => FaultKind::SlowDns,
            Self::LoseNatGateway { .. } => FaultKind::LoseNatGateway,
            Self::ReplaceRoute { .. } => FaultKind::ReplaceRoute,
            Self::S3Unavailable => FaultKind::S3Unavailable,
            Self::LoseS3Endpoint => FaultKind::LoseS3Endpoint,
            Self::ProviderSlow { .. } => FaultKind::ProviderSlow,
            Self::ProviderDown => FaultKind::ProviderDown,
            Self::Exec { .. } => FaultKind::Exec,
            Self::Fis { .. } => FaultKind::Fis,
        }
    }

    /// The name in scenarios and reports.
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// The zone that it affects; `None` if it affects no particular zone.
    pub const fn zone(&self) -> Option<ZoneId> {
        match *self {
            Self::AzPowerInterruption { zone, .. }
            | Self::TerminateInstances { zone, .. }
            | Self::PauseInstances { zone, .. }
            | Self::CpuStress { zone, .. }
            | Self::NetworkLatency { zone, .. }
            | Self::NetworkPacketLoss { zone, .. }
            | Self::LoseAlbNode { zone }
            | Self::StartZonalAutoshift { zone }
            | Self::AsgInsufficientInstanceCapacityError { zone }
            | Self::LoseNatGateway { zone }
            | Self::ReplaceRoute { zone, .. } => Some(zone),
            Self::LosePrimary { .. }
            | Self::PausePrimary { .. }
            | Self::DelayReplica { .. }
            | Self::FillRedisMemory { .. }
            | Self::HoldDatabaseConnections { .. }
            | Self::SlowDns { .. }
            | Self::S3Unavailable
            | Self::LoseS3Endpoint
            | Self::ProviderSlow { .. }
            | Self::ProviderDown
            | Self::Exec { .. }
            | Self::Fis { .. } => None,
        }
    }

    /// The part of the data tier that it affects; `None` if it affects something else or a whole zone.
    pub const fn part(&self) -> Option<DataTierPart> {
        match *self {
            Self::LosePrimary { part }
            | Self::PausePrimary { part }
            | Self::DelayReplica { part, .. } => Some(part),
            Self::FillRedisMemory { .. } => Some(DataTierPart::Redis),
            Self::HoldDatabaseConnections { .. } => Some(DataTierPart::Database),
            Self::AzPowerInterruption { .. }
            | Self::TerminateInstances { .. }
            | Self::PauseInstances { .. }
            | Self::CpuStress { .. }
            | Self::NetworkLatency { .. }
            | Self::NetworkPacketLoss { .. }
            | Self::AsgInsufficientInstanceCapacityError { .. }
            | Self::StartZonalAutoshift { .. }
            | Self::LoseAlbNode { .. }
            | Self::SlowDns { .. }
            | Self::LoseNatGateway { .. }
            | Self::ReplaceRoute { .. }
            | Self::S3Unavailable
            | Self::LoseS3Endpoint
            | Self::ProviderSlow { .. }
            | Self::ProviderDown
            | Self::Exec { .. }
            | Self::Fis { .. } => None,
        }
    }

    /// How many instances or connections it affects; `None` if it affects no number of them.
    pub const fn count(&self) -> Option<u32> {
        match *self {
            Self::TerminateInstances { count, .. }
            | Self::PauseInstances { count, .. }
            | Self::CpuStress { count, .. }
            | Self::HoldDatabaseConnections { count } => Some(count),
            Self::AzPowerInterruption { .. }
            | Self::NetworkLatency { .. }
            | Self::NetworkPacketLoss { .. }
            | Self::LoseAlbNode { .. }
            | Self::StartZonalAutoshift { .. }
            | Self::AsgInsufficientInstanceCapacityError { .. }
            | Self::LosePrimary { .. }
            | Self::PausePrimary { .. }
            | Self::DelayReplica { .. }
            | Self::FillRedisMemory { .. }
            | Self::SlowDns { .. }
            | Self::LoseNatGateway { .. }
            | Self::ReplaceRoute { .. }
            | Self::S3Unavailable
            | Self::LoseS3Endpoint
            | Self::ProviderSlow { .. }
            | Self::ProviderDown
            | Self::Exec { .. }
            | Self::Fis { .. } => None,
        }
    }

    /// What the peers of what is lost hear of it; `None` if it does not leave that open.
    pub const fn connections(&self) -> Option<Connections> {
        match *self {
            Self::AzPowerInterruption { connections, .. } => Some(connections),
            Self::TerminateInstances { .. }
            | Self::PauseInstances { .. }
            | Self::CpuStress { .. }
            | Self::NetworkLatency { .. }
            | Self::NetworkPacketLoss { .. }
            | Self::LoseAlbNode { .. }
            | Self::StartZonalAutoshift { .. }
            | Self::AsgInsufficientInstanceCapacityError { .. }
            | Self::LosePrimary { .. }
            | Self::PausePrimary { .. }
            | Self::DelayReplica { .. }
            | Self::FillRedisMemory { .. }
            | Self::HoldDatabaseConnections { .. }
            | Self::SlowDns { .. }
            | Self::LoseNatGateway { .. }
            | Self::ReplaceRoute { .. }
            | Self::S3Unavailable
            | Self::LoseS3Endpoint
            | Self::ProviderSlow { .. }
            | Self::ProviderDown
            | Self::Exec { .. }
            | Self::Fis { .. } => None,
        }
    }

    /// What it does to the paths of its zone; `None` if it impairs none.
    pub fn impairment(&self) -> Option<Impairment> {
        match *self {
            Self::NetworkLatency {
                zone,
                peer,
                delay,
                jitter,
            } => Some(Impairment {
                zone,
                peer,
                quality: Quality {
                    delay,
                    jitter,
                    ..Quality::default()
                },
            }),
            Self::NetworkPacketLoss { zone, peer, loss } => Some(Impairment {
                zone,
                peer,
                quality: Quality {
                    loss,
                    ..Quality::default()
                },
            }),
            Self::AzPowerInterruption { .. }
            | Self::TerminateInstances { .. }
            | Self::PauseInstances { .. }
            | Self::CpuStress { .. }
            | Self::LoseAlbNode { .. }
            | Self::StartZonalAutoshift { .. }
            | Self::AsgInsufficientInstanceCapacityError { .. }
            | Self::LosePrimary { .. }
            | Self::PausePrimary { .. }
            | Self::DelayReplica { .. }
            | Self::FillRedisMemory { .. }
            | Self::HoldDatabaseConnections { .. }
            | Self::SlowDns { .. }
            | Self::LoseNatGateway { .. }
            | Self::ReplaceRoute { .. }
            | Self::S3Unavailable
            | Self::LoseS3Endpoint
            | Self::ProviderSlow { .. }
            | Self::ProviderDown
            | Self::Exec { .. }
            | Self::Fis { .. } => None,
        }
    }

    /// What it does to calls out of the VPC; `None` if it breaks something else, or a whole zone.
    pub const fn disruption(&self) -> Option<Disruption> {
        match *self {
            Self::LoseNatGateway { zone } => Some(Disruption::NatGateway(zone)),
            Self::ReplaceRoute { zone, gateway } => Some(Disruption::Route { zone, gateway }),
            Self::S3Unavailable => Some(Disruption::S3),
            Self::LoseS3Endpoint => Some(Disruption::S3Endpoint),
            Self::ProviderSlow { delay } => Some(Disruption::ProviderSlow(delay)),
            Self::ProviderDown => Some(Disruption::ProviderDown),
            Self::AzPowerInterruption { .. }
            | Self::TerminateInstances { .. }
            | Self::PauseInstances { .. }
            | Self::CpuStress { .. }
            | Self::NetworkLatency { .. }
            | Self::NetworkPacketLoss { .. }
            | Self::LoseAlbNode { .. }
            | Self::StartZonalAutoshift { .. }
            | Self::AsgInsufficientInstanceCapacityError { .. }
            | Self::LosePrimary { .. }
            | Self::PausePrimary { .. }
            | Self::DelayReplica { .. }
            | Self::FillRedisMemory { .. }
            | Self::HoldDatabaseConnections { .. }
            | Self::SlowDns { .. }
            | Self::Exec { .. }
            | Self::Fis { .. } => None,
        }
    }

    /// Whether it is over as soon as it has started, so that it has no end.
    pub const fn is_momentary(&self) -> bool {
        self.kind().is_momentary()
    }
}

impl Fault {
    /// When it ends; when it starts, if it is momentary.
    pub fn heal_at(&self) -> SimTime {
        self.at + self.lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JSON tags an action with the same name that scenarios use.
    #[test]
    fn actions_are_tagged_with_the_names_of_their_kinds() {
        let zone = ZoneId(0);
        let part = DataTierPart::Redis;
        let lag = Duration::from_secs(1);
        let actions = [
            Action::AzPowerInterruption {
                zone,
                connections: Connections::Silent,
            },
            Action::TerminateInstances { zone, count: 1 },
            Action::PauseInstances { zone, count: 1 },
            Action::CpuStress {
                zone,
                count: 1,
                load: Share::NONE,
            },
            Action::NetworkLatency {
                zone,
                peer: Peer::Buyers,
                delay: lag,
                jitter: lag,
            },
            Action::NetworkPacketLoss {
                zone,
                peer: Peer::All,
                loss: Share::NONE,
            },
            Action::LoseAlbNode { zone },
            Action::StartZonalAutoshift { zone },
            Action::AsgInsufficientInstanceCapacityError { zone },
            Action::LosePrimary { part },
            Action::PausePrimary { part },
            Action::DelayReplica { part, lag },
            Action::FillRedisMemory { share: Share::NONE },
            Action::HoldDatabaseConnections { count: 1 },
            Action::SlowDns {
                delay: lag,
                unanswered: Share::NONE,
            },
            Action::LoseNatGateway { zone },
            Action::ReplaceRoute {
                zone,
                gateway: zone,
            },
            Action::S3Unavailable,
            Action::LoseS3Endpoint,
            Action::ProviderSlow { delay: lag },
            Action::ProviderDown,
            Action::Exec {
                name: None,
                run: vec!["true".to_owned()],
                end: Vec::new(),
                timeout: lag,
            },
            Action::Fis {
                name: Some("lost zone".to_owned()),
                template: "EXT1".to_owned(),
                timeout: lag,
            },
        ];
        assert_eq!(actions.each_ref().map(Action::kind), FaultKind::ALL);
        for action in actions {
            let json = serde_json::to_value(&action).expect("an action is JSON");
            assert_eq!(json["action"], action.name());
        }
    }

    /// Older archives have no such field: their zones were lost with resets.
    #[test]
    fn a_lost_zone_of_an_older_archive_had_resets() {
        let json = r#"{"action":"az-power-interruption","zone":0}"#;
        let action: Action = serde_json::from_str(json).expect("an action");
        assert_eq!(action.connections(), Some(Connections::Reset));
    }
}
