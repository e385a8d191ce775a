//! A station with a queue: one simulation for all cases that differ only in distributions, servers, limit and patience.

use std::cmp::Reverse;

use tiketi_station::{Arrival, Line, Started, Ticket};

use super::ledger::{Ledger, Means};
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;
use tiketi_station::calendar::Calendar;

/// One part in this many of the arrivals is left out of steady-state metrics, because the system starts empty. A tenth of a
/// run of at least 100,000 arrivals is 100 times longer than the queues of the suite need to forget their start.
pub(super) const TRANSIENT_PART: u64 = 10;

/// A station with a queue.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub(super) arrival_rate: f64,
    pub(super) service: Distribution,
    /// Patience of waiting jobs; `None` means unlimited.
    pub(super) patience: Option<Distribution>,
    pub(super) servers: u32,
    /// Maximum number of jobs in the system; `None` means unlimited.
    pub(super) limit: Option<u32>,
}

/// Which durations are stored individually, for percentiles: the longest ones, as a share of the arrivals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Keep {
    Nothing,
    Waits(f64),
    Responses(f64),
}

/// What was measured after the transient.
#[derive(Clone, Debug)]
pub(super) struct QueueStats {
    arrivals: u64,
    blocked: u64,
    abandoned: u64,
    started: u64,
    waited_at_all: u64,
    waits: u128,
    responses: u128,
    means: Means,
    ledger: Ledger,
    longest: Longest,
}

/// An event of the simulation. A job is identified by its arrival time.
#[derive(Clone, Copy, Debug)]
enum QueueEvent {
    Arrival,
    Completion(SimTime),
    Deadline(Ticket),
}

struct Simulation<'a> {
    queue: &'a Queue,
    calendar: Calendar<QueueEvent>,
    line: Line<SimTime>,
    keep: Keep,
    measured_from: SimTime,
    seen: QueueStats,
    streams: [Stream; 3],
}

impl Queue {
    /// Creates an M/M/c queue without a limit.
    pub(super) const fn markov(arrival_rate: f64, service_rate: f64, servers: u32) -> Self {
        Self {
            arrival_rate,
            service: Distribution::Exponential {
                mean: 1.0 / service_rate,
            },
            patience: None,
            servers,
            limit: None,
        }
    }

    /// Simulates a number of arrivals, and then until all jobs have left. Metrics cover the arrivals after the transient;
    /// means over time end with the last arrival.
    pub(super) fn simulate(&self, streams: Streams, arrivals: u64, keep: Keep) -> QueueStats {
        let mut simulation = Simulation {
            queue: self,
            calendar: Calendar::new(),
            line: Line::new(
                self.servers as usize,
                self.limit.map(|limit| limit as usize),
            ),
            keep,
            measured_from: SimTime::from_nanos(u64::MAX),
            seen: QueueStats::new(keep.room(arrivals)),
            streams: ["arrivals", "service", "patience"].map(|name| streams.named(name)),
        };
        simulation.run(arrivals);
        simulation.seen
    }
}

impl Simulation<'_> {
    fn run(&mut self, arrivals: u64) {
        let mut left = arrivals;
        self.calendar.enter(SimTime::ZERO, QueueEvent::Arrival);
        while let Some((now, entry)) = self.calendar.next() {
            let (in_system, waiting) = (self.line.in_system(), self.line.waiting());
            self.seen.ledger.handle_stretch(now, in_system, waiting);
            match entry {
                QueueEvent::Arrival => {
                    if arrivals - left == arrivals / TRANSIENT_PART {
                        self.measured_from = now;
                        self.seen.ledger.set_mark();
                    }
                    left -= 1;
                    self.handle_arrival(now, left == 0);
                }
                QueueEvent::Completion(born) => {
                    self.handle_response(born, now);
                    if let Some(started) = self.line.handle_completion(now) {
                        self.handle_start(started);
                    }
                }
                QueueEvent::Deadline(ticket) => self.handle_deadline(now, ticket),
            }
        }
    }

    fn handle_arrival(&mut self, now: SimTime, is_last: bool) {
        let queue = self.queue;
        let [_, service, patience] = &mut self.streams;
        let service_time = queue.service.sample(service);
        let is_measured = now >= self.measured_from;
        self.seen.arrivals += u64::from(is_measured);
        match self.line.handle_arrival(now, now, service_time) {
            Arrival::Started(started) => self.handle_start(started),
            Arrival::Waits(ticket) => {
                if let Some(law) = queue.patience {
                    let deadline = now + law.sample(patience);
                    self.calendar.enter(deadline, QueueEvent::Deadline(ticket));
                }
            }
            Arrival::Blocked => self.seen.blocked += u64::from(is_measured),
        }
        if is_last {
            self.seen.means = self.seen.ledger.means();
            return;
        }
        let gap = Distribution::Exponential {
            mean: 1.0 / queue.arrival_rate,
        };
        let [arrivals, ..] = &mut self.streams;
        let next = now + gap.sample(arrivals);
        self.calendar.enter(next, QueueEvent::Arrival);
    }

    fn handle_start(&mut self, started: Started<SimTime>) {
        self.calendar
            .enter(started.done_at, QueueEvent::Completion(started.job));
        if started.job < self.measured_from {
            return;
        }
        let waited = started.waited.as_nanos();
        self.seen.started += 1;
        self.seen.waited_at_all += u64::from(waited > 0);
        self.seen.waits += waited;
        if matches!(self.keep, Keep::Waits(_)) {
            self.seen.longest.keep(waited);
        }
    }

    fn handle_response(&mut self, born: SimTime, now: SimTime) {
        self.seen.ledger.handle_departure(born, now);
        if born < self.measured_from {
            return;
        }
        let response = (now - born).as_nanos();
        self.seen.responses += response;
        if matches!(self.keep, Keep::Responses(_)) {
            self.seen.longest.keep(response);
        }
    }

    fn handle_deadline(&mut self, now: SimTime, ticket: Ticket) {
        if let Some(born) = self.line.handle_deadline(ticket) {
            self.seen.ledger.handle_departure(born, now);
            self.seen.abandoned += u64::from(born >= self.measured_from);
        }
    }
}

