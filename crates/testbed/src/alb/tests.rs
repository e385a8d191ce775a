//! A node against plain hyper back ends, in this process.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::{AbortHandle, JoinSet};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{Message, protocol::Role};

use super::message::{Answer, Command, Load, NodeSettings};
use super::node;
use crate::clock::wall_now;
use tiketi_cloud::driver::Shift;
use tiketi_core::impairment::{Impairment, Impairments, Peer, Quality};
use tiketi_core::units::{InstanceId, Share, SimTime, ZoneId};
use tiketi_scenario::topology::{Alb, HealthCheck};

/// A back end that can be told to fail its health checks, and killed.
struct BackEnd {
    address: SocketAddr,
    sick: Arc<AtomicBool>,
    task: AbortHandle,
}

impl BackEnd {
    async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sick = Arc::new(AtomicBool::new(false));
        let seen_sick = Arc::clone(&sick);
        let task = tokio::spawn(async move {
            // Aborting this task drops the set, and with it every connection.
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let sick = Arc::clone(&seen_sick);
                let service = service_fn(move |request| answer(name, request, Arc::clone(&sick)));
                connections.spawn(async move {
                    let served = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades()
                        .await;
                    drop(served);
                });
            }
        });
        Self {
            address,
            sick,
            task: task.abort_handle(),
        }
    }
}

async fn answer(
    name: &'static str,
    mut request: Request<Incoming>,
    sick: Arc<AtomicBool>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(name.as_bytes())));
    if let Some(key) = request.headers().get("sec-websocket-key") {
        let accept = derive_accept_key(key.as_bytes());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, "upgrade".parse().unwrap());
        headers.insert(header::UPGRADE, "websocket".parse().unwrap());
        headers.insert("sec-websocket-accept", accept.parse().unwrap());
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let stream = TokioIo::new(upgrade.await.unwrap());
            let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() && socket.send(message).await.is_err() {
                    break;
                }
            }
        });
        return Ok(response);
    }
    match request.uri().path() {
        "/health" if sick.load(Ordering::Relaxed) => {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        "/slow" => tokio::time::sleep(Duration::from_secs(30)).await,
        "/reset" => panic!("this back end breaks the connection"),
        "/forwarded" => {
            let seen = request.headers()["x-forwarded-for"].as_bytes().to_vec();
            *response.body_mut() = Full::new(seen.into());
        }
        _ => {}
    }
    Ok(response)
}

/// A running node and the ends of its channels.
struct Node {
    address: SocketAddr,
    commands: UnboundedSender<Command>,
    answers: UnboundedReceiver<Answer>,
    client: Client<HttpConnector, Full<Bytes>>,
}

const SPEED: f64 = 100.0;

fn alb() -> Alb {
    Alb {
        health_check: HealthCheck {
            interval: Duration::from_secs(5),
            // Two seconds on the wall: a busy machine must not make a target unhealthy.
            timeout: Duration::from_secs(200),
            healthy_count: 3,
            unhealthy_count: 2,
        },
        deregistration_delay: Duration::from_secs(30),
        stickiness: Some(Duration::from_secs(3_600)),
        // Two seconds on the wall: longer than the time between two reports.
        idle_timeout: Duration::from_secs(200),
        connect_timeout: Duration::from_secs(10),
        dns_ttl: Duration::from_secs(60),
    }
}

impl Node {
    async fn start(alb: Alb) -> Self {
        Self::start_in(ZoneId(0), alb).await
    }

    async fn start_in(zone: ZoneId, alb: Alb) -> Self {
        let settings = NodeSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            speed: SPEED,
            now: SimTime::ZERO,
            alb,
            zone,
            seed: 1,
            checks: true,
        };
        let (commands, commands_rx) = mpsc::unbounded_channel();
        let (answers_tx, mut answers) = mpsc::unbounded_channel();
        tokio::spawn(node::run(settings, commands_rx, answers_tx));
        let Some(Answer::Ready { port }) = answers.recv().await else {
            panic!("the first answer is `Ready`");
        };
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            commands,
            answers,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    fn tell(&self, command: Command) {
        self.commands.send(command).unwrap();
    }

    fn register(&self, instance: u32, backend: &BackEnd) {
        self.tell(Command::Register {
            instance: InstanceId(instance),
            address: backend.address,
            // An instance with an odd number is in the other zone.
            zone: ZoneId(u8::from(!instance.is_multiple_of(2))),
        });
    }

