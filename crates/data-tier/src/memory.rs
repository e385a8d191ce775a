//! Writes, and the memory they need: a foreign client that fills it, keys that are evicted, writes that are refused.

use tiketi_core::units::{BuyerId, Share, SimTime};

use super::ShowNumber;
use super::contents::{Change, Payload};
use super::eviction::{Key, Keys};
use super::redis::{Redis, RedisError};
use super::waiting_room::NONE;

impl<P: Payload> Redis<P> {
    /// A foreign client starts to fill the memory up to `share`, with keys of 64 KiB that nobody reads.
    pub fn handle_filled(&mut self, now: SimTime, share: Share) {
        self.ballast.load(now, share);
        self.tend_ballast(now);
    }

    /// The foreign client deletes its keys.
    pub fn handle_unfilled(&mut self) {
        self.ballast.unload();
        self.note_memory();
    }

    /// The foreign client checks the memory periodically and writes more keys if needed. Redis spends time on that, too.
    pub(super) fn tend_ballast(&mut self, now: SimTime) {
        if !self.answers(now) {
            return;
        }
        let Some(target) = self.ballast.poll_target(now, self.evictor.bytes_max()) else {
            return;
        };
        while self.figures.memory_used < target {
            self.ballast.write(second(now));
            self.thread.book(now, self.settings.command);
            self.note_memory();
        }
    }

    pub(super) fn answering(&self, now: SimTime) -> Result<(), RedisError> {
        if self.answers(now) {
            Ok(())
        } else {
            Err(RedisError::Down)
        }
    }

    /// Looks at both keys of a waiting room, which are used by that.
    pub(super) fn look(&mut self, now: SimTime, show: ShowNumber) -> Result<(), RedisError> {
        self.answering(now)?;
        let room = self.contents.room_mut(show);
        room.line_used = second(now);
        room.active_used = second(now);
        Ok(())
    }

    pub(super) fn set_ticket(
        &mut self,
        now: SimTime,
        (show, buyer): (ShowNumber, BuyerId),
        ticket: u32,
    ) {
        let change = Change::Ticket {
            show,
            buyer,
            ticket,
        };
        self.write(now, change);
    }

    pub(super) fn drop_session(&mut self, now: SimTime, buyer: BuyerId) {
        let (expires, body) = (NONE, P::Session::default());
        let change = Change::Session {
            buyer,
            expires,
            body,
        };
        self.write(now, change);
    }

    pub(super) fn drop_body(&mut self, now: SimTime, key: P::CacheKey) {
        let (expires, body) = (NONE, P::Body::default());
        self.write(now, Change::Body { key, expires, body });
    }

    pub(super) fn write(&mut self, now: SimTime, change: Change<P>) {
        match &change {
            Change::Ticket { show, .. } => {
                self.contents.room_mut(*show).line_used = second(now);
            }
            Change::Seen { show, .. } => {
                self.contents.room_mut(*show).active_used = second(now);
            }
            Change::Body { key, .. } => self.contents.note_body_written(second(now), key),
            Change::Rate { .. }
            | Change::Claim { .. }
            | Change::Session { .. }
            | Change::Requests { .. } => {}
        }
        let reverse = self.contents.apply(change);
        self.unseen.note(now, reverse);
        self.note_memory();
    }

    pub(super) fn note_memory(&mut self) {
        let used = self.evictor.bytes_used(&self.contents, &self.ballast);
        self.figures.memory_used = used;
        self.figures.memory_peak = self.figures.memory_peak.max(used);
    }

    /// What precedes each command: beyond the limit, keys go until there is room; or writes are refused.
    pub(super) fn make_space(&mut self, now: SimTime) -> Result<(), RedisError> {
        self.tend_ballast(now);
        while self.figures.memory_used > self.evictor.bytes_max() {
            let keys = Keys {
                contents: &self.contents,
                ballast: &self.ballast,
            };
            let Some(key) = self.evictor.choose(second(now), &keys) else {
                return Err(RedisError::OutOfMemory);
            };
            self.evict(now, key);
        }
        Ok(())
    }

    /// Counts a write that is refused.
    pub(super) const fn need(&mut self, space: Result<(), RedisError>) -> Result<(), RedisError> {
        self.figures.writes_refused += space.is_err() as u64;
        space
    }

    pub(super) fn evict(&mut self, now: SimTime, key: Key<P::CacheKey>) {
        let evicted = &mut self.figures.evicted;
        match key {
            Key::Line(show) => {
                evicted.lines += 1;
                evicted.waiting += u64::from(self.contents.room(show).waiting());
                for buyer in self.contents.room_mut(show).everybody_waiting() {
                    self.set_ticket(now, (show, buyer), NONE);
                }
            }
            Key::ActiveSet(show) => {
                evicted.active_sets += 1;
                evicted.active += u64::from(self.contents.room(show).active());
                for buyer in self.contents.room(show).everybody_active() {
                    let seen = NONE;
                    self.write(now, Change::Seen { show, buyer, seen });
                }
            }
            Key::Body(key) => {
                evicted.bodies += 1;
                self.drop_body(now, key);
            }
            Key::Session(buyer) => {
                evicted.sessions += 1;
                self.drop_session(now, buyer);
            }
            Key::Ballast(number) => {
                evicted.foreign += 1;
                self.ballast.evict(number);
                self.note_memory();
            }
        }
    }
}

/// The LRU clock.
pub(super) fn second(now: SimTime) -> u32 {
    u32::try_from(now.as_secs()).unwrap_or(u32::MAX)
}
