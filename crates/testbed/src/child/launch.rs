//! Starts and stops a child process.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::Child;

use super::Role;

/// Real time a child has to exit by itself.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Environment variable with the URL of an existing Redis, password included: no child gets it.
pub const REDIS_VARIABLE: &str = "TIKETI_SIM_REDIS";
/// Environment variable with the URL of an existing database, password included: no child gets it.
pub const DATABASE_VARIABLE: &str = "TIKETI_SIM_DATABASE";

/// What runs the child processes.
#[derive(Clone, Debug)]
pub enum Launcher {
    /// This project's binary, with the hidden subcommand of the role.
    Binary(PathBuf),
    /// Tasks of this process, for tests: the same code, connected by in-memory pipes.
    #[cfg(test)]
    Tasks,
}

/// A child that has been started, and its pipes.
pub(super) struct Launched {
    pub(super) input: Box<dyn AsyncWrite + Send + Unpin>,
    pub(super) output: Box<dyn AsyncRead + Send + Unpin>,
    pub(super) life: Life,
}

/// The handle that stops a child; dropping it stops it too.
#[derive(Debug)]
pub(super) enum Life {
    Child(Child),
    #[cfg(test)]
    Task(tokio::task::JoinHandle<()>),
}

impl Launcher {
    /// Starts a child; its standard error is appended to `log`, or shared with this process.
    pub(super) fn launch<R: Role>(&self, log: Option<&Path>) -> io::Result<Launched> {
        match self {
            Self::Binary(executable) => {
                let mut child = tokio::process::Command::new(executable)
                    .arg(R::SUBCOMMAND)
                    .env_remove(REDIS_VARIABLE)
                    .env_remove(DATABASE_VARIABLE)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(log.map_or(Ok(Stdio::inherit()), append)?)
                    // Ctrl-C in a terminal must only reach the supervisor, which stops its children in order.
                    .process_group(0)
                    .kill_on_drop(true)
                    .spawn()?;
                Ok(Launched {
                    input: Box::new(child.stdin.take().expect("the input is piped")),
                    output: Box::new(child.stdout.take().expect("the output is piped")),
                    life: Life::Child(child),
                })
            }
            #[cfg(test)]
            Self::Tasks => {
                const PIPE: usize = 64 * 1_024;
                let (input, child_input) = tokio::io::duplex(PIPE);
                let (child_output, output) = tokio::io::duplex(PIPE);
                let task = tokio::spawn(async move {
                    // A process would print the error to standard error; here the end of the output must do.
                    drop(super::run::<R>(child_input, child_output).await);
                });
                Ok(Launched {
                    input: Box::new(input),
                    output: Box::new(output),
                    life: Life::Task(task),
                })
            }
        }
    }
}

fn append(log: &Path) -> io::Result<Stdio> {
    let file = File::options().create(true).append(true).open(log);
    let told =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", log.display()));
    file.map(Stdio::from).map_err(told)
}

impl Life {
    /// Kills the child at once, as a power failure does. It is gone when [`Self::gone`] returns.
    pub(super) fn kill(&mut self) {
        match self {
            // Fails only if the process has ended already.
            Self::Child(child) => drop(child.start_kill()),
            #[cfg(test)]
            Self::Task(task) => task.abort(),
        }
    }

    /// Waits until the child is gone.
    pub(super) async fn gone(&mut self) {
        match self {
            // Cannot fail: it is a child of this process.
            Self::Child(child) => drop(child.wait().await),
            #[cfg(test)]
            Self::Task(task) => drop(task.await),
        }
    }

    /// Waits until a child that was asked to exit has done so; kills it if it does not exit in time.
    pub(super) async fn end(mut self) {
        if tokio::time::timeout(STOP_TIMEOUT, self.gone())
            .await
            .is_err()
        {
            self.kill();
            self.gone().await;
        }
    }

    /// Sends a signal to the process. Fails for a task, which cannot receive one.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        match self {
            Self::Child(_) => {
                let ended = || io::Error::new(io::ErrorKind::NotFound, "the process has ended");
                // The process is not reaped before it is killed, so no other process can have its id.
                let pid = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed()));
                Ok(kill_process(pid.ok_or_else(ended)?, signal)?)
            }
            #[cfg(test)]
            Self::Task(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Returns the process id; `None` for a task.
    pub(super) fn pid(&self) -> Option<u32> {
        match self {
            Self::Child(child) => child.id(),
            #[cfg(test)]
            Self::Task(_) => None,
        }
    }
}
