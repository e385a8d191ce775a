//! A server instance: a thread, a listener and a virtual processor.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::RawFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::app::{App, Counters};
use crate::clients::Client;
use crate::connection::Connection;
use crate::settings::Settings;
use crate::tier::{DataTier, TierUse};
use crate::{app, connection, realtime, schedule};
use tiketi_core::impairment::Quality;
use tiketi_core::units::Share;
use tiketi_station::{Stress, Work};

/// Connections that may wait to be accepted. After a zone is lost, all its clients reconnect at the same time.
const BACKLOG: i32 = 4_096;

/// Bytes of the read and write buffer of an HTTP connection: requests are small and connections are many.
const HTTP_BUFFER: usize = 8 * 1_024;

/// Pause after a failed accept, usually because the process has too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A running server instance. Dropping it kills it.
#[derive(Debug)]
pub struct Instance {
    name: String,
    address: SocketAddr,
    app: Arc<App>,
    phase: watch::Sender<Phase>,
    /// Runs tasks on the instance's thread.
    runtime: Handle,
    gate: Arc<Gate>,
    thread: Option<JoinHandle<Result<(), Crashed>>>,
}

/// A task of the instance has panicked, so the instance has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a task of the instance has panicked")]
struct Crashed;

/// Where the thread of a paused instance waits.
#[derive(Debug, Default)]
struct Gate {
    is_closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    /// Blocks the calling thread while the gate is closed.
    fn pass(&self) {
        let closed = lock(&self.is_closed);
        let is_closed = |closed: &mut bool| *closed;
        drop(self.opened.wait_while(closed, is_closed));
    }

    fn open(&self) {
        *lock(&self.is_closed) = false;
        self.opened.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lifecycle of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Accepts connections.
    Serving,
    /// Accepts no new connections; requests in flight and sockets continue.
    Draining,
    /// Has stopped.
    Stopped,
}

/// The load of an instance since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceLoad {
    /// HTTP requests.
    pub requests: u64,
    /// Sockets connected now.
    pub sockets: u64,
    /// Sockets connected so far.
    pub sockets_opened: u64,
    /// Busy time of the virtual processor, in scenario time.
    pub cpu_busy: Duration,
    /// Connections that were closed because the network does not admit their source.
    pub strangers_refused: u64,
    /// Attempts to accept a connection that failed, because the process or the machine had too many open files.
    pub out_of_files: u64,
    /// Messages sent, counted per recipient.
    pub fan_out_messages: u64,
    /// Busy time of the virtual processor for these messages, in scenario time.
    pub broadcast_busy: Duration,
    /// Connections of the pool that are in use now.
    pub pool_in_use: u64,
    /// Requests that found all database connections busy.
    pub pool_waits: u64,
    /// Requests that timed out waiting for a database connection.
    pub pool_timeouts: u64,
    /// Usage of the data tier.
    pub tier_use: TierUse,
}

impl Instance {
    /// Starts an instance on the listener. It accepts connections when this returns.
    pub fn start(
        name: impl Into<String>,
        listener: TcpListener,
        tier: impl Into<DataTier>,
        settings: Settings,
    ) -> io::Result<Self> {
        let name = name.into();
        // A second `listen` on a listening socket only changes its backlog.
        socket2::SockRef::from(&listener).listen(BACKLOG)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let niceness = settings.niceness;
        let app = Arc::new(App::new(name.clone(), tier.into(), settings));
        let (phase, changes) = watch::channel(Phase::Serving);
        let served = Arc::clone(&app);
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new()
            .name(name.clone())
            .spawn(move || {
                if let Err(error) = rustix::process::nice(niceness) {
                    tracing::warn!(%error, niceness, "could not lower the priority of the thread");
                }
                let ended = runtime.block_on(serve(listener, Arc::clone(&served), changes));
                // Dropping the runtime closes every connection and does not wait for bcrypt.
                runtime.shutdown_background();
                served.cache.leave_bus();
                served
                    .counters
                    .sockets
                    .store(0, std::sync::atomic::Ordering::Relaxed);
                ended
            })?;
        Ok(Self {
            name,
            address,
            app,
            phase,
            runtime: handle,
            gate: Arc::default(),
            thread: Some(thread),
        })
    }

    /// Returns the name given at the start.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the address that the instance listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting connections. Requests in flight finish; sockets stay until they disconnect or the instance is killed.
    pub fn drain(&self) {
        self.enter(Phase::Draining);
    }

    /// Closes all connections immediately, without answering requests in flight. Doesn't wait until that is done.
    pub fn kill(&self) {
        self.enter(Phase::Stopped);
        self.gate.open();
    }

    /// Pauses the instance's thread, as SIGSTOP pauses a process: the kernel accepts connections, and nobody answers.
    pub fn pause(&self) {
        drop(self.stop_thread());
    }

