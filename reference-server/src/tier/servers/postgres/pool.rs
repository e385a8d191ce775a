//! The connection pool of one instance (B6). Each statement is a transaction of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, PoolConfig, PoolError, QueueMode, RecyclingMethod, Runtime,
    TimeoutType, Timeouts,
};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::connect::{Connector, describe};
use crate::tier::Unavailable;
use crate::tier::database::PoolLoad;

/// Maximum number of attempts for a transaction that PostgreSQL rolled back because of a conflict (an assumption; rare,
/// because locks are always taken in the same order).
const ATTEMPTS_MAX: u32 = 3;

/// Timeout of a statement, as a multiple of the timeout for a connection: 10 s by default. The connection is dropped with it.
///
/// An assumption: PostgreSQL clients wait forever by default, and keepalive detects a lost host but not a stopped server.
const ANSWER_WAITS: u32 = 5;

/// How often idle connections are looked for within the idle timeout.
const LOOKS: u32 = 4;

/// Minimum real time between two looks, because scenario time may be faster.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(50);

/// The limits of a pool, in real time.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolLimits {
    /// Maximum number of connections.
    pub(super) max: usize,
    /// Timeout for a free connection, and again for opening a new one.
    pub(super) connect_timeout: Duration,
    /// Time after which an idle connection is closed.
    pub(super) idle_timeout: Duration,
}

/// A connection pool with a maximum size. A request that waits longer than the connection timeout fails.
#[derive(Debug)]
pub(super) struct Pool {
    pool: deadpool_postgres::Pool,
    connector: Connector,
    limits: PoolLimits,
    waits: AtomicU64,
    timeouts: AtomicU64,
    queries: AtomicU64,
}

impl Pool {
    /// Creates a pool in the caller's runtime. Connections are opened on demand.
    pub(super) fn new(connector: Connector, limits: PoolLimits) -> Self {
        let recycling_method = RecyclingMethod::Fast;
        let manager = Manager::from_connect(
            tokio_postgres::Config::new(),
            connector.clone(),
            ManagerConfig { recycling_method },
        );
        let config = PoolConfig {
            max_size: limits.max.max(1),
            timeouts: limits.timeouts(),
            // Reuse the connection used last, so that the extra connections of a peak become idle afterwards.
            queue_mode: QueueMode::Lifo,
        };
        let pool = deadpool_postgres::Pool::builder(manager)
            .config(config)
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a runtime for the timeouts is set");
        close_idle(&pool, limits.idle_timeout);
        Self {
            pool,
            connector,
            limits,
            waits: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            queries: AtomicU64::new(0),
        }
    }

    /// Returns the load of the pool so far.
    pub(super) fn load(&self) -> PoolLoad {
        let status = self.pool.status();
        PoolLoad {
            waits: self.waits.load(Ordering::Relaxed),
            timeouts: self.timeouts.load(Ordering::Relaxed),
            opened: self.connector.opened(),
            in_use: status.size.saturating_sub(status.available) as u64,
        }
    }

    /// Returns the number of statements so far.
    pub(super) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// Runs one statement, which is a transaction of its own, and returns its rows.
    ///
    /// The future may be dropped at any time. The server then finishes the statement, and the next statement on the same
    /// connection waits for it.
    #[cfg(test)]
    pub(super) async fn query(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Unavailable> {
        let query = (statement, parameters);
        self.query_late(Duration::ZERO, query).await
    }

    /// The same over a path on which the round trip takes `late` longer, in real time: so long the connection is in use.
    pub(super) async fn query_late(
        &self,
        late: Duration,
        (statement, parameters): (&str, &[&(dyn ToSql + Sync)]),
    ) -> Result<Vec<Row>, Unavailable> {
        let connection = self.acquire().await?;
        let wait = self.limits.connect_timeout * ANSWER_WAITS;
        for attempt in 1.. {
            self.queries.fetch_add(1, Ordering::Relaxed);
            let carried = async {
                pass(late / 2).await;
                let rows = execute(&connection, statement, parameters).await;
                pass(late / 2).await;
                rows
            };
            let answer = tokio::time::timeout(wait, carried);
            let error = match answer.await {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(error)) => error,
                Err(_) => {
                    tracing::debug!(?wait, "PostgreSQL does not respond");
                    drop(Object::take(connection));
                    return Err(Unavailable::Database);
                }
            };
            tracing::debug!(error = describe(&error), attempt, "statement failed");
            match Failure::of(&error) {
                Failure::Conflict if attempt < ATTEMPTS_MAX => continue,
                Failure::Conflict | Failure::Statement => {}
                Failure::Connection => drop(Object::take(connection)),
                Failure::NotTheWriter => {
                    drop(Object::take(connection));
                    // The idle connections lead to the same node.
                    drop(self.pool.retain(|_, _| false));
                }
            }
            break;
        }
        Err(Unavailable::Database)
    }

