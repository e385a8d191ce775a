//! Areas under curves, which a simulation accumulates in integer nanoseconds.

use tiketi_core::units::SimTime;

/// The areas under two curves (jobs in the system and jobs waiting), from the start of the run and since the mark, and the
/// sum of all sojourn times.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ledger {
    until: SimTime,
    in_system: u128,
    waiting: u128,
    sojourns: u128,
    mark: Mark,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    at: SimTime,
    in_system: u128,
    waiting: u128,
}

/// Means over a period of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Means {
    pub(super) in_system: f64,
    pub(super) waiting: f64,
}

impl Ledger {
    /// Adds the period until `now`, in which `in_system` jobs were in the system and `waiting` of them waited.
    pub(super) fn handle_stretch(&mut self, now: SimTime, in_system: usize, waiting: usize) {
        let length = (now - self.until).as_nanos();
        self.in_system += length * in_system as u128;
        self.waiting += length * waiting as u128;
        self.until = now;
    }

    /// Adds a job that arrived at `born` and leaves at `now`.
    pub(super) fn handle_departure(&mut self, born: SimTime, now: SimTime) {
        self.sojourns += (now - born).as_nanos();
    }

    /// Starts the measured period.
    pub(super) fn set_mark(&mut self) {
        self.mark = Mark {
            at: self.until,
            in_system: self.in_system,
            waiting: self.waiting,
        };
    }

    /// Returns the means since the mark.
    pub(super) fn means(&self) -> Means {
        let length = (self.until - self.mark.at).as_nanos() as f64;
        Means {
            in_system: (self.in_system - self.mark.in_system) as f64 / length,
            waiting: (self.waiting - self.mark.waiting) as f64 / length,
        }
    }

    /// Returns the area under the number in the system minus the sum of all sojourn times, in nanoseconds. By Little's law
    /// it is exactly 0 once all jobs have left.
    pub(super) fn difference(&self) -> f64 {
        if self.in_system >= self.sojourns {
            (self.in_system - self.sojourns) as f64
        } else {
            -((self.sojourns - self.in_system) as f64)
        }
    }
}