    /// Stops the instance as a loss of power does: its peers hear nothing from now on, also when it is killed.
    ///
    /// Returns its open connections as soon as its thread stands still: they stay open if another process has copies of these
    /// file descriptors before it is killed. The future of an instance that was paused already waits for ever.
    pub fn silence(&self) -> impl Future<Output = Vec<RawFd>> + Send + use<> {
        let connections = Arc::clone(&self.app.connections);
        connections.silence();
        let stands_still = self.stop_thread();
        async move {
            match stands_still.await {
                Ok(()) => connections.files(),
                // The thread has ended, and everything is closed.
                Err(_) => Vec::new(),
            }
        }
    }

    /// Blocks the instance's thread until the gate opens, and says when it stands still.
    fn stop_thread(&self) -> oneshot::Receiver<()> {
        *lock(&self.gate.is_closed) = true;
        let gate = Arc::clone(&self.gate);
        let (standing_still, stands_still) = oneshot::channel();
        // One thread runs everything of the instance: blocked here, it does nothing else.
        self.runtime.spawn(async move {
            // A caller that does not wait for it has dropped the receiver.
            let _ = standing_still.send(());
            gate.pass();
        });
        stands_still
    }

    /// Lets a paused instance continue.
    pub fn resume(&self) {
        self.gate.open();
    }

    /// From now on, other work takes this share of the virtual processor; zero for none.
    pub fn stress(&self, load: Share) {
        self.app.handle_stress(Stress::taking(load.get()));
    }

    /// The paths to Redis and to the database from now on. Only the embedded tier has paths that can be impaired.
    pub fn set_paths(&self, redis: Quality, database: Quality) {
        self.app.distance.set(redis, database);
    }

    /// Runs a task on the instance's thread; it is dropped when that thread ends.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(task));
    }

    /// Whether the instance is paused.
    pub fn is_paused(&self) -> bool {
        *lock(&self.gate.is_closed)
    }

    /// Returns whether the instance has stopped, after being killed or drained, or because it has panicked.
    pub fn is_stopped(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Returns whether the instance has stopped although nobody has asked it to: it has panicked. The message is on standard
    /// error; all connections are closed, and nothing of the instance runs any more.
    pub fn has_crashed(&self) -> bool {
        self.is_stopped() && *self.phase.borrow() == Phase::Serving
    }

    /// Returns the load of the instance so far.
    pub fn load(&self) -> InstanceLoad {
        let counters = &self.app.counters;
        let pool = self.app.database.pool_load();
        let messages = Counters::read(&counters.fan_out_messages);
        let one_message = self.app.times.fan_out(1);
        InstanceLoad {
            requests: Counters::read(&counters.requests),
            sockets: Counters::read(&counters.sockets),
            sockets_opened: Counters::read(&counters.sockets_opened),
            cpu_busy: self.app.cpu_busy(),
            strangers_refused: Counters::read(&counters.strangers_refused),
            out_of_files: Counters::read(&counters.out_of_files),
            fan_out_messages: messages,
            broadcast_busy: one_message.saturating_mul(u32::try_from(messages).unwrap_or(u32::MAX)),
            pool_in_use: pool.in_use,
            pool_waits: pool.waits,
            pool_timeouts: pool.timeouts,
            tier_use: self.app.tier_use(),
        }
    }

    /// Blocks until the instance has stopped.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            // The panic hook has printed the panic, if there was one. The tier works without this instance.
            drop(thread.join());
        }
    }

    /// Moves to a later phase; never back.
    fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|current| {
            let forward = *current < phase;
            *current = phase.max(*current);
            forward
        });
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // After `join`, the instance has already stopped.
        self.kill();
    }
}

