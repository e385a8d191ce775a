use std::sync::Arc;

use futures_util::future::join_all;

use super::*;
use crate::tier::servers::test_server::TestServer;

const SECOND: Duration = Duration::from_secs(1);

/// A pool of three connections to the test server.
struct Stage {
    pool: Pool,
    server: Arc<TestServer>,
}

impl Stage {
    /// `None` on a machine without PostgreSQL.
    async fn new(connect_timeout: Duration) -> Option<Self> {
        Self::with_idle(connect_timeout, 30 * SECOND).await
    }

    async fn with_idle(connect_timeout: Duration, idle_timeout: Duration) -> Option<Self> {
        let server = TestServer::shared().await?;
        let connector = Connector::new(&server.config("pool")).unwrap();
        let limits = PoolLimits {
            max: 3,
            connect_timeout,
            idle_timeout,
        };
        Some(Self {
            pool: Pool::new(connector, limits),
            server,
        })
    }

    /// Opens all three connections, however busy the machine is.
    async fn open_all(&self) {
        let mut tries = 0;
        while self.pool.pool.status().size < 3 {
            tries += 1;
            assert!(tries < 20, "three connections cannot be opened");
            join_all((0..3).map(|_| self.run("SELECT pg_sleep(0.1)"))).await;
        }
    }

    async fn run(&self, statement: &str) -> Result<(), Unavailable> {
        self.pool.query(statement, &[]).await.map(drop)
    }
}

