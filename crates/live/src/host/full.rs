//! When the CPUs of the machine had nothing left.

use std::time::Duration;

use super::proc_stat::CpuTimes;
use tiketi_core::units::SimTime;
use tiketi_measure::ending::FullCpus;
use tokio::time::Instant;

/// Shortest real time between two readings: the kernel counts in hundredths of a second, so a shorter one would be coarse.
const READING_MIN: Duration = Duration::from_millis(500);
/// Busy share from which the CPUs are full (assumption): nearly every thread that wakes up then waits for another one.
const FULL_MIN: f64 = 0.95;

/// Readings of the CPUs, and the stretches in which they were full.
#[derive(Debug)]
pub(super) struct FullWatch {
    last: Reading,
    stretches: Vec<FullCpus>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: SimTime,
    wall: Instant,
    times: CpuTimes,
}

impl FullWatch {
    /// Starts with a first reading.
    pub(super) const fn new(at: SimTime, wall: Instant, times: CpuTimes) -> Self {
        Self {
            last: Reading { at, wall, times },
            stretches: Vec::new(),
        }
    }

    /// Whether enough time has passed for another reading.
    pub(super) fn is_due(&self, wall: Instant) -> bool {
        wall.saturating_duration_since(self.last.wall) >= READING_MIN
    }

    /// Compares a reading with the last one.
    pub(super) fn handle_reading(&mut self, at: SimTime, wall: Instant, times: CpuTimes) {
        let last = std::mem::replace(&mut self.last, Reading { at, wall, times });
        let busy = times.since(last.times).busy_share();
        if busy.is_none_or(|busy| busy < FULL_MIN) {
            return;
        }
        match self.stretches.last_mut() {
            Some(stretch) if stretch.until == last.at => stretch.until = at,
            Some(_) | None => self.stretches.push(FullCpus {
                from: last.at,
                until: at,
            }),
        }
    }

    /// Returns the stretches in order of time.
    pub(super) fn into_stretches(self) -> Vec<FullCpus> {
        self.stretches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::proc_stat::cpu_times;
    use tiketi_testbed::clock::wall_now;

    /// Busy and idle time of one CPU so far, in hundredths of a second.
    fn times(busy: u64, idle: u64) -> CpuTimes {
        let stat = format!("cpu0 {busy} 0 0 {idle} 0 0 0 0 0 0\n");
        cpu_times(&stat).into_iter().sum()
    }

    #[test]
    fn full_readings_in_a_row_are_one_stretch() {
        let wall = wall_now();
        let at = SimTime::from_secs;
        let mut watch = FullWatch::new(at(0), wall, times(0, 0));
        // A second of real time is ten of the scenario.
        for (second, busy, idle) in [
            (1, 50, 50),
            (2, 148, 52),
            (3, 243, 57),
            (4, 337, 63),
            (5, 437, 63),
        ] {
            let now = wall + Duration::from_secs(second);
            assert!(watch.is_due(now));
            watch.handle_reading(at(10 * second), now, times(busy, idle));
        }
        let stretch = |from, until| FullCpus {
            from: at(from),
            until: at(until),
        };
        let expected = [stretch(10, 30), stretch(40, 50)];
        assert_eq!(watch.into_stretches(), expected, "94 of 100 are not full");
    }

    #[test]
    fn a_reading_is_due_after_half_a_second() {
        let wall = wall_now();
        let watch = FullWatch::new(SimTime::ZERO, wall, times(0, 0));
        assert!(!watch.is_due(wall + Duration::from_millis(499)));
        assert!(watch.is_due(wall + Duration::from_millis(500)));
    }
}
