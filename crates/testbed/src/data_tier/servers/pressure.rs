//! Other users of the same servers: a workload that fills Redis' memory, and a client that takes database connections.

use std::net::SocketAddr;
use std::time::Duration;

use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use tiketi_server::DatabaseEndpoint;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::AbortHandle;

use super::reach::Reach;
use crate::SUPERVISOR_IP;
use tiketi_core::units::Share;

/// Bytes per ballast key.
const KEY_BYTES: usize = 64 * 1_024;
/// Prefix of the ballast keys.
const PREFIX: &str = "ballast:";
/// Real time between two checks of the level.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Keys written at once.
const BATCH: usize = 64;

/// Keys that fill memory until [`Self::unload`]; dropping this only stops filling.
pub(super) struct Ballast {
    server: Reach,
    filling: AbortHandle,
}

impl Ballast {
    /// Fills the memory of a Redis server up to `share` of `maxmemory`, and keeps it at that level.
    pub(super) fn load(server: Reach, share: Share) -> Self {
        let filling = tokio::spawn({
            let server = server.clone();
            async move {
                if let Err(error) = fill(&server, share.get()).await {
                    tracing::warn!(%error, "the ballast stopped growing");
                }
            }
        });
        Self {
            server,
            filling: filling.abort_handle(),
        }
    }

    /// Deletes the ballast.
    pub(super) async fn unload(&self) {
        self.filling.abort();
        if let Err(error) = clear(&self.server).await {
            tracing::warn!(%error, "some ballast was not deleted");
        }
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        self.filling.abort();
    }
}

async fn fill(server: &Reach, share: f64) -> RedisResult<()> {
    let mut connection = server.client()?.get_multiplexed_async_connection().await?;
    let value = vec![b'.'; KEY_BYTES];
    let mut keys = 0_usize;
    loop {
        let (used, max) = memory(&mut connection).await?;
        if used >= max * share {
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        }
        let mut batch = redis::pipe();
        for _ in 0..BATCH {
            batch.set(format!("{PREFIX}{keys}"), &value).ignore();
            keys += 1;
        }
        match batch.query_async::<()>(&mut connection).await {
            Ok(()) => {}
            // Redis is full, which is the goal.
            Err(error) if error.code() == Some("OOM") => tokio::time::sleep(LOOK_EVERY).await,
            Err(error) => return Err(error),
        }
    }
}

/// Returns the bytes in use, and the limit.
async fn memory(connection: &mut MultiplexedConnection) -> RedisResult<(f64, f64)> {
    let info: redis::InfoDict = redis::cmd("INFO")
        .arg("memory")
        .query_async(connection)
        .await?;
    let figure = |name| info.get::<f64>(name).unwrap_or(0.0);
    Ok((figure("used_memory"), figure("maxmemory")))
}

async fn clear(server: &Reach) -> RedisResult<()> {
    let mut connection = server.client()?.get_multiplexed_async_connection().await?;
    let mut cursor = 0_u64;
    loop {
        let (next, keys): (u64, Vec<String>) = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(format!("{PREFIX}*"))
            .arg("COUNT")
            .arg(1_000)
            .query_async(&mut connection)
            .await?;
        if !keys.is_empty() {
            redis::cmd("UNLINK")
                .arg(keys)
                .query_async::<()>(&mut connection)
                .await?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}

/// Database connections that another client holds until this is dropped.
pub(super) struct HeldConnections {
    holding: AbortHandle,
}

impl HeldConnections {
    /// Opens up to `count` connections to the database at `address`, and keeps those that it accepts.
    pub(super) fn take(address: SocketAddr, endpoint: &DatabaseEndpoint, count: u32) -> Self {
        let mut config = tokio_postgres::Config::new();
        config
            .user(&endpoint.user)
            .dbname(&endpoint.database)
            .application_name("somebody else");
        if let Some(password) = &endpoint.password {
            config.password(&password.0);
        }
        let holding = tokio::spawn(async move { hold(address, &config, count).await });
        Self {
            holding: holding.abort_handle(),
        }
    }
}

impl Drop for HeldConnections {
    fn drop(&mut self) {
        self.holding.abort();
    }
}

async fn hold(address: SocketAddr, config: &tokio_postgres::Config, count: u32) {
    let mut held = tokio::task::JoinSet::new();
    let mut clients: Vec<tokio_postgres::Client> = Vec::new();
    loop {
        // Reopen connections that the server has closed.
        while held.try_join_next().is_some() {}
        clients.retain(|client| !client.is_closed());
        while held.len() < count as usize {
            // The database accepts no more connections, which is the goal.
            let Some((client, connection)) = one_more(address, config).await else {
                break;
            };
            clients.push(client);
            held.spawn(connection);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Opens one connection, from an address that the database admits; `None` if it does not accept it.
async fn one_more(
    address: SocketAddr,
    config: &tokio_postgres::Config,
) -> Option<(
    tokio_postgres::Client,
    tokio_postgres::Connection<TcpStream, tokio_postgres::tls::NoTlsStream>,
)> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind(SocketAddr::from((SUPERVISOR_IP, 0))).ok()?;
    let stream = socket.connect(address).await.ok()?;
    config.connect_raw(stream, tokio_postgres::NoTls).await.ok()
}
