//! One load worker: a process with one thread that runs its share of the buyers.
//!
//! It reads one [`Assignment`] and then [`Command`]s, one JSON object per line, and writes [`WorkerReport`]s the same way.
//! When its input ends, its parent has exited, and it stops.

use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use uuid::Uuid;

use super::credential::Credentials;
use super::edge_way::EdgeWay;
use super::http::Http;
use super::http2::{self, HttpVersion};
use super::pacer::pace;
pub use super::page::EdgeEntry;
use super::page::PAGE_CONNECTIONS_MAX;
use super::reach::{Forbidden, Reach};
use super::self_check::{Sampler, raise_files_limit};
use super::setup::SetupError;
use super::share::Share;
use super::signer::SignError;
use super::tls::Trust;
use super::world::World;
use tiketi_api::{IdText, Mapping, Tree};
use tiketi_cloud::resolver::NameFigures;
use tiketi_core::units::SimTime;
use tiketi_measure::Frame;
use tiketi_measure::ending::WorkerFigures;
use tiketi_measure::stall::{Lapse, StallKind};
use tiketi_measure::witness::{Notebook, Testimony};
use tiketi_scenario::Plan;
use tiketi_testbed::pulse::{self, Sign};

/// Real time between two frames.
pub(super) const FRAME_EVERY: Duration = Duration::from_secs(1);
/// File descriptors reserved for everything but sockets and requests: standard streams, name lookups, the runtime.
pub(super) const FILES_RESERVED: u64 = 256;
/// Most HTTP connections of a worker. Each also needs file descriptors of the load balancer, which plans for sockets, and
/// about 15 KiB here; a thousand are enough for 5,000 requests/s at 200 ms each.
pub(super) const CONNECTIONS_MAX: u64 = 1_000;

/// The task of a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The plan of the run.
    pub plan: Plan,
    /// Which of the workers this one is; it runs the buyers whose number leaves this remainder.
    pub worker: u32,
    /// How many workers there are.
    pub workers: u32,
    /// Where the system under test is.
    pub entry: EntryPoint,
    /// How it is asked, and what its responses mean; `None` for the contract of a TIKETI deployment.
    pub api: Option<Tree>,
    /// How buyers authenticate.
    pub credentials: Credentials,
    /// The show to buy.
    pub show: IdText<'static>,
    /// Whether the system under test is outside the testbed, so that its buyers have to write down what they see of it.
    #[serde(default)]
    pub is_target: bool,
    /// The start of the run, in nanoseconds since 1970.
    pub start_at_unix_ns: u64,
    /// Loopback addresses to connect from if the system under test is on loopback.
    pub source_addresses: Vec<Ipv4Addr>,
}

impl Assignment {
    /// Returns the compiled mapping.
    pub(super) fn mapping(&self) -> Mapping {
        match &self.api {
            None => tiketi_api::tiketi(),
            Some(tree) => tiketi_api::compile(tree).expect("it was compiled when it was read"),
        }
    }
}

/// Where the system under test is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryPoint {
    /// Its protocol.
    pub scheme: Scheme,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// In front of every path of the API, the page and the socket; empty, or with a leading slash and none at its end.
    #[serde(default)]
    pub base: String,
    /// Name server to use; `None` for the operating system's resolver.
    pub dns: Option<SocketAddr>,
    /// Path of the web page if the system under test serves it; `None` if an edge in front of it does.
    pub page: Option<String>,
    /// The edge that serves the web page; `None` if that is not part of the run.
    pub edge: Option<EdgeEntry>,
    /// The hosts besides this one, in the order of the mapping.
    #[serde(default)]
    pub hosts: Vec<Self>,
    /// Which certificates are accepted, and which one is presented.
    #[serde(default)]
    pub trust: Trust,
    /// The version of HTTP that requests are sent with.
    #[serde(default)]
    pub http: HttpVersion,
    /// The addresses that connections may go to, whatever the name means by then.
    pub reach: Reach,
}

