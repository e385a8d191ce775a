//! A fake system for tests of searches. It passes up to a number of buyers that depends on its fleet and on chance.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::RngExt;

use super::figures::{Figures, Measure};
use super::miss::Miss;
use super::question::Search;
use super::{Evaluate, Question, Sample, ScenarioFile, ScenarioFileError, SearchState};
use tiketi_core::instance_class::InstanceClass;
use tiketi_core::rng::Streams;
use tiketi_core::units::Share;
use tiketi_cost::price_book::Currency;
use tiketi_scenario::{self as scenario, Overrides, Plan, arrival_times};
use tiketi_verdict::cause::tier::{Tier, TierUse};

/// A scenario of 1,000 buyers.
pub const SCENARIO: &str = "# Does it hold?\n\n[clock]\nduration = \"10m\"\n";

/// A plan file that asks for the largest audience.
pub const CROWD: &str = r#"# How large a crowd?
question = "largest-crowd"
scenario = "example.toml"

[crowd]
from = 100
to = 20_000
within = "1%"
"#;

/// A plan file that asks for the cheapest configuration.
pub const GRID: &str = r#"# What is the cheapest?
question = "cheapest-setup"
scenario = "example.toml"
ascending = ["scaling.min", "scaling.max"]

[crowd]
buyers = 1_900

[vary]
scaling.min = [2, 3, 4, 5]
scaling.max = [4, 6]
"#;

/// A plan file that compares variants.
pub const COMPARE: &str = r#"# Which is better?
question = "compare"
scenario = "example.toml"

[[variants]]
name = "four"
set = { scaling.min = 4 }

[[variants]]
name = "same again"
set = { "scaling.min" = 2 }
"#;

/// Returns the plan of the example with this many buyers.
pub fn plan(buyers: u32) -> Plan {
    let overrides = Overrides {
        buyers: Some(buyers),
        ..Overrides::default()
    };
    scenario::load("example.toml", SCENARIO, &overrides).expect("the example is valid")
}

/// Loads a plan file about the example.
pub fn question(text: &str) -> Question {
    super::load("question.toml", text, read).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// Returns the example scenario for any path but `absent.toml`.
pub fn read(path: &str) -> Result<ScenarioFile, ScenarioFileError> {
    match path {
        "absent.toml" => Err(std::io::Error::other("not there").into()),
        _ => Ok(ScenarioFile {
            name: path.to_owned(),
            text: SCENARIO.to_owned(),
        }),
    }
}

/// Returns the search settings of a plan file without any.
pub fn search() -> Search {
    Search {
        replications: 5,
        confirm: 20,
        confidence: Share::try_from(0.95).expect("a share"),
        holds_in: Share::try_from(0.8).expect("a share"),
        seed: 7,
    }
}

/// A system with a known limit.
#[derive(Debug)]
pub struct Fake {
    /// Buyers that each instance of the smallest fleet can serve.
    per_instance: f64,
    /// Share by which chance varies that limit, up or down.
    luck: f64,
    /// Number of runs so far.
    pub runs: AtomicUsize,
    /// Number of runs after which the search is stopped.
    pub stops_after: usize,
    /// The runs so far: smallest fleet and number of buyers.
    pub played: Mutex<Vec<(u32, u64)>>,
}

impl Fake {
    /// Creates a system that passes up to this many buyers with the two instances of the example.
    pub fn holding_up_to(buyers: u32) -> Self {
        Self {
            per_instance: f64::from(buyers) / 2.0,
            luck: 0.0,
            runs: AtomicUsize::new(0),
            stops_after: usize::MAX,
            played: Mutex::default(),
        }
    }

    /// Returns the same system with a limit that varies by chance.
    pub fn with_luck(mut self, luck: f64) -> Self {
        self.luck = luck;
        self
    }

    /// Returns the sample of one run.
    #[expect(clippy::cast_precision_loss, reason = "a few thousand buyers")]
    fn sample(&self, plan: &Plan) -> Sample {
        let luck = Streams::new(plan.seed)
            .named("luck")
            .random_range(-1.0..=1.0);
        let fleet = f64::from(plan.scaling.min);
        let limit = self.per_instance * fleet * (1.0 + self.luck * luck);
        let buyers = arrival_times(plan).len() as f64;
        let over = buyers / limit - 1.0;
        let misses = (over > 0.0).then(|| Miss {
            what: "errors".to_owned(),
            wanted: "rate < 1%".to_owned(),
            found: format!("{over:.4}"),
            by: Some(format!("{over:.4}")),
            excess: Some(over),
        });
        let cost = fleet * 100.0 + f64::from(plan.scaling.max);
        let mut figures = Figures::from([
            (Measure::WaitingP95, buyers / limit * 60.0),
            (Measure::Errors, over.max(0.0)),
        ]);
        let mut costs = Figures::from([
            (Measure::CostMonth, cost * 1_000_000.0),
            (Measure::CostRun, cost),
        ]);
        // As in the documented price book.
        let class = plan.topology.instances.class;
        let mut missing = Vec::new();
        if class == InstanceClass::T3Medium {
            figures.append(&mut costs);
        } else {
            missing.push(format!("{class} (no price)"));
        }
        Sample {
            seed: plan.seed,
            misses: misses.into_iter().collect(),
            figures,
            at_least: costs,
            missing,
            tiers: vec![TierUse {
                tier: Tier::InstanceCpu,
                used: buyers / limit,
                limit: Some(1.0),
            }],
            why: None,
            currency: Some(Currency::Krw),
        }
    }
}

impl Evaluate for Fake {
    fn evaluate(&self, plan: &Plan) -> Option<Sample> {
        if self.runs.fetch_add(1, Ordering::Relaxed) >= self.stops_after {
            return None;
        }
        let buyers = arrival_times(plan).len() as u64;
        let mut played = self
            .played
            .lock()
            .expect("no test panics while it holds the lock");
        played.push((plan.scaling.min, buyers));
        drop(played);
        Some(self.sample(plan))
    }

    fn handle_progress(&self, _: &SearchState) {}
}
