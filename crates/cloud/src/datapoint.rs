//! Metrics as CloudWatch stores them: samples are aggregated into datapoints per period, and become visible after a delay.

use std::collections::VecDeque;
use std::time::Duration;

use tiketi_core::units::SimTime;

/// Length of a period that needs a high-resolution metric: anything below it.
const MINUTE: Duration = Duration::from_secs(60);
/// Distance between two instants at which a period of 10, 20 or 30 s can end.
const TEN_SECONDS: Duration = Duration::from_secs(10);

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
    /// Only periods that have ended count. The newest one ends at the last full minute (the last ten seconds if `period` is
    /// shorter than a minute), and the others lie before it without a gap. So periods slide: a period of five minutes is not
    /// aligned to multiples of five minutes. A datapoint is the mean of the samples in its period that are visible at `now`;
    /// without any it is missing, although its period is over.
    ///
    /// This is observed, not stated by AWS: six published records of alarms (`StateReasonData`) name completed periods only.
    /// One evaluated at 13:14:42 used the minute of 13:13, one with a period of five minutes at 20:22:54 the period that
    /// began at 20:17. That 10, 20 and 30 s behave alike is an assumption. The opt-in evaluation by wall-clock window, which
    /// aligns the periods, is not modeled.
    pub fn datapoints(&self, now: SimTime, period: Duration, count: u32) -> Vec<Option<f64>> {
        let newest_end = last_end(now, period);
        (1..=count)
            .rev()
            .map(|age| {
                let start = newest_end.checked_sub(period.checked_mul(age)?)?;
                self.mean_between(start, start + period, now)
            })
            .collect()
    }

    /// Returns the mean of the samples from `start` until before `end`, both since the start of the run.
    fn mean_between(&self, start: Duration, end: Duration, now: SimTime) -> Option<f64> {
        let mut sum = 0.0;
        let mut number = 0_u32;
        for sample in &self.samples {
            let is_visible = sample.at + self.ingest <= now;
            if is_visible && (start..end).contains(&sample.at.since_start()) {
                sum += sample.value;
                number += 1;
            }
        }
        (number > 0).then(|| sum / f64::from(number))
    }
}

/// Returns the last instant until `now` at which a period can end, since the start of the run, which is a full minute.
fn last_end(now: SimTime, period: Duration) -> Duration {
    let step = slide(period).as_nanos();
    let since_start = now.since_start();
    let since_end = since_start.as_nanos() % step;
    since_start - Duration::from_nanos(u64::try_from(since_end).expect("is at most a minute"))
}

/// Returns the distance between two instants at which a period of this length can end. CloudWatch evaluates an alarm as often.
pub(super) const fn slide(period: Duration) -> Duration {
    if period.as_nanos() < MINUTE.as_nanos() {
        TEN_SECONDS
    } else {
        MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(samples: &[(u64, f64)]) -> MetricHistory {
        let mut history = MetricHistory::new(Duration::from_secs(5), 10 * MINUTE);
        for &(at, value) in samples {
            history.handle_sample(SimTime::from_secs(at), value);
        }
        history
    }

    /// Seconds of a time of day.
    const fn clock(hour: u64, minute: u64, second: u64) -> u64 {
        (hour * 60 + minute) * 60 + second
    }

    /// Returns the datapoints at a time of day if each minute has one sample, whose value is the time of that minute as
    /// `hour * 100 + minute`. Samples are published half a minute into each minute.
    fn datapoints_at(at: u64, period: Duration, count: u32) -> Vec<Option<f64>> {
        let mut history = MetricHistory::new(Duration::from_secs(5), 30 * MINUTE);
        for minute in (at / 60 - 20)..=(at / 60) {
            let name = u32::try_from(minute / 60 * 100 + minute % 60).expect("is a time of day");
            history.handle_sample(SimTime::from_secs(minute * 60 + 30), f64::from(name));
        }
        history.datapoints(SimTime::from_secs(at), period, count)
    }

    #[test]
    fn published_records_name_the_periods_that_have_ended() {
        let named = |at, count| {
            let datapoints = datapoints_at(at, MINUTE, count);
            datapoints.into_iter().flatten().collect::<Vec<_>>()
        };
        assert_eq!(named(clock(6, 15, 2), 2), [613.0, 614.0]);
        assert_eq!(named(clock(13, 14, 42), 1), [1313.0]);
        assert_eq!(named(clock(4, 18, 51), 1), [417.0]);
        assert_eq!(named(clock(11, 26, 5), 3), [1123.0, 1124.0, 1125.0]);
        // A period of five minutes, which slides: 20:17 until before 20:22.
        let five = datapoints_at(clock(20, 22, 54), 5 * MINUTE, 1);
        assert_eq!(five, [Some(2019.0)], "the mean of 20:17 to 20:21");
    }

    #[test]
    fn a_late_sample_leaves_the_last_period_missing() {
        // As at 16:00:04, when 15:58 was used: the sample of 15:59 was published at its end.
        let second = |second| SimTime::from_secs(clock(15, 58, second));
        let mut history = MetricHistory::new(Duration::from_secs(5), 10 * MINUTE);
        history.handle_sample(second(59), 1558.0);
        history.handle_sample(second(119), 1559.0);
        let seen = |at| history.datapoints(second(at), MINUTE, 2);
        assert_eq!(seen(123), [Some(1558.0), None]);
        assert_eq!(seen(124), [Some(1558.0), Some(1559.0)]);
    }

    #[test]
    fn a_sample_is_not_seen_before_its_minute_is_over() {
        let history = history(&[(61, 9.0)]);
        let seen = |at| history.datapoints(SimTime::from_secs(at), MINUTE, 1);
        assert_eq!(seen(119), [None]);
        assert_eq!(seen(120), [Some(9.0)]);
        assert_eq!(seen(180), [None]);
    }

    #[test]
    fn short_periods_end_every_ten_seconds() {
        let history = history(&[(11, 1.0), (21, 3.0), (31, 5.0)]);
        let seen = |at, period| {
            history.datapoints(SimTime::from_secs(at), Duration::from_secs(period), 1)[0]
        };
        assert_eq!(seen(29, 10), Some(1.0));
        assert_eq!(seen(39, 20), Some(2.0));
        assert_eq!(seen(40, 20), Some(4.0), "a period of 20 s slides by 10 s");
        assert_eq!(seen(40, 30), Some(3.0));
    }

    #[test]
    fn two_samples_in_one_period_are_one_datapoint_and_the_next_period_is_missing() {
        let history = history(&[(1, 10.0), (59, 20.0), (121, 30.0)]);
        assert_eq!(
            history.datapoints(SimTime::from_secs(190), MINUTE, 3),
            [Some(15.0), None, Some(30.0)]
        );
    }

    #[test]
    fn there_are_no_periods_before_the_start() {
        let history = history(&[(1, 10.0)]);
        let seen = |at| history.datapoints(SimTime::from_secs(at), MINUTE, 2);
        assert_eq!(seen(59), [None, None]);
        assert_eq!(seen(60), [None, Some(10.0)]);
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
