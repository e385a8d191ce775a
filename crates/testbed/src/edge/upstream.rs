//! The way from an edge location to the load balancer: names, connections, and API requests that are passed on uncached.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::origin::with_status;
use super::server::Answer;
use crate::ALB_NAME;
use crate::alb::{Connector, absolute, authority_of, is_timeout};
use crate::clock::{Clock, pause};
use crate::dns_client::DnsClient;
use crate::lock;
use tiketi_cloud::resolver::{NameFigures, Resolver};
use tiketi_edge::{CONNECT_TIMEOUT, EdgeError, PassingFigures, RESPONSE_TIMEOUT};

/// How long an idle connection to the load balancer is kept (CloudFront's default keep-alive timeout).
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Shortest real time for a connection or a response: at high speed, less would measure this machine.
const WALL_MIN: Duration = Duration::from_millis(500);
/// Size of the largest body that is passed on. That of a request is some hundred bytes; that of a seat list in a stadium, some
/// megabytes.
const BODY_BYTES_MAX: usize = 32 << 20;
/// The header with the client's address.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The name of a header that only one connection is about, as the standard headers of its kind.
const KEEP_ALIVE_HEADER: HeaderName = HeaderName::from_static("keep-alive");

/// Headers about one connection only, which are not passed on (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    KEEP_ALIVE_HEADER,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Where the load balancer is.
#[derive(Clone, Copy, Debug)]
pub struct LoadBalancer {
    /// The name server that knows its name.
    pub name_server: SocketAddr,
    /// Its port, the same at all addresses.
    pub port: u16,
}

/// What the edge knows of the load balancer's name. All locations share it.
#[derive(Debug)]
pub(super) struct OriginNames {
    client: DnsClient,
    port: u16,
    clock: Clock,
    known: Mutex<Resolver<SocketAddr>>,
    /// One lookup at a time: requests that arrive meanwhile wait for its answer.
    lookup: tokio::sync::Mutex<()>,
}

impl OriginNames {
    /// Creates the client; it knows nothing yet.
    pub(super) fn new(load_balancer: LoadBalancer, clock: Clock) -> std::io::Result<Self> {
        let client = DnsClient::new(load_balancer.name_server, clock);
        Ok(Self {
            client: client.map_err(std::io::Error::other)?,
            port: load_balancer.port,
            clock,
            known: Mutex::default(),
            lookup: tokio::sync::Mutex::new(()),
        })
    }

    /// Returns how the name was looked up.
    pub(super) fn figures(&self) -> NameFigures {
        *lock(&self.known).figures()
    }

    /// Returns the address for the next connection: those that work take turns. `None` if the name has none.
    async fn address(&self) -> Option<SocketAddr> {
        if let Some(address) = self.known_address() {
            return Some(address);
        }
        let turn = self.lookup.lock().await;
        if let Some(address) = self.known_address() {
            return Some(address);
        }
        let answer = self.client.look_up(ALB_NAME).await;
        let now = self.clock.now();
        let mut known = lock(&self.known);
        let Some((addresses, ttl)) = answer else {
            known.handle_no_answer();
            return None;
        };
        let addresses = addresses.into_iter();
        let addresses = addresses.map(|ip| SocketAddr::new(ip, self.port));
        known.handle_answer(now, addresses, self.clock.scenario(ttl));
        drop(turn);
        known.pick(now)
    }

    fn known_address(&self) -> Option<SocketAddr> {
        let now = self.clock.now();
        let mut known = lock(&self.known);
        let is_due = known.needs_lookup(now);
        (!is_due).then(|| known.pick(now)).flatten()
    }

    /// Avoids an address whose connection failed. Returns another one; `None` if all have failed.
    fn handle_failure(&self, address: SocketAddr) -> Option<SocketAddr> {
        let now = self.clock.now();
        let next = lock(&self.known).handle_failure(now, address);
        next.filter(|next| *next != address)
    }
}

/// The connections of one location to the load balancer.
#[derive(Debug)]
pub(super) struct Upstream {
    client: Client<Connector, Full<Bytes>>,
    names: Arc<OriginNames>,
    /// Real time to a response.
    latency: Duration,
    /// How long a response may take, in real time.
    response_timeout: Duration,
    figures: Mutex<PassingFigures>,
}

