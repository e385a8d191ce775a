//! Starts one process of a node, and ends it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::Child;

/// Hidden subcommand of the executable that runs one process of a node.
pub const SUBCOMMAND: &str = "alb-node";
/// Wall time a node process has to end by itself.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// What runs the processes of the nodes.
#[derive(Clone, Debug)]
pub enum Launcher {
    /// This project's binary, with [`SUBCOMMAND`].
    Binary(PathBuf),
    /// Tasks of this process, for tests: the same code between pipes in memory.
    #[cfg(test)]
    Tasks,
}

/// A process that has been started, and its pipes.
pub(super) struct Launched {
    pub(super) input: Box<dyn AsyncWrite + Send + Unpin>,
    pub(super) output: Box<dyn AsyncRead + Send + Unpin>,
    pub(super) life: Life,
}

/// The handle that ends a process; dropping it ends it as well.
#[derive(Debug)]
pub(super) enum Life {
    Child(Child),
    #[cfg(test)]
    Task(tokio::task::JoinHandle<()>),
}

impl Launcher {
    pub(super) fn launch(&self) -> std::io::Result<Launched> {
        match self {
            Self::Binary(executable) => {
                let mut child = tokio::process::Command::new(executable)
                    .arg(SUBCOMMAND)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    // Ctrl-C in a terminal reaches the supervisor only, which ends its children in order.
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
                let (input, node_input) = tokio::io::duplex(PIPE);
                let (node_output, output) = tokio::io::duplex(PIPE);
                let task = tokio::spawn(async move {
                    super::process::run(node_input, node_output).await.unwrap();
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

impl Life {
    /// Ends the process at once, as a power failure does.
    pub(super) fn kill(self) {
        match self {
            Self::Child(mut child) => {
                // Fails only if the process has ended already.
                drop(child.start_kill());
                tokio::spawn(async move { child.wait().await });
            }
            #[cfg(test)]
            Self::Task(task) => task.abort(),
        }
    }

    /// Waits until a process that was told to end has done so.
    pub(super) async fn wait(self) {
        match self {
            Self::Child(mut child) => {
                if tokio::time::timeout(STOP_TIMEOUT, child.wait())
                    .await
                    .is_err()
                {
                    // Fails only if the process has ended in between.
                    drop(child.kill().await);
                }
            }
            #[cfg(test)]
            Self::Task(task) => drop(task.await),
        }
    }
}
