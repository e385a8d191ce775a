//! Redis under memory pressure: what a key takes, and which one has to go.

use rand::RngExt;

use super::contents::{Cached, Contents};
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::BuyerId;
use tiketi_scenario::Plan;
use tiketi_scenario::topology::Eviction;

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

const MIB: u64 = 1 << 20;

/// A key, as far as eviction is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The whole line: one sorted set.
    Line,
    /// The whole active set.
    ActiveSet,
    Body(Cached),
    Session(BuyerId),
}

/// When the keys that are not sessions were last used, in seconds: the clock of Redis' LRU ticks once a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastUsed {
    pub(super) line: u32,
    pub(super) active_set: u32,
    pub(super) bodies: [u32; 2],
}

/// The limit, and the choice of what has to go.
#[derive(Clone, Debug)]
pub(super) struct Evictor {
    policy: Eviction,
    bytes_max: u64,
    bytes_fixed: u64,
    /// Candidates by how many seconds they were idle when they were seen, the idlest last.
    pool: Vec<(u32, Key)>,
    stream: Stream,
}

impl Evictor {
    pub(super) fn new(plan: &Plan) -> Self {
        let redis = &plan.topology.redis;
        Self {
            policy: redis.eviction,
            bytes_max: redis.memory_max_bytes(),
            bytes_fixed: EMPTY_BYTES + u64::from(redis.other_mib) * MIB,
            pool: Vec::with_capacity(POOL + 1),
            stream: Streams::new(plan.seed).named("eviction"),
        }
    }

    /// Bytes that keys may take together with everything else: `maxmemory`.
    pub(super) const fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Bytes in use.
    pub(super) fn bytes_used(&self, contents: &Contents) -> u64 {
        let room = &contents.room;
        let members = u64::from(room.waiting()) + u64::from(room.active());
        let bodies = Cached::ALL.iter().filter(|what| contents.has_body(**what));
        self.bytes_fixed
            + members * MEMBER_BYTES
            + contents.sessions.count() as u64 * SESSION_BYTES
            + bodies.count() as u64 * BODY_BYTES
    }

    /// The key that has to go next, or `None` if the policy leaves none.
    pub(super) fn choose(
        &mut self,
        second: u32,
        contents: &Contents,
        used: &LastUsed,
    ) -> Option<Key> {
        if self.policy == Eviction::NoEviction {
            return None;
        }
        loop {
            let keys = self.few_keys(contents);
            let sessions = contents.sessions.count();
            if keys.len() + sessions == 0 {
                return None;
            }
            self.fill_pool(second, contents, (&keys, used));
            // A candidate that was used since goes all the same: Redis does not look again.
            if let Some((_, key)) = self.pool.pop()
                && exists(key, contents)
            {
                return Some(key);
            }
        }
    }

    /// The keys that are not sessions and may be evicted.
    fn few_keys(&self, contents: &Contents) -> Vec<Key> {
        let lives_on = [Key::Line, Key::ActiveSet];
        let expires = Cached::ALL.map(Key::Body);
        let may_go: &[&[Key]] = match self.policy {
            Eviction::AllKeysLru => &[&lives_on, &expires],
            Eviction::VolatileLru => &[&expires],
            Eviction::NoEviction => &[],
        };
        let keys = may_go.iter().copied().flatten().copied();
        keys.filter(|key| exists(*key, contents)).collect()
    }

    fn fill_pool(&mut self, second: u32, contents: &Contents, (few, used): (&[Key], &LastUsed)) {
        let total = few.len() + contents.sessions.count();
        let first = self.stream.random_range(0..total);
        for sample in 0..SAMPLES.min(total) {
            let place = if total <= SAMPLES {
                (first + sample) % total
            } else {
                self.stream.random_range(0..total)
            };
            let key = match few.get(place) {
                Some(key) => *key,
                None => Key::Session(contents.sessions.holder(place - few.len())),
            };
            self.note(idle_seconds(second, key, contents, used), key);
        }
    }

    fn note(&mut self, idle: u32, key: Key) {
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

fn exists(key: Key, contents: &Contents) -> bool {
    match key {
        Key::Line => contents.room.waiting() > 0,
        Key::ActiveSet => contents.room.active() > 0,
        Key::Body(what) => contents.has_body(what),
        Key::Session(buyer) => contents.sessions.set_at(buyer).is_some(),
    }
}

fn idle_seconds(second: u32, key: Key, contents: &Contents, used: &LastUsed) -> u32 {
    let last = match key {
        Key::Line => used.line,
        Key::ActiveSet => used.active_set,
        Key::Body(what) => used.bodies[what as usize],
        Key::Session(buyer) => contents.sessions.set_at(buyer).unwrap_or_default() / 1_000,
    };
    second.saturating_sub(last)
}
