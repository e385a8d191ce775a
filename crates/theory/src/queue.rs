//! One station with a line: simulated once for all the cases that differ in laws, servers, limit and patience.

use std::cmp::Reverse;

use tiketi_station::{Arrival, Line, Started, Ticket};

use super::ledger::{Ledger, Means};
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;
use tiketi_station::calendar::Calendar;

/// Part of the arrivals that is left out of steady-state figures: the system starts empty. One tenth of a run of a
/// hundred thousand arrivals or more is a hundred times the time in which the queues of the suite forget their start.
pub(super) const TRANSIENT_PART: u64 = 10;

/// A station with a line.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub(super) arrival_rate: f64,
    pub(super) service: Distribution,
    /// `None` waits for as long as it takes.
    pub(super) patience: Option<Distribution>,
    pub(super) servers: u32,
    /// Jobs in the system, at most.
    pub(super) limit: Option<u32>,
}

/// Which lengths of time are kept one by one, for percentiles: the longest, this part of the arrivals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Keep {
    Nothing,
    Waits(f64),
    Responses(f64),
}

/// What was seen after the transient.
#[derive(Clone, Debug)]
pub(super) struct Seen {
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

/// A job is the instant of its arrival.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Arrival,
    Completion(SimTime),
    Deadline(Ticket),
}

struct Simulation<'a> {
    queue: &'a Queue,
    calendar: Calendar<Entry>,
    line: Line<SimTime>,
    keep: Keep,
    measured_from: SimTime,
    seen: Seen,
    streams: [Stream; 3],
}

impl Queue {
    /// M/M/c without a limit.
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

    /// Simulates so many arrivals, and then until everyone has left. Figures are of the arrivals after the transient;
    /// means over time end with the last arrival.
    pub(super) fn simulate(&self, streams: Streams, arrivals: u64, keep: Keep) -> Seen {
        let mut simulation = Simulation {
            queue: self,
            calendar: Calendar::new(),
            line: Line::new(
                self.servers as usize,
                self.limit.map(|limit| limit as usize),
            ),
            keep,
            measured_from: SimTime::from_nanos(u64::MAX),
            seen: Seen::new(keep.room(arrivals)),
            streams: ["arrivals", "service", "patience"].map(|name| streams.named(name)),
        };
        simulation.run(arrivals);
        simulation.seen
    }
}

impl Simulation<'_> {
    fn run(&mut self, arrivals: u64) {
        let mut left = arrivals;
        self.calendar.enter(SimTime::ZERO, Entry::Arrival);
        while let Some((now, entry)) = self.calendar.next() {
            let (in_system, waiting) = (self.line.in_system(), self.line.waiting());
            self.seen.ledger.handle_stretch(now, in_system, waiting);
            match entry {
                Entry::Arrival => {
                    if arrivals - left == arrivals / TRANSIENT_PART {
                        self.measured_from = now;
                        self.seen.ledger.set_mark();
                    }
                    left -= 1;
                    self.handle_arrival(now, left == 0);
                }
                Entry::Completion(born) => {
                    self.handle_response(born, now);
                    if let Some(started) = self.line.handle_completion(now) {
                        self.handle_start(started);
                    }
                }
                Entry::Deadline(ticket) => self.handle_deadline(now, ticket),
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
                    self.calendar.enter(deadline, Entry::Deadline(ticket));
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
        self.calendar.enter(next, Entry::Arrival);
    }

    fn handle_start(&mut self, started: Started<SimTime>) {
        self.calendar
            .enter(started.done_at, Entry::Completion(started.job));
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

impl Seen {
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

    /// Mean number in the system, L.
    pub(super) const fn in_system(&self) -> f64 {
        self.means.in_system
    }

    /// Mean number that waits, Lq.
    pub(super) const fn waiting(&self) -> f64 {
        self.means.waiting
    }

    /// Mean wait of those who were served, seconds.
    pub(super) fn wait(&self) -> f64 {
        self.waits as f64 / self.started as f64 / 1e9
    }

    /// Mean response time of those who were served, seconds.
    pub(super) fn response(&self) -> f64 {
        self.responses as f64 / self.started as f64 / 1e9
    }

    /// Share of those who were served that waited at all.
    pub(super) fn share_waited(&self) -> f64 {
        self.waited_at_all as f64 / self.started as f64
    }

    /// Share of the arrivals that was turned away.
    pub(super) fn share_blocked(&self) -> f64 {
        self.blocked as f64 / self.arrivals as f64
    }

    /// Share of the arrivals that gave up.
    pub(super) fn share_abandoned(&self) -> f64 {
        self.abandoned as f64 / self.arrivals as f64
    }

    /// What Little's law says is 0, nanoseconds.
    pub(super) fn little_difference(&self) -> f64 {
        self.ledger.difference()
    }

    /// The length of time, in seconds, that a share `p` of those who were served does not exceed: within the part that is
    /// kept.
    pub(super) fn quantile(&mut self, p: f64) -> f64 {
        self.longest.nth(count(self.started as f64 * (1.0 - p)))
    }
}

impl Keep {
    fn room(self, arrivals: u64) -> usize {
        match self {
            Self::Nothing => 0,
            // One more, for the rounding of an index.
            Self::Waits(part) | Self::Responses(part) => count(arrivals as f64 * part) + 1,
        }
    }
}

/// The longest of many lengths of time, in nanoseconds. All of them would be megabytes a replication; a heap would be
/// put in order at each of them.
#[derive(Clone, Debug)]
struct Longest {
    room: usize,
    /// Up to twice as many as there is room for, in no order.
    kept: Vec<u64>,
    /// What is not longer is not among the longest. Those that are zero are never kept.
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

    /// The one that `longer` are longer than, seconds; 0 if no more than that are longer than zero.
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
    reason = "a part of a number of arrivals"
)]
const fn count(number: f64) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_lengths_the_longest_are_kept() {
        let mut longest = Longest::new(11);
        for number in 0..1_000_u128 {
            // All numbers below 1,000 once, well mixed.
            longest.keep(number * 387 % 1_000);
        }
        assert!(longest.kept.len() < 22);
        for (longer, nanos) in [(0, 999.0), (5, 994.0), (10, 989.0)] {
            let found = longest.nth(longer) * 1e9;
            assert!((found - nanos).abs() < 0.5, "{found} instead of {nanos}");
        }
    }

    #[test]
    fn where_too_few_waited_the_percentile_is_zero() {
        let mut longest = Longest::new(4);
        for nanos in [0, 0, 7, 0] {
            longest.keep(nanos);
        }
        assert!(longest.nth(0) > 0.0);
        assert!(longest.nth(1) <= 0.0);
    }
}
