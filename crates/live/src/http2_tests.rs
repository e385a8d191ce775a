//! Servers with and without HTTP/2, and the connections of buyers to them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{Method, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2 as server_http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::clock::{Clock, unix_now_ns};
use crate::dialer::Dialer;
use crate::http::{Http, Identity, Outgoing, Received};
use crate::reach::Reach;
use crate::resolver::Names;
use crate::setup::host_header;
use crate::tls::{Remedy, Tls, Trust};
use crate::worker::{EntryPoint, Scheme as EntryScheme};

/// What a server has seen.
#[derive(Debug, Default)]
struct Seen {
    connections: AtomicU32,
    requests: AtomicU32,
}

impl Seen {
    fn counts(&self) -> (u32, u32) {
        let of = |count: &AtomicU32| count.load(Ordering::Relaxed);
        (of(&self.connections), of(&self.requests))
    }
}

/// How a server behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// It offers these versions.
    Offers(&'static [&'static [u8]]),
    /// It offers HTTP/2 and closes each connection after one request.
    ClosesAfterOne,
    /// It offers HTTP/2 and never answers.
    Silent,
}

const BOTH: Manner = Manner::Offers(&[b"h2", b"http/1.1"]);

async fn server(manner: Manner) -> (u16, Arc<Seen>) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let mut config = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let offered: &[&[u8]] = match manner {
        Manner::Offers(offered) => offered,
        Manner::ClosesAfterOne | Manner::Silent => &[b"h2"],
    };
    config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Seen::default());
    let books = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (acceptor, books) = (acceptor.clone(), Arc::clone(&books));
            tokio::spawn(async move {
                if let Ok(tls) = acceptor.accept(tcp).await {
                    Box::pin(serve(tls, manner, books)).await;
                }
            });
        }
    });
    (port, seen)
}

async fn serve(
    tls: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
    manner: Manner,
    books: Arc<Seen>,
) {
    books.connections.fetch_add(1, Ordering::Relaxed);
    let is_http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
    let answer = service_fn(move |request: Request<Incoming>| {
        let books = Arc::clone(&books);
        async move {
            books.requests.fetch_add(1, Ordering::Relaxed);
            if manner == Manner::Silent {
                std::future::pending::<()>().await;
            }
            let authority = request.uri().authority().map(Authority::to_string);
            let host = request
                .headers()
                .get(HOST)
                .map(|host| host.to_str().unwrap().to_owned());
            let body = format!("{} {:?}", request.method(), authority.or(host));
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(body))))
        }
    });
    let io = TokioIo::new(tls);
    // A client may be gone at any time.
    if !is_http2 {
        drop(http1::Builder::new().serve_connection(io, answer).await);
        return;
    }
    let connection = server_http2::Builder::new(TokioExecutor::new()).serve_connection(io, answer);
    tokio::pin!(connection);
    if manner == Manner::ClosesAfterOne {
        let pause = tokio::time::sleep(Duration::from_millis(100));
        tokio::select! {
            _ = &mut connection => return,
            () = pause => connection.as_mut().graceful_shutdown(),
        }
    }
    drop(connection.await);
}

/// The connections of a load worker to a server.
fn client(port: u16, version: HttpVersion, timeout: Duration) -> Http {
    let mut trust = Trust::default();
    trust.accept_any();
    let entry = EntryPoint {
        scheme: EntryScheme::Https,
        host: "localhost".to_owned(),
        port,
        base: String::new(),
        dns: None,
        page: None,
        edge: None,
        hosts: Vec::new(),
        trust,
        http: version,
        reach: Reach::Loopback,
    };
    let clock = Clock::starting_at(unix_now_ns(), 1.0);
    let names = Names::new(&entry, clock).unwrap();
    let dialer = Dialer::new(names, Tls::to(&entry).unwrap(), Vec::new(), timeout);
    let host = host_header(format!("localhost:{port}")).unwrap();
    Http::new(dialer, host, clock, timeout, 8)
}

async fn ask(http: &Http, buyer: u32, method: Method) -> Result<Received, Failure> {
    let outgoing = Outgoing {
        is_idempotent: method == Method::GET,
        method,
        uri: Uri::from_static("/a?b=c"),
        host: None,
        body: Bytes::new(),
        headers: Vec::new(),
        has_bearer: false,
    };
    let identity = Identity {
        authorization: None,
        cookie: None,
        pass: None,
    };
    http.call_of(BuyerId(buyer), &outgoing, &identity).await.1
}

const TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn each_buyer_has_one_connection_for_all_requests() {
    let (port, seen) = server(BOTH).await;
    let http = client(port, HttpVersion::Auto, TIMEOUT);
    let asking = async {
        for buyer in 0..3 {
            for _ in 0..4 {
                let received = ask(&http, buyer, Method::POST).await.unwrap();
                assert_eq!(received.status, StatusCode::OK);
                let expected = format!("POST Some(\"localhost:{port}\")");
                assert_eq!(received.body, expected.as_bytes());
            }
        }
        assert_eq!(seen.counts(), (3, 12));
        assert_eq!((http.opened(), http.speaks_http2()), (3, Some(true)));
        // Who has left and comes back opens another one.
        http.forget(BuyerId(0));
        assert!(ask(&http, 0, Method::POST).await.is_ok());
        assert_eq!(seen.counts(), (4, 13));
    };
    LocalSet::new().run_until(Box::pin(asking)).await;
}

#[tokio::test]
async fn requests_of_one_buyer_share_a_connection_at_the_same_time() {
    let (port, seen) = server(BOTH).await;
    let http = client(port, HttpVersion::Auto, TIMEOUT);
    let asking = async {
        assert!(ask(&http, 7, Method::GET).await.is_ok());
        let (one, other) = tokio::join!(ask(&http, 7, Method::GET), ask(&http, 7, Method::GET));
        assert!(one.is_ok() && other.is_ok());
        assert_eq!(seen.counts(), (1, 3));
    };
    LocalSet::new().run_until(Box::pin(asking)).await;
}

#[tokio::test]
async fn a_server_without_http2_is_asked_over_shared_connections() {
    for manner in [Manner::Offers(&[]), Manner::Offers(&[b"http/1.1"])] {
        let (port, seen) = server(manner).await;
        let http = client(port, HttpVersion::Auto, TIMEOUT);
        let asking = async {
            for buyer in 0..3 {
                assert!(ask(&http, buyer, Method::POST).await.is_ok());
            }
            assert_eq!(seen.counts(), (1, 3));
            assert_eq!(http.speaks_http2(), Some(false));
        };
        LocalSet::new().run_until(Box::pin(asking)).await;
    }
}

#[tokio::test]
async fn http1_is_spoken_if_it_is_asked_for() {
    let (port, seen) = server(BOTH).await;
    let http = client(port, HttpVersion::Http1, TIMEOUT);
    let asking = async {
        for buyer in 0..3 {
            assert!(ask(&http, buyer, Method::POST).await.is_ok());
        }
        assert_eq!(seen.counts(), (1, 3));
    };
    LocalSet::new().run_until(Box::pin(asking)).await;
}

#[tokio::test]
async fn a_server_that_does_not_offer_the_only_version_is_not_asked() {
    for manner in [Manner::Offers(&[]), Manner::Offers(&[b"http/1.1"])] {
        let (port, seen) = server(manner).await;
        let http = client(port, HttpVersion::Http2, TIMEOUT);
        let asking = async {
            let refused = ask(&http, 0, Method::GET).await;
            assert_eq!(refused.unwrap_err(), Failure::Handshake);
            let problem = http.dialer().problem().unwrap();
            assert_eq!(problem.words, "it does not offer HTTP/2");
            assert_eq!(problem.remedy, Remedy::Version);
            assert_eq!(seen.counts().1, 0);
        };
        LocalSet::new().run_until(Box::pin(asking)).await;
    }
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_is_no_failure() {
    let (port, seen) = server(Manner::ClosesAfterOne).await;
    let http = client(port, HttpVersion::Auto, TIMEOUT);
    let asking = async {
        for _ in 0..3 {
            assert!(ask(&http, 0, Method::POST).await.is_ok());
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        assert_eq!(seen.counts(), (3, 3));
    };
    LocalSet::new().run_until(Box::pin(asking)).await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_timeout_and_gets_a_new_connection() {
    let (port, seen) = server(Manner::Silent).await;
    let http = client(port, HttpVersion::Auto, Duration::from_millis(500));
    let asking = async {
        for _ in 0..2 {
            let late = ask(&http, 0, Method::GET).await;
            assert_eq!(late.unwrap_err(), Failure::Timeout);
        }
        assert_eq!(seen.counts(), (2, 2));
    };
    LocalSet::new().run_until(Box::pin(asking)).await;
}
