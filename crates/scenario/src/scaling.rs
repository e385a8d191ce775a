//! How the fleet follows the load: Auto Scaling group, alarms, policies.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::distribution::Distribution;
use tiketi_core::units::SimTime;

/// The Auto Scaling group and what drives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Never fewer instances than this.
    pub min: u32,
    /// Never more instances than this (rebalancing may exceed it by one for a short while).
    pub max: u32,
    /// From the launch to a running virtual machine, registered with the target group.
    pub pending: Duration,
    /// From the launch to an application that answers.
    pub boot: Distribution,
    /// The Lambda that samples the queue.
    pub monitor: Monitor,
    /// What holds an instance back from being in service.
    pub launch_hook: LaunchHook,
    /// Policies, each with its alarm.
    pub policies: Vec<Policy>,
    /// Sizes at set times, in the order of time.
    pub scheduled: Vec<ScheduledAction>,
    /// Health that makes the group replace an instance.
    pub health_type: HealthType,
    /// Time after the launch during which failed load-balancer checks do not count.
    pub grace: Duration,
}

impl Scaling {
    /// The largest fleet at any time of the run, scheduled actions included.
    pub fn fleet_max(&self) -> u32 {
        let scheduled = self.scheduled.iter().filter_map(|action| action.max);
        scheduled.fold(self.max, u32::max)
    }
}

/// What holds an instance back from being in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaunchHook {
    /// Nothing: it is registered as soon as its machine runs, minutes before its application answers.
    None,
    /// A lifecycle hook that the application completes: registration, cooldown, and warm-up begin when it answers.
    UntilAnswers,
}

/// A scheduled action of the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledAction {
    /// Name in timelines, such as `before-the-opening`.
    pub name: String,
    /// When it is due.
    pub at: SimTime,
    /// How late it is; `None` draws it from the seed, up to two minutes.
    pub late: Option<Duration>,
    /// Fewest instances from then on; `None` leaves it.
    pub min: Option<u32>,
    /// Most instances from then on; `None` leaves it.
    pub max: Option<u32>,
    /// Instances wanted from then on; `None` leaves it, as far as the limits permit.
    pub desired: Option<u32>,
}

/// The Lambda that reads the queue's size and publishes it as a metric (A13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// Time between two samples.
    pub period: Duration,
    /// Offset of the first sample; `None` draws it from the seed, uniform in the period.
    pub phase: Option<Duration>,
    /// From publication of a datapoint until alarms can see it.
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
    /// The metric watched.
    pub metric: Metric,
    /// Which side of the threshold breaches.
    pub comparison: Comparison,
    /// The threshold.
    pub threshold: f64,
    /// Aggregation period of a datapoint.
    pub period: Duration,
    /// M: breaching datapoints that raise the alarm.
    pub datapoints_to_alarm: u32,
    /// N: datapoints looked at.
    pub evaluation_periods: u32,
    /// What a missing datapoint counts as.
    pub missing: MissingData,
}

/// A metric the control plane can watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Buyers waiting in the waiting room, as the Lambda publishes it.
    QueueSize,
    /// Mean CPU utilization of the instances in service, in percent.
    CpuUtilization,
}

/// Which side of a threshold breaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// Strictly above.
    Above,
    /// Strictly below.
    Below,
}

/// What a missing datapoint counts as (CloudWatch's `TreatMissingData`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingData {
    /// Not looked at; all missing means `INSUFFICIENT_DATA`.
    Missing,
    /// As within the threshold.
    NotBreaching,
    /// As beyond the threshold.
    Breaching,
    /// The alarm keeps its state.
    Ignore,
}

/// What a policy does when its alarm fires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum PolicyKind {
    /// One adjustment, then nothing until the activity has ended and the cooldown has passed.
    Simple {
        /// Instances to add, or to remove if negative.
        adjust: i32,
        /// Time after the activity during which the policy does not react.
        cooldown: Duration,
    },
    /// An adjustment by how far the metric is beyond the threshold; warming instances count as capacity.
    Step {
        /// Bands, ordered by their lower bound.
        steps: Vec<Step>,
        /// Time after an instance is in service during which it counts as warming up.
        warmup: Duration,
    },
}

/// One band of a step policy; bounds are relative to the alarm's threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Lower bound; `None` is minus infinity. Inclusive above the threshold, exclusive below it.
    pub from: Option<f64>,
    /// Upper bound; `None` is infinity. Exclusive above the threshold, inclusive below it.
    pub to: Option<f64>,
    /// Instances to add, or to remove if negative.
    pub adjust: i32,
}

/// Health that makes the group replace an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthType {
    /// The state of the virtual machine only (the default of AWS).
    Ec2,
    /// The load balancer's checks as well.
    Elb,
}
