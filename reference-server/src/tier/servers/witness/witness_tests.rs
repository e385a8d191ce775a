use super::*;
use crate::settings::Settings;
use crate::tier::servers::RedisCache;
use crate::tier::servers::test_node::TestNode;
use crate::tier::{Place, SessionChange};

const SHOW: Uuid = Uuid::from_u128(1);

fn user(number: u128) -> Uuid {
    Uuid::from_u128(100 + number)
}

fn settings() -> Settings {
    Settings {
        active_max: 2,
        ..Settings::default()
    }
}

fn cache(config: &ServersConfig) -> RedisCache {
    let settings = settings();
    let clock = Clock::since(config.origin_unix_ns, settings.speed);
    RedisCache::new(Arc::new(config.clone()), clock, "one", &settings)
}

async fn enter(cache: &RedisCache, people: std::ops::Range<u128>) {
    for number in people {
        cache.enter(SHOW, user(number)).await.unwrap();
    }
}

/// Repeats a check until it succeeds.
async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let wait = tokio::time::timeout(Duration::from_secs(20), async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(wait.await.is_ok(), "{what} did not happen");
}

#[tokio::test]
async fn every_entry_and_exit_is_in_the_ledger() {
    let Some(node) = TestNode::start(&[]) else {
        return;
    };
    let config = node.config();
    let witness = RedisWitness::open(&config, &[SHOW], 1.0).await.unwrap();
    let cache = cache(&config);
    enter(&cache, 0..6).await;
    cache.leave(SHOW, user(0)).await.unwrap();
    cache.leave(SHOW, user(3)).await.unwrap();
    cache.admit(SHOW, 1).await.unwrap();
    cache
        .change_session(user(1), SessionChange::Connected, Duration::from_secs(60))
        .await
        .unwrap();
    let levels = RedisLevels {
        waiting: 2,
        active: 2,
    };
    assert_eq!(witness.levels().await, Some(levels));
    let doors = FinalDoors {
        waiting: 2,
        astray: 0,
    };
    assert_eq!(witness.doors().await, Some(doors));
    cache.clear_queue(SHOW).await.unwrap();
    assert_eq!(witness.doors().await, Some(FinalDoors::default()));
    let expected = AdmissionLedger {
        joined: 6,
        admitted: 3,
        left_waiting: 1,
        cleared: 2,
        left_active: 1,
        ..AdmissionLedger::default()
    };
    assert_eq!(witness.ledger(), expected);
    assert!(witness.is_complete());
}

#[tokio::test]
async fn users_who_disappear_from_redis_are_noticed() {
    let Some(node) = TestNode::start(&[]) else {
        return;
    };
    let config = node.config();
    let witness = RedisWitness::open(&config, &[SHOW], 1.0).await.unwrap();
    enter(&cache(&config), 0..4).await;
    let queue = Keys::of(&config.redis).queue(SHOW);
    node.run(redis::cmd("ZREM").arg(&queue).arg(user(2).to_string()));
    let planted = user(8).to_string();
    node.run(redis::cmd("ZADD").arg(&queue).arg(1).arg(planted));
    assert_eq!(
        witness.doors().await,
        Some(FinalDoors {
            waiting: 2,
            astray: 2
        })
    );
}

#[tokio::test]
async fn entries_while_the_witness_is_disconnected_are_not_missed() {
    let Some(node) = TestNode::start(&[]) else {
        return;
    };
    let config = node.config();
    let witness = RedisWitness::open(&config, &[SHOW], 1.0).await.unwrap();
    let cache = cache(&config);
    for round in 1..=20 {
        let mut kill = redis::cmd("CLIENT");
        kill.arg("KILL").arg("TYPE").arg("PUBSUB");
        let cut: i64 = node.ask(&kill);
        assert!(cut <= 1);
        enter(&cache, (round - 1) * 10..round * 10).await;
    }
    let doors = FinalDoors {
        waiting: 198,
        astray: 0,
    };
    assert_eq!(witness.doors().await, Some(doors));
    assert_eq!(witness.ledger().joined, 200);
    let nothing = witness.handle_failover().await;
    assert_eq!(nothing, Some(RedisLoss::default()));
}

