//! One scaling policy over many seeds: how many instances are healthy, and when, after the queue crosses its threshold.

use std::time::Duration;

use rand::RngExt;

use super::fleet_timeline::FleetTimeline;
use tiketi_core::rng::Streams;
use tiketi_core::units::SimTime;
use tiketi_scenario::scaling::{Comparison, Metric, Scaling};
use tiketi_scenario::{self as scenario, Overrides, Plan};

/// The policies worth comparing, each with its changes to the documented architecture.
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

/// The minute in which the queue crosses the threshold by default: late enough for a scheduled action to run before it.
pub const CROSSING: SimTime = SimTime::from_secs(20 * 60);

/// How long the fleet is observed after the crossing.
pub const FOLLOWED_FOR: Duration = Duration::from_secs(15 * 60);

/// The period whose end an alarm waits for starts on the minute, so the second of the crossing matters.
const CROSSES_WITHIN: Duration = Duration::from_secs(60);

/// What one policy does, over many seeds: each seed draws the second of the crossing, the phases of the Lambda and the alarm, the
/// boot times, and how late scheduled actions run.
#[derive(Clone, Debug)]
pub struct PolicyTimeline {
    /// A short name of the policy.
    pub name: String,
    /// The maximum size of the group.
    pub fleet_max: u32,
    runs: Vec<Run>,
}

/// What the policy does with one seed.
#[derive(Clone, Debug)]
struct Run {
    /// When the queue crosses the threshold.
    crossing: SimTime,
    sizes: FleetTimeline,
}

/// Minimum, median and maximum of one value over the seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread<T> {
    /// The smallest value.
    pub min: T,
    /// The lower median: at least half of the runs have this or less.
    pub median: T,
    /// The largest value.
    pub max: T,
}

/// Returns the policies worth comparing, each applied to the documented architecture.
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

/// Returns the size of a group that adds two instances per minute from the start, available immediately. AWS does *not*
/// work like this; it is a reference.
pub fn naive(after: Duration, fleet_max: u32) -> u32 {
    let minutes = u32::try_from(after.as_secs() / 60).unwrap_or(u32::MAX);
    minutes.saturating_mul(2).saturating_add(2).min(fleet_max)
}

impl PolicyTimeline {
    /// Simulates `plan` with seeds 1 to `seeds`. The queue crosses its threshold within the minute after `crossing`, uniform
    /// (assumption), and each simulation goes on for [`FOLLOWED_FOR`] after that. `None` if no policy scales out on the queue
    /// and no scheduled action sets the size: there is nothing to observe.
    pub fn new(name: &str, plan: &Plan, crossing: SimTime, seeds: u32) -> Option<Self> {
        let queue = Queue::around(&plan.scaling)?;
        let of_seed = |seed| {
            let plan = Plan {
                seed,
                ..plan.clone()
            };
            let share: f64 = Streams::new(seed).named("crossing").random();
            let crossing = crossing + CROSSES_WITHIN.mul_f64(share);
            let size = |now| {
                if now < crossing {
                    queue.before
                } else {
                    queue.after
                }
            };
            Run {
                crossing,
                sizes: FleetTimeline::of(&plan, size, crossing + FOLLOWED_FOR),
            }
        };
        Some(Self {
            name: name.to_owned(),
            fleet_max: plan.scaling.fleet_max(),
            runs: (1..=u64::from(seeds.max(1))).map(of_seed).collect(),
        })
    }

    /// Returns the number of seeds.
    pub const fn seeds(&self) -> usize {
        self.runs.len()
    }

    /// Returns the desired number of instances, this long after the crossing.
    pub fn desired(&self, after: Duration) -> Spread<u32> {
        self.sizes(|run| run.sizes.desired(run.crossing + after))
    }

    /// Returns the number of instances in service (registered, answering or not), this long after the crossing.
    pub fn in_service(&self, after: Duration) -> Spread<u32> {
        self.sizes(|run| run.sizes.in_service(run.crossing + after))
    }

    /// Returns the number of instances that get requests, this long after the crossing.
    pub fn useful(&self, after: Duration) -> Spread<u32> {
        self.sizes(|run| run.sizes.useful(run.crossing + after))
    }

    /// Returns how long after the crossing the first scale-out comes; `None` if a seed has none. A scale-out before the
    /// crossing counts as zero.
    pub fn grows(&self) -> Option<Spread<Duration>> {
        self.times(|sizes| sizes.first_desired(sizes.desired(SimTime::ZERO) + 1))
    }

    /// Returns how long after the crossing the desired number first reaches `size`; `None` if it does not with every seed.
    /// Before the crossing counts as zero.
    pub fn wants(&self, size: u32) -> Option<Spread<Duration>> {
        self.times(|sizes| sizes.first_desired(size))
    }

    /// Returns how long after the crossing `size` instances first get requests; `None` if they do not with every seed.
    pub fn has_of_use(&self, size: u32) -> Option<Spread<Duration>> {
        self.times(|sizes| sizes.first_useful(size))
    }

    fn sizes(&self, size: impl Fn(&Run) -> u32) -> Spread<u32> {
        spread(self.runs.iter().map(size).collect()).expect("there is at least one seed")
    }

    fn times(&self, first: impl Fn(&FleetTimeline) -> Option<SimTime>) -> Option<Spread<Duration>> {
        let after = |run: &Run| Some(first(&run.sizes)?.saturating_since(run.crossing));
        let times: Option<Vec<Duration>> = self.runs.iter().map(after).collect();
        spread(times?)
    }
}

/// A queue that first triggers nothing, and then the policies that scale out.
#[derive(Clone, Copy, Debug)]
struct Queue {
    before: u64,
    after: u64,
}

impl Queue {
    /// Before the crossing: between the thresholds. After it: above the lowest upper threshold by the same factor as in the
    /// documented scenario (8,000 buyers at a threshold of 5,000: assumption).
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
