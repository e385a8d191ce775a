//! The scripts of the Redis role: each is one atomic step on the primary.

use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::redis::{RedisData, WaitingRoom, Write};
use super::replication::Replicated;
use crate::tier::doors::Doors;
use crate::tier::waiting::{
    Admission, AdmissionLimits, Place, QueueStatus, RATE_SMOOTHING, RATE_WINDOW, Task,
};
use crate::tier::{Census, Session, SessionChange, Unavailable};

/// Redis with its scripts and counters.
#[derive(Debug)]
pub(crate) struct RedisStore {
    replicated: Replicated,
    doors: Doors,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) operations: u64,
}

impl RedisStore {
    pub(crate) fn new(lost_window: Duration) -> Self {
        Self {
            replicated: Replicated::new(lost_window),
            doors: Doors::default(),
            hits: 0,
            misses: 0,
            operations: 0,
        }
    }

    pub(crate) fn data(&self) -> Option<&RedisData> {
        self.replicated.read()
    }

    /// Counts of the cache role; the people are 0 during an outage.
    pub(crate) fn census(&self) -> Census {
        let data = self.data();
        Census {
            waiting: data.map_or(0, RedisData::waiting),
            active: data.map_or(0, RedisData::active),
            ledger: self.doors.ledger(),
            cache_hits: self.hits,
            cache_misses: self.misses,
            redis_operations: self.operations,
            ..Census::default()
        }
    }

    /// People who stand elsewhere than the witness at the doors saw them go; `None` during an outage.
    pub(crate) fn astray(&self) -> Option<u64> {
        self.data().map(|data| self.doors.astray(&data.standing()))
    }

    pub(crate) fn enter(
        &mut self,
        now: Duration,
        (show, user): (Uuid, Uuid),
        active_max: u32,
    ) -> Result<Place, Unavailable> {
        let status = self.status(show, user)?;
        let is_active = self
            .room(show)
            .is_some_and(|room| room.active.contains_key(&user));
        let room_is_free = status.queue_size == 0 && status.active < active_max;
        if is_active || (room_is_free && status.position.is_none()) {
            let activate = Write::Activate {
                show,
                user,
                seen: now,
            };
            self.replicated.write(now, activate);
            if !is_active {
                self.doors.handle_join((show, user));
                self.doors.handle_admission((show, user));
            }
            let active = status.active + u32::from(!is_active);
            return Ok(Place::Active { active });
        }
        if status.position.is_none() {
            self.replicated.write(now, Write::Enqueue { show, user });
            self.doors.handle_join((show, user));
        }
        self.status(show, user).map(Place::Waiting)
    }

    pub(crate) fn status(&mut self, show: Uuid, user: Uuid) -> Result<QueueStatus, Unavailable> {
        let data = self.begin()?;
        let empty = WaitingRoom::default();
        let room = data.room(&show).unwrap_or(&empty);
        Ok(QueueStatus {
            position: room.queue.position(&user),
            queue_size: count(room.queue.len()),
            active: count(room.active.len()),
            rate: room.rate,
        })
    }

    pub(crate) fn leave(
        &mut self,
        now: Duration,
        show: Uuid,
        user: Uuid,
    ) -> Result<(), Unavailable> {
        self.begin()?;
        let Some(room) = self.room(show) else {
            return Ok(());
        };
        let (waits, is_active) = (room.queue.contains(&user), room.active.contains_key(&user));
        if waits {
            self.replicated.write(now, Write::Dequeue { show, user });
            self.doors.handle_left_waiting((show, user));
        }
        if is_active {
            self.replicated.write(now, Write::Deactivate { show, user });
            self.doors.handle_left_active((show, user));
        }
        Ok(())
    }

    /// Renews the active place of a user who does something.
    pub(crate) fn touch(
        &mut self,
        now: Duration,
        show: Uuid,
        user: Uuid,
    ) -> Result<(), Unavailable> {
        self.begin()?;
        let is_active = self
            .room(show)
            .is_some_and(|room| room.active.contains_key(&user));
        if is_active {
            let seen = now;
            self.replicated
                .write(now, Write::Activate { show, user, seen });
        }
        Ok(())
    }

    /// Takes back idle places and gives free ones to the head of the queue, once in each slot of time.
    pub(crate) fn admit(
        &mut self,
        now: Duration,
        (show, slot): (Uuid, u64),
        limits: AdmissionLimits,
    ) -> Result<Admission, Unavailable> {
        if !self.claim(now, Task::Admission, (show, slot))? {
            return Ok(Admission::default());
        }
        self.expire_idle(now, show, limits.idle_timeout);
        let Some(room) = self.room(show) else {
            return Ok(Admission::default());
        };
        let free = (limits.active_max as usize).saturating_sub(room.active.len());
        let (waited, rate) = (room.queue.len(), room.rate);
        let admitted = room.queue.first(free);
        for &user in &admitted {
            let seen = now;
            self.replicated.write(now, Write::Dequeue { show, user });
            self.replicated
                .write(now, Write::Activate { show, user, seen });
            self.doors.handle_admission((show, user));
        }
        if waited > 0 {
            let measured = f64::from(count(admitted.len())) / limits.admit_every.as_secs_f64();
            let rate = rate + RATE_SMOOTHING * (measured - rate);
            self.replicated
                .write(now, Write::MeasureRate { show, rate });
        }
        Ok(Admission { admitted })
    }

