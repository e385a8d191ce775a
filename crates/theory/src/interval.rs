//! Confidence intervals over replications, and the verdicts that follow.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// A mean over replications and its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) mean: f64,
    pub(super) half_width: f64,
}

/// How precise the estimate of a metric must be for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// A mean or a share: half-width within 1 % of the value.
    Mean,
    /// A percentile or a small probability: half-width within 2 %.
    Tail,
    /// An identity: every replication must match exactly, to the nanosecond.
    Identity,
}

/// The verdict on a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Pass: the exact value is inside an interval that is narrow enough.
    Holds,
    /// Fail: the exact value is outside the interval.
    Differs,
    /// Inconclusive: the interval is too wide.
    TooWide,
}

impl Precision {
    /// Returns the largest half-width around `value` that allows a verdict.
    pub(super) fn half_width_max(self, value: f64) -> f64 {
        match self {
            Self::Mean => 0.01 * value.abs(),
            Self::Tail => 0.02 * value.abs(),
            Self::Identity => 0.0,
        }
    }
}

impl Estimate {
    /// Estimates the mean from independent replications, at least two. The two-sided Student's t interval misses the true
    /// mean with probability `level`.
    pub(super) fn new(samples: &[f64], level: f64) -> Self {
        let count = samples.len() as f64;
        let mean = samples.iter().sum::<f64>() / count;
        let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
        let error = (squares / (count - 1.0) / count).sqrt();
        Self {
            mean,
            half_width: error * student_t(count - 1.0, level),
        }
    }

    /// Compares the interval with the exact value, which is itself known to `within`.
    pub(super) fn verdict(self, exact: f64, precision: Precision, within: f64) -> Verdict {
        if self.excess(exact, precision) > 1.0 {
            Verdict::TooWide
        } else if self.holds(exact, precision, within) {
            Verdict::Holds
        } else {
            Verdict::Differs
        }
    }

    fn holds(self, exact: f64, precision: Precision, within: f64) -> bool {
        let error = (self.mean - exact).abs();
        match precision {
            Precision::Identity => self.half_width <= 0.0 && error <= 0.0,
            Precision::Mean | Precision::Tail => error <= self.half_width + within,
        }
    }

    /// Returns how many times too wide the interval is. A longer run doesn't help an identity, so this is 0 for it.
    pub(super) fn excess(self, exact: f64, precision: Precision) -> f64 {
        match precision {
            Precision::Identity => 0.0,
            // If all replications missed a rare event, they agree with each other but prove nothing.
            Precision::Mean | Precision::Tail
                if self.half_width <= 0.0 && (self.mean - exact).abs() > 0.0 =>
            {
                f64::INFINITY
            }
            Precision::Mean | Precision::Tail => self.half_width / precision.half_width_max(exact),
        }
    }
}

/// Returns the quantile of Student's t whose absolute value is exceeded with probability `level`.
fn student_t(freedom: f64, level: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom)
        .expect("at least one degree of freedom")
        .inverse_cdf(1.0 - level / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_match_published_tables() {
        for (freedom, level, quantile) in [
            (1.0, 0.05, 12.706),
            (19.0, 0.01, 2.861),
            (29.0, 0.01, 2.756),
            (29.0, 0.001, 3.659),
        ] {
            let found = student_t(freedom, level);
            assert!((found - quantile).abs() < 5.1e-4, "{found}");
        }
    }

    #[test]
    fn verdict_depends_on_width_and_position_of_the_interval() {
        let narrow = Estimate {
            mean: 10.02,
            half_width: 0.05,
        };
        assert_eq!(narrow.verdict(10.0, Precision::Mean, 0.0), Verdict::Holds);
        assert_eq!(narrow.verdict(10.1, Precision::Mean, 0.0), Verdict::Differs);
        let wide = Estimate {
            half_width: 0.15,
            ..narrow
        };
        assert_eq!(wide.verdict(10.0, Precision::Mean, 0.0), Verdict::TooWide);
        assert_eq!(wide.verdict(10.0, Precision::Tail, 0.0), Verdict::Holds);
    }

    #[test]
    fn a_limit_is_compared_within_what_its_bias_leaves_out() {
        let narrow = Estimate {
            mean: 10.02,
            half_width: 0.05,
        };
        assert_eq!(
            narrow.verdict(10.1, Precision::Mean, 0.02),
            Verdict::Differs
        );
        assert_eq!(narrow.verdict(10.1, Precision::Mean, 0.04), Verdict::Holds);
    }

    #[test]
    fn missing_a_rare_event_is_inconclusive() {
        let none_seen = Estimate::new(&[0.0, 0.0, 0.0], 0.01);
        assert_eq!(
            none_seen.verdict(5e-7, Precision::Tail, 0.0),
            Verdict::TooWide
        );
        let certain = Estimate::new(&[1.0, 1.0, 1.0], 0.01);
        assert_eq!(certain.verdict(1.0, Precision::Mean, 0.0), Verdict::Holds);
    }

    #[test]
    fn an_identity_must_hold_in_every_replication() {
        let estimate = |samples: &[f64]| Estimate::new(samples, 0.01);
        let exact = estimate(&[0.0, 0.0, 0.0]);
        assert_eq!(exact.verdict(0.0, Precision::Identity, 0.0), Verdict::Holds);
        let off = estimate(&[1.0, 1.0, 1.0]);
        assert_eq!(off.verdict(0.0, Precision::Identity, 0.0), Verdict::Differs);
        let off_once = estimate(&[0.0, 1.0, 0.0]);
        assert_eq!(
            off_once.verdict(0.0, Precision::Identity, 0.0),
            Verdict::Differs
        );
    }
}
