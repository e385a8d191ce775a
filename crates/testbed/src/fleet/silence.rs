//! Instances whose zone has lost power: they are stopped for good and keep their sockets, so that their peers hear nothing.

use tokio_util::task::TaskTracker;

use super::address::Reserved;
use super::silent_thread::SilentThread;
use super::{Fleet, Kind, Member, Server};
use crate::child::{Launcher, Silenced};
use crate::instance::message::Command;
use tiketi_core::units::{InstanceId, ZoneId};

/// One silent instance.
pub(super) struct SilentInstance {
    zone: ZoneId,
    body: Body,
    /// Keeps the port from others.
    _reserved: Reserved,
}

enum Body {
    /// A thread whose connections another process keeps.
    Thread(SilentThread),
    /// A process that is stopped.
    Process(Silenced),
}

impl Fleet {
    /// Stops every instance of a zone, as a loss of power does: their peers hear nothing, and new connections time out, until
    /// [`Self::end_silence`]. Where nothing listens yet, connections are refused.
    pub fn silence_zone(&mut self, zone: ZoneId) {
        let lost: Vec<_> = self
            .members
            .extract_if(.., |_, member| member.zone == zone)
            .collect();
        let launcher = match &self.kind {
            Kind::Threads { launcher, .. } => launcher,
            Kind::Processes(blueprint) => &blueprint.launcher,
        };
        for (instance, member) in lost {
            match member.silence(launcher) {
                Ok(silent) => drop(self.silent.insert(instance, silent)),
                Err(member) => member.end(&self.ending),
            }
        }
    }

    /// Ends the instances of a zone whose power is back: connections that are still open break.
    pub fn end_silence(&mut self, zone: ZoneId) {
        let restored = self.silent.extract_if(.., |_, silent| silent.zone == zone);
        for (_, silent) in restored {
            silent.end(&self.ending);
        }
    }

    /// Notes that an instance accepts nobody any more.
    pub(super) fn handle_deaf(&self, instance: InstanceId) {
        if let Some(Body::Process(process)) = self.silent.get(&instance).map(|silent| &silent.body)
        {
            process.handle_deaf();
        }
    }
}

impl Member {
    /// Stops the instance for good; returns it as it was if it does not listen yet.
    fn silence(self, launcher: &Launcher) -> Result<SilentInstance, Box<Self>> {
        let body = match self.server {
            Server::Thread(instance) => {
                Body::Thread(SilentThread::new(instance, self.door, launcher.clone()))
            }
            Server::Process(server) if server.listens => {
                Body::Process(Silenced::new(server.process, Command::Deafen))
            }
            server @ (Server::Awaited | Server::Process(_)) => {
                return Err(Box::new(Self { server, ..self }));
            }
        };
        Ok(SilentInstance {
            zone: self.zone,
            body,
            _reserved: self.reserved,
        })
    }
}

impl SilentInstance {
    /// Ends the instance; `ending` waits until it is gone.
    pub(super) fn end(self, ending: &TaskTracker) {
        match self.body {
            Body::Thread(thread) => drop(ending.spawn(thread.end())),
            Body::Process(process) => drop(ending.spawn(process.end())),
        }
    }
}
