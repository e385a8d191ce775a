//! Counters of a node process, and a stream that counts its bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::message::{Errors, Load};
use crate::clock::wall_now;
use tiketi_cloud::routing::{Fate, Stickiness};

/// The counters of one process.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: Counter,
    pub(super) new_connections: Counter,
    pub(super) web_sockets: Counter,
    pub(super) requests: Counter,
    pub(super) bytes_in: Counter,
    pub(super) bytes_out: Counter,
    pub(super) kept: Counter,
    pub(super) target_gone: Counter,
    pub(super) broken: Counter,
    pub(super) client_closed: Counter,
    pub(super) bad_gateway: Counter,
    pub(super) no_target: Counter,
    pub(super) timed_out: Counter,
    pub(super) rejected: Counter,
}

impl Counters {
    /// Counts a request with a valid cookie.
    pub(super) fn handle_fate(&self, fate: Fate) {
        let counter = match fate {
            Fate::Kept => &self.kept,
            Fate::TargetGone => &self.target_gone,
            Fate::Broken => &self.broken,
        };
        counter.add(1);
    }

    pub(super) fn read(&self) -> Load {
        Load {
            connections: self.connections.get(),
            new_connections: self.new_connections.get(),
            web_sockets: self.web_sockets.get(),
            requests: self.requests.get(),
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            sticky: Stickiness {
                kept: self.kept.get(),
                target_gone: self.target_gone.get(),
                broken: self.broken.get(),
            },
            errors: Errors {
                client_closed: self.client_closed.get(),
                bad_gateway: self.bad_gateway.get(),
                no_target: self.no_target.get(),
                timed_out: self.timed_out.get(),
                rejected: self.rejected.get(),
            },
        }
    }
}

/// A counter shared between tasks.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, amount: u64) {
        self.0.fetch_sub(amount, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A client connection that counts its bytes, and is counted while it is open.
pub(super) struct MeteredStream {
    stream: TcpStream,
    meter: Arc<Counters>,
    pub(super) activity: Arc<Activity>,
}

/// When something has passed through a connection the last time.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    /// Nanoseconds of real time from the opening.
    last: AtomicU64,
}

impl Activity {
    fn new() -> Self {
        Self {
            opened: wall_now(),
            last: AtomicU64::new(0),
        }
    }

    fn note(&self) {
        let passed = wall_now().saturating_duration_since(self.opened);
        let passed = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX);
        self.last.store(passed, Ordering::Relaxed);
    }

    /// Returns when it was.
    pub(super) fn last(&self) -> Instant {
        self.opened + Duration::from_nanos(self.last.load(Ordering::Relaxed))
    }
}

impl MeteredStream {
    pub(super) fn new(stream: TcpStream, meter: Arc<Counters>) -> Self {
        meter.connections.add(1);
        meter.new_connections.add(1);
        Self {
            stream,
            meter,
            activity: Arc::new(Activity::new()),
        }
    }

    pub(super) const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn count_written(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.meter.bytes_out.add(*bytes as u64);
            self.activity.note();
        }
    }
}

impl Drop for MeteredStream {
    fn drop(&mut self) {
        self.meter.connections.subtract(1);
    }
}

impl AsyncRead for MeteredStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = buffer.filled().len() - before;
        if bytes > 0 {
            self.meter.bytes_in.add(bytes as u64);
            self.activity.note();
        }
        outcome
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.count_written(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.count_written(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
