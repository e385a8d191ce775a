//! The embedded data tier: both roles in memory, shared by all instances of the process.

mod cache;
mod database;
mod fifo;
mod pool;
mod postgres;
mod redis;
mod replication;
mod scripts;
mod seat_map;
mod stock;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::waiting::AdmissionLimits;
use super::{Census, FinalDoors, FinalState, Unavailable};
use crate::bus::Bus;
use crate::clock::Clock;
use crate::settings::Settings;
use crate::show::Show;
pub(crate) use cache::EmbeddedCache;
pub(crate) use database::EmbeddedDatabase;
use pool::Pool;
use postgres::PostgresStore;
use redis::RedisData;
use scripts::RedisStore;

/// Redis and PostgreSQL in memory. Clones share the data.
#[derive(Clone, Debug)]
pub struct EmbeddedTier {
    inner: Arc<Inner>,
}

/// What the roles stand on.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) clock: Clock,
    pub(crate) limits: AdmissionLimits,
    pub(crate) bus: Bus,
    pub(crate) shows: Vec<Show>,
    redis: Mutex<RedisStore>,
    database: Mutex<PostgresStore>,
    /// The incarnation of the database that is up; `None` during an outage.
    incarnation: watch::Sender<Option<u64>>,
    last_incarnation: Mutex<u64>,
}

impl EmbeddedTier {
    /// Creates the tier with these shows on sale; scenario time starts now.
    ///
    /// `lost_window` is how far the Redis replica is behind its primary.
    pub fn new(settings: &Settings, shows: Vec<Show>, lost_window: Duration) -> Self {
        Self::with_clock(settings, shows, lost_window, Clock::start(settings.speed))
    }

    /// Creates the tier with a clock that is running already.
    pub(crate) fn with_clock(
        settings: &Settings,
        shows: Vec<Show>,
        lost_window: Duration,
        clock: Clock,
    ) -> Self {
        let limits = AdmissionLimits::of(settings);
        let inner = Inner {
            clock,
            limits,
            bus: Bus::default(),
            redis: Mutex::new(RedisStore::new(lost_window)),
            database: Mutex::new(PostgresStore::new(shows.clone())),
            shows,
            incarnation: watch::Sender::new(Some(0)),
            last_incarnation: Mutex::new(0),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Loses the Redis primary: every operation fails until another is promoted or restored.
    pub fn lose_redis(&self) {
        let now = self.inner.clock.now();
        self.inner.redis().lose(now);
    }

    /// Makes the Redis replica the primary, without the writes of the last window. Nothing happens without an outage.
    pub fn promote_redis(&self) {
        self.inner.redis().promote();
    }

    /// Starts an empty Redis, as it comes back where there is no replica. Nothing happens without an outage.
    pub fn restore_redis_empty(&self) {
        self.inner.redis().restore_empty();
    }

    /// Loses the database primary: connections break, and new ones hang until the standby is promoted.
    pub fn lose_database(&self) {
        self.inner.incarnation.send_replace(None);
    }

    /// Makes the standby the primary; nothing that was committed is missing. Nothing happens without an outage.
    pub fn promote_database(&self) {
        if self.inner.incarnation.borrow().is_some() {
            return;
        }
        let mut last = lock(&self.inner.last_incarnation);
        *last += 1;
        self.inner.incarnation.send_replace(Some(*last));
    }

    /// People in waiting rooms, as a queue monitor would read it; `None` during an outage of Redis.
    pub fn queue_size(&self) -> Option<u64> {
        Some(self.inner.redis().data()?.waiting())
    }

    /// The tier's counts now.
    pub fn census(&self) -> Census {
        let mut census = self.inner.redis().census();
        census.messages_published = self.inner.bus.published();
        let database = self.inner.database();
        census.held = database.held;
        census.sold = database.sold;
        census.database_queries = database.queries;
        census
    }

    /// Everything an audit needs. Read it after the last instance has stopped.
    pub fn final_state(&self) -> FinalState {
        let (ledger, doors) = {
            let redis = self.inner.redis();
            let astray = redis.astray();
            let waiting = redis.data().map(RedisData::waiting);
            let doors = waiting.zip(astray);
            let doors = doors.map(|(waiting, astray)| FinalDoors { waiting, astray });
            (redis.census().ledger, doors)
        };
        let database = self.inner.database();
        FinalState {
            seats: database.final_seats(),
            orders: database.orders().to_vec(),
            captures: database.captures().to_vec(),
            ledger,
            doors,
        }
    }

    /// Scenario time since the tier was created.
    pub fn now(&self) -> Duration {
        self.inner.clock.now()
    }

    /// The cache role for one more instance.
    pub(crate) fn cache(&self) -> EmbeddedCache {
        EmbeddedCache::new(Arc::clone(&self.inner))
    }

    /// The database role behind a pool of its own; a query takes `query_time`.
    pub(crate) fn database(&self, settings: &Settings, query_time: Duration) -> EmbeddedDatabase {
        let pool = Pool::new(self.inner.clock, settings, query_time);
        EmbeddedDatabase::new(Arc::clone(&self.inner), Arc::new(pool))
    }

    pub(crate) fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// The shows on sale.
    pub(crate) fn shows(&self) -> &[Show] {
        &self.inner.shows
    }
}

impl Inner {
    pub(crate) fn with_redis<T>(
        &self,
        body: impl FnOnce(&mut RedisStore, Duration) -> Result<T, Unavailable>,
    ) -> Result<T, Unavailable> {
        // The clock is read under the lock, so that writes are replicated in the order of their times.
        let mut store = self.redis();
        let now = self.clock.now();
        body(&mut store, now)
    }

    pub(crate) fn with_database<T>(
        &self,
        body: impl FnOnce(&mut PostgresStore, Duration) -> T,
    ) -> Result<T, Unavailable> {
        let mut store = self.database();
        if self.incarnation.borrow().is_none() {
            return Err(Unavailable::Database);
        }
        store.queries += 1;
        let now = self.clock.now();
        Ok(body(&mut store, now))
    }

    /// Whether this incarnation of the database is the one that is up.
    pub(crate) fn is_database(&self, incarnation: u64) -> bool {
        *self.incarnation.borrow() == Some(incarnation)
    }

    /// Returns the incarnation of the database as soon as one is up.
    pub(crate) async fn database_up(&self) -> u64 {
        let mut changes = self.incarnation.subscribe();
        let up = changes.wait_for(Option::is_some).await;
        up.ok()
            .and_then(|up| *up)
            .expect("the sender lives as long as the tier, and the value was seen to be there")
    }

    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.database().next_expiry()
    }

    fn redis(&self) -> MutexGuard<'_, RedisStore> {
        lock(&self.redis)
    }

    fn database(&self) -> MutexGuard<'_, PostgresStore> {
        lock(&self.database)
    }
}

/// Locks even after a panic elsewhere: the panic is reported where it happened.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
