//! The edge with real sockets.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, COOKIE, HOST, SET_COOKIE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

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
