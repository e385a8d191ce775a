//! How the fleet follows the load: Auto Scaling group, alarms, policies.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::distribution::Distribution;
use super::replacement::{HealthyRange, InstanceRefresh, Process};
use tiketi_core::names;
use tiketi_core::units::SimTime;

/// The Auto Scaling group and its policies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Minimum number of instances.
    pub min: u32,
    /// Maximum number of instances. Rebalancing may exceed it for a short while.
    pub max: u32,
    /// From the launch to a running virtual machine that is registered with the target group.
    pub pending: Duration,
    /// From the launch to an application that answers.
    pub boot: Distribution,
    /// The Lambda function that samples the queue.
    pub monitor: Monitor,
    /// What keeps an instance pending.
    pub launch_hook: LaunchHook,
    /// From a running virtual machine until a launch hook that nobody has completed times out.
    pub launch_hook_timeout: Duration,
    /// What a launch hook that timed out does with the instance.
    pub launch_hook_default: HookDefault,
    /// Policies, each with its alarm.
    pub policies: Vec<Policy>,
    /// Sizes at set times, in order of time.
    pub scheduled: Vec<ScheduledAction>,
    /// Failed checks that make the group replace an instance.
    pub health_type: HealthType,
    /// Time after the launch during which failed load-balancer checks do not count.
    pub grace: Duration,
    /// How far the number of instances may go below and above the desired number while the group replaces some; `None`
    /// without a maintenance policy.
    pub maintenance: Option<HealthyRange>,
    /// Time after an instance is in service until it counts as ready for a maintenance policy or a refresh; `None` if the
    /// group has none.
    pub default_instance_warmup: Option<Duration>,
    /// Processes of the group that do not run.
    pub suspended: Vec<Process>,
    /// Instance refreshes, in order of time.
    pub refreshes: Vec<InstanceRefresh>,
}

impl Scaling {
    /// The largest maximum at any time of the run, scheduled actions included.
    pub fn fleet_max(&self) -> u32 {
        let scheduled = self.scheduled.iter().filter_map(|action| action.max);
        scheduled.fold(self.max, u32::max)
    }
}

/// What keeps an instance pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchHook {
    /// Nothing: it is in service as soon as its machine runs, minutes before its application answers.
    None,
    /// A lifecycle hook that the application completes: registration, cooldown and warm-up begin when it answers.
    UntilAnswers,
}

names!(LaunchHook {
    None = "none",
    UntilAnswers = "until-answers",
});

/// What a launch hook that timed out does with the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookDefault {
    /// The instance is terminated, and the group launches another one.
    Abandon,
    /// The instance is in service, whether its application answers or not.
    Continue,
}

names!(HookDefault {
    Abandon = "abandon",
    Continue = "continue",
});

/// A scheduled action of the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledAction {
    /// Name in timelines, such as `before-the-opening`.
    pub name: String,
    /// When it is due.
    pub at: SimTime,
    /// How late AWS carries it out; `None` draws up to two minutes from the seed.
    pub late: Option<Duration>,
    /// Minimum from then on; `None` leaves it unchanged.
    pub min: Option<u32>,
    /// Maximum from then on; `None` leaves it unchanged.
    pub max: Option<u32>,
    /// Desired number from then on; `None` leaves it unchanged, within the limits.
    pub desired: Option<u32>,
}

/// The Lambda function that publishes the size of the queue as a metric (A13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// Time between two samples.
    pub period: Duration,
    /// Time of the first sample; `None` draws it from the seed, uniform within the period.
    pub phase: Option<Duration>,
    /// From publishing a datapoint until alarms see it.
    pub ingest: Duration,
}

/// One scaling policy with its alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Name in timelines, such as `queue-high`.
    pub name: String,
    /// The alarm that triggers it.
    pub alarm: Alarm,
    /// What it does.
    pub kind: PolicyKind,
}

/// A CloudWatch alarm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// The metric that it watches.
    pub metric: Metric,
    /// Which side of the threshold breaches.
    pub comparison: Comparison,
    /// The threshold.
    pub threshold: f64,
    /// Aggregation period of a datapoint.
    pub period: Duration,
    /// M: breaching datapoints that set off the alarm.
    pub datapoints_to_alarm: u32,
    /// N: the latest datapoints, which are evaluated.
    pub evaluation_periods: u32,
    /// What a missing datapoint counts as.
    pub missing: MissingData,
}

/// A metric that an alarm can watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Buyers in the waiting room, as published by the Lambda function.
    QueueSize,
    /// Mean CPU utilization of the instances in service, in percent.
    CpuUtilization,
}

names!(Metric {
    QueueSize = "queue_size",
    CpuUtilization = "cpu_utilization",
});

/// Which side of a threshold breaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Strictly above.
    Above,
    /// Strictly below.
    Below,
}

names!(Comparison {
    Above = "above",
    Below = "below",
});

/// What a missing datapoint counts as (CloudWatch's `TreatMissingData`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingData {
    /// Ignored. If all are missing, the alarm is in `INSUFFICIENT_DATA`.
    Missing,
    /// Within the threshold.
    NotBreaching,
    /// Beyond the threshold.
    Breaching,
    /// The alarm keeps its state.
    Ignore,
}

names!(MissingData {
    Missing = "missing",
    NotBreaching = "notBreaching",
    Breaching = "breaching",
    Ignore = "ignore",
});

/// What a policy does when its alarm fires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum PolicyKind {
    /// One adjustment, then none until the activity has ended and the cooldown has passed.
    Simple {
        /// Instances to add, or to remove if negative.
        adjust: i32,
        /// Time after the activity during which the policy does not react.
        cooldown: Duration,
    },
    /// An adjustment that depends on how far the metric is beyond the threshold. Instances that warm up count.
    Step {
        /// Step adjustments, ordered by their lower bound.
        steps: Vec<StepAdjustment>,
        /// Time after an instance is in service during which it counts as warming up.
        warmup: Duration,
    },
}

/// A [`PolicyKind`] without its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyType {
    /// [`PolicyKind::Simple`].
    Simple,
    /// [`PolicyKind::Step`].
    Step,
}

names!(PolicyType {
    Simple = "simple",
    Step = "step",
});

impl PolicyKind {
    /// The kind without its parameters.
    pub const fn policy_type(&self) -> PolicyType {
        match self {
            Self::Simple { .. } => PolicyType::Simple,
            Self::Step { .. } => PolicyType::Step,
        }
    }
}

/// One step adjustment; its bounds are relative to the alarm's threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepAdjustment {
    /// Lower bound; `None` is minus infinity. Inclusive above the threshold, exclusive below it.
    pub from: Option<f64>,
    /// Upper bound; `None` is infinity. Exclusive above the threshold, inclusive below it.
    pub to: Option<f64>,
    /// Instances to add, or to remove if negative.
    pub adjust: i32,
}

/// Failed checks that make the group replace an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthType {
    /// Those of the virtual machine only (the AWS default).
    Ec2,
    /// Those of the load balancer too.
    Elb,
}

names!(HealthType {
    Ec2 = "ec2",
    Elb = "elb",
});
