//! The waiting room's two keys: the line, a sorted set by arrival, and the active set, by when each was last seen.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tiketi_core::units::{BuyerId, SimTime};

use super::ranks::Ranks;

/// Not there: of a ticket, of an instant, of a place in the line.
pub(super) const NONE: u32 = u32::MAX;

/// Admissions per second that are assumed until some are measured (the deployment's own assumption).
const RATE_ASSUMED: f64 = 50.0;

/// Weight of the newest admission in the measured rate.
const RATE_SMOOTHING: f64 = 0.1;

/// Milliseconds since the start, rounded up so that nothing ends early; 4 bytes per buyer instead of 8, enough for 49 days.
pub(super) fn millis(at: SimTime) -> u32 {
    let millis = at.as_nanos().div_ceil(1_000_000);
    u32::try_from(millis).unwrap_or(NONE - 1)
}

/// As [`millis`], of a length.
pub(super) fn millis_of(length: Duration) -> u32 {
    millis(SimTime::ZERO + length)
}

/// The same, the other way around.
pub(super) const fn instant(millis: u32) -> SimTime {
    SimTime::from_nanos(millis as u64 * 1_000_000)
}

/// Who waits and who is inside, of one show.
#[derive(Clone, Debug)]
pub(super) struct WaitingRoom {
    people: Vec<Person>,
    /// Who holds each ticket; tickets are places in the order of arrival, never given twice.
    line: Vec<u32>,
    /// No ticket before this one is held.
    head: usize,
    waiting: u32,
    active: u32,
    /// One entry per active buyer, at or before the instant at which the place has been idle for too long.
    due: BinaryHeap<Reverse<(u32, u32)>>,
    has_due: Vec<bool>,
    idle_timeout: u32,
    /// `None` if nobody asks for places: the model does not.
    ranks: Option<Ranks>,
    rate: f64,
    /// When the line and the active set were last used, for eviction: the second of Redis' clock.
    pub(super) line_used: u32,
    pub(super) active_used: u32,
}

#[derive(Clone, Copy, Debug)]
struct Person {
    ticket: u32,
    seen: u32,
}

impl Person {
    const ABSENT: Self = Self {
        ticket: NONE,
        seen: NONE,
    };
}

impl WaitingRoom {
    pub(super) fn new(buyers: usize, idle_timeout: Duration, tells_places: bool) -> Self {
        let ranks = tells_places.then(Ranks::default);
        Self::empty(buyers, millis_of(idle_timeout), ranks)
    }

    /// The same room with nobody in it.
    pub(super) fn emptied(&self) -> Self {
        let ranks = self.ranks.as_ref().map(|_| Ranks::default());
        Self::empty(self.people.len(), self.idle_timeout, ranks)
    }

    fn empty(buyers: usize, idle_timeout: u32, ranks: Option<Ranks>) -> Self {
        Self {
            people: vec![Person::ABSENT; buyers],
            line: Vec::new(),
            head: 0,
            waiting: 0,
            active: 0,
            due: BinaryHeap::new(),
            has_due: vec![false; buyers],
            idle_timeout,
            ranks,
            rate: RATE_ASSUMED,
            line_used: 0,
            active_used: 0,
        }
    }

    /// Makes room for the buyers with numbers below `buyers`.
    pub(super) fn grow(&mut self, buyers: usize) {
        self.people.resize(buyers, Person::ABSENT);
        self.has_due.resize(buyers, false);
    }

    pub(super) const fn waiting(&self) -> u32 {
        self.waiting
    }

    pub(super) const fn active(&self) -> u32 {
        self.active
    }

    pub(super) fn waits(&self, buyer: BuyerId) -> bool {
        self.people[buyer.0 as usize].ticket != NONE
    }

    pub(super) fn is_active(&self, buyer: BuyerId) -> bool {
        self.people[buyer.0 as usize].seen != NONE
    }

    /// The buyer's place in the line, 1 for its head; `None` for a buyer who does not wait, or if nobody asks for places.
    pub(super) fn position(&self, buyer: BuyerId) -> Option<u32> {
        let ticket = self.people.get(buyer.0 as usize)?.ticket;
        let ranks = self.ranks.as_ref()?;
        (ticket != NONE).then(|| ranks.up_to(ticket as usize))
    }

    /// Admissions per second, smoothed.
    pub(super) const fn rate(&self) -> f64 {
        self.rate
    }

