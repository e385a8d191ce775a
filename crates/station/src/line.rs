//! A queue with a limit and patience in front of servers: a connection pool, a ticket window, Erlang-A.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::SimTime;

/// Servers that take jobs in order of arrival. A job that arrives when the system is full is blocked; a job that waits too
/// long leaves.
///
/// The caller keeps the calendar. For each [`Started`] it schedules a completion at [`Started::done_at`] and reports it with
/// [`handle_completion`](Self::handle_completion); for each waiting job with limited patience it schedules a deadline and
/// reports it with [`handle_deadline`](Self::handle_deadline). Jobs of unknown length (a connection in use) have a service
/// time of zero, and the caller reports their completion when it happens.
///
/// Every operation takes constant time, amortized.
#[derive(Clone, Debug)]
pub struct Line<J> {
    servers: usize,
    busy: usize,
    limit: Option<usize>,
    /// Waiting jobs by ticket, without gaps; `None` where a job has left.
    line: VecDeque<Option<Waiting<J>>>,
    waiting: usize,
    /// The ticket of the first place in `line`.
    first: u64,
}

#[derive(Clone, Copy, Debug)]
struct Waiting<J> {
    job: J,
    since: SimTime,
    service_time: Duration,
}

/// A place in a [`Line`]; unique within the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// The outcome of an arrival at a [`Line`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival<J> {
    /// A server was free and started the job.
    Started(Started<J>),
    /// The job waits for a server.
    Waits(Ticket),
    /// The system was full; the job did not enter it.
    Blocked,
}

/// A job that a server has just started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started<J> {
    /// The job.
    pub job: J,
    /// How long it waited.
    pub waited: Duration,
    /// When it will be done; the caller schedules its completion for then.
    pub done_at: SimTime,
}

impl<J: Copy> Line<J> {
    /// Creates a station with `servers` free servers, at least one. At most `limit` jobs are in the system, including those
    /// in service; `None` means no limit.
    pub fn new(servers: usize, limit: Option<usize>) -> Self {
        Self {
            servers: servers.max(1),
            busy: 0,
            limit,
            line: VecDeque::new(),
            waiting: 0,
            first: 0,
        }
    }

    /// Takes a job that arrives at `now`.
    pub fn handle_arrival(&mut self, now: SimTime, job: J, service_time: Duration) -> Arrival<J> {
        if self.limit.is_some_and(|limit| self.in_system() >= limit) {
            return Arrival::Blocked;
        }
        let arrived = Waiting {
            job,
            since: now,
            service_time,
        };
        if self.busy < self.servers {
            self.busy += 1;
            return Arrival::Started(arrived.start(now));
        }
        self.line.push_back(Some(arrived));
        self.waiting += 1;
        Arrival::Waits(Ticket(self.first + self.line.len() as u64 - 1))
    }

    /// Completes a job at `now`; returns the job that the server starts next, or `None` if no job waits.
    pub fn handle_completion(&mut self, now: SimTime) -> Option<Started<J>> {
        debug_assert!(self.busy > 0, "completion without a job in service");
        self.busy -= 1;
        self.start_next(now)
    }

    /// Ends the patience of the job with this ticket; returns the job, which has left, or `None` if the deadline is stale
    /// because the job no longer waits.
    pub fn handle_deadline(&mut self, ticket: Ticket) -> Option<J> {
        let place = usize::try_from(ticket.0.checked_sub(self.first)?).ok()?;
        let left = self.line.get_mut(place)?.take()?;
        self.waiting -= 1;
        self.drop_empty_places();
        Some(left.job)
    }

    /// Adds a server at `now`; returns the job that it starts, or `None` if no job waits.
    pub fn add_server(&mut self, now: SimTime) -> Option<Started<J>> {
        self.servers += 1;
        self.start_next(now)
    }

    /// Removes all waiting jobs, in order of arrival, because the station is down. Jobs in service stay with their servers.
    pub fn turn_away(&mut self) -> impl Iterator<Item = J> {
        self.first += self.line.len() as u64;
        self.waiting = 0;
        let line = std::mem::take(&mut self.line);
        line.into_iter().flatten().map(|waiting| waiting.job)
    }

    /// Returns the number of jobs waiting for a server.
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Returns the number of busy servers.
    pub const fn busy(&self) -> usize {
        self.busy
    }

    /// Returns the number of jobs waiting or in service.
    pub const fn in_system(&self) -> usize {
        self.busy + self.waiting
    }

    fn start_next(&mut self, now: SimTime) -> Option<Started<J>> {
        self.drop_empty_places();
        let next = self.line.pop_front()?.expect("empty places were dropped");
        self.first += 1;
        self.waiting -= 1;
        self.busy += 1;
        Some(next.start(now))
    }

