//! One request through a node: choose a target, forward the request, and answer in its place if it fails.

use std::error::Error as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, COOKIE, SERVER, SET_COOKIE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::client::legacy;

use super::backend::Held;
use super::node::Shared;
use super::paths::Connection;
use super::relay::{self, Ends};
use tiketi_cloud::routing::{Cookie, Route};

/// The stickiness cookie.
const STICKY: &str = "AWSALB";
/// The header with the client's address.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Handles one request.
pub(super) async fn handle(
    shared: Arc<Shared>,
    client: HeaderValue,
    mut request: Request<Incoming>,
) -> Response<AnswerBody> {
    shared.meter.requests.add(1);
    let mut unanswered = Unanswered(Some(Arc::clone(&shared)));
    shared.paths.delay_from_client(connection(&request)).await;
    let outcome = match shared.route(sticky_cookie(request.headers())) {
        None => Err(Refusal::NoTarget),
        Some((route, held)) => {
            forwarded_for(request.headers_mut(), client);
            forward(&shared, request, held, route).await
        }
    };
    let response = outcome.unwrap_or_else(|refusal| refusal.answer(&shared));
    shared.paths.to_client(size(&response)).await;
    unanswered.0 = None;
    response
}

/// Each WebSocket has a connection of its own.
fn connection(request: &Request<Incoming>) -> Connection {
    if request.headers().contains_key(UPGRADE) {
        Connection::New
    } else {
        Connection::Kept
    }
}

/// The size of a response, as far as it is known before it has ended.
fn size(response: &Response<impl Body>) -> u64 {
    response.body().size_hint().lower()
}

async fn forward(
    shared: &Arc<Shared>,
    mut request: Request<Incoming>,
    held: Held,
    route: Route,
) -> Result<Response<AnswerBody>, Refusal> {
    let upgrade = request.headers().contains_key(UPGRADE);
    let client_end = upgrade.then(|| hyper::upgrade::on(&mut request));
    if !upgrade {
        request.headers_mut().remove(CONNECTION);
    }
    let backend = Arc::clone(held.backend());
    let used = connection(&request);
    let exchange = async {
        shared.paths.to_target(backend.zone, used).await;
        let response = backend.send(request).await?;
        shared
            .paths
            .delay_from_target(backend.zone, size(&response))
            .await;
        Ok::<_, legacy::Error>(response)
    };
    let sent = backend.cut.run_until_cancelled(exchange);
    let mut response = match tokio::time::timeout(shared.limits.idle, sent).await {
        Err(_) => return Err(Refusal::TimedOut),
        Ok(None) => return Err(Refusal::BadGateway),
        Ok(Some(Err(error))) if is_timeout(&error) => return Err(Refusal::TimedOut),
        Ok(Some(Err(_))) => return Err(Refusal::BadGateway),
        Ok(Some(Ok(response))) => response,
    };
    if let Some(cookie) = route.cookie {
        stick(response.headers_mut(), cookie);
    }
    let held = match client_end {
        Some(client) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            let target = hyper::upgrade::on(&mut response);
            let meter = Arc::clone(&shared.meter);
            tokio::spawn(relay::run(
                Ends { client, target },
                held,
                meter,
                shared.limits.idle,
            ));
            None
        }
        _ => {
            response.headers_mut().remove(CONNECTION);
            Some(held)
        }
    };
    Ok(response.map(|body| AnswerBody::Target { body, _held: held }))
}

/// Finds a valid stickiness cookie among the request's cookies.
fn sticky_cookie(headers: &HeaderMap) -> Option<Cookie> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == STICKY).then(|| Cookie::parse(value))?)
}

/// Sets the cookie. Its expiry is part of the value, in scenario time; browsers keep it for their session.
fn stick(headers: &mut HeaderMap, cookie: Cookie) {
    let value = HeaderValue::try_from(format!("{STICKY}={cookie}; Path=/"))
        .expect("hexadecimal digits are valid in a header");
    headers.append(SET_COOKIE, value);
}

fn forwarded_for(headers: &mut HeaderMap, client: HeaderValue) {
    let before = headers
        .get(&FORWARDED_FOR)
        .and_then(|value| value.to_str().ok());
    let value = match (before, client.to_str()) {
        (Some(before), Ok(last)) => {
            HeaderValue::try_from(format!("{before}, {last}")).unwrap_or(client)
        }
        _ => client,
    };
    headers.insert(FORWARDED_FOR, value);
}

/// Whether the other end did not accept the connection in time.
pub(crate) fn is_timeout(error: &legacy::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::TimedOut
        {
            return true;
        }
        source = cause.source();
    }
    false
}

/// Why the load balancer answers in place of a target.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    BadGateway,
    NoTarget,
    TimedOut,
}

impl Refusal {
    fn answer(self, shared: &Shared) -> Response<AnswerBody> {
        let (status, counter, text) = match self {
            Self::BadGateway => (
                StatusCode::BAD_GATEWAY,
                &shared.meter.bad_gateway,
                "<html><h1>502 Bad Gateway</h1></html>",
            ),
            Self::NoTarget => (
                StatusCode::SERVICE_UNAVAILABLE,
                &shared.meter.no_target,
                "<html><h1>503 Service Temporarily Unavailable</h1></html>",
            ),
            Self::TimedOut => (
                StatusCode::GATEWAY_TIMEOUT,
                &shared.meter.timed_out,
                "<html><h1>504 Gateway Time-out</h1></html>",
            ),
        };
        counter.add(1);
        let mut response = Response::new(AnswerBody::Own(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static("awselb/2.0"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        response
    }
}

/// Counts a client that closes the connection before the response (460): hyper then drops the handler.
struct Unanswered(Option<Arc<Shared>>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.meter.client_closed.add(1);
        }
    }
}

/// The body of a response: a target's, streamed, or the load balancer's own.
pub(super) enum AnswerBody {
    Target {
        body: Incoming,
        /// Keeps the target from counting as drained until the body has ended.
        _held: Option<Held>,
    },
    Own(Bytes),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Target { body, .. } => Pin::new(body).poll_frame(context),
            Self::Own(text) if text.is_empty() => Poll::Ready(None),
            Self::Own(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Target { body, .. } => body.is_end_stream(),
            Self::Own(text) => text.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Target { body, .. } => body.size_hint(),
            Self::Own(text) => SizeHint::with_exact(text.len() as u64),
        }
    }
}
