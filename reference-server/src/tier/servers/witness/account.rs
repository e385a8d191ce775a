//! The record of the witness: the state of every user according to the notes, and how to undo the latest of them.
//!
//! A promoted replica has the first part of the notes. So a failover has lost exactly the notes that the witness received and
//! that are not in the stream of the new primary.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uuid::Uuid;

use super::note::{Note, NoteId};
use crate::tier::AdmissionLedger;
use crate::tier::doors::{Doors, People, Person, Whereabouts, only_in, waiting_only_in};

/// Number of notes that can be undone: twice the length of the stream.
const RECENT_MAX: usize = 40_000;

/// The waiting rooms and the sessions, according to the notes.
#[derive(Debug, Default)]
pub(super) struct Account {
    doors: Doors,
    /// Sessions, and when they expire unless they are renewed, in milliseconds since 1970.
    sessions: BTreeMap<Uuid, u64>,
    recent: VecDeque<Entry>,
    newest: NoteId,
    /// Whether a note may have been missed.
    has_gap: bool,
    /// Real time at which the primary was lost, in milliseconds since 1970; `None` if unknown.
    lost_at_ms: Option<u64>,
    losses: Losses,
}

/// A note, and the previous states of the users and sessions in it.
#[derive(Debug)]
struct Entry {
    id: NoteId,
    before: Vec<Before>,
}

#[derive(Debug)]
enum Before {
    Person(Person, Option<Whereabouts>),
    Session(Uuid, Option<u64>),
}

/// Losses in failovers since the last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    pub(super) places: u64,
    pub(super) places_put_back: u64,
    pub(super) active_places: u64,
    pub(super) sessions: u64,
    /// Age of the oldest lost note when the primary was lost, in milliseconds of real time.
    pub(super) reaches_back_ms: u64,
}

/// Notes are missing, so the state has to be read from Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap;

impl Account {
    /// Creates a record that starts from the current state.
    pub(super) fn beginning_at(newest: NoteId, people: People) -> Self {
        let mut account = Self::default();
        account.adopt(newest, people);
        account
    }

    pub(super) const fn ledger(&self) -> AdmissionLedger {
        self.doors.ledger()
    }

    pub(super) const fn newest(&self) -> NoteId {
        self.newest
    }

    /// Returns whether every note since the start was received.
    pub(super) const fn is_complete(&self) -> bool {
        !self.has_gap
    }

    /// Returns the first note to request when catching up.
    pub(super) fn oldest_recent(&self) -> NoteId {
        self.recent.front().map_or(self.newest, |entry| entry.id)
    }

    pub(super) fn astray(&self, there: &People) -> u64 {
        self.doors.astray(there)
    }

