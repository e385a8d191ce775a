//! One process of a load-balancer node: accepts connections, and carries out the supervisor's commands.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, Socket};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;

use super::backend::{Backend, Held, Limits};
use super::message::{Answer, Command, NodeSettings};
use super::meter::{Counters, MeteredStream};
use super::paths::Paths;
use super::{checks, proxy};
use crate::deaf::deafen;
use tiketi_cloud::driver::Shift;
use tiketi_cloud::routing::{Cookie, Route, Router};
use tiketi_core::units::{InstanceId, SimTime, ZoneId};

/// Connections that may wait to be accepted: thousands of buyers can arrive within a second.
const BACKLOG: u32 = 4_096;
/// Real time between two updates of the node's scenario clock, which is only used for the expiry of cookies.
const CLOCK_STEP: Duration = Duration::from_millis(100);
/// Real time between two reports of the load.
const LOAD_PERIOD: Duration = Duration::from_secs(1);
/// Real time to wait when there is no file descriptor for another connection.
const OUT_OF_FILES_PAUSE: Duration = Duration::from_millis(10);

/// What all tasks of a node process share.
pub(super) struct Shared {
    pub(super) meter: Arc<Counters>,
    pub(super) limits: Limits,
    pub(super) paths: Arc<Paths>,
    group: Mutex<Group>,
    /// Scenario time in nanoseconds, updated by a task.
    now: AtomicU64,
}

/// The target group.
struct Group {
    router: Router,
    members: BTreeMap<InstanceId, Member>,
    /// Zones that a zonal shift keeps traffic away from.
    shifted: BTreeSet<ZoneId>,
}

impl Group {
    fn shift(&mut self, zone: ZoneId, shift: Shift) {
        match shift {
            Shift::Away => self.shifted.insert(zone),
            Shift::Back => self.shifted.remove(&zone),
        };
        let here = |member: &Member| member.backend.zone == zone;
        for (instance, _) in self.members.iter().filter(|(_, member)| here(member)) {
            self.router.set_shifted(*instance, shift == Shift::Away);
        }
    }
}

struct Member {
    backend: Arc<Backend>,
    /// Cancelled to end the health checks.
    checks: CancellationToken,
}

impl Shared {
    /// Chooses a target; the guard counts the request as open to it. `None` if no target is registered.
    pub(super) fn route(&self, cookie: Option<Cookie>) -> Option<(Route, Held)> {
        let now = SimTime::from_nanos(self.now.load(Ordering::Relaxed));
        let mut group = self.group();
        let route = group.router.route(now, cookie)?;
        if let Some(fate) = route.fate {
            self.meter.handle_fate(fate);
        }
        let held = group.members.get(&route.instance)?.backend.hold();
        Some((route, held))
    }

    fn group(&self) -> MutexGuard<'_, Group> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until [`Command::Stop`] or until the commands end, then drops all connections.
pub async fn run(
    settings: NodeSettings,
    mut commands: UnboundedReceiver<Command>,
    answers: UnboundedSender<Answer>,
) -> std::io::Result<()> {
    let listener = listen(settings.listen)?;
    let port = listener.local_addr()?.port();
    let door = Door {
        listener: Arc::new(listener),
        closed: CancellationToken::new(),
    };
    let node = Node::new(settings, answers);
    let ended = node.ended.clone();
    let _end_all_tasks = ended.clone().drop_guard();
    let accepting = accept(Arc::clone(&door.listener), Arc::clone(&node.shared), ended);
    let closed = door.closed.clone();
    node.spawn(async move {
        closed.run_until_cancelled(accepting).await;
    });
    node.spawn(keep_time(
        Arc::clone(&node.shared),
        node.settings.now,
        node.settings.speed,
    ));
    node.spawn(report_load(Arc::clone(&node.shared), node.answers.clone()));
    node.say(Answer::Ready { port });
    // Fills the queue of a door that accepts nobody.
    let mut filler = None;
    while let Some(command) = commands.recv().await {
        match command {
            Command::Stop => break,
            Command::Deafen => {
                filler = Some(door.deafen()?);
                node.say(Answer::Deaf);
            }
            Command::Register { .. }
            | Command::Deregister { .. }
            | Command::Remove { .. }
            | Command::Impair { .. }
            | Command::Shift { .. }
            | Command::SetHealth { .. } => node.obey(command),
        }
    }
    drop(filler);
    Ok(())
}

/// Where the node listens.
struct Door {
    listener: Arc<TcpListener>,
    /// Cancelled to accept nobody any more. The socket goes on to listen.
    closed: CancellationToken,
}

impl Door {
    /// Lets nobody in from now on: connections time out. What is returned must be kept.
    fn deafen(&self) -> std::io::Result<Socket> {
        self.closed.cancel();
        deafen(&SockRef::from(&*self.listener))
    }
}

/// The part of a node process that carries out commands.
struct Node {
    settings: NodeSettings,
    shared: Arc<Shared>,
    answers: UnboundedSender<Answer>,
    /// Cancelled when the node ends; all of its tasks end with it.
    ended: CancellationToken,
}

impl Node {
    fn new(settings: NodeSettings, answers: UnboundedSender<Answer>) -> Self {
        let wall = |length: Duration| length.div_f64(settings.speed);
        let shared = Arc::new(Shared {
            meter: Arc::default(),
            limits: Limits {
                source: settings.listen.ip(),
                connect: wall(settings.alb.connect_timeout),
                idle: wall(settings.alb.idle_timeout),
            },
            paths: Arc::new(Paths::new(settings.zone, settings.seed, settings.speed)),
            group: Mutex::new(Group {
                router: Router::new(settings.alb.stickiness),
                members: BTreeMap::new(),
                shifted: BTreeSet::new(),
            }),
            now: AtomicU64::new(settings.now.as_nanos()),
        });
        Self {
            settings,
            shared,
            answers,
            ended: CancellationToken::new(),
        }
    }

