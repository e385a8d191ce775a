//! How the fleet follows the load.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::buyers::distribution;
use super::schedule::scheduled;
use super::{ANY_LENGTH, SOME_LENGTH};
use crate::diagnostic::Problem;
use crate::distribution::Distribution;
use crate::document::{Layer, Section};
use crate::duration::Written;
use crate::scaling::{
    Alarm, Comparison, HealthType, LaunchHook, Metric, MissingData, Monitor, Policy, PolicyKind,
    Scaling, ScheduledAction, Step,
};
use crate::value::Value;

/// More instances than the testbed can emulate on one machine.
pub(super) const FLEET_MAX: u32 = 200;

/// Time within which a day's alarm history fits (CloudWatch looks back a day at most).
const EVALUATION_PERIODS_MAX: u32 = 1_440;

/// What elements of the lists get where they say nothing.
pub(super) struct Fallbacks<'d> {
    pub(super) policy: Option<Layer<'d>>,
    pub(super) alarm: Option<Layer<'d>>,
    pub(super) scheduled: Option<Layer<'d>>,
}

pub(super) fn scaling<'d>(
    section: &Section<'d>,
    fallbacks: &Fallbacks<'d>,
    end: Option<Duration>,
) -> Option<Scaling> {
    let fleet = |key| section.value(key).and_then(|v| v.whole(0..=FLEET_MAX));
    let (min, max) = (fleet("min"), fleet("max"));
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let problem = Problem::new(format!("`min` of {min} is above `max` of {max}"));
        section.complain(&["min", "max"], problem.legal(format!("0 to {max}")));
    }
    if max == Some(0) {
        let problem = Problem::new("`max` of 0 leaves nobody to answer");
        section.complain(&["max"], problem.legal(format!("1 to {FLEET_MAX}")));
    }
    let pending = section.value("pending");
    let pending = pending.and_then(|value| value.length(ANY_LENGTH));
    let boot = section.value("boot").and_then(|value| distribution(&value));
    report_early_boot(section, pending, boot);
    let monitor = monitor(&section.section("monitor"));
    let health_types = [("ec2", HealthType::Ec2), ("elb", HealthType::Elb)];
    let health_type = section.value("health_type");
    let health_type = health_type.and_then(|value| value.choice(&health_types));
    let grace = section.value("grace");
    let grace = grace.and_then(|value| value.length(ANY_LENGTH));
    let hooks = [
        ("none", LaunchHook::None),
        ("until-answers", LaunchHook::UntilAnswers),
    ];
    let launch_hook = section.value("launch_hook");
    let launch_hook = launch_hook.and_then(|value| value.choice(&hooks));
    let scheduled = scheduled(section, fallbacks.scheduled, (min, max), end);
    let policies = section.elements("policies", fallbacks.policy);
    let policies: Vec<_> = policies
        .iter()
        .map(|element| policy(element, fallbacks.alarm))
        .collect();
    let policies: Option<Vec<Policy>> = policies.into_iter().collect();
    report_twins(
        section,
        policies.as_deref().unwrap_or_default(),
        scheduled.as_deref().unwrap_or_default(),
    );
    report_crossed(section, policies.as_deref().unwrap_or_default());
    Some(Scaling {
        min: min?,
        max: max?,
        pending: pending?,
        boot: boot?,
        monitor: monitor?,
        launch_hook: launch_hook?,
        policies: policies?,
        scheduled: scheduled?,
        health_type: health_type?,
        grace: grace?,
    })
}

/// An application cannot answer before its virtual machine runs.
fn report_early_boot(section: &Section<'_>, pending: Option<Duration>, boot: Option<Distribution>) {
    let shortest = match boot {
        Some(Distribution::Constant { value }) => value,
        Some(Distribution::Uniform { from, .. }) => from,
        // These draw from zero on; the fleet holds a draw that is too short at `pending`.
        Some(
            Distribution::Exponential { .. }
            | Distribution::Lognormal { .. }
            | Distribution::Weibull { .. },
        )
        | None => return,
    };
    let Some(pending) = pending.filter(|pending| shortest < pending.as_secs_f64()) else {
        return;
    };
    let pending = Written(pending);
    let message = format!("`boot` can take {shortest} s, less than `pending` of {pending}");
    let help = "both count from the launch: the application answers after the machine runs";
    section.complain(&["boot", "pending"], Problem::new(message).help(help));
}

