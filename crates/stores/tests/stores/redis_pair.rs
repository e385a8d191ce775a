//! A pair of real Redis servers: replication, loss, promotion, return.

use std::time::Duration;

use crate::common::{self, SITES, redis as settings};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use tiketi_stores::{Admission, Eviction, RedisPair, StoresError};

async fn connect(pair: &RedisPair, site: usize) -> MultiplexedConnection {
    let password = pair.password().unwrap();
    let url = format!("redis://:{password}@{}/", pair.address(site));
    let client = redis::Client::open(url).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

async fn start(sites: usize, lag: Duration) -> Option<RedisPair> {
    let host = common::host()?;
    Some(
        RedisPair::start(&host, settings(&SITES[..sites], lag))
            .await
            .unwrap(),
    )
}

#[tokio::test]
async fn a_replica_receives_writes() {
    let Some(mut pair) = start(2, Duration::ZERO).await else {
        return;
    };
    assert_eq!(pair.primary(), Some(0));
    let mut primary = connect(&pair, 0).await;
    let () = primary.set("seat", "A1").await.unwrap();
    assert!(pair.sample().await.unwrap().replica_lag.unwrap() < Duration::from_secs(1));
    let seat: String = connect(&pair, 1).await.get("seat").await.unwrap();
    assert_eq!(seat, "A1");
    pair.check().unwrap();
    pair.stop().await;
}

#[tokio::test]
async fn loss_of_the_primary_loses_the_writes_within_the_lag() {
    let lag = Duration::from_millis(1_500);
    let Some(mut pair) = start(2, lag).await else {
        return;
    };
    let mut primary = connect(&pair, 0).await;
    let () = primary.set("early", 1).await.unwrap();
    // The sample's own write comes after it on the same link.
    assert!(pair.sample().await.unwrap().replica_lag.unwrap() >= lag);
    let () = primary.set("late", 1).await.unwrap();
    pair.lose(0);
    assert_eq!(pair.primary(), None);
    pair.promote(1).await.unwrap();
    assert_eq!(pair.primary(), Some(1));

    let mut promoted = connect(&pair, 1).await;
    let () = promoted.set("after", 1).await.unwrap();
    tokio::time::sleep(lag).await;
    let kept: Vec<Option<u32>> = promoted.mget(&["early", "late", "after"]).await.unwrap();
    assert_eq!(kept, [Some(1), None, Some(1)]);
    pair.stop().await;
}

#[tokio::test]
async fn a_sample_measures_the_configured_lag() {
    let Some(mut pair) = start(2, Duration::from_millis(150)).await else {
        return;
    };
    let lag = pair.sample().await.unwrap().replica_lag.unwrap();
    assert!(lag >= Duration::from_millis(150), "{lag:?}");
    pair.set_lag(Duration::from_millis(400));
    let lag = pair.sample().await.unwrap().replica_lag.unwrap();
    assert!(lag >= Duration::from_millis(400), "{lag:?}");
    pair.stop().await;
}

#[tokio::test]
async fn the_old_primary_comes_back_as_a_replica() {
    let Some(mut pair) = start(2, Duration::ZERO).await else {
        return;
    };
    let () = connect(&pair, 0).await.set("seat", "A1").await.unwrap();
    pair.sample().await.unwrap();
    pair.lose(0);
    pair.promote(1).await.unwrap();
    assert_eq!(pair.sample().await.unwrap().replica_lag, None);
    pair.restore(0).await.unwrap();
    assert_eq!(pair.primary(), Some(1));
    let seat: String = connect(&pair, 0).await.get("seat").await.unwrap();
    assert_eq!(seat, "A1");

    // And back, without a loss before: the former primary is killed.
    let () = connect(&pair, 1).await.set("seat", "A2").await.unwrap();
    pair.sample().await.unwrap();
    pair.promote(0).await.unwrap();
    assert_eq!(pair.primary(), Some(0));
    let seat: String = connect(&pair, 0).await.get("seat").await.unwrap();
    assert_eq!(seat, "A2");
    pair.restore(1).await.unwrap();
    pair.check().unwrap();
    pair.stop().await;
}

#[tokio::test]
async fn a_lost_replica_is_not_promoted_and_comes_back_with_all_data() {
    let Some(mut pair) = start(2, Duration::ZERO).await else {
        return;
    };
    pair.lose(1);
    let promoted = pair.promote(1).await;
    assert!(
        matches!(promoted, Err(StoresError::PromotionFailed { .. })),
        "{promoted:?}"
    );
    assert_eq!(pair.primary(), Some(0));
    let () = connect(&pair, 0).await.set("seat", "A1").await.unwrap();
    pair.restore(1).await.unwrap();
    let seat: String = connect(&pair, 1).await.get("seat").await.unwrap();
    assert_eq!(seat, "A1");
    pair.check().unwrap();
    pair.stop().await;
}

#[tokio::test]
async fn a_replica_copies_a_primary_that_comes_back_empty() {
    let Some(mut pair) = start(2, Duration::ZERO).await else {
        return;
    };
    let () = connect(&pair, 0).await.set("seat", "A1").await.unwrap();
    pair.sample().await.unwrap();
    pair.lose(0);
    pair.restore(0).await.unwrap();
    assert_eq!(pair.primary(), Some(0));
    let () = connect(&pair, 0).await.set("new", "B1").await.unwrap();
    pair.sample().await.unwrap();
    let mut replica = connect(&pair, 1).await;
    let kept: Vec<Option<String>> = replica.mget(&["seat", "new"]).await.unwrap();
    assert_eq!(kept, [None, Some("B1".to_owned())]);
    pair.stop().await;
}

#[tokio::test]
async fn a_single_site_comes_back_empty() {
    let Some(mut pair) = start(1, Duration::ZERO).await else {
        return;
    };
    let () = connect(&pair, 0).await.set("seat", "A1").await.unwrap();
    pair.lose(0);
    assert!(matches!(pair.sample().await, Err(StoresError::NoPrimary)));
    pair.restore(0).await.unwrap();
    assert_eq!(pair.primary(), Some(0));
    let seat: Option<String> = connect(&pair, 0).await.get("seat").await.unwrap();
    assert_eq!(seat, None);
    pair.stop().await;
}

#[tokio::test]
async fn a_paused_server_does_not_respond_until_it_is_resumed() {
    let Some(mut pair) = start(1, Duration::ZERO).await else {
        return;
    };
    pair.pause(0);
    let sample = pair.sample().await;
    assert!(
        matches!(sample, Err(StoresError::Unreachable { .. })),
        "{sample:?}"
    );
    pair.check().unwrap();
    pair.resume(0);
    pair.sample().await.unwrap();
    pair.stop().await;
}

#[tokio::test]
async fn full_memory_evicts_keys_or_rejects_writes() {
    let Some(host) = common::host() else {
        return;
    };
    for eviction in [Eviction::AllKeysLru, Eviction::NoEviction] {
        let mut limited = settings(&SITES[..1], Duration::ZERO);
        limited.memory_max = Some(4 * 1_024 * 1_024);
        limited.eviction = eviction;
        let pair = RedisPair::start(&host, limited).await.unwrap();
        let mut client = connect(&pair, 0).await;
        let mut refusals = 0;
        for key in 0..64 {
            let value = vec![0_u8; 100_000];
            let written: Result<(), _> = client.set(key, value).await;
            refusals += u64::from(written.is_err());
        }
        let sample = pair.sample().await.unwrap();
        assert_eq!(sample.memory_max_bytes, Some(4 * 1_024 * 1_024));
        assert_eq!(sample.writes_refused, refusals);
        match eviction {
            Eviction::AllKeysLru => {
                assert_eq!(refusals, 0);
                assert!(sample.keys_evicted > 0);
            }
            Eviction::VolatileLru | Eviction::NoEviction => {
                assert!(refusals > 0);
                assert_eq!(sample.keys_evicted, 0);
            }
        }
        pair.stop().await;
    }
}

#[tokio::test]
async fn tls_clients_need_the_certificate_authority_of_the_run() {
    let Some(host) = common::host() else {
        return;
    };
    // Fails if another test has installed it.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut with_tls = settings(&SITES, Duration::ZERO);
    with_tls.tls = true;
    with_tls.names = vec!["redis.tiketi.test".to_owned(), "localhost".to_owned()];
    let mut pair = RedisPair::start(&host, with_tls).await.unwrap();
    let authority = pair.ca_pem().unwrap().to_owned();
    let address = pair.address(0).to_string();
    let mut primary = connect_by_tls(&pair, &address, Some(&authority))
        .await
        .unwrap();
    let () = primary.set("seat", "A1").await.unwrap();
    let named = format!("localhost:{}", pair.port());
    let mut named = connect_by_tls(&pair, &named, Some(&authority))
        .await
        .unwrap();
    let seat: String = named.get("seat").await.unwrap();
    assert_eq!(seat, "A1");
    assert!(connect_by_tls(&pair, &address, None).await.is_err());

    // The sample's write comes after it on the same link.
    pair.sample().await.unwrap();
    pair.lose(0);
    pair.promote(1).await.unwrap();
    let address = pair.address(1).to_string();
    let mut promoted = connect_by_tls(&pair, &address, Some(&authority))
        .await
        .unwrap();
    let seat: String = promoted.get("seat").await.unwrap();
    assert_eq!(seat, "A1");
    pair.stop().await;
}

async fn connect_by_tls(
    pair: &RedisPair,
    address: &str,
    authority: Option<&str>,
) -> redis::RedisResult<MultiplexedConnection> {
    let certificates = redis::TlsCertificates {
        client_tls: None,
        root_cert: authority.map(|pem| pem.as_bytes().to_vec()),
    };
    let url = format!("rediss://:{}@{address}/", pair.password().unwrap());
    redis::Client::build_with_tls(url, certificates)?
        .get_multiplexed_async_connection()
        .await
}

#[tokio::test]
async fn idle_clients_are_disconnected_after_the_timeout() {
    let Some(host) = common::host() else {
        return;
    };
    let mut impatient = settings(&SITES[..1], Duration::ZERO);
    impatient.idle_timeout = Duration::from_secs(1);
    let pair = RedisPair::start(&host, impatient).await.unwrap();
    let mut stream = tokio::net::TcpStream::connect(pair.address(0))
        .await
        .unwrap();
    let closing = tokio::io::AsyncReadExt::read_u8(&mut stream);
    let closed = tokio::time::timeout(Duration::from_secs(10), closing).await;
    assert!(closed.unwrap().is_err());
    pair.stop().await;
}

/// What a server answers to a stranger who asks whether it is there.
async fn answer_to_stranger(pair: &RedisPair, site: usize) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.1.0.1:0".parse().unwrap()).unwrap();
    let mut stream = socket.connect(pair.address(site)).await.unwrap();
    stream.write_all(b"PING\r\n").await.unwrap();
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_stranger_needs_the_password_of_every_server() {
    let Some(pair) = start(2, Duration::ZERO).await else {
        return;
    };
    for site in 0..2 {
        assert_eq!(answer_to_stranger(&pair, site).await, "-NOAUTH");
    }
    pair.stop().await;
}

#[tokio::test]
async fn servers_without_a_password_answer_everyone_and_replicate() {
    let Some(host) = common::host() else {
        return;
    };
    let mut open = settings(&SITES, Duration::ZERO);
    open.admission = Admission::Anyone;
    let pair = RedisPair::start(&host, open).await.unwrap();
    assert_eq!(pair.password(), None);
    for site in 0..2 {
        assert_eq!(answer_to_stranger(&pair, site).await, "+PONG\r\n");
    }
    let sample = pair.sample().await.unwrap();
    assert!(sample.replica_lag.is_some(), "the replica follows");
    pair.stop().await;
}
