//! The connection for all commands of an instance, reopened when it breaks.
//!
//! The connection manager of the `redis` crate is not used: it stays with a node that has become a replica, it keeps a
//! connection that no longer responds, and its subscriptions don't accept a custom resolver.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::ServerErrorKind;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ScriptInvocation};

use super::endpoint::Endpoint;
use crate::clock::Clock;
use crate::tier::Unavailable;

/// Real time between two attempts to connect. Commands in between fail immediately.
pub(in crate::tier::servers) const RECONNECT_PAUSE: Duration = Duration::from_millis(50);

/// The connection that all commands share. Clones share it.
#[derive(Clone, Debug)]
pub(in crate::tier::servers) struct Link {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    clock: Clock,
    state: Mutex<State>,
    /// Locked while connecting.
    attempt: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<Open>,
    /// Number of connections opened so far.
    opened: u64,
    /// Scenario time and error of the last attempt, if it failed.
    failed: Option<(Duration, RedisError)>,
}

/// A connection and its number.
#[derive(Clone, Debug)]
struct Open {
    number: u64,
    connection: MultiplexedConnection,
}

impl Link {
    /// Creates a link that connects on first use.
    pub(in crate::tier::servers) fn new(endpoint: Endpoint, clock: Clock) -> Self {
        let shared = Shared {
            endpoint,
            clock,
            state: Mutex::new(State::default()),
            attempt: tokio::sync::Mutex::new(()),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(in crate::tier::servers) fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    pub(in crate::tier::servers) async fn query<T: FromRedisValue>(
        &self,
        command: &Cmd,
    ) -> RedisResult<T> {
        let mut open = self.open().await?;
        let answer = command.query_async(&mut open.connection).await;
        self.judged(open.number, answer)
    }

    pub(in crate::tier::servers) async fn pipe<T: FromRedisValue>(
        &self,
        commands: &Pipeline,
    ) -> RedisResult<T> {
        let mut open = self.open().await?;
        let answer = commands.query_async(&mut open.connection).await;
        self.judged(open.number, answer)
    }

    /// Runs a script, and loads it first if the node doesn't have it.
    pub(in crate::tier::servers) async fn invoke<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> RedisResult<T> {
        let mut open = self.open().await?;
        let answer = script.invoke_async(&mut open.connection).await;
        self.judged(open.number, answer)
    }

    /// Drops the connection. The next command opens a new one.
    pub(in crate::tier::servers) fn close(&self) {
        self.shared.state().open = None;
    }

    async fn open(&self) -> RedisResult<Open> {
        if let Some(open) = self.shared.state().open.clone() {
            return Ok(open);
        }
        let asked = self.shared.clock.now();
        let _attempt = self.shared.attempt.lock().await;
        {
            // Another task may have tried to connect while this one waited for the lock.
            let state = self.shared.state();
            if let Some(open) = state.open.clone() {
                return Ok(open);
            }
            if let Some((at, error)) = &state.failed {
                let since = self.shared.clock.now().saturating_sub(*at);
                if *at >= asked || self.shared.clock.wall(since) < RECONNECT_PAUSE {
                    return Err(error.clone());
                }
            }
        }
        let connected = self.shared.endpoint.connect().await;
        let mut state = self.shared.state();
        match connected {
            Ok((connection, work)) => {
                state.opened += 1;
                state.failed = None;
                let number = state.opened;
                let open = Open { number, connection };
                state.open = Some(open.clone());
                let shared = Arc::downgrade(&self.shared);
                tokio::spawn(async move {
                    work.await;
                    if let Some(shared) = shared.upgrade() {
                        shared.forget(number);
                    }
                });
                Ok(open)
            }
            Err(error) => {
                state.failed = Some((self.shared.clock.now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Drops a connection that turned out to be unusable.
    fn judged<T>(&self, number: u64, answer: RedisResult<T>) -> RedisResult<T> {
        if answer.as_ref().is_err_and(needs_another_connection) {
            self.shared.forget(number);
        }
        answer
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, number: u64) {
        let mut state = self.state();
        if state
            .open
            .as_ref()
            .is_some_and(|open| open.number == number)
        {
            state.open = None;
        }
    }
}

/// Returns whether the node is gone, doesn't respond, or is no longer the primary.
fn needs_another_connection(error: &RedisError) -> bool {
    let is_primary = !matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
    );
    !is_primary || error.is_io_error() || error.is_unrecoverable_error()
}

/// Converts the error of a command.
pub(in crate::tier::servers) fn unavailable(error: &RedisError) -> Unavailable {
    if error.code() == Some("OOM") {
        Unavailable::RedisRefused
    } else {
        Unavailable::Redis
    }
}