    pub(crate) fn clear(&mut self, now: Duration, show: Uuid) -> Result<(), Unavailable> {
        self.begin()?;
        let waiting = self.room(show).map_or(0, |room| room.queue.len());
        self.replicated.write(now, Write::ClearQueue { show });
        self.doors.handle_cleared(show, waiting as u64);
        Ok(())
    }

    /// Whether this is the first claim of the task for the slot.
    pub(crate) fn claim(
        &mut self,
        now: Duration,
        task: Task,
        (show, slot): (Uuid, u64),
    ) -> Result<bool, Unavailable> {
        let data = self.begin()?;
        if data
            .slots
            .get(&(task, show))
            .is_some_and(|last| *last >= slot)
        {
            return Ok(false);
        }
        self.replicated
            .write(now, Write::ClaimSlot { task, show, slot });
        Ok(true)
    }

    pub(crate) fn session(
        &mut self,
        now: Duration,
        user: Uuid,
    ) -> Result<Option<Session>, Unavailable> {
        let entry = self.begin()?.sessions.get(&user);
        Ok(entry
            .filter(|(_, expires)| *expires > now)
            .map(|(session, _)| session.clone()))
    }

    pub(crate) fn change_session(
        &mut self,
        now: Duration,
        (user, change): (Uuid, SessionChange),
        ttl: Duration,
    ) -> Result<(), Unavailable> {
        let session = self.session(now, user)?.unwrap_or_default();
        let session = session.changed(change);
        let expires = now + ttl;
        let write = Write::SetSession {
            user,
            session,
            expires,
        };
        self.replicated.write(now, write);
        Ok(())
    }

    pub(crate) fn cached(
        &mut self,
        now: Duration,
        key: &str,
    ) -> Result<Option<Bytes>, Unavailable> {
        let entry = self.begin()?.cached.get(key);
        let body = entry
            .filter(|(_, expires)| *expires > now)
            .map(|(body, _)| body.clone());
        if body.is_some() {
            self.hits += 1;
        } else {
            self.misses += 1;
        }
        Ok(body)
    }

    pub(crate) fn set_cached(
        &mut self,
        now: Duration,
        (key, body): (String, Bytes),
        ttl: Duration,
    ) -> Result<(), Unavailable> {
        self.begin()?;
        let expires = now + ttl;
        self.replicated
            .write(now, Write::SetCached { key, body, expires });
        Ok(())
    }

    pub(crate) fn drop_cached(&mut self, now: Duration, key: &str) -> Result<(), Unavailable> {
        if self.begin()?.cached.contains_key(key) {
            let key = key.to_owned();
            self.replicated.write(now, Write::DropCached { key });
        }
        Ok(())
    }

    /// Counts a request; returns the time to wait when it is over the limit.
    pub(crate) fn count_request(
        &mut self,
        now: Duration,
        user: Uuid,
        limit: u32,
    ) -> Result<Option<Duration>, Unavailable> {
        let entry = self.begin()?.requests.get(&user).copied();
        let (window_ends, counted) = entry
            .filter(|(ends, _)| *ends > now)
            .unwrap_or((now + RATE_WINDOW, 0));
        if counted >= limit {
            return Ok(Some(window_ends - now));
        }
        let count = counted + 1;
        let write = Write::CountRequest {
            user,
            window_ends,
            count,
        };
        self.replicated.write(now, write);
        Ok(None)
    }

    pub(crate) fn sweep(&mut self, now: Duration) -> Result<(), Unavailable> {
        self.begin()?;
        self.replicated.write(now, Write::Sweep { now });
        Ok(())
    }

    /// Counts an operation that changes no data, such as a publication.
    pub(crate) fn ping(&mut self) -> Result<(), Unavailable> {
        self.begin().map(|_| ())
    }

    pub(crate) fn lose(&mut self, now: Duration) {
        self.replicated.lose(now);
    }

    pub(crate) fn promote(&mut self) {
        let was_down = self.data().is_none();
        self.replicated.promote();
        if was_down {
            self.account_for_failover();
        }
    }

    pub(crate) fn restore_empty(&mut self) {
        let was_down = self.data().is_none();
        self.replicated.restore_empty();
        if was_down {
            self.account_for_failover();
        }
    }

    fn account_for_failover(&mut self) {
        if let Some(data) = self.replicated.read() {
            self.doors.handle_failover(data.standing());
        }
    }

    fn begin(&mut self) -> Result<&RedisData, Unavailable> {
        self.operations += 1;
        self.replicated.read().ok_or(Unavailable::Redis)
    }

    fn room(&self, show: Uuid) -> Option<&WaitingRoom> {
        self.data()?.room(&show)
    }

    fn expire_idle(&mut self, now: Duration, show: Uuid, idle_timeout: Duration) {
        let Some(room) = self.room(show) else {
            return;
        };
        let idle = |seen: Duration| now.saturating_sub(seen) >= idle_timeout;
        let expired: Vec<Uuid> = room
            .active
            .iter()
            .filter(|(_, seen)| idle(**seen))
            .map(|(user, _)| *user)
            .collect();
        for user in expired {
            self.replicated.write(now, Write::Deactivate { show, user });
            self.doors.handle_expired((show, user));
        }
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "scripts_tests.rs"]
mod tests;
