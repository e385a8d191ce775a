//! The edge with real sockets.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, COOKIE, HOST, SET_COOKIE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use super::*;
use crate::ALB_NAME;
use crate::dns::NameServer;
use tiketi_cloud::name_service::NameService;
use tiketi_scenario::topology::{CacheStart, StaticFile};

fn plan(cache: CacheStart) -> topology::Edge {
    let file = |path: &str, bytes| StaticFile {
        path: path.to_owned(),
        bytes,
    };
    topology::Edge {
        files: vec![file("/index.html", 1_000), file("/index.js", 50_000)],
        cache,
        locations: 2,
        origin_latency: Duration::from_millis(300),
        ..topology::Edge::without_files()
    }
}

/// Starts an edge whose load balancer cannot be found.
async fn start(plan: topology::Edge) -> std::io::Result<Edge> {
    start_before(
        plan,
        LoadBalancer {
            name_server: SocketAddr::from((Ipv4Addr::LOCALHOST, 9)),
            port: 9,
        },
    )
    .await
}

async fn start_before(edge: topology::Edge, load_balancer: LoadBalancer) -> std::io::Result<Edge> {
    let speed = 1.0;
    Edge::start(Blueprint {
        edge,
        speed,
        load_balancer,
        lobby: None,
    })
    .await
}

/// Status, `x-cache` and size of a response of a location.
async fn get(edge: &Edge, location: usize, path: &str) -> (StatusCode, String, usize) {
    let request = Request::get(path).header("host", "tiketi.test");
    let request = request.body(Full::default()).unwrap();
    let answer = send(edge, location, request).await;
    let said = answer.headers().get("x-cache");
    let said = said.map_or("", |said| said.to_str().unwrap()).to_owned();
    (answer.status(), said, answer.body().len())
}

/// Sends a request to a location, and reads the response.
async fn send(edge: &Edge, location: usize, request: Request<Full<Bytes>>) -> Response<Bytes> {
    let address = (edge.addresses()[location], edge.port());
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    drop(sender);
    connection.abort();
    Response::from_parts(head, body)
}

#[tokio::test]
async fn a_warm_location_serves_real_bytes_without_asking_s3() {
    let edge = start(plan(CacheStart::Warm)).await.unwrap();
    let (status, said, bytes) = get(&edge, 0, "/index.js").await;
    assert_eq!(
        (status, said.as_str(), bytes),
        (StatusCode::OK, "Hit from cloudfront", 50_000)
    );
    assert_eq!(get(&edge, 0, "/other.js").await.0, StatusCode::NOT_FOUND);
    let figures = edge.figures();
    assert_eq!((figures.requests, figures.hits), (1, 1));
    assert_eq!((figures.bytes, figures.origin_requests), (50_000, 0));
}

#[tokio::test]
async fn an_empty_location_asks_s3_once_for_all_who_wait() {
    let edge = start(plan(CacheStart::Empty)).await.unwrap();
    let all = [(); 5].map(|()| get(&edge, 1, "/index.js"));
    for (status, said, bytes) in futures_util::future::join_all(all).await {
        assert_eq!((status, bytes), (StatusCode::OK, 50_000));
        assert_eq!(said, "Miss from cloudfront");
    }
    let (_, said, _) = get(&edge, 1, "/index.js").await;
    assert_eq!(said, "Hit from cloudfront");
    let figures = edge.figures();
    assert_eq!((figures.misses, figures.collapsed, figures.hits), (1, 4, 1));
    assert_eq!((figures.origin_requests, figures.origin_bytes), (1, 50_000));
    assert_eq!(figures.bytes, 6 * 50_000);
    // Each location has a cache of its own.
    assert_eq!(get(&edge, 0, "/index.js").await.1, "Miss from cloudfront");
}

#[tokio::test]
async fn after_the_time_to_live_s3_is_asked_whether_the_file_has_changed() {
    let mut plan = plan(CacheStart::Warm);
    (plan.ttl, plan.origin_latency) = (Duration::from_millis(1), Duration::ZERO);
    let edge = start(plan).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let (status, said, bytes) = get(&edge, 0, "/index.html").await;
    assert_eq!((status, bytes), (StatusCode::OK, 1_000));
    assert_eq!(said, "RefreshHit from cloudfront");
    let figures = edge.figures();
    assert_eq!((figures.origin_unchanged, figures.origin_bytes), (1, 0));
}

#[tokio::test]
async fn nothing_listens_when_the_edge_has_ended() {
    let edge = start(plan(CacheStart::Warm)).await.unwrap();
    let address = (edge.addresses()[0], edge.port());
    drop(edge);
    assert!(TcpStream::connect(address).await.is_err());
}

