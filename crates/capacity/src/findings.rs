//! Findings: what a search found.

use serde::Serialize;

pub use super::cheapest::SetupState;
pub use super::confirmation::Confirmation;
use super::figures::Measure;
use super::miss::Miss;
use super::question::{Bill, Explore, LeftOut, Question, Search};
use super::replication::Seeds;
use super::statistics::Estimate;
use tiketi_cost::Amount;
use tiketi_cost::price_book::Currency;
use tiketi_verdict::cause::tier::TierUse;

/// Version of the layout. Raised when a reader of the previous one would misread it.
const VERSION: u32 = 1;

/// The result of a search, for all renderers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Findings {
    /// Version of this layout.
    pub version: u32,
    /// Name and version of the program.
    pub program: String,
    /// Name of the plan file.
    pub name: String,
    /// The question in words; empty if the plan file does not begin with one.
    pub asked: String,
    /// The scenario that was varied, as the plan file names it.
    pub scenario: String,
    /// The settings of the search.
    pub search: Search,
    /// Seeds of the search: the same for every configuration.
    pub seeds: Vec<u64>,
    /// What was found. In files this is `findings`, and `answer` is the sentence that summarizes it.
    #[serde(rename = "findings")]
    pub answer: Answer,
}

/// What was found, by the kind of question.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "question")]
pub enum Answer {
    /// The largest audience.
    LargestCrowd(LargestCrowd),
    /// The cheapest configuration.
    CheapestSetup(CheapestSetup),
    /// The comparison.
    Compare(Comparison),
}

/// The largest audience with which a configuration passes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LargestCrowd {
    /// The answer, in buyers; `None` if nothing in the range passes, or if nothing could be confirmed.
    pub crowd: Option<u32>,
    /// Lower end of the range that was searched, in buyers.
    pub from: u32,
    /// Upper end of the range, in buyers.
    pub to: u32,
    /// Whether the upper end of the range passed: the limit lies beyond it.
    pub is_beyond: bool,
    /// Tests with fresh seeds, in order.
    pub confirmations: Vec<Confirmation>,
    /// Every number of buyers that was run, in ascending order.
    pub steps: Vec<CrowdStep>,
    /// What fails at the smallest number of buyers above the answer that does not pass; `None` if nothing above it failed.
    pub breaks: Option<Break>,
    /// What came closest to passing; `None` if there is an answer.
    pub closest: Option<Closest>,
    /// Peak utilization of each tier at the answer, over all its runs.
    pub tiers: Vec<TierUse>,
    /// The number of buyers of the scenario as it is written.
    pub asked_crowd: u32,
    /// Peak utilization of each tier at that number; empty if it lies outside the range.
    pub asked_tiers: Vec<TierUse>,
    /// Numbers of buyers that failed although a larger one passed, as pairs of the smaller and the larger.
    pub not_monotone: Vec<(u32, u32)>,
    /// What is missing from the costs, which makes them lower bounds; empty if all are known.
    pub missing_costs: Vec<String>,
    /// Currency of costs; `None` if there are none.
    pub currency: Option<Currency>,
}

/// One number of buyers that was run with the seeds of the search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrowdStep {
    /// Buyers.
    pub crowd: u32,
    /// Runs that passed.
    pub held: u32,
    /// Runs; there are only two if one of the first two failed.
    pub runs: u32,
    /// Mean of each metric that at least one run has.
    pub means: Vec<Mean>,
    /// Means of the costs that are not among the means because only lower bounds of them are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub costs_at_least: Vec<Mean>,
    /// The largest miss of the first run that failed; `None` if all passed.
    pub miss: Option<Miss>,
}

/// The mean of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The metric.
    pub measure: Measure,
    /// Its mean.
    pub mean: f64,
}

/// Returns the mean of one metric in a list; `None` if it is not in it.
pub fn mean_of(means: &[Mean], measure: Measure) -> Option<f64> {
    means
        .iter()
        .find(|one| one.measure == measure)
        .map(|one| one.mean)
}

/// What fails first above the answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Break {
    /// The number of buyers at which it fails.
    pub crowd: u32,
    /// Number of the first run that failed, from 1.
    pub replication: u32,
    /// Its seed.
    pub seed: u64,
    /// Everything that run missed.
    pub misses: Vec<Miss>,
    /// Why that run failed, in one sentence; `None` if its measurement is not valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How many runs missed each objective, the most frequent first.
    pub counts: Vec<MissCount>,
    /// Runs.
    pub runs: u32,
    /// Peak utilization of each tier.
    pub tiers: Vec<TierUse>,
}

