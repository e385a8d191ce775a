//! The supervisor's side of the load balancer: starts, tells and ends the node processes, and sums up what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::message::{Answer, Command, Load, NodeSettings};
use super::process::AlbNode;
use crate::child::{self, Launcher};
use tiketi_cloud::order::Input;
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_scenario::topology::Alb;

/// How the nodes are built.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// What runs their processes.
    pub launcher: Launcher,
    /// Checks, stickiness, delays, timeouts.
    pub alb: Alb,
    /// Scenario seconds in a wall second.
    pub speed: f64,
    /// Address of each zone's node.
    pub addresses: Vec<Ipv4Addr>,
    /// The port of all nodes.
    pub port: u16,
    /// Processes a node.
    pub processes_per_node: u64,
    /// File that takes the standard error of each zone's node; empty if they share that of this process.
    pub logs: Vec<PathBuf>,
}

/// The load balancer.
#[derive(Debug)]
pub struct Balancer {
    blueprint: Blueprint,
    processes: BTreeMap<ProcessId, Process>,
    next_process: ProcessId,
    heard_tx: UnboundedSender<Heard>,
    targets: BTreeMap<InstanceId, Target>,
    /// Processes that have yet to say that a deregistered target is drained.
    draining: BTreeMap<InstanceId, BTreeSet<ProcessId>>,
    /// What processes that are gone had done.
    past: Load,
}

type ProcessId = u32;

/// What a node process said; `None` if it has ended.
#[derive(Debug)]
pub struct Heard {
    process: ProcessId,
    answer: Option<Answer>,
}

/// What follows from what was heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum News {
    /// Something the control plane is told.
    Input(Input),
    /// All processes of a zone's node listen.
    NodeUp(ZoneId),
    /// A process ended that nobody had ended.
    ProcessLost(ZoneId),
}

#[derive(Debug)]
struct Process {
    zone: ZoneId,
    /// Whether it makes the checks of its node.
    checks: bool,
    ready: bool,
    child: child::Process<AlbNode>,
    load: Load,
}

#[derive(Debug)]
struct Target {
    address: SocketAddr,
    /// The verdict of each live node that has one.
    votes: BTreeMap<ZoneId, bool>,
    /// The verdict last told.
    told: Option<bool>,
}

impl Target {
    /// The verdict of the whole load balancer if it differs from the one last told.
    ///
    /// A target is healthy when every live node that has made up its mind says so: a node that has just been started
    /// has no say until its first verdict, or its start would make the whole fleet unhealthy.
    fn changed(&mut self) -> Option<bool> {
        let healthy = self.votes.values().all(|&vote| vote);
        if self.votes.is_empty() || self.told == Some(healthy) {
            return None;
        }
        self.told = Some(healthy);
        Some(healthy)
    }
}

impl Balancer {
    /// A load balancer without nodes. What its processes say comes out of the receiver and goes to [`Self::handle`].
    pub fn new(blueprint: Blueprint) -> (Self, UnboundedReceiver<Heard>) {
        let (heard_tx, heard) = mpsc::unbounded_channel();
        let balancer = Self {
            blueprint,
            processes: BTreeMap::new(),
            next_process: 0,
            heard_tx,
            targets: BTreeMap::new(),
            draining: BTreeMap::new(),
            past: Load::default(),
        };
        (balancer, heard)
    }

    /// Starts the node of a zone; [`News::NodeUp`] follows when it listens. It learns the registered targets.
    pub fn start_node(&mut self, now: SimTime, zone: ZoneId) -> std::io::Result<()> {
        for index in 0..self.blueprint.processes_per_node {
            let settings = NodeSettings {
                listen: SocketAddr::from((
                    self.blueprint.addresses[zone.index()],
                    self.blueprint.port,
                )),
                speed: self.blueprint.speed,
                now,
                alb: self.blueprint.alb.clone(),
                checks: index == 0,
            };
            self.start_process(zone, &settings)?;
        }
        Ok(())
    }

    /// Kills the node of a zone at once, as a power failure does.
    pub fn kill_node(&mut self, zone: ZoneId) -> Vec<News> {
        let gone: Vec<_> = self.processes_of(zone).collect();
        for id in &gone {
            self.forget(*id);
        }
        self.after_loss(zone)
    }

    /// Adds a target to the group.
    pub fn register(&mut self, instance: InstanceId, address: SocketAddr) {
        self.tell_all(Command::Register { instance, address });
        self.targets.insert(
            instance,
            Target {
                address,
                votes: BTreeMap::new(),
                told: None,
            },
        );
    }

    /// Takes a target out; [`Input::Drained`] follows, at once if no node is up.
    pub fn deregister(&mut self, instance: InstanceId, delay: Duration) -> Option<News> {
        self.targets.remove(&instance);
        self.tell_all(Command::Deregister { instance, delay });
        let waiting_for = self.processes.keys().copied().collect();
        self.draining.insert(instance, waiting_for);
        self.drained()
    }

    /// Forgets a target whose instance has ended.
    pub fn remove(&mut self, instance: InstanceId) {
        self.targets.remove(&instance);
        self.draining.remove(&instance);
        self.tell_all(Command::Remove { instance });
    }

