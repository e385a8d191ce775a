//! One target from the view of a node process: its connections, and its open requests and sockets.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::connector::Connector;
use tiketi_core::units::ZoneId;

/// A target and its connection pool.
pub(super) struct Backend {
    authority: Authority,
    /// Where the target is.
    pub(super) zone: ZoneId,
    client: Client<Connector, Incoming>,
    open: AtomicUsize,
    /// Notified when `open` falls to zero.
    idle: Notify,
    /// Cancelled to close everything that is open to the target.
    pub(super) cut: CancellationToken,
}

/// The source of connections to targets, and their timeouts in real time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The address of the node, from which its connections come.
    pub(super) source: IpAddr,
    pub(super) connect: Duration,
    pub(super) idle: Duration,
}

impl Backend {
    pub(super) fn new(
        (address, zone): (SocketAddr, ZoneId),
        limits: Limits,
        cut: CancellationToken,
    ) -> Self {
        let connector = Connector {
            source: limits.source,
            timeout: limits.connect,
        };
        Self {
            authority: authority_of(address),
            zone,
            client: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(limits.idle)
                .build(connector),
            open: AtomicUsize::new(0),
            idle: Notify::new(),
            cut,
        }
    }

    /// Forwards a request with the connect timeout; the idle timeout is up to the caller.
    pub(super) async fn send(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = absolute(self.authority.clone(), path);
        *request.version_mut() = http::Version::HTTP_11;
        self.client.request(request).await
    }

    /// Counts something as open to the target until the guard is dropped.
    pub(super) fn hold(self: &Arc<Self>) -> Held {
        self.open.fetch_add(1, Ordering::Relaxed);
        Held(Arc::clone(self))
    }

    /// Resolves when nothing is open to the target.
    pub(super) async fn wait_idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.open.load(Ordering::Relaxed) == 0 {
                return;
            }
            idle.await;
        }
    }
}

/// Something open to a target: a request until the end of its response, or a WebSocket.
pub(super) struct Held(Arc<Backend>);

impl Held {
    pub(super) fn backend(&self) -> &Arc<Backend> {
        &self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

/// Formats a socket address as the authority of a URI.
pub(crate) fn authority_of(address: SocketAddr) -> Authority {
    Authority::try_from(address.to_string()).expect("a socket address is a valid authority")
}

/// Builds `http://authority/path`.
pub(crate) fn absolute(authority: Authority, path: Option<PathAndQuery>) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority);
    parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    Uri::from_parts(parts).expect("scheme, authority and path are all there")
}