impl EntryPoint {
    /// Returns the host without the brackets of an IPv6 address.
    pub(super) fn bare_host(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }

    /// Returns whether buyers speak HTTP/2 if the server does.
    pub fn speaks_http2(&self) -> bool {
        self.scheme == Scheme::Https && self.http != HttpVersion::Http1
    }

    /// Returns how many files a buyer may need at once: a socket, and with HTTP/2 a connection to each host.
    pub(super) fn files_per_buyer(&self) -> u64 {
        let all = std::iter::once(self).chain(&self.hosts);
        1 + http2::FILES * all.filter(|entry| entry.speaks_http2()).count() as u64
    }

    /// Returns whether TLS is used and any certificate is accepted, of the target or of another host.
    pub fn is_unchecked(&self) -> bool {
        let mut all = std::iter::once(self).chain(&self.hosts);
        all.any(|entry| entry.scheme == Scheme::Https && entry.trust.is_unchecked())
    }

    /// Returns the URL with the port, also if it is the default one.
    pub fn url(&self) -> String {
        self.origin() + &self.base
    }

    /// Returns the URL without its path.
    pub fn origin(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        format!("{scheme}://{}:{}", self.host, self.port)
    }
}

/// The protocol of the system under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// A command of the supervisor after the assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Stop now: journeys in progress are recorded as unfinished.
    Stop,
}

/// A report of a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerReport {
    /// The assignment was read, and the buyers are planned.
    Ready {
        /// How many.
        buyers: u64,
    },
    /// What was measured since the last frame.
    Frame(Box<Frame>),
    /// The worker did not get to its work for a while.
    Stalled {
        /// Why.
        kind: StallKind,
        /// When.
        lapse: Lapse,
    },
    /// The last report of a worker that has finished.
    Done(Box<Done>),
    /// The last report of a worker that could not start or ended early.
    Failed {
        /// Why, as a fragment of a sentence.
        reason: String,
    },
}

/// The last report of a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// The worker's own resource usage.
    pub figures: WorkerFigures,
    /// Sockets that could not be opened, by stage: TCP, upgrade, Engine.IO, Socket.IO.
    pub socket_failures: [u64; 4],
    /// HTTP connections opened.
    pub connections_opened: u64,
    /// Requests that had to wait for a free connection.
    pub connection_waits: u64,
    /// Lookups of the name that requests are sent to: that of the load balancer.
    pub load_balancer: NameFigures,
    /// Lookups of the site's name, under which the page is.
    pub site: NameFigures,
    /// Answers for the site's name with an address that is no edge location.
    pub site_astray: u64,
    /// Reservations whose payment was acknowledged, for the audit of lost orders.
    pub paid: Vec<Uuid>,
    /// Why a credential could not be created, for the first buyer without one; `None` if every buyer got one.
    pub credential_error: Option<String>,
    /// What the buyers of a target saw; `None` on the testbed.
    #[serde(default)]
    pub testimony: Option<Box<Testimony>>,
}

