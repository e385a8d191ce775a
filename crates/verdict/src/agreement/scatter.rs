//! How far chance alone moves a figure: what a difference must be held against before it means anything.

use std::time::Duration;

use tiketi_measure::histogram::Histogram;

/// Standard deviations of a normal distribution within which 95 of 100 draws are.
const Z_95: f64 = 1.96;

/// Samples beyond a percentile below which it is little more than the longest few.
const BEYOND_MIN: f64 = 10.0;

/// What is known of the part of an error that is chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scatter {
    /// In 95 of 100 cases it stays below this part of the figure.
    Within(f64),
    /// There are too few samples to tell.
    Unknown,
    /// The figure is not drawn from samples.
    None,
}

impl Scatter {
    /// The part of the figure, if it is known.
    pub(super) const fn share(self) -> Option<f64> {
        match self {
            Self::Within(share) => Some(share),
            Self::Unknown | Self::None => None,
        }
    }

    /// Of the difference of a count from this one: as this one scatters, a Poisson count. Assumption: both runs draw
    /// their buyers from the same plan, mostly with the same seed, so that their difference scatters no more than that.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub(super) fn of_count(count: u64) -> Self {
        match count {
            0 => Self::Unknown,
            _ => Self::Within(Z_95 / (count as f64).sqrt()),
        }
    }

    /// Of one percentile of two histograms, 0 to 100: each lies, in 95 of 100 cases, between the ranks
    /// `n p ± 1.96 √(n p (1 - p))` (the binomial interval of order statistics). Samples that depend on each other, as
    /// neighbors in a queue do, scatter more than that.
    pub(super) fn of_percentile(histograms: [&Histogram; 2], percent: f64) -> Self {
        let widths = histograms.map(|histogram| half_width(histogram, percent));
        match widths {
            [Some(one), Some(other)] => Self::Within(one.hypot(other)),
            [_, _] => Self::Unknown,
        }
    }
}

/// Half of the interval around a percentile, as a part of it.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn half_width(histogram: &Histogram, percent: f64) -> Option<f64> {
    let (count, part) = (histogram.count() as f64, percent / 100.0);
    if count * part.min(1.0 - part) < BEYOND_MIN {
        return None;
    }
    let step = 100.0 * Z_95 * (part * (1.0 - part) / count).sqrt();
    let at = |percent: f64| histogram.percentile(percent.clamp(0.0, 100.0));
    let seconds = |length: Option<Duration>| length.map(|length| length.as_secs_f64());
    let (low, middle, high) = (at(percent - step), at(percent), at(percent + step));
    let (low, middle, high) = (seconds(low)?, seconds(middle)?, seconds(high)?);
    (middle > 0.0).then(|| (high - low) / 2.0 / middle)
}
