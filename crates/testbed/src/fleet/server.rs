//! The server of one instance: a thread of this process, or a process of its own.

use std::io;

use tiketi_server::{Instance, InstanceLoad};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::child::Process;
use crate::instance::InstanceRole;
use crate::instance::message::Command;
use tiketi_core::impairment::Quality;
use tiketi_core::units::Share;

/// The server of one instance.
pub(super) enum Server {
    /// A thread that will start when the boot is over.
    Awaited,
    /// A running thread.
    Thread(Instance),
    /// A process, from the start of the boot.
    Process(Box<InstanceProcess>),
}

/// An instance process as its supervisor sees it.
pub(super) struct InstanceProcess {
    pub(super) process: Process<InstanceRole>,
    /// The load reported last.
    pub(super) load: watch::Receiver<InstanceLoad>,
    pub(super) listens: bool,
    pub(super) is_paused: bool,
}

impl Server {
    /// Returns the load; `None` until it answers. For a process it is the last report.
    pub(super) fn load(&self) -> Option<InstanceLoad> {
        match self {
            Self::Awaited => None,
            Self::Thread(instance) => Some(instance.load()),
            Self::Process(server) => server.listens.then(|| *server.load.borrow()),
        }
    }

    /// Whether requests get an answer.
    pub(super) fn answers(&self) -> bool {
        match self {
            Self::Awaited => false,
            Self::Thread(instance) => !instance.is_paused() && !instance.is_stopped(),
            Self::Process(server) => server.listens && !server.is_paused,
        }
    }

    /// Kills it at once, with everything that is connected; `ending` waits until it is gone.
    pub(super) fn kill(self, ending: &TaskTracker) {
        match self {
            Self::Awaited => {}
            Self::Thread(instance) => {
                instance.kill();
                // If the thread panicked, the message has been printed already.
                ending.spawn_blocking(|| instance.join());
            }
            Self::Process(server) => {
                ending.spawn(server.process.kill());
            }
        }
    }

    /// Pauses it: its socket accepts connections, and nobody answers. A thread that still boots has nothing to pause.
    pub(super) fn pause(&mut self) -> io::Result<()> {
        match self {
            Self::Awaited => {}
            Self::Thread(instance) => instance.pause(),
            Self::Process(server) => {
                server.process.pause()?;
                server.is_paused = true;
            }
        }
        Ok(())
    }

    /// Other work takes a share of its virtual processor from now on. One that still boots has none.
    pub(super) fn stress(&self, load: Share) {
        match self {
            Self::Awaited => {}
            Self::Thread(instance) => instance.stress(load),
            Self::Process(server) => server.process.tell(Command::Stress { load }),
        }
    }

    /// The paths to its data tier from now on. A process must have been told to listen.
    pub(super) fn set_paths(&self, redis: Quality, database: Quality) {
        match self {
            Self::Thread(instance) => instance.set_paths(redis, database),
            Self::Process(server) => server.process.tell(Command::Paths { redis, database }),
            Self::Awaited => {}
        }
    }

    /// Lets it continue if it is paused.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        match self {
            Self::Awaited => {}
            Self::Thread(instance) => instance.resume(),
            Self::Process(server) => {
                server.process.resume()?;
                server.is_paused = false;
            }
        }
        Ok(())
    }
}
