//! What the control plane did after the trouble began.

use serde::Serialize;

use crate::figure;
use tiketi_cloud::notice::{AlarmState, DataTierPart, InstanceState, SwallowReason, What};
use tiketi_core::units::{InstanceId, SimTime};
use tiketi_measure::Measurements;
use tiketi_scenario::scaling::Comparison;

/// What the control plane did after the trouble began, as the timeline tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reaction {
    /// The first alarm above its threshold that fired: its policy, and when; `None` if none did.
    pub alarm: Option<At<String>>,
    /// Why a policy did not scale out, and when, the first time; `None` if that did not happen.
    pub held_back: Option<At<SwallowReason>>,
    /// The instances that were launched; `None` if none was.
    pub launched: Option<Launched>,
    /// Parts of the data tier that got a new primary, and when.
    pub promoted: Vec<At<DataTierPart>>,
}

/// Something, and when.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct At<T> {
    /// When.
    #[serde(rename = "at_seconds", serialize_with = "figure::at_seconds")]
    pub at: SimTime,
    /// What.
    pub what: T,
}

/// The instances that were launched after the trouble began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Launched {
    /// How many.
    pub instances: u32,
    /// When the first one was launched.
    #[serde(rename = "first_at_seconds", serialize_with = "figure::at_seconds")]
    pub first_at: SimTime,
    /// How many of them became healthy.
    pub healthy: u32,
    /// When the first of them got requests; `None` if none did.
    #[serde(
        rename = "healthy_at_seconds",
        serialize_with = "figure::maybe_at_seconds"
    )]
    pub healthy_at: Option<SimTime>,
}

/// Finds what the control plane did from `begun` on.
pub(super) fn find(run: &Measurements, begun: SimTime) -> Reaction {
    let mut reaction = Reaction::default();
    let mut launched: Vec<InstanceId> = Vec::new();
    let scales_out = |policy: &str| {
        let policies = run.plan.scaling.policies.iter();
        let mut named = policies.filter(|one| one.name == policy);
        named.any(|one| one.alarm.comparison == Comparison::Above)
    };
    for notice in run.timeline.iter().filter(|notice| notice.at >= begun) {
        let at = notice.at;
        match &notice.what {
            What::Alarm {
                policy,
                state: AlarmState::Alarm,
                ..
            } if scales_out(policy) => {
                let what = policy.clone();
                reaction.alarm.get_or_insert(At { at, what });
            }
            What::Swallowed { policy, reason } if scales_out(policy) => {
                let what = *reason;
                reaction.held_back.get_or_insert(At { at, what });
            }
            What::Instance {
                instance,
                state: InstanceState::Pending,
                ..
            } if at > SimTime::ZERO => {
                launched.push(*instance);
                let all = reaction.launched.get_or_insert(Launched {
                    instances: 0,
                    first_at: at,
                    healthy: 0,
                    healthy_at: None,
                });
                all.instances += 1;
            }
            What::Instance {
                instance,
                state: InstanceState::Healthy,
                ..
            } => {
                let place = launched.iter().position(|one| one == instance);
                if let (Some(place), Some(all)) = (place, &mut reaction.launched) {
                    // Each counts once, even if it is unhealthy in between.
                    launched.swap_remove(place);
                    all.healthy += 1;
                    all.healthy_at.get_or_insert(at);
                }
            }
            What::Promoted { tier, .. } => reaction.promoted.push(At { at, what: *tier }),
            What::Alarm { .. }
            | What::Swallowed { .. }
            | What::Instance { .. }
            | What::Scaled { .. }
            | What::FaultStruck { .. }
            | What::FaultHealed { .. }
            | What::RefreshStarted { .. }
            | What::RefreshWaits { .. }
            | What::RefreshEnded { .. }
            | What::PrimaryLost { .. } => {}
        }
    }
    reaction
}
