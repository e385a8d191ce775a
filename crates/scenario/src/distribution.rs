//! Distributions of lengths of time: think times, patience, boot times.

use std::time::Duration;

use rand::RngExt;
use rand_distr::Distribution as _;
use serde::{Deserialize, Serialize};

use tiketi_core::names;
use tiketi_core::rng::Stream;

/// A distribution of lengths of time, in seconds. Its parameters were checked when the scenario was resolved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "distribution")]
pub enum Distribution {
    /// Always the same length.
    Constant {
        /// Seconds.
        value: f64,
    },
    /// Every length between two bounds is equally likely.
    Uniform {
        /// Shortest, seconds.
        from: f64,
        /// Longest, seconds.
        to: f64,
    },
    /// Memoryless.
    Exponential {
        /// Seconds.
        mean: f64,
    },
    /// The logarithm is normally distributed, as for pauses that people make.
    Lognormal {
        /// Seconds; half of all draws are shorter.
        median: f64,
        /// Standard deviation of the natural logarithm.
        sigma: f64,
    },
    /// Weibull. With a shape below 1, many draws are short and a few very long.
    Weibull {
        /// The shape k.
        shape: f64,
        /// Seconds.
        mean: f64,
    },
}

/// A [`Distribution`] without its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DistributionKind {
    /// [`Distribution::Constant`].
    Constant,
    /// [`Distribution::Uniform`].
    Uniform,
    /// [`Distribution::Exponential`].
    Exponential,
    /// [`Distribution::Lognormal`].
    Lognormal,
    /// [`Distribution::Weibull`].
    Weibull,
}

names!(DistributionKind {
    Constant = "constant",
    Uniform = "uniform",
    Exponential = "exponential",
    Lognormal = "lognormal",
    Weibull = "weibull",
});

impl Distribution {
    /// The distribution without its parameters.
    pub const fn kind(&self) -> DistributionKind {
        match self {
            Self::Constant { .. } => DistributionKind::Constant,
            Self::Uniform { .. } => DistributionKind::Uniform,
            Self::Exponential { .. } => DistributionKind::Exponential,
            Self::Lognormal { .. } => DistributionKind::Lognormal,
            Self::Weibull { .. } => DistributionKind::Weibull,
        }
    }

    /// Draws one length.
    pub fn sample(&self, stream: &mut Stream) -> Duration {
        let seconds = match *self {
            Self::Constant { value } => value,
            Self::Uniform { from, to } => from + (to - from) * stream.random::<f64>(),
            Self::Exponential { mean } => -mean * (1.0 - stream.random::<f64>()).ln(),
            Self::Lognormal { median, sigma } => {
                let normal: f64 = rand_distr::StandardNormal.sample(stream);
                median * (sigma * normal).exp()
            }
            Self::Weibull { shape, mean } => {
                let scale = mean / gamma(1.0 + 1.0 / shape);
                scale * (-(1.0 - stream.random::<f64>()).ln()).powf(1.0 / shape)
            }
        };
        Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
    }

    /// A length that none of `count` draws is likely to be shorter than: fewer than one half is expected to be.
    pub(crate) fn shortest_of(&self, count: u32) -> Duration {
        let count = f64::from(count.max(1));
        // The share of draws below the result, times the count, is one half.
        let rarest = -(-0.5 / count).ln_1p();
        let seconds = match *self {
            Self::Constant { value } => value,
            Self::Uniform { from, .. } => from,
            Self::Exponential { mean } => mean * rarest,
            // The normal distribution has a share of at most exp(-z²/2) / 2 below -z.
            Self::Lognormal { median, sigma } => {
                median * (-sigma * (2.0 * count.ln()).sqrt()).exp()
            }
            Self::Weibull { shape, mean } => {
                mean / gamma(1.0 + 1.0 / shape) * rarest.powf(1.0 / shape)
            }
        };
        Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
    }

    /// The mean, in seconds.
    pub fn mean(&self) -> f64 {
        match *self {
            Self::Constant { value } => value,
            Self::Uniform { from, to } => f64::midpoint(from, to),
            Self::Exponential { mean } | Self::Weibull { mean, .. } => mean,
            Self::Lognormal { median, sigma } => median * (sigma * sigma / 2.0).exp(),
        }
    }
}

/// The gamma function for arguments above zero (Lanczos, g = 7, nine terms; relative error below 1e-13).
fn gamma(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        return std::f64::consts::PI / ((std::f64::consts::PI * x).sin() * gamma(1.0 - x));
    }
    let x = x - 1.0;
    let base = x + 7.5;
    let mut sum = COEFFICIENTS[0];
    let mut denominator = x;
    for coefficient in &COEFFICIENTS[1..] {
        denominator += 1.0;
        sum += coefficient / denominator;
    }
    std::f64::consts::TAU.sqrt() * base.powf(x + 0.5) * (-base).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_core::rng::Streams;

    #[test]
    fn hardly_any_draw_is_shorter_than_the_shortest() {
        let distributions = [
            Distribution::Constant { value: 3.0 },
            Distribution::Uniform { from: 1.0, to: 5.0 },
            Distribution::Exponential { mean: 2.0 },
            Distribution::Lognormal {
                median: 8.0,
                sigma: 0.7,
            },
            Distribution::Weibull {
                shape: 0.7,
                mean: 1_200.0,
            },
        ];
        let (runs, count) = (400, 500);
        for distribution in distributions {
            let shortest = distribution.shortest_of(count);
            let mut stream = Streams::new(5).named("shortest");
            let draws = (0..runs * count).map(|_| distribution.sample(&mut stream));
            let shorter = draws.filter(|draw| *draw < shortest).count();
            // One half is expected per run, with a standard error of 14 over all runs.
            assert!(shorter < 250, "{distribution:?}: {shorter} of {runs} runs");
        }
    }

    #[test]
    fn sample_means_match_the_stated_means() {
        let distributions = [
            Distribution::Constant { value: 3.0 },
            Distribution::Uniform { from: 1.0, to: 5.0 },
            Distribution::Exponential { mean: 2.0 },
            Distribution::Lognormal {
                median: 8.0,
                sigma: 0.7,
            },
            Distribution::Weibull {
                shape: 0.7,
                mean: 1_200.0,
            },
        ];
        for distribution in distributions {
            let json = serde_json::to_value(distribution).expect("a distribution is JSON");
            assert_eq!(json["distribution"], distribution.kind().name());
            let mut stream = Streams::new(11).named("mean");
            let draws = 200_000;
            let total: f64 = (0..draws)
                .map(|_| distribution.sample(&mut stream).as_secs_f64())
                .sum();
            let error = total / f64::from(draws) / distribution.mean() - 1.0;
            assert!(
                error.abs() < 0.02,
                "{distribution:?}: mean is off by {error}"
            );
        }
    }
}
