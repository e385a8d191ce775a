//! A record of the waiting rooms kept outside Redis: who joined, who was admitted, and who left.
//!
//! The ledger counts what the scripts report. Because the record also has the state of each user, it detects a shopping slot
//! that was assigned twice for one join, and a user who has disappeared from the queue.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::AdmissionLedger;

/// A show and one of its users.
pub(crate) type Person = (Uuid, Uuid);

/// The state of each user.
pub(crate) type People = BTreeMap<Person, Whereabouts>;

/// The state of all users, and the counts of the changes that led to it.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    people: People,
    ledger: AdmissionLedger,
}

/// The state of a user: waiting or active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    Waiting,
    Inside,
}

impl Doors {
    pub(crate) const fn ledger(&self) -> AdmissionLedger {
        self.ledger
    }

    /// Returns the state of all users.
    pub(crate) const fn people(&self) -> &People {
        &self.people
    }

    /// Starts over from this state without counting how it came about.
    pub(crate) fn adopt(&mut self, people: People) {
        self.people = people;
    }

    /// A user joined. A user who is active already stays active, whatever Redis recorded.
    pub(crate) fn handle_join(&mut self, person: Person) {
        self.ledger.joined += 1;
        self.people.entry(person).or_insert(Whereabouts::Waiting);
    }

    /// A user was admitted. That may happen once per join.
    pub(crate) fn handle_admission(&mut self, person: Person) {
        self.ledger.admitted += 1;
        let before = self.people.insert(person, Whereabouts::Inside);
        if before != Some(Whereabouts::Waiting) {
            self.ledger.admitted_twice += 1;
        }
    }

    /// A waiting user left the queue.
    pub(crate) fn handle_left_waiting(&mut self, person: Person) {
        self.ledger.left_waiting += 1;
        self.people.remove(&person);
    }

    /// An active user released the shopping slot.
    pub(crate) fn handle_left_active(&mut self, person: Person) {
        self.ledger.left_active += 1;
        self.people.remove(&person);
    }

    /// An idle user lost the shopping slot.
    pub(crate) fn handle_expired(&mut self, person: Person) {
        self.ledger.expired += 1;
        self.people.remove(&person);
    }

    /// An administrator cleared the queue.
    pub(crate) fn handle_cleared(&mut self, show: Uuid, waiting: u64) {
        self.ledger.cleared += waiting;
        self.people
            .retain(|(of, _), at| *of != show || *at == Whereabouts::Inside);
    }

    /// Redis failed over and lost its latest writes. Continues from the state that is left.
    pub(crate) fn handle_failover(&mut self, after: People) {
        self.ledger.lost_waiting += waiting_only_in(&self.people, &after);
        self.ledger.resurrected_waiting += waiting_only_in(&after, &self.people);
        self.people = after;
    }

    /// Returns the number of users whose state in Redis (`there`) differs from this record.
    pub(crate) fn astray(&self, there: &People) -> u64 {
        let differs = self
            .people
            .iter()
            .filter(|(person, at)| there.get(*person) != Some(*at));
        let unknown = there
            .keys()
            .filter(|person| !self.people.contains_key(*person));
        (differs.count() + unknown.count()) as u64
    }
}

/// Returns the number of users who are waiting in `these` but not in `those`.
pub(crate) fn waiting_only_in(these: &People, those: &People) -> u64 {
    only_in(Whereabouts::Waiting, these, those)
}

/// Returns the number of users who have the state `there` in `these` but not in `those`.
pub(crate) fn only_in(there: Whereabouts, these: &People, those: &People) -> u64 {
    let here = these.iter().filter(|(_, at)| **at == there);
    here.filter(|(person, _)| those.get(*person) != Some(&there))
        .count() as u64
}
