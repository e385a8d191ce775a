//! The faults that a scenario can plan.
//!
//! Names follow AWS Fault Injection Service (FIS) where FIS has such an action or scenario. Each action names its FIS
//! counterpart. FIS has none for an ALB node, a replica's link, slow names, or what a client does rather than AWS.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::names;
use crate::units::{DataTierPart, Share, SimTime, ZoneId};

/// One planned fault.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// When it starts.
    pub at: SimTime,
    /// How long it lasts; it ends at `at + lasts`. Zero for a momentary fault, which has no end.
    pub lasts: Duration,
    /// What breaks.
    pub action: Action,
}

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
    /// The load balancer loses its node in one zone. The node's address stays in DNS until the record's health checks
    /// have failed, and in client caches for the record's time to live. FIS has no such action.
    LoseAlbNode {
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
}

const fn reset() -> Connections {
    Connections::Reset
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
    /// [`Action::LoseAlbNode`].
    LoseAlbNode,
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
}

names!(FaultKind {
    AzPowerInterruption = "az-power-interruption",
    TerminateInstances = "terminate-instances",
    PauseInstances = "pause-instances",
    LoseAlbNode = "lose-alb-node",
    AsgInsufficientInstanceCapacityError = "asg-insufficient-instance-capacity-error",
    LosePrimary = "lose-primary",
    PausePrimary = "pause-primary",
    DelayReplica = "delay-replica",
    FillRedisMemory = "fill-redis-memory",
    HoldDatabaseConnections = "hold-database-connections",
    SlowDns = "slow-dns",
});

impl FaultKind {
    /// Whether such a fault is over as soon as it has started, so that it has no end.
    pub const fn is_momentary(self) -> bool {
        match self {
            Self::TerminateInstances => true,
            Self::AzPowerInterruption
            | Self::PauseInstances
            | Self::LoseAlbNode
            | Self::AsgInsufficientInstanceCapacityError
            | Self::LosePrimary
            | Self::PausePrimary
            | Self::DelayReplica
            | Self::FillRedisMemory
            | Self::HoldDatabaseConnections
            | Self::SlowDns => false,
        }
    }
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Action {
    /// The action without its parameters.
    pub const fn kind(self) -> FaultKind {
        match self {
            Self::AzPowerInterruption { .. } => FaultKind::AzPowerInterruption,
            Self::TerminateInstances { .. } => FaultKind::TerminateInstances,
            Self::PauseInstances { .. } => FaultKind::PauseInstances,
            Self::LoseAlbNode { .. } => FaultKind::LoseAlbNode,
            Self::AsgInsufficientInstanceCapacityError { .. } => {
                FaultKind::AsgInsufficientInstanceCapacityError
            }
            Self::LosePrimary { .. } => FaultKind::LosePrimary,
            Self::PausePrimary { .. } => FaultKind::PausePrimary,
            Self::DelayReplica { .. } => FaultKind::DelayReplica,
            Self::FillRedisMemory { .. } => FaultKind::FillRedisMemory,
            Self::HoldDatabaseConnections { .. } => FaultKind::HoldDatabaseConnections,
            Self::SlowDns { .. } => FaultKind::SlowDns,
        }
    }

    /// The name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        self.kind().name()
    }

    /// The zone that it affects; `None` if it affects no particular zone.
    pub const fn zone(self) -> Option<ZoneId> {
        match self {
            Self::AzPowerInterruption { zone, .. }
            | Self::TerminateInstances { zone, .. }
            | Self::PauseInstances { zone, .. }
            | Self::LoseAlbNode { zone }
            | Self::AsgInsufficientInstanceCapacityError { zone } => Some(zone),
            Self::LosePrimary { .. }
            | Self::PausePrimary { .. }
            | Self::DelayReplica { .. }
            | Self::FillRedisMemory { .. }
            | Self::HoldDatabaseConnections { .. }
            | Self::SlowDns { .. } => None,
        }
    }

    /// The part of the data tier that it affects; `None` if it affects something else or a whole zone.
    pub const fn part(self) -> Option<DataTierPart> {
        match self {
            Self::LosePrimary { part }
            | Self::PausePrimary { part }
            | Self::DelayReplica { part, .. } => Some(part),
            Self::FillRedisMemory { .. } => Some(DataTierPart::Redis),
            Self::HoldDatabaseConnections { .. } => Some(DataTierPart::Database),
            Self::AzPowerInterruption { .. }
            | Self::TerminateInstances { .. }
            | Self::PauseInstances { .. }
            | Self::AsgInsufficientInstanceCapacityError { .. }
            | Self::LoseAlbNode { .. }
            | Self::SlowDns { .. } => None,
        }
    }

    /// How many instances or connections it affects; `None` if it affects no number of them.
    pub const fn count(self) -> Option<u32> {
        match self {
            Self::TerminateInstances { count, .. }
            | Self::PauseInstances { count, .. }
            | Self::HoldDatabaseConnections { count } => Some(count),
            Self::AzPowerInterruption { .. }
            | Self::LoseAlbNode { .. }
            | Self::AsgInsufficientInstanceCapacityError { .. }
            | Self::LosePrimary { .. }
            | Self::PausePrimary { .. }
            | Self::DelayReplica { .. }
            | Self::FillRedisMemory { .. }
            | Self::SlowDns { .. } => None,
        }
    }

    /// What the peers of what is lost hear of it; `None` if it does not leave that open.
    pub const fn connections(self) -> Option<Connections> {
        match self {
            Self::AzPowerInterruption { connections, .. } => Some(connections),
            Self::TerminateInstances { .. }
            | Self::PauseInstances { .. }
            | Self::LoseAlbNode { .. }
            | Self::AsgInsufficientInstanceCapacityError { .. }
            | Self::LosePrimary { .. }
            | Self::PausePrimary { .. }
            | Self::DelayReplica { .. }
            | Self::FillRedisMemory { .. }
            | Self::HoldDatabaseConnections { .. }
            | Self::SlowDns { .. } => None,
        }
    }

    /// Whether it is over as soon as it has started, so that it has no end.
    pub const fn is_momentary(self) -> bool {
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
            Action::LoseAlbNode { zone },
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
        ];
        assert_eq!(actions.map(Action::kind), FaultKind::ALL);
        for action in actions {
            let json = serde_json::to_value(action).expect("an action is JSON");
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
