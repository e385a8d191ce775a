//! A pair of real PostgreSQL servers: synchronous standby, loss, promotion, return.

use std::time::{Duration, Instant};

use crate::common::{self, SITES, postgres as settings};
use tiketi_stores::{PostgresKind, PostgresPair, StoresError};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

/// Timeout of a commit: long enough for any here, and short for tests in which it must fail.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);

async fn start(sites: usize, kind: PostgresKind, lag: Duration) -> Option<PostgresPair> {
    let host = common::host()?;
    let pair = PostgresPair::start(&host, settings(&SITES[..sites], kind, lag)).await;
    Some(pair.unwrap())
}

async fn try_connect(pair: &PostgresPair, site: usize) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::Config::new()
        .host(pair.address(site).ip().to_string())
        .port(pair.address(site).port())
        .user("tiketi")
        .dbname("tiketi")
        .password(pair.password())
        .connect(NoTls)
        .await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn connect(pair: &PostgresPair, site: usize) -> Client {
    try_connect(pair, site).await.unwrap()
}

async fn buy(client: &Client, seat: i32) {
    let statement = "insert into ticket values ($1)";
    let bought = tokio::time::timeout(COMMIT_TIMEOUT, client.execute(statement, &[&seat])).await;
    assert_eq!(bought.unwrap().unwrap(), 1);
}

async fn with_table(pair: &PostgresPair) -> Client {
    let client = connect(pair, 0).await;
    let made = client.batch_execute("create table ticket (seat int primary key)");
    made.await.unwrap();
    client
}

async fn count(pair: &PostgresPair, site: usize) -> i64 {
    let client = connect(pair, site).await;
    let row = client.query_one("select count(*) from ticket", &[]).await;
    row.unwrap().get(0)
}

/// Starts buyers who buy one seat after another until the database fails. They return the acknowledged seats.
async fn start_buyers(pair: &PostgresPair) -> Vec<JoinHandle<Vec<i32>>> {
    const BUYERS: i32 = 8;
    let mut buyers = Vec::new();
    for buyer in 0..BUYERS {
        let client = connect(pair, 0).await;
        buyers.push(tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for seat in (buyer..).step_by(8) {
                let statement = "insert into ticket values ($1)";
                match client.execute(statement, &[&seat]).await {
                    Ok(_) => acknowledged.push(seat),
                    Err(_) => return acknowledged,
                }
            }
            acknowledged
        }));
    }
    buyers
}

