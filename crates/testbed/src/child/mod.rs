//! Child processes of this project's own binary: a load-balancer node, an instance.
//!
//! ```text
//! supervisor: Process ──settings, commands (JSON lines, stdin)──▶ main ▶ Role::run
//!                     ◀──answers, stalls (JSON lines, stdout)────         stderr ─▶ log file
//! ```
//!
//! A child ends when its standard input ends, so it cannot outlive its supervisor. If it is stopped and cannot read, the
//! kernel kills it (Linux). Secrets are sent over the pipe, never in arguments.

mod launch;
mod process;
mod serve;
mod silenced;

use std::future::Future;
use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tiketi_measure::stall::Lapse;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

pub use launch::{DATABASE_VARIABLE, Launcher, REDIS_VARIABLE};
pub use process::Process;
pub use serve::{ChildError, die_with_supervisor, main, run};
pub(crate) use silenced::Silenced;

/// What the supervisor hears from a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word<A> {
    /// A report of its role.
    Answer(A),
    /// It did not run for a while, although it should have.
    Stalled(Lapse),
    /// It has ended.
    Ended,
}

/// One line from a child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<A> {
    /// A report of its role.
    Answer(A),
    /// A sign of life.
    Alive,
    /// It did not run for a while, although it should have.
    Stalled(Lapse),
}

/// The purpose of a child process.
pub trait Role: 'static {
    /// Hidden subcommand of the executable.
    const SUBCOMMAND: &'static str;
    /// The first line it reads.
    type Settings: Serialize + DeserializeOwned + Send;
    /// The commands it reads afterwards.
    type Command: Serialize + DeserializeOwned + Send + 'static;
    /// Its reports.
    type Answer: Serialize + DeserializeOwned + Send + 'static;

    /// Does the work until it is done, or for ever: the future is dropped when the supervisor exits.
    fn run(
        settings: Self::Settings,
        commands: UnboundedReceiver<Self::Command>,
        answers: UnboundedSender<Self::Answer>,
    ) -> impl Future<Output = io::Result<()>> + Send;
}
