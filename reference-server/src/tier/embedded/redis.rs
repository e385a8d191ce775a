//! The Redis role: the pure machine behind the ids of shows and users, with sessions and cached bodies in it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_data_tier::{
    Asked, Ledger, Loss, Payload, Place as Stand, QueueState, Redis, RedisError, RedisFigures,
    RedisSettings, ShowNumber, StockVersion, TaskNumber,
};
use uuid::Uuid;

use super::ids::Users;
use crate::tier::waiting::{ADMISSION_RATE_ASSUMED, Admission, Place, QueueStatus, Task};
use crate::tier::{AdmissionLedger, Census, Session, SessionChange, Unavailable};

/// What the server stores in Redis beside the waiting room.
#[derive(Clone, Debug)]
pub(super) struct Stored;

impl Payload for Stored {
    type Session = Session;
    type CacheKey = String;
    type Body = CachedBody;
}

/// A cached body, and the version of the show's stock that it shows, if it shows one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CachedBody {
    pub(super) bytes: Bytes,
    pub(super) stock: Option<(Uuid, StockVersion)>,
}

/// The pure machine, which faults act upon, and the ids it is spoken to with.
#[derive(Debug)]
pub(super) struct RedisStore {
    pub(super) machine: Redis<Stored>,
    shows: BTreeMap<Uuid, ShowNumber>,
    users: Users,
}

impl From<RedisError> for Unavailable {
    fn from(error: RedisError) -> Self {
        match error {
            RedisError::Down => Self::Redis,
            RedisError::OutOfMemory => Self::RedisRefused,
        }
    }
}

impl RedisStore {
    pub(super) fn new(settings: RedisSettings) -> Self {
        Self {
            machine: Redis::new(settings, 0),
            shows: BTreeMap::new(),
            users: Users::default(),
        }
    }

    /// People in all lines; `None` while Redis does not answer.
    pub(super) fn waiting(&self, now: SimTime) -> Option<u64> {
        let shows = self.shows.values();
        let answers = self.machine.answers(now);
        answers.then(|| {
            shows
                .map(|show| u64::from(self.machine.waiting(*show)))
                .sum()
        })
    }

    /// Counts of the cache role; the people are 0 while Redis does not answer.
    pub(super) fn census(&self, now: SimTime) -> Census {
        let active = |show: &ShowNumber| u64::from(self.machine.active(*show));
        let answers = self.machine.answers(now);
        let RedisFigures {
            hits,
            misses,
            operations,
            ..
        } = self.machine.figures();
        Census {
            waiting: self.waiting(now).unwrap_or(0),
            active: if answers {
                self.shows.values().map(active).sum()
            } else {
                0
            },
            ledger: self.ledger(),
            cache_hits: hits,
            cache_misses: misses,
            redis_operations: operations,
            ..Census::default()
        }
    }

    /// What happened at the doors of all waiting rooms.
    pub(super) fn ledger(&self) -> AdmissionLedger {
        let ledgers = self.shows.values().map(|show| self.machine.ledger(*show));
        let all = ledgers.fold(Ledger::default(), Ledger::plus);
        AdmissionLedger {
            joined: all.joined,
            admitted: all.admitted,
            left_waiting: all.left_waiting,
            cleared: all.cleared,
            lost_waiting: all.lost_waiting,
            resurrected_waiting: all.put_back,
            left_active: all.left_active,
            expired: all.expired,
            admitted_twice: all.admitted_twice,
        }
    }

    /// People who are elsewhere than the ledger saw them go; `None` during an outage.
    pub(super) fn astray(&self) -> Option<u64> {
        let is_up = self.machine.is_up();
        let shows = self.shows.values();
        is_up.then(|| shows.filter_map(|show| self.machine.astray(*show)).sum())
    }

    /// Makes the replica the primary.
    pub(super) fn promote(&mut self) -> Loss {
        self.machine.handle_promoted()
    }

    /// Takes an active place or joins the line; a user who is in either stays there.
    pub(super) fn enter(
        &mut self,
        now: SimTime,
        show: Uuid,
        user: Uuid,
    ) -> Result<Place, Unavailable> {
        let (number, buyer) = (self.show(show), self.buyer(user));
        Ok(match self.machine.enter(now, number, buyer)? {
            Stand::Active => Place::Active {
                active: self.machine.active(number),
            },
            Stand::Waiting => Place::Waiting(self.read(show, &user)),
        })
    }

    /// The waiting room as one user sees it.
    pub(super) fn status(
        &mut self,
        now: SimTime,
        show: Uuid,
        user: Uuid,
    ) -> Result<QueueStatus, Unavailable> {
        let mut is_active = false;
        if let (Some(number), Some(buyer)) = (self.shows.get(&show), self.users.find(&user)) {
            is_active = self.machine.status(now, *number, buyer)? == QueueState::Active;
        }
        Ok(QueueStatus {
            is_active,
            ..self.read(show, &user)
        })
    }

