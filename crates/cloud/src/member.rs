//! One instance of the group, from its launch to its end.

use std::time::Duration;

use super::notice::InstanceState;
use tiketi_core::units::{InstanceId, SimTime, ZoneId};

/// An instance of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number.
    pub instance: InstanceId,
    /// Its zone.
    pub zone: ZoneId,
    /// Where in its life it is.
    pub phase: Phase,
    /// Why it was launched.
    pub cause: Cause,
    /// When it was launched; initial ones at the start of the run.
    pub launched_at: SimTime,
    /// When it was registered with the target group and in service; `None` while pending.
    pub in_service_at: Option<SimTime>,
    /// Whether a scaling activity waits for it to finish launching or draining.
    pub in_activity: bool,
}

/// Where in its life an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Launched; registered with the target group at this instant.
    Pending(SimTime),
    /// Registered, never passed a check.
    InService,
    /// Passes its checks.
    Healthy,
    /// Fails its checks.
    Unhealthy,
    /// Deregistered; ended at this instant at the latest.
    Draining(SimTime),
}

/// Why an instance was launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There from the start.
    Initial,
    /// A policy asked for more.
    ScaleOut,
    /// Another one was lost.
    Replacement,
    /// To even out the zones; another one is ended when it is in service.
    Rebalance,
}

impl Member {
    /// The state as notices and gauges name it.
    pub const fn state(&self) -> InstanceState {
        match self.phase {
            Phase::Pending(_) => InstanceState::Pending,
            Phase::InService => InstanceState::InService,
            Phase::Healthy => InstanceState::Healthy,
            Phase::Unhealthy => InstanceState::Unhealthy,
            Phase::Draining(_) => InstanceState::Draining,
        }
    }

    /// Whether it counts towards the desired number: everything but draining ones.
    pub const fn is_active(&self) -> bool {
        !matches!(self.phase, Phase::Draining(_))
    }

    /// Whether it is launched but not registered yet.
    pub const fn is_pending(&self) -> bool {
        matches!(self.phase, Phase::Pending(_))
    }

    /// Whether it was launched to even out the zones, and the instance it stands in for is still there.
    pub const fn is_surplus(&self) -> bool {
        self.is_pending() && matches!(self.cause, Cause::Rebalance)
    }

    /// Whether it counts and has been in service for `warmup` at `now`; initial ones always have.
    pub fn is_warm(&self, now: SimTime, warmup: Duration) -> bool {
        self.is_active()
            && self
                .in_service_at
                .is_some_and(|since| self.cause == Cause::Initial || since + warmup <= now)
    }

    /// Whether it replaces another one and has not passed a check yet.
    pub const fn is_unproven_replacement(&self) -> bool {
        matches!(self.cause, Cause::Replacement)
            && matches!(self.phase, Phase::Pending(_) | Phase::InService)
    }
}
