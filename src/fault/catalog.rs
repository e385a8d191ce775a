//! The faults a scenario can plan, named as AWS Fault Injection Service names its actions and scenarios.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{SimTime, ZoneId};

/// One planned fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When it strikes.
    pub at: SimTime,
    /// How long it lasts; it heals at `at + lasts`.
    pub lasts: Duration,
    /// What breaks.
    pub action: Action,
}

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "action")]
pub enum Action {
    /// Everything in one zone at once: load-balancer node, instances, data-tier primaries, NAT gateway; no new
    /// instance can start there until it heals (FIS scenario "AZ Availability: Power Interruption").
    AzPowerInterruption {
        /// The zone.
        zone: ZoneId,
    },
}

impl Action {
    /// The names a scenario can use.
    pub const NAMES: [&str; 1] = ["az-power-interruption"];

    /// The name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AzPowerInterruption { .. } => Self::NAMES[0],
        }
    }
}

impl Fault {
    /// When it heals.
    pub fn heal_at(&self) -> SimTime {
        self.at + self.lasts
    }
}
