//! The supervisor's side of the load balancer: starts, commands and stops the node processes, and combines their reports.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::message::{Answer, Command, Load, NodeSettings};
use super::process::AlbNode;
use crate::child::{self, Launcher, Silenced, Word};
use tiketi_cloud::driver::Shift;
use tiketi_cloud::health_votes::HealthVotes;
use tiketi_cloud::order::Input;
use tiketi_core::impairment::Impairments;
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_measure::stall::{Book, Noticed, StallKind, ToolPart};
use tiketi_scenario::topology::Alb;

/// How the nodes are built.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// What runs their processes.
    pub launcher: Launcher,
    /// Health checks, stickiness, delays, timeouts.
    pub alb: Alb,
    /// Scenario seconds per second of real time.
    pub speed: f64,
    /// Address of each zone's node.
    pub addresses: Vec<Ipv4Addr>,
    /// The port of all nodes.
    pub port: u16,
    /// Seed of the delays of impaired paths.
    pub seed: u64,
    /// Processes per node.
    pub processes_per_node: u64,
    /// Log file for the standard error of each zone's node; empty if they share that of this process.
    pub logs: Vec<PathBuf>,
}

/// The load balancer.
#[derive(Debug)]
pub struct Balancer {
    blueprint: Blueprint,
    processes: BTreeMap<ProcessId, Process>,
    /// Stopped processes of nodes without power.
    silenced: BTreeMap<ProcessId, (ZoneId, Silenced)>,
    next_process: ProcessId,
    heard_tx: UnboundedSender<Heard>,
    targets: BTreeMap<InstanceId, (SocketAddr, ZoneId)>,
    impairments: Impairments,
    /// Zones that a zonal shift keeps traffic away from.
    shifted: BTreeSet<ZoneId>,
    votes: HealthVotes,
    /// Processes that have not yet reported that a deregistered target is drained.
    draining: BTreeMap<InstanceId, BTreeSet<ProcessId>>,
    /// The totals of processes that are gone.
    past: Load,
    stalls: Book,
}

type ProcessId = u32;

/// A report of a node process, or its end.
#[derive(Debug)]
pub struct Heard {
    process: ProcessId,
    word: Word<Answer>,
}

/// What follows from a report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum News {
    /// An input for the control plane.
    Input(Input),
    /// All processes of a zone's node are listening.
    NodeUp(ZoneId),
    /// A process ended unexpectedly.
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

impl Balancer {
    /// Builds a load balancer without nodes. The reports of its processes come out of the receiver; pass them to
    /// [`Self::handle`].
    pub fn new(blueprint: Blueprint) -> (Self, UnboundedReceiver<Heard>) {
        let (heard_tx, heard) = mpsc::unbounded_channel();
        let balancer = Self {
            blueprint,
            processes: BTreeMap::new(),
            silenced: BTreeMap::new(),
            next_process: 0,
            heard_tx,
            targets: BTreeMap::new(),
            impairments: Impairments::default(),
            shifted: BTreeSet::new(),
            votes: HealthVotes::default(),
            draining: BTreeMap::new(),
            past: Load::default(),
            stalls: Book::default(),
        };
        (balancer, heard)
    }

