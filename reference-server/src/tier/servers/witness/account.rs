//! What the witness knows: where everyone stands by the notes, and how to take the last of them back.
//!
//! A promoted replica has a beginning of the notes and not the rest. So what a failover loses is known note by note: those
//! that were heard and are not in the new primary's stream.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uuid::Uuid;

use super::note::{Note, NoteId};
use crate::tier::AdmissionLedger;
use crate::tier::doors::{Doors, People, Person, Whereabouts, only_in, waiting_only_in};

/// Notes that can be taken back: twice what the stream keeps.
const RECENT_MAX: usize = 40_000;

/// What the doors and the sessions come to, by the notes.
#[derive(Debug, Default)]
pub(super) struct Account {
    doors: Doors,
    /// Sessions, and when they end if nothing renews them: milliseconds since 1970.
    sessions: BTreeMap<Uuid, u64>,
    recent: VecDeque<Entry>,
    newest: NoteId,
    /// Whether a note may have been missed.
    has_gap: bool,
    /// Wall time at which the primary was lost, milliseconds since 1970; `None` when nobody said.
    lost_at_ms: Option<u64>,
    losses: Losses,
}

/// A note, and where those stood before of whom it speaks.
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

/// What failovers have lost since somebody asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    pub(super) places: u64,
    pub(super) places_put_back: u64,
    pub(super) active_places: u64,
    pub(super) sessions: u64,
    /// Age of the oldest lost note at the moment of the loss, wall milliseconds.
    pub(super) reaches_back_ms: u64,
}

/// The notes do not join up: only Redis itself can say where everyone stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap;

impl Account {
    /// An account that begins where everyone stands now.
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

    /// Whether every note since the beginning was heard.
    pub(super) const fn is_complete(&self) -> bool {
        !self.has_gap
    }

    /// The first note to ask for when catching up.
    pub(super) fn oldest_recent(&self) -> NoteId {
        self.recent.front().map_or(self.newest, |entry| entry.id)
    }

    pub(super) fn astray(&self, there: &People) -> u64 {
        self.doors.astray(there)
    }

    /// Losses since the last call.
    pub(super) fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }

    /// The primary is gone since this moment.
    pub(super) fn handle_lost(&mut self, at_ms: u64) {
        self.lost_at_ms = Some(at_ms);
    }

    /// A note was heard, maybe not for the first time.
    pub(super) fn handle_note(&mut self, id: NoteId, text: &str) {
        if id <= self.newest {
            return;
        }
        self.newest = id;
        let Ok(note) = text.parse::<Note>() else {
            tracing::warn!(%id, text, "not a note of ours");
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

    /// The witness listens again: these are the notes in the stream of the present primary since
    /// [`Self::oldest_recent`]. `is_whole` says that the stream has every note ever taken on this node and its ancestors.
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

    /// The notes do not join up: everyone stands like this up to `newest`.
    ///
    /// An empty Redis is what is left where there was no replica, and no riddle.
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

    /// Where everyone stood, and which sessions there were, before these notes.
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

    /// Counts what was and is no more, and goes on from there.
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
