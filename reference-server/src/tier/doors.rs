//! The doors of the waiting rooms as a witness outside Redis sees them: who joined, who was admitted, who is gone.
//!
//! The ledger counts what the scripts say they did; the witness knows where each person stood before, so that a place
//! given twice for one join is seen, and somebody who vanished from the line is missed.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::AdmissionLedger;

/// A person at the door of a show.
pub(crate) type Person = (Uuid, Uuid);

/// Where each person stands.
pub(crate) type People = BTreeMap<Person, Whereabouts>;

/// Where everyone stands, and the counts of how they came there.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    people: People,
    ledger: AdmissionLedger,
}

/// Before the door or behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    Waiting,
    Inside,
}

impl Doors {
    pub(crate) const fn ledger(&self) -> AdmissionLedger {
        self.ledger
    }

    /// Where everyone stands.
    pub(crate) const fn people(&self) -> &People {
        &self.people
    }

    /// What is there counts from here on, without a word about how it came to be.
    pub(crate) fn adopt(&mut self, people: People) {
        self.people = people;
    }

    /// Somebody asked for a place. Who is inside already stays there, whatever Redis made of it.
    pub(crate) fn handle_join(&mut self, person: Person) {
        self.ledger.joined += 1;
        self.people.entry(person).or_insert(Whereabouts::Waiting);
    }

    /// Somebody got a place: once for each join.
    pub(crate) fn handle_admission(&mut self, person: Person) {
        self.ledger.admitted += 1;
        let before = self.people.insert(person, Whereabouts::Inside);
        if before != Some(Whereabouts::Waiting) {
            self.ledger.admitted_twice += 1;
        }
    }

    /// Somebody left the line before the turn.
    pub(crate) fn handle_left_waiting(&mut self, person: Person) {
        self.ledger.left_waiting += 1;
        self.people.remove(&person);
    }

    /// Somebody gave the place back.
    pub(crate) fn handle_left_active(&mut self, person: Person) {
        self.ledger.left_active += 1;
        self.people.remove(&person);
    }

    /// Somebody was idle for too long and lost the place.
    pub(crate) fn handle_expired(&mut self, person: Person) {
        self.ledger.expired += 1;
        self.people.remove(&person);
    }

    /// An administrator sent everyone away who waited.
    pub(crate) fn handle_cleared(&mut self, show: Uuid, waiting: u64) {
        self.ledger.cleared += waiting;
        self.people
            .retain(|(of, _), at| *of != show || *at == Whereabouts::Inside);
    }

    /// Redis is back after a failover, without its youngest writes: what is there now counts from here on.
    pub(crate) fn handle_failover(&mut self, after: People) {
        self.ledger.lost_waiting += waiting_only_in(&self.people, &after);
        self.ledger.resurrected_waiting += waiting_only_in(&after, &self.people);
        self.people = after;
    }

    /// People who stand elsewhere in Redis (`there`) than the witness saw them go.
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

/// People who wait by `these` and not by `those`.
pub(crate) fn waiting_only_in(these: &People, those: &People) -> u64 {
    only_in(Whereabouts::Waiting, these, those)
}

/// People who stand there by `these` and not by `those`.
pub(crate) fn only_in(there: Whereabouts, these: &People, those: &People) -> u64 {
    let here = these.iter().filter(|(_, at)| **at == there);
    here.filter(|(person, _)| those.get(*person) != Some(&there))
        .count() as u64
}
