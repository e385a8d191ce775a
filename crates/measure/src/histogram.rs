//! Histograms of lengths of time: to three significant digits for the verdicts, coarser for the time series.
//!
//! Both merge exactly: the histogram of a run is the sum of the histograms of its workers and seconds. Percentiles cannot
//! be merged (the mean of two 99th percentiles is not the 99th percentile of both), so only counts are sent and stored,
//! and percentiles are computed at the very end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::pairs;

/// The longest length that is recorded; longer ones count as this long. The limit bounds the size of a histogram.
const LENGTH_MAX: Duration = Duration::from_secs(7_200);

/// Significant digits kept: an error of 0.1 % at most.
const DIGITS: u8 = 3;

/// A histogram of lengths of time from 1 µs to 2 h, to three significant digits.
///
/// Histograms of the same lengths are equal however the lengths were split up and merged. Minimum, maximum and mean are
/// exact to the microsecond, and no percentile lies outside minimum and maximum.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Buckets", into = "Buckets")]
pub struct Histogram {
    /// `None` until the first length is recorded. Boxed and optional because a frame of one second has a histogram for
    /// every operation, and most of them are empty.
    recorded: Option<Box<Recorded>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Recorded {
    counts: hdrhistogram::Histogram<u64>,
    min: u64,
    max: u64,
    sum: u64,
}

/// A histogram as it is serialized: only the buckets that are not empty, in microseconds.
#[derive(Default, Serialize, Deserialize)]
struct Buckets {
    counts: Vec<(u64, u64)>,
    min: u64,
    max: u64,
    sum: u64,
}

impl Histogram {
    /// Records one length.
    pub fn record(&mut self, length: Duration) {
        self.record_many(length, 1);
    }

    /// Records the same length `number` times.
    pub fn record_many(&mut self, length: Duration, number: u64) {
        if number == 0 {
            return;
        }
        let value = micros(length);
        let recorded = self.recorded.get_or_insert_with(Recorded::empty);
        recorded.add(value, number);
        recorded.widen(value, value, value * number);
    }

    /// Adds everything that `other` has recorded.
    pub fn merge(&mut self, other: &Self) {
        let Some(other) = &other.recorded else { return };
        let recorded = self.recorded.get_or_insert_with(Recorded::empty);
        // The same way in which a serialized histogram is read back, so that the sum does not depend on which of the parts
        // came from another process.
        for bucket in other.counts.iter_recorded() {
            recorded.add(bucket.value_iterated_to(), bucket.count_at_value());
        }
        recorded.widen(other.min, other.max, other.sum);
    }

    /// Returns the number of lengths recorded.
    pub fn count(&self) -> u64 {
        self.recorded
            .as_ref()
            .map_or(0, |recorded| recorded.counts.len())
    }

    /// Returns the `percent`-th percentile, 0 to 100; `None` if the histogram is empty.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let recorded = self.recorded.as_ref()?;
        let value = recorded.counts.value_at_percentile(percent);
        // The library returns the upper end of the bucket, which may lie above the longest length in it. Without the
        // clamp a p(100) could exceed the maximum.
        Some(Duration::from_micros(
            value.clamp(recorded.min, recorded.max),
        ))
    }

    /// Returns the mean; `None` if the histogram is empty.
    pub fn mean(&self) -> Option<Duration> {
        let recorded = self.recorded.as_ref()?;
        Some(Duration::from_micros(recorded.sum / recorded.counts.len()))
    }

    /// Returns the shortest length; `None` if the histogram is empty.
    pub fn min(&self) -> Option<Duration> {
        let recorded = self.recorded.as_ref()?;
        Some(Duration::from_micros(recorded.min))
    }

    /// Returns the longest length; `None` if the histogram is empty.
    pub fn max(&self) -> Option<Duration> {
        let recorded = self.recorded.as_ref()?;
        Some(Duration::from_micros(recorded.max))
    }
}

impl Recorded {
    fn empty() -> Box<Self> {
        Box::new(Self {
            counts: hdrhistogram::Histogram::new(DIGITS)
                .expect("three significant digits are supported"),
            min: u64::MAX,
            max: 0,
            sum: 0,
        })
    }

    fn add(&mut self, value: u64, count: u64) {
        self.counts
            .record_n(value, count)
            .expect("the histogram resizes itself, and lengths are bounded by LENGTH_MAX");
    }

    fn widen(&mut self, min: u64, max: u64, sum: u64) {
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.sum += sum;
    }
}

impl From<Buckets> for Histogram {
    fn from(buckets: Buckets) -> Self {
        if buckets.counts.is_empty() {
            return Self::default();
        }
        let mut recorded = Recorded::empty();
        for (value, count) in buckets.counts {
            recorded.add(value, count);
        }
        recorded.widen(buckets.min, buckets.max, buckets.sum);
        Self {
            recorded: Some(recorded),
        }
    }
}

impl From<Histogram> for Buckets {
    fn from(histogram: Histogram) -> Self {
        let Some(recorded) = histogram.recorded else {
            return Self::default();
        };
        let pairs = recorded.counts.iter_recorded();
        Self {
            counts: pairs
                .map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()))
                .collect(),
            min: recorded.min,
            max: recorded.max,
            sum: recorded.sum,
        }
    }
}

