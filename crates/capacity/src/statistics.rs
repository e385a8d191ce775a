//! Statistics: what a few runs say about all sales of the same kind.
//!
//! - The **share** of sales that pass has an exact lower bound ([`share_at_least`]). The usual normal approximation is of no
//!   use here: when all of 20 runs pass, it would claim 100 % with certainty.
//! - A **mean** has an interval by Student's t ([`estimate`]), which accounts for the spread being estimated from the same
//!   few runs.
//! - A search may make several tests until one is confirmed, and each one is another chance to confirm by luck. The tests
//!   **share the risk** ([`confidence_each`]).

use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF, StudentsT};

use super::question::Search;

/// Tests with fresh seeds that a search makes at most before it ends without an answer.
///
/// Each test gets an equal share of the risk, so that the confidence of the answer does not depend on how many tests were
/// needed (Bonferroni correction). With more than three, each test would need more than a few dozen runs to confirm
/// anything.
pub(super) const CONFIRMATIONS_MAX: u32 = 3;

/// A mean with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Lower and upper end of the confidence interval; `None` with fewer than two values.
    pub interval: Option<(f64, f64)>,
    /// Number of values.
    pub runs: u32,
}

impl Estimate {
    /// Returns whether the mean differs from 0 with the confidence of the interval: the interval does not contain 0.
    pub fn is_shown(&self) -> bool {
        self.interval
            .is_some_and(|(low, high)| low > 0.0 || high < 0.0)
    }
}

/// Returns the mean of `values` and its two-sided interval by Student's t; `None` without values.
pub(super) fn estimate(values: &[f64], confidence: f64) -> Option<Estimate> {
    let runs = u32::try_from(values.len()).ok().filter(|runs| *runs > 0)?;
    let count = f64::from(runs);
    let mean = values.iter().sum::<f64>() / count;
    let interval = (runs > 1).then(|| {
        // Divided by `count - 1` because the mean is estimated from the same values, and by `count` again because this is
        // the error of the mean and not of one value.
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let error = (squares / (count - 1.0) / count).sqrt();
        let law = StudentsT::new(0.0, 1.0, count - 1.0).expect("at least one degree of freedom");
        // Two-sided: half of the risk lies on each side.
        let half = law.inverse_cdf(0.5 + confidence / 2.0) * error;
        (mean - half, mean + half)
    });
    Some(Estimate {
        mean,
        interval,
        runs,
    })
}

/// Returns the lower bound of the share of sales that pass when `held` of `runs` runs did, with this one-sided confidence.
///
/// It is the largest share at which seeing `held` or more passes is no more likely than `1 - confidence`. It is exact for
/// any share and any number of runs (Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case
/// of the binomial", Biometrika 26, 1934).
pub(super) fn share_at_least(held: u32, runs: u32, confidence: f64) -> f64 {
    if held == 0 {
        return 0.0;
    }
    // The sum of binomial probabilities in that definition is a beta distribution's, so the bound is one of its quantiles.
    let (held, runs) = (f64::from(held), f64::from(runs));
    let law = Beta::new(held, runs - held + 1.0).expect("both parameters are at least 1");
    law.inverse_cdf(1.0 - confidence)
}

/// Returns the confidence of each test of a search: 1 minus its share of the whole risk.
pub(super) fn confidence_each(search: &Search) -> f64 {
    1.0 - (1.0 - search.confidence.get()) / f64::from(CONFIRMATIONS_MAX)
}

/// Returns how many runs are needed to show the share that is asked for if all of them pass.
pub(super) fn runs_needed(search: &Search) -> u32 {
    // If all of `n` runs pass, the bound is risk^(1/n): a share of that size passes n times in a row with probability
    // `risk`.
    let risk = 1.0 - confidence_each(search);
    let runs = (risk.ln() / search.holds_in.get().ln()).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "both logarithms are negative, and casts of floats saturate"
    )]
    let runs = runs as u32;
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_core::units::Share;

    fn search(confirm: u32, holds_in: f64) -> Search {
        Search {
            replications: 5,
            confirm,
            confidence: Share::try_from(0.95).unwrap(),
            holds_in: Share::try_from(holds_in).unwrap(),
            seed: 1,
        }
    }

    fn near(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 5e-4
    }

    /// Returns how many of the confirming runs may fail for the share to be shown; `None` if it cannot be shown even if all
    /// pass.
    fn failures_allowed(search: &Search) -> Option<u32> {
        let shows = |failed: &u32| {
            let bound = share_at_least(
                search.confirm - failed,
                search.confirm,
                confidence_each(search),
            );
            bound >= search.holds_in.get()
        };
        (0..=search.confirm).take_while(shows).last()
    }

    #[test]
    fn bounds_match_published_tables() {
        // One-sided 95 %: if none of n failed, a share of at most 1 - 0.05^(1/n) does ("rule of three").
        assert!(near(share_at_least(20, 20, 0.95), 0.8609));
        assert!(near(share_at_least(19, 20, 0.95), 0.7839));
        assert!(near(share_at_least(8, 10, 0.975), 0.4439));
        assert!(near(share_at_least(0, 10, 0.95), 0.0));
    }

    #[test]
    fn intervals_match_students_t() {
        // t(0.975; 4) = 2.776, standard deviation 1.5811.
        let estimate = estimate(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
        let (low, high) = estimate.interval.unwrap();
        assert!(near(low, 3.0 - 1.9632) && near(high, 3.0 + 1.9632));
        assert!(estimate.is_shown());
    }

    #[test]
    fn a_single_value_has_no_interval() {
        let one = estimate(&[7.0], 0.95).unwrap();
        assert_eq!((one.interval, one.is_shown()), (None, false));
        assert_eq!(estimate(&[], 0.95), None);
    }

    #[test]
    fn the_runs_needed_are_enough_and_one_less_is_not() {
        for holds_in in [0.5, 0.8, 0.9, 0.99] {
            let needed = runs_needed(&search(1, holds_in));
            assert_eq!(failures_allowed(&search(needed, holds_in)), Some(0));
            assert_eq!(failures_allowed(&search(needed - 1, holds_in)), None);
        }
        assert_eq!(failures_allowed(&search(50, 0.8)), Some(3));
    }
}
