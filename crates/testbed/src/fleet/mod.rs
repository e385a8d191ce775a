//! The instances: real servers on loopback addresses of their zones, started, ended, stopped, and killed.
//!
//! They are threads of this process on the embedded data tier, and processes of their own on a real one. The rest of the
//! testbed sees no difference.

mod address;
mod server;
mod silence;
mod silent_thread;
mod stalls;
mod thread_watch;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::Ipv4Net;
use tiketi_server::{
    EmbeddedTier, Instance, InstanceLoad, Provider, Receipts, ServersConfig, Settings, Show,
    Sources,
};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

use super::child::{Launcher, Process, Word};
use super::instance::message::{Answer, Command, InstanceSettings};
use super::pulse::Heartbeat;
use super::zone::{FIRST_HOST, on_loopback};
use address::Reserved;
pub(super) use address::listener_at;
use server::{InstanceProcess, Server};
use silence::SilentInstance;
use thread_watch::watch_thread;
use tiketi_cloud::driver::CpuTime;
use tiketi_core::impairment::Quality;
use tiketi_core::units::{InstanceId, Share, ZoneId};
use tiketi_measure::stall::{Book, Lapse};

/// Real time within which killed instances must be gone.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// How instances run on this machine.
#[derive(Debug)]
pub enum Kind {
    /// As threads of this process, with the embedded data tier in it.
    Threads {
        /// Their data tier.
        tier: EmbeddedTier,
        /// What starts the processes that keep the connections of silent instances.
        launcher: Launcher,
    },
    /// As processes.
    Processes(Box<Blueprint>),
}

/// How instance processes are started.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// What starts them.
    pub launcher: Launcher,
    /// Where their data tier is.
    pub config: ServersConfig,
    /// Whether they connect to it from their own addresses, so that it can tell who they are. Existing servers may be on another
    /// machine, which no loopback address reaches.
    pub from_own_address: bool,
    /// The shows on sale.
    pub shows: Vec<Show>,
    /// Existing folder for the standard error of each process, as `instance-N.log`; `None` if they share that of this
    /// process.
    pub logs: Option<PathBuf>,
}

impl Blueprint {
    /// Where the data tier of an instance at this address is, and where it connects from.
    fn config_at(&self, address: IpAddr) -> ServersConfig {
        let mut config = self.config.clone();
        match address {
            IpAddr::V4(address) if self.from_own_address => config.source = Some(address),
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
        config
    }
}

/// What the instances of a zone have in common.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// Their subnet.
    pub subnet: Ipv4Net,
    /// Where they find the payment provider.
    pub provider: Provider,
    /// What becomes of their receipts.
    pub receipts: Receipts,
}

impl Site {
    /// A subnet from which nothing outside is called: instances have their built-in provider, and upload no receipts.
    pub fn closed(subnet: Ipv4Net) -> Self {
        Self {
            subnet,
            provider: Provider::default(),
            receipts: Receipts::default(),
        }
    }
}

/// All instances that exist.
#[expect(
    missing_debug_implementations,
    reason = "a running server has nothing to show"
)]
pub struct Fleet {
    kind: Kind,
    settings: Settings,
    sites: Vec<Site>,
    /// Addresses assigned so far in each zone.
    given: Vec<u32>,
    members: BTreeMap<InstanceId, Member>,
    /// Instances without power: stopped for good, with open sockets.
    silent: BTreeMap<InstanceId, SilentInstance>,
    heard_tx: UnboundedSender<Heard>,
    /// Who may open connections to the instances of each zone; everyone to those of other zones.
    sources: BTreeMap<ZoneId, Sources>,
    /// The paths from each zone to Redis and to the database; empty if all are clear.
    paths: BTreeMap<ZoneId, (Quality, Quality)>,
    /// Killed instances that are not gone yet.
    ending: TaskTracker,
    stalls: Book,
}

struct Member {
    zone: ZoneId,
    reserved: Reserved,
    /// The task that ends the boot; `None` when the boot is over.
    boot: Option<AbortHandle>,
    server: Server,
    /// The listening socket of its thread, to be made deaf; `None` for a process, which has its own, and during the boot.
    door: Option<TcpListener>,
    /// Signs of life of its thread; `None` for a process, which has its own, and during the boot.
    heartbeat: Option<Heartbeat>,
}

/// An event of an instance; pass it to [`Fleet::handle`].
#[derive(Debug)]
pub struct Heard {
    instance: InstanceId,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Its boot is over.
    Booted,
    /// Its process or thread reported something.
    Said(Said),
    /// It did not run for a while, although it should have.
    Stalled(Lapse),
}

