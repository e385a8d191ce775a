//! Child processes of this project's own binary: a load-balancer node, an instance.
//!
//! ```text
//! supervisor: Process ──settings, commands (JSON lines, stdin)──▶ main ▶ Role::run
//!                     ◀──answers (JSON lines, stdout)────────────         stderr ─▶ log file
//! ```
//!
//! A child ends when its standard input ends, so it cannot outlive its supervisor; one that is stopped and cannot read
//! is killed by the kernel (Linux). Secrets travel over the pipe, never in arguments.

mod launch;
mod process;
mod serve;

use std::future::Future;
use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

pub use launch::{DATABASE_VARIABLE, Launcher, REDIS_VARIABLE};
pub use process::Process;
pub use serve::{ChildError, main, run};

/// What a child process is for.
pub trait Role: 'static {
    /// Hidden subcommand of the executable.
    const SUBCOMMAND: &'static str;
    /// The first line it reads.
    type Settings: Serialize + DeserializeOwned + Send;
    /// What it is told afterwards.
    type Command: Serialize + DeserializeOwned + Send + 'static;
    /// What it says.
    type Answer: Serialize + DeserializeOwned + Send + 'static;

    /// Does the work until it is done, or for ever: the future is dropped when the supervisor is gone.
    fn run(
        settings: Self::Settings,
        commands: UnboundedReceiver<Self::Command>,
        answers: UnboundedSender<Self::Answer>,
    ) -> impl Future<Output = io::Result<()>> + Send;
}
