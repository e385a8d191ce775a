//! The other keys: sessions, cached bodies, request counters; and what has expired.

use std::time::Duration;

use tiketi_core::units::{BuyerId, SimTime};

use super::contents::{Change, Payload, expiry};
use super::redis::{Redis, RedisError};
use super::waiting_room::{instant, millis};

/// Time between two removals of expired sessions.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Length of a rate-limit window (B8), milliseconds.
const RATE_WINDOW: u32 = 60_000;

impl<P: Payload> Redis<P> {
    /// What the buyer's session holds; `None` without one.
    pub fn session(
        &mut self,
        now: SimTime,
        buyer: BuyerId,
    ) -> Result<Option<&P::Session>, RedisError> {
        self.answering(now)?;
        Ok(self.contents.sessions.live(millis(now), buyer))
    }

    /// Changes the buyer's session, or begins one, and renews its life; whether there was one.
    pub fn change_session(
        &mut self,
        now: SimTime,
        (buyer, ttl): (BuyerId, Duration),
        change: impl FnOnce(Option<&P::Session>) -> P::Session,
    ) -> Result<bool, RedisError> {
        self.answering(now)?;
        let space = self.make_space(now);
        let at = millis(now);
        let before = self.contents.sessions.live(at, buyer);
        let (was_there, body) = (before.is_some(), change(before));
        self.need(space)?;
        let expires = self.contents.sessions.expiry(at, ttl);
        let session = Change::Session {
            buyer,
            expires,
            body,
        };
        self.write(now, session);
        Ok(was_there)
    }

    /// A cached body, or `None`; counts the hit or the miss.
    pub fn cached(
        &mut self,
        now: SimTime,
        key: &P::CacheKey,
    ) -> Result<Option<&P::Body>, RedisError> {
        self.answering(now)?;
        self.contents.use_body(super::memory::second(now), key);
        let is_there = self.contents.has_body(key);
        let body = self.contents.fresh_body(millis(now), key);
        if body.is_some() {
            self.figures.hits += 1;
        } else {
            self.figures.misses += 1;
            self.figures.expired += u64::from(is_there);
        }
        Ok(body)
    }

    /// Caches a body for `ttl`.
    pub fn store(
        &mut self,
        now: SimTime,
        (key, ttl): (P::CacheKey, Duration),
        body: P::Body,
    ) -> Result<(), RedisError> {
        self.answering(now)?;
        let space = self.make_space(now);
        self.need(space)?;
        let expires = expiry(millis(now), ttl);
        self.write(now, Change::Body { key, expires, body });
        Ok(())
    }

    /// Drops a cached body. During an outage there is nothing to drop: what a failover brings back ends with its time.
    pub fn invalidate(&mut self, now: SimTime, key: &P::CacheKey) -> Result<(), RedisError> {
        self.answering(now)?;
        if self.contents.has_body(key) {
            self.drop_body(now, key.clone());
        }
        Ok(())
    }

    /// Counts a request of a buyer (B8); the time to wait if it is one too many for `limit`.
    pub fn count_request(
        &mut self,
        now: SimTime,
        buyer: BuyerId,
        limit: u32,
    ) -> Result<Option<Duration>, RedisError> {
        self.answering(now)?;
        let Some(before) = self.contents.requests(buyer) else {
            return Ok(None);
        };
        let at = millis(now);
        let (window_ends, counted) = if before.window_ends > at {
            (before.window_ends, before.count)
        } else {
            (at.saturating_add(RATE_WINDOW), 0)
        };
        if counted >= limit {
            let fewest = self.figures.refused_from.unwrap_or(u32::MAX);
            self.figures.refused_from = Some(fewest.min(counted.saturating_add(1)));
            let wait = instant(window_ends).saturating_since(instant(at));
            return Ok(Some(wait));
        }
        let space = self.make_space(now);
        self.need(space)?;
        let count = counted + 1;
        let change = Change::Requests {
            buyer,
            window_ends,
            count,
        };
        self.write(now, change);
        Ok(None)
    }

    /// Drops sessions and cached bodies that have expired, as Redis does little by little.
    pub fn sweep(&mut self, now: SimTime) -> Result<(), RedisError> {
        self.answering(now)?;
        self.drop_expired_sessions(now);
        for key in self.contents.expired_bodies(millis(now)) {
            self.drop_body(now, key);
        }
        self.contents.forget_absent_bodies();
        Ok(())
    }

    /// Drops sessions that have expired, once per minute.
    pub fn sweep_sessions(&mut self, now: SimTime) {
        if now.saturating_since(self.swept_at) < SWEEP_EVERY {
            return;
        }
        self.swept_at = now;
        self.drop_expired_sessions(now);
    }

    fn drop_expired_sessions(&mut self, now: SimTime) {
        for buyer in self.contents.sessions.expired(millis(now)) {
            self.drop_session(now, buyer);
        }
    }
}
