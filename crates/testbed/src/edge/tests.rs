//! The edge with real sockets.

use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::*;
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

/// Status, `x-cache` and size of a response of a location.
async fn get(edge: &Edge, location: usize, path: &str) -> (StatusCode, String, usize) {
    let address = (edge.addresses()[location], edge.port());
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header("host", "tiketi.test");
    let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let said = answer.headers().get("x-cache");
    let said = said.map_or("", |said| said.to_str().unwrap()).to_owned();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    drop(sender);
    connection.abort();
    (status, said, body.len())
}

#[tokio::test]
async fn a_warm_location_serves_real_bytes_without_asking_s3() {
    let edge = Edge::start(&plan(CacheStart::Warm), 1.0).await.unwrap();
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
    let edge = Edge::start(&plan(CacheStart::Empty), 1.0).await.unwrap();
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
    let edge = Edge::start(&plan, 1.0).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let (status, said, bytes) = get(&edge, 0, "/index.html").await;
    assert_eq!((status, bytes), (StatusCode::OK, 1_000));
    assert_eq!(said, "RefreshHit from cloudfront");
    let figures = edge.figures();
    assert_eq!((figures.origin_unchanged, figures.origin_bytes), (1, 0));
}

#[tokio::test]
async fn nothing_listens_when_the_edge_has_ended() {
    let edge = Edge::start(&plan(CacheStart::Warm), 1.0).await.unwrap();
    let address = (edge.addresses()[0], edge.port());
    drop(edge);
    assert!(TcpStream::connect(address).await.is_err());
}
