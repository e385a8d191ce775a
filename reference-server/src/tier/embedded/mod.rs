//! The embedded data tier: Redis and the database in memory, shared by all instances of the process.
//!
//! What they do is decided by the pure machines of `tiketi-data-tier`, which the model drives as well. Here they run in
//! real time, and what they leave to their driver is added: ids, JSON, accounts, and waiting.

mod cache;
mod database;
mod ids;
mod postgres;
mod redis;
mod seat_list;
mod stock;
mod transactions;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tiketi_core::units::{Share, SimTime};
use tiketi_data_tier::{
    CachedReads, DatabaseFigures, DatabaseSettings, Eviction, Loss, RedisFigures, RedisSettings,
};
use tiketi_station::ServiceTimes;
use tokio::sync::watch;

use super::{Census, FinalDoors, FinalState, Unavailable};
use crate::bus::Bus;
use crate::clock::Clock;
use crate::settings::Settings;
use crate::show::Show;
pub(crate) use cache::EmbeddedCache;
pub(crate) use database::EmbeddedDatabase;
use database::Pool;
use postgres::PostgresStore;
use redis::RedisStore;
use transactions::Transactions;

/// Long after the end of any run.
const NEVER: SimTime = SimTime::from_nanos(u64::MAX);

/// Redis and PostgreSQL in memory. Clones share the data.
#[derive(Clone, Debug)]
pub struct EmbeddedTier {
    inner: Arc<Inner>,
}

/// What the embedded servers have, as far as the settings of a deployment do not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddedLimits {
    /// How far the Redis replica is behind its primary: age of the youngest writes that a failover loses.
    pub lost_window: Duration,
    /// Bytes beyond which Redis evicts keys or refuses writes (`maxmemory`).
    pub redis_memory_max: u64,
    /// What Redis does then (`maxmemory-policy`).
    pub redis_eviction: Eviction,
    /// Connections the database admits in all (`max_connections`).
    pub connections_max: u32,
    /// Cores of the database that queries share.
    pub cores: u32,
}

impl EmbeddedLimits {
    /// A replica that is `lost_window` behind, and no other limit.
    pub const fn none(lost_window: Duration) -> Self {
        Self {
            lost_window,
            redis_memory_max: u64::MAX,
            redis_eviction: Eviction::AllKeysLru,
            connections_max: u32::MAX,
            cores: u32::MAX,
        }
    }
}

/// What the machines have counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmbeddedFigures {
    /// Of Redis.
    pub redis: RedisFigures,
    /// Of the database.
    pub database: DatabaseFigures,
    /// Time that the cores of the database have worked together.
    pub database_busy: Duration,
    /// Reads of the stock that the cache has answered.
    pub cached_reads: CachedReads,
}

/// What the roles stand on.
#[derive(Debug)]
pub(crate) struct Inner {
    clock: Clock,
    bus: Bus,
    shows: Vec<Show>,
    redis: Mutex<RedisStore>,
    /// Whether the Redis primary is paused; commands wait for a change.
    redis_paused: watch::Sender<bool>,
    /// Time after which a command of a paused Redis is given up.
    redis_timeout: Duration,
    tables: Mutex<PostgresStore>,
    transactions: Transactions,
}

impl EmbeddedTier {
    /// Creates the tier with these shows on sale; scenario time starts now. Its Redis replica is `lost_window` behind, and
    /// nothing else is limited.
    pub fn new(settings: &Settings, shows: Vec<Show>, lost_window: Duration) -> Self {
        Self::with_clock(settings, shows, lost_window, Clock::start(settings.speed))
    }

    /// As [`Self::new`], with limits.
    pub fn with_limits(settings: &Settings, shows: Vec<Show>, limits: EmbeddedLimits) -> Self {
        Self::build(settings, shows, limits, Clock::start(settings.speed))
    }

    /// As [`Self::new`], in the time of `clock`.
    pub(crate) fn with_clock(
        settings: &Settings,
        shows: Vec<Show>,
        lost_window: Duration,
        clock: Clock,
    ) -> Self {
        Self::build(settings, shows, EmbeddedLimits::none(lost_window), clock)
    }