/// What a load balancer at these addresses does with a request.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    /// It answers with what it has heard.
    Answer,
    /// It closes the connection instead of its first response, and answers then.
    BreakFirst,
    /// It is silent.
    Nothing,
}

/// A load balancer on one address, and the name server that knows it and `dead`, an address where nothing listens.
async fn load_balancer(does: Does, dead: Option<Ipv4Addr>) -> (NameServer, LoadBalancer) {
    let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 77, 4), 0))
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut accepted = 0;
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            accepted += 1;
            if does == Does::BreakFirst && accepted == 1 {
                stream.readable().await.unwrap();
                continue;
            }
            let service = hyper::service::service_fn(
                move |request: Request<hyper::body::Incoming>| async move {
                    if does == Does::Nothing {
                        std::future::pending::<()>().await;
                    }
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let heard = format!(
                        "{} {} from {} {:?} {}",
                        head.method,
                        head.uri,
                        peer.ip(),
                        head.headers,
                        String::from_utf8_lossy(&body)
                    );
                    let answer = Response::builder()
                        .status(201)
                        .header(SET_COOKIE, "AWSALB=0.7; Path=/");
                    Ok::<_, std::convert::Infallible>(
                        answer.body(Full::new(Bytes::from(heard))).unwrap(),
                    )
                },
            );
            let serving = hyper::server::conn::http1::Builder::new();
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), service));
        }
    });
    let mut names = NameService::default();
    names.define(ALB_NAME, Duration::from_secs(60));
    for address in dead.into_iter().chain([Ipv4Addr::new(127, 0, 77, 4)]) {
        names.add(ALB_NAME, address);
    }
    let server = NameServer::start(Ipv4Addr::LOCALHOST, names, 1.0)
        .await
        .unwrap();
    let name_server = server.address();
    (server, LoadBalancer { name_server, port })
}

fn through() -> topology::Edge {
    topology::Edge {
        api: ApiWay::Through,
        ..plan(CacheStart::Warm)
    }
}

fn reservation() -> Request<Full<Bytes>> {
    Request::post("/api/seats/reserve?a=b")
        .header(HOST, "tiketi.test")
        .header(COOKIE, "AWSALB=0.5")
        .header("x-mine", "yes")
        .header(CONNECTION, "keep-alive")
        .body(Full::new(Bytes::from_static(b"{\"seat\":1}")))
        .unwrap()
}

#[tokio::test]
async fn what_is_no_file_is_passed_on_whole_and_answered_uncached() {
    let (_names, balancer) = load_balancer(Does::Answer, None).await;
    let edge = start_before(through(), balancer).await.unwrap();
    let answer = send(&edge, 1, reservation()).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(answer.headers()[SET_COOKIE], "AWSALB=0.7; Path=/");
    assert_eq!(answer.headers()["x-cache"], "Miss from cloudfront");
    let heard = String::from_utf8(answer.body().to_vec()).unwrap();
    // The connection comes from the location, and says who the client is.
    assert!(
        heard.starts_with("POST /api/seats/reserve?a=b from 127.254.254.2 "),
        "{heard}"
    );
    for part in [
        "tiketi.test",
        "AWSALB=0.5",
        "x-mine",
        "\"x-forwarded-for\": \"127.0.0.1\"",
        "{\"seat\":1}",
    ] {
        assert!(heard.contains(part), "{part} in {heard}");
    }
    assert!(!heard.contains("keep-alive"), "{heard}");
    // Files are still the cache's, and the same request is passed on each time.
    assert_eq!(get(&edge, 1, "/index.js").await.1, "Hit from cloudfront");
    for _ in 0..2 {
        assert_eq!(get(&edge, 0, "/api/events").await.0, StatusCode::CREATED);
    }
    let passing = edge.passing().unwrap();
    assert_eq!((passing.requests, passing.answered), (3, 3));
    assert_eq!(
        edge.name_figures().lookups(),
        1,
        "all locations share what they know"
    );
    assert_eq!(edge.figures().requests, 1);
}

