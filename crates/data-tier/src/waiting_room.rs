//! The waiting room's two keys: the line, a sorted set by arrival, and the active set, by when each was last seen.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tiketi_core::units::{BuyerId, SimTime};

/// Not there: of a ticket, of an instant, of a place in the line.
pub(super) const NONE: u32 = u32::MAX;

/// Milliseconds since the start, rounded up so that nothing ends early; 4 bytes a buyer instead of 8, enough for 49 days.
pub(super) fn millis(at: SimTime) -> u32 {
    let millis = at.as_nanos().div_ceil(1_000_000);
    u32::try_from(millis).unwrap_or(NONE - 1)
}

/// As [`millis`], of a length.
pub(super) fn millis_of(length: Duration) -> u32 {
    millis(SimTime::ZERO + length)
}

/// Who waits and who is inside.
#[derive(Clone, Debug)]
pub(super) struct WaitingRoom {
    people: Vec<Person>,
    /// Who holds each ticket; tickets are places in the order of arrival, never given twice.
    line: Vec<u32>,
    /// No ticket before this one is held.
    head: usize,
    waiting: u32,
    active: u32,
    /// One entry for each active buyer, at or before the instant the place is idle for too long.
    due: BinaryHeap<Reverse<(u32, u32)>>,
    has_due: Vec<bool>,
    idle_timeout: u32,
}

#[derive(Clone, Copy, Debug)]
struct Person {
    ticket: u32,
    seen: u32,
}

impl WaitingRoom {
    pub(super) fn new(buyers: usize, idle_timeout: Duration) -> Self {
        Self::empty(buyers, millis_of(idle_timeout))
    }

    /// The same room with nobody in it.
    pub(super) fn emptied(&self) -> Self {
        Self::empty(self.people.len(), self.idle_timeout)
    }

    fn empty(buyers: usize, idle_timeout: u32) -> Self {
        let absent = Person {
            ticket: NONE,
            seen: NONE,
        };
        Self {
            people: vec![absent; buyers],
            line: Vec::new(),
            head: 0,
            waiting: 0,
            active: 0,
            due: BinaryHeap::new(),
            has_due: vec![false; buyers],
            idle_timeout,
        }
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

    /// The ticket of whoever joins next.
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

    /// Everybody who waits.
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

    /// Looks at everybody anew, after instants were set back.
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
