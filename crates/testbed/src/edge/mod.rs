//! The edge of the testbed: locations that serve static files from their caches, and S3 behind them.
//!
//! ```text
//! buyers ─▶ location (cache) ─ miss, or older than the TTL ─▶ S3
//! ```
//!
//! All of it runs on one thread of the supervisor, on loopback addresses outside the VPC. The rules are those of
//! [`tiketi_edge::Cache`]; here are the sockets and the bytes. API requests do not pass through it: load workers send them to the
//! load balancer over connections that they share, as a location would, and they are counted and billed as passed through.

mod location;
mod origin;
mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::NICENESS;
use super::clock::{Clock, unix_now_ns};
use super::pulse::ThreadPulse;
use location::Location;
use tiketi_edge::EdgeFigures;
use tiketi_measure::stall::{Book, ToolPart};
use tiketi_scenario::topology;

/// Where S3 listens. It has a name in AWS; here the locations know its address.
const ORIGIN_IP: Ipv4Addr = Ipv4Addr::new(127, 254, 255, 1);
/// Ports to try until one is free on the addresses of all locations.
const PORT_TRIES: u32 = 16;

/// The running edge. It ends when dropped.
#[derive(Debug)]
pub struct Edge {
    addresses: Vec<Ipv4Addr>,
    port: u16,
    locations: Vec<Arc<Location>>,
    pulse: Arc<ThreadPulse>,
    ended: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// Returns the address of a location. No subnet of a VPC that AWS permits is mapped there: it would be 10.254.0.0/16 or the
/// like, which is outside the documented one.
fn address_of(location: u32) -> Ipv4Addr {
    let host = u8::try_from(location + 1).expect("there are 50 locations at most");
    Ipv4Addr::new(127, 254, 254, host)
}

impl Edge {
    /// Starts all locations and S3. Scenario time in the caches begins now and runs at `speed`.
    ///
    /// # Errors
    ///
    /// When the thread cannot start, or no port is free.
    pub async fn start(plan: &topology::Edge, speed: f64) -> std::io::Result<Self> {
        let clock = Clock::starting_at(unix_now_ns(), speed);
        let addresses: Vec<_> = (0..plan.locations).map(address_of).collect();
        let (ready_tx, ready_rx) = oneshot::channel();
        let pulse = Arc::new(ThreadPulse::new(ToolPart::Edge));
        let ended = CancellationToken::new();
        let parts = (plan.clone(), clock, addresses.clone());
        let (watched, end) = (Arc::clone(&pulse), ended.clone());
        let thread = std::thread::Builder::new()
            .name("edge".to_owned())
            .spawn(move || run(parts, ready_tx, &watched, &end))?;
        let broken = || std::io::Error::other("its thread ended");
        let (port, locations) = ready_rx.await.map_err(|_| broken())??;
        Ok(Self {
            addresses,
            port,
            locations,
            pulse,
            ended,
            thread: Some(thread),
        })
    }

    /// Returns the addresses of the locations.
    pub fn addresses(&self) -> &[Ipv4Addr] {
        &self.addresses
    }

    /// Returns the port of all locations.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns what all locations have counted.
    pub fn figures(&self) -> EdgeFigures {
        let mut all = EdgeFigures::default();
        for location in &self.locations {
            all.add(&location.figures());
        }
        all
    }

    /// Returns what was noticed of stalls, and forgets it.
    pub(super) fn take_stalls(&self, now_unix_ns: u64) -> Book {
        self.pulse.take_stalls(now_unix_ns)
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.ended.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic in it has already been printed.
            drop(thread.join());
        }
    }
}

type Ready = std::io::Result<(u16, Vec<Arc<Location>>)>;

/// The thread.
fn run(
    (plan, clock, addresses): (topology::Edge, Clock, Vec<Ipv4Addr>),
    ready_tx: oneshot::Sender<Ready>,
    pulse: &ThreadPulse,
    ended: &CancellationToken,
) {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!(%error, "could not lower the priority of the edge");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready_tx.send(Err(error))),
    };
    runtime.block_on(async {
        let opened = open(&plan, clock, &addresses);
        let is_open = opened.is_ok();
        // Fails only if the caller has given up.
        drop(ready_tx.send(opened));
        if is_open {
            ended.run_until_cancelled(pulse.watch()).await;
        }
    });
    // Connections that are still open end here.
    runtime.shutdown_background();
}

/// Opens S3 and all locations, as tasks of the current runtime.
fn open(plan: &topology::Edge, clock: Clock, addresses: &[Ipv4Addr]) -> Ready {
    let s3 = server::listen(SocketAddr::from((ORIGIN_IP, 0)))?;
    let origin = s3.local_addr()?;
    let contents: Vec<_> = plan.files.iter().map(server::content).collect();
    origin::spawn(s3, plan, (&contents, clock));
    let (port, listeners) = listen_everywhere(addresses)?;
    let mut locations = Vec::new();
    for listener in listeners {
        let location = Arc::new(Location::new(plan, &contents, (clock, origin)));
        location::spawn(listener, &location);
        locations.push(location);
    }
    Ok((port, locations))
}

/// Listens on the same free port of all addresses: DNS has no ports.
fn listen_everywhere(
    addresses: &[Ipv4Addr],
) -> std::io::Result<(u16, Vec<tokio::net::TcpListener>)> {
    let mut tries = 0;
    loop {
        match listen_on_one_port(addresses) {
            Ok(listening) => return Ok(listening),
            Err(error) if tries == PORT_TRIES => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

fn listen_on_one_port(
    addresses: &[Ipv4Addr],
) -> std::io::Result<(u16, Vec<tokio::net::TcpListener>)> {
    let mut port = 0;
    let mut listeners = Vec::new();
    for &address in addresses {
        let listener = server::listen(SocketAddr::from((address, port)))?;
        port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok((port, listeners))
}

#[cfg(test)]
mod tests;