#[tokio::test]
async fn requests_that_find_all_connections_busy_wait_and_are_counted() {
    let Some(stage) = Stage::new(10 * SECOND).await else {
        return;
    };
    let answers = join_all((0..10).map(|_| stage.run("SELECT pg_sleep(0.05)"))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let load = stage.pool.load();
    assert_eq!((load.waits, load.timeouts, load.opened), (7, 0, 3));
    assert_eq!((load.in_use, stage.pool.queries()), (0, 10));
}

#[tokio::test]
async fn requests_that_wait_too_long_fail_and_are_counted() {
    let Some(stage) = Stage::new(SECOND).await else {
        return;
    };
    stage.open_all().await;
    let before = stage.pool.load();
    let slow = join_all((0..10).map(|_| stage.run("SELECT pg_sleep(3)"))).await;
    let refused = slow
        .iter()
        .filter(|answer| **answer == Err(Unavailable::PoolTimeout));
    assert_eq!(refused.count(), 7);
    assert_eq!(slow.iter().filter(|answer| answer.is_ok()).count(), 3);
    let load = stage.pool.load();
    assert_eq!(load.waits - before.waits, 7);
    assert_eq!(load.timeouts - before.timeouts, 7);
    assert!(stage.run("SELECT").await.is_ok());
}

#[tokio::test]
async fn connections_in_use_are_counted() {
    let Some(stage) = Stage::new(10 * SECOND).await else {
        return;
    };
    stage.run("SELECT").await.unwrap();
    let both = join_all((0..2).map(|_| stage.run("SELECT pg_sleep(1)")));
    let look = async {
        let mut most = 0;
        loop {
            tokio::time::sleep(SECOND / 100).await;
            most = most.max(stage.pool.load().in_use);
            if most == 2 {
                return;
            }
        }
    };
    tokio::pin!(both);
    tokio::select! {
        () = look => {}
        answers = &mut both => panic!("two connections were never in use at the same time: {answers:?}"),
    }
    assert!(both.await.iter().all(Result::is_ok));
    assert_eq!(stage.pool.load().in_use, 0);
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let Some(stage) = Stage::with_idle(10 * SECOND, SECOND / 5).await else {
        return;
    };
    join_all((0..3).map(|_| stage.run("SELECT pg_sleep(0.05)"))).await;
    assert_eq!(stage.pool.load().opened, 3);
    for _ in 0..100 {
        tokio::time::sleep(SECOND / 20).await;
        if stage.pool.pool.status().size == 0 {
            break;
        }
    }
    assert_eq!(stage.pool.pool.status().size, 0);
    stage.run("SELECT").await.unwrap();
    assert_eq!(stage.pool.load().opened, 4);
}

#[tokio::test]
async fn a_broken_connection_is_not_reused() {
    let Some(stage) = Stage::new(10 * SECOND).await else {
        return;
    };
    let broken = stage.run("SELECT pg_terminate_backend(pg_backend_pid())");
    assert_eq!(broken.await, Err(Unavailable::Database));
    stage.run("SELECT").await.unwrap();
    assert_eq!(stage.pool.load().opened, 2);
}

#[tokio::test]
async fn all_connections_to_a_read_only_node_are_closed() {
    let Some(stage) = Stage::new(10 * SECOND).await else {
        return;
    };
    join_all((0..3).map(|_| stage.run("SELECT pg_sleep(0.05)"))).await;
    let demote = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY";
    stage.run(demote).await.unwrap();
    let write = stage.run("CREATE TABLE public.never (id int)");
    assert_eq!(write.await, Err(Unavailable::Database));
    assert_eq!(stage.pool.pool.status().size, 0);
    stage.run("SELECT").await.unwrap();
    assert_eq!(stage.pool.load().opened, 4);
}

#[tokio::test]
async fn an_unresponsive_server_causes_a_timeout() {
    let Some(stage) = Stage::new(SECOND / 2).await else {
        return;
    };
    let silent = stage.run("SELECT pg_sleep(60)").await;
    assert_eq!(silent, Err(Unavailable::Database));
    let mut looks = 0;
    while stage.run("SELECT").await.is_err() {
        looks += 1;
        assert!(looks < 20, "a new connection cannot be opened");
    }
    assert_eq!(stage.pool.load().opened, 2);
}

#[tokio::test]
async fn dropping_a_query_leaves_the_connection_usable() {
    let Some(stage) = Stage::new(10 * SECOND).await else {
        return;
    };
    for _ in 0..5 {
        let gone = stage.run("SELECT pg_sleep(0.1)");
        assert!(tokio::time::timeout(SECOND / 50, gone).await.is_err());
        let row = stage.pool.query("SELECT 7", &[]).await.unwrap();
        assert_eq!(row[0].get::<_, i32>(0), 7);
    }
    let load = stage.pool.load();
    assert_eq!((load.timeouts, load.in_use), (0, 0));
    assert_eq!(load.opened, 1, "the connection is reused");
}

#[tokio::test]
async fn conflicts_are_retried_but_not_forever() {
    let Some(stage) = Stage::new(10 * SECOND).await else {
        return;
    };
    for statement in [
        "CREATE SCHEMA IF NOT EXISTS pool",
        "CREATE SEQUENCE IF NOT EXISTS pool.tries",
        "CREATE OR REPLACE FUNCTION pool.conflict(goes_well_at bigint) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('pool.tries') < goes_well_at THEN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END IF;
         END $$",
    ] {
        stage.run(statement).await.unwrap();
    }
    let before = stage.pool.queries();
    stage.run("SELECT pool.conflict(3)").await.unwrap();
    assert_eq!(stage.pool.queries() - before, 3);
    let hopeless = stage.run("SELECT pool.conflict(1000)").await;
    assert_eq!(hopeless, Err(Unavailable::Database));
    assert_eq!(stage.pool.queries() - before, 6);
    assert_eq!(stage.pool.load().opened, 1, "the connection is fine");
}

#[tokio::test]
async fn a_refused_connection_is_an_error() {
    let Some(stage) = Stage::new(SECOND).await else {
        return;
    };
    let mut config = stage.server.config("pool");
    // The discard port: nothing listens on it.
    config.database.port = 9;
    let connector = Connector::new(&config).unwrap();
    let pool = Pool::new(connector, stage.pool.limits);
    let refused = pool.query("SELECT", &[]).await.map(drop);
    assert_eq!(refused, Err(Unavailable::Database));
}

#[tokio::test]
async fn connections_come_from_the_configured_address() {
    let Some(stage) = Stage::new(SECOND).await else {
        return;
    };
    let mut config = stage.server.config("pool");
    config.source = Some(std::net::Ipv4Addr::new(127, 0, 11, 9));
    let pool = Pool::new(Connector::new(&config).unwrap(), stage.pool.limits);
    let rows = pool.query("SELECT host(inet_client_addr())", &[]).await;
    let address: String = rows.unwrap()[0].get(0);
    assert_eq!(address, "127.0.11.9");
}

#[tokio::test]
async fn a_statement_over_a_slow_path_keeps_its_connection_longer() {
    let Some(stage) = Stage::new(10 * SECOND).await else {
        return;
    };
    stage.open_all().await;
    let late = Duration::from_millis(200);
    let query = ("SELECT clock_timestamp()::text", &[] as &[_]);
    let slow = || stage.pool.query_late(late, query);
    let answers = join_all((0..3).map(|_| slow())).await;
    assert!(answers.iter().all(Result::is_ok));
    // Six take turns at three connections, so that two round trips are the least.
    let early = tokio::time::timeout(late + late / 2, join_all((0..6).map(|_| slow()))).await;
    assert!(early.is_err(), "connections were not kept");
}