    fn drop_empty_places(&mut self) {
        while let Some(None) = self.line.front() {
            self.line.pop_front();
            self.first += 1;
        }
    }
}

impl<J> Waiting<J> {
    fn start(self, now: SimTime) -> Started<J> {
        Started {
            job: self.job,
            waited: now - self.since,
            done_at: now + self.service_time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> SimTime {
        SimTime::from_nanos(ms * 1_000_000)
    }

    fn ticket(arrival: Arrival<char>) -> Ticket {
        match arrival {
            Arrival::Waits(ticket) => ticket,
            other => panic!("the job does not wait: {other:?}"),
        }
    }

    fn started(job: char, waited_ms: u32, done_at_ms: u64) -> Started<char> {
        Started {
            job,
            waited: waited_ms * MS,
            done_at: at(done_at_ms),
        }
    }

    #[test]
    fn jobs_start_in_order_of_arrival() {
        let mut line = Line::new(1, None);
        let first = line.handle_arrival(at(0), 'a', 5 * MS);
        assert_eq!(first, Arrival::Started(started('a', 0, 5)));
        ticket(line.handle_arrival(at(1), 'b', 2 * MS));
        ticket(line.handle_arrival(at(2), 'c', 2 * MS));
        assert_eq!((line.waiting(), line.in_system()), (2, 3));
        assert_eq!(line.handle_completion(at(5)), Some(started('b', 4, 7)));
        assert_eq!(line.handle_completion(at(7)), Some(started('c', 5, 9)));
        assert_eq!(line.handle_completion(at(9)), None);
        assert_eq!(line.in_system(), 0);
    }

    #[test]
    fn a_full_system_blocks_arrivals() {
        let mut line = Line::new(1, Some(2));
        line.handle_arrival(at(0), 'a', 5 * MS);
        line.handle_arrival(at(0), 'b', 5 * MS);
        assert_eq!(line.handle_arrival(at(1), 'c', MS), Arrival::Blocked);
        line.handle_completion(at(5));
        ticket(line.handle_arrival(at(6), 'd', MS));
    }

    #[test]
    fn a_job_that_gave_up_is_skipped_and_frees_its_place() {
        let mut line = Line::new(1, Some(3));
        line.handle_arrival(at(0), 'a', 9 * MS);
        let b = ticket(line.handle_arrival(at(0), 'b', MS));
        let c = ticket(line.handle_arrival(at(0), 'c', MS));
        assert_eq!(line.handle_deadline(b), Some('b'));
        assert_eq!(line.handle_deadline(b), None);
        let d = ticket(line.handle_arrival(at(1), 'd', MS));
        assert_eq!(line.handle_completion(at(9)), Some(started('c', 9, 10)));
        assert_eq!(line.handle_deadline(c), None, "it is in service");
        assert_eq!(line.handle_deadline(d), Some('d'));
        assert_eq!(line.handle_completion(at(10)), None);
    }

    #[test]
    fn a_gap_in_the_middle_of_the_queue_is_skipped() {
        let mut line = Line::new(1, None);
        line.handle_arrival(at(0), 'a', MS);
        ticket(line.handle_arrival(at(0), 'b', MS));
        let c = ticket(line.handle_arrival(at(0), 'c', MS));
        let d = ticket(line.handle_arrival(at(0), 'd', MS));
        assert_eq!(line.handle_deadline(c), Some('c'));
        assert_eq!(line.handle_completion(at(1)), Some(started('b', 1, 2)));
        assert_eq!(line.handle_completion(at(2)), Some(started('d', 2, 3)));
        assert_eq!(line.handle_deadline(d), None);
    }

    #[test]
    fn an_added_server_starts_the_first_waiting_job() {
        let mut line = Line::new(1, None);
        line.handle_arrival(at(0), 'a', 9 * MS);
        line.handle_arrival(at(0), 'b', 9 * MS);
        assert_eq!(line.add_server(at(3)), Some(started('b', 3, 12)));
        assert_eq!(line.add_server(at(4)), None);
        let next = line.handle_arrival(at(5), 'c', MS);
        assert_eq!(next, Arrival::Started(started('c', 0, 6)));
    }

    #[test]
    fn tickets_from_before_an_outage_are_stale() {
        let mut line = Line::new(1, None);
        line.handle_arrival(at(0), 'a', 9 * MS);
        let b = ticket(line.handle_arrival(at(0), 'b', MS));
        assert_eq!(line.turn_away().collect::<Vec<_>>(), ['b']);
        ticket(line.handle_arrival(at(1), 'c', MS));
        assert_eq!(line.handle_deadline(b), None);
        assert_eq!((line.busy(), line.waiting()), (1, 1));
    }
}
