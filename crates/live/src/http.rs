//! HTTP/1.1 over a pool of keep-alive connections that all buyers of a worker share, as they would share an edge; HTTP/2 over a
//! connection for each buyer (see [`http2`]).
//!
//! Uses hyper's connections directly: a connection per buyer would cost about 35 KiB each, and a general-purpose client
//! nearly twice the CPU time.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::clock::Clock;
use super::dialer::{Connected, Dialer};
use super::http2::{self, Connections};
use super::reach::Allowed;
use super::resolver::Names;
use super::tls::{Problem, Remedy};
use tiketi_buyer::observation::Failure;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_server::PASS_COOKIE;

/// Read buffer per connection: most responses are a few hundred bytes, and there can be a thousand connections.
const READ_BYTES: usize = 4 << 10;
/// Size of the largest response body that is read.
const BODY_BYTES_MAX: usize = 16 << 20;

type Channel = SendRequest<Full<Bytes>>;

/// A request, made of parts that are cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) uri: Uri,
    /// The host that is asked, by its place in the mapping; `None` for the target itself.
    pub(super) host: Option<u8>,
    /// JSON; empty if there is none.
    pub(super) body: Bytes,
    /// Headers that the mapping adds.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether the identity's token is sent.
    pub(super) has_bearer: bool,
    /// Whether it may be sent again when a kept connection breaks before the response.
    pub(super) is_idempotent: bool,
}

/// Who sends it.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// `Bearer` with the token; `None` without one.
    pub(super) authorization: Option<HeaderValue>,
    /// The load balancer's sticky cookie, once it has given one.
    pub(super) cookie: Option<HeaderValue>,
    /// The pass of a waiting room at the edge, once it has given one.
    pub(super) pass: Option<HeaderValue>,
}

/// A response.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    pub(super) cookie: Option<HeaderValue>,
    pub(super) pass: Option<HeaderValue>,
    pub(super) retry_after: Option<Duration>,
    pub(super) headers: HeaderMap,
    /// When it was received, in seconds since 1970.
    pub(super) received_at_unix_s: u64,
}

impl Received {
    /// Reads a response to the end of its body.
    pub(super) async fn read(response: Response<Incoming>, clock: Clock) -> Result<Self, Failure> {
        let (head, mut incoming) = response.into_parts();
        let mut body = Bytes::new();
        let mut more: Vec<u8> = Vec::new();
        while let Some(frame) = incoming.frame().await {
            let Ok(data) = frame.map_err(|_| Failure::Reset)?.into_data() else {
                continue;
            };
            if body.is_empty() {
                body = data; // Most bodies are a single frame: no copy.
            } else {
                more.extend_from_slice(&data);
            }
            if body.len() + more.len() > BODY_BYTES_MAX {
                return Err(Failure::BadAnswer);
            }
        }
        if !more.is_empty() {
            body = [&body[..], &more[..]].concat().into();
        }
        let received_at_unix_s = clock.start_at_unix_s() + clock.wall_passed().as_secs();
        Ok(Self {
            status: head.status,
            body,
            cookie: set_cookie(&head.headers, STICKY),
            pass: set_cookie(&head.headers, PASS_COOKIE),
            retry_after: retry_after(&head.headers, received_at_unix_s),
            headers: head.headers,
            received_at_unix_s,
        })
    }
}

/// The connections to one host.
pub(super) struct Http {
    dialer: Dialer,
    host: HeaderValue,
    clock: Clock,
    call_timeout: Duration,
    /// Kept connections by address; the one used last is used next, so that surplus ones can time out.
    idle: RefCell<Vec<(Allowed, Vec<Channel>)>>,
    /// One permit per request in progress; each needs a connection.
    places: Semaphore,
    opened: Cell<u64>,
    waits: Cell<u64>,
    read_bytes: usize,
    /// `None` if HTTP/2 is not offered.
    http2: Option<Connections>,
}

