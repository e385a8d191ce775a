//! First come, first served, with any number of servers: a virtual CPU, Redis, M/G/c.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::time::SimTime;

/// Servers that take jobs in order of arrival.
///
/// There is no limit and no abandonment, so the completion time of a job is known when it arrives. The station only stores
/// when each server is free again.
#[derive(Clone, Debug)]
pub struct Fifo {
    free_at: BinaryHeap<Reverse<SimTime>>,
    busy: Duration,
}

impl Fifo {
    /// Creates a station with `servers` free servers, at least one.
    pub fn new(servers: usize) -> Self {
        Self {
            free_at: vec![Reverse(SimTime::ZERO); servers.max(1)].into(),
            busy: Duration::ZERO,
        }
    }

    /// Books a job that arrives at `now`; returns when it will be done.
    pub fn book(&mut self, now: SimTime, service_time: Duration) -> SimTime {
        let mut first_free = self.free_at.peek_mut().expect("at least one server");
        let done_at = first_free.0.max(now) + service_time;
        *first_free = Reverse(done_at);
        self.busy += service_time;
        done_at
    }

    /// Returns how long a job that arrives at `now` will wait for a server.
    pub fn backlog(&self, now: SimTime) -> Duration {
        let first_free = self.free_at.peek().expect("at least one server");
        first_free.0.saturating_since(now)
    }

    /// Returns the time that all servers together have worked until `now`.
    ///
    /// Exact for one server. With several, work that waits behind a busy server is attributed to that server.
    pub fn busy_until(&self, now: SimTime) -> Duration {
        // Jobs are counted when they are booked, so subtract the part that lies in the future.
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
    fn jobs_wait_for_earlier_jobs() {
        let mut cpu = Fifo::new(1);
        assert_eq!(cpu.book(at(10), 2 * MS), at(12));
        assert_eq!(cpu.book(at(11), 3 * MS), at(15));
        assert_eq!(cpu.backlog(at(12)), 3 * MS);
        assert_eq!(cpu.book(at(20), MS), at(21));
    }

    #[test]
    fn busy_time_excludes_work_not_done_yet() {
        let mut cpu = Fifo::new(1);
        cpu.book(at(0), 10 * MS);
        assert_eq!(cpu.busy_until(at(4)), 4 * MS);
        assert_eq!(cpu.busy_until(at(50)), 10 * MS);
    }

    #[test]
    fn the_first_free_server_takes_the_next_job() {
        let mut station = Fifo::new(2);
        assert_eq!(station.book(at(0), 10 * MS), at(10));
        assert_eq!(station.book(at(0), 3 * MS), at(3));
        assert_eq!(station.book(at(1), 4 * MS), at(7));
        assert_eq!(station.book(at(20), MS), at(21));
    }
}
