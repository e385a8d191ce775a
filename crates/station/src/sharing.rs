//! Processor sharing: all jobs run at once at equal speed, such as queries on the cores of a database.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::time::SimTime;

/// Binary fraction digits of work in nanoseconds (fixed point), so that a job's small share of a nanosecond is not lost.
const PLACES: u32 = 32;

/// Cores that all jobs share equally. A job uses at most one core, so it runs at the rate min(1, cores / jobs).
///
/// The caller keeps the calendar: whenever the next completion moves, the station returns a new [`Due`] that replaces the
/// previous one. The epoch identifies stale ones.
///
/// The algorithm keeps the work that a job present from the beginning would have received. A job is done when that counter
/// has grown by its own work, so arrivals and completions don't touch the other jobs, and every operation takes time
/// logarithmic in the number of jobs.
///
/// Work is exact: each job gets precisely its work and is done at the first whole nanosecond at which it has it. Jobs that
/// are done at the same time complete in order of the work they had left, then of arrival.
#[derive(Clone, Debug)]
pub struct Sharing<J> {
    cores: u32,
    jobs: BinaryHeap<Running<J>>,
    /// Work that a job present from the beginning would have received, in nanoseconds with [`PLACES`] fraction digits.
    attained: u128,
    /// The time at which `attained` was computed.
    since: SimTime,
    /// Core time used until `since`, in nanoseconds.
    busy: u128,
    arrivals: u64,
    epoch: u64,
}

/// The next completion of a [`Sharing`] station, for the caller to schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When it is due.
    pub at: SimTime,
    /// The argument for [`Sharing::handle_completion`].
    pub epoch: Epoch,
}

/// Distinguishes the current [`Due`] from stale ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u64);

/// A job that a [`Sharing`] station has just completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done<J> {
    /// The job.
    pub job: J,
    /// The next completion; `None` if no job is left.
    pub next: Option<Due>,
}

#[derive(Clone, Copy, Debug)]
struct Running<J> {
    /// The value of `attained` at which the job is done.
    done_with: u128,
    /// Order of arrival.
    number: u64,
    job: J,
}

impl<J: Copy> Sharing<J> {
    /// Creates a station with `cores` cores, at least one, and no jobs.
    pub fn new(cores: u32) -> Self {
        Self {
            cores: cores.max(1),
            jobs: BinaryHeap::new(),
            attained: 0,
            since: SimTime::ZERO,
            busy: 0,
            arrivals: 0,
            epoch: 0,
        }
    }

    /// Takes a job that arrives at `now` and needs `work` of core time. Returns the next completion if it has moved, or
    /// `None` if the one scheduled before is still current.
    pub fn handle_arrival(&mut self, now: SimTime, job: J, work: Duration) -> Option<Due> {
        self.advance(now);
        let running = Running {
            done_with: self.attained + (work.as_nanos() << PLACES),
            number: self.arrivals,
            job,
        };
        self.arrivals += 1;
        // The next completion moves if this job is the next to be done, or if it slows the others down.
        let is_first = self.jobs.peek().is_none_or(|first| running > *first);
        self.jobs.push(running);
        if is_first || self.jobs.len() > self.cores as usize {
            return self.next_due(now);
        }
        None
    }

    /// Handles the completion scheduled with `epoch`, at `now`. Returns `None` if it is stale.
    pub fn handle_completion(&mut self, now: SimTime, epoch: Epoch) -> Option<Done<J>> {
        if epoch.0 != self.epoch {
            return None;
        }
        self.advance(now);
        let done = self.jobs.pop()?;
        debug_assert!(done.done_with <= self.attained, "completed too early");
        Some(Done {
            job: done.job,
            next: self.next_due(now),
        })
    }

    /// Removes all jobs unfinished, in order of arrival, because the station is down. Scheduled completions become stale.
    pub fn turn_away(&mut self, now: SimTime) -> impl Iterator<Item = J> {
        self.advance(now);
        self.epoch += 1;
        let mut jobs = std::mem::take(&mut self.jobs).into_vec();
        jobs.sort_unstable_by_key(|running| running.number);
        jobs.into_iter().map(|running| running.job)
    }

    /// Returns the number of jobs in service.
    pub fn in_system(&self) -> usize {
        self.jobs.len()
    }

    /// Returns the core time used until `now`.
    pub fn busy_until(&self, now: SimTime) -> Duration {
        let used = self.busy + self.core_time(now.saturating_since(self.since));
        Duration::from_nanos(u64::try_from(used).unwrap_or(u64::MAX))
    }

    fn core_time(&self, elapsed: Duration) -> u128 {
        elapsed.as_nanos() * self.jobs.len().min(self.cores as usize) as u128
    }