    /// The next answer that is not a load report.
    async fn heard(&mut self) -> Answer {
        loop {
            let answer = tokio::time::timeout(Duration::from_secs(5), self.answers.recv());
            match answer.await.expect("an answer in time").unwrap() {
                Answer::Load(_) => {}
                answer => return answer,
            }
        }
    }

    async fn wait_health(&mut self, instance: u32, healthy: bool) {
        let wanted = Answer::Health {
            instance: InstanceId(instance),
            healthy,
        };
        while self.heard().await != wanted {}
    }

    /// Waits for a load report that `holds`.
    async fn wait_load(&mut self, holds: impl Fn(&Load) -> bool) {
        let mut last = None;
        let reports = async {
            while let Some(answer) = self.answers.recv().await {
                if let Answer::Load(load) = answer {
                    last = Some(load);
                    if holds(&load) {
                        return;
                    }
                }
            }
        };
        let timely = tokio::time::timeout(Duration::from_secs(5), reports).await;
        assert!(timely.is_ok(), "the last report was {last:?}");
    }

    async fn get(&self, path: &str, cookie: Option<&str>) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::get(format!("http://{}{path}", self.address));
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(Full::default()).unwrap();
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        (parts.status, parts.headers, text)
    }

    async fn open_web_socket(&self) -> WebSocketStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let url = format!("ws://{}/socket", self.address);
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        socket
    }
}

async fn pair() -> (Node, BackEnd, BackEnd) {
    let (a, b) = (BackEnd::start("a").await, BackEnd::start("b").await);
    let mut node = Node::start(alb()).await;
    node.register(0, &a);
    node.wait_health(0, true).await;
    node.register(1, &b);
    node.wait_health(1, true).await;
    (node, a, b)
}