    /// Starts the node of a zone with the registered targets; [`News::NodeUp`] follows when it listens.
    ///
    /// # Errors
    ///
    /// When a process cannot be started.
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
                zone,
                seed: self
                    .blueprint
                    .seed
                    .wrapping_add(u64::from(self.next_process)),
                checks: index == 0,
            };
            self.start_process(zone, &settings)?;
        }
        Ok(())
    }

    /// Kills the node of a zone at once: its clients see resets, and new connections are refused.
    pub fn kill_node(&mut self, zone: ZoneId) -> Vec<News> {
        let gone: Vec<_> = self.processes_of(zone).collect();
        for id in &gone {
            self.forget(*id);
        }
        self.after_loss(zone)
    }

    /// Stops the node of a zone, as a loss of power does: its clients hear nothing, and new connections time out, until
    /// [`Self::end_silence`].
    pub fn silence_node(&mut self, zone: ZoneId) -> Vec<News> {
        let gone: Vec<_> = self.processes_of(zone).collect();
        for id in &gone {
            if let Some(child) = self.take_out(*id) {
                let silenced = Silenced::new(child, Command::Deafen);
                self.silenced.insert(*id, (zone, silenced));
            }
        }
        self.after_loss(zone)
    }

    /// Kills the stopped processes of a zone whose power is back. Their address refuses connections until the node starts.
    pub fn end_silence(&mut self, zone: ZoneId) {
        let of_zone = self.silenced.extract_if(.., |_, (of, _)| *of == zone);
        for (_, (_, silenced)) in of_zone {
            tokio::spawn(silenced.end());
        }
    }

    /// Adds a target to the group.
    pub fn register(&mut self, instance: InstanceId, (address, zone): (SocketAddr, ZoneId)) {
        self.tell_all(&Command::Register {
            instance,
            address,
            zone,
        });
        self.targets.insert(instance, (address, zone));
        // A target that is registered again starts without a verdict.
        self.votes.deregister(instance);
        self.votes.register(instance);
    }

    /// These paths are impaired from now on, and no others.
    pub fn impair(&mut self, impairments: Impairments) {
        self.tell_all(&Command::Impair {
            impairments: impairments.clone(),
        });
        self.impairments = impairments;
    }

    /// Keeps requests away from the targets of a zone, or no longer.
    pub fn shift(&mut self, zone: ZoneId, shift: Shift) {
        match shift {
            Shift::Away => self.shifted.insert(zone),
            Shift::Back => self.shifted.remove(&zone),
        };
        self.tell_all(&Command::Shift { zone, shift });
    }

    /// Whether the node of a zone listens.
    pub fn is_up(&self, zone: ZoneId) -> bool {
        let mut processes = self.processes_of(zone).peekable();
        processes.peek().is_some() && processes.all(|id| self.processes[&id].ready)
    }

    /// Whether a zonal shift keeps traffic away from a zone.
    pub fn is_shifted(&self, zone: ZoneId) -> bool {
        self.shifted.contains(&zone)
    }

    /// Removes a target; [`Input::Drained`] follows, at once if no node is up.
    pub fn deregister(&mut self, instance: InstanceId, delay: Duration) -> Option<News> {
        self.targets.remove(&instance);
        self.votes.deregister(instance);
        self.tell_all(&Command::Deregister { instance, delay });
        let waiting_for = self.processes.keys().copied().collect();
        self.draining.insert(instance, waiting_for);
        self.drained()
    }

    /// Removes a target whose instance has ended.
    pub fn remove(&mut self, instance: InstanceId) {
        self.targets.remove(&instance);
        self.votes.deregister(instance);
        self.draining.remove(&instance);
        self.tell_all(&Command::Remove { instance });
    }

    /// Processes a report.
    pub fn handle(&mut self, heard: &Heard) -> Vec<News> {
        let Some(process) = self.processes.get_mut(&heard.process) else {
            if let (Word::Answer(Answer::Deaf), Some((_, silenced))) =
                (heard.word, self.silenced.get(&heard.process))
            {
                silenced.handle_deaf();
            }
            return Vec::new();
        };
        let zone = process.zone;
        let answer = match heard.word {
            Word::Answer(answer) => answer,
            Word::Stalled(lapse) => {
                let (part, kind) = (ToolPart::Node(zone), StallKind::Stopped);
                self.stalls.handle_lapse(part, kind, Noticed::BySelf, lapse);
                return Vec::new();
            }
            Word::Ended => {
                self.forget(heard.process);
                let mut news = self.after_loss(zone);
                news.push(News::ProcessLost(zone));
                return news;
            }
        };
        match answer {
            Answer::Ready { .. } => {
                process.ready = true;
                let up = self.processes_of(zone).all(|id| self.processes[&id].ready);
                up.then_some(News::NodeUp(zone)).into_iter().collect()
            }
            Answer::Health { instance, healthy } => {
                self.tell_siblings(heard.process, &Command::SetHealth { instance, healthy });
                let changed = self.votes.handle_vote(instance, zone, healthy);
                changed
                    .map(|healthy| health(instance, healthy))
                    .into_iter()
                    .collect()
            }
            Answer::Drained { instance } => {
                if let Some(waiting_for) = self.draining.get_mut(&instance) {
                    waiting_for.remove(&heard.process);
                }
                self.drained().into_iter().collect()
            }
            Answer::Load(load) => {
                process.load = load;
                Vec::new()
            }
            // Only a node that loses power gets the command to be deaf.
            Answer::Deaf => Vec::new(),
        }
    }

    /// Returns the totals of all nodes, lost ones included.
    pub fn load(&self) -> Load {
        self.past + self.processes.values().map(|process| process.load).sum()
    }

    /// Returns what was noticed of stalls so far, and forgets it.
    pub(crate) fn take_stalls(&mut self, now_unix_ns: u64) -> Book {
        let mut stalls = std::mem::take(&mut self.stalls);
        for process in self.processes.values() {
            // A process that is stopped at this moment has not reported it.
            if let Some(lapse) = process.child.heartbeat().overdue(now_unix_ns) {
                let part = ToolPart::Node(process.zone);
                stalls.handle_lapse(part, StallKind::Stopped, Noticed::InSupervisor, lapse);
            }
        }
        stalls
    }

    /// Returns the number of nodes that have a verdict on a target.
    #[cfg(test)]
    pub(crate) fn votes(&self, instance: InstanceId) -> usize {
        self.votes.count(instance)
    }

    /// Stops all processes and waits until they are gone.
    pub async fn stop(mut self) {
        self.tell_all(&Command::Stop);
        let silenced = std::mem::take(&mut self.silenced).into_values();
        join_all(silenced.map(|(_, silenced)| silenced.end())).await;
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
            move |word| {
                let process = id;
                // Fails only after the load balancer has ended.
                drop(heard_tx.send(Heard { process, word }));
            },
        )?;
        for (&instance, &(address, zone)) in &self.targets {
            child.tell(Command::Register {
                instance,
                address,
                zone,
            });
        }
        for &zone in &self.shifted {
            let shift = Shift::Away;
            child.tell(Command::Shift { zone, shift });
        }
        if !self.impairments.is_empty() {
            let impairments = self.impairments.clone();
            child.tell(Command::Impair { impairments });
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
        if let Some(child) = self.take_out(id) {
            tokio::spawn(child.kill());
        }
    }

    /// Takes out a process that is to end, and keeps its totals.
    fn take_out(&mut self, id: ProcessId) -> Option<child::Process<AlbNode>> {
        let process = self.processes.remove(&id)?;
        self.past = self.past
            + Load {
                connections: 0,
                web_sockets: 0,
                ..process.load
            };
        for waiting_for in self.draining.values_mut() {
            waiting_for.remove(&id);
        }
        Some(process.child)
    }

    /// A zone has lost processes: without the one that checks, its node has no vote.
    fn after_loss(&mut self, zone: ZoneId) -> Vec<News> {
        let checked = self.processes_of(zone).any(|id| self.processes[&id].checks);
        let changed = if checked {
            Vec::new()
        } else {
            self.votes.handle_node_lost(zone)
        };
        let changed = changed.into_iter();
        let mut news: Vec<_> = changed
            .map(|(instance, healthy)| health(instance, healthy))
            .collect();
        while let Some(drained) = self.drained() {
            news.push(drained);
        }
        news
    }

    /// Removes one target that is drained on all processes, if there is one.
    fn drained(&mut self) -> Option<News> {
        let done =
            |(&instance, left): (&InstanceId, &BTreeSet<_>)| left.is_empty().then_some(instance);
        let instance = self.draining.iter().find_map(done)?;
        self.draining.remove(&instance);
        Some(News::Input(Input::Drained { instance }))
    }

    fn tell_all(&self, command: &Command) {
        for process in self.processes.values() {
            process.child.tell(command.clone());
        }
    }

    fn tell_siblings(&self, speaker: ProcessId, command: &Command) {
        let zone = self.processes[&speaker].zone;
        for (&id, process) in &self.processes {
            if id != speaker && process.zone == zone {
                process.child.tell(command.clone());
            }
        }
    }
}

fn health(instance: InstanceId, healthy: bool) -> News {
    News::Input(Input::TargetHealth { instance, healthy })
}