    /// Advances `attained` and `busy` to `now`. Between two changes all jobs run at the same constant rate.
    fn advance(&mut self, now: SimTime) {
        let elapsed = now.saturating_since(self.since);
        self.busy += self.core_time(elapsed);
        self.since = now;
        let jobs = self.jobs.len() as u128;
        let cores = u128::from(self.cores);
        let alone = elapsed.as_nanos() << PLACES;
        self.attained += if jobs > cores {
            alone * cores / jobs
        } else {
            alone
        };
    }

    /// Returns the next completion, which replaces all scheduled ones. `attained` must be up to date for `now`.
    fn next_due(&mut self, now: SimTime) -> Option<Due> {
        self.epoch += 1;
        let left = self.jobs.peek()?.done_with.saturating_sub(self.attained);
        let jobs = self.jobs.len() as u128;
        let cores = u128::from(self.cores);
        let alone = if jobs > cores {
            (left * jobs).div_ceil(cores)
        } else {
            left
        };
        let nanos = alone.div_ceil(1 << PLACES);
        Some(Due {
            at: now + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)),
            epoch: Epoch(self.epoch),
        })
    }
}

/// Reversed, because `BinaryHeap` is a max-heap and the job that is done first must come out first.
impl<J> Ord for Running<J> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.done_with, other.number).cmp(&(self.done_with, self.number))
    }
}

impl<J> PartialOrd for Running<J> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<J> PartialEq for Running<J> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<J> Eq for Running<J> {}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> SimTime {
        SimTime::from_nanos(ms * 1_000_000)
    }

    /// Completes all jobs; returns each with its completion time.
    fn finish(station: &mut Sharing<char>, mut due: Option<Due>) -> Vec<(char, SimTime)> {
        let mut finished = Vec::new();
        while let Some(now) = due {
            let done = station
                .handle_completion(now.at, now.epoch)
                .expect("the last one scheduled is current");
            finished.push((done.job, now.at));
            due = done.next;
        }
        finished
    }

    #[test]
    fn two_jobs_on_one_core_run_at_half_speed() {
        let mut station = Sharing::new(1);
        let alone = station.handle_arrival(at(0), 'a', 4 * MS).expect("first");
        assert_eq!(alone.at, at(4));
        let shared = station.handle_arrival(at(2), 'b', 4 * MS);
        assert_eq!(station.handle_completion(alone.at, alone.epoch), None);
        assert_eq!(finish(&mut station, shared), [('a', at(6)), ('b', at(8))]);
        assert_eq!(station.busy_until(at(9)), 8 * MS);
    }

    #[test]
    fn a_job_uses_at_most_one_core() {
        let mut station = Sharing::new(2);
        let first = station.handle_arrival(at(0), 'a', 4 * MS);
        let second = station.handle_arrival(at(1), 'b', 9 * MS);
        assert_eq!(second, None, "the first completion has not moved");
        assert_eq!(finish(&mut station, first), [('a', at(4)), ('b', at(10))]);
    }

    #[test]
    fn jobs_with_equal_work_finish_in_order_of_arrival() {
        let mut station = Sharing::new(1);
        let mut due = None;
        for job in ['a', 'b', 'c'] {
            due = station.handle_arrival(at(0), job, MS);
        }
        let finished = finish(&mut station, due);
        assert_eq!(finished, [('a', at(3)), ('b', at(3)), ('c', at(3))]);
    }

    #[test]
    fn uneven_shares_lose_no_work() {
        let mut station = Sharing::new(1);
        let mut due = None;
        for nanos in 0..1_000_u64 {
            let now = SimTime::from_nanos(nanos);
            due = station.handle_arrival(now, 'x', Duration::from_nanos(1_000_003));
        }
        let finished = finish(&mut station, due);
        let (_, last) = finished.last().expect("a thousand are done");
        // The work of one core adds up to exactly this, and each completion is rounded up to a whole nanosecond.
        let late = last.as_nanos() - 1_000 * 1_000_003;
        assert!(late <= 1_000, "{late} ns late");
    }

    #[test]
    fn an_outage_removes_all_jobs_and_makes_completions_stale() {
        let mut station = Sharing::new(1);
        station.handle_arrival(at(0), 'a', 9 * MS);
        let due = station.handle_arrival(at(0), 'b', MS).expect("it is first");
        assert_eq!(station.turn_away(at(1)).collect::<Vec<_>>(), ['a', 'b']);
        assert_eq!(station.handle_completion(due.at, due.epoch), None);
        assert_eq!(station.in_system(), 0);
        let again = station.handle_arrival(at(5), 'c', MS).expect("first");
        assert_eq!(again.at, at(6));
    }
}
