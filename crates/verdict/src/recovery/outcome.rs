//! Whether and when the system recovered: a window slides over the time after the fault.

use std::time::Duration;

use serde::Serialize;

use super::work::{
    BEFORE_SECS, CHANCE_DEVIATIONS, END_SECS, Work, arrivals_before, tick_index, work_of,
};
use crate::figure;
use tiketi_core::units::SimTime;
use tiketi_measure::series::Series;

/// Length of the sliding window, in seconds. In a shorter one a single burst of retries looks like an outage; a longer one
/// adds its own length to every recovery time.
const WINDOW_SECS: u64 = 5;

/// How late responses may come and still count as keeping up with what was due, in seconds. Buyers poll in waves: while a
/// wave rises, more requests become due in a window than can have been answered in it.
const LATE_SECS: u64 = 5;

/// Requests in a window below which it is not judged: with so few, one failure more or less decides.
const CALLS_MIN: u64 = 20;

/// Whether the system recovered from a fault.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// It did, and stayed recovered until the next fault or the end of the run.
    Recovered {
        /// Time from the start of the fault; zero if the fault never reduced the work.
        #[serde(rename = "after_seconds", serialize_with = "figure::as_seconds")]
        after: Duration,
    },
    /// It did not before the next fault or the end of the run.
    NotRecovered,
    /// It did not, although the fault was over for as long as it had to recover, and no more buyers arrived than before it:
    /// what the fault has started goes on without it (a metastable failure).
    Metastable {
        /// From the end of the fault to the end of the observation.
        #[serde(rename = "healed_for_seconds", serialize_with = "figure::as_seconds")]
        healed_for: Duration,
    },
    /// There were too few requests to tell.
    CouldNotTell {
        /// When there were too few.
        reason: String,
    },
}

/// Decides whether the system recovered from a fault that started at `struck`, by what was observed until `until`.
pub(super) fn outcome(series: &Series, before: Work, struck: SimTime, until: SimTime) -> Outcome {
    if before.ended < CALLS_MIN || before.useful == 0 {
        return Outcome::CouldNotTell {
            reason: "too few requests before the fault to know what is normal".to_owned(),
        };
    }
    match last_bad(series, before, struck, until) {
        LastBad::None => Outcome::Recovered {
            after: Duration::ZERO,
        },
        LastBad::Until(at) => Outcome::Recovered { after: at - struck },
        LastBad::ToTheEnd => Outcome::NotRecovered,
        LastBad::Unknown => Outcome::CouldNotTell {
            reason: "too few requests after the fault to judge".to_owned(),
        },
    }
}

/// Whether the arrivals before `until` are as few as before the fault.
pub(super) fn arrivals_are_normal(series: &Series, struck: SimTime, until: SimTime) -> bool {
    let (before, now) = (
        arrivals_before(series, struck, BEFORE_SECS),
        arrivals_before(series, until, END_SECS),
    );
    // As many as expected, and what chance adds. Both counts scatter like Poisson counts: the variance of the expected one is
    // that of the count before the fault, scaled to the length of the later one.
    let expected = before.per_second() * now.seconds;
    let variance = expected * (1.0 + now.seconds / before.seconds.max(1.0));
    now.started <= expected + CHANCE_DEVIATIONS * variance.sqrt()
}

/// The end of the last window whose work was not back to normal.
enum LastBad {
    /// Every window was good.
    None,
    /// A window that ended here, and all later ones were good.
    Until(SimTime),
    /// The last window.
    ToTheEnd,
    /// No window had enough requests to be judged.
    Unknown,
}

/// Slides a window over the time after the fault and finds the last one whose work was not back to normal.
///
/// The last, not the first good one: retries and waves of polls make single windows look fine in the middle of an outage,
/// and a relapse is part of the same incident.
fn last_bad(series: &Series, before: Work, struck: SimTime, until: SimTime) -> LastBad {
    let width = series.width_secs();
    let ticks_in = |seconds: u64| usize::try_from(seconds.div_ceil(width)).unwrap_or(1);
    let window_before =
        |end: usize| work_of(series, end.saturating_sub(ticks_in(WINDOW_SECS))..end);
    let first = tick_index(series, struck);
    // The tick in which the run ended is incomplete; judged as a whole one it would look like a drop.
    let last = tick_index(series, until).min(series.ticks().len());
    let mut last_bad = LastBad::Unknown;
    let mut bad_at_the_end = false;
    // The first windows reach back before the fault. That only delays their failure by less than a window, and it spares
    // the loop a special case for faults early in a run.
    for end in first + 1..=last {
        let window = window_before(end);
        // Both are checked: in an outage nothing ends but much is due, and after it what is overdue ends although little
        // is due. Either is enough to judge; with neither, silence is no evidence.
        if window.due.max(window.ended) < CALLS_MIN {
            continue;
        }
        // Responses may be late, so the window is compared with the least demand of any window that ended up to
        // LATE_SECS earlier: it has kept up if it kept up with one of them.
        let earlier = end.saturating_sub(ticks_in(LATE_SECS))..=end;
        let due = earlier.map(|end| window_before(end).due_per_second());
        let is_enough = window.is_as_much_as(before, due.fold(f64::INFINITY, f64::min));
        bad_at_the_end = !(window.succeeds_like(before) && is_enough);
        if bad_at_the_end {
            last_bad = LastBad::Until(SimTime::from_secs(series.start_secs(end)));
        } else if matches!(last_bad, LastBad::Unknown) {
            last_bad = LastBad::None;
        }
    }
    if bad_at_the_end {
        return LastBad::ToTheEnd;
    }
    last_bad
}

/// Returns the longest run of ticks in which requests were due or ended, and none succeeded.
pub(super) fn longest_stop(series: &Series, struck: SimTime, until: SimTime) -> Duration {
    let mut longest = 0;
    let mut current = 0;
    for index in tick_index(series, struck)..tick_index(series, until) {
        let Some(tick) = series.ticks().get(index) else {
            break;
        };
        // A tick in which nobody wanted anything neither extends a stop nor starts one.
        let stopped = tick.calls_useful() == 0 && tick.calls_due + tick.calls_ended() > 0;
        current = if stopped { current + 1 } else { 0 };
        longest = longest.max(current);
    }
    Duration::from_secs(longest * series.width_secs())
}
