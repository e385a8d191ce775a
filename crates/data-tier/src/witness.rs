//! The doors of the waiting room as a witness outside Redis sees them: who joined, who was admitted, who is gone.
//!
//! The counts say what the commands did; the witness knows where each buyer stood before, so that a place given twice for
//! one join is seen, and whoever vanished from the line is missed.

use super::waiting_room::WaitingRoom;
use tiketi_core::units::BuyerId;
use tiketi_measure::ending::AdmissionFacts;

/// Where everyone stands, and the counts of how they came there.
#[derive(Clone, Debug)]
pub(super) struct Witness {
    people: Vec<Whereabouts>,
    joined: u64,
    put_back: u64,
    admitted: u64,
    left: u64,
    admitted_twice: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whereabouts {
    Elsewhere,
    Waiting,
    Inside,
}

impl Witness {
    pub(super) fn new(buyers: usize) -> Self {
        Self {
            people: vec![Whereabouts::Elsewhere; buyers],
            joined: 0,
            put_back: 0,
            admitted: 0,
            left: 0,
            admitted_twice: 0,
        }
    }

    /// Somebody asked for a place. Who is inside already stays there, whatever Redis made of it.
    pub(super) fn handle_join(&mut self, buyer: BuyerId) {
        self.joined += 1;
        let at = &mut self.people[buyer.0 as usize];
        if *at == Whereabouts::Elsewhere {
            *at = Whereabouts::Waiting;
        }
    }

    /// Somebody got a place: once for each join.
    pub(super) fn handle_admission(&mut self, buyer: BuyerId) {
        self.admitted += 1;
        let at = &mut self.people[buyer.0 as usize];
        let before = std::mem::replace(at, Whereabouts::Inside);
        self.admitted_twice += u64::from(before != Whereabouts::Waiting);
    }

    /// Somebody left the line before the turn.
    pub(super) fn handle_left_waiting(&mut self, buyer: BuyerId) {
        self.left += 1;
        self.people[buyer.0 as usize] = Whereabouts::Elsewhere;
    }

    /// Somebody gave the place back, or was idle for too long.
    pub(super) fn handle_left_active(&mut self, buyer: BuyerId) {
        self.people[buyer.0 as usize] = Whereabouts::Elsewhere;
    }

    /// Redis is back after a failover, without its youngest writes: what is there now counts from here on.
    pub(super) fn handle_failover(&mut self, room: &WaitingRoom) {
        for (buyer, at) in (0..).map(BuyerId).zip(&mut self.people) {
            let after = standing(room, buyer);
            let returns = after == Whereabouts::Waiting && *at != Whereabouts::Waiting;
            self.put_back += u64::from(returns);
            *at = after;
        }
    }

    /// The ledger; `room` is what Redis holds at the end.
    pub(super) fn facts(&self, room: &WaitingRoom) -> AdmissionFacts {
        let people = (0..).map(BuyerId).zip(&self.people);
        let astray = people.filter(|(buyer, at)| standing(room, *buyer) != **at);
        AdmissionFacts {
            joined: self.joined,
            put_back: self.put_back,
            admitted: self.admitted,
            left: self.left,
            waiting: u64::from(room.waiting()),
            admitted_twice: self.admitted_twice,
            astray: astray.count() as u64,
        }
    }
}

/// Where a buyer stands by the data. Who waits although inside counts as waiting: that is the place too many.
fn standing(room: &WaitingRoom, buyer: BuyerId) -> Whereabouts {
    if room.waits(buyer) {
        Whereabouts::Waiting
    } else if room.is_active(buyer) {
        Whereabouts::Inside
    } else {
        Whereabouts::Elsewhere
    }
}
