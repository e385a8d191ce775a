//! The cores of the database server, shared evenly by the queries that run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::units::SimTime;

/// Processor sharing: each job gets a core of its own as long as there are cores enough, else an even part.
///
/// All jobs are served at the same speed, so the one that is done first is the one with the least service to come. `served`
/// is what a job would have got that has been there from the start; a job is done when it has grown by its demand.
#[derive(Clone, Debug)]
pub(super) struct Cores {
    cores: u32,
    served: Served,
    at: SimTime,
    jobs: BinaryHeap<Reverse<(Served, u64, u32)>>,
    sequence: u64,
    busy: Duration,
}

/// Service in picoseconds: rates are whole parts of a core, and rounding down to nanoseconds would add up.
type Served = u128;

const PICOS: u128 = 1_000;

impl Cores {
    pub(super) fn new(cores: u32) -> Self {
        Self {
            cores: cores.max(1),
            served: 0,
            at: SimTime::ZERO,
            jobs: BinaryHeap::new(),
            sequence: 0,
            busy: Duration::ZERO,
        }
    }

    /// Time that the cores have worked together.
    pub(super) const fn busy(&self) -> Duration {
        self.busy
    }

    pub(super) fn start(&mut self, now: SimTime, job: u32, demand: Duration) {
        self.advance(now);
        let done = self.served + demand.as_nanos() * PICOS;
        self.jobs.push(Reverse((done, self.sequence, job)));
        self.sequence += 1;
    }

    /// When the next job is done if no other begins.
    pub(super) fn next_done(&self) -> Option<SimTime> {
        let Reverse((done, _, _)) = self.jobs.peek()?;
        let (jobs, servers) = self.sharing();
        let picos = done.saturating_sub(self.served) * jobs;
        let nanos = picos.div_ceil(servers * PICOS);
        Some(self.at + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// A job that is done by `now`, or `None`.
    pub(super) fn poll_done(&mut self, now: SimTime) -> Option<u32> {
        if self.next_done()? > now {
            return None;
        }
        self.advance(now);
        self.jobs.pop().map(|Reverse((_, _, job))| job)
    }

    /// Stops all jobs.
    pub(super) fn clear(&mut self, now: SimTime) {
        self.advance(now);
        self.jobs.clear();
    }

    fn advance(&mut self, now: SimTime) {
        let passed = now.saturating_since(self.at);
        self.at = self.at.max(now);
        if self.jobs.is_empty() {
            return;
        }
        let (jobs, servers) = self.sharing();
        self.served += passed.as_nanos() * PICOS * servers / jobs;
        self.busy += passed * u32::try_from(servers).expect("at most the cores");
    }

    /// Jobs, and the cores that they keep busy.
    fn sharing(&self) -> (u128, u128) {
        let jobs = self.jobs.len() as u128;
        (jobs, jobs.min(u128::from(self.cores)))
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
    fn jobs_share_when_there_are_more_than_cores() {
        let mut cores = Cores::new(2);
        cores.start(at(0), 1, 4 * MS);
        cores.start(at(0), 2, 4 * MS);
        assert_eq!(cores.next_done(), Some(at(4)), "a core each");
        cores.start(at(2), 3, MS);
        cores.start(at(2), 4, 10 * MS);
        // Four jobs on two cores: half the speed.
        assert_eq!(cores.next_done(), Some(at(4)));
        assert_eq!(cores.poll_done(at(4)), Some(3));
        assert_eq!(cores.poll_done(at(4)), None);
        // One millisecond each is left of the first two, at two thirds of the speed.
        let next = cores.next_done().unwrap();
        assert_eq!(next, SimTime::from_nanos(5_500_000));
        assert_eq!(cores.poll_done(next), Some(1));
        assert_eq!(cores.poll_done(next), Some(2), "due at the same instant");
        assert_eq!(cores.next_done(), Some(at(13)), "8 ms alone");
        assert_eq!(cores.busy(), 11 * MS);
    }

    #[test]
    fn work_without_a_demand_is_done_at_once() {
        let mut cores = Cores::new(1);
        cores.start(at(1), 7, Duration::ZERO);
        assert_eq!(cores.next_done(), Some(at(1)));
        assert_eq!(cores.poll_done(at(1)), Some(7));
    }
}
