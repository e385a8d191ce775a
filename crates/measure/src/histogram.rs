//! Histograms of lengths of time, to three significant digits: dense ones for the verdicts, sparse ones for the time series.
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
#[serde(try_from = "Buckets", into = "Buckets")]
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
        recorded.widen(value, value, value.saturating_mul(number));
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

    /// Returns what is left of this histogram without `part`, all of which it must contain. Minimum, maximum and mean of the
    /// rest are those of its buckets, to three significant digits.
    #[must_use]
    pub fn without(&self, part: &Self) -> Self {
        let (Some(all), Some(part)) = (&self.recorded, &part.recorded) else {
            return self.clone();
        };
        let mut rest = Self::default();
        for bucket in all.counts.iter_recorded() {
            let value = bucket.value_iterated_to();
            let count = bucket.count_at_value();
            let count = count.saturating_sub(part.count_at(value));
            let length = value.clamp(all.min, all.max);
            rest.record_many(Duration::from_micros(length), count);
        }
        rest
    }

    /// Returns whether everything in `part` is in this histogram as well.
    pub(crate) fn contains(&self, part: &Self) -> bool {
        let Some(part) = &part.recorded else {
            return true;
        };
        let Some(all) = &self.recorded else {
            return false;
        };
        let mut buckets = part.counts.iter_recorded();
        buckets.all(|bucket| bucket.count_at_value() <= all.count_at(bucket.value_iterated_to()))
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

    /// The samples in the bucket of `value`.
    fn count_at(&self, value: u64) -> u64 {
        // The library has no buckets beyond the last one that was needed, and would return that one's count.
        if value > self.counts.max() {
            0
        } else {
            self.counts.count_at(value)
        }
    }

    fn widen(&mut self, min: u64, max: u64, sum: u64) {
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.sum += sum;
    }
}

/// Largest count in a bucket of a serialized histogram. More requests than any run has (assumption), and so few that the
/// histograms of a run can be added without overflow.
const COUNT_MAX: u64 = 1 << 44;

/// Largest sum of a serialized histogram, in microseconds: ten histograms can be added without overflow.
const SUM_MAX: u64 = 1 << 60;

/// Why serialized buckets are no histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum NoHistogram {
    /// A bucket is empty, which none may be, or too full.
    #[error("{count} samples in a bucket of a histogram (expected 1 to {COUNT_MAX})")]
    Count { count: u64 },
    /// A bucket is longer than the longest length that is recorded.
    #[error("{length} µs in a histogram (expected at most {LENGTH_MAX:?})")]
    Length { length: u64 },
    /// Minimum, maximum and sum contradict the buckets.
    #[error("minimum, maximum or sum of a histogram contradict its buckets")]
    Contradiction,
}

fn checked_count(count: u64) -> Result<u64, NoHistogram> {
    let is_valid = (1..=COUNT_MAX).contains(&count);
    is_valid
        .then_some(count)
        .ok_or(NoHistogram::Count { count })
}

impl TryFrom<Buckets> for Histogram {
    type Error = NoHistogram;