/// A report of a process or thread.
#[derive(Debug)]
enum Said {
    /// It is listening.
    Listening,
    /// It accepts nobody any more.
    Deaf,
    /// It cannot serve.
    Failed { reason: String },
    /// It has ended.
    Ended,
}

/// What follows from an event.
#[derive(Debug)]
pub enum News {
    /// An instance answers; before that [`Fleet::is_opening`] was true.
    Answers(InstanceId),
    /// An instance is gone that was not terminated.
    Lost {
        /// The instance.
        instance: InstanceId,
        /// Why.
        cause: Cause,
    },
}

/// Why an instance is gone.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// It served, and ended unexpectedly.
    #[error("it ended unexpectedly")]
    Crashed,
    /// It could not be started.
    #[error(transparent)]
    NotStarted(io::Error),
}

/// One instance and its load.
#[derive(Clone, Debug)]
pub struct InstanceGauge {
    /// The instance.
    pub instance: InstanceId,
    /// Its zone.
    pub zone: ZoneId,
    /// Its load (of a process: its last report); `None` until it answers.
    pub load: Option<InstanceLoad>,
}

impl Fleet {
    /// Builds a fleet without instances. Their events come out of the receiver; pass them to [`Self::handle`].
    pub fn new(
        kind: Kind,
        settings: Settings,
        sites: Vec<Site>,
    ) -> (Self, UnboundedReceiver<Heard>) {
        let (heard_tx, heard) = mpsc::unbounded_channel();
        let fleet = Self {
            kind,
            settings,
            given: vec![0; sites.len()],
            sites,
            members: BTreeMap::new(),
            silent: BTreeMap::new(),
            heard_tx,
            sources: BTreeMap::new(),
            paths: BTreeMap::new(),
            ending: TaskTracker::new(),
            stalls: Book::default(),
        };
        (fleet, heard)
    }

    /// Lets instances that are launched from now on accept connections from these sources only.
    #[must_use]
    pub fn admitting(mut self, sources: BTreeMap<ZoneId, Sources>) -> Self {
        self.sources = sources;
        self
    }

    /// Starts an instance that answers after `boot` of scenario time; until then connections to it are refused. A process
    /// needs a moment longer to open its socket.
    ///
    /// # Errors
    ///
    /// When no port is free on its address, or its thread or process cannot be started.
    pub fn launch(&mut self, instance: InstanceId, zone: ZoneId, boot: Duration) -> io::Result<()> {
        let host = FIRST_HOST + self.given[zone.index()];
        self.given[zone.index()] += 1;
        let reserved = Reserved::new(on_loopback(self.sites[zone.index()].subnet, host))?;
        let server = self.begin_boot((instance, zone), reserved.address())?;
        let mut member = Member {
            zone,
            reserved,
            boot: None,
            server,
            door: None,
            heartbeat: None,
        };
        if boot.is_zero() {
            self.members.insert(instance, member);
            return self.answer(instance);
        }
        let wall = boot.div_f64(self.settings.speed);
        let heard_tx = self.heard_tx.clone();
        let booted = tokio::spawn(async move {
            tokio::time::sleep(wall).await;
            let what = What::Booted;
            drop(heard_tx.send(Heard { instance, what }));
        });
        member.boot = Some(booted.abort_handle());
        self.members.insert(instance, member);
        Ok(())
    }

    /// Processes an event.
    pub fn handle(&mut self, heard: Heard) -> Option<News> {
        let Heard { instance, what } = heard;
        let cause = match what {
            What::Booted => Cause::NotStarted(self.answer(instance).err()?),
            What::Said(said) => match self.hear(instance, said)? {
                Ok(()) => return Some(News::Answers(instance)),
                Err(cause) => cause,
            },
            What::Stalled(lapse) => {
                self.handle_stall(instance, lapse);
                return None;
            }
        };
        if matches!(cause, Cause::Crashed) {
            self.handle_crash(instance);
        }
        self.terminate(instance);
        Some(News::Lost { instance, cause })
    }

    /// Whether an instance is about to answer: its boot is over, and its process has not reported yet that it listens.
    pub fn is_opening(&self, instance: InstanceId) -> bool {
        let is_opening = |member: &Member| member.boot.is_none() && member.server.load().is_none();
        self.members.get(&instance).is_some_and(is_opening)
    }

    /// Returns where an instance answers; `None` if it does not exist.
    pub fn address(&self, instance: InstanceId) -> Option<SocketAddr> {
        let member = self.members.get(&instance)?;
        Some(member.reserved.address())
    }

    /// Returns the zone of an instance; `None` if it does not exist.
    pub fn zone(&self, instance: InstanceId) -> Option<ZoneId> {
        Some(self.members.get(&instance)?.zone)
    }

