//! Notices of the control plane; together they form the timeline of a run.

use serde::{Deserialize, Serialize};

use tiketi_core::fault::catalog::{Action, FaultKind};
pub use tiketi_core::units::DataTierPart;
use tiketi_core::units::{InstanceId, SimTime, ZoneId};

/// One entry of the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// When.
    pub at: SimTime,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What was announced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "notice")]
pub enum What {
    /// A planned fault started.
    FaultStruck {
        /// The kind of fault.
        action: FaultKind,
        /// The zone it affects; `None` if it does not affect a zone.
        zone: Option<ZoneId>,
        /// The part of the data tier it affects; `None` if it affects none.
        #[serde(default)]
        part: Option<DataTierPart>,
        /// Its name, if a command of the user carries it out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// A planned fault ended.
    FaultHealed {
        /// The kind of fault.
        action: FaultKind,
        /// The zone it affected; `None` if it did not affect a zone.
        zone: Option<ZoneId>,
        /// The part of the data tier it affected; `None` if it affected none.
        #[serde(default)]
        part: Option<DataTierPart>,
        /// Its name, if a command of the user carries it out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// An alarm changed state.
    Alarm {
        /// Name of its policy.
        policy: String,
        /// The new state.
        state: AlarmState,
        /// The most recent datapoint; `None` if missing data decided.
        datapoint: Option<f64>,
    },
    /// A policy changed the desired number of instances.
    Scaled {
        /// Name of the policy or of the scheduled action.
        policy: String,
        /// Before.
        from: u32,
        /// After.
        to: u32,
    },
    /// An alarm invoked its policy, and the policy did nothing.
    Swallowed {
        /// Name of the policy.
        policy: String,
        /// Why.
        reason: SwallowReason,
    },
    /// An instance changed its lifecycle state.
    Instance {
        /// The instance.
        instance: InstanceId,
        /// Its zone.
        zone: ZoneId,
        /// The new state.
        state: InstanceState,
    },
    /// An instance refresh started.
    RefreshStarted {
        /// Instances of the group, all of which it is to replace.
        instances: u32,
    },
    /// An instance refresh waits at a checkpoint.
    RefreshWaits {
        /// Instances that it has replaced so far.
        replaced: u32,
    },
    /// An instance refresh ended.
    RefreshEnded {
        /// How.
        outcome: RefreshOutcome,
        /// Instances that it has replaced.
        replaced: u32,
    },
    /// A part of the data tier lost its primary.
    PrimaryLost {
        /// Which part.
        tier: DataTierPart,
        /// Zone of the lost primary.
        zone: ZoneId,
    },
    /// A part of the data tier accepts writes again.
    Promoted {
        /// Which part.
        tier: DataTierPart,
        /// Zone of the new primary.
        zone: ZoneId,
    },
}

impl What {
    /// Builds the notice that a fault started.
    pub fn struck(action: &Action) -> Self {
        Self::FaultStruck {
            action: action.kind(),
            zone: action.zone(),
            part: action.part(),
            name: None,
        }
    }

    /// Builds the notice that a fault ended.
    pub fn healed(action: &Action) -> Self {
        Self::FaultHealed {
            action: action.kind(),
            zone: action.zone(),
            part: action.part(),
            name: None,
        }
    }
}

/// State of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// The metric is within the threshold.
    Ok,
    /// The metric is beyond the threshold.
    Alarm,
    /// There is not enough data to tell.
    InsufficientData,
}

/// Why a policy did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwallowReason {
    /// The previous scaling activity has not ended yet.
    ActivityInProgress,
    /// The cooldown after the last activity has not passed.
    Cooldown,
    /// Instances that are warming up already count towards this step.
    WarmingUp,
    /// The group is at its maximum or minimum size.
    AtLimit,
    /// The process of the group that would carry it out is suspended.
    Suspended,
}

/// How an instance refresh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshOutcome {
    /// It replaced what it was to replace, and the new instances are ready.
    Successful,
    /// It made no progress for an hour. What it has replaced stays replaced.
    Failed,
    /// Somebody canceled it. What it has replaced stays replaced.
    Cancelled,
    /// It did not start, because another one was in progress.
    Rejected,
}

/// Lifecycle state of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Launched, not yet registered.
    Pending,
    /// Registered with the target group; may not answer yet.
    InService,
    /// Passes its health checks and gets requests.
    Healthy,
    /// Fails its health checks.
    Unhealthy,
    /// Deregistered; open connections stay.
    Draining,
    /// Ended by an order.
    Terminated,
    /// Ended by a fault.
    Lost,
    /// Could not be launched: the zone has no capacity.
    LaunchFailed,
}