/// Serves until the instance is killed, or is draining and its last connection has closed, or a task has panicked.
async fn serve(
    listener: tokio::net::TcpListener,
    app: Arc<App>,
    mut phase: watch::Receiver<Phase>,
) -> Result<(), Crashed> {
    let (layer, io) = realtime::build(&app);
    let router = app::routes(Arc::clone(&app)).layer(layer);
    schedule::start(&app);
    let delivery = realtime::deliver(Arc::clone(&app), io);
    tokio::spawn(app.crash.clone().guarded(delivery));
    let connections = TaskTracker::new();
    let crashed = app.crash.raised();
    tokio::pin!(crashed);
    loop {
        tokio::select! {
            biased;
            () = &mut crashed => return Err(Crashed),
            changed = phase.changed() => if changed.is_err() || *phase.borrow() != Phase::Serving { break },
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if !app.settings.sources.admit(peer.ip()) {
                        // As a security group does, without a word and before anything is read.
                        Counters::add(&app.counters.strangers_refused, 1);
                        continue;
                    }
                    let client = Client::at(peer.ip());
                    let Ok(place) = app.door.admit(client) else {
                        Counters::add(&app.counters.connections_refused, 1);
                        connection::refuse(&stream);
                        continue;
                    };
                    let client_has = (app.door.limits(), place);
                    let Ok(stream) = Connection::accepted(stream, &app.connections, client_has) else {
                        continue;
                    };
                    let conversation = converse(stream, client, router.clone(), Arc::clone(&app), phase.clone());
                    connections.spawn(app.crash.clone().guarded(conversation));
                }
                Err(error) => {
                    tracing::warn!(%error, instance = app.name, "accept failed");
                    if is_out_of_files(&error) {
                        Counters::add(&app.counters.out_of_files, 1);
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    connections.close();
    app.payments.close();
    let stopped = async {
        drop(phase.wait_for(|phase| *phase == Phase::Stopped).await);
    };
    tokio::select! {
        () = &mut crashed => Err(Crashed),
        () = stopped => Ok(()),
        () = drained(&connections, &app) => Ok(()),
    }
}

fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE].contains(&Errno::from_io_error(error).unwrap_or(Errno::IO))
}

/// Waits for the last request and the last socket to finish.
async fn drained(connections: &TaskTracker, app: &App) {
    connections.wait().await;
    app.payments.wait().await;
    while Counters::read(&app.counters.sockets) > 0 {
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Serves one connection.
async fn converse(
    connection: Connection,
    client: Client,
    router: axum::Router,
    app: Arc<App>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.max_buf_size(HTTP_BUFFER);
    if let Some(limits) = app.door.limits() {
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.timeout);
    }
    let service = hyper::service::service_fn(move |request| {
        let (router, app) = (router.clone(), Arc::clone(&app));
        answer(request, client, router, app)
    });
    // Without `pipeline_flush`, which would buffer the responses to pipelined requests without limit.
    let connection = http
        .serve_connection(TokioIo::new(connection), service)
        .with_upgrades();
    tokio::pin!(connection);
    let drain = async {
        drop(phase.wait_for(|phase| *phase != Phase::Serving).await);
    };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = drain => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "connection ended early");
    }
}

async fn answer(
    request: Request<Incoming>,
    client: Client,
    mut router: axum::Router,
    app: Arc<App>,
) -> Result<Response<Body>, std::convert::Infallible> {
    Counters::add(&app.counters.requests, 1);
    let timeout = app.door.limits().map(|limits| limits.timeout);
    let admitted = app.door.handle_request(client, &request, app.clock.now());
    let complete = match admitted {
        Ok(()) => app.bodies.complete(request, timeout).await,
        Err(error) => Err(error),
    };
    let request = match complete {
        Ok(request) => request,
        Err(error) => return Ok(error.into_response()),
    };
    if realtime::is_poll(&request) {
        app.work(Work::SocketPoll).await;
    }
    // A router is always ready, so this skips `poll_ready`.
    router.call(request).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::EmbeddedTier;

    fn start() -> Instance {
        let settings = Settings::default();
        let tier = EmbeddedTier::new(&settings, Vec::new(), Duration::ZERO);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Instance::start("one", listener, tier, settings).unwrap()
    }

    fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..1_000 {
            if is_so() {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("{what} did not come to pass");
    }

    fn connects(instance: &Instance) -> bool {
        std::net::TcpStream::connect(instance.address()).is_ok()
    }

    #[test]
    fn a_client_that_gives_up_is_no_lack_of_files() {
        use rustix::io::Errno;
        let error = |errno: Errno| io::Error::from(errno);
        assert!(is_out_of_files(&error(Errno::MFILE)));
        assert!(is_out_of_files(&error(Errno::NFILE)));
        assert!(!is_out_of_files(&error(Errno::CONNABORTED)));
        assert!(!is_out_of_files(&io::Error::other("no number")));
    }

    #[test]
    fn an_instance_stops_as_a_whole_when_one_of_its_tasks_panics() {
        let instance = start();
        assert!(connects(&instance) && !instance.has_crashed());
        let panics = || -> () { panic!("planted") };
        let task = instance.app.crash.clone();
        let task = task.guarded(async move { panics() });
        drop(instance.runtime.spawn(task));
        until("the end", || instance.has_crashed());
        assert!(!connects(&instance), "nothing listens any more");
    }

    #[test]
    fn an_instance_that_was_asked_to_stop_has_not_crashed() {
        let instance = start();
        instance.kill();
        until("the end", || instance.is_stopped());
        assert!(!instance.has_crashed());
    }

    #[test]
    fn a_source_that_the_network_does_not_admit_is_refused_before_it_is_read() {
        use std::io::{Read as _, Write as _};
        let settings = Settings {
            sources: crate::Sources::Rules {
                admitted: Vec::new(),
                known: Vec::new(),
                others: false,
            },
            ..Settings::default()
        };
        let tier = EmbeddedTier::new(&settings, Vec::new(), Duration::ZERO);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let instance = Instance::start("closed", listener, tier, settings).unwrap();
        let mut stream = std::net::TcpStream::connect(instance.address()).unwrap();
        // The connection may be closed before or after the request is sent.
        drop(stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"));
        let mut response = Vec::new();
        drop(stream.read_to_end(&mut response));
        assert!(response.is_empty(), "{response:?}");
        assert_eq!(instance.load().strangers_refused, 1);
        assert_eq!(instance.load().requests, 0);
    }
}
