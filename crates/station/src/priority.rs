//! Non-preemptive priority classes: the most urgent waiting class goes first, jobs in service are not interrupted.

use std::collections::VecDeque;
use std::time::Duration;

use crate::line::Started;
use crate::time::SimTime;

/// Servers that take the first waiting job of the most urgent class and do not interrupt jobs in service.
///
/// The caller schedules a completion for each [`Started`] and reports it with
/// [`handle_completion`](Self::handle_completion).
#[derive(Clone, Debug)]
pub struct Priority<J> {
    servers: usize,
    busy: usize,
    /// Waiting jobs by class, the most urgent class first.
    lines: Vec<VecDeque<Waiting<J>>>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting<J> {
    job: J,
    since: SimTime,
    service_time: Duration,
}

impl<J: Copy> Priority<J> {
    /// Creates a station with `servers` free servers and `classes` classes, at least one of each.
    pub fn new(servers: usize, classes: usize) -> Self {
        Self {
            servers: servers.max(1),
            busy: 0,
            lines: (0..classes.max(1)).map(|_| VecDeque::new()).collect(),
        }
    }

    /// Takes a job that arrives at `now`; returns it if a server starts it at once, or `None` if it waits. Class 0 is the
    /// most urgent; a class beyond the last counts as the last.
    pub fn handle_arrival(
        &mut self,
        now: SimTime,
        job: J,
        class: usize,
        service_time: Duration,
    ) -> Option<Started<J>> {
        if self.busy < self.servers {
            self.busy += 1;
            return Some(Started {
                job,
                waited: Duration::ZERO,
                done_at: now + service_time,
            });
        }
        let class = class.min(self.lines.len() - 1);
        self.lines[class].push_back(Waiting {
            job,
            since: now,
            service_time,
        });
        None
    }

    /// Completes a job at `now`; returns the job that the server starts next, or `None` if no job waits.
    pub fn handle_completion(&mut self, now: SimTime) -> Option<Started<J>> {
        debug_assert!(self.busy > 0, "completion without a job in service");
        self.busy -= 1;
        let next = self.lines.iter_mut().find_map(VecDeque::pop_front)?;
        self.busy += 1;
        Some(Started {
            job: next.job,
            waited: now - next.since,
            done_at: now + next.service_time,
        })
    }

    /// Returns the number of jobs of `class` waiting for a server.
    pub fn waiting(&self, class: usize) -> usize {
        self.lines.get(class).map_or(0, VecDeque::len)
    }

    /// Returns the number of jobs waiting or in service.
    pub fn in_system(&self) -> usize {
        self.busy + self.lines.iter().map(VecDeque::len).sum::<usize>()
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
    fn the_urgent_class_overtakes_but_does_not_interrupt() {
        let mut station = Priority::new(1, 2);
        assert!(station.handle_arrival(at(0), 'a', 1, 5 * MS).is_some());
        assert_eq!(station.handle_arrival(at(1), 'b', 1, MS), None);
        assert_eq!(station.handle_arrival(at(2), 'c', 0, MS), None);
        assert_eq!((station.waiting(0), station.waiting(1)), (1, 1));
        let urgent = station.handle_completion(at(5)).expect("a job waits");
        assert_eq!((urgent.job, urgent.waited), ('c', 3 * MS));
        let patient = station.handle_completion(at(6)).expect("a job waits");
        assert_eq!((patient.job, patient.done_at), ('b', at(7)));
        assert_eq!(station.handle_completion(at(7)), None);
        assert_eq!(station.in_system(), 0);
    }

    #[test]
    fn jobs_of_one_class_start_in_order_of_arrival() {
        let mut station = Priority::new(1, 1);
        for (job, ms) in [('a', 0), ('b', 1), ('c', 2)] {
            station.handle_arrival(at(ms), job, 7, MS);
        }
        let order: Vec<_> = (3..5)
            .filter_map(|ms| station.handle_completion(at(ms)))
            .map(|started| started.job)
            .collect();
        assert_eq!(order, ['b', 'c']);
    }
}