    /// Returns the losses since the last call.
    pub(super) fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }

    /// The primary was lost at this time.
    pub(super) fn handle_lost(&mut self, at_ms: u64) {
        self.lost_at_ms = Some(at_ms);
    }

    /// A note was received, perhaps not for the first time.
    pub(super) fn handle_note(&mut self, id: NoteId, text: &str) {
        if id <= self.newest {
            return;
        }
        self.newest = id;
        let Ok(note) = text.parse::<Note>() else {
            tracing::warn!(%id, text, "unknown note");
            self.has_gap = true;
            return;
        };
        let before = self.stood_before(&note);
        self.recent.push_back(Entry { id, before });
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
        self.apply(note);
    }

    /// The witness is subscribed again. These are the notes in the stream of the current primary from
    /// [`Self::oldest_recent`] on. `is_whole` means that the stream has every note ever written on this node and its
    /// predecessors.
    pub(super) fn handle_catch_up(
        &mut self,
        is_whole: bool,
        notes: &[(NoteId, String)],
    ) -> Result<(), Gap> {
        let there: BTreeSet<NoteId> = notes.iter().map(|(id, _)| *id).collect();
        let last_kept = self
            .recent
            .iter()
            .rposition(|entry| there.contains(&entry.id));
        let kept = match last_kept {
            Some(index) => index + 1,
            None if is_whole => 0,
            None => return Err(Gap),
        };
        let lost = self.recent.split_off(kept);
        if let Some(first) = lost.front() {
            let oldest_ms = first.id.at_ms;
            self.newest = self.recent.back().map(|entry| entry.id).unwrap_or_default();
            let (people, sessions) = if kept == 0 {
                Default::default()
            } else {
                self.rewound(lost)
            };
            self.lose(people, sessions, oldest_ms);
        }
        for (id, text) in notes {
            self.handle_note(*id, text);
        }
        Ok(())
    }

    /// Notes are missing. This is the state in Redis as of the note `newest`.
    ///
    /// An empty Redis is not a gap: it is what remains without a replica.
    pub(super) fn handle_gap(&mut self, newest: NoteId, people: People) {
        self.has_gap |= !people.is_empty();
        let oldest_ms = self.oldest_recent().at_ms;
        self.lose(people.clone(), BTreeMap::new(), oldest_ms);
        self.adopt(newest, people);
    }

    fn adopt(&mut self, newest: NoteId, people: People) {
        self.newest = newest;
        self.recent.clear();
        if newest != NoteId::default() {
            let before = Vec::new();
            self.recent.push_back(Entry { id: newest, before });
        }
        self.doors.adopt(people);
    }

    /// Returns the states of all users, and the sessions, before these notes.
    fn rewound(&self, notes: VecDeque<Entry>) -> (People, BTreeMap<Uuid, u64>) {
        let (mut people, mut sessions) = (self.doors.people().clone(), self.sessions.clone());
        let backwards = notes.into_iter().rev();
        for before in backwards.flat_map(|entry| entry.before.into_iter().rev()) {
            match before {
                Before::Person(person, Some(at)) => drop(people.insert(person, at)),
                Before::Person(person, None) => drop(people.remove(&person)),
                Before::Session(user, Some(expires)) => drop(sessions.insert(user, expires)),
                Before::Session(user, None) => drop(sessions.remove(&user)),
            }
        }
        (people, sessions)
    }

    /// Counts what has been lost, and continues from the state that is left.
    fn lose(&mut self, people: People, sessions: BTreeMap<Uuid, u64>, oldest_ms: u64) {
        let lost_at_ms = self.lost_at_ms.take().unwrap_or(oldest_ms);
        let before = self.doors.people();
        let lives = |expires: &u64| *expires > lost_at_ms;
        let had = self.sessions.iter().filter(|(_, expires)| lives(expires));
        let gone = had.filter(|(user, _)| !sessions.contains_key(*user));
        self.losses.sessions += gone.count() as u64;
        self.losses.places += waiting_only_in(before, &people);
        self.losses.places_put_back += waiting_only_in(&people, before);
        self.losses.active_places += only_in(Whereabouts::Inside, before, &people);
        let reaches_back_ms = lost_at_ms.saturating_sub(oldest_ms);
        self.losses.reaches_back_ms = self.losses.reaches_back_ms.max(reaches_back_ms);
        self.sessions = sessions;
        self.doors.handle_failover(people);
    }

    fn stood_before(&self, note: &Note) -> Vec<Before> {
        let people = self.doors.people();
        let person = |show: Uuid, user: Uuid| {
            let person = (show, user);
            Before::Person(person, people.get(&person).copied())
        };
        match note {
            Note::Entered { show, user }
            | Note::Joined { show, user }
            | Note::LeftWaiting { show, user }
            | Note::LeftActive { show, user } => vec![person(*show, *user)],
            Note::Admitted { show, users } | Note::Expired { show, users } => {
                users.iter().map(|user| person(*show, *user)).collect()
            }
            Note::Cleared { show, .. } => {
                let waits = people
                    .range((*show, Uuid::nil())..=(*show, Uuid::max()))
                    .filter(|(_, at)| **at == Whereabouts::Waiting);
                waits
                    .map(|((show, user), _)| person(*show, *user))
                    .collect()
            }
            Note::Session { user, .. } => {
                vec![Before::Session(*user, self.sessions.get(user).copied())]
            }
        }
    }

    fn apply(&mut self, note: Note) {
        match note {
            Note::Entered { show, user } => {
                self.doors.handle_join((show, user));
                self.doors.handle_admission((show, user));
            }
            Note::Joined { show, user } => self.doors.handle_join((show, user)),
            Note::Admitted { show, users } => {
                for user in users {
                    self.doors.handle_admission((show, user));
                }
            }
            Note::Expired { show, users } => {
                for user in users {
                    self.doors.handle_expired((show, user));
                }
            }
            Note::LeftWaiting { show, user } => self.doors.handle_left_waiting((show, user)),
            Note::LeftActive { show, user } => self.doors.handle_left_active((show, user)),
            Note::Cleared { show, waiting } => self.doors.handle_cleared(show, waiting),
            Note::Session { user, expires_ms } => {
                self.sessions.insert(user, expires_ms);
            }
        }
    }
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
