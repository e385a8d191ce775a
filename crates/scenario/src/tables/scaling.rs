//! How the fleet follows the load.

use std::collections::BTreeSet;
use std::time::Duration;

use super::buyers::Distributions;
use super::schedule::scheduled;
use crate::diagnostic::Problem;
use crate::distribution::Distribution;
use crate::duration::{ANY_LENGTH, SOME_LENGTH, Written};
use crate::keys::kind::{Kind, Length, Number, OneOf, Or, Text, Whole};
use crate::keys::{Form, Keys, field, key};
use crate::page::text;
use crate::scaling::{
    Alarm, Comparison, Metric, Monitor, Policy, PolicyKind, PolicyType, Scaling, ScheduledAction,
    StepAdjustment,
};
use crate::value::Value;

/// More instances than the testbed can emulate on one machine.
pub(super) const FLEET_MAX: u32 = 200;

/// [`FLEET_MAX`] with a sign.
const CHANGE_MAX: i32 = 200;

/// CloudWatch looks back one day at most: as many periods of a minute.
const EVALUATION_PERIODS_MAX: u32 = 1_440;

pub(super) fn scaling(keys: &mut Keys<'_, '_, Scaling>, end: Option<Duration>) -> Option<Scaling> {
    let (min, max) = limits(keys);
    let pending = keys.value(
        key("pending", "Time from the launch to a running virtual machine that is registered with the load balancer."),
        Length(ANY_LENGTH),
        |scaling| scaling.pending,
    );
    let boot = keys.value(
        key(
            "boot",
            "Time from the launch to an application that answers.",
        ),
        Distributions,
        |scaling| scaling.boot,
    );
    report_early_boot(keys, pending, boot);
    let health_type = keys.value(
        key("health_type", "Failed checks that make the group replace an instance: `ec2` for the machine only, `elb` for the load balancer's too."),
        OneOf::new(),
        |scaling| scaling.health_type,
    );
    let grace = keys.value(
        key(
            "grace",
            "Time after the launch during which failed load-balancer checks do not count.",
        ),
        Length(ANY_LENGTH),
        |scaling| scaling.grace,
    );
    let launch_hook = keys.value(
        key("launch_hook", "Whether a lifecycle hook keeps an instance pending: `none`, or `until-answers` until its application answers."),
        OneOf::new(),
        |scaling| scaling.launch_hook,
    );
    let monitor = keys.table(
        key(
            "monitor",
            "The Lambda function that publishes the size of the queue as a metric.",
        ),
        |scaling| &scaling.monitor,
        monitor,
    );
    let policies = keys
        .list(
            key("policies", "Scaling policies, each with its alarm."),
            Some("policy"),
            |scaling| &scaling.policies,
            policy,
        )
        .values;
    let scheduled = scheduled(keys, (min, max), end);
    let named = policies.as_deref().unwrap_or_default();
    report_twins(keys, named, scheduled.as_deref().unwrap_or_default());
    report_crossed(keys, named);
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

fn limits(keys: &mut Keys<'_, '_, Scaling>) -> (Option<u32>, Option<u32>) {
    let min = keys.value(
        key("min", "Minimum number of instances."),
        Whole(0..=FLEET_MAX),
        |scaling| scaling.min,
    );
    let max = keys.value(
        key(
            "max",
            "Maximum number of instances. Rebalancing may exceed it for a short while.",
        ),
        Whole(1..=FLEET_MAX),
        |scaling| scaling.max,
    );
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let problem = Problem::new(format!("`min` ({min}) is above `max` ({max})"));
        keys.complain(&["min", "max"], problem.expected(format!("0 to {max}")));
    }
    (min, max)
}

