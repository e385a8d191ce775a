//! How the fleet follows the load.

use std::collections::BTreeSet;
use std::time::Duration;

use super::alarm::alarm;
use super::buyers::Distributions;
use super::limits;
use super::replacement;
use super::schedule::scheduled;
use crate::diagnostic::Problem;
use crate::distribution::Distribution;
use crate::duration::Written;
use crate::keys::kind::{Kind, Length, Number, OneOf, Or, Text, Whole};
use crate::keys::{Form, Keys, Limits, field, key};
use crate::scaling::{
    Alarm, Comparison, Monitor, Policy, PolicyKind, PolicyType, Scaling, ScheduledAction,
    StepAdjustment,
};
use crate::value::Value;

/// The default cooldown of a group (documented by AWS).
const DEFAULT_COOLDOWN: Duration = Duration::from_secs(300);

pub(super) fn scaling(keys: &mut Keys<'_, '_, Scaling>, end: Option<Duration>) -> Option<Scaling> {
    let (min, max) = limits(keys);
    let pending = keys.value(
        key("pending", "Time from the launch to a running virtual machine that is registered with the load balancer."),
        Length(limits::DELAY),
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
        Length(limits::DELAY),
        |scaling| scaling.grace,
    );
    let launch_hook = keys.value(
        key("launch_hook", "Whether a lifecycle hook keeps an instance pending: `none`, or `until-answers` until its application answers."),
        OneOf::new(),
        |scaling| scaling.launch_hook,
    );
    let launch_hook_timeout = keys.value(
        key("launch_hook_timeout", "Time from a running virtual machine until a launch hook that was not completed times out."),
        Length(limits::HOOK_TIMEOUT),
        |scaling| scaling.launch_hook_timeout,
    );
    let launch_hook_default = keys.value(
        key("launch_hook_default", "What happens when it times out: `abandon` terminates the instance and launches another, `continue` puts it in service."),
        OneOf::new(),
        |scaling| scaling.launch_hook_default,
    );
    let replacement = replacement::replacement(keys, grace, end);
    let monitor = keys.table(
        key(
            "monitor",
            "The Lambda function that publishes the size of the queue as a metric.",
        ),
        |scaling| &scaling.monitor,
        monitor,
    );
    // Documented: a step policy without a warm-up of its own has that of the group, or else the default cooldown.
    let warmup = replacement
        .as_ref()
        .and_then(|it| it.default_instance_warmup);
    let warmup = warmup.unwrap_or(DEFAULT_COOLDOWN);
    let policies = keys
        .list(
            key("policies", "Scaling policies, each with its alarm."),
            limits::POLICIES,
            Some("policy"),
            |scaling| &scaling.policies,
            |keys| policy(keys, warmup),
        )
        .values;
    let scheduled = scheduled(keys, (min, max), end);
    let named = policies.as_deref().unwrap_or_default();
    report_twins(keys, named, scheduled.as_deref().unwrap_or_default());
    report_crossed(keys, named);
    let replacement = replacement?;
    Some(Scaling {
        min: min?,
        max: max?,
        pending: pending?,
        boot: boot?,
        monitor: monitor?,
        launch_hook: launch_hook?,
        launch_hook_timeout: launch_hook_timeout?,
        launch_hook_default: launch_hook_default?,
        policies: policies?,
        scheduled: scheduled?,
        health_type: health_type?,
        grace: grace?,
        maintenance: replacement.maintenance,
        default_instance_warmup: replacement.default_instance_warmup,
        suspended: replacement.suspended,
        refreshes: replacement.refreshes,
    })
}

fn limits(keys: &mut Keys<'_, '_, Scaling>) -> (Option<u32>, Option<u32>) {
    let min = keys.value(
        key("min", "Minimum number of instances."),
        Whole(limits::FLEET),
        |scaling| scaling.min,
    );
    let max = keys.value(
        key(
            "max",
            "Maximum number of instances. Rebalancing may exceed it for a short while.",
        ),
        Whole(limits::FLEET_LARGEST),
        |scaling| scaling.max,
    );
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let problem = Problem::new(format!("`min` ({min}) is above `max` ({max})"));
        let problem = problem.expected(format!("0 to {max}"));
        keys.complain(&["min", "max"], problem.help("lower `min` or raise `max`"));
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
    let problem = Problem::new(message).expected(format!("a `boot` of {pending} or longer"));
    keys.complain(&["boot", "pending"], problem.help(help));
}

