//! Scaling: how long it takes from the queue crossing a threshold until the new instances serve requests.

use std::time::Duration;

use serde::Serialize;

use super::figure;
use tiketi_cloud::notice::{AlarmState, InstanceState, Notice, What};
use tiketi_core::units::{InstanceId, SimTime};
use tiketi_measure::Measurements;
use tiketi_scenario::scaling::{Comparison, Metric, Policy};

/// One change of the desired number of instances, and what followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScaleAction {
    /// Name of the policy.
    pub policy: String,
    /// When the queue crossed the threshold; `None` if the policy watches another metric, or if no reading shows it.
    #[serde(
        rename = "crossed_at_seconds",
        serialize_with = "figure::maybe_at_seconds"
    )]
    pub crossed_at: Option<SimTime>,
    /// When the alarm fired; `None` for an action without an alarm, such as a scheduled one.
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
    /// When each instance that it launched became healthy; `None` for one that did not within the run.
    #[serde(
        rename = "useful_at_seconds",
        serialize_with = "figure::each_at_seconds"
    )]
    pub useful_at: Vec<Option<SimTime>>,
    /// How many of those that it launched were lost to a fault before they were healthy.
    pub lost: u32,
    /// When each instance that it removed was terminated; `None` for one that was not within the run. Empty when scaling
    /// out.
    #[serde(rename = "gone_at_seconds", serialize_with = "figure::each_at_seconds")]
    pub gone_at: Vec<Option<SimTime>>,
}

impl ScaleAction {
    /// Returns the time from crossing the threshold to the alarm; `None` if either is unknown.
    pub fn alarm_delay(&self) -> Option<Duration> {
        Some(self.alarm_at?.saturating_since(self.crossed_at?))
    }

    /// Returns the time from the action until all of its instances are healthy that no fault took before; `None` if one of them
    /// never is, or if there are none.
    pub fn in_service_after(&self) -> Option<Duration> {
        let useful: Vec<_> = self.useful_at.iter().flatten().collect();
        let is_complete = useful.len() + self.lost as usize == self.useful_at.len();
        let last = useful.into_iter().max().filter(|_| is_complete)?;
        Some(last.saturating_since(self.acted_at))
    }

    /// Whether a fault took all of its instances before they were healthy.
    pub fn is_lost(&self) -> bool {
        self.lost > 0 && self.lost as usize == self.useful_at.len()
    }
}

/// Follows each scaling action of the timeline.
pub(super) fn judge(run: &Measurements) -> Vec<ScaleAction> {
    // The timeline does not say which action an instance belongs to. Each action takes the next ones that were launched
    // or drained after it and that no earlier action has taken.
    let mut claimed = Vec::new();
    let mut actions = Vec::new();
    for (index, notice) in run.timeline.iter().enumerate() {
        let What::Scaled { policy, from, to } = &notice.what else {
            continue;
        };
        let alarm_at = alarm_before(&run.timeline[..index], policy);
        // Instances are launched or drained after the action is announced, so only later notices can belong to it.
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
            lost: lost_before_use(later, &launched),
            useful_at: each_reached(later, &launched, InstanceState::Healthy),
            gone_at: each_reached(later, &drained, InstanceState::Terminated),
        });
    }
    actions
}

/// Returns when the policy's alarm fired, if it is still in alarm at the end of `earlier`; `None` if it is not.
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

/// Returns the next `count` instances to enter `state` that no earlier action has claimed, and claims them.
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

/// Returns how many of these instances were lost before they were healthy.
fn lost_before_use(later: &[Notice], instances: &[InstanceId]) -> u32 {
    let useful = each_reached(later, instances, InstanceState::Healthy);
    let lost = each_reached(later, instances, InstanceState::Lost);
    let is_lost = |(useful, lost): &(Option<SimTime>, Option<SimTime>)| {
        lost.is_some_and(|lost| useful.is_none_or(|useful| lost < useful))
    };
    let count = useful.into_iter().zip(lost).filter(is_lost).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Returns when the queue last crossed the policy's threshold before the alarm; `None` if it was beyond the threshold in
/// every reading, or if the policy watches another metric.
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
        // A crossing is a reading within the threshold followed by one beyond it: a queue that is beyond from the first
        // reading on never crossed, and its delay is unknown.
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

/// A crossing of a threshold after which the queue stayed beyond it, but the alarm did not fire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unanswered {
    /// Name of the policy.
    pub(super) policy: String,
    /// When the queue crossed its threshold.
    pub(super) crossed_at: SimTime,
}

/// Finds the first crossing of each policy on the queue whose alarm did not fire `within` this time although the queue stayed beyond
/// the threshold. A reading that is missing changes nothing.
pub(super) fn unanswered(run: &Measurements, within: Duration) -> Vec<Unanswered> {
    let policies = run.plan.scaling.policies.iter();
    let on_queue = policies.filter(|policy| policy.alarm.metric == Metric::QueueSize);
    let found = on_queue.filter_map(|policy| {
        let is_unanswered = |crossed_at: SimTime| !fires(run, &policy.name, crossed_at, within);
        let crossed_at = lasting_crossings(run, policy, within)
            .into_iter()
            .find(|crossed_at| is_unanswered(*crossed_at))?;
        Some(Unanswered {
            policy: policy.name.clone(),
            crossed_at,
        })
    });
    found.collect()
}

/// Returns when the queue crossed the policy's threshold and stayed beyond it for longer than `at_least`.
fn lasting_crossings(run: &Measurements, policy: &Policy, at_least: Duration) -> Vec<SimTime> {
    let mut found = Vec::new();
    let mut place = None;
    for gauges in run
        .series
        .ticks()
        .iter()
        .filter_map(|tick| tick.gauges.as_ref())
    {
        let Some(waiting) = gauges.waiting else {
            continue;
        };
        let beyond = breaches(policy.alarm.comparison, waiting, policy.alarm.threshold);
        place = match (beyond, place) {
            (false, _) => Some(Crossing::Within),
            (true, Some(Crossing::Within)) => Some(Crossing::At(gauges.at)),
            (true, unchanged) => unchanged,
        };
        if let Some(Crossing::At(at)) = place
            && gauges.at.saturating_since(at) > at_least
            && found.last() != Some(&at)
        {
            found.push(at);
        }
    }
    found
}

/// Returns whether the policy's alarm is on at `crossed_at`, or fires `within` this time.
fn fires(run: &Measurements, policy: &str, crossed_at: SimTime, within: Duration) -> bool {
    let is_later = |notice: &&Notice| notice.at > crossed_at + within;
    let until = run.timeline.iter().position(|notice| is_later(&notice));
    let until = &run.timeline[..until.unwrap_or(run.timeline.len())];
    let before = until.iter().take_while(|notice| notice.at < crossed_at);
    let before: Vec<Notice> = before.cloned().collect();
    let fired = until[before.len()..].iter().any(|notice| {
        matches!(&notice.what, What::Alarm { policy: name, state: AlarmState::Alarm, .. } if name == policy)
    });
    fired || alarm_before(&before, policy).is_some()
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

/// Where the queue is relative to the threshold, after at least one reading within it.
#[derive(Clone, Copy)]
enum Crossing {
    /// Within it.
    Within,
    /// Beyond it since then.
    At(SimTime),
}