    async fn acquire(&self) -> Result<Object, Unavailable> {
        let patient = self.limits.timeouts();
        let at_once = Timeouts {
            wait: Some(Duration::ZERO),
            ..patient
        };
        let mut taken = self.pool.timeout_get(&at_once).await;
        if let Err(PoolError::Timeout(TimeoutType::Wait)) = taken {
            self.waits.fetch_add(1, Ordering::Relaxed);
            taken = self.pool.timeout_get(&patient).await;
        }
        taken.map_err(|error| self.refusal(&error))
    }

    fn refusal(&self, error: &PoolError) -> Unavailable {
        match error {
            PoolError::Timeout(step) => {
                self.timeouts.fetch_add(1, Ordering::Relaxed);
                match step {
                    TimeoutType::Wait => Unavailable::PoolTimeout,
                    TimeoutType::Create | TimeoutType::Recycle => Unavailable::Database,
                }
            }
            PoolError::Backend(error) => {
                tracing::debug!(error = describe(error), "cannot connect to PostgreSQL");
                Unavailable::Database
            }
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                tracing::debug!(%error, "cannot connect to PostgreSQL");
                Unavailable::Database
            }
        }
    }
}

impl PoolLimits {
    fn timeouts(self) -> Timeouts {
        Timeouts {
            wait: Some(self.connect_timeout),
            create: Some(self.connect_timeout),
            recycle: Some(self.connect_timeout),
        }
    }
}

/// The cause of a failed statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// A conflict with another transaction; the statement may be retried.
    Conflict,
    /// The node is read-only: it is not, or no longer, the writer.
    NotTheWriter,
    /// The connection is broken or about to break.
    Connection,
    /// The statement itself; the connection is fine.
    Statement,
}

impl Failure {
    fn of(error: &tokio_postgres::Error) -> Self {
        let Some(state) = error.code() else {
            return Self::Connection;
        };
        if [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ]
        .contains(state)
        {
            Self::Conflict
        } else if *state == SqlState::READ_ONLY_SQL_TRANSACTION {
            Self::NotTheWriter
        } else if state.code().starts_with("57P") || state.code().starts_with("08") {
            Self::Connection
        } else {
            Self::Statement
        }
    }
}

/// Waits for packets on an impaired path. On a clear one there is no timer, which would take up to a millisecond.
async fn pass(late: Duration) {
    if !late.is_zero() {
        tokio::time::sleep(late).await;
    }
}

async fn execute(
    connection: &Object,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let prepared = connection.prepare_cached(statement).await?;
    connection.query(&prepared, parameters).await
}

/// Closes connections that were idle for the idle timeout, until the pool is dropped.
fn close_idle(pool: &deadpool_postgres::Pool, idle_timeout: Duration) {
    let pool = pool.weak();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep((idle_timeout / LOOKS).max(LOOK_EVERY_MIN)).await;
            let Some(pool) = pool.upgrade() else {
                return;
            };
            drop(pool.retain(|_, metrics| metrics.last_used() < idle_timeout));
        }
    });
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