    /// Returns the process id of an instance; `None` if it does not exist or is a thread.
    pub fn process_id(&self, instance: InstanceId) -> Option<u32> {
        match &self.members.get(&instance)?.server {
            Server::Process(server) => server.process.id(),
            Server::Awaited | Server::Thread(_) => None,
        }
    }

    /// Returns the instances of a zone, booting and paused ones included, lowest number first.
    pub fn in_zone(&self, zone: ZoneId) -> Vec<InstanceId> {
        let here =
            |(&instance, member): (&InstanceId, &Member)| (member.zone == zone).then_some(instance);
        self.members.iter().filter_map(here).collect()
    }

    /// Returns the instances of a zone that answer, lowest number first.
    pub fn answering_in(&self, zone: ZoneId) -> Vec<InstanceId> {
        let here = |(&instance, member): (&InstanceId, &Member)| {
            (member.zone == zone && member.server.answers()).then_some(instance)
        };
        self.members.iter().filter_map(here).collect()
    }

    /// Ends an instance, and with it everything that is still connected. One without power stays silent.
    pub fn terminate(&mut self, instance: InstanceId) {
        if let Some(member) = self.members.remove(&instance) {
            member.end(&self.ending);
        }
    }

    /// Pauses an instance without ending it: its socket accepts connections, and nothing answers.
    ///
    /// # Errors
    ///
    /// When the instance does not exist, or the signal cannot be sent.
    pub fn pause(&mut self, instance: InstanceId) -> io::Result<()> {
        self.server(instance)?.pause()?;
        self.handle_pause(instance);
        Ok(())
    }

    /// Lets a paused instance continue.
    ///
    /// # Errors
    ///
    /// When the instance does not exist, or the signal cannot be sent.
    pub fn resume(&mut self, instance: InstanceId) -> io::Result<()> {
        self.server(instance)?.resume()?;
        self.handle_resume(instance);
        Ok(())
    }

    /// Other work takes a share of the processor of an instance from now on. Does nothing if the instance is gone.
    pub fn stress(&self, instance: InstanceId, load: Share) {
        if let Some(member) = self.members.get(&instance) {
            member.server.stress(load);
        }
    }

    /// The paths from each zone to Redis and to the database from now on; those of other zones are clear.
    pub fn set_paths(&mut self, paths: BTreeMap<ZoneId, (Quality, Quality)>) {
        self.paths = paths;
        for member in self.members.values() {
            self.place(member);
        }
    }

    /// Tells an instance its paths to the data tier, unless it still boots.
    fn place(&self, member: &Member) {
        if member.boot.is_some() {
            return;
        }
        let (redis, database) = self.paths.get(&member.zone).copied().unwrap_or_default();
        member.server.set_paths(redis, database);
    }

    /// Kills every instance of a zone at once: their peers see resets.
    pub fn lose_zone(&mut self, zone: ZoneId) {
        for (_, member) in self.members.extract_if(.., |_, member| member.zone == zone) {
            member.end(&self.ending);
        }
    }

    /// Stops all instances and waits until their threads and processes are gone.
    pub async fn stop(self) {
        for member in self.members.into_values() {
            member.end(&self.ending);
        }
        for silent in self.silent.into_values() {
            silent.end(&self.ending);
        }
        self.ending.close();
        let gone = tokio::time::timeout(STOP_TIMEOUT, self.ending.wait());
        if gone.await.is_err() {
            tracing::error!(left = self.ending.len(), "instances did not end");
        }
    }

    /// Returns the processor time of the instances that answer.
    pub fn cpu_times(&self) -> Vec<CpuTime> {
        let time = |(&instance, member): (&InstanceId, &Member)| {
            let busy = member.server.load()?.cpu_busy;
            Some(CpuTime { instance, busy })
        };
        self.members.iter().filter_map(time).collect()
    }

    /// Returns the load of every instance.
    pub fn gauges(&self) -> Vec<InstanceGauge> {
        let gauge = |(&instance, member): (&InstanceId, &Member)| InstanceGauge {
            instance,
            zone: member.zone,
            load: member.server.load(),
        };
        self.members.iter().map(gauge).collect()
    }

    /// Returns the settings of the instances of a zone.
    fn settings_in(&self, zone: ZoneId) -> Settings {
        let site = &self.sites[zone.index()];
        Settings {
            provider: site.provider,
            receipts: site.receipts,
            sources: self.sources.get(&zone).cloned().unwrap_or_default(),
            ..self.settings.clone()
        }
    }

