//! First come, first served, with as many servers as you like: the virtual processor, Redis, M/G/c.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::time::SimTime;

/// Servers that take work in the order of its arrival.
///
/// Without a limit and without abandonment, work that arrives now already knows when it will be done: nothing has to be
/// kept but the instant at which each server is free again.
#[derive(Clone, Debug)]
pub struct Fifo {
    free_at: BinaryHeap<Reverse<SimTime>>,
    busy: Duration,
}

impl Fifo {
    /// Builds a station with `servers` servers, at least one, all of them free.
    pub fn new(servers: usize) -> Self {
        Self {
            free_at: vec![Reverse(SimTime::ZERO); servers.max(1)].into(),
            busy: Duration::ZERO,
        }
    }

    /// Books work that arrives at `now`; returns when it is done.
    pub fn book(&mut self, now: SimTime, service_time: Duration) -> SimTime {
        let mut first_free = self.free_at.peek_mut().expect("at least one server");
        let done_at = first_free.0.max(now) + service_time;
        *first_free = Reverse(done_at);
        self.busy += service_time;
        done_at
    }

    /// How long work that arrives at `now` waits for a server.
    pub fn backlog(&self, now: SimTime) -> Duration {
        let first_free = self.free_at.peek().expect("at least one server");
        first_free.0.saturating_since(now)
    }

    /// Time spent by all servers until `now`, without the work that still waits. Exact for one server; with several, work
    /// that waits behind a busy server counts as that server's.
    pub fn busy_until(&self, now: SimTime) -> Duration {
        let ahead = self
            .free_at
            .iter()
            .map(|free_at| free_at.0.saturating_since(now));
        self.busy.saturating_sub(ahead.sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> SimTime {
        SimTime::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn work_waits_for_the_work_before_it() {
        let mut cpu = Fifo::new(1);
        assert_eq!(cpu.book(at(10), 2 * MS), at(12));
        assert_eq!(cpu.book(at(11), 3 * MS), at(15));
        assert_eq!(cpu.backlog(at(12)), 3 * MS);
        assert_eq!(cpu.book(at(20), MS), at(21));
    }

    #[test]
    fn busy_time_counts_only_what_is_done() {
        let mut cpu = Fifo::new(1);
        cpu.book(at(0), 10 * MS);
        assert_eq!(cpu.busy_until(at(4)), 4 * MS);
        assert_eq!(cpu.busy_until(at(50)), 10 * MS);
    }

    #[test]
    fn the_server_that_is_free_first_takes_the_next_work() {
        let mut tills = Fifo::new(2);
        assert_eq!(tills.book(at(0), 10 * MS), at(10));
        assert_eq!(tills.book(at(0), 3 * MS), at(3));
        assert_eq!(tills.book(at(1), 4 * MS), at(7));
        assert_eq!(tills.book(at(20), MS), at(21));
    }
}
