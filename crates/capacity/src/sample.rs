//! Samples: what a search needs of one run. They are small enough to keep thousands, and to write each to a journal.

use serde::{Deserialize, Serialize};

use super::figures::{self, Figures};
use super::miss::{self, Miss};
use tiketi_cost::price_book::Currency;
use tiketi_measure::Measurements;
use tiketi_verdict::cause::tier::{self, TierUse};
use tiketi_verdict::judge;

/// What a search needs of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The run's seed.
    pub seed: u64,
    /// Why it failed; empty if it passed.
    pub misses: Vec<Miss>,
    /// Its metrics.
    pub figures: Figures,
    /// The costs that are not among its metrics because only lower bounds of them are known.
    #[serde(default, skip_serializing_if = "Figures::is_empty")]
    pub at_least: Figures,
    /// What is missing from these costs, and why; empty if all costs are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Its utilization of each tier.
    pub tiers: Vec<TierUse>,
    /// Why it failed, in one sentence; `None` if it passed, or if its measurement is not valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The currency of the costs among its metrics; `None` if it has none.
    pub currency: Option<Currency>,
}

impl Sample {
    /// Judges a run and extracts what a search needs.
    pub fn of(run: &Measurements) -> Self {
        let verdicts = judge(run);
        Self {
            seed: run.plan.seed,
            misses: miss::misses(run, &verdicts),
            figures: figures::figures(run, &verdicts),
            at_least: figures::lower_bounds(run),
            missing: run
                .ending
                .statement
                .as_ref()
                .map_or_else(Vec::new, |statement| {
                    statement.month.total.missing().to_vec()
                }),
            tiers: tier::tiers(run),
            why: verdicts.cause.map(|cause| cause.sentence),
            currency: run
                .ending
                .statement
                .as_ref()
                .map(|statement| statement.currency),
        }
    }

    /// Returns whether the run passed: all gates passed, no audit failed, the measurement is valid, and nothing is left unmeasured.
    pub fn passes(&self) -> bool {
        self.misses.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::example;

    #[test]
    fn a_sample_passes_exactly_if_the_run_has_no_trouble() {
        let mut run = example::run();
        assert_eq!(Sample::of(&run).passes(), judge(&run).troubles().is_empty());
        run.plan.gates.clear();
        assert!(Sample::of(&run).passes());
        let mut unsold = run.clone();
        unsold.tally.stages[tiketi_buyer::observation::Stage::Paid as usize] = 0;
        assert!(!Sample::of(&unsold).passes(), "nobody bought a ticket");
        run.tally.arrivals.shed += 1;
        assert!(!Sample::of(&run).passes(), "not valid");
    }

    #[test]
    fn a_sample_that_fails_says_why() {
        let mut run = example::run();
        let why = Sample::of(&run).why.expect("the example fails");
        assert!(why.starts_with("Why: "), "{why}");
        run.plan.gates.clear();
        assert_eq!(Sample::of(&run).why, None);
    }

    #[test]
    fn a_sample_survives_serialization() {
        let sample = Sample::of(&example::run());
        let text = serde_json::to_string(&sample).unwrap();
        assert_eq!(serde_json::from_str::<Sample>(&text).unwrap(), sample);
    }
}
