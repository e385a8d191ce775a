//! A server that knows levels of a target, and how it is asked for them.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::proxy::Proxy;
use super::{Language, Source, json, prometheus};
use crate::clock::Clock;
use crate::dialer::Dialer;
use crate::resolver::Names;
use crate::session::in_words;
use crate::setup::{SetupError, host_header};
use crate::tls::{Problem, Tls};
use tiketi_buyer::observation::Failure;
use tiketi_scenario::observe::Level;

/// Real time for one request: a reading that is older than this says little about now.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// Real time for a connection to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Size of the largest response that is read: one series has a few hundred bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// How a request gets to the server.
enum Way {
    /// The connection leads there.
    Direct,
    /// The proxy reads it and passes it on.
    Forwarded(Box<Proxy>),
    /// The proxy connects to the server and passes bytes on.
    Tunnel(Box<(Proxy, Tls)>),
}

/// A server that is asked. Each request has a connection of its own, so that a broken one affects no other.
pub(super) struct Server {
    /// Connects to the proxy if there is one, else to the server.
    dialer: Dialer,
    way: Way,
    authority: String,
    host: HeaderValue,
    base: String,
    language: Language,
}

impl Server {
    /// Prepares the questions. Nothing is sent yet.
    pub(super) fn new(source: &Source, clock: Clock) -> Result<Self, SetupError> {
        let entry = &source.entry;
        let authority = format!("{}:{}", entry.host, entry.port);
        let tls = Tls::to(entry)?;
        let (way, tls) = match (source.proxy.clone(), tls) {
            (None, tls) => (Way::Direct, tls),
            (Some(proxy), None) => (Way::Forwarded(Box::new(proxy)), None),
            (Some(proxy), Some(tls)) => (Way::Tunnel(Box::new((proxy, tls))), None),
        };
        let first = source.proxy.as_ref().map_or(entry, |proxy| &proxy.entry);
        let names = Names::new(first, clock)?;
        Ok(Self {
            dialer: Dialer::new(names, tls, Vec::new(), CONNECT_TIMEOUT),
            way,
            host: host_header(authority.clone())?,
            authority,
            base: entry.base.clone(),
            language: source.language.clone(),
        })
    }

    /// Returns the value of each query now, or why there is none, as a sentence fragment.
    pub(super) async fn read(
        &self,
        queries: &[(Level, String)],
    ) -> Vec<(Level, Result<f64, String>)> {
        match &self.language {
            Language::Prometheus => {
                let asked = queries.iter().map(|(level, query)| async move {
                    let answer = self.get(&prometheus::path(query), None).await;
                    let value = answer.and_then(|(status, body)| prometheus::read(status, &body));
                    (*level, value)
                });
                join_all(asked).await
            }
            Language::Json { authorization } => {
                let answer = self.get("", authorization.as_ref()).await;
                let document = answer.and_then(|(status, body)| json::document(status, &body));
                let value = |query: &str| json::value(document.as_ref()?, query);
                let read = queries.iter();
                read.map(|(level, query)| (*level, value(query))).collect()
            }
        }
    }

    async fn get(
        &self,
        path: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<(StatusCode, Bytes), String> {
        let asked = timeout(REQUEST_TIMEOUT, Box::pin(self.ask(path, authorization))).await;
        asked.unwrap_or_else(|_| {
            Err(format!(
                "no response within {} s",
                REQUEST_TIMEOUT.as_secs()
            ))
        })
    }

    async fn ask(
        &self,
        path: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<(StatusCode, Bytes), String> {
        let address = self.dialer.address().await.map_err(|failure| {
            let forbidden = self.dialer.forbidden();
            forbidden.map_or_else(
                || words(failure, None),
                |forbidden| format!("its name resolves to {forbidden}"),
            )
        })?;
        let connected = self.dialer.connect(address).await;
        let failed = |failure| words(failure, self.dialer.problem().as_ref());
        let whole = format!("{}{path}", self.base);
        let whole = if whole.is_empty() { "/" } else { &whole };
        match &self.way {
            Way::Direct => {
                let (_, connected) = connected.map_err(failed)?;
                self.exchange(connected, whole, authorization).await
            }
            Way::Forwarded(_) => {
                let (_, connected) = connected.map_err(|failure| of_proxy(&failed(failure)))?;
                let whole = format!("http://{}{whole}", self.authority);
                self.exchange(connected, &whole, authorization).await
            }
            Way::Tunnel(tunnel) => {
                let (proxy, tls) = &**tunnel;
                let (_, connected) = connected.map_err(|failure| of_proxy(&failed(failure)))?;
                let tunnel = proxy.tunnel(connected, &self.authority).await?;
                let secured = Box::pin(tls.connector.connect(tls.name.clone(), tunnel)).await;
                let secured = secured.map_err(|error| Problem::of_handshake(&error).words)?;
                self.exchange(secured, whole, authorization).await
            }
        }
    }

    /// Sends a request over a connection and reads the response. `uri` is absolute if a proxy reads it.
    async fn exchange(
        &self,
        connected: impl AsyncRead + AsyncWrite + Unpin + 'static,
        uri: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<(StatusCode, Bytes), String> {
        let broken = |error: hyper::Error| {
            let problem = Problem::of_tls(&error).map(|problem| problem.words);
            problem.unwrap_or_else(|| format!("the connection broke: {error}"))
        };
        let (mut channel, connection) = http1::handshake(TokioIo::new(connected))
            .await
            .map_err(broken)?;
        tokio::task::spawn_local(connection);
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = uri
            .parse::<Uri>()
            .map_err(|error| format!("the query cannot be sent: {error}"))?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Way::Forwarded(proxy) = &self.way
            && let Some(authorization) = &proxy.authorization
        {
            headers.insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let response = channel.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX);
        let body = body
            .collect()
            .await
            .map_err(|error| format!("the response cannot be read: {error}"))?;
        Ok((status, body.to_bytes()))
    }
}

/// A failure to reach the proxy, as a fragment of a sentence.
fn of_proxy(failure: &str) -> String {
    format!("the proxy cannot be reached: {failure}")
}

/// A failure as a fragment of a sentence. The times are those of this client.
fn words(failure: Failure, problem: Option<&Problem>) -> String {
    match failure {
        Failure::ConnectTimeout => "connecting timed out".to_owned(),
        Failure::Timeout => "no response in time".to_owned(),
        failure => in_words(failure, problem),
    }
}