    fn build(settings: &Settings, shows: Vec<Show>, limits: EmbeddedLimits, clock: Clock) -> Self {
        let database = DatabaseSettings {
            pool_max: settings.pool_max,
            connect_timeout: settings.pool_connect_timeout,
            keep_alive: settings.pool_keep_alive,
            connections_max: limits.connections_max,
            cores: limits.cores,
            query: ServiceTimes::of(&settings.profile).query,
            commit: settings.commit_time,
        };
        let inner = Inner {
            clock,
            bus: Bus::default(),
            redis: Mutex::new(RedisStore::new(redis_settings(settings, limits))),
            redis_paused: watch::Sender::new(false),
            redis_timeout: settings.redis_timeout,
            tables: Mutex::new(PostgresStore::new(shows.clone())),
            transactions: Transactions::new(clock, database),
            shows,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The cache role for one more instance.
    pub(crate) fn cache(&self) -> EmbeddedCache {
        EmbeddedCache::new(Arc::clone(&self.inner))
    }

    /// The database role behind a pool of its own; a query takes `query_time` of a core.
    pub(crate) fn database(&self, _settings: &Settings, query_time: Duration) -> EmbeddedDatabase {
        let pool = Pool::open(Arc::clone(&self.inner), query_time);
        EmbeddedDatabase::new(pool)
    }

    pub(crate) fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// The shows on sale.
    pub(crate) fn shows(&self) -> &[Show] {
        &self.inner.shows
    }
}

/// What faults and orders do to it.
impl EmbeddedTier {
    /// Loses the Redis primary: every operation fails until another is promoted or restored.
    pub fn lose_redis(&self) {
        let mut redis = self.inner.redis();
        redis.machine.handle_lost(self.inner.now());
        self.inner.redis_paused.send_replace(false);
    }

    /// Loses the Redis primary without a word: operations fail after the timeout of their client, until another is promoted
    /// or restored.
    pub fn silence_redis(&self) {
        let mut redis = self.inner.redis();
        redis.machine.handle_lost_silently(self.inner.now());
        self.inner.redis_paused.send_replace(false);
    }

    /// Makes the Redis replica the primary; returns what was lost with the old one: the writes of the last window. Nothing
    /// happens without an outage.
    pub fn promote_redis(&self) -> Loss {
        self.inner.redis().promote()
    }

    /// Starts an empty Redis, as it comes back where there is no replica; returns what there was. Nothing happens without an
    /// outage.
    pub fn restore_redis_empty(&self) -> Loss {
        self.inner.redis().machine.handle_restored_empty()
    }

    /// Pauses the Redis primary: commands wait for it until they are given up. Nothing happens during an outage.
    pub fn pause_redis(&self) {
        let mut redis = self.inner.redis();
        if redis.machine.is_up() {
            redis.machine.handle_paused(NEVER);
            self.inner.redis_paused.send_replace(true);
        }
    }

    /// Resumes a paused Redis primary.
    pub fn resume_redis(&self) {
        let mut redis = self.inner.redis();
        redis.machine.handle_resumed(self.inner.now());
        self.inner.redis_paused.send_replace(false);
    }

    /// The Redis replica is `lag` behind from now on; `None`: as far as it usually is.
    pub fn delay_redis_replica(&self, lag: Option<Duration>) {
        let mut redis = self.inner.redis();
        redis.machine.handle_link(self.inner.now(), lag);
    }

    /// A foreign client fills the memory of Redis up to `share` of its limit, and keeps it full.
    pub fn fill_redis(&self, share: Share) {
        let mut redis = self.inner.redis();
        redis.machine.handle_filled(self.inner.now(), share);
    }

    /// The foreign client deletes the keys that fill Redis.
    pub fn empty_redis(&self) {
        self.inner.redis().machine.handle_unfilled();
    }

    /// Loses the database primary: connections break, and new ones hang until the standby is promoted.
    pub fn lose_database(&self) {
        self.inner
            .transactions
            .act(|machine, now| machine.handle_lost(now));
    }

    /// Loses the database primary without a word: connections hang until keep-alive breaks them, and new ones until they time
    /// out.
    pub fn silence_database(&self) {
        self.inner
            .transactions
            .act(|machine, now| machine.handle_lost_silently(now));
    }

    /// Makes the standby the primary; nothing that was committed is missing. Nothing happens without an outage.
    pub fn promote_database(&self) {
        self.inner
            .transactions
            .act(|machine, now| machine.handle_promoted(now));
    }

    /// Pauses the database primary: connections stay, and nothing responds. Nothing happens during an outage.
    pub fn pause_database(&self) {
        self.inner
            .transactions
            .act(|machine, now| machine.handle_paused(now));
    }

    /// Resumes a paused database primary.
    pub fn resume_database(&self) {
        self.inner
            .transactions
            .act(|machine, now| machine.handle_resumed(now));
    }

    /// Each commit takes `delay` from now on, as behind a slow link to a synchronous standby; `None`: what the settings say.
    pub fn delay_commits(&self, delay: Option<Duration>) {
        self.inner
            .transactions
            .act(|machine, _| machine.handle_commit_delay(delay));
    }

    /// A foreign client opens up to `count` connections of the database and keeps them.
    pub fn hold_connections(&self, count: u32) {
        self.inner
            .transactions
            .act(|machine, now| machine.handle_connections_held(now, count));
    }

    /// The foreign client closes all its connections.
    pub fn release_connections(&self) {
        self.inner
            .transactions
            .act(|machine, _| machine.handle_connections_released());
    }
}

/// What can be read.
impl EmbeddedTier {
    /// People in waiting rooms, as a queue monitor would read it; `None` while Redis does not answer.
    pub fn queue_size(&self) -> Option<u64> {
        let now = self.inner.now();
        self.inner.redis().waiting(now)
    }

    /// How far the Redis replica is behind; `None` while no primary answers.
    pub fn redis_lag(&self) -> Option<Duration> {
        let now = self.inner.now();
        let machine = &mut self.inner.redis().machine;
        machine.answers(now).then(|| machine.replica_lag(now))
    }

    /// Whether the database has a primary that answers.
    pub fn database_answers(&self) -> bool {
        self.inner.transactions.read(|machine| machine.answers())
    }

    /// The tier's counts now.
    pub fn census(&self) -> Census {
        let now = self.inner.now();
        let mut census = self.inner.redis().census(now);
        census.messages_published = self.inner.bus.published();
        census.database_queries = self.figures().database.queries;
        let tables = self.inner.tables();
        census.held = tables.held();
        census.sold = tables.sold();
        census
    }

    /// What the machines have counted.
    pub fn figures(&self) -> EmbeddedFigures {
        let redis = self.inner.redis().machine.figures();
        let cached_reads = self.inner.tables().cached_reads();
        let now = self.inner.now();
        let database = |machine: &tiketi_data_tier::Database| EmbeddedFigures {
            redis,
            database: machine.figures(),
            database_busy: machine.busy_until(now),
            cached_reads,
        };
        self.inner.transactions.read(database)
    }

    /// Everything an audit needs. Read it after the last instance has stopped.
    pub fn final_state(&self) -> FinalState {
        let (ledger, doors) = {
            let redis = self.inner.redis();
            let waiting = redis
                .machine
                .is_up()
                .then(|| redis.waiting(NEVER))
                .flatten();
            let doors = waiting.zip(redis.astray());
            let doors = doors.map(|(waiting, astray)| FinalDoors { waiting, astray });
            (redis.ledger(), doors)
        };
        let tables = self.inner.tables();
        FinalState {
            seats: tables.final_seats(),
            orders: tables.orders().to_vec(),
            captures: tables.captures().to_vec(),
            ledger,
            doors,
        }
    }

    /// Scenario time since the tier was created.
    pub fn now(&self) -> Duration {
        self.inner.clock.now()
    }
}

impl Inner {
    fn now(&self) -> SimTime {
        SimTime::ZERO + self.clock.now()
    }

    fn redis(&self) -> MutexGuard<'_, RedisStore> {
        lock(&self.redis)
    }

    fn tables(&self) -> MutexGuard<'_, PostgresStore> {
        lock(&self.tables)
    }

