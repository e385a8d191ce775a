//! Metrics as CloudWatch stores them: samples are aggregated into datapoints per period, and become visible after a delay.

use std::collections::VecDeque;
use std::time::Duration;

use tiketi_core::units::SimTime;

/// The samples of one metric.
#[derive(Clone, Debug)]
pub struct MetricHistory {
    ingest: Duration,
    keep: Duration,
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: SimTime,
    value: f64,
}

impl MetricHistory {
    /// Builds an empty history. Samples become visible `ingest` after they were published; samples older than `keep` are
    /// dropped, so that memory does not grow with the length of the run.
    pub const fn new(ingest: Duration, keep: Duration) -> Self {
        Self {
            ingest,
            keep,
            samples: VecDeque::new(),
        }
    }

    /// Records a sample published at `at`. Samples must be in order of time.
    pub fn handle_sample(&mut self, at: SimTime, value: f64) {
        debug_assert!(self.samples.back().is_none_or(|last| last.at <= at));
        self.samples.push_back(Sample { at, value });
        while self
            .samples
            .front()
            .is_some_and(|oldest| at.saturating_since(oldest.at) > self.keep)
        {
            self.samples.pop_front();
        }
    }

    /// Returns the `count` most recent datapoints of `period` that an alarm retrieves at `now`, oldest first; `None` is a
    /// missing datapoint.
    ///
    /// Periods are aligned to multiples of their length; a datapoint is the mean of the samples in its period. The current
    /// period counts as soon as it has a visible sample; until then it is not missing.
    pub fn datapoints(&self, now: SimTime, period: Duration, count: u32) -> Vec<Option<f64>> {
        let current = bucket(now, period);
        let newest = self
            .mean_of(current, period, now)
            .map_or(current.checked_sub(1), |_| Some(current));
        (0..u64::from(count))
            .rev()
            .map(|age| self.mean_of(newest?.checked_sub(age)?, period, now))
            .collect()
    }

    fn mean_of(&self, wanted: u64, period: Duration, now: SimTime) -> Option<f64> {
        let mut sum = 0.0;
        let mut number = 0_u32;
        for sample in &self.samples {
            if bucket(sample.at, period) == wanted && sample.at + self.ingest <= now {
                sum += sample.value;
                number += 1;
            }
        }
        (number > 0).then(|| sum / f64::from(number))
    }
}

/// Returns the number of the period that contains `at`.
fn bucket(at: SimTime, period: Duration) -> u64 {
    let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1);
    at.as_nanos() / period
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn history(samples: &[(u64, f64)]) -> MetricHistory {
        let mut history = MetricHistory::new(Duration::from_secs(5), 10 * MINUTE);
        for &(at, value) in samples {
            history.handle_sample(SimTime::from_secs(at), value);
        }
        history
    }

    #[test]
    fn a_sample_is_visible_only_after_the_ingestion_delay() {
        let history = history(&[(70, 9.0)]);
        let seen = |at| history.datapoints(SimTime::from_secs(at), MINUTE, 1);
        assert_eq!(
            seen(74),
            [None],
            "the previous minute is missing, the current one is not over"
        );
        assert_eq!(seen(75), [Some(9.0)]);
    }

    #[test]
    fn two_samples_in_one_period_are_one_datapoint_and_the_next_period_is_missing() {
        let history = history(&[(1, 10.0), (59, 20.0), (121, 30.0)]);
        assert_eq!(
            history.datapoints(SimTime::from_secs(130), MINUTE, 3),
            [Some(15.0), None, Some(30.0)]
        );
    }

    #[test]
    fn old_samples_are_dropped() {
        let mut history = MetricHistory::new(Duration::ZERO, MINUTE);
        for second in 0..10_000 {
            history.handle_sample(SimTime::from_secs(second), 1.0);
        }
        assert!(history.samples.len() <= 61);
    }
}