/// Timelines identify policies and scheduled actions by their names.
fn report_twins(keys: &Keys<'_, '_, Scaling>, policies: &[Policy], scheduled: &[ScheduledAction]) {
    let policies = policies.iter().map(|policy| ("policies", &policy.name));
    let scheduled = scheduled.iter().map(|action| ("scheduled", &action.name));
    let mut taken = BTreeSet::new();
    for (key, name) in policies.chain(scheduled) {
        if !taken.insert(name) {
            let message = format!("two policies or scheduled actions are called `{name}`");
            let problem = Problem::new(message).expected("a different name for each");
            keys.complain(&[key], problem.help("give each a `name` of its own"));
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
                let problem = Problem::new(message).expected(format!("a `below` up to {above}"));
                keys.complain(&["policies"], problem.help(help));
            }
        }
    }
}

fn monitor(keys: &mut Keys<'_, '_, Monitor>) -> Option<Monitor> {
    let period = keys.value(
        key("period", "Time between two samples."),
        Length(limits::SAMPLE_PERIOD),
        |monitor| monitor.period,
    );
    let phase = keys.value(
        key(
            "phase",
            "Time of the first sample; `random` draws it from the seed, uniform within the period.",
        ),
        Or("random", Length(limits::DELAY)),
        |monitor| monitor.phase,
    );
    let ingest = keys.value(
        key(
            "ingest",
            "Time from publishing a datapoint until alarms see it.",
        ),
        Length(limits::DELAY),
        |monitor| monitor.ingest,
    );
    if let (Some(period), Some(Some(phase))) = (period, phase)
        && phase >= period
    {
        let (phase, period) = (Written(phase), Written(period));
        let message = format!("`phase` ({phase}) must be shorter than `period` ({period})");
        let problem = Problem::new(message).expected(format!("a `phase` below {period}"));
        keys.complain(
            &["phase", "period"],
            problem.help("shorten `phase` or lengthen `period`"),
        );
    }
    Some(Monitor {
        period: period?,
        phase: phase?,
        ingest: ingest?,
    })
}

fn policy(keys: &mut Keys<'_, '_, Policy>, warmup: Duration) -> Option<Policy> {
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
            PolicyType::Step => step(keys, warmup),
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
        Length(limits::DELAY),
        field!(kind: PolicyKind::Simple { cooldown }),
    );
    Some(PolicyKind::Simple {
        adjust: adjust?,
        cooldown: cooldown?,
    })
}

fn step(keys: &mut Keys<'_, '_, Policy>, default: Duration) -> Option<PolicyKind> {
    let steps = keys
        .list(
            key("steps", "Step adjustments, in ascending order."),
            limits::STEPS,
            None,
            |policy| match &policy.kind {
                PolicyKind::Step { steps, .. } => steps,
                PolicyKind::Simple { .. } => &[],
            },
            step_adjustment,
        )
        .values;
    let warmup = keys.value(
        key(
            "warmup",
            "Time after an instance is in service during which it counts as warming up; `default` is `default_instance_warmup`, or else 300s.",
        ),
        Or("default", Length(limits::DELAY)),
        |policy| match &policy.kind {
            PolicyKind::Step { warmup, .. } => Some(*warmup),
            PolicyKind::Simple { .. } => None,
        },
    );
    let steps = steps?;
    let lower = |step: &StepAdjustment| step.from.unwrap_or(f64::NEG_INFINITY);
    let upper = |step: &StepAdjustment| step.to.unwrap_or(f64::INFINITY);
    let is_ordered = steps
        .windows(2)
        .all(|pair| upper(&pair[0]) <= lower(&pair[1]))
        && steps.iter().all(|step| lower(step) < upper(step));
    if !is_ordered {
        let message = "the `steps` overlap, or are not in ascending order";
        let problem = Problem::new(message).expected("steps from the lowest to the highest");
        let help = "each step's `from` is at or above the `to` of the one before";
        keys.complain(&["steps"], problem.help(help));
        return None;
    }
    Some(PolicyKind::Step {
        steps,
        warmup: warmup?.unwrap_or(default),
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
        Number(limits::THRESHOLD),
        |step| step.from,
    );
    let to = keys.optional(
        key(
            "to",
            "Upper bound, relative to the alarm's threshold; none if left out.",
        ),
        Number(limits::THRESHOLD),
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
        let changes = limits::ADJUSTMENT.widened();
        Form::Either(vec![
            Form::Whole(Limits { max: -1, ..changes }),
            Form::Whole(Limits { min: 1, ..changes }),
        ])
    }

    fn read(&self, value: &Value<'_>) -> Option<i32> {
        let adjust = value.whole(limits::ADJUSTMENT)?;
        if adjust == 0 {
            value.reject_with(self.form(), "a policy that changes nothing has no effect");
            return None;
        }
        Some(adjust)
    }

    fn write(&self, value: &i32) -> String {
        value.to_string()
    }
}
