//! One scaling policy over many seeds: when it has how many instances of use, after the queue has passed its threshold.

use std::time::Duration;

use super::fleet_timeline::FleetTimeline;
use tiketi_core::units::SimTime;
use tiketi_scenario::scaling::{Comparison, Metric, Scaling};
use tiketi_scenario::{self as scenario, Overrides, Plan};

/// The policies worth comparing, each with what it changes in the documented architecture.
const BUILT_IN: [(&str, &str); 5] = [
    ("simple, cooldown 300 s", ""),
    (
        "simple, launch hook",
        "[scaling]\nlaunch_hook = \"until-answers\"\n",
    ),
    (
        "step, default warm-up",
        "[[scaling.policies]]\nmetric = \"queue_size\"\nalarm.above = 5_000\nkind = \"step\"\n\
         steps = [{ from = 0, adjust = +2 }]\n",
    ),
    (
        "step, warm-up 0",
        "[[scaling.policies]]\nmetric = \"queue_size\"\nalarm.above = 5_000\nkind = \"step\"\n\
         steps = [{ from = 0, adjust = +2 }]\nwarmup = \"0s\"\n",
    ),
    (
        "scheduled, 15 min before",
        "[clock]\nduration = \"40m\"\n[scaling]\nscheduled = [{ at = \"5m\", min = 10 }]\n",
    ),
];

/// When the queue passes the threshold, unless the user says otherwise: a scheduled action has time to come before.
pub const CROSSING: SimTime = SimTime::from_secs(20 * 60);

/// How long the fleet is followed after that.
pub const FOLLOWED_FOR: Duration = Duration::from_secs(15 * 60);

/// What one policy does, over many seeds: each draws the phases of the Lambda and the alarm, the boot times, and how
/// late scheduled actions are.
#[derive(Clone, Debug)]
pub struct PolicyTimeline {
    /// The policy, in a few words.
    pub name: String,
    /// When the queue passes the threshold.
    pub crossing: SimTime,
    /// Most instances the group may have.
    pub fleet_max: u32,
    runs: Vec<FleetTimeline>,
}

/// Least, middle, and greatest of one figure over the seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread<T> {
    /// In the most fortunate run for a time, the least fortunate for a size.
    pub min: T,
    /// Half of the runs have at most this.
    pub median: T,
    /// The other end.
    pub max: T,
}

/// The policies worth comparing, each the documented architecture with its own changes.
pub fn built_in() -> Vec<(String, Plan)> {
    let plan = |(name, text): (&str, _)| {
        let plan = scenario::load("policy.toml", text, &Overrides::default());
        (
            name.to_owned(),
            plan.expect("a test reads the built-in policies"),
        )
    };
    BUILT_IN.into_iter().map(plan).collect()
}

/// What a group would have that adds two instances every minute from the first second on, each of use at once: the
/// model that AWS does *not* follow, as a reference.
pub fn naive(after: Duration, fleet_max: u32) -> u32 {
    let minutes = u32::try_from(after.as_secs() / 60).unwrap_or(u32::MAX);
    minutes.saturating_mul(2).saturating_add(2).min(fleet_max)
}

impl PolicyTimeline {
    /// Follows `plan` with seeds 1 to `seeds`, each until [`FOLLOWED_FOR`] after `crossing`. `None` if no policy grows
    /// the fleet by the queue and no scheduled action sets its size: there is nothing to follow.
    pub fn new(name: &str, plan: &Plan, crossing: SimTime, seeds: u32) -> Option<Self> {
        let queue = Queue::around(&plan.scaling)?;
        let size = |now| {
            if now < crossing {
                queue.before
            } else {
                queue.after
            }
        };
        let of_seed = |seed| {
            let plan = Plan {
                seed,
                ..plan.clone()
            };
            FleetTimeline::of(&plan, size, crossing + FOLLOWED_FOR)
        };
        Some(Self {
            name: name.to_owned(),
            crossing,
            fleet_max: plan.scaling.fleet_max(),
            runs: (1..=u64::from(seeds.max(1))).map(of_seed).collect(),
        })
    }

    /// Number of seeds.
    pub const fn seeds(&self) -> usize {
        self.runs.len()
    }

    /// Instances wanted, this long after the crossing.
    pub fn desired(&self, after: Duration) -> Spread<u32> {
        self.sizes(|run| run.desired(self.crossing + after))
    }

    /// Instances in service (registered, answering or not), this long after the crossing.
    pub fn in_service(&self, after: Duration) -> Spread<u32> {
        self.sizes(|run| run.in_service(self.crossing + after))
    }

    /// Instances that get requests, this long after the crossing.
    pub fn useful(&self, after: Duration) -> Spread<u32> {
        self.sizes(|run| run.useful(self.crossing + after))
    }

    /// How long after the crossing the group first wants more instances than at the start; `None` if some seed never
    /// does. What happened before the crossing counts as zero.
    pub fn grows(&self) -> Option<Spread<Duration>> {
        self.times(|run| run.first_desired(run.desired(SimTime::ZERO) + 1))
    }

    /// How long after the crossing the group first wants `size` instances; `None` if some seed never does. What
    /// happened before the crossing counts as zero.
    pub fn wants(&self, size: u32) -> Option<Spread<Duration>> {
        self.times(|run| run.first_desired(size))
    }

    /// How long after the crossing `size` instances first get requests; `None` if in some seed they never do.
    pub fn has_of_use(&self, size: u32) -> Option<Spread<Duration>> {
        self.times(|run| run.first_useful(size))
    }

    fn sizes(&self, size: impl Fn(&FleetTimeline) -> u32) -> Spread<u32> {
        spread(self.runs.iter().map(size).collect()).expect("there is at least one seed")
    }

    fn times(&self, first: impl Fn(&FleetTimeline) -> Option<SimTime>) -> Option<Spread<Duration>> {
        let times: Option<Vec<SimTime>> = self.runs.iter().map(first).collect();
        let after = |at: SimTime| at.saturating_since(self.crossing);
        spread(times?.into_iter().map(after).collect())
    }
}

/// A queue that triggers nothing, and then the policies that grow the fleet.
#[derive(Clone, Copy, Debug)]
struct Queue {
    before: u64,
    after: u64,
}

impl Queue {
    /// Between the thresholds before the crossing; as far above the lowest upper one as people passed it in the
    /// documented scenario afterwards (8,000 at 5,000: assumption).
    fn around(scaling: &Scaling) -> Option<Self> {
        const BEYOND: f64 = 1.6;
        let of = |comparison| {
            let policies = scaling.policies.iter();
            policies
                .filter(move |policy| {
                    policy.alarm.metric == Metric::QueueSize
                        && policy.alarm.comparison == comparison
                })
                .map(|policy| policy.alarm.threshold.max(0.0))
        };
        let upper = of(Comparison::Above).reduce(f64::min);
        let lower = of(Comparison::Below).reduce(f64::max).unwrap_or(0.0);
        if upper.is_none() && scaling.scheduled.is_empty() {
            return None;
        }
        let upper = upper.unwrap_or(lower * 2.0);
        Some(Self {
            before: people(f64::midpoint(lower, upper)),
            after: people(upper * BEYOND + 1.0),
        })
    }
}

fn people(number: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a threshold of people, not below zero; fractions do not matter"
    )]
    let people = number as u64;
    people
}

fn spread<T: Copy + Ord>(mut values: Vec<T>) -> Option<Spread<T>> {
    values.sort_unstable();
    Some(Spread {
        min: *values.first()?,
        median: values[(values.len() - 1) / 2],
        max: *values.last()?,
    })
}