/// Why a worker could not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The assignment could not be read.
    #[error("cannot read the assignment: {0}")]
    Read(#[source] std::io::Error),
    /// The assignment is not valid.
    #[error("cannot parse the assignment: {0}")]
    Parse(#[from] serde_json::Error),
    /// The runtime could not be started.
    #[error("cannot start the runtime: {0}")]
    Runtime(#[source] std::io::Error),
    /// The limit on open files is too low.
    #[error(
        "the limit of {limit} open files is too low for a load worker (at least {needed} are needed)"
    )]
    TooFewFiles {
        /// The limit.
        limit: u64,
        /// The least that is needed.
        needed: u64,
    },
    /// The system under test, as assigned, cannot be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The name of the system under test now means an address that is not allowed.
    #[error("the load was stopped, because `{host}` now resolves to {forbidden}")]
    Moved {
        /// The name.
        host: String,
        /// The address, and why it is not allowed.
        forbidden: Forbidden,
    },
    /// The program that signs requests has failed.
    #[error("the load was stopped, because {0}")]
    Unsigned(#[from] SignError),
}

/// Runs a worker until its buyers are done, or its input ends.
///
/// # Errors
///
/// When the worker could not start; the reason is also written to `output`.
pub fn run(
    input: impl BufRead + Send + 'static,
    output: impl Write + Send + 'static,
) -> Result<(), WorkerError> {
    let (reports_tx, writer) = spawn_writer(output);
    let result = run_reporting(input, &reports_tx);
    if let Err(error) = &result {
        let reason = error.to_string();
        report(&reports_tx, &WorkerReport::Failed { reason });
    }
    drop(reports_tx);
    // The writer ends when its channel does; a panic in it has already been printed.
    drop(writer.join());
    result
}

fn run_reporting(
    mut input: impl BufRead + Send + 'static,
    reports_tx: &mpsc::Sender<String>,
) -> Result<(), WorkerError> {
    let mut line = String::new();
    input.read_line(&mut line).map_err(WorkerError::Read)?;
    let assignment: Assignment = serde_json::from_str(&line)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(WorkerError::Runtime)?;
    let commands_rx = spawn_reader(input);
    let _in_runtime = runtime.enter();
    let share = Share::of(&assignment);
    let files_limit = raise_files_limit();
    let connections_max = connections_max(files_limit)?;
    let world = Rc::new(World::new(&assignment, connections_max)?);
    let mut sampler = Sampler::new(files_limit);
    let buyers = share.arrivals.len() as u64;
    report(reports_tx, &WorkerReport::Ready { buyers });

    let ends_at = assignment.plan.ends_at();
    let local = LocalSet::new();
    local.spawn_local(pace(
        Rc::clone(&world),
        share.arrivals.into_iter(),
        files_limit
            .saturating_sub(FILES_RESERVED + (connections_max + PAGE_CONNECTIONS_MAX) as u64)
            / assignment.entry.files_per_buyer(),
    ));
    local.spawn_local(watch(reports_tx.clone()));
    let pass = pass_time(&world, ends_at, commands_rx, &mut sampler, reports_tx);
    let passed = runtime.block_on(local.run_until(pass));
    drop(local); // Buyers in progress record that they are unfinished.
    finish(&world, &mut sampler, reports_tx);
    runtime.shutdown_background();
    passed
}

/// Reports when this thread runs later than it should.
async fn watch(reports_tx: mpsc::Sender<String>) {
    let watched = pulse::watch(move |sign| match sign {
        Sign::Alive => {}
        Sign::Late(lapse) => report_stall(&reports_tx, StallKind::Stopped, lapse),
    });
    match watched.await {}
}

/// Sends frames until the end of the run, a command to stop, the exit of the parent, an address that is not allowed, or a failure of
/// the program that signs requests.
async fn pass_time(
    world: &World,
    ends_at: SimTime,
    mut commands_rx: UnboundedReceiver<Command>,
    sampler: &mut Sampler,
    reports_tx: &mpsc::Sender<String>,
) -> Result<(), WorkerError> {
    let mut frames = interval(FRAME_EVERY);
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = sleep_until(world.clock.wall_instant(ends_at));
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return Ok(()),
            command = commands_rx.recv() => match command {
                Some(Command::Stop) | None => return Ok(()),
            },
            failure = world.unsigned() => return Err(failure.into()),
            _ = frames.tick() => {
                if let Some((host, forbidden)) = world.forbidden() {
                    return Err(WorkerError::Moved { host, forbidden });
                }
                sampler.sample(world.tally.connected_peak.get(), world.files_refused());
                report(reports_tx, &WorkerReport::Frame(Box::new(world.take_frame())));
                report_shared_core(sampler, reports_tx);
            }
        }
    }
}