    fn obey(&self, command: Command) {
        match command {
            Command::Register {
                instance,
                address,
                zone,
            } => self.register(instance, (address, zone)),
            Command::Impair { impairments } => self.shared.paths.set(impairments),
            Command::Shift { zone, shift } => self.shared.group().shift(zone, shift),
            Command::Deregister { instance, delay } => self.deregister(instance, delay),
            Command::Remove { instance } => {
                if let Some(member) = self.take_out(instance) {
                    member.backend.cut.cancel();
                }
            }
            Command::SetHealth { instance, healthy } => {
                self.shared.group().router.set_health(instance, healthy);
            }
            Command::Deafen | Command::Stop => {} // About the whole process.
        }
    }

    fn register(&self, instance: InstanceId, (address, zone): (SocketAddr, ZoneId)) {
        self.take_out(instance);
        let member = Member {
            backend: Arc::new(Backend::new(
                (address, zone),
                self.shared.limits,
                self.ended.child_token(),
            )),
            checks: CancellationToken::new(),
        };
        if self.settings.checks {
            let (shared, answers) = (Arc::clone(&self.shared), self.answers.clone());
            let announce = move |healthy| {
                shared.group().router.set_health(instance, healthy);
                // A supervisor that is gone ends the process through its input.
                let _ = answers.send(Answer::Health { instance, healthy });
            };
            let check = self.settings.alb.health_check;
            let path = (Arc::clone(&self.shared.paths), zone);
            let ends = (self.settings.listen.ip(), address);
            let watch = checks::watch(ends, (check, self.settings.speed), path, announce);
            let end = member.checks.clone();
            self.spawn(async move {
                end.run_until_cancelled(watch).await;
            });
        }
        let mut group = self.shared.group();
        group.router.register(instance);
        let is_shifted = group.shifted.contains(&zone);
        group.router.set_shifted(instance, is_shifted);
        group.members.insert(instance, member);
    }

    fn deregister(&self, instance: InstanceId, delay: Duration) {
        let Some(member) = self.take_out(instance) else {
            self.say(Answer::Drained { instance });
            return;
        };
        let delay = delay.div_f64(self.settings.speed);
        let answers = self.answers.clone();
        self.spawn(async move {
            let drained = tokio::time::timeout(delay, member.backend.wait_idle());
            if drained.await.is_err() {
                member.backend.cut.cancel();
                member.backend.wait_idle().await;
            }
            let _ = answers.send(Answer::Drained { instance });
        });
    }

    /// Ends the health checks and the routing of a target; open requests and sockets continue.
    fn take_out(&self, instance: InstanceId) -> Option<Member> {
        let mut group = self.shared.group();
        group.router.deregister(instance);
        let member = group.members.remove(&instance)?;
        member.checks.cancel();
        Some(member)
    }

    fn say(&self, answer: Answer) {
        // A supervisor that is gone ends the process through its input.
        let _ = self.answers.send(answer);
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let ended = self.ended.clone();
        tokio::spawn(async move {
            ended.run_until_cancelled(task).await;
        });
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: Arc<TcpListener>, shared: Arc<Shared>, ended: CancellationToken) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let connection = serve(stream, peer, Arc::clone(&shared));
                let ended = ended.clone();
                tokio::spawn(async move {
                    ended.run_until_cancelled(connection).await;
                });
            }
            Err(_) => {
                shared.meter.rejected.add(1);
                tokio::time::sleep(OUT_OF_FILES_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let client =
        HeaderValue::try_from(peer.ip().to_string()).expect("an address is valid in a header");
    let idle = shared.limits.idle;
    let io = TokioIo::new(MeteredStream::new(stream, Arc::clone(&shared.meter)));
    let service = service_fn(move |request| {
        let (shared, client) = (Arc::clone(&shared), client.clone());
        async move { Ok::<_, std::convert::Infallible>(proxy::handle(shared, client, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .serve_connection(io, service)
        .with_upgrades()
        .await;
    // An error of a client's connection is counted in the handler.
    drop(served);
}

/// Advances the scenario clock with the ticks of a timer.
async fn keep_time(shared: Arc<Shared>, start: SimTime, speed: f64) {
    let mut ticks = tokio::time::interval(CLOCK_STEP);
    let first = ticks.tick().await;
    loop {
        let passed = ticks.tick().await.duration_since(first);
        let now = start + passed.mul_f64(speed);
        shared.now.store(now.as_nanos(), Ordering::Relaxed);
    }
}

async fn report_load(shared: Arc<Shared>, answers: UnboundedSender<Answer>) {
    let mut due = tokio::time::interval(LOAD_PERIOD);
    while answers.send(Answer::Load(shared.meter.read())).is_ok() {
        due.tick().await;
    }
}
