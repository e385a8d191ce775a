//! The edge of the testbed: locations that serve static files from their caches, and S3 behind them.
//!
//! ```text
//! buyers ─▶ location (cache) ─┬─ miss, or older than the TTL ─▶ S3
//!                             ├─ API requests, uncached ──────▶ load balancer     if `topology.edge.api` is `through`
//!                             └─ join, poll, leave ───────────▶ lobby             if `topology.edge.waiting_room` is `edge`
//! ```
//!
//! All of it runs on one thread of the supervisor, on loopback addresses outside the VPC. The rules are those of
//! [`tiketi_edge::Cache`]; here are the sockets and the bytes. Unless they pass through it, load workers send API requests to
//! the load balancer over connections that they share, as a location would, and they are counted and billed as passed through.

mod lobby;
mod location;
mod origin;
mod server;
mod upstream;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use http::HeaderName;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::NICENESS;
use super::clock::{Clock, unix_now_ns};
use super::pulse::ThreadPulse;
use lobby::Lobby;
pub use lobby::LobbyBlueprint;
use location::Location;
use tiketi_cloud::resolver::NameFigures;
use tiketi_edge::{EdgeFigures, PassingFigures, RoomFigures};
use tiketi_measure::ending::AdmissionFacts;
use tiketi_measure::stall::{Book, ToolPart};
use tiketi_scenario::topology::{self, ApiWay, RoomPlace};
pub use upstream::LoadBalancer;
use upstream::{OriginNames, Upstream};

/// Where S3 listens. It has a name in AWS; here the locations know its address.
const ORIGIN_IP: Ipv4Addr = Ipv4Addr::new(127, 254, 255, 1);
/// Where the application tells the waiting room at the edge who is active and who has paid. It stands for the endpoint of a
/// managed store in the VPC: a way that no NAT gateway and no zone is part of.
const STORE_IP: Ipv4Addr = Ipv4Addr::new(127, 254, 255, 2);
/// Ports to try until one is free on the addresses of all locations.
const PORT_TRIES: u32 = 16;

/// Connections that all load workers together may have open to the edge for API requests. As many lead from there to the load
/// balancer. Two thousand are enough for 10,000 requests/s at 200 ms each.
pub const CONNECTIONS_MAX: u64 = 2_000;
/// What CloudFront says about its cache.
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Returns the files that an edge may have open for API requests. Those for static files are few, and in the reserve of each
/// process.
pub(super) fn files(edge: &topology::Edge) -> u64 {
    match (edge.api, edge.waiting_room) {
        (ApiWay::Through, _) => 2 * CONNECTIONS_MAX,
        (ApiWay::Direct, RoomPlace::Edge) => CONNECTIONS_MAX,
        (ApiWay::Direct, RoomPlace::Application) => 0,
    }
}

/// What an edge is built from.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// The edge of the scenario.
    pub edge: topology::Edge,
    /// Scenario seconds per second of real time.
    pub speed: f64,
    /// Where API requests are passed on to; used only if they pass through the edge.
    pub load_balancer: LoadBalancer,
    /// The waiting room; `None` if it is in the application.
    pub lobby: Option<LobbyBlueprint>,
}