impl Http {
    /// Builds a client with at most `connections_max` concurrent requests, each with a timeout of `call_timeout` in real
    /// time.
    pub(super) fn new(
        dialer: Dialer,
        host: HeaderValue,
        clock: Clock,
        call_timeout: Duration,
        connections_max: usize,
    ) -> Self {
        Self {
            http2: dialer.offers_http2().then(Connections::new),
            dialer,
            host,
            clock,
            call_timeout,
            idle: RefCell::default(),
            places: Semaphore::new(connections_max),
            opened: Cell::new(0),
            waits: Cell::new(0),
            read_bytes: READ_BYTES,
        }
    }

    /// Notes why an exchange broke.
    fn reset(&self, error: &hyper::Error) -> Failure {
        // A server that demands a client certificate says so after the handshake.
        if let Some(problem) = Problem::of_tls(error) {
            self.dialer.note(problem);
            return Failure::Handshake;
        }
        if let Some(reason) = http2::reason(error) {
            self.note_words(format!(
                "it ended the HTTP/2 request or connection ({reason})"
            ));
            return Failure::Reset;
        }
        self.note_words(if error.is_parse_too_large() {
            "the head of its response is too large"
        } else if error.is_parse() {
            "it does not speak HTTP/1.1"
        } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            "it closed the connection without a response"
        } else {
            "the connection was reset before the response"
        });
        Failure::Reset
    }

    fn note_words(&self, words: impl Into<String>) {
        self.dialer.note(Problem::new(words, Remedy::Server));
    }

    /// Sets the size of the read buffer of each connection.
    pub(super) fn reading(mut self, read_bytes: usize) -> Self {
        self.read_bytes = read_bytes;
        self
    }

    /// Returns the dialer.
    pub(super) const fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// Returns the value of the `Host` header.
    pub(super) const fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Returns the URL without its path.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.dialer.is_tls() {
            "https"
        } else {
            "http"
        };
        let host = self.host.to_str().expect("it was made from text");
        format!("{scheme}://{host}")
    }

    /// Returns the number of connections opened so far.
    pub(super) fn opened(&self) -> u64 {
        self.opened.get()
    }

    /// Returns the number of requests that had to wait for a free connection.
    pub(super) fn waits(&self) -> u64 {
        self.waits.get()
    }

    /// Sends a request. Returns when it was sent, and the response or why there is none.
    ///
    /// If the system is so slow that all connections are waiting for responses, a request waits for a free one, as it would
    /// at an edge. The system causes this, not the generator: the wait counts as response time, and towards the timeout.
    pub(super) async fn call(
        &self,
        request: &Outgoing,
        identity: &Identity,
    ) -> (SimTime, Result<Received, Failure>) {
        self.call_by(self.dialer.names(), request, identity).await
    }

    /// As [`Self::call`], to the addresses that `names` knows.
    pub(super) async fn call_by(
        &self,
        names: &Names,
        request: &Outgoing,
        identity: &Identity,
    ) -> (SimTime, Result<Received, Failure>) {
        self.timed(Box::pin(self.exchange(names, request, identity)))
            .await
    }

    /// As [`Self::call`], over a connection of the buyer if the server speaks HTTP/2.
    pub(super) async fn call_of(
        &self,
        buyer: BuyerId,
        request: &Outgoing,
        identity: &Identity,
    ) -> (SimTime, Result<Received, Failure>) {
        let spoken = self.http2.as_ref();
        let spoken = spoken.filter(|http2| http2.is_spoken() != Some(false));
        let Some(http2) = spoken else {
            return self.call(request, identity).await;
        };
        let exchange = self.exchange_http2((http2, buyer), request, identity);
        let (sent, answer) = self.timed(Box::pin(exchange)).await;
        if matches!(answer, Err(Failure::Timeout)) {
            // A connection that does not answer may be dead; HTTP/1.1 closes it as well.
            http2.forget(buyer);
        }
        (sent, answer)
    }

    /// Returns whether the server speaks HTTP/2; `None` if it was not asked.
    pub(super) fn speaks_http2(&self) -> Option<bool> {
        self.http2.as_ref()?.is_spoken()
    }

    /// Closes the connection of a buyer, if there is one.
    pub(super) fn forget(&self, buyer: BuyerId) {
        if let Some(http2) = &self.http2 {
            http2.forget(buyer);
        }
    }

    /// Carries out an exchange when there is a place for it, within the time of a call.
    async fn timed<F: Future<Output = Result<Received, Failure>>>(
        &self,
        exchange: Pin<Box<F>>,
    ) -> (SimTime, Result<Received, Failure>) {
        let sent = self.clock.now();
        let placed = async {
            if self.places.available_permits() == 0 {
                self.waits.set(self.waits.get() + 1);
            }
            let _place = self.places.acquire().await;
            exchange.await
        };
        let answer = timeout(self.call_timeout, placed)
            .await
            .unwrap_or(Err(Failure::Timeout));
        (sent, answer)
    }

    /// Sends a request that does no harm twice to one address, and does not keep the body of the response. Returns its status
    /// and how many bytes the body had.
    pub(super) async fn fetch(
        &self,
        address: Allowed,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, u32), Failure> {
        if self.places.available_permits() == 0 {
            self.waits.set(self.waits.get() + 1);
        }
        let _place = self.places.acquire().await;
        if let Some(mut channel) = self.take_idle(address).await
            && let Ok(response) = channel.send_request(request.clone()).await
        {
            return self.drain(address, channel, response).await;
        }
        let connected = self.dialer.connect_to(address).await?;
        let mut channel = self.greet(connected).await?;
        let response = channel
            .send_request(request)
            .await
            .map_err(|_| Failure::Reset)?;
        self.drain(address, channel, response).await
    }

    /// Reads a response to its end.
    async fn drain(
        &self,
        address: Allowed,
        channel: Channel,
        response: Response<Incoming>,
    ) -> Result<(StatusCode, u32), Failure> {
        let (head, mut body) = response.into_parts();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Failure::Reset)?;
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > BODY_BYTES_MAX {
                return Err(Failure::BadAnswer);
            }
        }
        self.keep(address, channel);
        let bytes = u32::try_from(bytes).expect("below the maximum");
        Ok((head.status, bytes))
    }

    async fn exchange(
        &self,
        names: &Names,
        request: &Outgoing,
        identity: &Identity,
    ) -> Result<Received, Failure> {
        let address = names.address().await?;
        if let Some(mut channel) = self.take_idle(address).await {
            let message = message(&self.host, request, identity);
            match channel.send_request(message).await {
                Ok(response) => return self.receive(address, channel, response).await,
                // The server closed the connection while it was idle. If nothing was sent, or sending twice does no harm,
                // this is not a failure: retry on a new connection.
                Err(error) if error.is_canceled() || request.is_idempotent => {}
                Err(error) => return Err(self.reset(&error)),
            }
        }
        let (address, mut channel) = self.open(names, address).await?;
        let response = channel
            .send_request(message(&self.host, request, identity))
            .await
            .map_err(|error| self.reset(&error))?;
        self.receive(address, channel, response).await
    }

    async fn exchange_http2(
        &self,
        (http2, buyer): (&Connections, BuyerId),
        request: &Outgoing,
        identity: &Identity,
    ) -> Result<Received, Failure> {
        let sent = || http2::message(message(&self.host, request, identity));
        if let Some(mut channel) = http2.of(buyer) {
            match channel.send_request(sent()?).await {
                Ok(response) => return self.read(response).await,
                Err(error) if http2::is_unprocessed(&error) || request.is_idempotent => {}
                Err(error) => return Err(self.reset(&error)),
            }
        }
        let address = self.dialer.address().await?;
        let (address, connected) = self.dialer.connect_offering(address).await?;
        if !connected.is_http2() && self.dialer.insists_on_http2() {
            let problem = Problem::new("it does not offer HTTP/2", Remedy::Version);
            self.dialer.note(problem);
            return Err(Failure::Handshake);
        }
        http2.note(connected.is_http2());
        if !connected.is_http2() {
            let mut channel = self.greet(connected).await?;
            let response = channel
                .send_request(message(&self.host, request, identity))
                .await;
            let response = response.map_err(|error| self.reset(&error))?;
            return self.receive(address, channel, response).await;
        }
        self.opened.set(self.opened.get() + 1);
        let channel = http2.greet(buyer, connected).await;
        let mut channel = channel.map_err(|error| self.reset(&error))?;
        let response = channel.send_request(sent()?).await;
        let response = response.map_err(|error| self.reset(&error))?;
        self.read(response).await
    }

    /// Returns the kept connection to `address` that was used last; `None` if none still works.
    async fn take_idle(&self, address: Allowed) -> Option<Channel> {
        loop {
            let mut channel = {
                let mut idle = self.idle.borrow_mut();
                let (_, channels) = idle.iter_mut().find(|(known, _)| *known == address)?;
                channels.pop()?
            };
            if channel.is_ready() || (!channel.is_closed() && channel.ready().await.is_ok()) {
                return Some(channel);
            }
        }
    }

    async fn open(&self, names: &Names, address: Allowed) -> Result<(Allowed, Channel), Failure> {
        let (address, connected) = self.dialer.connect_by(names, address).await?;
        Ok((address, self.greet(connected).await?))
    }

    /// Starts to speak HTTP on a connection.
    async fn greet(&self, connected: Connected) -> Result<Channel, Failure> {
        self.opened.set(self.opened.get() + 1);
        let (channel, connection) = http1::Builder::new()
            .read_buf_exact_size(Some(self.read_bytes))
            .handshake(TokioIo::new(connected))
            .await
            .map_err(|_| Failure::Reset)?;
        tokio::task::spawn_local(connection);
        Ok(channel)
    }

    async fn receive(
        &self,
        address: Allowed,
        channel: Channel,
        response: Response<Incoming>,
    ) -> Result<Received, Failure> {
        let received = self.read(response).await?;
        self.keep(address, channel);
        Ok(received)
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Received, Failure> {
        let received = Received::read(response, self.clock).await;
        if matches!(received, Err(Failure::Reset)) {
            self.note_words("it closed the connection in the middle of the response");
        }
        received
    }

    fn keep(&self, address: Allowed, channel: Channel) {
        if channel.is_closed() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        match idle.iter_mut().find(|(known, _)| *known == address) {
            Some((_, channels)) => channels.push(channel),
            None => idle.push((address, vec![channel])),
        }
    }
}

