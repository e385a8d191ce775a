//! The requests in a period of time, and whether they are back to normal.

use std::ops::Range;

use serde::Serialize;

use crate::figure::share;
use tiketi_core::units::SimTime;
use tiketi_measure::series::{Series, Tick};

/// Share of the normal success rate and throughput at which work counts as back (assumption).
const BACK_TO: f64 = 0.95;

/// Standard deviations that the successful requests of a window may fall short by. Buyers act at random times, so the
/// count in a window scatters like a Poisson count, whose standard deviation is its square root. Of 100 requests that is
/// 10: without this allowance a healthy system would miss 95 % of normal in nearly every third window, and since one bad
/// window is a relapse, it would never recover. With two deviations it passes 99 of 100 such windows.
pub(super) const CHANCE_DEVIATIONS: f64 = 2.0;

/// Length of the period before a fault that defines what is normal, in seconds; shorter at the start of a run.
pub(super) const BEFORE_SECS: u64 = 60;

/// Length of the period at the end of the observation that shows the state in which the system ended, in seconds.
pub(super) const END_SECS: u64 = 30;

/// Requests in a period of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Length of the period, in seconds of scenario time.
    pub seconds: u64,
    /// Requests that were due.
    pub due: u64,
    /// Requests that ended, whatever the outcome.
    pub ended: u64,
    /// Successful requests.
    pub useful: u64,
}

impl Work {
    fn add(&mut self, tick: &Tick, seconds: u64) {
        self.seconds += seconds;
        self.due += tick.calls_due;
        self.ended += tick.calls_ended();
        self.useful += tick.calls_useful();
    }

    /// Returns the successful requests as a share of those that ended; `None` if none ended.
    pub fn success_share(self) -> Option<f64> {
        share(self.useful, self.ended)
    }

    /// Returns the successful requests per second.
    pub fn useful_per_second(self) -> f64 {
        share(self.useful, self.seconds).unwrap_or(0.0)
    }

    pub(super) fn due_per_second(self) -> f64 {
        share(self.due, self.seconds).unwrap_or(0.0)
    }

    /// Returns whether the success rate is back to its normal value.
    pub(super) fn succeeds_like(self, before: Self) -> bool {
        let shares = self.success_share().zip(before.success_share());
        shares.is_some_and(|(now, normal)| now >= BACK_TO * normal)
    }

    /// Returns whether throughput is back to its normal value, or to what was due if that is less.
    pub(super) fn is_as_much_as(self, before: Self, due_per_second: f64) -> bool {
        let per_second = before.useful_per_second().min(due_per_second);
        let expected = per_second * count(self.seconds);
        // The noise allowance is absolute, so it matters for small windows and vanishes for large ones.
        count(self.useful) >= BACK_TO * expected - CHANCE_DEVIATIONS * expected.sqrt()
    }
}

pub(super) fn work_before(series: &Series, struck: SimTime) -> Work {
    let from = SimTime::from_secs(struck.as_secs().saturating_sub(BEFORE_SECS));
    work_between(series, from, struck)
}

pub(super) fn work_at_the_end(series: &Series, struck: SimTime, until: SimTime) -> Work {
    let from = SimTime::from_secs(until.as_secs().saturating_sub(END_SECS));
    // After a short observation the period would reach back to before the fault.
    work_between(series, from.max(struck), until)
}

pub(super) fn work_between(series: &Series, from: SimTime, until: SimTime) -> Work {
    work_of(series, tick_index(series, from)..tick_index(series, until))
}

pub(super) fn work_of(series: &Series, ticks: Range<usize>) -> Work {
    let mut work = Work::default();
    let end = ticks.end.min(series.ticks().len());
    for tick in &series.ticks()[ticks.start.min(end)..end] {
        work.add(tick, series.width_secs());
    }
    work
}

/// Buyers who arrived in a period of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    pub(super) seconds: f64,
    pub(super) started: f64,
}

impl Arrived {
    pub(super) fn per_second(self) -> f64 {
        if self.seconds > 0.0 {
            self.started / self.seconds
        } else {
            0.0
        }
    }
}

/// Returns the buyers who arrived in the last `seconds` before an instant.
pub(super) fn arrivals_before(series: &Series, until: SimTime, seconds: u64) -> Arrived {
    let from = SimTime::from_secs(until.as_secs().saturating_sub(seconds));
    let ticks = series.ticks();
    let end = tick_index(series, until).min(ticks.len());
    let ticks = &ticks[tick_index(series, from).min(end)..end];
    Arrived {
        seconds: count(ticks.len() as u64 * series.width_secs()),
        started: count(ticks.iter().map(|tick| tick.started).sum()),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a run stay far below 2^53"
)]
const fn count(number: u64) -> f64 {
    number as f64
}

pub(super) fn tick_index(series: &Series, at: SimTime) -> usize {
    usize::try_from(at.as_secs() / series.width_secs()).unwrap_or(usize::MAX)
}
