//! One TCP connection: of a client, as HTTP and WebSockets use it, or to a server outside.

use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::clients::{ClientLimits, Place};
use crate::connections::Connections;

/// Bytes that the kernel keeps for a client that does not read: a few seat lists. Left to itself, it keeps up to 4 MiB, and
/// the instance works to fill them.
const UNREAD_MAX: usize = 64 * 1_024;

/// The response to a connection beyond the limit, sent without reading the request.
const REFUSAL: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncontent-length: 55\r\n\
    retry-after: 1\r\nconnection: close\r\n\r\n{\"error\":\"Too many open connections from your address\"}";

/// A connection that is listed until it closes, also after it has become a WebSocket.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    open: Arc<Connections>,
    /// What it takes of its client's limits; `None` if it takes nothing.
    _place: Option<Place>,
}

impl Connection {
    /// Sets up an accepted connection.
    pub(crate) fn accepted(
        stream: TcpStream,
        open: &Arc<Connections>,
        (limits, place): (Option<ClientLimits>, Option<Place>),
    ) -> io::Result<Self> {
        if let Some(limits) = limits {
            socket2::SockRef::from(&stream).set_send_buffer_size(UNREAD_MAX)?;
            close_when_stuck(&stream, limits)?;
        }
        Self::new(stream, open, place)
    }

    /// Sets up a connection to a server.
    pub(crate) fn opened(stream: TcpStream, open: &Arc<Connections>) -> io::Result<Self> {
        Self::new(stream, open, None)
    }

    fn new(stream: TcpStream, open: &Arc<Connections>, place: Option<Place>) -> io::Result<Self> {
        // Messages are small and complete, so Nagle's algorithm would only delay them.
        stream.set_nodelay(true)?;
        open.add(stream.as_raw_fd());
        Ok(Self {
            stream,
            open: Arc::clone(open),
            _place: place,
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.remove(self.stream.as_raw_fd());
    }
}

/// Refuses a connection beyond the limit.
pub(crate) fn refuse(stream: &TcpStream) {
    // A client that doesn't get the response sees that the connection is closed.
    drop(stream.try_write(REFUSAL));
}

/// Lets the kernel close the connection when the client has not read from it for a time.
#[cfg(target_os = "linux")]
fn close_when_stuck(stream: &TcpStream, limits: ClientLimits) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(limits.timeout))
}

/// Other systems close it after a time of their own.
#[cfg(not(target_os = "linux"))]
fn close_when_stuck(_stream: &TcpStream, _limits: ClientLimits) -> io::Result<()> {
    Ok(())
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.open.are_silent() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.open.are_silent() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.open.are_silent() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.open.are_silent() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_says_how_long_it_is() {
        let text = std::str::from_utf8(REFUSAL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())));
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
