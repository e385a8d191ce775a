//! The outside with real connections, at fifty times the speed.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use tiketi_measure::ending::Way;
use tiketi_measure::stall::Span;
use tiketi_network::Path;
use tiketi_scenario::load;
use tiketi_server::PaidOrder;
use uuid::Uuid;

const A: ZoneId = ZoneId(0);
const B: ZoneId = ZoneId(1);
/// Real time in which an answer comes, on a busy machine too; and in which none is proof enough that none will.
const SOON: Duration = Duration::from_secs(20);
const WHILE: Duration = Duration::from_millis(300);

fn outside() -> Outside {
    let text = "name = \"x\"\n[clock]\nspeed = 50\n";
    let plan = load("x.toml", text, &Default::default()).expect("is valid");
    Outside::start(&plan).expect("ports are free")
}

fn provider_of(outside: &Outside, zone: ZoneId) -> SocketAddr {
    match outside.settings(zone).0 {
        Provider::Remote { address, .. } => address,
        Provider::BuiltIn { .. } => panic!("the testbed has a provider of its own"),
    }
}

fn storage_of(outside: &Outside, zone: ZoneId) -> SocketAddr {
    match outside.settings(zone).1 {
        Receipts::Uploaded { address, .. } => address,
        Receipts::None => panic!("receipts are uploaded"),
    }
}

/// Sends a request on a connection of its own; returns the status.
async fn send(address: SocketAddr, line: &str, body: &str) -> io::Result<u16> {
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: outside\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::other(answer.into_owned()))
}

async fn answered(address: SocketAddr, line: &str, body: &str) -> u16 {
    let sent = tokio::time::timeout(SOON, send(address, line, body)).await;
    sent.expect("an answer in time").expect("an answer")
}

async fn is_silent(address: SocketAddr, line: &str, body: &str) -> bool {
    let sent = tokio::time::timeout(WHILE, send(address, line, body)).await;
    sent.is_err()
}

const AUTHORIZE: &str = "POST /authorizations";

fn payment(key: &str) -> String {
    json!({ "key": key, "reference": Uuid::from_u128(7) }).to_string()
}

