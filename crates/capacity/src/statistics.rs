//! What few runs can say about all: bounds of a share, intervals of a mean.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF, StudentsT};

use super::question::Search;

/// Set-ups that may be put to the test one after another before a search gives up.
///
/// Each gets an equal part of the risk, so that the answer's confidence holds however many were needed (Bonferroni).
/// Three leave each test strong enough for a few dozen runs.
pub const CONFIRMATIONS_MAX: u32 = 3;

/// A mean with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Lower and upper end of the interval; `None` with fewer than two values.
    pub interval: Option<(f64, f64)>,
    /// Values it is made of.
    pub runs: u32,
}

impl Estimate {
    /// Whether the interval leaves zero out: the mean is not zero, with its confidence.
    pub fn is_shown(&self) -> bool {
        self.interval
            .is_some_and(|(low, high)| low > 0.0 || high < 0.0)
    }
}

/// The mean of `values` and its interval by Student's t; `None` without values.
pub fn estimate(values: &[f64], confidence: f64) -> Option<Estimate> {
    let runs = u32::try_from(values.len()).ok().filter(|runs| *runs > 0)?;
    let count = f64::from(runs);
    let mean = values.iter().sum::<f64>() / count;
    let interval = (runs > 1).then(|| {
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let error = (squares / (count - 1.0) / count).sqrt();
        let law = StudentsT::new(0.0, 1.0, count - 1.0).expect("at least one degree of freedom");
        let half = law.inverse_cdf(0.5 + confidence / 2.0) * error;
        (mean - half, mean + half)
    });
    Some(Estimate {
        mean,
        interval,
        runs,
    })
}

/// The lower bound of a share of which `held` of `runs` were seen, with this one-sided confidence.
///
/// Exact whatever the share is (Clopper and Pearson: "The use of confidence or fiducial limits illustrated in the case
/// of the binomial", Biometrika 26, 1934).
pub fn share_at_least(held: u32, runs: u32, confidence: f64) -> f64 {
    if held == 0 {
        return 0.0;
    }
    let (held, runs) = (f64::from(held), f64::from(runs));
    let law = Beta::new(held, runs - held + 1.0).expect("both parameters are at least 1");
    law.inverse_cdf(1.0 - confidence)
}

/// The confidence of each test of a search: its part of the whole risk.
pub fn confidence_each(search: &Search) -> f64 {
    1.0 - (1.0 - search.confidence.get()) / f64::from(CONFIRMATIONS_MAX)
}

/// Runs that show the share which is asked for if all of them hold.
pub(super) fn runs_needed(search: &Search) -> u32 {
    // Of `n` runs that all hold the bound is risk^(1/n).
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

/// The most runs of `runs` that may fail for the share to be shown; `None` if not even all holding shows it.
pub fn failures_allowed(search: &Search) -> Option<u32> {
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

    #[test]
    fn bounds_are_those_of_published_tables() {
        // One-sided 95 %: 1 - 0.05^(1/n) may fail when none did ("rule of three").
        assert!(near(share_at_least(20, 20, 0.95), 0.8609));
        assert!(near(share_at_least(19, 20, 0.95), 0.7839));
        assert!(near(share_at_least(8, 10, 0.975), 0.4439));
        assert!(near(share_at_least(0, 10, 0.95), 0.0));
    }

    #[test]
    fn an_interval_is_that_of_students_t() {
        // t(0.975; 4) = 2.776, standard deviation 1.5811.
        let estimate = estimate(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
        let (low, high) = estimate.interval.unwrap();
        assert!(near(low, 3.0 - 1.9632) && near(high, 3.0 + 1.9632));
        assert!(estimate.is_shown());
    }

    #[test]
    fn one_value_has_no_interval_and_shows_nothing() {
        let one = estimate(&[7.0], 0.95).unwrap();
        assert_eq!((one.interval, one.is_shown()), (None, false));
        assert_eq!(estimate(&[], 0.95), None);
    }

    #[test]
    fn as_many_runs_as_needed_are_enough_and_one_less_is_not() {
        for holds_in in [0.5, 0.8, 0.9, 0.99] {
            let needed = runs_needed(&search(1, holds_in));
            assert_eq!(failures_allowed(&search(needed, holds_in)), Some(0));
            assert_eq!(failures_allowed(&search(needed - 1, holds_in)), None);
        }
        assert_eq!(failures_allowed(&search(50, 0.8)), Some(3));
    }
}