    /// Leaves the line, or gives the active place back.
    pub(super) fn leave(
        &mut self,
        now: SimTime,
        show: Uuid,
        user: Uuid,
    ) -> Result<(), Unavailable> {
        let (show, buyer) = (self.show(show), self.buyer(user));
        Ok(self.machine.leave(now, show, buyer)?)
    }

    /// Renews the active place of a user who does something.
    pub(super) fn touch(
        &mut self,
        now: SimTime,
        show: Uuid,
        user: Uuid,
    ) -> Result<(), Unavailable> {
        let (show, buyer) = (self.show(show), self.buyer(user));
        Ok(self.machine.touch(now, show, buyer)?)
    }

    /// Takes back idle places and gives free ones to the head of the line, once in each slot of time.
    pub(super) fn admit(
        &mut self,
        now: SimTime,
        show: Uuid,
        slot: u64,
    ) -> Result<Admission, Unavailable> {
        if !self.claim(now, Task::Admission, (show, slot))? {
            return Ok(Admission::default());
        }
        let (show, mut admitted) = (self.show(show), Vec::new());
        self.machine.admit(now, show, &mut admitted)?;
        let ids = admitted.into_iter().map(|buyer| self.users.id(buyer));
        Ok(Admission {
            admitted: ids.collect(),
        })
    }

    /// Removes everybody from the line.
    pub(super) fn clear(&mut self, now: SimTime, show: Uuid) -> Result<(), Unavailable> {
        let show = self.show(show);
        Ok(self.machine.clear_line(now, show)?)
    }

    /// Whether this is the first claim of the task for the slot.
    pub(super) fn claim(
        &mut self,
        now: SimTime,
        task: Task,
        (show, slot): (Uuid, u64),
    ) -> Result<bool, Unavailable> {
        let task = match task {
            Task::Admission => TaskNumber(0),
            Task::QueueUpdate => TaskNumber(1),
            Task::RoomUpdate => TaskNumber(2),
            Task::Sweep => TaskNumber(3),
        };
        let show = self.show(show);
        Ok(self.machine.claim(now, task, (show, slot))?)
    }

    pub(super) fn session(
        &mut self,
        now: SimTime,
        user: Uuid,
    ) -> Result<Option<Session>, Unavailable> {
        let buyer = self.buyer(user);
        Ok(self.machine.session(now, buyer)?.cloned())
    }

    pub(super) fn change_session(
        &mut self,
        now: SimTime,
        (user, change): (Uuid, SessionChange),
        ttl: Duration,
    ) -> Result<(), Unavailable> {
        let buyer = self.buyer(user);
        let changed =
            |before: Option<&Session>| before.cloned().unwrap_or_default().changed(change);
        self.machine.change_session(now, (buyer, ttl), changed)?;
        Ok(())
    }

    pub(super) fn cached(
        &mut self,
        now: SimTime,
        key: &str,
    ) -> Result<Option<CachedBody>, Unavailable> {
        Ok(self.machine.cached(now, &key.to_owned())?.cloned())
    }

    pub(super) fn set_cached(
        &mut self,
        now: SimTime,
        entry: (String, Duration),
        body: CachedBody,
    ) -> Result<(), Unavailable> {
        Ok(self.machine.store(now, entry, body)?)
    }

    pub(super) fn drop_cached(&mut self, now: SimTime, key: &str) -> Result<(), Unavailable> {
        Ok(self.machine.invalidate(now, &key.to_owned())?)
    }

    /// Counts a request; the time to wait when it is over the limit.
    pub(super) fn count_request(
        &mut self,
        now: SimTime,
        user: Uuid,
        limit: u32,
    ) -> Result<Option<Duration>, Unavailable> {
        let buyer = self.buyer(user);
        Ok(self.machine.count_request(now, buyer, limit)?)
    }

    /// Drops what has expired.
    pub(super) fn sweep(&mut self, now: SimTime) -> Result<(), Unavailable> {
        Ok(self.machine.sweep(now)?)
    }

    /// Books one command on the thread; when it is done, or why it is not.
    pub(super) fn ask(&mut self, now: SimTime) -> Asked {
        self.machine.ask(now, 1)
    }

    /// The waiting room as it is, without whether the user has a shopping slot.
    fn read(&self, show: Uuid, user: &Uuid) -> QueueStatus {
        let Some(&show) = self.shows.get(&show) else {
            return QueueStatus {
                position: None,
                is_active: false,
                queue_size: 0,
                active: 0,
                rate: ADMISSION_RATE_ASSUMED,
            };
        };
        let buyer = self.users.find(user);
        QueueStatus {
            position: buyer.and_then(|buyer| self.machine.position(show, buyer)),
            is_active: false,
            queue_size: self.machine.waiting(show),
            active: self.machine.active(show),
            rate: self.machine.admission_rate(show),
        }
    }

    fn show(&mut self, id: Uuid) -> ShowNumber {
        let machine = &mut self.machine;
        *self.shows.entry(id).or_insert_with(|| machine.add_show())
    }

    fn buyer(&mut self, id: Uuid) -> BuyerId {
        let buyer = self.users.number(id);
        self.machine.grow(self.users.count());
        buyer
    }
}

#[cfg(test)]
#[path = "redis_tests.rs"]
mod tests;
