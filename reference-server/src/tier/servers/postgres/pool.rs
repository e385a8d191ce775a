//! The connection pool of one instance (B6), and statements that are transactions of their own.

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

/// How often a transaction that PostgreSQL rolled back for the sake of another one is tried (an assumption: locks are taken
/// in one order, so that it is rare).
const ATTEMPTS_MAX: u32 = 3;

/// A statement without an answer for this many waits for a connection is given up, and its connection with it: 10 s.
///
/// An assumption: clients of PostgreSQL wait for ever unless they are told not to, and keepalive sees a host that is gone,
/// but not a server that is stopped.
const ANSWER_WAITS: u32 = 5;

/// How many times within the idle time-out the pool is looked through.
const LOOKS: u32 = 4;

/// Shortest time between two looks through the pool, on the wall: a run may be compressed.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(50);

/// The limits of a pool, in wall time.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolLimits {
    /// Connections.
    pub(super) max: usize,
    /// Wait for a free connection, and again for a new one to open.
    pub(super) connect_timeout: Duration,
    /// Time after which an idle connection is closed.
    pub(super) idle_timeout: Duration,
}

/// At most so many connections; whoever waits longer than the connect time-out fails.
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
    /// Makes a pool in the runtime of the caller; connections are opened when they are needed.
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
            // The one used last is used next, so that what a rush has opened becomes idle after it.
            queue_mode: QueueMode::Lifo,
        };
        let pool = deadpool_postgres::Pool::builder(manager)
            .config(config)
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a runtime is given for the time-outs");
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

    /// What the pool has seen so far.
    pub(super) fn load(&self) -> PoolLoad {
        let status = self.pool.status();
        PoolLoad {
            waits: self.waits.load(Ordering::Relaxed),
            timeouts: self.timeouts.load(Ordering::Relaxed),
            opened: self.connector.opened(),
            in_use: status.size.saturating_sub(status.available) as u64,
        }
    }

    /// Statements so far.
    pub(super) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// Runs one statement, which is a transaction of its own, and returns its rows.
    ///
    /// Its caller may be dropped at any moment: the server finishes the statement, and the next one on its connection waits
    /// for that.
    pub(super) async fn query(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Unavailable> {
        let connection = self.acquire().await?;
        let wait = self.limits.connect_timeout * ANSWER_WAITS;
        for attempt in 1.. {
            self.queries.fetch_add(1, Ordering::Relaxed);
            let answer = tokio::time::timeout(wait, execute(&connection, statement, parameters));
            let error = match answer.await {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(error)) => error,
                Err(_) => {
                    tracing::debug!(?wait, "PostgreSQL does not answer");
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
                    // The idle ones were opened to the same node.
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
                tracing::debug!(error = describe(error), "no connection to PostgreSQL");
                Unavailable::Database
            }
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                tracing::debug!(%error, "no connection to PostgreSQL");
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

/// What an error of a statement says about its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// Rolled back for the sake of another transaction: it may be tried again.
    Conflict,
    /// The node takes no writes: it is not, or no longer, the writer.
    NotTheWriter,
    /// The connection is broken, or about to be.
    Connection,
    /// The statement; the connection is well.
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

async fn execute(
    connection: &Object,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let prepared = connection.prepare_cached(statement).await?;
    connection.query(&prepared, parameters).await
}

/// Closes connections that nobody has used for the idle time-out, as long as the pool is there.
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
