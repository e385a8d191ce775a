//! The child's side: settings and commands in, answers out.

use std::pin::pin;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::Role;
use crate::NICENESS;

/// Wall time in which the last answers of a child that has done its work must be taken.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a child process ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The supervisor closed the input before it sent the settings.
    #[error("the input ended before the settings")]
    NoSettings,
    /// A line of the input is not what it should be.
    #[error("a line of the input cannot be read: {0}")]
    Line(#[from] serde_json::Error),
    /// The work failed, or a pipe broke.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Is the whole of a child process: runs on standard input and output until the supervisor ends it or is gone.
pub fn main<R: Role>() -> Result<(), ChildError> {
    die_with_supervisor()?;
    rustix::process::nice(NICENESS).map_err(std::io::Error::from)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(run::<R>(tokio::io::stdin(), tokio::io::stdout()));
    // A read of the standard input cannot be cancelled, and must not keep the process alive.
    runtime.shutdown_background();
    ended
}

/// Has the kernel kill this process with its supervisor: a process that is stopped (SIGSTOP) does not see the end of its
/// input. It holds for the thread that started the process, which lives as long as the supervisor's runtime.
#[cfg(target_os = "linux")]
fn die_with_supervisor() -> std::io::Result<()> {
    let signal = Some(rustix::process::Signal::KILL);
    Ok(rustix::process::set_parent_process_death_signal(signal)?)
}

/// Other kernels wake a stopped process whose supervisor is gone with SIGHUP, which ends it.
#[cfg(not(target_os = "linux"))]
fn die_with_supervisor() -> std::io::Result<()> {
    Ok(())
}

/// Runs one child: reads its settings from the first line of `input`, then commands; writes answers.
///
/// Returns as soon as the input ends, because then the supervisor is gone.
pub async fn run<R: Role>(
    input: impl AsyncRead + Unpin + Send,
    output: impl AsyncWrite + Unpin + Send + 'static,
) -> Result<(), ChildError> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut lines = BufReader::new(input).lines();
    let first = lines.next_line().await?.ok_or(ChildError::NoSettings)?;
    let settings: R::Settings = serde_json::from_str(&first)?;
    let (commands_tx, commands) = mpsc::unbounded_channel();
    let (answers, answers_rx) = mpsc::unbounded_channel();
    let read = async {
        while let Some(line) = lines.next_line().await? {
            // Work that hears no more commands may still go on.
            drop(commands_tx.send(serde_json::from_str(&line)?));
        }
        Ok(())
    };
    let mut written = pin!(write(output, answers_rx));
    tokio::select! {
        ended = R::run(settings, commands, answers) => {
            // A supervisor that does not listen any more misses nothing.
            drop(tokio::time::timeout(LAST_WORDS_TIMEOUT, written).await);
            ended.map_err(ChildError::Io)
        }
        written = &mut written => written,
        read = read => read,
    }
}

/// Writes answers until nobody can have another one.
async fn write<A: Serialize>(
    mut output: impl AsyncWrite + Unpin,
    mut answers: UnboundedReceiver<A>,
) -> Result<(), ChildError> {
    while let Some(answer) = answers.recv().await {
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        output.write_all(&line).await?;
        output.flush().await?;
    }
    Ok(())
}