#[tokio::test]
async fn the_witness_reports_the_writes_that_a_promoted_replica_lacks() {
    let (Some(primary), Some(replica)) = (TestNode::start(&[]), TestNode::start(&[])) else {
        return;
    };
    let mut config = primary.config();
    let follow = |of: &[&str]| {
        let mut command = redis::cmd("REPLICAOF");
        replica.run(command.arg(of));
    };
    follow(&["127.0.0.1", &primary.port().to_string()]);
    let witness = RedisWitness::open(&config, &[SHOW], 2.0).await.unwrap();
    let old = cache(&config);
    enter(&old, 0..5).await;
    let expire = Duration::from_secs(60);
    old.change_session(user(1), SessionChange::Connected, expire)
        .await
        .unwrap();
    let mut wait = redis::cmd("WAIT");
    let there: i64 = primary.ask(wait.arg(1).arg(0));
    assert_eq!(there, 1);
    // From here on, the replica receives nothing.
    follow(&["NO", "ONE"]);
    enter(&old, 5..8).await;
    old.change_session(user(2), SessionChange::Connected, expire)
        .await
        .unwrap();
    old.leave(SHOW, user(2)).await.unwrap();
    old.leave(SHOW, user(0)).await.unwrap();
    old.admit(SHOW, 1).await.unwrap();
    until("notes", async || witness.ledger().admitted == 3).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let port = primary.port();
    drop(primary);
    let now = Clock::since(config.origin_unix_ns, 2.0).now();
    witness.handle_lost(now);
    assert_eq!(
        old.enter(SHOW, user(9)).await,
        Err(crate::Unavailable::Redis)
    );
    assert_eq!(witness.levels().await, None);
    // The promoted node takes over the address, as with a name.
    let _relay = relay(port, replica.port()).await;
    config.redis.port = port;
    let stays = old.enter(SHOW, user(3)).await;
    assert!(matches!(stays, Ok(Place::Waiting(_)) | Err(_)), "{stays:?}");
    let loss = witness.handle_failover().await.unwrap();
    // Lost: 5, 6 and 7 joined; 2 left; 0 left; 3 was admitted.
    assert_eq!((loss.places, loss.places_put_back), (3, 2));
    assert_eq!((loss.active_places, loss.sessions), (1, 1));
    let (least, most) = (Duration::from_millis(200), Duration::from_secs(20));
    assert!((least..most).contains(&loss.reaches_back), "{loss:?}");
    until("an answer", async || old.enter(SHOW, user(9)).await.is_ok()).await;
    let doors = FinalDoors {
        waiting: 4,
        astray: 0,
    };
    assert_eq!(witness.doors().await, Some(doors));
    let ledger = witness.ledger();
    assert_eq!((ledger.lost_waiting, ledger.resurrected_waiting), (3, 2));
    assert_eq!((ledger.joined, ledger.admitted_twice), (9, 0));
}

#[tokio::test]
async fn an_empty_node_at_the_same_address_has_lost_everything() {
    let Some(node) = TestNode::start(&[]) else {
        return;
    };
    let (config, port) = (node.config(), node.port());
    let witness = RedisWitness::open(&config, &[SHOW], 1.0).await.unwrap();
    let cache = cache(&config);
    enter(&cache, 0..5).await;
    until("notes", async || witness.ledger().joined == 5).await;
    drop(node);
    let _node = TestNode::start_on(port, &[]);
    until("an answer", async || {
        cache.enter(SHOW, user(3)).await.is_ok()
    })
    .await;
    let loss = witness.handle_failover().await.unwrap();
    assert_eq!((loss.places, loss.active_places), (3, 2));
    assert_eq!(witness.doors().await, Some(FinalDoors::default()));
    assert_eq!(witness.ledger().joined, 6);
    assert!(witness.is_complete());
}

#[tokio::test]
async fn calls_to_a_paused_node_time_out_and_a_replica_is_not_a_primary() {
    let (Some(primary), Some(replica)) = (TestNode::start(&[]), TestNode::start(&[])) else {
        return;
    };
    let config = replica.config();
    let settings = Settings {
        speed: 10.0,
        ..settings()
    };
    let clock = Clock::since(config.origin_unix_ns, settings.speed);
    let cache = RedisCache::new(Arc::new(config.clone()), clock, "one", &settings);
    cache.enter(SHOW, user(1)).await.unwrap();
    replica.send("-STOP");
    let begun = clock.now();
    assert_eq!(cache.ping().await, Err(crate::Unavailable::Redis));
    assert_eq!(cache.ping().await, Err(crate::Unavailable::Redis));
    let waited = clock.now() - begun;
    assert!(waited >= Duration::from_secs(4), "2 s each: {waited:?}");
    assert!(waited < Duration::from_secs(40), "2 s each: {waited:?}");
    replica.send("-CONT");
    until("an answer", async || cache.ping().await.is_ok()).await;
    let mut follow = redis::cmd("REPLICAOF");
    follow.arg("127.0.0.1").arg(primary.port());
    replica.run(&follow);
    assert_eq!(
        cache.enter(SHOW, user(2)).await,
        Err(crate::Unavailable::Redis)
    );
}

#[tokio::test]
async fn a_full_redis_rejects_writes_and_serves_reads() {
    let Some(node) = TestNode::start(&["--maxmemory-policy", "noeviction"]) else {
        return;
    };
    let cache = cache(&node.config());
    enter(&cache, 0..4).await;
    let (ttl, body) = (Duration::from_secs(60), bytes::Bytes::from(vec![0; 100]));
    let mut fill = redis::cmd("SET");
    node.run(fill.arg("theirs").arg(vec![0_u8; 4_000_000]));
    let mut limit = redis::cmd("CONFIG");
    node.run(limit.arg("SET").arg("maxmemory").arg(3_000_000));
    let filled = cache.set_cached("one".to_owned(), body, ttl).await;
    assert_eq!(filled, Err(crate::Unavailable::RedisRefused));
    let entered = cache.enter(SHOW, user(9)).await;
    assert_eq!(entered, Err(crate::Unavailable::RedisRefused));
    let admitted = cache.admit(SHOW, 1).await;
    assert_eq!(admitted, Err(crate::Unavailable::RedisRefused));
    cache.leave(SHOW, user(2)).await.unwrap();
    let status = cache.queue_status(SHOW, user(3)).await.unwrap();
    assert_eq!((status.position, status.queue_size), (Some(1), 1));
}

/// Relays connections to another port until it is dropped.
async fn relay(from: u16, to: u16) -> AbortOnDrop {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", from))
        .await
        .unwrap();
    AbortOnDrop(tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let far = tokio::net::TcpStream::connect(("127.0.0.1", to)).await;
                // Either side may close the connection.
                drop(tokio::io::copy_bidirectional(&mut near, &mut far.unwrap()).await);
            });
        }
    }))
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