/// Returns the HTTP message of a request to this host.
pub(super) fn message(
    host: &HeaderValue,
    request: &Outgoing,
    identity: &Identity,
) -> Request<Full<Bytes>> {
    let mut message = Request::new(Full::new(request.body.clone()));
    *message.method_mut() = request.method.clone();
    *message.uri_mut() = request.uri.clone();
    let headers = message.headers_mut();
    headers.insert(HOST, host.clone());
    if let Some(authorization) = identity
        .authorization
        .as_ref()
        .filter(|_| request.has_bearer)
    {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    for cookie in [&identity.cookie, &identity.pass].into_iter().flatten() {
        headers.append(COOKIE, cookie.clone());
    }
    if !request.body.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in &request.headers {
        if *name == COOKIE && headers.contains_key(COOKIE) {
            headers.append(COOKIE, value.clone());
        } else {
            headers.insert(name, value.clone());
        }
    }
    message
}

/// Name of the load balancer's cookie.
const STICKY: &str = "AWSALB";

/// Returns a cookie of a response, ready to be sent back.
fn set_cookie(headers: &HeaderMap, name: &str) -> Option<HeaderValue> {
    headers
        .get_all(SET_COOKIE)
        .iter()
        .find_map(|value| cookie_value(value.as_bytes(), name))
}

/// Returns `AWSALB=…` from a `Set-Cookie` header; `None` if it sets another cookie.
pub(super) fn sticky_value(set_cookie: &[u8]) -> Option<HeaderValue> {
    cookie_value(set_cookie, STICKY)
}

/// Returns `name=…` from a `Set-Cookie` header; `None` if it sets another cookie.
fn cookie_value(set_cookie: &[u8], name: &str) -> Option<HeaderValue> {
    if !set_cookie.strip_prefix(name.as_bytes())?.starts_with(b"=") {
        return None;
    }
    let end = set_cookie.iter().position(|byte| *byte == b';');
    HeaderValue::from_bytes(&set_cookie[..end.unwrap_or(set_cookie.len())]).ok()
}

/// Returns the delay of a `Retry-After` header.
fn retry_after(headers: &HeaderMap, now_unix_s: u64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    tiketi_api::retry_after(text, now_unix_s)
}
