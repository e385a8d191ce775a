//! What counts of one run: small enough to keep thousands of them, and to write each into a journal.

use serde::{Deserialize, Serialize};

use super::figures::{self, Figures};
use super::miss::{self, Miss};
use super::tier_use::{self, TierUse};
use tiketi_cost::price_book::Currency;
use tiketi_measure::Measurements;
use tiketi_verdict::judge;

/// What counts of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The run's seed.
    pub seed: u64,
    /// Why it did not hold; empty if it did.
    pub misses: Vec<Miss>,
    /// Its numbers.
    pub figures: Figures,
    /// How much of each tier it used.
    pub tiers: Vec<TierUse>,
    /// The currency of the costs among its numbers; `None` if it has no cost.
    pub currency: Option<Currency>,
}

impl Sample {
    /// Judges a run and takes what counts.
    pub fn of(run: &Measurements) -> Self {
        let verdicts = judge(run);
        Self {
            seed: run.plan.seed,
            misses: miss::misses(run, &verdicts),
            figures: figures::figures(run, &verdicts),
            tiers: tier_use::tiers(run),
            currency: run
                .ending
                .statement
                .as_ref()
                .map(|statement| statement.currency),
        }
    }

    /// Whether all gates passed, no audit was violated, and the measurement is valid.
    pub fn holds(&self) -> bool {
        self.misses.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::example;

    #[test]
    fn a_sample_holds_exactly_when_the_run_has_no_trouble() {
        let mut run = example::run();
        assert_eq!(Sample::of(&run).holds(), judge(&run).troubles().is_empty());
        run.plan.gates.clear();
        run.tally.arrivals.shed += 1;
        assert!(!Sample::of(&run).holds(), "not valid");
    }

    #[test]
    fn a_sample_is_read_back_as_it_was_written() {
        let sample = Sample::of(&example::run());
        let text = serde_json::to_string(&sample).unwrap();
        assert_eq!(serde_json::from_str::<Sample>(&text).unwrap(), sample);
    }
}
