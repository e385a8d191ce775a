//! Redis under memory pressure: what a key takes, and which one has to go.

use rand::RngExt;
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::BuyerId;

use super::ShowNumber;
use super::ballast::Ballast;
use super::contents::{Contents, Payload};
use super::settings::{Eviction, RedisSettings};

/// Bytes of a member of a sorted set: dictionary entry, skip-list node, and an id of 36 characters. [assumption, from
/// the layout of these structures in Redis 7 on 64 bits]
const MEMBER_BYTES: u64 = 136;

/// Bytes of a session: key, dictionary entries of the key and of its expiry, and 200 characters of JSON. [assumption,
/// likewise]
const SESSION_BYTES: u64 = 384;

/// Bytes of a cached body with its key. [assumption]
const BODY_BYTES: u64 = 2_048;

/// Bytes that an empty Redis takes. [assumption]
const EMPTY_BYTES: u64 = 1 << 20;

/// Keys looked at for one eviction: the default of `maxmemory-samples`. [documented by Redis]
const SAMPLES: usize = 5;

/// The idlest keys seen so far that are remembered from one eviction to the next. [documented by Redis]
const POOL: usize = 16;

/// A key, as far as eviction is concerned; `K` finds a cached body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key<K> {
    /// The whole line of a show: one sorted set.
    Line(ShowNumber),
    /// The whole active set of a show.
    ActiveSet(ShowNumber),
    Body(K),
    Session(BuyerId),
    /// A key of the foreign client, by its number.
    Ballast(u32),
}

/// The limit, and the choice of what has to go.
#[derive(Clone, Debug)]
pub(super) struct Evictor<P: Payload> {
    policy: Eviction,
    bytes_max: u64,
    bytes_fixed: u64,
    /// Candidates by how many seconds they were idle when they were seen, the idlest last.
    pool: Vec<(u32, Key<P::CacheKey>)>,
    stream: Stream,
}

/// What there is to choose from.
pub(super) struct Keys<'a, P: Payload> {
    pub(super) contents: &'a Contents<P>,
    pub(super) ballast: &'a Ballast,
}

impl<P: Payload> Evictor<P> {
    pub(super) fn new(settings: &RedisSettings) -> Self {
        Self {
            policy: settings.eviction,
            bytes_max: settings.memory_max,
            bytes_fixed: EMPTY_BYTES + settings.memory_other,
            pool: Vec::with_capacity(POOL + 1),
            stream: Streams::new(settings.seed).named("eviction"),
        }
    }

    /// Bytes that keys may take together with everything else: `maxmemory`.
    pub(super) const fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Bytes in use.
    pub(super) const fn bytes_used(&self, contents: &Contents<P>, ballast: &Ballast) -> u64 {
        self.bytes_fixed
            + contents.members() * MEMBER_BYTES
            + contents.sessions.count() as u64 * SESSION_BYTES
            + contents.bodies_count() * BODY_BYTES
            + ballast.bytes()
    }

    /// The key that has to go next, or `None` if the policy leaves none.
    pub(super) fn choose(&mut self, second: u32, keys: &Keys<'_, P>) -> Option<Key<P::CacheKey>> {
        if self.policy == Eviction::NoEviction {
            return None;
        }
        loop {
            let few = self.few_keys(keys.contents);
            if few.len() + self.many_keys(keys) == 0 {
                return None;
            }
            self.fill_pool(second, keys, &few);
            // A candidate that was used since goes all the same: Redis does not look again.
            if let Some((_, key)) = self.pool.pop()
                && keys.exist(&key)
            {
                return Some(key);
            }
        }
    }

    /// The keys of the waiting rooms and the cached bodies, as far as they may be evicted.
    fn few_keys(&self, contents: &Contents<P>) -> Vec<Key<P::CacheKey>> {
        let mut keys = Vec::new();
        match self.policy {
            Eviction::NoEviction => return keys,
            Eviction::VolatileLru => {}
            Eviction::AllKeysLru => {
                for (show, room) in (0..).map(ShowNumber).zip(&contents.rooms) {
                    keys.extend((room.waiting() > 0).then_some(Key::Line(show)));
                    keys.extend((room.active() > 0).then_some(Key::ActiveSet(show)));
                }
            }
        }
        keys.extend(contents.bodies().cloned().map(Key::Body));
        keys
    }

    /// How many sessions and keys of ballast may be evicted. Ballast never expires.
    fn many_keys(&self, keys: &Keys<'_, P>) -> usize {
        let ballast = match self.policy {
            Eviction::AllKeysLru => keys.ballast.count(),
            Eviction::VolatileLru | Eviction::NoEviction => 0,
        };
        keys.contents.sessions.count() + ballast
    }

    fn fill_pool(&mut self, second: u32, keys: &Keys<'_, P>, few: &[Key<P::CacheKey>]) {
        let total = few.len() + self.many_keys(keys);
        let first = self.stream.random_range(0..total);
        for sample in 0..SAMPLES.min(total) {
            let place = if total <= SAMPLES {
                (first + sample) % total
            } else {
                self.stream.random_range(0..total)
            };
            let key = match few.get(place) {
                Some(key) => key.clone(),
                None => keys.one_of_many(place - few.len()),
            };
            self.note(second.saturating_sub(keys.used(&key)), key);
        }
    }

    fn note(&mut self, idle: u32, key: Key<P::CacheKey>) {
        let place = self.pool.partition_point(|(other, _)| *other < idle);
        if place == 0 && self.pool.len() == POOL {
            return;
        }
        self.pool.insert(place, (idle, key));
        if self.pool.len() > POOL {
            self.pool.remove(0);
        }
    }
}

impl<P: Payload> Keys<'_, P> {
    /// A session, or behind them a key of ballast.
    fn one_of_many(&self, place: usize) -> Key<P::CacheKey> {
        let sessions = self.contents.sessions.count();
        if place < sessions {
            Key::Session(self.contents.sessions.holder(place))
        } else {
            Key::Ballast(self.ballast.number(place - sessions))
        }
    }

    fn exist(&self, key: &Key<P::CacheKey>) -> bool {
        match key {
            Key::Line(show) => self.contents.room(*show).waiting() > 0,
            Key::ActiveSet(show) => self.contents.room(*show).active() > 0,
            Key::Body(key) => self.contents.has_body(key),
            Key::Session(buyer) => self.contents.sessions.exists(*buyer),
            Key::Ballast(number) => self.ballast.exists(*number),
        }
    }

    /// When a key was last used: the clock of Redis' LRU ticks once per second.
    fn used(&self, key: &Key<P::CacheKey>) -> u32 {
        match key {
            Key::Line(show) => self.contents.room(*show).line_used,
            Key::ActiveSet(show) => self.contents.room(*show).active_used,
            Key::Body(key) => self.contents.body_used(key),
            Key::Session(buyer) => self.contents.sessions.used_at(*buyer) / 1_000,
            Key::Ballast(number) => self.ballast.written_at(*number),
        }
    }
}
