//! The number of sockets of this instance on each show's page, until it is shared with other instances.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::bus::Change;

/// Sockets of one instance by show.
#[derive(Debug, Default)]
pub(super) struct Presence {
    rooms: Mutex<BTreeMap<Uuid, Share>>,
}

/// What is shared with other instances about a show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) sockets: u64,
    /// Whether a socket joined or left since the last share.
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

    /// Returns what to share; `None` if no socket ever opened the page.
    pub(super) fn take_share(&self, show: Uuid) -> Option<Share> {
        let mut rooms = self.rooms();
        let room = rooms.get_mut(&show)?;
        let share = *room;
        room.has_changed = false;
        Some(share)
    }

    /// Restores a share that failed.
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