/// The running edge. It ends when dropped.
#[derive(Debug)]
pub struct Edge {
    addresses: Vec<Ipv4Addr>,
    port: u16,
    locations: Vec<Arc<Location>>,
    /// The load balancer's name, as the edge knows it; `None` if it passes nothing on.
    names: Option<Arc<OriginNames>>,
    /// The waiting room, and where the application reaches it.
    lobby: Option<(Arc<Lobby>, SocketAddr)>,
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
    /// Starts all locations and S3. Scenario time in the caches begins now.
    ///
    /// # Errors
    ///
    /// When the thread cannot start, or no port is free.
    pub async fn start(blueprint: Blueprint) -> std::io::Result<Self> {
        let clock = Clock::starting_at(unix_now_ns(), blueprint.speed);
        let locations = 0..blueprint.edge.locations;
        let addresses: Vec<_> = locations.map(address_of).collect();
        let (ready_tx, ready_rx) = oneshot::channel();
        let pulse = Arc::new(ThreadPulse::new(ToolPart::Edge));
        let ended = CancellationToken::new();
        let parts = (blueprint, clock, addresses.clone());
        let (watched, end) = (Arc::clone(&pulse), ended.clone());
        let thread = std::thread::Builder::new()
            .name("edge".to_owned())
            .spawn(move || run(parts, ready_tx, &watched, &end))?;
        let broken = || std::io::Error::other("its thread ended");
        let opened = ready_rx.await.map_err(|_| broken())??;
        Ok(Self {
            addresses,
            port: opened.port,
            locations: opened.locations,
            names: opened.names,
            lobby: opened.lobby,
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

    /// Returns the API requests that all locations passed on; `None` if buyers send them to the load balancer directly.
    pub fn passing(&self) -> Option<PassingFigures> {
        self.names.as_ref()?;
        let mut all = PassingFigures::default();
        for location in &self.locations {
            all.add(&location.passing());
        }
        Some(all)
    }

    /// Returns how the edge looked up the load balancer's name.
    pub fn name_figures(&self) -> NameFigures {
        let names = self.names.as_ref();
        names.map_or_else(NameFigures::default, |names| names.figures())
    }

    /// Returns where the application reaches the waiting room at the edge; `None` if it is in the application.
    pub fn store(&self) -> Option<SocketAddr> {
        self.lobby.as_ref().map(|(_, address)| *address)
    }

    /// Returns how many buyers wait at the edge, and how many have a shopping slot; `None` if the waiting room is in the
    /// application.
    pub fn queue(&self) -> Option<(u64, u64)> {
        let (lobby, _) = self.lobby.as_ref()?;
        Some((lobby.waiting().into(), lobby.active().into()))
    }

    /// Returns the requests to the waiting room at the edge; `None` if it is in the application.
    pub fn room_figures(&self) -> Option<RoomFigures> {
        self.lobby.as_ref().map(|(lobby, _)| lobby.figures())
    }

    /// Returns the log of the waiting room at the edge; `None` if it is in the application.
    pub fn admissions(&self) -> Option<AdmissionFacts> {
        self.lobby.as_ref().map(|(lobby, _)| lobby.admissions())
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

/// What listens.
#[derive(Debug)]
struct Opened {
    port: u16,
    locations: Vec<Arc<Location>>,
    names: Option<Arc<OriginNames>>,
    lobby: Option<(Arc<Lobby>, SocketAddr)>,
}

type Ready = std::io::Result<Opened>;

/// The thread.
fn run(
    (blueprint, clock, addresses): (Blueprint, Clock, Vec<Ipv4Addr>),
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
        let opened = open(&blueprint, clock, &addresses);
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
fn open(blueprint: &Blueprint, clock: Clock, addresses: &[Ipv4Addr]) -> Ready {
    let plan = &blueprint.edge;
    let names = match plan.api {
        ApiWay::Direct => None,
        ApiWay::Through => Some(Arc::new(OriginNames::new(blueprint.load_balancer, clock)?)),
    };
    let lobby = match &blueprint.lobby {
        Some(planned) => Some(open_lobby(planned, clock)?),
        None => None,
    };
    let s3 = server::listen(SocketAddr::from((ORIGIN_IP, 0)))?;
    let origin = s3.local_addr()?;
    let contents: Vec<_> = plan.files.iter().map(server::content).collect();
    origin::spawn(s3, plan, (&contents, clock));
    let (port, listeners) = listen_everywhere(addresses)?;
    let mut locations = Vec::new();
    for (listener, address) in listeners.into_iter().zip(addresses) {
        let upstream = |names: &Arc<OriginNames>| {
            Upstream::new(*address, Arc::clone(names), (clock, plan.latency))
        };
        let upstream = names.as_ref().map(upstream);
        let lobby = lobby.as_ref().map(|(lobby, _)| Arc::clone(lobby));
        let location = Location::new(plan, &contents, (clock, origin), (upstream, lobby));
        let location = Arc::new(location);
        location::spawn(listener, &location);
        locations.push(location);
    }
    Ok(Opened {
        port,
        locations,
        names,
        lobby,
    })
}

/// Opens the waiting room, and its way in for the application.
fn open_lobby(planned: &LobbyBlueprint, clock: Clock) -> std::io::Result<(Arc<Lobby>, SocketAddr)> {
    let lobby = Arc::new(Lobby::new(planned, clock));
    let listener = server::listen(SocketAddr::from((STORE_IP, 0)))?;
    let address = listener.local_addr()?;
    server::spawn(listener, Arc::clone(&lobby), lobby::hear);
    tokio::spawn(Arc::clone(&lobby).admit_for_ever());
    Ok((lobby, address))
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