    /// Returns the server at the start of the boot.
    fn begin_boot(
        &self,
        (instance, zone): (InstanceId, ZoneId),
        address: SocketAddr,
    ) -> io::Result<Server> {
        let Kind::Processes(blueprint) = &self.kind else {
            return Ok(Server::Awaited);
        };
        let settings = InstanceSettings {
            name: instance.to_string(),
            address,
            settings: Settings {
                // The process has already lowered its own priority.
                niceness: 0,
                ..self.settings_in(zone)
            },
            config: blueprint.config_at(address.ip()),
            shows: blueprint.shows.clone(),
        };
        let log = |logs: &PathBuf| logs.join(format!("instance-{}.log", instance.0));
        let log = blueprint.logs.as_ref().map(log);
        let (load_tx, load) = watch::channel(InstanceLoad::default());
        let hear = self.hears(instance, load_tx);
        let process = Process::start(&blueprint.launcher, log.as_deref(), &settings, hear)?;
        Ok(Server::Process(Box::new(InstanceProcess {
            process,
            load,
            listens: false,
            is_paused: false,
        })))
    }

    /// Returns a function that forwards the reports of an instance's process.
    fn hears(
        &self,
        instance: InstanceId,
        load_tx: watch::Sender<InstanceLoad>,
    ) -> impl FnMut(Word<Answer>) + Send + use<> {
        let heard_tx = self.heard_tx.clone();
        move |word| {
            let what = match word {
                // Stored until it is read: nothing needs to wake up for it.
                Word::Answer(Answer::Load(load)) => {
                    load_tx.send_replace(load);
                    return;
                }
                Word::Answer(Answer::Listening) => What::Said(Said::Listening),
                Word::Answer(Answer::Deaf) => What::Said(Said::Deaf),
                Word::Answer(Answer::Failed { reason }) => What::Said(Said::Failed { reason }),
                Word::Answer(Answer::Stalled(lapse)) | Word::Stalled(lapse) => What::Stalled(lapse),
                Word::Ended => What::Said(Said::Ended),
            };
            // Fails only after the fleet has ended.
            drop(heard_tx.send(Heard { instance, what }));
        }
    }

    /// Ends the boot of an instance: it listens from now on. Does nothing if the instance is gone.
    fn answer(&mut self, instance: InstanceId) -> io::Result<()> {
        let Some(zone) = self.members.get(&instance).map(|member| member.zone) else {
            return Ok(());
        };
        let settings = self.settings_in(zone);
        let Some(member) = self.members.get_mut(&instance) else {
            return Ok(());
        };
        member.boot = None;
        match (&member.server, &self.kind) {
            (Server::Awaited, Kind::Threads { tier, .. }) => {
                let listener = listener_at(member.reserved.address())?;
                member.door = Some(listener.try_clone()?);
                let tier = tier.clone();
                let started = Instance::start(instance.to_string(), listener, tier, settings)?;
                let heard_tx = self.heard_tx.clone();
                member.heartbeat = Some(watch_thread(instance, &started, heard_tx));
                let paths = self.paths.get(&member.zone).copied().unwrap_or_default();
                started.set_paths(paths.0, paths.1);
                member.server = Server::Thread(started);
            }
            (Server::Process(server), _) => {
                server.process.tell(Command::Listen);
                if let Some(&(redis, database)) = self.paths.get(&member.zone) {
                    member.server.set_paths(redis, database);
                }
            }
            (Server::Thread(_) | Server::Awaited, _) => {}
        }
        Ok(())
    }

    /// Processes a report of a process or thread. Returns that it answers now, or why it is gone; `None` if it was ended
    /// before.
    fn hear(&mut self, instance: InstanceId, said: Said) -> Option<Result<(), Cause>> {
        if matches!(said, Said::Deaf) {
            self.handle_deaf(instance);
            return None;
        }
        let server = match self.server(instance).ok()? {
            Server::Process(server) => server,
            // A thread says nothing but that it has ended, by a panic.
            Server::Thread(_) => return Some(Err(Cause::Crashed)),
            Server::Awaited => return None,
        };
        let not_started = |reason| Err(Cause::NotStarted(io::Error::other(reason)));
        Some(match said {
            Said::Listening => {
                server.listens = true;
                Ok(())
            }
            Said::Deaf => return None,
            Said::Failed { reason } => not_started(reason),
            Said::Ended if server.listens => Err(Cause::Crashed),
            Said::Ended => not_started("its process ended before it listened".to_owned()),
        })
    }

    fn server(&mut self, instance: InstanceId) -> io::Result<&mut Server> {
        let member = self.members.get_mut(&instance);
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "there is no such instance");
        Ok(&mut member.ok_or_else(unknown)?.server)
    }
}

impl Member {
    /// Ends the instance at once; `ending` waits until it is gone.
    fn end(self, ending: &TaskTracker) {
        if let Some(boot) = self.boot {
            boot.abort();
        }
        self.server.kill(ending);
    }
}

#[cfg(test)]
pub(super) mod tests;