/// Checks that a database has all seats that were acknowledged to buyers.
async fn assert_all_there(client: &Client, buyers: Vec<JoinHandle<Vec<i32>>>) {
    let mut acknowledged = Vec::new();
    for buyer in buyers {
        acknowledged.extend(buyer.await.unwrap());
    }
    assert!(acknowledged.len() > 8, "{acknowledged:?}");
    let found = client
        .query_one(
            "select count(*) from ticket where seat = any($1)",
            &[&acknowledged],
        )
        .await
        .unwrap();
    let found: i64 = found.get(0);
    assert_eq!(found, i64::try_from(acknowledged.len()).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_of_commits_loses_no_acknowledged_commit() {
    let lag = Duration::from_millis(3);
    let Some(mut pair) = start(2, PostgresKind::RdsMultiAz, lag).await else {
        return;
    };
    drop(with_table(&pair).await);
    let buyers = start_buyers(&pair).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    pair.lose(0);
    pair.promote(1).await.unwrap();
    let client = connect(&pair, 1).await;
    assert_all_there(&client, buyers).await;
    buy(&client, -1).await;
    pair.check().unwrap();
    pair.stop().await;
}

#[tokio::test]
async fn a_standby_that_joins_during_commits_has_them_all_when_it_takes_over() {
    let Some(mut pair) = start(2, PostgresKind::Aurora, Duration::from_millis(1)).await else {
        return;
    };
    drop(with_table(&pair).await);
    let buyers = start_buyers(&pair).await;
    pair.lose(1);
    pair.restore(1).await.unwrap();
    pair.lose(0);
    pair.promote(1).await.unwrap();
    assert_all_there(&connect(&pair, 1).await, buyers).await;
    pair.stop().await;
}

#[tokio::test]
async fn the_old_primary_comes_back_as_a_standby_that_can_take_over() {
    let Some(mut pair) = start(2, PostgresKind::RdsMultiAz, Duration::ZERO).await else {
        return;
    };
    buy(&with_table(&pair).await, 1).await;
    pair.lose(0);
    assert_eq!(pair.primary(), None);
    assert!(matches!(pair.sample().await, Err(StoresError::NoPrimary)));
    pair.promote(1).await.unwrap();
    buy(&connect(&pair, 1).await, 2).await;
    pair.restore(0).await.unwrap();
    assert_eq!(pair.primary(), Some(1));
    buy(&connect(&pair, 1).await, 3).await;
    // Without a loss before: the former primary is killed.
    pair.promote(0).await.unwrap();
    assert_eq!(pair.primary(), Some(0));
    assert_eq!(count(&pair, 0).await, 3);
    assert!(try_connect(&pair, 1).await.is_err());
    pair.check().unwrap();
    pair.stop().await;
}

#[tokio::test]
async fn a_lost_standby_does_not_hang_commits() {
    let Some(mut pair) = start(2, PostgresKind::RdsMultiAz, Duration::ZERO).await else {
        return;
    };
    let client = with_table(&pair).await;
    buy(&client, 1).await;
    pair.lose(1);
    buy(&client, 2).await;
    assert_eq!(pair.sample().await.unwrap().replica_lag, None);
    let promoted = pair.promote(1).await;
    assert!(matches!(promoted, Err(StoresError::PromotionFailed { .. })));
    pair.restore(1).await.unwrap();
    buy(&client, 3).await;
    pair.lose(0);
    pair.promote(1).await.unwrap();
    assert_eq!(count(&pair, 1).await, 3);
    pair.stop().await;
}

#[tokio::test]
async fn a_primary_that_returns_before_a_promotion_continues_with_its_standby() {
    let Some(mut pair) = start(2, PostgresKind::RdsMultiAz, Duration::ZERO).await else {
        return;
    };
    buy(&with_table(&pair).await, 1).await;
    pair.lose(0);
    pair.restore(0).await.unwrap();
    assert_eq!(pair.primary(), Some(0));
    buy(&connect(&pair, 0).await, 2).await;
    pair.lose(0);
    pair.promote(1).await.unwrap();
    assert_eq!(count(&pair, 1).await, 2);
    pair.stop().await;
}

#[tokio::test]
async fn a_single_site_comes_back_with_its_data() {
    let Some(mut pair) = start(1, PostgresKind::RdsMultiAz, Duration::ZERO).await else {
        return;
    };
    buy(&with_table(&pair).await, 1).await;
    pair.lose(0);
    pair.restore(0).await.unwrap();
    assert_eq!(pair.primary(), Some(0));
    assert_eq!(count(&pair, 0).await, 1);
    // And again: the directory now belongs to another server.
    pair.lose(0);
    pair.restore(0).await.unwrap();
    assert_eq!(count(&pair, 0).await, 1);
    pair.stop().await;
}

#[tokio::test]
async fn commits_wait_for_the_lag_of_the_link() {
    let lag = Duration::from_millis(100);
    let Some(mut pair) = start(2, PostgresKind::RdsMultiAz, lag).await else {
        return;
    };
    let client = with_table(&pair).await;
    let started = Instant::now();
    buy(&client, 1).await;
    assert!(started.elapsed() >= lag, "{:?}", started.elapsed());
    let sample = pair.sample().await.unwrap();
    assert!(sample.commit_time >= lag, "{sample:?}");
    assert!(sample.replica_lag.unwrap() >= lag, "{sample:?}");
    // A standby of RDS cannot be read.
    assert!(try_connect(&pair, 1).await.is_err());

    pair.set_lag(2 * lag);
    let sample = pair.sample().await.unwrap();
    assert!(sample.commit_time >= 2 * lag, "{sample:?}");
    pair.stop().await;
}

#[tokio::test]
async fn a_reader_shows_commits_after_its_lag_and_a_promotion_does_not_wait_for_it() {
    let lag = Duration::from_secs(2);
    let Some(host) = common::host() else {
        return;
    };
    let mut aurora = settings(&SITES, PostgresKind::Aurora, Duration::ZERO);
    aurora.replica_lag = lag;
    let mut pair = PostgresPair::start(&host, aurora).await.unwrap();
    let client = with_table(&pair).await;
    let sample = pair.sample().await.unwrap();
    assert!(sample.replica_lag.unwrap() >= lag, "{sample:?}");
    assert!(sample.commit_time < lag, "{sample:?}");
    assert_eq!(count(&pair, 1).await, 0);
    let started = Instant::now();
    buy(&client, 1).await;
    let shown = count(&pair, 1).await;
    // If the machine took that long to ask, the answer is meaningless.
    assert!(shown == 0 || started.elapsed() >= lag);
    pair.lose(0);
    pair.promote(1).await.unwrap();
    assert_eq!(count(&pair, 1).await, 1);
    pair.stop().await;
}

#[tokio::test]
async fn a_sample_counts_connections_and_row_locks() {
    let Some(pair) = start(1, PostgresKind::Aurora, Duration::ZERO).await else {
        return;
    };
    let mut first = with_table(&pair).await;
    buy(&first, 1).await;
    let second = connect(&pair, 0).await;
    let locking = first.transaction().await.unwrap();
    locking
        .execute("update ticket set seat = 2 where seat = 1", &[])
        .await
        .unwrap();
    let waiting = tokio::spawn(async move {
        second
            .execute("update ticket set seat = 3 where seat = 1", &[])
            .await
            .unwrap()
    });
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < COMMIT_TIMEOUT);
        let sample = pair.sample().await.unwrap();
        assert_eq!(sample.connections, 2);
        assert_eq!(sample.replica_lag, None);
        assert!(sample.size_bytes > 1_000_000);
        if sample.row_locks_waited_for == 1 {
            break;
        }
    }
    locking.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap(), 1);
    pair.stop().await;
}

