//! The Redis role's data: what one primary holds, changed only by [`Write`]s so that a replica can follow.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::fifo::Fifo;
use crate::tier::doors::{People, Whereabouts};
use crate::tier::waiting::ADMISSION_RATE_ASSUMED;
use crate::tier::{Session, Task};

/// One effect, as Redis replicates the effects of a script and not the script.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Enqueue {
        show: Uuid,
        user: Uuid,
    },
    Dequeue {
        show: Uuid,
        user: Uuid,
    },
    ClearQueue {
        show: Uuid,
    },
    /// Gives or renews an active place.
    Activate {
        show: Uuid,
        user: Uuid,
        seen: Duration,
    },
    Deactivate {
        show: Uuid,
        user: Uuid,
    },
    MeasureRate {
        show: Uuid,
        rate: f64,
    },
    SetSession {
        user: Uuid,
        session: Session,
        expires: Duration,
    },
    SetCached {
        key: String,
        body: Bytes,
        expires: Duration,
    },
    DropCached {
        key: String,
    },
    CountRequest {
        user: Uuid,
        window_ends: Duration,
        count: u32,
    },
    /// Marks a periodic task as done for a slot of time, so that one instance does it.
    ClaimSlot {
        task: Task,
        show: Uuid,
        slot: u64,
    },
    /// Drops what has expired by now.
    Sweep {
        now: Duration,
    },
}

/// The contents of one Redis node.
#[derive(Clone, Debug, Default)]
pub(crate) struct RedisData {
    pub(crate) rooms: BTreeMap<Uuid, WaitingRoom>,
    pub(crate) sessions: BTreeMap<Uuid, (Session, Duration)>,
    pub(crate) cached: BTreeMap<String, (Bytes, Duration)>,
    pub(crate) requests: BTreeMap<Uuid, (Duration, u32)>,
    pub(crate) slots: BTreeMap<(Task, Uuid), u64>,
}

/// Queue and active set of one show.
#[derive(Clone, Debug)]
pub(crate) struct WaitingRoom {
    pub(crate) queue: Fifo,
    /// Active users and when they were last seen.
    pub(crate) active: BTreeMap<Uuid, Duration>,
    /// Admissions a second, smoothed.
    pub(crate) rate: f64,
}

impl Default for WaitingRoom {
    fn default() -> Self {
        Self {
            queue: Fifo::default(),
            active: BTreeMap::new(),
            rate: ADMISSION_RATE_ASSUMED,
        }
    }
}

impl RedisData {
    pub(crate) fn room(&self, show: &Uuid) -> Option<&WaitingRoom> {
        self.rooms.get(show)
    }

    /// People in all queues.
    pub(crate) fn waiting(&self) -> u64 {
        self.rooms
            .values()
            .map(|room| room.queue.len() as u64)
            .sum()
    }

    /// People in all active sets.
    pub(crate) fn active(&self) -> u64 {
        self.rooms
            .values()
            .map(|room| room.active.len() as u64)
            .sum()
    }

    /// Where everyone stands. Who waits although inside counts as waiting: that is the place too many.
    pub(crate) fn standing(&self) -> People {
        let rooms = || self.rooms.iter();
        let inside = rooms().flat_map(|(show, room)| room.active.keys().map(|user| (*show, *user)));
        let waiting =
            rooms().flat_map(|(show, room)| room.queue.users().map(|user| (*show, *user)));
        let inside = inside.map(|person| (person, Whereabouts::Inside));
        inside
            .chain(waiting.map(|person| (person, Whereabouts::Waiting)))
            .collect()
    }

    /// Applies an effect; the same effects in the same order make the same data.
    pub(crate) fn apply(&mut self, write: Write) {
        match write {
            Write::Enqueue { show, user } => {
                self.rooms.entry(show).or_default().queue.join(user);
            }
            Write::Dequeue { show, user } => {
                self.rooms.entry(show).or_default().queue.leave(&user);
            }
            Write::ClearQueue { show } => {
                self.rooms.entry(show).or_default().queue = Fifo::default();
            }
            Write::Activate { show, user, seen } => {
                let room = self.rooms.entry(show).or_default();
                room.active.insert(user, seen);
            }
            Write::Deactivate { show, user } => {
                self.rooms.entry(show).or_default().active.remove(&user);
            }
            Write::MeasureRate { show, rate } => self.rooms.entry(show).or_default().rate = rate,
            Write::SetSession {
                user,
                session,
                expires,
            } => {
                self.sessions.insert(user, (session, expires));
            }
            Write::SetCached { key, body, expires } => {
                self.cached.insert(key, (body, expires));
            }
            Write::DropCached { key } => {
                self.cached.remove(&key);
            }
            Write::CountRequest {
                user,
                window_ends,
                count,
            } => {
                self.requests.insert(user, (window_ends, count));
            }
            Write::ClaimSlot { task, show, slot } => {
                self.slots.insert((task, show), slot);
            }
            Write::Sweep { now } => {
                self.sessions.retain(|_, (_, expires)| *expires > now);
                self.cached.retain(|_, (_, expires)| *expires > now);
                self.requests.retain(|_, (ends, _)| *ends > now);
            }
        }
    }
}