/// Timelines tell policies and scheduled actions by their names.
fn report_twins(section: &Section<'_>, policies: &[Policy], scheduled: &[ScheduledAction]) {
    let policies = policies.iter().map(|policy| ("policies", &policy.name));
    let scheduled = scheduled.iter().map(|action| ("scheduled", &action.name));
    let mut taken = BTreeSet::new();
    for (key, name) in policies.chain(scheduled) {
        if !taken.insert(name) {
            let problem = Problem::new(format!(
                "two policies or scheduled actions are called `{name}`"
            ));
            section.complain(&[key], problem.help("give each a `name` of its own"));
        }
    }
}

/// Thresholds in the wrong order would grow and shrink the fleet at the same time, for ever.
fn report_crossed(section: &Section<'_>, policies: &[Policy]) {
    let grows = |policy: &&Policy| policy.alarm.comparison == Comparison::Above;
    for high in policies.iter().filter(grows) {
        for low in policies.iter().filter(|policy| !grows(policy)) {
            let (above, below) = (high.alarm.threshold, low.alarm.threshold);
            if high.alarm.metric == low.alarm.metric && above < below {
                let (high, low) = (&high.name, &low.name);
                let message = format!(
                    "between {above} and {below} the alarms of both `{high}` and `{low}` are up"
                );
                let help = "the threshold `below` may not be higher than the threshold `above`";
                section.complain(&["policies"], Problem::new(message).help(help));
            }
        }
    }
}

fn monitor(section: &Section<'_>) -> Option<Monitor> {
    let period = section.value("period");
    let period = period.and_then(|value| value.length(SOME_LENGTH));
    let phase = section.value("phase");
    let phase = phase.and_then(|value| value.unless("random", |v| v.length(ANY_LENGTH)));
    let ingest = section.value("ingest");
    let ingest = ingest.and_then(|value| value.length(ANY_LENGTH));
    if let (Some(period), Some(Some(phase))) = (period, phase)
        && phase >= period
    {
        let (phase, period) = (Written(phase), Written(period));
        let message = format!("`phase` of {phase} is not within the `period` of {period}");
        section.complain(&["phase", "period"], Problem::new(message));
    }
    Some(Monitor {
        period: period?,
        phase: phase?,
        ingest: ingest?,
    })
}

fn policy<'d>(section: &Section<'d>, alarm_fallback: Option<Layer<'d>>) -> Option<Policy> {
    let metrics = [
        ("queue_size", Metric::QueueSize),
        ("cpu_utilization", Metric::CpuUtilization),
    ];
    let metric = section.value("metric");
    let metric = metric.and_then(|value| value.choice(&metrics));
    let alarm_section = section.section("alarm").over(alarm_fallback);
    let alarm = alarm(&alarm_section, metric);
    let name = section.value("name");
    let name = name.and_then(|value| value.unless("by-metric", |v| v.text().map(str::to_owned)));
    let kinds = [("simple", true), ("step", false)];
    let Some(is_simple) = section.value("kind").and_then(|kind| kind.choice(&kinds)) else {
        section.accept_any_key();
        return None;
    };
    let kind = if is_simple {
        simple(section)
    } else {
        step_policy(section)
    };
    let alarm = alarm?;
    Some(Policy {
        name: name?.unwrap_or_else(|| name_of(&alarm)),
        alarm,
        kind: kind?,
    })
}

/// Names a policy after what triggers it: `queue-size-above-5000`.
fn name_of(alarm: &Alarm) -> String {
    let metric = match alarm.metric {
        Metric::QueueSize => "queue-size",
        Metric::CpuUtilization => "cpu-utilization",
    };
    let side = match alarm.comparison {
        Comparison::Above => "above",
        Comparison::Below => "below",
    };
    format!("{metric}-{side}-{}", alarm.threshold)
}

/// Instances to add or remove: not zero, and not more than a fleet can have.
fn adjust(section: &Section<'_>) -> Option<i32> {
    /// Equal to [`FLEET_MAX`], with a sign.
    const CHANGES: RangeInclusive<i32> = -200..=200;
    let value = section.value("adjust")?;
    let adjust = value.whole(CHANGES)?;
    if adjust == 0 {
        value.refuse("-200 to -1, 1 to 200");
        return None;
    }
    Some(adjust)
}

fn simple(section: &Section<'_>) -> Option<PolicyKind> {
    let adjust = adjust(section);
    let cooldown = section.value("cooldown");
    let cooldown = cooldown.and_then(|value| value.length(ANY_LENGTH));
    Some(PolicyKind::Simple {
        adjust: adjust?,
        cooldown: cooldown?,
    })
}