#[tokio::test]
async fn a_sample_works_when_clients_use_all_connections() {
    let Some(pair) = start(1, PostgresKind::RdsMultiAz, Duration::ZERO).await else {
        return;
    };
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(connect(&pair, 0).await);
    }
    assert!(try_connect(&pair, 0).await.is_err());
    assert_eq!(pair.sample().await.unwrap().connections, 20);
    pair.stop().await;
}

#[tokio::test]
async fn a_paused_server_does_not_respond_until_it_is_resumed() {
    let Some(mut pair) = start(1, PostgresKind::RdsMultiAz, Duration::ZERO).await else {
        return;
    };
    let client = with_table(&pair).await;
    pair.pause(0);
    let insert = client.execute("insert into ticket values (1)", &[]);
    let answer = tokio::time::timeout(Duration::from_millis(300), insert).await;
    assert!(answer.is_err());
    pair.resume(0);
    buy(&client, 2).await;
    pair.stop().await;
}

/// Tries to connect as a client from an address of this machine.
async fn connect_from(pair: &PostgresPair, source: [u8; 4]) -> Result<(), String> {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    let stream = socket.connect(pair.address(0)).await.unwrap();
    let mut config = tokio_postgres::Config::new();
    config
        .user("tiketi")
        .dbname("tiketi")
        .password(pair.password());
    let connected = config.connect_raw(stream, NoTls).await;
    connected.map(drop).map_err(|error| {
        let refusal = error.as_db_error();
        refusal.map_or_else(|| error.to_string(), |refusal| refusal.message().to_owned())
    })
}

#[tokio::test]
async fn clients_are_admitted_by_their_network_and_not_by_this_machine() {
    let Some(host) = common::host() else {
        return;
    };
    let mut closed = settings(&SITES[..1], PostgresKind::RdsMultiAz, Duration::ZERO);
    closed.clients = vec![([127, 0, 11, 0].into(), 24)];
    let pair = PostgresPair::start(&host, closed).await.unwrap();
    assert_eq!(connect_from(&pair, [127, 0, 11, 9]).await, Ok(()));
    for stranger in [[127, 0, 0, 1], [127, 0, 1, 4], [127, 1, 0, 1]] {
        let refusal = connect_from(&pair, stranger).await.unwrap_err();
        assert!(refusal.contains("no pg_hba.conf entry"), "{refusal}");
    }
    pair.stop().await;
}
