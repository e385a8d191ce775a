//! The connection pool of one instance (B6).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::Inner;
use crate::clock::Clock;
use crate::settings::Settings;
use crate::tier::Unavailable;
use crate::tier::database::PoolLoad;

/// At most `max` connections; whoever waits longer than the connect time-out fails.
#[derive(Debug)]
pub(crate) struct Pool {
    permits: Semaphore,
    max: usize,
    /// Which incarnation of the database each idle connection was opened to.
    idle: Mutex<Vec<u64>>,
    clock: Clock,
    connect_timeout: Duration,
    query_time: Duration,
    commit_time: Duration,
    waits: AtomicU64,
    timeouts: AtomicU64,
    opened: AtomicU64,
}

/// A connection in use; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Connection<'a> {
    pool: &'a Pool,
    _permit: SemaphorePermit<'a>,
    incarnation: u64,
}

impl Pool {
    pub(crate) fn new(clock: Clock, settings: &Settings, query_time: Duration) -> Self {
        Self {
            permits: Semaphore::new(settings.pool_max as usize),
            max: settings.pool_max as usize,
            idle: Mutex::new(Vec::new()),
            clock,
            connect_timeout: settings.pool_connect_timeout,
            query_time,
            commit_time: settings.commit_time,
            waits: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            opened: AtomicU64::new(0),
        }
    }

    /// What the pool has seen so far.
    pub(crate) fn load(&self) -> PoolLoad {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let idle = self.permits.available_permits();
        PoolLoad {
            waits: read(&self.waits),
            timeouts: read(&self.timeouts),
            opened: read(&self.opened),
            in_use: self.max.saturating_sub(idle) as u64,
        }
    }

    /// Takes an idle connection or opens one.
    pub(crate) async fn acquire(&self, database: &Inner) -> Result<Connection<'_>, Unavailable> {
        let wall = self.clock.wall(self.connect_timeout);
        let permit = if let Ok(permit) = self.permits.try_acquire() {
            permit
        } else {
            self.waits.fetch_add(1, Ordering::Relaxed);
            let wait = tokio::time::timeout(wall, self.permits.acquire()).await;
            let Ok(Ok(permit)) = wait else {
                self.timeouts.fetch_add(1, Ordering::Relaxed);
                return Err(Unavailable::PoolTimeout);
            };
            permit
        };
        let kept = self.lock_idle().pop();
        if let Some(incarnation) = kept.filter(|kept| database.is_database(*kept)) {
            return Ok(self.connection(permit, incarnation));
        }
        // To a lost primary a connect hangs until it times out, and keeps its place in the pool meanwhile.
        let Ok(incarnation) = tokio::time::timeout(wall, database.database_up()).await else {
            self.timeouts.fetch_add(1, Ordering::Relaxed);
            return Err(Unavailable::Database);
        };
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(self.connection(permit, incarnation))
    }

    fn connection<'a>(&'a self, permit: SemaphorePermit<'a>, incarnation: u64) -> Connection<'a> {
        Connection {
            pool: self,
            _permit: permit,
            incarnation,
        }
    }

    fn lock_idle(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection<'_> {
    /// Waits as long as a query takes.
    pub(crate) async fn hold_for_query(&self) {
        self.hold_for(self.pool.query_time).await;
    }

    /// Waits as long as a query that writes takes, and its commit.
    pub(crate) async fn hold_for_write(&self) {
        self.hold_for(self.pool.query_time + self.pool.commit_time)
            .await;
    }

    async fn hold_for(&self, length: Duration) {
        if !length.is_zero() {
            self.pool.clock.sleep(length).await;
        }
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.pool.lock_idle().push(self.incarnation);
    }
}
