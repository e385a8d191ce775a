//! How many sockets of this instance have the page of a show open, until the others are told.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::bus::Change;

/// Sockets of one instance in the page rooms.
#[derive(Debug, Default)]
pub(super) struct Presence {
    rooms: Mutex<BTreeMap<Uuid, Share>>,
}

/// What the other instances are told of a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) sockets: u64,
    /// Whether somebody came or left since the last share.
    pub(super) has_changed: bool,
}

impl Presence {
    pub(super) fn change(&self, show: Uuid, change: Change) {
        let mut rooms = self.rooms();
        let room = rooms.entry(show).or_default();
        room.sockets = match change {
            Change::Joined => room.sockets + 1,
            Change::Left => room.sockets.saturating_sub(1),
        };
        room.has_changed = true;
    }

    /// What to tell the others; `None` when there was never anybody.
    pub(super) fn take_share(&self, show: Uuid) -> Option<Share> {
        let mut rooms = self.rooms();
        let room = rooms.get_mut(&show)?;
        let share = *room;
        room.has_changed = false;
        Some(share)
    }

    /// The others were not told.
    pub(super) fn put_back(&self, show: Uuid, share: Share) {
        self.rooms().entry(show).or_default().has_changed |= share.has_changed;
    }

    pub(super) fn clear(&self) {
        self.rooms().clear();
    }

    fn rooms(&self) -> MutexGuard<'_, BTreeMap<Uuid, Share>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
