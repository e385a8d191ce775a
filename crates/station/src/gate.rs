//! A gate that opens at intervals and admits a batch: the admission tick of a waiting room.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::SimTime;

/// Jobs that wait at a gate, in order of arrival.
#[derive(Clone, Debug)]
pub struct Gate<J> {
    line: VecDeque<(J, SimTime)>,
}

impl<J: Copy> Gate<J> {
    /// Creates a gate with no waiting jobs.
    pub const fn new() -> Self {
        Self {
            line: VecDeque::new(),
        }
    }

    /// Takes a job that arrives at `now`; it waits at least until the next opening.
    pub fn handle_arrival(&mut self, now: SimTime, job: J) {
        self.line.push_back((job, now));
    }

    /// Opens the gate at `now` for up to `at_most` jobs; returns the admitted jobs, each with its waiting time. Dropping the
    /// iterator early admits the remaining ones too.
    pub fn handle_opening(
        &mut self,
        now: SimTime,
        at_most: usize,
    ) -> impl Iterator<Item = (J, Duration)> {
        let batch = at_most.min(self.line.len());
        let admitted = self.line.drain(..batch);
        admitted.map(move |(job, since)| (job, now - since))
    }

    /// Returns the number of waiting jobs.
    pub fn waiting(&self) -> usize {
        self.line.len()
    }
}

impl<J: Copy> Default for Gate<J> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_admitted_in_order_of_arrival() {
        let mut gate = Gate::new();
        for (second, job) in [(0, 'a'), (1, 'b'), (2, 'c')] {
            gate.handle_arrival(SimTime::from_secs(second), job);
        }
        let admitted: Vec<_> = gate.handle_opening(SimTime::from_secs(3), 2).collect();
        let secs = Duration::from_secs;
        assert_eq!(admitted, [('a', secs(3)), ('b', secs(2))]);
        assert_eq!(gate.waiting(), 1);
        assert_eq!(gate.handle_opening(SimTime::from_secs(4), 9).count(), 1);
    }
}
