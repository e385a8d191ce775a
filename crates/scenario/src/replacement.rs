//! How the Auto Scaling group replaces instances: maintenance policy, suspended processes, instance refreshes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use tiketi_core::names;
use tiketi_core::units::SimTime;

/// How far the number of instances may go below and above the desired number while some are replaced (AWS:
/// `MinHealthyPercentage` and `MaxHealthyPercentage`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthyRange {
    /// Instances that stay ready to serve, in percent of the desired number: 0 to 100.
    pub min_percent: u32,
    /// Instances that may exist, pending ones included, in percent of the desired number: 100 to 200.
    pub max_percent: u32,
}

impl HealthyRange {
    /// The defaults of an instance refresh without a maintenance policy (documented by AWS).
    pub const REFRESH: Self = Self {
        min_percent: 90,
        max_percent: 100,
    };

    /// Returns how many instances must stay ready, of `desired`: rounded up, as AWS documents. If the range has no room at
    /// all, one instance is replaced at a time (AWS documents that for 100 %).
    pub fn floor(self, desired: u32) -> u32 {
        let floor = share(desired, self.min_percent);
        if floor == desired && self.ceiling(desired) == desired {
            desired.saturating_sub(1)
        } else {
            floor
        }
    }

    /// Returns how many instances may exist, of `desired`: rounded up. AWS does not document the rounding; rounded down,
    /// its recommended 110 % would launch nothing first in a group of fewer than ten (an assumption).
    pub fn ceiling(self, desired: u32) -> u32 {
        share(desired, self.max_percent)
    }
}

/// Returns `percent` of a number of instances, rounded up.
fn share(of: u32, percent: u32) -> u32 {
    let product = u64::from(of) * u64::from(percent);
    u32::try_from(product.div_ceil(100)).expect("a fleet has a few hundred instances")
}

/// A process of the group that can be suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    /// Launches instances, for whatever reason.
    Launch,
    /// Terminates instances, for whatever reason.
    Terminate,
    /// Notices that an instance is lost or fails its checks.
    HealthCheck,
    /// Replaces instances that were noticed as unhealthy.
    ReplaceUnhealthy,
    /// Evens out the zones.
    AzRebalance,
    /// Lets alarms invoke policies.
    AlarmNotification,
    /// Carries out scheduled actions.
    ScheduledActions,
}

names!(Process {
    Launch = "Launch",
    Terminate = "Terminate",
    HealthCheck = "HealthCheck",
    ReplaceUnhealthy = "ReplaceUnhealthy",
    AzRebalance = "AZRebalance",
    AlarmNotification = "AlarmNotification",
    ScheduledActions = "ScheduledActions",
});

/// An instance refresh: the group replaces its instances, a few at a time, with ones of a new version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRefresh {
    /// When it starts.
    pub at: SimTime,
    /// How far the number of instances may go below and above the desired number meanwhile.
    pub healthy: HealthyRange,
    /// Time after an instance is in service until it counts as ready.
    pub instance_warmup: Duration,
    /// Shares of the group, in percent and ascending, at which the refresh waits. Without any it never waits.
    pub checkpoints: Vec<u32>,
    /// How long it waits at a checkpoint.
    pub checkpoint_delay: Duration,
    /// What the application of the new version does.
    pub new_version: NewVersion,
    /// When somebody cancels it; `None` if nobody does.
    pub cancel_at: Option<SimTime>,
}

/// What the application of a new version does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewVersion {
    /// It answers after its boot, like the old one.
    Answers,
    /// It never answers: a broken release.
    NeverAnswers,
}

names!(NewVersion {
    Answers = "answers",
    NeverAnswers = "never-answers",
});

#[cfg(test)]
mod tests {
    use super::*;

    const fn range(min_percent: u32, max_percent: u32) -> HealthyRange {
        HealthyRange {
            min_percent,
            max_percent,
        }
    }

    #[test]
    fn bounds_are_rounded_up() {
        assert_eq!(range(90, 110).floor(10), 9);
        assert_eq!(range(90, 110).floor(5), 5, "4.5");
        assert_eq!(range(100, 110).ceiling(5), 6, "5.5");
        assert_eq!(range(0, 100).floor(5), 0);
    }

    #[test]
    fn a_range_without_room_replaces_one_instance_at_a_time() {
        assert_eq!(range(100, 100).floor(10), 9);
        assert_eq!(HealthyRange::REFRESH.floor(5), 4, "90% of 5 is all of them");
        assert_eq!(range(100, 100).floor(0), 0);
    }
}
