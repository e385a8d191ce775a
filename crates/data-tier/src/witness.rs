//! The waiting room of one show as somebody outside Redis sees it: who joined, who was admitted, who is gone.
//!
//! The counts say what the commands did. The witness also knows where each buyer was before. So it notices a place given
//! twice for one join, and a buyer who vanished from the line.

use tiketi_core::units::BuyerId;

use super::waiting_room::WaitingRoom;

/// Where everyone is, and the counts of how they got there.
#[derive(Clone, Debug)]
pub(super) struct Witness {
    people: Vec<Whereabouts>,
    ledger: Ledger,
}

/// What happened at the doors of a waiting room, kept outside Redis so that a failover cannot rewrite it.
///
/// `joined + put_back == admitted + left_waiting + cleared + lost_waiting + (people who wait)`, unless Redis evicted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Joins: a buyer who comes back after losing a place joins twice.
    pub joined: u64,
    /// Admissions, at once or from the head of the line.
    pub admitted: u64,
    /// Buyers who left the line before their turn.
    pub left_waiting: u64,
    /// Buyers whom an administrator removed from the line.
    pub cleared: u64,
    /// Buyers whose place in the line a failover lost.
    pub lost_waiting: u64,
    /// Buyers whom a failover put back into the line although they had left it.
    pub put_back: u64,
    /// Active places given back.
    pub left_active: u64,
    /// Active places taken back after the idle time.
    pub expired: u64,
    /// Admissions without a join of their own: of somebody who was inside already, or never joined.
    pub admitted_twice: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whereabouts {
    Elsewhere,
    Waiting,
    Inside,
}

impl Ledger {
    /// Both ledgers together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            joined: self.joined + other.joined,
            admitted: self.admitted + other.admitted,
            left_waiting: self.left_waiting + other.left_waiting,
            cleared: self.cleared + other.cleared,
            lost_waiting: self.lost_waiting + other.lost_waiting,
            put_back: self.put_back + other.put_back,
            left_active: self.left_active + other.left_active,
            expired: self.expired + other.expired,
            admitted_twice: self.admitted_twice + other.admitted_twice,
        }
    }
}

impl Witness {
    pub(super) fn new(buyers: usize) -> Self {
        Self {
            people: vec![Whereabouts::Elsewhere; buyers],
            ledger: Ledger::default(),
        }
    }

    /// Makes room for the buyers with numbers below `buyers`.
    pub(super) fn grow(&mut self, buyers: usize) {
        self.people.resize(buyers, Whereabouts::Elsewhere);
    }

    pub(super) const fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// A buyer asked for a place. A buyer who is inside already stays there, whatever Redis made of it.
    pub(super) fn handle_join(&mut self, buyer: BuyerId) {
        self.ledger.joined += 1;
        let at = &mut self.people[buyer.0 as usize];
        if *at == Whereabouts::Elsewhere {
            *at = Whereabouts::Waiting;
        }
    }

    /// A buyer got a place: once per join.
    pub(super) fn handle_admission(&mut self, buyer: BuyerId) {
        self.ledger.admitted += 1;
        let at = &mut self.people[buyer.0 as usize];
        let before = std::mem::replace(at, Whereabouts::Inside);
        self.ledger.admitted_twice += u64::from(before != Whereabouts::Waiting);
    }

    /// A buyer left the line before the turn.
    pub(super) fn handle_left_waiting(&mut self, buyer: BuyerId) {
        self.ledger.left_waiting += 1;
        self.people[buyer.0 as usize] = Whereabouts::Elsewhere;
    }

    /// An administrator removed a buyer from the line. Who is inside as well stays inside.
    pub(super) fn handle_cleared(&mut self, buyer: BuyerId) {
        self.ledger.cleared += 1;
        let at = &mut self.people[buyer.0 as usize];
        if *at == Whereabouts::Waiting {
            *at = Whereabouts::Elsewhere;
        }
    }

    /// A buyer gave the active place back.
    pub(super) fn handle_left_active(&mut self, buyer: BuyerId) {
        self.ledger.left_active += 1;
        self.people[buyer.0 as usize] = Whereabouts::Elsewhere;
    }

    /// A buyer was idle for too long and lost the active place.
    pub(super) fn handle_expired(&mut self, buyer: BuyerId) {
        self.ledger.expired += 1;
        self.people[buyer.0 as usize] = Whereabouts::Elsewhere;
    }

    /// Redis is back after a failover, without its youngest writes: what is there now counts from here on.
    pub(super) fn handle_failover(&mut self, room: &WaitingRoom) {
        for (buyer, at) in (0..).map(BuyerId).zip(&mut self.people) {
            let after = whereabouts(room, buyer);
            let waited = *at == Whereabouts::Waiting;
            let waits = after == Whereabouts::Waiting;
            self.ledger.put_back += u64::from(waits && !waited);
            self.ledger.lost_waiting += u64::from(waited && !waits);
            *at = after;
        }
    }

    /// Buyers who are elsewhere in Redis than the witness saw them go.
    pub(super) fn astray(&self, room: &WaitingRoom) -> u64 {
        let people = (0..).map(BuyerId).zip(&self.people);
        let astray = people.filter(|(buyer, at)| whereabouts(room, *buyer) != **at);
        astray.count() as u64
    }
}

/// Where a buyer is by the data. One who waits although inside counts as waiting: that is the place too many.
fn whereabouts(room: &WaitingRoom, buyer: BuyerId) -> Whereabouts {
    if room.waits(buyer) {
        Whereabouts::Waiting
    } else if room.is_active(buyer) {
        Whereabouts::Inside
    } else {
        Whereabouts::Elsewhere
    }
}