fn order(key: &str, reservation: u128) -> PaidOrder {
    PaidOrder {
        reservation: Uuid::from_u128(reservation),
        user: Uuid::nil(),
        show: Uuid::nil(),
        seats: Vec::new(),
        idempotency_key: key.to_owned(),
        amount: 1,
        paid_at: Duration::ZERO,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_charged_once_through_the_gateway_of_its_zone() {
    let outside = outside();
    let provider = provider_of(&outside, A);
    for _ in 0..2 {
        assert_eq!(answered(provider, AUTHORIZE, &payment("one")).await, 200);
        let key = json!({ "key": "one" }).to_string();
        assert_eq!(answered(provider, "POST /captures", &key).await, 200);
    }
    let unknown = json!({ "key": "other" }).to_string();
    assert_eq!(answered(provider, "POST /captures", &unknown).await, 409);
    let state = FinalState {
        orders: vec![order("one", 7), order("never", 8)],
        ..FinalState::default()
    };
    let facts = outside.settle(&state);
    assert_eq!((facts.charges, facts.charged_twice), (1, 0));
    assert_eq!((facts.without_order, facts.orders_without_charge), (0, 1));
    let own = Way::Open(Path::NatGateway {
        zone: A,
        is_detour: false,
    });
    assert!(outside.uses().iter().all(|one| one.way == own));
    let traffic = outside.take_traffic();
    assert!(traffic.nat_bytes > 5 * 5_400, "{traffic:?}");
    assert_eq!(traffic.detour_bytes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_gateway_silences_its_zone_until_the_route_is_changed() {
    let outside = outside();
    let (in_a, in_b) = (provider_of(&outside, A), provider_of(&outside, B));
    outside.disrupt(Disruption::NatGateway(A));
    assert!(is_silent(in_a, AUTHORIZE, &payment("a")).await);
    assert_eq!(answered(in_b, AUTHORIZE, &payment("b")).await, 200);
    outside.disrupt(Disruption::Route {
        zone: A,
        gateway: B,
    });
    assert_eq!(answered(in_a, AUTHORIZE, &payment("a")).await, 200);
    assert!(outside.take_traffic().detour_bytes > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_falls_silent_with_its_gateway() {
    let outside = outside();
    let provider = provider_of(&outside, A);
    outside.disrupt(Disruption::ProviderSlow(Duration::from_secs(25)));
    let waiting = tokio::spawn(async move { send(provider, AUTHORIZE, &payment("slow")).await });
    tokio::time::sleep(WHILE / 3).await;
    outside.disrupt(Disruption::NatGateway(A));
    tokio::time::sleep(WHILE / 6).await;
    outside.repair(Disruption::NatGateway(A));
    assert!(
        tokio::time::timeout(Duration::from_secs(1), waiting)
            .await
            .is_err(),
        "the new gateway does not know the connection"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_rejects_calls_and_recovers() {
    let outside = outside();
    let provider = provider_of(&outside, A);
    outside.disrupt(Disruption::ProviderDown);
    assert_eq!(answered(provider, AUTHORIZE, &payment("one")).await, 503);
    outside.repair(Disruption::ProviderDown);
    assert_eq!(answered(provider, AUTHORIZE, &payment("one")).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_is_free_through_its_endpoint_and_silent_when_it_is_gone() {
    let outside = outside();
    let storage = storage_of(&outside, B);
    assert_eq!(answered(storage, "PUT /receipts/1", "paid").await, 200);
    let free = outside.take_traffic();
    assert_eq!((free.s3_puts, free.s3_nat_bytes), (1, 0));
    assert!(free.s3_bytes > 0);
    outside.disrupt(Disruption::S3Endpoint);
    assert_eq!(answered(storage, "PUT /receipts/2", "paid").await, 200);
    let by_nat = outside.take_traffic();
    assert_eq!(by_nat.s3_nat_bytes, by_nat.s3_bytes);
    outside.disrupt(Disruption::S3);
    assert!(is_silent(storage, "PUT /receipts/3", "paid").await);
}

#[tokio::test]
async fn a_nat_gateway_is_the_source_of_what_goes_through_it() {
    let outside = outside();
    let destination = TcpListener::bind((PROVIDER_IP, 0)).await.unwrap();
    let router = Router {
        zone: A,
        to: Destination::Provider,
        address: destination.local_addr().unwrap(),
        shared: Arc::clone(&outside.shared),
    };
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let entrance = door.local_addr().unwrap();
    tokio::spawn(router.run(door));
    let _inside = TcpStream::connect(entrance).await.unwrap();
    let (_, source) = destination.accept().await.unwrap();
    assert_eq!(source.ip(), Ipv4Addr::new(127, 0, 1, 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_of_the_thread_is_noticed() {
    const MS: u64 = 1_000_000;
    let outside = outside();
    let from = unix_now_ns();
    let stalls = |outside: &Outside, now: u64| {
        let span = Span {
            start_unix_ns: from,
            ended_at: SimTime::from_secs(60),
            speed: 1.0,
        };
        outside.take_stalls(now).settle(span)
    };
    let alive = async {
        while stalls(&outside, unix_now_ns() + 20_000 * MS).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // Its signs of life began, and then none came for twenty seconds.
    let noticed = tokio::time::timeout(SOON, alive).await;
    noticed.expect("the thread gives signs of life");
    let missing = stalls(&outside, unix_now_ns() + 20_000 * MS);
    assert!(missing.iter().all(|stall| stall.part == ToolPart::Outside));
    assert!(
        missing
            .iter()
            .any(|stall| stall.wall >= Duration::from_secs(15))
    );
}
