//! What a search found.

use serde::Serialize;

pub use super::cheapest::SetupState;
pub use super::confirmation::Confirmation;
use super::figures::Measure;
use super::miss::Miss;
use super::question::{Bill, Explore, LeftOut, Question, Search};
use super::replication::Seeds;
use super::statistics::Estimate;
use super::tier_use::TierUse;
use tiketi_cost::price_book::Currency;

/// Version of the layout; raised when a reader of an older one would misread.
const VERSION: u32 = 1;

/// What a search found, for every renderer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Findings {
    /// Version of this layout.
    pub version: u32,
    /// Version of the program.
    pub program: String,
    /// Name of the plan file.
    pub name: String,
    /// The question in words; empty if the plan file begins with none.
    pub asked: String,
    /// The scenario that was varied, as the plan file names it.
    pub scenario: String,
    /// How sure the answer must be.
    pub search: Search,
    /// Seeds of the search: the same for every set-up.
    pub seeds: Vec<u64>,
    /// What was found; in files `answer` is the sentence that says it.
    #[serde(rename = "findings")]
    pub answer: Answer,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "question")]
pub enum Answer {
    /// The largest crowd.
    LargestCrowd(LargestCrowd),
    /// The cheapest set-up.
    CheapestSetup(CheapestSetup),
    /// The comparison.
    Compare(Comparison),
}

/// The largest crowd that a set-up holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LargestCrowd {
    /// The answer in buyers; `None` if no crowd of the range holds, or none could be confirmed.
    pub crowd: Option<u32>,
    /// Range that was searched.
    pub from: u32,
    /// Its end.
    pub to: u32,
    /// Whether the largest crowd of the range held: the limit lies beyond it.
    pub is_beyond: bool,
    /// Tests with fresh seeds, in their order.
    pub confirmations: Vec<Confirmation>,
    /// Every crowd that was played, in ascending order.
    pub steps: Vec<CrowdStep>,
    /// What breaks at the smallest crowd above the answer that did not hold.
    pub breaks: Option<Break>,
    /// What misses by the least if nothing held.
    pub closest: Option<Closest>,
    /// Highest use of each tier at the answer, over all its runs.
    pub tiers: Vec<TierUse>,
    /// The crowd of the scenario as it is written.
    pub asked_crowd: u32,
    /// Highest use of each tier at that crowd; empty if it lies outside the range.
    pub asked_tiers: Vec<TierUse>,
    /// Crowds that did not hold although a larger one did: pairs of the smaller and the larger.
    pub not_monotone: Vec<(u32, u32)>,
    /// Currency of costs; `None` if there are none.
    pub currency: Option<Currency>,
}

/// One crowd that was played with the seeds of the search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrowdStep {
    /// Buyers.
    pub crowd: u32,
    /// Runs that held.
    pub held: u32,
    /// Runs; a crowd is given up when one of the first two does not hold.
    pub runs: u32,
    /// Mean of each measure that a run had.
    pub means: Vec<Mean>,
    /// The farthest miss of the first run that did not hold.
    pub miss: Option<Miss>,
}

/// The mean of one measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The measure.
    pub measure: Measure,
    /// Its mean.
    pub mean: f64,
}

/// The mean of one measure in a list; `None` if it is not there.
pub fn mean_of(means: &[Mean], measure: Measure) -> Option<f64> {
    means
        .iter()
        .find(|one| one.measure == measure)
        .map(|one| one.mean)
}

/// What breaks first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Break {
    /// The crowd at which it breaks.
    pub crowd: u32,
    /// Number of the first run that did not hold, from 1.
    pub replication: u32,
    /// Its seed.
    pub seed: u64,
    /// Everything that run missed.
    pub misses: Vec<Miss>,
    /// How many runs missed each objective, the most frequent first.
    pub counts: Vec<MissCount>,
    /// Runs.
    pub runs: u32,
    /// Highest use of each tier.
    pub tiers: Vec<TierUse>,
}

/// How many runs missed one objective.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MissCount {
    /// The farthest such miss.
    pub miss: Miss,
    /// Runs that missed it.
    pub runs: u32,
}

/// What came nearest to holding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Closest {
    /// The set-up or crowd.
    pub what: String,
    /// What it missed.
    pub miss: Miss,
}

/// The cheapest set-up that holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheapestSetup {
    /// Its place among `setups`; `None` if none holds, or none could be confirmed.
    pub cheapest: Option<usize>,
    /// Which cost counts.
    pub minimize: Bill,
    /// How far the search looked.
    pub explore: Explore,
    /// Buyers.
    pub crowd: u32,
    /// Tests with fresh seeds, in their order.
    pub confirmations: Vec<Confirmation>,
    /// Every set-up, in the order of the grid.
    pub setups: Vec<SetupResult>,
    /// Places of the set-ups to which none is both cheaper and quicker, by cost.
    pub frontier: Vec<usize>,
    /// Combinations that are no legal scenario.
    pub left_out: Vec<LeftOut>,
    /// Keys that the author declares to be ascending.
    pub ascending: Vec<String>,
    /// What misses by the least if nothing held.
    pub closest: Option<Closest>,
    /// Highest use of each tier by the answer, over all its runs.
    pub tiers: Vec<TierUse>,
    /// Currency of costs.
    pub currency: Option<Currency>,
}

/// What became of one set-up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetupResult {
    /// Its values.
    pub name: String,
    /// What became of it.
    pub state: SetupState,
    /// Runs that held.
    pub held: u32,
    /// Runs.
    pub runs: u32,
    /// Least that it can cost, known before a run.
    pub cost_at_least: f64,
    /// Mean cost of its runs; `None` without runs.
    pub cost: Option<f64>,
    /// Mean of each measure that a run had.
    pub means: Vec<Mean>,
    /// The farthest miss of the first run that did not hold.
    pub miss: Option<Miss>,
}

/// How set-ups differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Place of the set-up that the others are compared with.
    pub against: usize,
    /// The set-ups, in the order of the plan file.
    pub variants: Vec<Variant>,
    /// Runs of each.
    pub runs: u32,
    /// Currency of costs; `None` if there are none or several.
    pub currency: Option<Currency>,
}

/// One set-up of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// Runs that held.
    pub held: u32,
    /// Its figures, and how they differ.
    pub rows: Vec<Row>,
    /// The farthest miss of the first run that did not hold.
    pub miss: Option<Miss>,
    /// Highest use of each tier.
    pub tiers: Vec<TierUse>,
}

/// One measure of one set-up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The measure.
    pub measure: Measure,
    /// Its mean; `None` if no run has it.
    pub estimate: Option<Estimate>,
    /// Mean of the differences, run by run with the same seed; `None` for the set-up that is compared with, or if no
    /// pair of runs has it.
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

    /// Whether there is an answer; a range or grid in which nothing holds has none.
    pub const fn is_found(&self) -> bool {
        match &self.answer {
            Answer::LargestCrowd(found) => found.crowd.is_some(),
            Answer::CheapestSetup(found) => found.cheapest.is_some(),
            Answer::Compare(_) => true,
        }
    }
}