impl QueueStats {
    fn new(room: usize) -> Self {
        let ledger = Ledger::default();
        Self {
            arrivals: 0,
            blocked: 0,
            abandoned: 0,
            started: 0,
            waited_at_all: 0,
            waits: 0,
            responses: 0,
            means: ledger.means(),
            ledger,
            longest: Longest::new(room),
        }
    }

    /// Returns the mean number of jobs in the system, L.
    pub(super) const fn in_system(&self) -> f64 {
        self.means.in_system
    }

    /// Returns the mean number of waiting jobs, Lq.
    pub(super) const fn waiting(&self) -> f64 {
        self.means.waiting
    }

    /// Returns the mean waiting time of served jobs, in seconds.
    pub(super) fn wait(&self) -> f64 {
        self.waits as f64 / self.started as f64 / 1e9
    }

    /// Returns the mean response time of served jobs, in seconds.
    pub(super) fn response(&self) -> f64 {
        self.responses as f64 / self.started as f64 / 1e9
    }

    /// Returns the share of served jobs that waited.
    pub(super) fn share_waited(&self) -> f64 {
        self.waited_at_all as f64 / self.started as f64
    }

    /// Returns the share of arrivals that were blocked.
    pub(super) fn share_blocked(&self) -> f64 {
        self.blocked as f64 / self.arrivals as f64
    }

    /// Returns the share of arrivals that abandoned.
    pub(super) fn share_abandoned(&self) -> f64 {
        self.abandoned as f64 / self.arrivals as f64
    }

    /// Returns the difference that is 0 by Little's law, in nanoseconds.
    pub(super) fn little_difference(&self) -> f64 {
        self.ledger.difference()
    }

    /// Returns the `p`-quantile of the stored durations of served jobs, in seconds; it must be within the stored share.
    pub(super) fn quantile(&mut self, p: f64) -> f64 {
        self.longest.nth(count(self.started as f64 * (1.0 - p)))
    }
}

impl Keep {
    fn room(self, arrivals: u64) -> usize {
        match self {
            Self::Nothing => 0,
            // One more, because the index of a quantile is rounded.
            Self::Waits(part) | Self::Responses(part) => count(arrivals as f64 * part) + 1,
        }
    }
}

/// The longest of many durations, in nanoseconds. Storing all would take megabytes per replication, and a heap would have to
/// be reordered for each; selecting from a buffer of twice the size takes constant time per duration, amortized.
#[derive(Clone, Debug)]
struct Longest {
    room: usize,
    /// Up to twice `room` durations, unordered.
    kept: Vec<u64>,
    /// Durations up to this are not among the longest. Zero is never stored.
    floor: u64,
}

impl Longest {
    fn new(room: usize) -> Self {
        Self {
            room,
            kept: Vec::with_capacity(2 * room),
            floor: 0,
        }
    }

    fn keep(&mut self, nanos: u128) {
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        if nanos <= self.floor {
            return;
        }
        self.kept.push(nanos);
        if self.kept.len() == 2 * self.room {
            let last = self.room - 1;
            let (_, floor, _) = self
                .kept
                .select_nth_unstable_by_key(last, |nanos| Reverse(*nanos));
            self.floor = *floor;
            self.kept.truncate(self.room);
        }
    }

    /// Returns the duration, in seconds, that exactly `longer` stored ones exceed; 0 if at most that many are stored.
    fn nth(&mut self, longer: usize) -> f64 {
        if longer >= self.kept.len() {
            return 0.0;
        }
        let by_length = |nanos: &u64| Reverse(*nanos);
        let (_, nanos, _) = self.kept.select_nth_unstable_by_key(longer, by_length);
        *nanos as f64 / 1e9
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a number of arrivals"
)]
const fn count(number: f64) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_durations_are_kept() {
        let mut longest = Longest::new(11);
        for number in 0..1_000_u128 {
            // Each number below 1,000 once, in a mixed order.
            longest.keep(number * 387 % 1_000);
        }
        assert!(longest.kept.len() < 22);
        for (longer, nanos) in [(0, 999.0), (5, 994.0), (10, 989.0)] {
            let found = longest.nth(longer) * 1e9;
            assert!((found - nanos).abs() < 0.5, "{found} instead of {nanos}");
        }
    }

    #[test]
    fn percentile_is_zero_if_too_few_waited() {
        let mut longest = Longest::new(4);
        for nanos in [0, 0, 7, 0] {
            longest.keep(nanos);
        }
        assert!(longest.nth(0) > 0.0);
        assert!(longest.nth(1) <= 0.0);
    }
}
