//! What is outside the VPC, and the way there: the payment provider, S3, and the routes of the private subnets.
//!
//! ```text
//! instance ─▶ router of its subnet ─path?─▶ NAT gateway (its address is the source) ─▶ provider · S3
//!                  └─ no way: nothing answers
//! ```
//!
//! All of it runs in a thread of its own, with its own runtime, so that a busy supervisor delays no payment. The thread ends
//! with the supervisor.

mod provider;
mod router;
mod storage;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, unix_now_ns};
use crate::pulse::ThreadPulse;
use crate::zone::{on_loopback, router_of};
use crate::{NICENESS, lock};
use provider::Payments;
use router::Router;
use tiketi_core::fault::catalog::Disruption;
use tiketi_core::units::{SimTime, ZoneId};
use tiketi_cost::TrafficSample;
use tiketi_measure::ending::{ChargeFacts, ProviderFigures, Use};
use tiketi_measure::stall::{Book, ToolPart};
use tiketi_network::{Destination, Lost, OutboundLog};
use tiketi_scenario::Plan;
use tiketi_server::{FinalState, Provider, Receipts};

/// Where the payment provider listens, on a free port: an address outside every subnet stands for the internet.
const PROVIDER_IP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// Where S3 listens.
const STORAGE_IP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);
/// Host number of the NAT gateway in its public subnet: above any load-balancer node.
const NAT_HOST: u32 = 100;
/// Largest body of a request, in bytes: the limit of a receipt, and its headers do not count.
const BODY_MAX: usize = 10_485_760;

/// What the tasks of the thread share.
#[derive(Debug)]
struct Shared {
    plan: Plan,
    clock: Mutex<Clock>,
    lost: watch::Sender<Lost>,
    log: Mutex<OutboundLog>,
    payments: Mutex<Payments>,
}