    /// Panics if somebody else has panicked in the middle of a change: what the tier holds may then be half changed, so no
    /// instance goes on with it.
    fn assert_sound(&self) {
        let is_broken =
            self.redis.is_poisoned() || self.tables.is_poisoned() || self.transactions.is_broken();
        assert!(
            !is_broken,
            "the embedded data tier broke in a panic elsewhere"
        );
    }

    fn redis_is_paused(&self) -> bool {
        *self.redis_paused.borrow()
    }

    /// Returns when a paused Redis resumes, or an error when its client gives up.
    async fn redis_continues(&self) -> Result<(), Unavailable> {
        let mut changes = self.redis_paused.subscribe();
        let continues = changes.wait_for(|paused| !paused);
        let waited = tokio::time::timeout(self.clock.wall(self.redis_timeout), continues).await;
        waited.map(|_| ()).map_err(|_| Unavailable::Redis)
    }
}

fn redis_settings(settings: &Settings, limits: EmbeddedLimits) -> RedisSettings {
    RedisSettings {
        lost_window: limits.lost_window,
        // A command takes the time that it takes on this machine.
        command: Duration::ZERO,
        timeout: settings.redis_timeout,
        memory_max: limits.redis_memory_max,
        memory_other: 0,
        eviction: limits.redis_eviction,
        active_max: settings.active_max,
        idle_timeout: settings.idle_timeout,
        admit_every: settings.admit_every,
        session_ttl: settings.session_ttl,
        counts_requests: true,
        tells_places: true,
        seed: settings.seed,
    }
}

/// Locks even after a panic elsewhere, to read what there is; [`Inner::assert_sound`] stops the instances.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "strain_tests.rs"]
mod tests;
