//! Proxies that the environment names. Only what is not load passes through them: behind a proxy, the load would measure the proxy.

use std::net::IpAddr;

use http::header::{HeaderValue, PROXY_AUTHORIZATION};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::plain_entry;
use crate::reach::{Reach, is_loopback};
use crate::worker::EntryPoint;
use bytes::Bytes;

/// A proxy that passes requests on to a server.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    /// Where it is.
    pub(super) entry: EntryPoint,
    /// The header `proxy-authorization`; `None` if its URL has no user.
    pub(super) authorization: Option<HeaderValue>,
}

/// A proxy of the environment that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the environment has the proxy `{proxy}` for `{host}`: {reason} (expected `http://HOST:PORT` in `HTTP_PROXY`, `HTTPS_PROXY` or \
     `ALL_PROXY`; hosts in `NO_PROXY` are asked directly)"
)]
pub struct BadProxy {
    /// The proxy, without user and password.
    pub proxy: String,
    /// The host of the server.
    pub host: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Proxy {
    /// Returns the proxy for a URL; `None` if the server is asked directly, as every server on this machine is.
    ///
    /// # Errors
    ///
    /// When it is no HTTP proxy, or its name has no address.
    pub(super) async fn of(environment: &Matcher, url: &Uri) -> Result<Option<Self>, BadProxy> {
        let host = url.host().unwrap_or_default();
        if is_this_machine(host) {
            return Ok(None);
        }
        let Some(found) = environment.intercept(url) else {
            return Ok(None);
        };
        let at = found.uri();
        let bad = |reason: String| BadProxy {
            proxy: format!(
                "{}://{}",
                at.scheme_str().unwrap_or_default(),
                at.authority().map_or("", |authority| authority.as_str())
            ),
            host: host.to_owned(),
            reason,
        };
        let (Some("http"), Some(proxy_host)) = (at.scheme_str(), at.host()) else {
            return Err(bad("it is no HTTP proxy".to_owned()));
        };
        let port = at.port_u16().unwrap_or(80);
        let mut entry = plain_entry(proxy_host, port);
        let addresses = tokio::net::lookup_host((entry.bare_host(), port)).await;
        let addresses: Vec<IpAddr> = addresses
            .map_err(|error| bad(format!("its name cannot be resolved: {error}")))?
            .map(|address| address.ip())
            .collect();
        entry.reach = Reach::as_now(&addresses)
            .map_err(|forbidden| bad(format!("it resolves to {forbidden}")))?;
        Ok(Some(Self {
            entry,
            authorization: found.basic_auth().cloned(),
        }))
    }

    /// Asks the proxy, over a connection to it, for a connection to a server. Returns why there is none as a sentence fragment.
    pub(super) async fn tunnel(
        &self,
        connection: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        authority: &str,
    ) -> Result<TokioIo<Upgraded>, String> {
        let broken = |error: hyper::Error| format!("the proxy broke the connection: {error}");
        let (mut channel, connection) = http1::handshake(TokioIo::new(connection))
            .await
            .map_err(broken)?;
        tokio::task::spawn_local(connection.with_upgrades());
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = authority
            .parse()
            .map_err(|error| format!("the proxy cannot be asked for it: {error}"))?;
        if let Some(authorization) = &self.authorization {
            let headers = request.headers_mut();
            headers.insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let response = channel.send_request(request).await.map_err(broken)?;
        match response.status() {
            StatusCode::OK => {}
            status => return Err(format!("the proxy refused with {status}")),
        }
        hyper::upgrade::on(response)
            .await
            .map(TokioIo::new)
            .map_err(broken)
    }
}

/// Whether the host of a URL is this machine, by its address or by the name that always means it.
fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    bare.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(is_loopback)
}