impl Upstream {
    /// Creates the connections of the location at `location`, which is as far from buyers as `latency` says.
    pub(super) fn new(
        location: Ipv4Addr,
        names: Arc<OriginNames>,
        (clock, latency): (Clock, Duration),
    ) -> Self {
        let connector = Connector {
            source: IpAddr::V4(location),
            timeout: clock.wall(CONNECT_TIMEOUT).max(WALL_MIN),
        };
        Self {
            client: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(clock.wall(KEEP_ALIVE).max(WALL_MIN))
                .build(connector),
            names,
            latency: clock.wall(latency),
            response_timeout: clock.wall(RESPONSE_TIMEOUT).max(WALL_MIN),
            figures: Mutex::default(),
        }
    }

    /// Returns what was counted.
    pub(super) fn figures(&self) -> PassingFigures {
        *lock(&self.figures)
    }

    /// Passes a request of a client on to the load balancer. Returns its response, or that of the edge in its place.
    pub(super) async fn pass_on(&self, client: IpAddr, request: Request<Incoming>) -> Answer {
        let (mut head, body) = request.into_parts();
        if head.headers.contains_key(UPGRADE) {
            // Sockets go to the load balancer directly.
            return with_status(StatusCode::NOT_IMPLEMENTED);
        }
        let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
            return with_status(StatusCode::PAYLOAD_TOO_LARGE);
        };
        pause(self.latency).await;
        lock(&self.figures).requests += 1;
        prepare(&mut head.headers, client);
        let body = body.to_bytes();
        let exchange = self.exchange(&head, &body);
        let answered = tokio::time::timeout(self.response_timeout, exchange).await;
        let mut figures = lock(&self.figures);
        match answered.unwrap_or(Err(EdgeError::Timeout)) {
            Ok(answer) => {
                figures.answered += 1;
                answer
            }
            Err(error) => {
                figures.handle_error(error);
                own_answer(error)
            }
        }
    }

    /// Sends a request to an address that works. One that only reads is sent again if its connection breaks, as CloudFront
    /// does.
    async fn exchange(&self, head: &Parts, body: &Bytes) -> Result<Answer, EdgeError> {
        let only_reads = [Method::GET, Method::HEAD].contains(&head.method);
        let mut may_repeat = only_reads;
        let first = self.names.address().await;
        let mut address = first.ok_or(EdgeError::BadGateway)?;
        loop {
            match self.send(address, head, body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(Broken::Connection(error)) => {
                    let next = self.names.handle_failure(address);
                    address = next.ok_or(error)?;
                }
                Err(Broken::Exchange) if may_repeat => {
                    may_repeat = false;
                    let next = self.names.address().await;
                    address = next.ok_or(EdgeError::BadGateway)?;
                }
                Err(Broken::Exchange) => return Err(EdgeError::BadGateway),
            }
        }
    }

    async fn send(&self, address: SocketAddr, head: &Parts, body: Bytes) -> Result<Answer, Broken> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = absolute(authority_of(address), head.uri.path_and_query().cloned());
        *request.headers_mut() = head.headers.clone();
        let response = self.client.request(request).await;
        let (mut head, body) = response.map_err(|error| Broken::of(&error))?.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|_| Broken::Exchange)?.to_bytes();
        remove_hop_by_hop(&mut head.headers);
        head.headers
            .append(VIA, HeaderValue::from_static("1.1 edge"));
        let said = HeaderValue::from_static("Miss from cloudfront");
        head.headers.insert(super::X_CACHE, said);
        Ok(Response::from_parts(head, Full::new(body)))
    }
}

/// Why the load balancer has not answered.
#[derive(Clone, Copy, Debug)]
enum Broken {
    /// There was no connection: another address may have one.
    Connection(EdgeError),
    /// The connection broke before the end of the response.
    Exchange,
}

impl Broken {
    fn of(error: &legacy::Error) -> Self {
        match (error.is_connect(), is_timeout(error)) {
            (true, true) => Self::Connection(EdgeError::Timeout),
            (true, false) => Self::Connection(EdgeError::BadGateway),
            (false, _) => Self::Exchange,
        }
    }
}

/// Prepares the headers of a request for the load balancer: all but those about the connection stay.
fn prepare(headers: &mut HeaderMap, client: IpAddr) {
    remove_hop_by_hop(headers);
    headers.append(VIA, HeaderValue::from_static("1.1 edge"));
    let client = HeaderValue::try_from(client.to_string());
    headers.append(FORWARDED_FOR, client.expect("an address is plain text"));
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Returns the edge's own response.
fn own_answer(error: EdgeError) -> Answer {
    let status = StatusCode::from_u16(error.status()).expect("502 and 504 are valid");
    let mut answer = with_status(status);
    let said = HeaderValue::from_static("Error from cloudfront");
    answer.headers_mut().insert(super::X_CACHE, said);
    answer
}
