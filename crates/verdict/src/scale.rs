//! Scaling: from the queue's crossing of a threshold to instances that get requests.

use std::time::Duration;

use serde::Serialize;

use super::figure;
use tiketi_cloud::notice::{AlarmState, InstanceState, Notice, What};
use tiketi_core::units::{InstanceId, SimTime};
use tiketi_measure::Measurements;
use tiketi_scenario::scaling::{Comparison, Metric, Policy};

/// One change of the desired number of instances, and how it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScaleAction {
    /// Name of the policy.
    pub policy: String,
    /// When the queue crossed the threshold; `None` if the policy watches something else or it was not seen.
    #[serde(
        rename = "crossed_at_seconds",
        serialize_with = "figure::maybe_at_seconds"
    )]
    pub crossed_at: Option<SimTime>,
    /// When the alarm rose.
    #[serde(
        rename = "alarm_at_seconds",
        serialize_with = "figure::maybe_at_seconds"
    )]
    pub alarm_at: Option<SimTime>,
    /// When the policy acted.
    #[serde(rename = "acted_at_seconds", serialize_with = "figure::at_seconds")]
    pub acted_at: SimTime,
    /// Desired instances before.
    pub from: u32,
    /// Desired instances after.
    pub to: u32,
    /// When each instance it launched got its first requests; `None` for those that did not within the run.
    #[serde(
        rename = "useful_at_seconds",
        serialize_with = "figure::each_at_seconds"
    )]
    pub useful_at: Vec<Option<SimTime>>,
    /// When each instance it removed was gone; only for fewer instances.
    #[serde(rename = "gone_at_seconds", serialize_with = "figure::each_at_seconds")]
    pub gone_at: Vec<Option<SimTime>>,
}

impl ScaleAction {
    /// From the crossing to the alarm.
    pub fn alarm_delay(&self) -> Option<Duration> {
        Some(self.alarm_at?.saturating_since(self.crossed_at?))
    }

    /// From the action to the last of its instances in use; `None` if one of them never was.
    pub fn in_service_after(&self) -> Option<Duration> {
        let last = self.useful_at.iter().copied().collect::<Option<Vec<_>>>()?;
        last.into_iter()
            .max()
            .map(|at| at.saturating_since(self.acted_at))
    }
}

/// Follows each scaling action of the timeline.
pub(super) fn judge(run: &Measurements) -> Vec<ScaleAction> {
    let mut claimed = Vec::new();
    let mut actions = Vec::new();
    for (index, notice) in run.timeline.iter().enumerate() {
        let What::Scaled { policy, from, to } = &notice.what else {
            continue;
        };
        let alarm_at = alarm_before(&run.timeline[..index], policy);
        let later = &run.timeline[index..];
        let changed = from.abs_diff(*to) as usize;
        let (started, ended) = if to > from {
            (changed, 0)
        } else {
            (0, changed)
        };
        let launched = next_in(later, InstanceState::Pending, started, &mut claimed);
        let drained = next_in(later, InstanceState::Draining, ended, &mut claimed);
        let crossed = alarm_at.and_then(|alarm_at| crossing(run, policy, alarm_at));
        actions.push(ScaleAction {
            policy: policy.clone(),
            crossed_at: crossed,
            alarm_at,
            acted_at: notice.at,
            from: *from,
            to: *to,
            useful_at: each_reached(later, &launched, InstanceState::Healthy),
            gone_at: each_reached(later, &drained, InstanceState::Terminated),
        });
    }
    actions
}

/// When the alarm that stands at the end of `earlier` rose.
fn alarm_before(earlier: &[Notice], policy: &str) -> Option<SimTime> {
    let last = earlier.iter().rev().find_map(|notice| match &notice.what {
        What::Alarm {
            policy: name,
            state,
            ..
        } if name == policy => Some((notice.at, *state)),
        _ => None,
    });
    last.and_then(|(at, state)| (state == AlarmState::Alarm).then_some(at))
}

/// The next `count` instances to enter `state` that no earlier action has claimed.
fn next_in(
    later: &[Notice],
    state: InstanceState,
    count: usize,
    claimed: &mut Vec<(InstanceId, InstanceState)>,
) -> Vec<InstanceId> {
    let entered = later.iter().filter_map(|notice| match notice.what {
        What::Instance {
            instance,
            state: entered,
            ..
        } if entered == state => Some(instance),
        _ => None,
    });
    let fresh = entered.filter(|instance| !claimed.contains(&(*instance, state)));
    let found: Vec<_> = fresh.take(count).collect();
    claimed.extend(found.iter().map(|instance| (*instance, state)));
    found
}

fn each_reached(
    later: &[Notice],
    instances: &[InstanceId],
    state: InstanceState,
) -> Vec<Option<SimTime>> {
    let reached = |wanted: InstanceId| {
        let found = later.iter().find(|notice| {
            matches!(
                notice.what,
                What::Instance { instance, state: entered, .. } if instance == wanted && entered == state
            )
        });
        found.map(|notice| notice.at)
    };
    instances
        .iter()
        .map(|instance| reached(*instance))
        .collect()
}

/// When the queue last went beyond the policy's threshold before its alarm.
fn crossing(run: &Measurements, policy: &str, alarm_at: SimTime) -> Option<SimTime> {
    let policy: &Policy = run
        .plan
        .scaling
        .policies
        .iter()
        .find(|known| known.name == policy)?;
    if policy.alarm.metric != Metric::QueueSize {
        return None;
    }
    let mut crossed = None;
    for tick in run.series.ticks() {
        let Some(gauges) = &tick.gauges else { continue };
        if gauges.at > alarm_at {
            break;
        }
        let Some(waiting) = gauges.waiting else {
            continue;
        };
        let beyond = breaches(policy.alarm.comparison, waiting, policy.alarm.threshold);
        // Only the way across counts: a queue that was beyond from the first reading on never crossed.
        crossed = match (beyond, crossed) {
            (false, _) => Some(Crossing::Within),
            (true, Some(Crossing::Within)) => Some(Crossing::At(gauges.at)),
            (true, unchanged) => unchanged,
        };
    }
    match crossed {
        Some(Crossing::At(at)) => Some(at),
        Some(Crossing::Within) | None => None,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "queues stay far below 2^53 buyers"
)]
fn breaches(comparison: Comparison, waiting: u64, threshold: f64) -> bool {
    match comparison {
        Comparison::Above => waiting as f64 > threshold,
        Comparison::Below => (waiting as f64) < threshold,
    }
}

#[derive(Clone, Copy)]
enum Crossing {
    Within,
    At(SimTime),
}