/// How many runs missed one objective.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MissCount {
    /// The largest such miss.
    pub miss: Miss,
    /// Runs that missed it.
    pub runs: u32,
}

/// What came closest to passing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Closest {
    /// The configuration or number of buyers.
    pub what: String,
    /// What it missed.
    pub miss: Miss,
}

/// The cheapest configuration that passes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheapestSetup {
    /// Its index in `setups`; `None` if none passes, if none could be confirmed, or if the cost of none that passes is known.
    pub cheapest: Option<usize>,
    /// Indices of the configurations that passed every run but cannot be the cheapest, because their cost is unknown. They
    /// may cost less than the cheapest one.
    pub cost_unknown: Vec<usize>,
    /// Which cost counts.
    pub minimize: Bill,
    /// How far the search looked.
    pub explore: Explore,
    /// Buyers.
    pub crowd: u32,
    /// Tests with fresh seeds, in order.
    pub confirmations: Vec<Confirmation>,
    /// Every configuration, in the order of the grid.
    pub setups: Vec<SetupResult>,
    /// Pareto frontier, by cost: indices of the configurations that none beats in both cost and waiting time.
    pub frontier: Vec<usize>,
    /// Combinations that are not a valid scenario.
    pub left_out: Vec<LeftOut>,
    /// Keys that the author declared to be ascending.
    pub ascending: Vec<String>,
    /// What came closest to passing; `None` if there is an answer.
    pub closest: Option<Closest>,
    /// Peak utilization of each tier by the answer, over all its runs.
    pub tiers: Vec<TierUse>,
    /// Currency of costs; `None` if there are none.
    pub currency: Option<Currency>,
}

/// The result of one configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetupResult {
    /// The values that distinguish it.
    pub name: String,
    /// Its state after the search.
    pub state: SetupState,
    /// Runs that passed.
    pub held: u32,
    /// Runs.
    pub runs: u32,
    /// Lower bound of its cost, known before it runs.
    pub cost_at_least: f64,
    /// Mean cost of its runs: a lower bound if something has no price. `None` without runs.
    pub cost: Option<Amount>,
    /// Mean of each metric that at least one run has.
    pub means: Vec<Mean>,
    /// The largest miss of the first run that failed; `None` if all passed.
    pub miss: Option<Miss>,
}

/// How configurations differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Index of the configuration that the others are compared with.
    pub against: usize,
    /// The configurations, in the order of the plan file.
    pub variants: Vec<Variant>,
    /// Runs of each.
    pub runs: u32,
    /// Currency of costs; `None` if there are none or several.
    pub currency: Option<Currency>,
}

/// One configuration of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// Runs that passed.
    pub held: u32,
    /// Its metrics, and how they differ.
    pub rows: Vec<Row>,
    /// What is missing from its costs, which makes them lower bounds; empty if all are known.
    pub missing_costs: Vec<String>,
    /// The largest miss of the first run that failed; `None` if all passed.
    pub miss: Option<Miss>,
    /// Peak utilization of each tier.
    pub tiers: Vec<TierUse>,
}

/// One metric of one configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The measure.
    pub measure: Measure,
    /// Its mean; `None` if no run has the metric.
    pub estimate: Option<Estimate>,
    /// For a cost of which only a lower bound is known, the mean of that bound; there is no estimate then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Mean difference of the runs with the same seed; `None` for the baseline, or if no pair of runs has the metric.
    pub difference: Option<Estimate>,
}

impl Findings {
    pub(super) fn new(question: &Question, answer: Answer) -> Self {
        Self {
            version: VERSION,
            program: concat!("tiketi-sim ", env!("CARGO_PKG_VERSION")).to_owned(),
            name: question.name.clone(),
            asked: question.asked.clone(),
            scenario: question.scenario.clone(),
            search: question.search,
            seeds: Seeds::new(&question.search).search,
            answer,
        }
    }

    /// Returns whether there is an answer; there is none if nothing in the range or grid passes.
    pub const fn is_found(&self) -> bool {
        match &self.answer {
            Answer::LargestCrowd(found) => found.crowd.is_some(),
            Answer::CheapestSetup(found) => found.cheapest.is_some(),
            Answer::Compare(_) => true,
        }
    }
}
