//! The time series of a run, in a table of limited size.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gauges::Gauges;
use super::histogram::SparseHistogram;
use super::observed::Observed;
use super::pairs;
use tiketi_buyer::observation::{Failure, Learned, Stage};
use tiketi_core::units::SimTime;

/// Ticks that are kept; when more are needed, the width of all ticks doubles.
///
/// A run of half an hour keeps every second, and no chart has more pixels than this.
pub const TICKS_MAX: usize = 2_048;

/// What happened in one tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// Buyers who were due in this tick and were started.
    pub started: u64,
    /// Buyers who were due in this tick and could not be started.
    pub shed: u64,
    /// Buyers whose visit ended.
    pub left: u64,
    /// Requests that were due in this tick, whenever they ended.
    pub calls_due: u64,
    /// Requests that succeeded in this tick, whenever they were due.
    pub calls_ok: u64,
    /// Requests that were rejected for a business reason in this tick.
    pub calls_refused: u64,
    /// Requests that failed in this tick.
    pub calls_failed: u64,
    /// The same by cause. An archive that was written without it has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "pairs")]
    pub failures: BTreeMap<Failure, u64>,
    /// Response times of the requests that ended in this tick, all operations together.
    pub response: SparseHistogram,
    /// Sockets opened minus sockets closed or lost.
    pub sockets_change: i64,
    /// Sockets that were lost: closed without the buyer's doing.
    #[serde(default)]
    pub sockets_lost: u64,
    /// Buyers who reached each stage, in the order of [`Stage::ALL`].
    pub stages: [u64; Stage::ALL.len()],
    /// Admissions by how the buyers learned of them, in the order of [`Learned::ALL`].
    #[serde(default, skip_serializing_if = "is_nobody")]
    pub admitted: [u64; Learned::ALL.len()],
    /// Messages that reached buyers.
    pub messages: u64,
    /// The last gauge reading in this tick; `None` if there was none.
    pub gauges: Option<Gauges>,
    /// The last values in this tick of what another system knows of a target; `None` if nothing was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
}

/// Most ticks have no admission, and leave the field out.
fn is_nobody(admitted: &[u64; Learned::ALL.len()]) -> bool {
    admitted.iter().all(|count| *count == 0)
}

impl Tick {
    /// Adds what `other` counted. Of two gauge readings the later one is kept: levels cannot be added.
    pub fn merge(&mut self, other: &Self) {
        self.started += other.started;
        self.shed += other.shed;
        self.left += other.left;
        self.calls_due += other.calls_due;
        self.calls_ok += other.calls_ok;
        self.calls_refused += other.calls_refused;
        self.calls_failed += other.calls_failed;
        for (&failure, &count) in &other.failures {
            *self.failures.entry(failure).or_default() += count;
        }
        self.response.merge(&other.response);
        self.sockets_change += other.sockets_change;
        self.sockets_lost += other.sockets_lost;
        for (mine, theirs) in self.stages.iter_mut().zip(other.stages) {
            *mine += theirs;
        }
        for (mine, theirs) in self.admitted.iter_mut().zip(other.admitted) {
            *mine += theirs;
        }
        self.messages += other.messages;
        if let Some(theirs) = &other.gauges {
            let is_later = self.gauges.as_ref().is_none_or(|mine| mine.at <= theirs.at);
            if is_later {
                self.gauges = Some(theirs.clone());
            }
        }
        // Ticks are merged in order of time.
        if let Some(theirs) = &other.observed {
            self.observed
                .get_or_insert_with(Observed::default)
                .merge(theirs);
        }
    }

    /// Returns the requests that ended, whatever the outcome.
    pub const fn calls_ended(&self) -> u64 {
        self.calls_ok + self.calls_refused + self.calls_failed
    }

    /// Returns the requests that the system answered correctly: they succeeded, or were rejected for a business reason.
    pub const fn calls_useful(&self) -> u64 {
        self.calls_ok + self.calls_refused
    }
}

/// A run as ticks of equal width from its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    width_secs: u64,
    ticks: Vec<Tick>,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            width_secs: 1,
            ticks: Vec::new(),
        }
    }
}

impl Series {
    /// Returns the width of each tick in seconds of scenario time; a power of two.
    pub const fn width_secs(&self) -> u64 {
        self.width_secs
    }

    /// Returns all ticks from the start of the run.
    pub fn ticks(&self) -> &[Tick] {
        &self.ticks
    }

    /// Returns the scenario second at which the tick with this index starts.
    pub fn start_secs(&self, index: usize) -> u64 {
        self.width_secs * index as u64
    }