fn finish(world: &World, sampler: &mut Sampler, reports_tx: &mpsc::Sender<String>) {
    report(
        reports_tx,
        &WorkerReport::Frame(Box::new(world.take_frame())),
    );
    let (tally, site, edge) = (&world.tally, world.site.as_ref(), world.edge.as_ref());
    let way = edge.map(EdgeWay::http);
    let figures = sampler.sample(tally.connected_peak.get(), world.files_refused());
    sampler.end();
    report_shared_core(sampler, reports_tx);
    let empty = || Notebook::new(world.api.has_seats());
    let notebook = world.notebook.as_ref();
    let testimony = notebook.map(|notebook| notebook.replace(empty()).finish());
    let done = Done {
        figures,
        socket_failures: *tally.socket_failures.borrow(),
        connections_opened: world.http.opened()
            + way.map_or(0, Http::opened)
            + world.hosts.opened(),
        connection_waits: world.http.waits() + way.map_or(0, Http::waits) + world.hosts.waits(),
        load_balancer: world.http.dialer().names().figures(),
        site: site.map_or_else(NameFigures::default, |site| site.figures()),
        site_astray: site.map_or(0, |site| site.astray()),
        paid: tally.paid.take(),
        credential_error: tally.credential_error.take(),
        testimony: testimony.map(Box::new),
    };
    report(reports_tx, &WorkerReport::Done(Box::new(done)));
}

fn report_shared_core(sampler: &mut Sampler, reports_tx: &mpsc::Sender<String>) {
    if let Some(lapse) = sampler.poll_core_shared() {
        report_stall(reports_tx, StallKind::CoreShared, lapse);
    }
}

fn report_stall(reports_tx: &mpsc::Sender<String>, kind: StallKind, lapse: Lapse) {
    report(reports_tx, &WorkerReport::Stalled { kind, lapse });
}

/// Returns the number of concurrent requests that fit into `files_limit`.
fn connections_max(files_limit: u64) -> Result<usize, WorkerError> {
    const CONNECTIONS_MIN: u64 = 8;
    const FILES_PER_CONNECTION: u64 = 4;
    let left = files_limit.saturating_sub(FILES_RESERVED) / FILES_PER_CONNECTION;
    if left < CONNECTIONS_MIN {
        return Err(WorkerError::TooFewFiles {
            limit: files_limit,
            needed: FILES_RESERVED + CONNECTIONS_MIN * FILES_PER_CONNECTION,
        });
    }
    Ok(usize::try_from(left.min(CONNECTIONS_MAX)).unwrap_or(usize::MAX))
}

fn report(reports_tx: &mpsc::Sender<String>, report: &WorkerReport) {
    let line = serde_json::to_string(report).expect("reports have string keys only");
    // The writer only ends when the parent has exited: the end of the input will stop this process.
    drop(reports_tx.send(line));
}

/// Writes lines on a separate thread: a parent that reads slowly must not delay buyers.
fn spawn_writer(
    mut output: impl Write + Send + 'static,
) -> (mpsc::Sender<String>, std::thread::JoinHandle<()>) {
    let (reports_tx, reports_rx) = mpsc::channel::<String>();
    let writer = std::thread::spawn(move || {
        for line in reports_rx {
            let written = writeln!(output, "{line}").and_then(|()| output.flush());
            if written.is_err() {
                return;
            }
        }
    });
    (reports_tx, writer)
}

/// Reads commands on a separate thread; the channel closes when the input ends.
fn spawn_reader(input: impl BufRead + Send + 'static) -> UnboundedReceiver<Command> {
    let (commands_tx, commands_rx) = unbounded_channel();
    std::thread::spawn(move || {
        for line in input.lines() {
            let Some(command) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else {
                return;
            };
            if commands_tx.send(command).is_err() {
                return;
            }
        }
    });
    commands_rx
}
