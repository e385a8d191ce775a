//! What the control plane announces: the run's timeline is made of these.

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
    /// A planned fault struck.
    FaultStruck {
        /// What broke.
        action: FaultKind,
        /// The zone it struck; `None` if it is about no zone.
        zone: Option<ZoneId>,
        /// The part of the data tier it struck; `None` if it is about none.
        #[serde(default)]
        part: Option<DataTierPart>,
    },
    /// A planned fault healed.
    FaultHealed {
        /// What broke.
        action: FaultKind,
        /// The zone it struck; `None` if it is about no zone.
        zone: Option<ZoneId>,
        /// The part of the data tier it struck; `None` if it is about none.
        #[serde(default)]
        part: Option<DataTierPart>,
    },
    /// An alarm changed state.
    Alarm {
        /// Name of its policy.
        policy: String,
        /// The new state.
        state: AlarmState,
        /// The datapoint that decided, if any.
        datapoint: Option<f64>,
    },
    /// A policy changed the desired number of instances.
    Scaled {
        /// Name of the policy, or what else changed it.
        policy: String,
        /// Before.
        from: u32,
        /// After.
        to: u32,
    },
    /// An alarm fired its policy, and the policy did nothing.
    Swallowed {
        /// Name of the policy.
        policy: String,
        /// Why not.
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
    /// A part of the data tier lost its primary.
    PrimaryLost {
        /// Which part.
        tier: DataTierPart,
        /// Zone of the lost primary.
        zone: ZoneId,
    },
    /// A part of the data tier takes writes again.
    Promoted {
        /// Which part.
        tier: DataTierPart,
        /// Zone of the new primary.
        zone: ZoneId,
    },
}

impl What {
    /// A fault of this action begins.
    pub fn struck(action: Action) -> Self {
        Self::FaultStruck {
            action: action.kind(),
            zone: action.zone(),
            part: action.part(),
        }
    }

    /// A fault of this action is over.
    pub fn healed(action: Action) -> Self {
        Self::FaultHealed {
            action: action.kind(),
            zone: action.zone(),
            part: action.part(),
        }
    }
}

/// State of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// Within the threshold.
    Ok,
    /// Beyond it.
    Alarm,
    /// Nothing to judge by.
    InsufficientData,
}

/// Why a policy did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwallowReason {
    /// The activity before has not ended yet.
    ActivityInProgress,
    /// The cooldown after the last activity has not passed.
    Cooldown,
    /// Instances that warm up already count for this step.
    WarmingUp,
    /// The group is as large, or as small, as it may be.
    AtLimit,
}

/// Lifecycle state of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Launched, not yet registered.
    Pending,
    /// Registered with the target group; may not answer yet.
    InService,
    /// Passed its first health check: gets requests.
    Healthy,
    /// Failed its health checks.
    Unhealthy,
    /// Deregistered, open connections stay.
    Draining,
    /// Ended as ordered.
    Terminated,
    /// Taken by a fault.
    Lost,
}
