//! The faults a scenario can plan, named as AWS Fault Injection Service names its actions and scenarios.
//!
//! Each says which action of FIS it stands for. Three have none: what AWS does not let a customer break from outside
//! (a node of the load balancer, the link of a replica), and what is done by a client and not by AWS.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{DataTierPart, Share, SimTime, ZoneId};

/// One planned fault.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// When it strikes.
    pub at: SimTime,
    /// How long it lasts; it heals at `at + lasts`. Zero for what is momentary: that never heals.
    pub lasts: Duration,
    /// What breaks.
    pub action: Action,
}

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "action")]
pub enum Action {
    /// Everything in one zone at once: load-balancer node, instances, data-tier primaries, NAT gateway; no new
    /// instance can start there until it heals (FIS scenario "AZ Availability: Power Interruption"). Servers that
    /// existed before the run are in no zone, and left alone.
    AzPowerInterruption {
        /// The zone.
        zone: ZoneId,
    },
    /// Instances end without a warning (`aws:ec2:terminate-instances`); the group replaces them. Momentary.
    TerminateInstances {
        /// Their zone.
        zone: ZoneId,
        /// How many, lowest number first; all of the zone if there are fewer.
        count: u32,
    },
    /// Instances accept connections and never answer, the gray failure: their processes are stopped (SIGSTOP), and go
    /// on when it heals. The nearest of FIS is `aws:ebs:pause-volume-io`, under which a system stands still the same way.
    PauseInstances {
        /// Their zone.
        zone: ZoneId,
        /// How many, lowest number first; all of the zone if there are fewer.
        count: u32,
    },
    /// The load balancer's node in one zone is gone. Its address stays in DNS until the health checks of the record
    /// have failed, and in the caches of clients for the record's time to live. FIS has no such action.
    LoseAlbNode {
        /// The zone.
        zone: ZoneId,
    },
    /// The process that takes writes is killed (`aws:rds:failover-db-cluster`; for Redis the part of
    /// `aws:elasticache:replicationgroup-interrupt-az-power` that concerns a primary). It comes back as a replica when
    /// the fault heals.
    LosePrimary {
        /// Which one.
        part: DataTierPart,
    },
    /// The process that takes writes is stopped: connections stay, and nothing answers, until it heals
    /// (`aws:ebs:pause-volume-io` on a database). Nothing has failed as far as AWS can see, so nothing is promoted.
    PausePrimary {
        /// Which one.
        part: DataTierPart,
    },
    /// The link to the replica is this much slower. FIS has no such action.
    DelayReplica {
        /// Of which part.
        part: DataTierPart,
        /// How far the replica falls behind, at least.
        lag: Duration,
    },
    /// Something else fills the memory of Redis. FIS has no such action.
    FillRedisMemory {
        /// Part of `maxmemory` that is taken.
        share: Share,
    },
    /// A client that is not part of the system takes connections of the database and keeps them. FIS has no such action.
    HoldDatabaseConnections {
        /// How many.
        count: u32,
    },
}

impl Action {
    /// The names a scenario can use.
    pub const NAMES: [&str; 9] = [
        "az-power-interruption",
        "terminate-instances",
        "pause-instances",
        "lose-alb-node",
        "lose-primary",
        "pause-primary",
        "delay-replica",
        "fill-redis-memory",
        "hold-database-connections",
    ];

    /// The name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AzPowerInterruption { .. } => Self::NAMES[0],
            Self::TerminateInstances { .. } => Self::NAMES[1],
            Self::PauseInstances { .. } => Self::NAMES[2],
            Self::LoseAlbNode { .. } => Self::NAMES[3],
            Self::LosePrimary { .. } => Self::NAMES[4],
            Self::PausePrimary { .. } => Self::NAMES[5],
            Self::DelayReplica { .. } => Self::NAMES[6],
            Self::FillRedisMemory { .. } => Self::NAMES[7],
            Self::HoldDatabaseConnections { .. } => Self::NAMES[8],
        }
    }

    /// The zone it strikes; `None` if it is about no zone.
    pub const fn zone(self) -> Option<ZoneId> {
        match self {
            Self::AzPowerInterruption { zone }
            | Self::TerminateInstances { zone, .. }
            | Self::PauseInstances { zone, .. }
            | Self::LoseAlbNode { zone } => Some(zone),
            Self::LosePrimary { .. }
            | Self::PausePrimary { .. }
            | Self::DelayReplica { .. }
            | Self::FillRedisMemory { .. }
            | Self::HoldDatabaseConnections { .. } => None,
        }
    }

    /// The part of the data tier it strikes alone; `None` if it strikes none, or a whole zone.
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
            | Self::LoseAlbNode { .. } => None,
        }
    }

    /// Whether it is over as soon as it has struck, so that nothing heals.
    pub fn is_momentary(self) -> bool {
        Self::is_momentary_name(self.name())
    }

    /// The same of the action with this name.
    pub fn is_momentary_name(name: &str) -> bool {
        name == Self::NAMES[1]
    }
}

impl Fault {
    /// When it heals; when it strikes, if it is momentary.
    pub fn heal_at(&self) -> SimTime {
        self.at + self.lasts
    }
}
