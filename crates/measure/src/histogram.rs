//! Lengths of time, counted in buckets: exact to three significant digits for the verdicts, coarser for the series.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::pairs;

/// The longest length that is told apart; what is longer counts as this long.
const LENGTH_MAX: Duration = Duration::from_secs(7_200);

/// Significant digits that are kept.
const DIGITS: u8 = 3;

/// Lengths of time from 1 µs to 2 h, to three significant digits.
///
/// Two histograms of the same lengths are equal however the lengths were split and merged on the way. Minimum,
/// maximum and mean are exact to the microsecond; no percentile is ever above the maximum.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Buckets", into = "Buckets")]
pub struct Histogram {
    /// `None` until the first length comes: most operations of a short frame have none.
    recorded: Option<Box<Recorded>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Recorded {
    counts: hdrhistogram::Histogram<u64>,
    min: u64,
    max: u64,
    sum: u64,
}

/// A histogram as it travels: only the buckets that hold something, in microseconds.
#[derive(Default, Serialize, Deserialize)]
struct Buckets {
    counts: Vec<(u64, u64)>,
    min: u64,
    max: u64,
    sum: u64,
}

impl Histogram {
    /// Counts one length.
    pub fn record(&mut self, length: Duration) {
        self.record_many(length, 1);
    }

    /// Counts `number` equal lengths.
    pub fn record_many(&mut self, length: Duration, number: u64) {
        if number == 0 {
            return;
        }
        let value = micros(length);
        let recorded = self.recorded.get_or_insert_with(Recorded::empty);
        recorded.add(value, number);
        recorded.widen(value, value, value * number);
    }

    /// Counts everything that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        let Some(other) = &other.recorded else { return };
        let recorded = self.recorded.get_or_insert_with(Recorded::empty);
        for bucket in other.counts.iter_recorded() {
            recorded.add(bucket.value_iterated_to(), bucket.count_at_value());
        }
        recorded.widen(other.min, other.max, other.sum);
    }

    /// Number of lengths.
    pub fn count(&self) -> u64 {
        self.recorded
            .as_ref()
            .map_or(0, |recorded| recorded.counts.len())
    }

    /// The `percent`-th percentile, 0 to 100; `None` without lengths.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let recorded = self.recorded.as_ref()?;
        let value = recorded.counts.value_at_percentile(percent);
        // A bucket is reported by its upper end, which may lie beyond the longest length in it.
        Some(Duration::from_micros(
            value.clamp(recorded.min, recorded.max),
        ))
    }

    /// The mean; `None` without lengths.
    pub fn mean(&self) -> Option<Duration> {
        let recorded = self.recorded.as_ref()?;
        Some(Duration::from_micros(recorded.sum / recorded.counts.len()))
    }

    /// The shortest; `None` without lengths.
    pub fn min(&self) -> Option<Duration> {
        let recorded = self.recorded.as_ref()?;
        Some(Duration::from_micros(recorded.min))
    }

    /// The longest; `None` without lengths.
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
            .expect("the histogram grows, and lengths are bounded by LENGTH_MAX");
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

/// Lengths of time within one tick of the series, to better than 1 %: a few hundred bytes instead of many KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CoarseHistogram {
    /// Counts by bucket number.
    #[serde(with = "pairs")]
    counts: BTreeMap<u16, u64>,
}

/// Leading bits of a length that are kept in a [`CoarseHistogram`].
const COARSE_BITS: u32 = 8;

impl CoarseHistogram {
    /// Counts one length.
    pub fn record(&mut self, length: Duration) {
        *self
            .counts
            .entry(coarse_bucket(micros(length)))
            .or_default() += 1;
    }

    /// Counts everything that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        for (&bucket, &count) in &other.counts {
            *self.counts.entry(bucket).or_default() += count;
        }
    }

    /// Number of lengths.
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The `percent`-th percentile, 0 to 100, rounded up to the end of its bucket; `None` without lengths.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among fewer than 2^53 lengths"
    )]
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let count = self.count();
        let rank = ((percent / 100.0 * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        self.counts.iter().find_map(|(&bucket, &count)| {
            seen += count;
            (seen >= rank).then(|| Duration::from_micros(coarse_end(bucket)))
        })
    }
}

/// The bucket of a length: its leading bits, numbered through all powers of two.
fn coarse_bucket(micros: u64) -> u16 {
    let shift = (u64::BITS - micros.leading_zeros()).saturating_sub(COARSE_BITS);
    let bucket = (u64::from(shift) << (COARSE_BITS - 1)) + (micros >> shift);
    u16::try_from(bucket).expect("lengths are bounded by LENGTH_MAX, far below 2^63 µs")
}

/// The longest length of a bucket.
fn coarse_end(bucket: u16) -> u64 {
    let half = 1_u16 << (COARSE_BITS - 1);
    if bucket < 2 * half {
        return u64::from(bucket);
    }
    let shift = bucket / half - 1;
    let leading = u64::from(bucket - shift * half);
    ((leading + 1) << shift) - 1
}

/// Whole microseconds, at most [`LENGTH_MAX`].
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
    fn nothing_recorded_has_no_statistic() {
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