/// An application cannot answer before its virtual machine runs.
fn report_early_boot(
    keys: &Keys<'_, '_, Scaling>,
    pending: Option<Duration>,
    boot: Option<Distribution>,
) {
    let shortest = match boot {
        Some(Distribution::Constant { value }) => value,
        Some(Distribution::Uniform { from, .. }) => from,
        // These draw lengths from zero on; the fleet raises draws that are shorter than `pending`.
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
    let (shortest, pending) = (Duration::from_secs_f64(shortest), Written(pending));
    let message = format!(
        "`boot` can take {}, less than `pending` ({pending})",
        Written(shortest)
    );
    let help = "both count from the launch: the application answers after the machine runs";
    keys.complain(&["boot", "pending"], Problem::new(message).help(help));
}

/// Timelines identify policies and scheduled actions by their names.
fn report_twins(keys: &Keys<'_, '_, Scaling>, policies: &[Policy], scheduled: &[ScheduledAction]) {
    let policies = policies.iter().map(|policy| ("policies", &policy.name));
    let scheduled = scheduled.iter().map(|action| ("scheduled", &action.name));
    let mut taken = BTreeSet::new();
    for (key, name) in policies.chain(scheduled) {
        if !taken.insert(name) {
            let message = format!("two policies or scheduled actions are called `{name}`");
            let problem = Problem::new(message).help("give each a `name` of its own");
            keys.complain(&[key], problem);
        }
    }
}

/// Overlapping thresholds would grow and shrink the fleet at the same time, forever.
fn report_crossed(keys: &Keys<'_, '_, Scaling>, policies: &[Policy]) {
    let grows = |policy: &&Policy| policy.alarm.comparison == Comparison::Above;
    for high in policies.iter().filter(grows) {
        for low in policies.iter().filter(|policy| !grows(policy)) {
            let (above, below) = (high.alarm.threshold, low.alarm.threshold);
            if high.alarm.metric == low.alarm.metric && above < below {
                let (high, low) = (&high.name, &low.name);
                let message = format!(
                    "the alarms of `{high}` and `{low}` are both on between {above} and {below}"
                );
                let help = "the threshold `below` must not be higher than the threshold `above`";
                keys.complain(&["policies"], Problem::new(message).help(help));
            }
        }
    }
}

fn monitor(keys: &mut Keys<'_, '_, Monitor>) -> Option<Monitor> {
    let period = keys.value(
        key("period", "Time between two samples."),
        Length(SOME_LENGTH),
        |monitor| monitor.period,
    );
    let phase = keys.value(
        key(
            "phase",
            "Time of the first sample; `random` draws it from the seed, uniform within the period.",
        ),
        Or("random", Length(ANY_LENGTH)),
        |monitor| monitor.phase,
    );
    let ingest = keys.value(
        key(
            "ingest",
            "Time from publishing a datapoint until alarms see it.",
        ),
        Length(ANY_LENGTH),
        |monitor| monitor.ingest,
    );
    if let (Some(period), Some(Some(phase))) = (period, phase)
        && phase >= period
    {
        let (phase, period) = (Written(phase), Written(period));
        let message = format!("`phase` ({phase}) must be shorter than `period` ({period})");
        keys.complain(&["phase", "period"], Problem::new(message));
    }
    Some(Monitor {
        period: period?,
        phase: phase?,
        ingest: ingest?,
    })
}

fn policy(keys: &mut Keys<'_, '_, Policy>) -> Option<Policy> {
    let name = keys.value(
        key(
            "name",
            "Name in timelines; `by-metric` makes one from metric and threshold.",
        ),
        Or("by-metric", Text),
        |policy| Some(policy.name.clone()),
    );
    let metric = keys.value(
        key("metric", "Metric that the alarm watches."),
        OneOf::new(),
        |policy| policy.alarm.metric,
    );
    let alarm = keys.table(
        key("alarm", "CloudWatch alarm that triggers the policy."),
        |policy| &policy.alarm,
        |keys| alarm(keys, metric),
    );
    let kind = keys.variants(
        key("kind", "Kind of policy: `simple` or `step`."),
        |policy| policy.kind.policy_type(),
        |keys, policy_type| match policy_type {
            PolicyType::Simple => simple(keys),
            PolicyType::Step => step(keys),
        },
    );
    let alarm = alarm?;
    Some(Policy {
        name: name?.unwrap_or_else(|| name_of(&alarm)),
        alarm,
        kind: kind?,
    })
}

/// Names a policy after its alarm: `queue-size-above-5000`.
fn name_of(alarm: &Alarm) -> String {
    let metric = alarm.metric.name().replace('_', "-");
    format!("{metric}-{}-{}", alarm.comparison.name(), alarm.threshold)
}

fn simple(keys: &mut Keys<'_, '_, Policy>) -> Option<PolicyKind> {
    let adjust = keys.field(
        key("adjust", "Instances to add, or to remove if negative."),
        Adjustment,
        field!(kind: PolicyKind::Simple { adjust }),
    );
    let cooldown = keys.field(
        key(
            "cooldown",
            "Time after the scaling activity during which the policy does not react.",
        ),
        Length(ANY_LENGTH),
        field!(kind: PolicyKind::Simple { cooldown }),
    );
    Some(PolicyKind::Simple {
        adjust: adjust?,
        cooldown: cooldown?,
    })
}

fn step(keys: &mut Keys<'_, '_, Policy>) -> Option<PolicyKind> {
    let steps = keys
        .list(
            key("steps", "Step adjustments, in ascending order."),
            None,
            |policy| match &policy.kind {
                PolicyKind::Step { steps, .. } => steps,
                PolicyKind::Simple { .. } => &[],
            },
            step_adjustment,
        )
        .values;
    let warmup = keys.field(
        key(
            "warmup",
            "Time after an instance is in service during which it counts as warming up.",
        ),
        Length(ANY_LENGTH),
        field!(kind: PolicyKind::Step { warmup }),
    );
    let steps = steps?;
    let lower = |step: &StepAdjustment| step.from.unwrap_or(f64::NEG_INFINITY);
    let upper = |step: &StepAdjustment| step.to.unwrap_or(f64::INFINITY);
    let is_ordered = steps
        .windows(2)
        .all(|pair| upper(&pair[0]) <= lower(&pair[1]))
        && steps.iter().all(|step| lower(step) < upper(step));
    if steps.is_empty() || !is_ordered {
        let message = "the `steps` are empty, overlap, or are not in ascending order";
        let help = "each step's `from` is at or above the `to` of the one before";
        keys.complain(&["steps"], Problem::new(message).help(help));
        return None;
    }
    Some(PolicyKind::Step {
        steps,
        warmup: warmup?,
    })
}

fn step_adjustment(keys: &mut Keys<'_, '_, StepAdjustment>) -> Option<StepAdjustment> {
    let adjust = keys.value(
        key("adjust", "Instances to add, or to remove if negative."),
        Adjustment,
        |step| step.adjust,
    );
    let from = keys.optional(
        key(
            "from",
            "Lower bound, relative to the alarm's threshold; none if left out.",
        ),
        Number::ANY,
        |step| step.from,
    );
    let to = keys.optional(
        key(
            "to",
            "Upper bound, relative to the alarm's threshold; none if left out.",
        ),
        Number::ANY,
        |step| step.to,
    );
    Some(StepAdjustment {
        from: from?,
        to: to?,
        adjust: adjust?,
    })
}

/// Instances to add or remove: not zero, and not more than a fleet can have.
struct Adjustment;

impl Kind for Adjustment {
    type Value = i32;

    fn form(&self) -> Form {
        Form::Either(vec![
            Form::whole(&(-CHANGE_MAX..=-1)),
            Form::whole(&(1..=CHANGE_MAX)),
        ])
    }

    fn read(&self, value: &Value<'_>) -> Option<i32> {
        let adjust = value.whole(-CHANGE_MAX..=CHANGE_MAX)?;
        if adjust == 0 {
            value.reject(self.form());
            return None;
        }
        Some(adjust)
    }

    fn write(&self, value: &i32) -> String {
        value.to_string()
    }
}

fn alarm(keys: &mut Keys<'_, '_, Alarm>, metric: Option<Metric>) -> Option<Alarm> {
    keys.fall_back_on("alarm");
    let threshold_if = |side: Comparison| {
        move |alarm: &Alarm| (alarm.comparison == side).then_some(alarm.threshold)
    };
    let above = keys.optional(
        key(
            "above",
            "Threshold of an alarm that is on above it. An alarm has either this or `below`.",
        ),
        Number::ANY,
        threshold_if(Comparison::Above),
    );
    let below = keys.optional(
        key("below", "Threshold of an alarm that is on below it."),
        Number::ANY,
        threshold_if(Comparison::Below),
    );
    let threshold = threshold(keys, above, below);
    let period = keys.value(
        key(
            "period",
            "Aggregation period of a datapoint: 10s, 30s, or whole minutes.",
        ),
        Period,
        |alarm| alarm.period,
    );
    let datapoints = keys.value(
        key(
            "datapoints",
            "Datapoints to alarm: `2 of 3` needs 2 breaching ones among the last 3.",
        ),
        Datapoints,
        |alarm| (alarm.datapoints_to_alarm, alarm.evaluation_periods),
    );
    let missing = keys.value(
        key(
            "missing",
            "What a missing datapoint counts as (CloudWatch's `TreatMissingData`).",
        ),
        OneOf::new(),
        |alarm| alarm.missing,
    );
    let (comparison, threshold) = threshold?;
    let (datapoints_to_alarm, evaluation_periods) = datapoints?;
    Some(Alarm {
        metric: metric?,
        comparison,
        threshold,
        period: period?,
        datapoints_to_alarm,
        evaluation_periods,
        missing: missing?,
    })
}

/// The one threshold of an alarm.
fn threshold(
    keys: &Keys<'_, '_, Alarm>,
    above: Option<Option<f64>>,
    below: Option<Option<f64>>,
) -> Option<(Comparison, f64)> {
    match (above?, below?) {
        (Some(threshold), None) => Some((Comparison::Above, threshold)),
        (None, Some(threshold)) => Some((Comparison::Below, threshold)),
        (Some(_), Some(_)) => {
            let problem = Problem::new("an alarm has one threshold, `above` or `below`");
            keys.complain(&["below"], problem.help("remove one of them"));
            None
        }
        (None, None) => {
            let path = keys.read()?.path();
            let problem = Problem::new(format!("`{path}` has no threshold"));
            let help = "add `alarm = { above = 60 }` or `alarm = { below = 15 }`";
            keys.complain(&[], problem.help(help));
            None
        }
    }
}

/// A period that CloudWatch supports: 10 s, 30 s, or whole minutes up to a day.
struct Period;

impl Kind for Period {
    type Value = Duration;

    fn form(&self) -> Form {
        Form::Syntax {
            expected: "10s, 30s, or whole minutes up to a day",
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<Duration> {
        let period = value.length(SOME_LENGTH)?;
        let seconds = period.as_secs();
        let is_whole = period.subsec_nanos() == 0;
        let is_minutes = seconds.is_multiple_of(60) && seconds <= 86_400;
        if is_whole && (matches!(seconds, 10 | 30) || is_minutes) {
            return Some(period);
        }
        value.reject(self.form());
        None
    }

    fn write(&self, value: &Duration) -> String {
        Length(SOME_LENGTH).write(value)
    }
}

/// M of N, such as `2 of 3`.
struct Datapoints;

impl Kind for Datapoints {
    type Value = (u32, u32);

    fn form(&self) -> Form {
        Form::Syntax {
            expected: "M of N with 1 <= M <= N, such as \"1 of 1\" or \"2 of 3\"",
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<(u32, u32)> {
        let text = value.text()?;
        let numbers = text.split_once("of").and_then(|(m, n)| {
            let m: u32 = m.trim().parse().ok()?;
            let n: u32 = n.trim().parse().ok()?;
            (1 <= m && m <= n && n <= EVALUATION_PERIODS_MAX).then_some((m, n))
        });
        if numbers.is_none() {
            value.reject(self.form());
        }
        numbers
    }

    fn write(&self, (m, n): &(u32, u32)) -> String {
        text(&format!("{m} of {n}"))
    }
}
