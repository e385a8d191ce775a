//! The child's side: reads settings and commands, writes reports.

use std::pin::pin;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::{Line, Role};
use crate::NICENESS;
use crate::pulse::{self, Sign};

/// Real time in which the supervisor must read the last reports of a child that has finished.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a child process ended early.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The supervisor closed the input before it sent the settings.
    #[error("the input ended before the settings")]
    NoSettings,
    /// A line of the input is not valid.
    #[error("invalid line in the input: {0}")]
    Line(#[from] serde_json::Error),
    /// The child's work failed, or a pipe broke.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Runs a child process on standard input and output until the supervisor stops it or exits.
///
/// # Errors
///
/// When the settings or a command cannot be read, or the child's work fails.
pub fn main<R: Role>() -> Result<(), ChildError> {
    die_with_supervisor()?;
    rustix::process::nice(NICENESS).map_err(std::io::Error::from)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(run::<R>(tokio::io::stdin(), tokio::io::stdout()));
    // A pending read of standard input cannot be cancelled, and must not keep the process alive.
    runtime.shutdown_background();
    ended
}

/// Lets the kernel kill this process when its supervisor exits: a stopped process (SIGSTOP) does not see the end of its
/// input. Linux watches the thread that started the process, which lives as long as the supervisor's runtime.
///
/// # Errors
///
/// When the kernel refuses.
#[cfg(target_os = "linux")]
pub fn die_with_supervisor() -> std::io::Result<()> {
    let signal = Some(rustix::process::Signal::KILL);
    Ok(rustix::process::set_parent_process_death_signal(signal)?)
}

/// Other kernels send SIGHUP to a stopped process whose supervisor has exited, which ends it.
///
/// # Errors
///
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn die_with_supervisor() -> std::io::Result<()> {
    Ok(())
}

/// Runs one child: reads its settings from the first line of `input`, then commands; writes reports.
///
/// Returns as soon as the input ends, because the supervisor has then exited.
///
/// # Errors
///
/// When the settings or a command cannot be read, or the child's work fails.
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
            // The work may have stopped listening for commands and still continue.
            drop(commands_tx.send(serde_json::from_str(&line)?));
        }
        Ok(())
    };
    let (signs, signs_rx) = mpsc::unbounded_channel();
    let watched = pulse::watch(move |sign| {
        // Nobody needs the signs any longer when the writer has ended.
        let _ = signs.send(sign);
    });
    let mut written = pin!(write(output, answers_rx, signs_rx));
    tokio::select! {
        ended = R::run(settings, commands, answers) => {
            // A supervisor that no longer reads does not need the rest.
            drop(tokio::time::timeout(LAST_WORDS_TIMEOUT, written).await);
            ended.map_err(ChildError::Io)
        }
        written = &mut written => written,
        read = read => read,
        never = watched => match never {},
    }
}

/// Writes reports and signs of life until the channel of reports closes.
async fn write<A: Serialize>(
    mut output: impl AsyncWrite + Unpin,
    mut answers: UnboundedReceiver<A>,
    mut signs: UnboundedReceiver<Sign>,
) -> Result<(), ChildError> {
    loop {
        let line = tokio::select! {
            biased;
            Some(sign) = signs.recv() => match sign {
                Sign::Alive => Line::Alive,
                Sign::Late(lapse) => Line::Stalled(lapse),
            },
            answer = answers.recv() => match answer {
                Some(answer) => Line::Answer(answer),
                None => return Ok(()),
            },
        };
        let mut line = serde_json::to_vec(&line)?;
        line.push(b'\n');
        output.write_all(&line).await?;
        output.flush().await?;
    }
}
