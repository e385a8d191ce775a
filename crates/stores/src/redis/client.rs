//! A client of a Redis server, for this crate's own commands.

use std::net::SocketAddr;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};
use redis::{RedisError, Value};

use super::RedisSample;

/// Timeout of a command. A paused server never responds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// A channel without subscribers: a message on it reaches the replica and changes no key.
const HEARTBEAT: &str = "tiketi-stores:heartbeat";

/// A connection to one server.
pub(super) struct Client {
    connection: MultiplexedConnection,
}

/// The role of a server in the replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Primary,
    Replica,
}

impl Client {
    pub(super) async fn connect(
        server: SocketAddr,
        password: Option<&str>,
    ) -> Result<Self, RedisError> {
        let address = ConnectionAddr::Tcp(server.ip().to_string(), server.port());
        let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(password) = password {
            login = login.set_password(password);
        }
        let client =
            redis::Client::open(address.into_connection_info()?.set_redis_settings(login))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        Ok(Self { connection })
    }

    pub(super) async fn role(&mut self) -> Result<Role, RedisError> {
        let answer: Vec<Value> = redis::cmd("ROLE").query_async(&mut self.connection).await?;
        let role: String = match answer.into_iter().next() {
            Some(role) => redis::from_redis_value(role)?,
            None => String::new(),
        };
        Ok(if role == "master" {
            Role::Primary
        } else {
            Role::Replica
        })
    }

    /// Makes the server a primary; it keeps its data.
    pub(super) async fn follow_nobody(&mut self) -> Result<(), RedisError> {
        redis::cmd("REPLICAOF")
            .arg("NO")
            .arg("ONE")
            .query_async(&mut self.connection)
            .await
    }

    /// Returns whether a replica has all data and receives new writes.
    pub(super) async fn has_replica(&mut self) -> Result<bool, RedisError> {
        let info = self.info("replication").await?;
        Ok(info.contains("state=online"))
    }

    /// Returns whether this replica has its primary's data and is connected to it.
    pub(super) async fn has_primary(&mut self) -> Result<bool, RedisError> {
        let info = self.info("replication").await?;
        Ok(field(&info, "master_link_status") == Some("up"))
    }

    /// Measures how long a write takes to reach the replica; `None` without a replica.
    ///
    /// After `limit`, returns the time waited: the lag is at least that.
    pub(super) async fn replica_lag(
        &mut self,
        limit: Duration,
    ) -> Result<Option<Duration>, RedisError> {
        if !self.has_replica().await? {
            return Ok(None);
        }
        let started = crate::now();
        self.reaches_replica(limit).await?;
        Ok(Some(crate::now() - started))
    }

    /// Returns whether a write reaches a replica within `limit`. Only the way to the replica has a lag.
    pub(super) async fn reaches_replica(&mut self, limit: Duration) -> Result<bool, RedisError> {
        self.connection.set_response_timeout(limit + ANSWER_TIMEOUT);
        let (_, replicas): (Value, u64) = redis::pipe()
            .cmd("PUBLISH")
            .arg(HEARTBEAT)
            .arg("")
            .cmd("WAIT")
            .arg(1)
            .arg(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX))
            .query_async(&mut self.connection)
            .await?;
        self.connection.set_response_timeout(ANSWER_TIMEOUT);
        Ok(replicas > 0)
    }

    pub(super) async fn sample(&mut self) -> Result<RedisSample, RedisError> {
        let info = self.info("everything").await?;
        let number = |key: &str| -> u64 {
            let value = field(&info, key).and_then(|value| value.parse().ok());
            value.unwrap_or(0)
        };
        Ok(RedisSample {
            memory_used_bytes: number("used_memory"),
            memory_max_bytes: Some(number("maxmemory")).filter(|max| *max > 0),
            keys_evicted: number("evicted_keys"),
            writes_refused: field(&info, "errorstat_OOM")
                .and_then(|value| value.strip_prefix("count=")?.parse().ok())
                .unwrap_or(0),
            clients_connected: number("connected_clients"),
            replica_lag: None,
        })
    }

    async fn info(&mut self, section: &str) -> Result<String, RedisError> {
        redis::cmd("INFO")
            .arg(section)
            .query_async(&mut self.connection)
            .await
    }
}

/// Returns the value of a line `key:value`.
fn field<'a>(info: &'a str, key: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .map(str::trim)
}
