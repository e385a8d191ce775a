//! One load worker: a process with one thread that runs its share of the buyers.
//!
//! It reads one [`Assignment`] and then [`Command`]s, a JSON object a line, and writes [`WorkerReport`]s the same way. When
//! its input ends, its parent is gone, and it stops.

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
use super::pacer::pace;
use super::self_check::{Sampler, raise_files_limit};
use super::world::World;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_measure::Frame;
use tiketi_measure::ending::WorkerFigures;
use tiketi_scenario::Plan;
use tiketi_scenario::arrival::arrival_times;

/// Wall time between two frames.
const FRAME_EVERY: Duration = Duration::from_secs(1);
/// Files kept for everything that is neither a socket nor a call: standard streams, name lookups, the runtime.
pub(super) const FILES_RESERVED: u64 = 256;
/// HTTP connections of a worker at most. Each also takes files of the load balancer, which plans for sockets, and some
/// 15 KiB here; a thousand carry 5,000 calls a second at 200 ms each.
pub(super) const CONNECTIONS_MAX: u64 = 1_000;

/// What a worker has to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// What is asked.
    pub plan: Plan,
    /// Which of the workers this one is; it runs the buyers whose number leaves this remainder.
    pub worker: u32,
    /// How many workers there are.
    pub workers: u32,
    /// Where the system under test is.
    pub entry: Entry,
    /// How buyers prove who they are.
    pub credentials: Credentials,
    /// The show to buy.
    pub show: Uuid,
    /// The start of the run, nanoseconds since 1970.
    pub start_at_unix_ns: u64,
    /// Loopback addresses to connect from when the system under test is on loopback.
    pub source_addresses: Vec<Ipv4Addr>,
}

/// Where the system under test is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it speaks.
    pub scheme: Scheme,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Name server to ask; `None` asks the operating system.
    pub dns: Option<SocketAddr>,
    /// Path of the page, if the system under test serves it itself; `None` when an edge in front of it does.
    pub page: Option<String>,
}

/// What the system under test speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// What a supervisor says after the assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// End now: journeys on the way are recorded as unfinished.
    Stop,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerReport {
    /// The assignment is understood, and the buyers are planned.
    Ready {
        /// How many.
        buyers: u64,
    },
    /// What was seen since the last frame.
    Frame(Box<Frame>),
    /// The end; nothing follows.
    Done(Box<Done>),
    /// It could not start, or is gone before the end.
    Failed {
        /// Why, as a fragment of a sentence.
        reason: String,
    },
}

/// What a worker says last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// The worker's own figures.
    pub figures: WorkerFigures,
    /// Sockets that could not be opened, by stage: TCP, upgrade, Engine.IO, Socket.IO.
    pub socket_failures: [u64; 4],
    /// HTTP connections opened.
    pub connections_opened: u64,
    /// Calls that found all connections busy and waited for one.
    pub connection_waits: u64,
    /// Reservations whose payment was acknowledged, for the audit of lost orders.
    pub paid: Vec<Uuid>,
}

/// Runs a worker until it has done its share, or its input ends.
///
/// # Errors
///
/// When the assignment cannot be read or carried out; the reason is also written to `output`.
pub fn run(
    input: impl BufRead + Send + 'static,
    output: impl Write + Send + 'static,
) -> Result<(), String> {
    let (reports_tx, writer) = spawn_writer(output);
    let result = run_reporting(input, &reports_tx);
    if let Err(reason) = &result {
        let reason = reason.clone();
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
) -> Result<(), String> {
    let mut line = String::new();
    input
        .read_line(&mut line)
        .map_err(|error| format!("the assignment cannot be read: {error}"))?;
    let assignment: Assignment = serde_json::from_str(&line)
        .map_err(|error| format!("the assignment is not understood: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let commands_rx = spawn_reader(input);
    let _in_runtime = runtime.enter();
    let share = Share::of(&assignment);
    let files_limit = raise_files_limit();
    let connections_max = connections_max(files_limit)?;
    let world = Rc::new(World::new(&assignment, connections_max)?);
    let mut sampler = Sampler::new(files_limit);
    let buyers = share.arrivals.len() as u64;
    report(reports_tx, &WorkerReport::Ready { buyers });

    let ends_at = SimTime::ZERO + assignment.plan.clock.duration;
    let local = LocalSet::new();
    local.spawn_local(pace(
        Rc::clone(&world),
        share.arrivals.into_iter(),
        files_limit.saturating_sub(FILES_RESERVED + connections_max as u64),
    ));
    let pass = pass_time(&world, ends_at, commands_rx, &mut sampler, reports_tx);
    runtime.block_on(local.run_until(pass));
    drop(local); // Buyers on their way record that they are unfinished.
    finish(&world, &mut sampler, reports_tx);
    runtime.shutdown_background();
    Ok(())
}

/// Sends frames until the end of the run, a command to stop, or the end of the parent.
async fn pass_time(
    world: &World,
    ends_at: SimTime,
    mut commands_rx: UnboundedReceiver<Command>,
    sampler: &mut Sampler,
    reports_tx: &mpsc::Sender<String>,
) {
    let mut frames = interval(FRAME_EVERY);
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = sleep_until(world.clock.wall_instant(ends_at));
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return,
            command = commands_rx.recv() => match command {
                Some(Command::Stop) | None => return,
            },
            _ = frames.tick() => {
                sampler.sample(world.tally.connected_peak.get(), world.http.dialer().refused());
                report(reports_tx, &WorkerReport::Frame(Box::new(world.take_frame())));
            }
        }
    }
}

fn finish(world: &World, sampler: &mut Sampler, reports_tx: &mpsc::Sender<String>) {
    report(
        reports_tx,
        &WorkerReport::Frame(Box::new(world.take_frame())),
    );
    let tally = &world.tally;
    let done = Done {
        figures: sampler.sample(tally.connected_peak.get(), world.http.dialer().refused()),
        socket_failures: *tally.socket_failures.borrow(),
        connections_opened: world.http.opened(),
        connection_waits: world.http.waits(),
        paid: tally.paid.take(),
    };
    report(reports_tx, &WorkerReport::Done(Box::new(done)));
}

/// The buyers of one worker.
struct Share {
    arrivals: Vec<(BuyerId, SimTime)>,
}

impl Share {
    fn of(assignment: &Assignment) -> Self {
        let ends_at = SimTime::ZERO + assignment.plan.clock.duration;
        let arrivals = arrival_times(&assignment.plan)
            .into_iter()
            .zip(0..)
            .filter(|(at, number)| {
                number % assignment.workers == assignment.worker && *at < ends_at
            })
            .map(|(at, number)| (BuyerId(number), at))
            .collect();
        Self { arrivals }
    }
}

/// Calls that may be on their way at once within `files_limit`.
fn connections_max(files_limit: u64) -> Result<usize, String> {
    let left = files_limit.saturating_sub(FILES_RESERVED) / 4;
    if left < 8 {
        return Err(format!(
            "{files_limit} open files are too few for a load worker (at least {} are needed)",
            FILES_RESERVED + 32
        ));
    }
    Ok(usize::try_from(left.min(CONNECTIONS_MAX)).unwrap_or(usize::MAX))
}

fn report(reports_tx: &mpsc::Sender<String>, report: &WorkerReport) {
    let line = serde_json::to_string(report).expect("reports have string keys only");
    // A writer that is gone means a parent that is gone: the end of the input stops this process.
    drop(reports_tx.send(line));
}

/// Writes lines on a thread of its own: a parent that is slow to read must not delay a buyer.
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

/// Reads commands on a thread of its own; the channel closes when the input ends.
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