#[tokio::test]
async fn an_address_that_refuses_leads_to_the_next_and_no_address_to_502() {
    let dead = Ipv4Addr::new(127, 0, 77, 5);
    let (_names, balancer) = load_balancer(Does::Answer, Some(dead)).await;
    let edge = start_before(through(), balancer).await.unwrap();
    for _ in 0..4 {
        assert_eq!(
            send(&edge, 0, reservation()).await.status(),
            StatusCode::CREATED
        );
    }
    assert_eq!(edge.name_figures().failures, 1);
    let other_port = LoadBalancer {
        port: 9,
        ..balancer
    };
    let edge = start_before(through(), other_port).await.unwrap();
    let answer = send(&edge, 0, reservation()).await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(answer.headers()["x-cache"], "Error from cloudfront");
    assert_eq!(edge.passing().unwrap().bad_gateway, 1);
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_502() {
    let edge = start(through()).await.unwrap();
    let (status, ..) = get(&edge, 0, "/api/events").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(edge.name_figures().unanswered, 1);
}

#[tokio::test]
async fn a_silent_load_balancer_is_504() {
    let (_names, balancer) = load_balancer(Does::Nothing, None).await;
    // 30 s of scenario time.
    let edge = Edge::start(Blueprint {
        edge: through(),
        speed: 60.0,
        load_balancer: balancer,
        lobby: None,
    });
    let edge = edge.await.unwrap();
    let (status, said, _) = get(&edge, 0, "/api/events").await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(said, "Error from cloudfront");
    let passing = edge.passing().unwrap();
    assert_eq!(
        (passing.requests, passing.answered, passing.timed_out),
        (1, 0, 1)
    );
}

#[tokio::test]
async fn only_a_request_that_reads_is_sent_again_when_its_connection_breaks() {
    let (_names, balancer) = load_balancer(Does::BreakFirst, None).await;
    let edge = start_before(through(), balancer).await.unwrap();
    assert_eq!(get(&edge, 0, "/api/events").await.0, StatusCode::CREATED);
    let (_names, balancer) = load_balancer(Does::BreakFirst, None).await;
    let edge = start_before(through(), balancer).await.unwrap();
    assert_eq!(
        send(&edge, 0, reservation()).await.status(),
        StatusCode::BAD_GATEWAY
    );
    assert_eq!(
        send(&edge, 0, reservation()).await.status(),
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn an_edge_that_passes_nothing_on_knows_only_its_files() {
    let edge = start(plan(CacheStart::Warm)).await.unwrap();
    assert_eq!(edge.passing(), None);
    assert_eq!(get(&edge, 0, "/api/events").await.0, StatusCode::NOT_FOUND);
    let status = send(&edge, 0, reservation()).await.status();
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reservation().method(), Method::POST);
}

/// A waiting room with one shopping slot, in front of a load balancer that cannot be found.
fn with_lobby(more: &str) -> (Blueprint, LobbyBlueprint) {
    let text = format!(
        "name = \"x\"\n[waiting_room]\nactive_max = 1\nadmit_every = \"1s\"\nidle_timeout = \"20s\"\n[show]\nhold = \"10s\"\n\
         [topology.edge]\nlocations = 2\nlatency = \"0s\"\nwaiting_room = \"edge\"\n{more}"
    );
    let plan = tiketi_scenario::load("x.toml", &text, &Default::default());
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
    let lobby = LobbyBlueprint {
        show: Uuid::from_u128(9),
        token_secret: "tokens".to_owned(),
        pass_secret: "passes".to_owned(),
        plan,
    };
    let blueprint = Blueprint {
        edge: lobby.plan.topology.edge.clone(),
        speed: 20.0,
        load_balancer: LoadBalancer {
            name_server: SocketAddr::from((Ipv4Addr::LOCALHOST, 9)),
            port: 9,
        },
        lobby: Some(lobby.clone()),
    };
    (blueprint, lobby)
}

/// Status, JSON and pass of a response of the waiting room to a user.
async fn ask(
    edge: &Edge,
    location: usize,
    (method, path): (Method, &str),
    user: &str,
) -> (StatusCode, serde_json::Value, Option<String>) {
    let hour = Duration::from_secs(3_600);
    let token = tiketi_server::mint_token("tokens", user, false, hour);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "tiketi.test");
    let request = request.header("authorization", format!("Bearer {token}"));
    let answer = send(edge, location, request.body(Full::default()).unwrap()).await;
    let pass = answer.headers().get(SET_COOKIE);
    let pass = pass.map(|value| {
        let cookie = value
            .to_str()
            .unwrap()
            .strip_prefix("tiketi_pass=")
            .unwrap();
        cookie.split(';').next().unwrap().to_owned()
    });
    let json = serde_json::from_slice(answer.body()).unwrap();
    (answer.status(), json, pass)
}

/// Tells the room something in the place of an instance.
async fn tell(edge: &Edge, path: &str, pass: &str) -> StatusCode {
    let stream = TcpStream::connect(edge.store().unwrap()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::post(path).header(HOST, "store");
    let request = request.header("authorization", format!("Bearer {pass}"));
    let request = request.body(Full::<Bytes>::default()).unwrap();
    sender.send_request(request).await.unwrap().status()
}

const SHOW: &str = "00000000-0000-0000-0000-000000000009";

#[tokio::test]
async fn all_locations_share_one_queue_and_the_admitted_get_a_pass() {
    let (blueprint, lobby) = with_lobby("");
    let edge = Edge::start(blueprint).await.unwrap();
    let check = format!("/api/queue/check/{SHOW}");
    let status = format!("/api/queue/status/{SHOW}");
    let (code, json, pass) = ask(&edge, 0, (Method::POST, &check), "kim").await;
    assert_eq!((code, &json["queued"]), (StatusCode::OK, &false.into()));
    let pass = pass.expect("kim is admitted");
    let key = tiketi_server::PassKey::new("passes");
    let now = unix_now_ns() / 1_000_000;
    let read = key.read(&pass, now).expect("it is signed");
    assert_eq!(
        (read.user, read.show),
        (tiketi_server::user_id("kim"), lobby.show)
    );
    // 20 s of scenario time.
    assert!(read.ends_at_unix_ms - now <= 1_000, "{read:?} {now}");
    for (name, place) in [("lee", 1), ("park", 2)] {
        let (_, json, pass) = ask(&edge, 1, (Method::POST, &check), name).await;
        assert_eq!(
            (&json["queued"], &json["position"]),
            (&true.into(), &place.into())
        );
        assert_eq!(pass, None);
    }
    assert_eq!(edge.queue(), Some((2, 1)));
    // The application says that kim has paid; the pass shows who that is.
    assert_eq!(
        tell(&edge, "/finish", "no pass").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(edge.queue(), Some((2, 1)));
    assert_eq!(tell(&edge, "/finish", &pass).await, StatusCode::NO_CONTENT);
    let admitted = async {
        loop {
            let (_, json, pass) = ask(&edge, 0, (Method::GET, &status), "lee").await;
            if json["queued"] == false {
                assert_eq!(json["admitted"], true);
                break pass;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let admitted = tokio::time::timeout(Duration::from_secs(10), admitted).await;
    assert!(admitted.expect("there is a slot").is_some());
    let leave = format!("/api/queue/leave/{SHOW}");
    assert_eq!(
        ask(&edge, 0, (Method::POST, &leave), "park").await.0,
        StatusCode::OK
    );
    let facts = edge.admissions().unwrap();
    assert_eq!(
        (facts.joined, facts.admitted, facts.left, facts.waiting),
        (3, 2, 1, 0)
    );
    assert_eq!((facts.admitted_twice, facts.astray), (0, 0));
    let figures = edge.room_figures().unwrap();
    assert_eq!((figures.joins, figures.leaves), (3, 1));
    assert!(
        figures.polls > 0 && figures.bytes > 0 && figures.passes == 2,
        "{figures:?}"
    );
}

#[tokio::test]
async fn who_says_nothing_loses_the_slot_and_who_is_active_keeps_it() {
    let (blueprint, _) = with_lobby("");
    let edge = Edge::start(blueprint).await.unwrap();
    let check = format!("/api/queue/check/{SHOW}");
    let (_, _, pass) = ask(&edge, 0, (Method::POST, &check), "kim").await;
    let pass = pass.expect("kim is admitted");
    ask(&edge, 0, (Method::POST, &check), "lee").await;
    // 20 s of scenario time are one second.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(tell(&edge, "/touch", &pass).await, StatusCode::NO_CONTENT);
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(edge.queue(), Some((1, 1)), "1.3 s after the admission");
    let gone = async {
        while edge.queue() != Some((0, 1)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .expect("kim is idle");
}

#[tokio::test]
async fn the_room_answers_who_they_are_and_only_what_it_knows() {
    let (blueprint, _) = with_lobby("");
    let edge = Edge::start(blueprint).await.unwrap();
    let status = format!("/api/queue/status/{SHOW}");
    let (code, json, _) = ask(&edge, 0, (Method::GET, &status), "nobody").await;
    assert_eq!((code, &json["admitted"]), (StatusCode::OK, &false.into()));
    let (code, json, _) = ask(&edge, 0, (Method::POST, &status), "kim").await;
    assert_eq!(code, StatusCode::METHOD_NOT_ALLOWED, "{json}");
    let (code, ..) = ask(&edge, 0, (Method::GET, "/api/queue/status/another"), "kim").await;
    assert_eq!(code, StatusCode::NOT_FOUND);
    let without = |token: Option<&str>| {
        let request = Request::get(&status).header(HOST, "tiketi.test");
        let request = match token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        send(&edge, 0, request.body(Full::default()).unwrap())
    };
    assert_eq!(without(None).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(without(Some("x.y.z")).await.status(), StatusCode::FORBIDDEN);
    // Other paths of the API are not the room's, and this edge passes nothing on.
    assert_eq!(get(&edge, 0, "/api/events").await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        edge.room_figures().unwrap().requests(),
        1,
        "refusals are no requests to the room"
    );
}
