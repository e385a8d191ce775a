//! What this crate asks a PostgreSQL server, as its superuser.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::task::AbortHandle;
use tokio_postgres::{Config, Error, NoTls};

use super::PostgresSample;
use super::config::{STANDBY, SUPERUSER};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a standby is asked for what was just committed.
const STANDBY_POLL: Duration = Duration::from_millis(2);

/// A connection of the superuser, to the database that holds nothing of the clients.
pub(super) struct Client {
    client: tokio_postgres::Client,
    connection: AbortHandle,
}

/// How far a standby has come, as the primary sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Following {
    /// It has caught up with the primary once, and gets what is written.
    pub(super) is_streaming: bool,
    /// Commits wait for it.
    pub(super) is_synchronous: bool,
}

impl Client {
    pub(super) async fn connect(server: SocketAddr, password: &str) -> Result<Self, Error> {
        let (client, connection) = Config::new()
            .host(server.ip().to_string())
            .port(server.port())
            .user(SUPERUSER)
            .password(password)
            .dbname("postgres")
            .application_name("tiketi-stores")
            .connect_timeout(CONNECT_TIMEOUT)
            .connect(NoTls)
            .await?;
        // Its error comes to the next query as well.
        let connection = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self { client, connection })
    }

    /// Whether the connection can still be used.
    pub(super) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// Makes the clients' user and database, and a table of our own to write into.
    pub(super) async fn set_up(&self, password: &str) -> Result<(), Error> {
        // A password of ours needs no quotes; statements are not logged.
        self.client
            .batch_execute(&format!("create role tiketi login password '{password}'"))
            .await?;
        self.client
            .batch_execute("create database tiketi owner tiketi")
            .await?;
        self.client
            .batch_execute(
                "create table heartbeat (beaten_at timestamptz not null);
                 insert into heartbeat values (now())",
            )
            .await
    }

    pub(super) async fn is_in_recovery(&self) -> Result<bool, Error> {
        let row = self.client.query_one("select pg_is_in_recovery()", &[]);
        row.await?.try_get(0)
    }

    /// Commits a row, which waits for a synchronous standby, and returns how long that took.
    pub(super) async fn beat(&self) -> Result<Duration, Error> {
        let started = crate::now();
        self.client
            .batch_execute("update heartbeat set beaten_at = clock_timestamp()")
            .await?;
        Ok(started.elapsed())
    }

    pub(super) async fn following(&self) -> Result<Following, Error> {
        // Aggregated: a connection that was cut may be in the view for a moment beside the one that replaced it.
        let row = self.client.query_one(
            "select coalesce(bool_or(state = 'streaming'), false),
                    coalesce(bool_or(sync_state = 'sync'), false)
             from pg_stat_replication where application_name = $1",
            &[&STANDBY],
        );
        let row = row.await?;
        Ok(Following {
            is_streaming: row.try_get(0)?,
            is_synchronous: row.try_get(1)?,
        })
    }

    /// Waits until the reader shows the last beat of its primary, and returns how old that was when it did.
    ///
    /// Ages are read from the servers' clock, which is that of this machine. After `limit` the answer is the age by
    /// then: the lag is at least that.
    pub(super) async fn lag_of_reader(
        &self,
        reader: &Self,
        limit: Duration,
    ) -> Result<Duration, Error> {
        let beaten_at: SystemTime = self
            .client
            .query_one("select beaten_at from heartbeat", &[])
            .await?
            .try_get(0)?;
        let statement = "select beaten_at >= $1,
                                (extract(epoch from clock_timestamp() - $1) * 1e6)::bigint
                         from heartbeat";
        let lag = age_when_there(&reader.client, statement, &beaten_at, limit).await?;
        Ok(lag.unwrap_or_default())
    }

    /// Waits until the standby has written the last beat, and returns how old that was when the primary knew it; `None`
    /// without a standby. After `limit` the answer is the age by then: the lag is at least that.
    pub(super) async fn lag_of_standby(&self, limit: Duration) -> Result<Option<Duration>, Error> {
        let row = self.client.query_one(
            "select beaten_at, pg_current_wal_lsn()::text from heartbeat",
            &[],
        );
        let row = row.await?;
        let beaten_at: SystemTime = row.try_get(0)?;
        let position: String = row.try_get(1)?;
        // The position is text of PostgreSQL's own making, such as 0/3000148.
        let statement = format!(
            "select coalesce(flush_lsn >= '{position}', false),
                    (extract(epoch from clock_timestamp() - $1) * 1e6)::bigint
             from pg_stat_replication where application_name = '{STANDBY}'
             order by backend_start desc limit 1"
        );
        age_when_there(&self.client, &statement, &beaten_at, limit).await
    }

    pub(super) async fn sample(&self) -> Result<PostgresSample, Error> {
        let row = self.client.query_one(
            "select
               (select count(*) from pg_stat_activity
                where datname = 'tiketi' and backend_type = 'client backend'),
               (select count(*) from pg_stat_activity
                where datname = 'tiketi' and wait_event_type = 'Lock'
                  and wait_event in ('transactionid', 'tuple')),
               xact_commit, xact_rollback, deadlocks, pg_database_size('tiketi')
             from pg_stat_database where datname = 'tiketi'",
            &[],
        );
        let row = row.await?;
        let count = |index: usize| -> Result<u64, Error> {
            let count: i64 = row.try_get(index)?;
            Ok(count.max(0).unsigned_abs())
        };
        Ok(PostgresSample {
            connections: count(0)?,
            row_locks_waited_for: count(1)?,
            commits: count(2)?,
            rollbacks: count(3)?,
            deadlocks: count(4)?,
            size_bytes: count(5)?,
            commit_time: Duration::ZERO,
            replica_lag: None,
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Asks until the statement's first column says that a beat is there, and returns the second: its age then, in
/// microseconds. `None` if there is no row to ask.
async fn age_when_there(
    client: &tokio_postgres::Client,
    statement: &str,
    beaten_at: &SystemTime,
    limit: Duration,
) -> Result<Option<Duration>, Error> {
    let started = crate::now();
    loop {
        let Some(row) = client.query_opt(statement, &[beaten_at]).await? else {
            return Ok(None);
        };
        let is_there: bool = row.try_get(0)?;
        let age_us: i64 = row.try_get(1)?;
        if is_there || started.elapsed() > limit {
            return Ok(Some(Duration::from_micros(age_us.max(0).unsigned_abs())));
        }
        tokio::time::sleep(STANDBY_POLL).await;
    }
}