fn step_policy(section: &Section<'_>) -> Option<PolicyKind> {
    let warmup = section.value("warmup");
    let warmup = warmup.and_then(|value| value.length(ANY_LENGTH));
    let steps = section.elements("steps", None);
    let steps: Vec<_> = steps.iter().map(step).collect();
    let steps: Vec<Step> = steps.into_iter().collect::<Option<_>>()?;
    let lower = |step: &Step| step.from.unwrap_or(f64::NEG_INFINITY);
    let upper = |step: &Step| step.to.unwrap_or(f64::INFINITY);
    let is_empty = steps.is_empty();
    let is_ordered = steps
        .windows(2)
        .all(|pair| upper(&pair[0]) <= lower(&pair[1]))
        && steps.iter().all(|step| lower(step) < upper(step));
    if is_empty || !is_ordered {
        let message = "the `steps` are empty, overlap, or are not in ascending order";
        let help = "each step's `from` is at or above the `to` of the one before";
        section.complain(&["steps"], Problem::new(message).help(help));
        return None;
    }
    Some(PolicyKind::Step {
        steps,
        warmup: warmup?,
    })
}

fn step(section: &Section<'_>) -> Option<Step> {
    let bound = |key| match section.find(key) {
        None => Some(None),
        Some(value) => finite(&value).map(Some),
    };
    let (from, to) = (bound("from"), bound("to"));
    let adjust = adjust(section);
    Some(Step {
        from: from?,
        to: to?,
        adjust: adjust?,
    })
}

fn finite(value: &Value<'_>) -> Option<f64> {
    value.number("a number", f64::is_finite)
}

fn alarm(section: &Section<'_>, metric: Option<Metric>) -> Option<Alarm> {
    let threshold = |key| section.find(key).map(|value| finite(&value));
    let (comparison, threshold) = match (threshold("above"), threshold("below")) {
        (Some(threshold), None) => (Comparison::Above, threshold),
        (None, Some(threshold)) => (Comparison::Below, threshold),
        (Some(_), Some(_)) => {
            let problem = Problem::new("an alarm has one threshold, `above` or `below`");
            section.complain(&["below"], problem);
            (Comparison::Below, None)
        }
        (None, None) => {
            let problem = Problem::new("the alarm has no threshold").legal("above, below");
            section.complain(&[], problem);
            (Comparison::Above, None)
        }
    };
    let period = section.value("period").and_then(|value| period(&value));
    let datapoints = section.value("datapoints");
    let datapoints = datapoints.and_then(|value| m_of_n(&value));
    let treatments = [
        ("missing", MissingData::Missing),
        ("notBreaching", MissingData::NotBreaching),
        ("breaching", MissingData::Breaching),
        ("ignore", MissingData::Ignore),
    ];
    let missing = section.value("missing");
    let missing = missing.and_then(|value| value.choice(&treatments));
    let (datapoints_to_alarm, evaluation_periods) = datapoints?;
    Some(Alarm {
        metric: metric?,
        comparison,
        threshold: threshold?,
        period: period?,
        datapoints_to_alarm,
        evaluation_periods,
        missing: missing?,
    })
}

/// CloudWatch knows periods of 10 s, 30 s, and whole minutes up to a day.
fn period(value: &Value<'_>) -> Option<Duration> {
    let period = value.length(SOME_LENGTH)?;
    let seconds = period.as_secs();
    let is_whole = period.subsec_nanos() == 0;
    let is_minutes = seconds.is_multiple_of(60) && seconds <= 86_400;
    if is_whole && (matches!(seconds, 10 | 30) || is_minutes) {
        return Some(period);
    }
    value.refuse("10s, 30s, or whole minutes up to a day");
    None
}

/// Reads `2 of 3`.
fn m_of_n(value: &Value<'_>) -> Option<(u32, u32)> {
    let text = value.text()?;
    let numbers = text.split_once("of").and_then(|(m, n)| {
        let m: u32 = m.trim().parse().ok()?;
        let n: u32 = n.trim().parse().ok()?;
        (1 <= m && m <= n && n <= EVALUATION_PERIODS_MAX).then_some((m, n))
    });
    if numbers.is_none() {
        value.refuse("M of N with 1 <= M <= N, such as \"1 of 1\" or \"2 of 3\"");
    }
    numbers
}
