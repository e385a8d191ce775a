//! Sampling noise: how far a metric would move if the same run were repeated with another seed.
//!
//! A difference between two runs means something only if it is larger than that. All noise here is the 95 % kind: in 95
//! of 100 repetitions the metric stays within it.

use std::time::Duration;

use tiketi_measure::histogram::Histogram;

/// Standard deviations to either side of the mean that contain 95 % of a normal distribution.
const Z_95: f64 = 1.96;

/// Samples that must lie beyond a percentile for its noise to be known: with fewer, the interval of ranks reaches the
/// extremes, and the percentile is decided by a handful of samples.
const BEYOND_MIN: f64 = 10.0;

/// The sampling noise of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scatter {
    /// With 95 % probability the metric stays within this share of its value.
    Within(f64),
    /// With 95 % probability the difference of two runs that do the same stays within this.
    OfDifference(f64),
    /// There are too few samples to estimate it.
    Unknown,
    /// The metric is not computed from samples.
    None,
}

impl Scatter {
    /// Returns the noise as a share of the metric; `None` if it is unknown or there is none.
    pub(super) const fn share(self) -> Option<f64> {
        match self {
            Self::Within(share) | Self::OfDifference(share) => Some(share),
            Self::Unknown | Self::None => None,
        }
    }

    /// Returns the noise of a count: that of a Poisson count, whose standard deviation is its square root.
    ///
    /// The difference of two independent counts would scatter √2 times as far. Assumption: both runs draw their buyers
    /// from the same plan, mostly with the same seed, so that most of their noise is common and cancels out.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub(super) fn of_count(count: u64) -> Self {
        match count {
            0 => Self::Unknown,
            _ => Self::Within(Z_95 / (count as f64).sqrt()),
        }
    }

    /// Returns the noise of the difference between two shares: of the first run, `parts[0]` out of `wholes[0]`. Each share has
    /// the variance of a binomial share, `p (1 - p) / n`. One is added to each part, so that the noise is not nothing where
    /// nothing was seen.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub(super) fn of_shares(parts: [u64; 2], wholes: [u64; 2]) -> Self {
        let variance = |run: usize| {
            let whole = wholes[run] as f64 + 2.0;
            let share = (parts[run] as f64 + 1.0) / whole;
            share * (1.0 - share) / whole
        };
        match wholes {
            [0, _] | [_, 0] => Self::Unknown,
            [_, _] => Self::OfDifference(Z_95 * (variance(0) + variance(1)).sqrt()),
        }
    }

    /// Returns the noise of the difference between two histograms in one percentile, 0 to 100.
    ///
    /// The true percentile lies, with 95 % probability, between the samples of rank `n p ± 1.96 √(n p (1 - p))`: the number
    /// of samples below it is binomial (David and Nagaraja, *Order Statistics*, 3rd ed., 2003, section 7.1). The two
    /// half-widths add as independent errors do. Samples that depend on each other, as the waiting times of neighbors in
    /// a queue do, scatter farther than this says.
    pub(super) fn of_percentile(histograms: [&Histogram; 2], percent: f64) -> Self {
        let widths = histograms.map(|histogram| half_width(histogram, percent));
        match widths {
            [Some(one), Some(other)] => Self::Within(one.hypot(other)),
            [_, _] => Self::Unknown,
        }
    }
}

/// Returns half the width of the interval around a percentile, as a share of the percentile. `None` if there are too few
/// samples, or if the percentile is 0.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn half_width(histogram: &Histogram, percent: f64) -> Option<f64> {
    let (count, part) = (histogram.count() as f64, percent / 100.0);
    // On the side with fewer samples: of 60, only 3 lie above the 95th percentile.
    if count * part.min(1.0 - part) < BEYOND_MIN {
        return None;
    }
    // Ranks divided by the count are percentiles, and those the histogram can look up.
    let step = 100.0 * Z_95 * (part * (1.0 - part) / count).sqrt();
    let at = |percent: f64| histogram.percentile(percent.clamp(0.0, 100.0));
    let seconds = |length: Option<Duration>| length.map(|length| length.as_secs_f64());
    let (low, middle, high) = (at(percent - step), at(percent), at(percent + step));
    let (low, middle, high) = (seconds(low)?, seconds(middle)?, seconds(high)?);
    (middle > 0.0).then(|| (high - low) / 2.0 / middle)
}