fn cookie_of(headers: &HeaderMap) -> String {
    let set = headers[header::SET_COOKIE].to_str().unwrap();
    assert!(set.starts_with("AWSALB="));
    set.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn requests_without_a_cookie_are_spread_evenly() {
    let (node, _a, _b) = pair().await;
    let mut answered = BTreeMap::new();
    for _ in 0..40 {
        let (status, _, name) = node.get("/", None).await;
        assert_eq!(status, StatusCode::OK);
        *answered.entry(name).or_insert(0) += 1;
    }
    assert_eq!(answered.into_values().collect::<Vec<_>>(), [20, 20]);
}

#[tokio::test]
async fn a_cookie_keeps_its_bearer_on_one_target_until_the_target_is_gone() {
    let (mut node, _a, _b) = pair().await;
    let (_, headers, first) = node.get("/", None).await;
    let cookie = format!("theme=dark; {}", cookie_of(&headers));
    for _ in 0..10 {
        assert_eq!(node.get("/", Some(&cookie)).await.2, first);
    }
    let bound = InstanceId(u32::from(first == "b"));
    node.tell(Command::Remove { instance: bound });
    let mut moved = node.get("/", Some(&cookie)).await;
    while moved.2 == first {
        moved = node.get("/", Some(&cookie)).await;
    }
    assert_eq!(moved.0, StatusCode::OK);
    assert_ne!(cookie_of(&moved.1), cookie_of(&headers));
    node.wait_load(|load| {
        let sticky = load.sticky;
        sticky.kept >= 10 && (sticky.target_gone, sticky.broken) == (1, 0)
    })
    .await;
}

#[tokio::test]
async fn targets_learn_who_asked() {
    let (node, _a, _b) = pair().await;
    assert_eq!(node.get("/forwarded", None).await.2, "127.0.0.1");
}

#[tokio::test]
async fn a_group_without_targets_answers_503() {
    let mut node = Node::start(alb()).await;
    let (status, headers, _) = node.get("/", None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers[header::SERVER], "awselb/2.0");
    node.wait_load(|load| load.errors.no_target == 1).await;
}

#[tokio::test]
async fn a_target_that_refuses_or_resets_gives_502_and_a_silent_one_504() {
    let mut settings = alb();
    settings.health_check.interval = Duration::from_secs(300);
    let backend = BackEnd::start("a").await;
    let mut node = Node::start(settings).await;
    node.register(0, &backend);
    node.wait_health(0, true).await;
    assert_eq!(node.get("/reset", None).await.0, StatusCode::BAD_GATEWAY);
    assert_eq!(node.get("/slow", None).await.0, StatusCode::GATEWAY_TIMEOUT);
    backend.task.abort();
    while TcpStream::connect(backend.address).await.is_ok() {}
    assert_eq!(node.get("/", None).await.0, StatusCode::BAD_GATEWAY);
    node.wait_load(|load| (load.errors.bad_gateway, load.errors.timed_out) == (2, 1))
        .await;
}

#[tokio::test]
async fn a_sick_target_gets_no_requests_until_it_has_passed_its_checks_again() {
    let (mut node, a, _b) = pair().await;
    a.sick.store(true, Ordering::Relaxed);
    node.wait_health(0, false).await;
    for _ in 0..6 {
        assert_eq!(node.get("/", None).await.2, "b");
    }
    a.sick.store(false, Ordering::Relaxed);
    node.wait_health(0, true).await;
    let names = [node.get("/", None).await.2, node.get("/", None).await.2];
    assert!(names.contains(&"a".to_owned()));
}

#[tokio::test]
async fn a_group_of_sick_targets_fails_open() {
    let (mut node, a, b) = pair().await;
    a.sick.store(true, Ordering::Relaxed);
    b.sick.store(true, Ordering::Relaxed);
    node.wait_health(0, false).await;
    node.wait_health(1, false).await;
    assert_eq!(node.get("/", None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn web_sockets_pass_through_and_break_when_their_target_is_removed() {
    let (mut node, _a, _b) = pair().await;
    let mut socket = node.open_web_socket().await;
    for text in ["hello", "again"] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
    node.wait_load(|load| load.web_sockets == 1 && load.bytes_in > 0 && load.bytes_out > 0)
        .await;
    for instance in [InstanceId(0), InstanceId(1)] {
        node.tell(Command::Remove { instance });
    }
    assert!(socket.next().await.is_none_or(|end| end.is_err()));
    node.wait_load(|load| load.web_sockets == 0).await;
}

#[tokio::test]
async fn a_silent_web_socket_is_closed_after_the_idle_timeout() {
    let (node, _a, _b) = pair().await;
    let mut socket = node.open_web_socket().await;
    let end = tokio::time::timeout(Duration::from_secs(5), socket.next()).await;
    assert!(end.expect("closed in time").is_none_or(|end| end.is_err()));
}

#[tokio::test]
async fn a_target_without_connections_drains_at_once() {
    let (mut node, _a, _b) = pair().await;
    node.get("/", None).await;
    node.tell(Command::Deregister {
        instance: InstanceId(0),
        delay: Duration::from_secs(1_000_000),
    });
    let drained = Answer::Drained {
        instance: InstanceId(0),
    };
    assert_eq!(node.heard().await, drained);
    assert_eq!(node.get("/", None).await.2, "b");
}

#[tokio::test]
async fn a_web_socket_holds_up_draining_until_the_delay_ends_and_is_then_cut() {
    let backend = BackEnd::start("a").await;
    let mut node = Node::start(alb()).await;
    node.register(0, &backend);
    node.wait_health(0, true).await;
    let mut socket = node.open_web_socket().await;
    node.tell(Command::Deregister {
        instance: InstanceId(0),
        delay: Duration::from_secs(55),
    });
    socket.send(Message::text("still here")).await.unwrap();
    let echo = socket.next().await.unwrap().unwrap();
    assert_eq!(echo, Message::text("still here"));
    assert_eq!(node.get("/", None).await.0, StatusCode::SERVICE_UNAVAILABLE);
    let drained = Answer::Drained {
        instance: InstanceId(0),
    };
    assert_eq!(node.heard().await, drained);
    assert!(socket.next().await.is_none_or(|end| end.is_err()));
}

#[tokio::test]
async fn a_client_that_leaves_before_its_answer_is_counted() {
    let (mut node, _a, _b) = pair().await;
    let url = format!("http://{}/slow", node.address);
    let request = node.client.get(url.parse().unwrap());
    let given_up = tokio::time::timeout(Duration::from_millis(100), request).await;
    assert!(given_up.is_err());
    node.wait_load(|load| load.errors.client_closed == 1).await;
}

fn impaired(zone: u8, peer: Peer, quality: Quality) -> Command {
    let mut impairments = Impairments::default();
    impairments.add(Impairment {
        zone: ZoneId(zone),
        peer,
        quality,
    });
    Command::Impair { impairments }
}

fn late(scenario: Duration) -> Quality {
    Quality {
        delay: scenario,
        ..Quality::default()
    }
}

fn lost(share: f64) -> Quality {
    Quality {
        loss: Share::try_from(share).unwrap(),
        ..Quality::default()
    }
}

/// How long a request takes, in scenario time; at least, because the machine may be slow.
async fn takes(node: &Node) -> Duration {
    let started = wall_now();
    assert_eq!(node.get("/", None).await.0, StatusCode::OK);
    (wall_now() - started).mul_f64(SPEED)
}

#[tokio::test]
async fn requests_and_responses_are_held_back_on_an_impaired_path_to_buyers() {
    let (mut node, _a, _b) = pair().await;
    let other_zone = impaired(1, Peer::Buyers, late(Duration::from_secs(20)));
    node.tell(other_zone);
    node.tell(impaired(0, Peer::Buyers, late(Duration::from_secs(10))));
    // The node obeys commands in order, so it has read both when it has answered this one.
    obeyed(&mut node).await;
    assert!(takes(&node).await >= Duration::from_secs(19));
    node.tell(Command::Impair {
        impairments: Impairments::default(),
    });
    obeyed(&mut node).await;
    assert!(takes(&node).await < Duration::from_secs(19));
}

/// Waits until the node has obeyed all commands so far.
async fn obeyed(node: &mut Node) {
    let instance = InstanceId(77);
    let delay = Duration::ZERO;
    node.tell(Command::Deregister { instance, delay });
    while node.heard().await != (Answer::Drained { instance }) {}
}

#[tokio::test]
async fn only_requests_to_another_zone_are_held_back_on_an_impaired_path_between_zones() {
    let (mut node, _a, _b) = pair().await;
    node.tell(impaired(1, Peer::OtherZones, late(Duration::from_secs(10))));
    obeyed(&mut node).await;
    let mut times = [takes(&node).await, takes(&node).await];
    times.sort_unstable();
    assert!(times[0] < Duration::from_secs(19), "{times:?}");
    assert!(times[1] >= Duration::from_secs(19), "{times:?}");
}

#[tokio::test]
async fn health_checks_fail_over_a_path_that_loses_everything() {
    let mut settings = alb();
    settings.health_check.timeout = Duration::from_secs(80);
    let (a, b) = (BackEnd::start("a").await, BackEnd::start("b").await);
    let mut node = Node::start(settings).await;
    node.register(0, &a);
    node.wait_health(0, true).await;
    node.register(1, &b);
    node.wait_health(1, true).await;
    node.tell(impaired(1, Peer::OtherZones, lost(1.0)));
    node.wait_health(1, false).await;
    for _ in 0..4 {
        assert_eq!(node.get("/", None).await.2, "a");
    }
}

#[tokio::test]
async fn each_node_judges_targets_by_its_own_checks() {
    let (a, b) = (BackEnd::start("a").await, BackEnd::start("b").await);
    for (zone, own, other) in [(0, "a", 1), (1, "b", 0)] {
        let mut node = Node::start_in(ZoneId(zone), alb()).await;
        for (instance, target) in [(0, &a), (1, &b)] {
            node.register(instance, target);
            node.wait_health(instance, true).await;
        }
        // The same path, seen from both ends: each node only loses sight of the target in the other zone.
        node.tell(impaired(1, Peer::OtherZones, lost(1.0)));
        node.wait_health(other, false).await;
        for _ in 0..6 {
            let (status, _, name) = node.get("/", None).await;
            assert_eq!((status, &name[..]), (StatusCode::OK, own));
        }
    }
}

#[tokio::test]
async fn a_node_sends_no_requests_to_a_zone_that_traffic_is_shifted_away_from() {
    let (mut node, _a, _b) = pair().await;
    let zone = ZoneId(1);
    node.tell(Command::Shift {
        zone,
        shift: Shift::Away,
    });
    obeyed(&mut node).await;
    for _ in 0..4 {
        assert_eq!(node.get("/", None).await.2, "a");
    }
    node.tell(Command::Shift {
        zone,
        shift: Shift::Back,
    });
    obeyed(&mut node).await;
    let names = [node.get("/", None).await.2, node.get("/", None).await.2];
    assert!(names.contains(&"b".to_owned()));
}