    /// Sets the rate; returns the one before.
    pub(super) const fn set_rate(&mut self, rate: f64) -> f64 {
        std::mem::replace(&mut self.rate, rate)
    }

    /// The rate after an admission of `admitted` people from a line in which somebody waited; `None` if nobody asks for it.
    pub(super) fn rate_after(&self, admitted: u32, admit_every: Duration) -> Option<f64> {
        self.ranks.as_ref()?;
        let measured = f64::from(admitted) / admit_every.as_secs_f64();
        Some(self.rate + RATE_SMOOTHING * (measured - self.rate))
    }

    /// The ticket of the next buyer to join.
    pub(super) fn next_ticket(&self) -> u32 {
        u32::try_from(self.line.len()).expect("fewer joins than tickets")
    }

    /// The first `count` who wait, in order.
    pub(super) fn first(&mut self, count: u32) -> Vec<BuyerId> {
        while self.line.get(self.head) == Some(&NONE) {
            self.head += 1;
        }
        let held = self.line[self.head..]
            .iter()
            .filter(|buyer| **buyer != NONE);
        held.take(count as usize)
            .map(|buyer| BuyerId(*buyer))
            .collect()
    }

    /// Everybody who waits, in order.
    pub(super) fn everybody_waiting(&mut self) -> Vec<BuyerId> {
        self.first(self.waiting)
    }

    /// Everybody inside.
    pub(super) fn everybody_active(&self) -> Vec<BuyerId> {
        let noted = self.due.iter().map(|Reverse((_, buyer))| BuyerId(*buyer));
        noted.filter(|buyer| self.is_active(*buyer)).collect()
    }

    /// Gives a buyer the place in the line that belongs to `ticket`, or takes it ([`NONE`]); returns the ticket before.
    pub(super) fn set_ticket(&mut self, buyer: BuyerId, ticket: u32) -> u32 {
        let person = &mut self.people[buyer.0 as usize];
        let before = std::mem::replace(&mut person.ticket, ticket);
        if before != NONE {
            self.line[before as usize] = NONE;
            self.waiting -= 1;
            if let Some(ranks) = &mut self.ranks {
                ranks.remove(before as usize);
            }
        }
        if ticket != NONE {
            let place = ticket as usize;
            if place == self.line.len() {
                self.line.push(buyer.0);
            } else {
                self.line[place] = buyer.0;
            }
            self.head = self.head.min(place);
            self.waiting += 1;
            if let Some(ranks) = &mut self.ranks {
                ranks.insert(place);
            }
        }
        before
    }

    /// Notes when an active buyer was last seen, or takes the place ([`NONE`]); returns what was noted before.
    pub(super) fn set_seen(&mut self, buyer: BuyerId, seen: u32) -> u32 {
        let index = buyer.0 as usize;
        let before = std::mem::replace(&mut self.people[index].seen, seen);
        self.active -= u32::from(before != NONE);
        self.active += u32::from(seen != NONE);
        if seen != NONE && !std::mem::replace(&mut self.has_due[index], true) {
            self.note_due(buyer.0, seen);
        }
        before
    }

    /// The next active buyer who has been idle for too long by `now`, or `None`. The caller takes the place away.
    ///
    /// Entries of the heap are not moved when a buyer is seen again: one that comes up too early goes back with the
    /// instant that holds now. So being seen costs nothing.
    pub(super) fn poll_idle(&mut self, now: u32) -> Option<BuyerId> {
        while let Some(&Reverse((due, buyer))) = self.due.peek() {
            if due > now {
                return None;
            }
            self.due.pop();
            let seen = self.people[buyer as usize].seen;
            if seen == NONE {
                self.has_due[buyer as usize] = false;
            } else if seen.saturating_add(self.idle_timeout) > now {
                self.note_due(buyer, seen);
            } else {
                self.has_due[buyer as usize] = false;
                return Some(BuyerId(buyer));
            }
        }
        None
    }

    /// Builds the heap anew, after instants were set back.
    pub(super) fn rebuild_due(&mut self) {
        self.due.clear();
        for index in 0..self.people.len() {
            let seen = self.people[index].seen;
            self.has_due[index] = seen != NONE;
            if seen != NONE {
                let buyer = u32::try_from(index).expect("buyers are numbered with 32 bits");
                self.note_due(buyer, seen);
            }
        }
    }

    fn note_due(&mut self, buyer: u32, seen: u32) {
        let due = seen.saturating_add(self.idle_timeout);
        self.due.push(Reverse((due, buyer)));
    }
}