/// A histogram of lengths of time with an error below 1 %, for one tick of the time series. It takes a few hundred bytes
/// where a [`Histogram`] takes many KiB, and there is one per second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CoarseHistogram {
    /// Counts by bucket; empty buckets take no space.
    #[serde(with = "pairs")]
    counts: BTreeMap<u16, u64>,
}

/// Leading bits of a length that a [`CoarseHistogram`] keeps. The highest of 8 bits is always 1, so 128 buckets share each
/// power of two, and the error is below 1/128.
const COARSE_BITS: u32 = 8;

impl CoarseHistogram {
    /// Records one length.
    pub fn record(&mut self, length: Duration) {
        *self
            .counts
            .entry(coarse_bucket(micros(length)))
            .or_default() += 1;
    }

    /// Adds everything that `other` has recorded.
    pub fn merge(&mut self, other: &Self) {
        for (&bucket, &count) in &other.counts {
            *self.counts.entry(bucket).or_default() += count;
        }
    }

    /// Returns the number of lengths recorded.
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Returns the `percent`-th percentile, 0 to 100, rounded up to the end of its bucket; `None` if the histogram is empty.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "ranks stay far below 2^53"
    )]
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let count = self.count();
        // The nearest rank: the smallest length that at least `percent` of all lengths do not exceed. It is 1 for p(0).
        let rank = ((percent / 100.0 * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        self.counts.iter().find_map(|(&bucket, &count)| {
            seen += count;
            (seen >= rank).then(|| Duration::from_micros(coarse_end(bucket)))
        })
    }
}

/// Returns the bucket of a length.
///
/// Lengths below 2^8 µs have a bucket each. Above, a length is shifted right until 8 bits are left, and the buckets of each
/// shift follow those of the previous one: `shift * 128 + leading bits`. `leading bits` is at least 128, so the numbers
/// neither overlap nor leave gaps.
fn coarse_bucket(micros: u64) -> u16 {
    let shift = (u64::BITS - micros.leading_zeros()).saturating_sub(COARSE_BITS);
    let bucket = (u64::from(shift) << (COARSE_BITS - 1)) + (micros >> shift);
    u16::try_from(bucket).expect("lengths are bounded by LENGTH_MAX, far below 2^63 µs")
}

/// Returns the longest length in a bucket, in microseconds: the inverse of [`coarse_bucket`].
fn coarse_end(bucket: u16) -> u64 {
    let half = 1_u16 << (COARSE_BITS - 1);
    if bucket < 2 * half {
        return u64::from(bucket);
    }
    // The leading bits contribute the 1 that is taken off: they lie between `half` and `2 * half`.
    let shift = bucket / half - 1;
    let leading = u64::from(bucket - shift * half);
    ((leading + 1) << shift) - 1
}

/// Returns a length in whole microseconds, rounded up and limited to [`LENGTH_MAX`]. Up, because a length that was
/// measured must not count as zero.
fn micros(length: Duration) -> u64 {
    let micros = length.min(LENGTH_MAX).as_nanos().div_ceil(1_000);
    u64::try_from(micros).expect("LENGTH_MAX is far below u64::MAX microseconds")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(lengths: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for &micros in lengths {
            histogram.record(Duration::from_micros(micros));
        }
        histogram
    }

    #[test]
    fn an_empty_histogram_has_no_statistics() {
        let histogram = Histogram::default();
        assert_eq!(histogram.percentile(99.0), None);
        assert_eq!(histogram.mean(), None);
        assert_eq!(histogram.max(), None);
        assert_eq!(CoarseHistogram::default().percentile(50.0), None);
    }

    #[test]
    fn longer_than_two_hours_counts_as_two_hours() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::from_secs(1_000_000));
        assert_eq!(histogram.max(), Some(LENGTH_MAX));
    }

    proptest! {
        #[test]
        fn merged_in_parts_equals_recorded_at_once(
            first in prop::collection::vec(0_u64..8_000_000_000, 0..60),
            second in prop::collection::vec(0_u64..8_000_000_000, 0..60),
        ) {
            let mut merged = of(&first);
            let travelled = serde_json::to_string(&of(&second)).unwrap();
            merged.merge(&serde_json::from_str(&travelled).unwrap());
            prop_assert_eq!(merged, of(&[first, second].concat()));
        }

        #[test]
        fn percentiles_rise_and_stay_between_min_and_max(
            lengths in prop::collection::vec(0_u64..7_200_000_000, 1..60),
        ) {
            let histogram = of(&lengths);
            let percentiles = [0.0, 50.0, 90.0, 99.0, 99.9, 100.0].map(|p| histogram.percentile(p));
            prop_assert!(percentiles.is_sorted());
            prop_assert!(percentiles[0] >= histogram.min());
            prop_assert_eq!(percentiles[5], histogram.max());
        }

        #[test]
        fn coarse_percentiles_are_within_one_percent(lengths in prop::collection::vec(0_u64..7_200_000_000, 1..60)) {
            let mut coarse = CoarseHistogram::default();
            for &micros in &lengths {
                coarse.record(Duration::from_micros(micros));
            }
            let mut sorted = lengths;
            sorted.sort_unstable();
            let median = Duration::from_micros(sorted[(sorted.len() - 1) / 2]);
            let got = coarse.percentile(50.0).unwrap();
            prop_assert!(got >= median && got <= median.mul_f64(1.01), "{got:?} for {median:?}");
        }
    }
}