    /// Takes what a process said.
    pub fn handle(&mut self, heard: &Heard) -> Vec<News> {
        let Some(process) = self.processes.get_mut(&heard.process) else {
            return Vec::new();
        };
        let zone = process.zone;
        match heard.answer {
            None => {
                self.forget(heard.process);
                let mut news = self.after_loss(zone);
                news.push(News::ProcessLost(zone));
                news
            }
            Some(Answer::Ready { .. }) => {
                process.ready = true;
                let up = self.processes_of(zone).all(|id| self.processes[&id].ready);
                up.then_some(News::NodeUp(zone)).into_iter().collect()
            }
            Some(Answer::Health { instance, healthy }) => {
                self.tell_siblings(heard.process, Command::SetHealth { instance, healthy });
                if let Some(target) = self.targets.get_mut(&instance) {
                    target.votes.insert(zone, healthy);
                }
                self.verdicts()
            }
            Some(Answer::Drained { instance }) => {
                if let Some(waiting_for) = self.draining.get_mut(&instance) {
                    waiting_for.remove(&heard.process);
                }
                self.drained().into_iter().collect()
            }
            Some(Answer::Load(load)) => {
                process.load = load;
                Vec::new()
            }
        }
    }

    /// What has passed through all nodes, those that are gone included.
    pub fn load(&self) -> Load {
        self.past + self.processes.values().map(|process| process.load).sum()
    }

    /// Nodes that have made up their mind about a target.
    #[cfg(test)]
    pub(crate) fn votes(&self, instance: InstanceId) -> usize {
        let target = self.targets.get(&instance);
        target.map_or(0, |target| target.votes.len())
    }

    /// Ends all processes and waits until they are gone.
    pub async fn stop(mut self) {
        self.tell_all(Command::Stop);
        let processes = std::mem::take(&mut self.processes).into_values();
        join_all(processes.map(|process| process.child.end())).await;
    }

    fn start_process(&mut self, zone: ZoneId, settings: &NodeSettings) -> std::io::Result<()> {
        let id = self.next_process;
        self.next_process += 1;
        let heard_tx = self.heard_tx.clone();
        let log = self.blueprint.logs.get(zone.index());
        let child = child::Process::start(
            &self.blueprint.launcher,
            log.map(PathBuf::as_path),
            settings,
            move |answer| {
                let process = id;
                // Without a receiver the load balancer has ended.
                drop(heard_tx.send(Heard { process, answer }));
            },
        )?;
        for (&instance, target) in &self.targets {
            let address = target.address;
            child.tell(Command::Register { instance, address });
        }
        let process = Process {
            zone,
            checks: settings.checks,
            ready: false,
            child,
            load: Load::default(),
        };
        self.processes.insert(id, process);
        Ok(())
    }

    fn processes_of(&self, zone: ZoneId) -> impl Iterator<Item = ProcessId> {
        let of_zone =
            move |(&id, process): (&ProcessId, &Process)| (process.zone == zone).then_some(id);
        self.processes.iter().filter_map(of_zone)
    }

    /// Kills a process and keeps its totals.
    fn forget(&mut self, id: ProcessId) {
        let Some(process) = self.processes.remove(&id) else {
            return;
        };
        self.past = self.past
            + Load {
                connections: 0,
                web_sockets: 0,
                ..process.load
            };
        tokio::spawn(process.child.kill());
        for waiting_for in self.draining.values_mut() {
            waiting_for.remove(&id);
        }
    }

    /// A zone has lost processes: without the one that checks, its node has no vote.
    fn after_loss(&mut self, zone: ZoneId) -> Vec<News> {
        let checked = self.processes_of(zone).any(|id| self.processes[&id].checks);
        if !checked {
            for target in self.targets.values_mut() {
                target.votes.remove(&zone);
            }
        }
        let mut news = self.verdicts();
        while let Some(drained) = self.drained() {
            news.push(drained);
        }
        news
    }

    fn verdicts(&mut self) -> Vec<News> {
        let changed = |(&instance, target): (&InstanceId, &mut Target)| {
            let healthy = target.changed()?;
            Some(News::Input(Input::TargetHealth { instance, healthy }))
        };
        self.targets.iter_mut().filter_map(changed).collect()
    }

    /// Takes out one target that no process waits for any more.
    fn drained(&mut self) -> Option<News> {
        let done =
            |(&instance, left): (&InstanceId, &BTreeSet<_>)| left.is_empty().then_some(instance);
        let instance = self.draining.iter().find_map(done)?;
        self.draining.remove(&instance);
        Some(News::Input(Input::Drained { instance }))
    }

    fn tell_all(&self, command: Command) {
        for process in self.processes.values() {
            process.child.tell(command);
        }
    }

    fn tell_siblings(&self, speaker: ProcessId, command: Command) {
        let zone = self.processes[&speaker].zone;
        for (&id, process) in &self.processes {
            if id != speaker && process.zone == zone {
                process.child.tell(command);
            }
        }
    }
}