    fn try_from(buckets: Buckets) -> Result<Self, NoHistogram> {
        if buckets.counts.is_empty() {
            return Ok(Self::default());
        }
        let mut recorded = Recorded::empty();
        let longest = micros(LENGTH_MAX);
        for (length, count) in buckets.counts {
            // The end of the last bucket may lie beyond the longest length in it.
            if length > 2 * longest {
                return Err(NoHistogram::Length { length });
            }
            recorded.add(length, checked_count(count)?);
        }
        let (min, max, sum) = (buckets.min, buckets.max, buckets.sum);
        let samples = recorded.counts.len();
        let fits = |edge: u64| samples.checked_mul(edge);
        let is_sound = min <= max
            && max <= longest
            && recorded.counts.equivalent(min, recorded.counts.min())
            && recorded.counts.equivalent(max, recorded.counts.max())
            && fits(min).is_some_and(|least| least <= sum)
            && fits(max).is_none_or(|most| sum <= most)
            && sum <= SUM_MAX;
        if !is_sound {
            return Err(NoHistogram::Contradiction);
        }
        recorded.widen(min, max, sum);
        Ok(Self {
            recorded: Some(recorded),
        })
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

/// A histogram of lengths of time to three significant digits, for one tick of the time series. It takes a few hundred
/// bytes where a [`Histogram`] takes many KiB, and there is one per second. No percentile exceeds the longest length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SparseBuckets", into = "SparseBuckets")]
pub struct SparseHistogram {
    /// Counts by bucket; empty buckets take no space.
    counts: BTreeMap<u16, u64>,
    /// The longest length, in microseconds; 0 without one.
    max: u64,
}

/// A sparse histogram as it is serialized.
#[derive(Serialize, Deserialize)]
struct SparseBuckets {
    #[serde(with = "pairs")]
    counts: BTreeMap<u16, u64>,
    max: u64,
}

impl TryFrom<SparseBuckets> for SparseHistogram {
    type Error = NoHistogram;

    fn try_from(buckets: SparseBuckets) -> Result<Self, NoHistogram> {
        let SparseBuckets { counts, max } = buckets;
        for &count in counts.values() {
            checked_count(count)?;
        }
        let last = counts.keys().next_back().copied();
        let is_sound =
            max <= micros(LENGTH_MAX) && last.is_none_or(|last| last == sparse_bucket(max));
        if !is_sound || (last.is_none() && max > 0) {
            return Err(NoHistogram::Contradiction);
        }
        Ok(Self { counts, max })
    }
}

impl From<SparseHistogram> for SparseBuckets {
    fn from(histogram: SparseHistogram) -> Self {
        let SparseHistogram { counts, max } = histogram;
        Self { counts, max }
    }
}

/// Leading bits of a length that a [`SparseHistogram`] keeps. The highest of 11 bits is always 1, so 1,024 buckets share
/// each power of two, and the error is below 0.1 %: three significant digits.
const SPARSE_BITS: u32 = 11;

impl SparseHistogram {
    /// Records one length.
    pub fn record(&mut self, length: Duration) {
        let micros = micros(length);
        *self.counts.entry(sparse_bucket(micros)).or_default() += 1;
        self.max = self.max.max(micros);
    }

    /// Adds everything that `other` has recorded.
    pub fn merge(&mut self, other: &Self) {
        for (&bucket, &count) in &other.counts {
            *self.counts.entry(bucket).or_default() += count;
        }
        self.max = self.max.max(other.max);
    }

    /// Returns the number of lengths recorded.
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Returns the `percent`-th percentile, 0 to 100, rounded up to the end of its bucket but not beyond the longest length;
    /// `None` if the histogram is empty.
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
            (seen >= rank).then(|| Duration::from_micros(sparse_end(bucket).min(self.max)))
        })
    }
}

/// Returns the bucket of a length.
///
/// Lengths below 2^11 µs have a bucket each. Above, a length is shifted right until 11 bits are left, and the buckets of
/// each shift follow those of the previous one: `shift * 1024 + leading bits`. `leading bits` is at least 1,024, so the
/// numbers neither overlap nor leave gaps.
fn sparse_bucket(micros: u64) -> u16 {
    let shift = (u64::BITS - micros.leading_zeros()).saturating_sub(SPARSE_BITS);
    let bucket = (u64::from(shift) << (SPARSE_BITS - 1)) + (micros >> shift);
    u16::try_from(bucket).expect("lengths are bounded by LENGTH_MAX, far below 2^63 µs")
}

/// Returns the longest length in a bucket, in microseconds: the inverse of [`sparse_bucket`].
fn sparse_end(bucket: u16) -> u64 {
    let half = 1_u16 << (SPARSE_BITS - 1);
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
        assert_eq!(SparseHistogram::default().percentile(50.0), None);
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
        fn sparse_percentiles_have_three_digits_and_stay_below_the_maximum(
            lengths in prop::collection::vec(0_u64..7_200_000_000, 1..60),
        ) {
            let mut sparse = SparseHistogram::default();
            for &micros in &lengths {
                sparse.record(Duration::from_micros(micros));
            }
            let mut sorted = lengths;
            sorted.sort_unstable();
            let median = Duration::from_micros(sorted[(sorted.len() - 1) / 2]);
            let got = sparse.percentile(50.0).unwrap();
            prop_assert!(got >= median && got <= median.mul_f64(1.001), "{got:?} for {median:?}");
            let max = sorted.last().copied().map(Duration::from_micros);
            prop_assert_eq!(sparse.percentile(100.0), max);
        }

        #[test]
        fn taking_a_part_away_leaves_the_rest(
            part in prop::collection::vec(0_u64..7_200_000_000, 0..60),
            rest in prop::collection::vec(0_u64..7_200_000_000, 1..60),
        ) {
            let left = of(&[part.clone(), rest.clone()].concat()).without(&of(&part));
            prop_assert_eq!(left.count(), rest.len() as u64);
            let (left, rest) = (left.percentile(50.0).unwrap(), of(&rest).percentile(50.0).unwrap());
            prop_assert!(left.abs_diff(rest) <= rest.mul_f64(0.001), "{left:?} for {rest:?}");
        }
    }
}