    /// Adds what happened in one second of scenario time.
    pub fn absorb(&mut self, second: u64, what: &Tick) {
        // One second far ahead may need several doublings.
        while second / self.width_secs >= TICKS_MAX as u64 {
            self.double_width();
        }
        let index = usize::try_from(second / self.width_secs).expect("below TICKS_MAX");
        if index >= self.ticks.len() {
            self.ticks.resize_with(index + 1, Tick::default);
        }
        self.ticks[index].merge(what);
    }

    /// Makes the last tick the one in which the run ended. What happened later, or at the instant of the end, counts for that
    /// tick; ticks in which nothing happened are added.
    pub(super) fn end_at(&mut self, end: SimTime) {
        let ticks = |series: &Self| {
            let width = Duration::from_secs(series.width_secs).as_nanos();
            let ticks = end.since_start().as_nanos().div_ceil(width).max(1);
            usize::try_from(ticks).unwrap_or(usize::MAX)
        };
        while ticks(self) > TICKS_MAX {
            self.double_width();
        }
        let ticks = ticks(self);
        let late = self.ticks.split_off(ticks.min(self.ticks.len()));
        self.ticks.resize_with(ticks, Tick::default);
        let last = self.ticks.last_mut().expect("a run has at least one tick");
        for tick in &late {
            last.merge(tick);
        }
    }

    /// Returns the sockets connected at the end of each tick.
    pub fn sockets(&self) -> Vec<u64> {
        self.levels(|tick| tick.sockets_change)
    }

    /// Returns the buyers in progress at the end of each tick: started, and their visit has not ended.
    pub fn buyers(&self) -> Vec<u64> {
        self.levels(|tick| tick.started.cast_signed() - tick.left.cast_signed())
    }

    fn levels(&self, change: impl Fn(&Tick) -> i64) -> Vec<u64> {
        let running = self.ticks.iter().scan(0_i64, |level, tick| {
            *level += change(tick);
            // While a run is in progress, the frames of some workers are still missing, and a sum can be below zero.
            Some(u64::try_from(*level).unwrap_or(0))
        });
        running.collect()
    }

    fn double_width(&mut self) {
        self.width_secs *= 2;
        let pairs = self.ticks.chunks(2).map(|pair| {
            // An odd number of ticks leaves the last one without a partner.
            let mut both = pair[0].clone();
            if let Some(second) = pair.get(1) {
                both.merge(second);
            }
            both
        });
        self.ticks = pairs.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_the_width_loses_nothing() {
        let mut series = Series::default();
        let seconds = TICKS_MAX as u64 * 3;
        for second in 0..seconds {
            let mut tick = Tick {
                started: 1,
                sockets_change: 1,
                ..Tick::default()
            };
            tick.response.record(Duration::from_millis(second));
            series.absorb(second, &tick);
        }
        assert_eq!(series.width_secs(), 4);
        assert!(series.ticks().len() <= TICKS_MAX);
        let started: u64 = series.ticks().iter().map(|tick| tick.started).sum();
        assert_eq!(started, seconds);
        assert!(series.ticks().iter().all(|tick| tick.response.count() == 4));
        assert_eq!(series.sockets().last(), Some(&seconds));
        assert_eq!(series.start_secs(2), 8);
    }

    #[test]
    fn the_last_tick_ends_with_the_run() {
        let started = |series: &Series| {
            series
                .ticks()
                .iter()
                .map(|tick| tick.started)
                .collect::<Vec<_>>()
        };
        let one = Tick {
            started: 1,
            ..Tick::default()
        };
        let mut series = Series::default();
        for second in [0, 2, 3, 7] {
            series.absorb(second, &one);
        }
        let mut ended = series.clone();
        ended.end_at(SimTime::from_secs(3));
        assert_eq!(
            started(&ended),
            [1, 0, 3],
            "the end belongs to the last second"
        );
        let mut ended = series.clone();
        ended.end_at(SimTime::from_secs(3) + Duration::from_millis(200));
        assert_eq!(
            started(&ended),
            [1, 0, 1, 2],
            "a part of a second has a tick"
        );
        series.end_at(SimTime::from_secs(10));
        assert_eq!(started(&series), [1, 0, 1, 1, 0, 0, 0, 1, 0, 0]);
        let mut long = Series::default();
        long.end_at(SimTime::from_secs(TICKS_MAX as u64 * 2 + 1));
        assert_eq!(
            (long.width_secs(), long.ticks().len()),
            (4, TICKS_MAX / 2 + 1)
        );
        let mut none = Series::default();
        none.end_at(SimTime::ZERO);
        assert_eq!(none.ticks().len(), 1);
    }

    #[test]
    fn a_second_far_ahead_does_not_exceed_the_limit() {
        let mut series = Series::default();
        series.absorb(10_000_000, &Tick::default());
        assert!(series.ticks().len() <= TICKS_MAX);
    }
}