/// The outside of the VPC.
#[derive(Debug)]
pub(super) struct Outside {
    shared: Arc<Shared>,
    /// Where instances of each zone reach the provider and S3.
    entrances: Vec<(SocketAddr, SocketAddr)>,
    /// Whether the clock shows the time of the run.
    is_set: bool,
    pulse: Arc<ThreadPulse>,
    end: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Outside {
    /// Starts the provider, S3 and a router for each zone. All of them listen when this returns.
    ///
    /// # Errors
    ///
    /// When an address has no free port, or the thread cannot be started.
    pub(super) fn start(plan: &Plan) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            plan: plan.clone(),
            clock: Mutex::new(Clock::starting_at(unix_now_ns(), plan.clock.speed)),
            lost: watch::Sender::new(Lost::default()),
            log: Mutex::default(),
            payments: Mutex::new(Payments::new(plan)),
        });
        let (provider, storage) = (listen(PROVIDER_IP)?, listen(STORAGE_IP)?);
        let destinations = [
            (Destination::Provider, provider.local_addr()?),
            (Destination::S3, storage.local_addr()?),
        ];
        let mut routers = Vec::new();
        let mut entrances = Vec::new();
        for zone in plan.topology.zone_ids() {
            let subnet = plan.topology.zones[zone.index()].private;
            let mut doors = Vec::new();
            for (to, address) in destinations {
                let door = listen(router_of(subnet))?;
                doors.push(door.local_addr()?);
                let router = Router {
                    zone,
                    to,
                    address,
                    shared: Arc::clone(&shared),
                };
                routers.push((router, door));
            }
            entrances.push((doors[0], doors[1]));
        }
        let end = CancellationToken::new();
        let pulse = Arc::new(ThreadPulse::new(ToolPart::Outside));
        let (served, watched, ended) = (Arc::clone(&shared), Arc::clone(&pulse), end.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("outside".to_owned())
            .spawn(move || {
                if let Err(error) = rustix::process::nice(NICENESS) {
                    tracing::warn!(%error, "could not lower the priority of the thread");
                }
                let served = runtime.block_on(async move {
                    for (router, door) in routers {
                        tokio::spawn(router.run(TcpListener::from_std(door)?));
                    }
                    let (provider, storage) = (
                        TcpListener::from_std(provider)?,
                        TcpListener::from_std(storage)?,
                    );
                    tokio::spawn(provider::serve(provider, Arc::clone(&served)));
                    tokio::spawn(storage::serve(storage, served));
                    ended.run_until_cancelled(watched.watch()).await;
                    Ok::<_, io::Error>(())
                });
                if let Err(error) = served {
                    tracing::error!(%error, "nothing outside the VPC can be reached");
                }
                runtime.shutdown_background();
            })?;
        Ok(Self {
            shared,
            entrances,
            is_set: false,
            pulse,
            end,
            thread: Some(thread),
        })
    }

    /// Returns where an instance of a zone finds the provider, and what becomes of its receipts.
    pub(super) fn settings(&self, zone: ZoneId) -> (Provider, Receipts) {
        let (provider, storage) = self.entrances[zone.index()];
        let plan = &self.shared.plan;
        let attempts = plan.provider.calls();
        let receipts = match plan.server.receipt_bytes {
            0 => Receipts::None,
            bytes => Receipts::Uploaded {
                address: storage,
                bytes,
                attempts,
            },
        };
        let provider = Provider::Remote {
            address: provider,
            attempts,
        };
        (provider, receipts)
    }

    /// Sets the clock when the run begins. Before that, the start time is unknown.
    pub(super) fn handle_time(&mut self, now: SimTime) {
        if self.is_set || now == SimTime::ZERO {
            return;
        }
        self.is_set = true;
        let speed = self.shared.plan.clock.speed;
        let passed = now.since_start().div_f64(speed);
        let passed = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX);
        let began = unix_now_ns().saturating_sub(passed);
        *lock(&self.shared.clock) = Clock::starting_at(began, speed);
    }

    /// Starts a disruption.
    pub(super) fn disrupt(&self, disruption: Disruption) {
        self.shared
            .lost
            .send_modify(|lost| lost.handle_disruption(disruption));
        lock(&self.shared.payments).handle_disruption(disruption);
    }

    /// Ends a disruption.
    pub(super) fn repair(&self, disruption: Disruption) {
        self.shared
            .lost
            .send_modify(|lost| lost.handle_repair(disruption));
        lock(&self.shared.payments).handle_repair(disruption);
    }

    /// Notes that a zone has lost power, and its gateway with it.
    pub(super) fn lose_zone(&self, zone: ZoneId) {
        self.shared.lost.send_modify(|lost| {
            lost.zones.insert(zone);
        });
    }

    /// Notes that the power of a zone is back.
    pub(super) fn restore_zone(&self, zone: ZoneId) {
        self.shared.lost.send_modify(|lost| {
            lost.zones.remove(&zone);
        });
    }

    /// Returns what went out of the VPC since the last call.
    pub(super) fn take_traffic(&self) -> TrafficSample {
        lock(&self.shared.log).take_traffic()
    }

    /// Returns which ways calls out of the VPC took.
    pub(super) fn uses(&self) -> Vec<Use> {
        lock(&self.shared.log).uses()
    }

    /// Returns what was noticed of stalls, and forgets it.
    pub(super) fn take_stalls(&self, now_unix_ns: u64) -> Book {
        self.pulse.take_stalls(now_unix_ns)
    }

    /// Returns how the provider has answered.
    pub(super) fn provider_figures(&self) -> ProviderFigures {
        lock(&self.shared.payments).figures()
    }

    /// Settles the payments of the orders in the final state, and compares both.
    pub(super) fn settle(&self, state: &FinalState) -> ChargeFacts {
        lock(&self.shared.payments).settle(state)
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(thread) = self.thread.take() {
            // The panic hook has printed the panic, if there was one.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn now(&self) -> SimTime {
        lock(&self.clock).now()
    }

    /// Waits until `at`.
    async fn sleep_until(&self, at: SimTime) {
        let due = lock(&self.clock).wall_instant(at);
        tokio::time::sleep_until(due).await;
    }
}

/// Listens on a free port of an address.
fn listen(ip: Ipv4Addr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind((ip, 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Accepts the next connection.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Serves HTTP on every connection: each request is read in full and passed to `answer`.
async fn serve_http<A, F>(listener: TcpListener, answer: A)
where
    A: Fn(Request<Bytes>) -> F + Clone + Send + 'static,
    F: Future<Output = StatusCode> + Send + 'static,
{
    loop {
        let stream = accept(&listener).await;
        let answer = answer.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let answer = answer.clone();
            async move {
                let (head, body) = request.into_parts();
                let status = match Limited::new(body, BODY_MAX).collect().await {
                    Ok(body) => answer(Request::from_parts(head, body.to_bytes())).await,
                    Err(_) => StatusCode::PAYLOAD_TOO_LARGE,
                };
                let mut response = Response::new(Full::new(Bytes::new()));
                *response.status_mut() = status;
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        tokio::spawn(async move {
            let http = hyper::server::conn::http1::Builder::new();
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                tracing::trace!(%error, "connection ended early");
            }
        });
    }
}

/// Returns the address that a NAT gateway has towards the internet.
fn nat_address(plan: &Plan, zone: ZoneId) -> Ipv4Addr {
    on_loopback(plan.topology.zones[zone.index()].public, NAT_HOST)
}

#[cfg(test)]
mod tests;
