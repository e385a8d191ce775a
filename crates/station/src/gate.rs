//! A gate that opens now and then and lets a few in: the admission tick of a waiting room.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::SimTime;

/// Jobs that wait for a gate, in the order of their arrival.
#[derive(Clone, Debug)]
pub struct Gate<J> {
    line: VecDeque<(J, SimTime)>,
}

impl<J: Copy> Gate<J> {
    /// Builds a gate before which nobody waits.
    pub const fn new() -> Self {
        Self {
            line: VecDeque::new(),
        }
    }

    /// Takes a job that arrives at `now`: it waits at least until the gate opens next.
    pub fn handle_arrival(&mut self, now: SimTime, job: J) {
        self.line.push_back((job, now));
    }

    /// Opens the gate at `now` for `at_most` jobs; returns those let in, each with its wait. Those not taken from the
    /// iterator are let in as well.
    pub fn handle_opening(
        &mut self,
        now: SimTime,
        at_most: usize,
    ) -> impl Iterator<Item = (J, Duration)> {
        let let_in = at_most.min(self.line.len());
        let line = self.line.drain(..let_in);
        line.map(move |(job, since)| (job, now - since))
    }

    /// Jobs that wait.
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
    fn the_first_to_come_are_let_in_and_the_rest_waits_on() {
        let mut gate = Gate::new();
        for (second, job) in [(0, 'a'), (1, 'b'), (2, 'c')] {
            gate.handle_arrival(SimTime::from_secs(second), job);
        }
        let let_in: Vec<_> = gate.handle_opening(SimTime::from_secs(3), 2).collect();
        let secs = Duration::from_secs;
        assert_eq!(let_in, [('a', secs(3)), ('b', secs(2))]);
        assert_eq!(gate.waiting(), 1);
        assert_eq!(gate.handle_opening(SimTime::from_secs(4), 9).count(), 1);
    }
}
