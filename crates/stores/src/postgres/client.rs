//! A client of a PostgreSQL server, for this crate's own statements as the superuser.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::task::AbortHandle;
use tokio_postgres::{Config, Error, NoTls};

use super::PostgresSample;
use super::config::{STANDBY, SUPERUSER};

/// Timeout of a connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Interval at which to check whether a standby has a commit.
const STANDBY_POLL: Duration = Duration::from_millis(2);

/// A connection of the superuser to the database `postgres`, which clients don't use.
pub(super) struct Client {
    client: tokio_postgres::Client,
    connection: AbortHandle,
}

/// The progress of a standby as seen by the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Following {
    /// It has caught up with the primary and receives new writes.
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
        // The next query returns its error, too.
        let connection = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self { client, connection })
    }

    /// Returns whether the connection is still usable.
    pub(super) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// Creates the user and the database of the clients, and a table for our own writes.
    pub(super) async fn set_up(&self, password: &str) -> Result<(), Error> {
        // Our passwords contain no quotes, and statements are not logged.
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

    /// Commits a row, and returns how long that took, including the wait for a synchronous standby.
    pub(super) async fn beat(&self) -> Result<Duration, Error> {
        let started = crate::now();
        self.client
            .batch_execute("update heartbeat set beaten_at = clock_timestamp()")
            .await?;
        Ok(crate::now() - started)
    }

    pub(super) async fn following(&self) -> Result<Following, Error> {
        // Aggregated, because a broken connection may be in the view for a moment along with its replacement.
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

    /// Waits until the reader shows the last heartbeat of its primary, and returns the age of the heartbeat then.
    ///
    /// Both servers use the clock of this machine. After `limit`, returns the age at that time: the lag is at least that.
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

    /// Waits until the primary knows that the standby has written the last heartbeat, and returns its age then; `None` without
    /// a standby. After `limit`, returns the age at that time: the lag is at least that.
    pub(super) async fn lag_of_standby(&self, limit: Duration) -> Result<Option<Duration>, Error> {
        let row = self.client.query_one(
            "select beaten_at, pg_current_wal_lsn()::text from heartbeat",
            &[],
        );
        let row = row.await?;
        let beaten_at: SystemTime = row.try_get(0)?;
        let position: String = row.try_get(1)?;
        // The position is text from PostgreSQL, such as 0/3000148.
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

/// Repeats the statement until its first column says that the heartbeat has arrived, and returns the second column: the age
/// of the heartbeat in microseconds. `None` if there is no row.
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
        if is_there || crate::now() - started > limit {
            return Ok(Some(Duration::from_micros(age_us.max(0).unsigned_abs())));
        }
        tokio::time::sleep(STANDBY_POLL).await;
    }
}
