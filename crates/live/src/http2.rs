//! HTTP/2 to a target: each buyer has one connection to a host, as a browser has.
//!
//! A connection takes about 34 KiB of the worker's memory, with TLS, and one file, for as long as the visit lasts (measured with 400
//! connections). A server that does not speak HTTP/2 is asked over the connections that all buyers share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::error::Error as _;

use bytes::Bytes;
use h2::Reason;
use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{Request, Uri};
use http_body_util::Full;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};

use super::dialer::Connected;
use tiketi_buyer::observation::Failure;
use tiketi_core::units::BuyerId;

/// Files that a buyer needs for each host: its connection.
pub(super) const FILES: u64 = 1;

/// The version of HTTP that a target is asked with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpVersion {
    /// HTTP/2 if the server offers it in the TLS handshake.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; a server that does not offer it is not asked.
    Http2,
}

type Channel = SendRequest<Full<Bytes>>;

/// The connections to one host, one for each buyer.
pub(super) struct Connections {
    channels: RefCell<BTreeMap<BuyerId, Channel>>,
    /// Whether the server speaks HTTP/2; `None` before the first connection.
    is_spoken: Cell<Option<bool>>,
}

impl Connections {
    /// No connections yet.
    pub(super) const fn new() -> Self {
        Self {
            channels: RefCell::new(BTreeMap::new()),
            is_spoken: Cell::new(None),
        }
    }

    /// Returns whether the server speaks HTTP/2; `None` before the first connection.
    pub(super) const fn is_spoken(&self) -> Option<bool> {
        self.is_spoken.get()
    }

    /// Notes whether the server speaks HTTP/2.
    pub(super) fn note(&self, is_spoken: bool) {
        self.is_spoken.set(Some(is_spoken));
    }

    /// Returns the connection of a buyer; `None` without one that still works.
    pub(super) fn of(&self, buyer: BuyerId) -> Option<Channel> {
        let mut channels = self.channels.borrow_mut();
        let channel = channels.get(&buyer)?;
        if channel.is_closed() {
            channels.remove(&buyer);
            return None;
        }
        Some(channel.clone())
    }

    /// Closes the connection of a buyer, if there is one.
    pub(super) fn forget(&self, buyer: BuyerId) {
        drop(self.channels.borrow_mut().remove(&buyer));
    }

    /// Starts to speak HTTP/2 on a connection of a buyer.
    pub(super) async fn greet(
        &self,
        buyer: BuyerId,
        connected: Connected,
    ) -> Result<Channel, hyper::Error> {
        let (channel, connection) = http2::Builder::new(Local)
            .handshake(TokioIo::new(connected))
            .await?;
        // It reports how it ended through its requests.
        tokio::task::spawn_local(connection);
        self.channels.borrow_mut().insert(buyer, channel.clone());
        Ok(channel)
    }
}

/// Runs the tasks of connections on the thread of their buyers.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future<Output: 'static> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Returns a request as HTTP/2 has it: with the host in its URI.
pub(super) fn message(mut message: Request<Full<Bytes>>) -> Result<Request<Full<Bytes>>, Failure> {
    let host = message.headers_mut().remove(HOST);
    let host = host.as_ref().map_or(&b""[..], |host| host.as_bytes());
    let authority = Authority::try_from(host).map_err(|_| Failure::BadAnswer)?;
    let mut parts = message.uri().clone().into_parts();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(authority);
    *message.uri_mut() = Uri::from_parts(parts).map_err(|_| Failure::BadAnswer)?;
    Ok(message)
}

/// Returns whether a request that failed was not carried out, so that it may be sent again, as browsers do.
pub(super) fn is_unprocessed(error: &hyper::Error) -> bool {
    error.is_canceled() || error.is_closed() || reason(error) == Some(Reason::REFUSED_STREAM)
}

/// Returns the reason with which the server has ended a request or a connection; `None` if there is none.
pub(super) fn reason(error: &hyper::Error) -> Option<Reason> {
    error.source()?.downcast_ref::<h2::Error>()?.reason()
}

#[cfg(test)]
#[path = "http2_tests.rs"]
mod tests;
