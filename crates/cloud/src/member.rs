//! One instance of the Auto Scaling group, from launch to termination.

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
    /// Its lifecycle phase.
    pub phase: Phase,
    /// Why it was launched.
    pub cause: LaunchCause,
    /// When it was launched; initial ones at the start of the run.
    pub launched_at: SimTime,
    /// When it was registered with the target group and in service; `None` while pending.
    pub in_service_at: Option<SimTime>,
    /// Whether a scaling activity waits for it to finish launching or draining.
    pub in_activity: bool,
    /// Version of the application on it: 0 at the start of the run, another one with each refresh.
    pub version: u32,
    /// Whether it was launched ahead of an instance that it replaces, and that one is still there.
    pub is_ahead: bool,
}

/// Lifecycle phase of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Launched; not registered with the target group yet.
    Pending {
        /// Until when.
        until: SimTime,
        /// What happens then.
        then: PendingEnd,
    },
    /// Registered; has not passed a health check yet.
    InService,
    /// Passes its health checks.
    Healthy,
    /// Fails its health checks.
    Unhealthy,
    /// Deregistered; terminated at this time at the latest.
    Draining(SimTime),
    /// Lost, and nobody replaces it: a process of the group is suspended.
    Lost,
}

/// How the pending state of an instance ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingEnd {
    /// It is registered with the target group.
    InService,
    /// Its launch hook times out, and it is terminated.
    Abandoned,
}

/// Why an instance was launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchCause {
    /// Part of the initial fleet.
    Initial,
    /// A policy or a scheduled action increased the desired number.
    ScaleOut,
    /// Replaces an instance that was lost or unhealthy.
    Replacement,
    /// Evens out the zones; another instance is terminated for it.
    Rebalance,
    /// Has a new version of the application, and replaces an instance of an older one.
    Refresh,
}

impl Member {
    /// Returns the state as notices and gauges name it.
    pub const fn state(&self) -> InstanceState {
        match self.phase {
            Phase::Pending { .. } => InstanceState::Pending,
            Phase::InService => InstanceState::InService,
            Phase::Healthy => InstanceState::Healthy,
            Phase::Unhealthy => InstanceState::Unhealthy,
            Phase::Draining(_) => InstanceState::Draining,
            Phase::Lost => InstanceState::Lost,
        }
    }

    /// Whether it counts towards the desired number: every instance that is not draining.
    pub const fn is_active(&self) -> bool {
        !matches!(self.phase, Phase::Draining(_))
    }

    /// Whether it is launched but not registered yet.
    pub const fn is_pending(&self) -> bool {
        matches!(self.phase, Phase::Pending { .. })
    }

    /// Whether it is active and has been in service for at least `warmup` at `now`; always true for initial instances in
    /// service.
    pub fn is_warm(&self, now: SimTime, warmup: Duration) -> bool {
        self.is_active()
            && self
                .in_service_at
                .is_some_and(|since| self.cause == LaunchCause::Initial || since + warmup <= now)
    }

    /// Whether it replaces another instance and has not passed a health check yet.
    pub const fn is_unproven_replacement(&self) -> bool {
        matches!(self.cause, LaunchCause::Replacement)
            && matches!(self.phase, Phase::Pending { .. } | Phase::InService)
    }
}
