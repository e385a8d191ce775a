//! The child process around a node: JSON lines in, JSON lines out.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;

use super::message::{Answer, NodeSettings};
use super::node;
use crate::testbed::NICENESS;

/// Why a node process ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The supervisor closed the input before it sent the settings.
    #[error("the input ended before the node's settings")]
    NoSettings,
    /// A line of the input is not what it should be.
    #[error("a line of the input cannot be read: {0}")]
    Line(#[from] serde_json::Error),
    /// The node cannot listen, or a pipe broke.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Is the whole of a node process: runs on standard input and output until the supervisor ends it or is gone.
pub fn main() -> Result<(), ProcessError> {
    rustix::process::nice(NICENESS).map_err(std::io::Error::from)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(run(tokio::io::stdin(), tokio::io::stdout()));
    // A read of the standard input cannot be cancelled, and must not keep the process alive.
    runtime.shutdown_background();
    ended
}

/// Runs one process of a node: reads [`NodeSettings`] from the first line of `input`, then commands; writes answers.
///
/// Returns as soon as the input ends, because then the supervisor is gone.
pub async fn run(
    input: impl AsyncRead + Unpin + Send,
    output: impl AsyncWrite + Unpin + Send + 'static,
) -> Result<(), ProcessError> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut lines = BufReader::new(input).lines();
    let first = lines.next_line().await?.ok_or(ProcessError::NoSettings)?;
    let settings: NodeSettings = serde_json::from_str(&first)?;
    let (commands_tx, commands) = mpsc::unbounded_channel();
    let (answers, answers_rx) = mpsc::unbounded_channel();
    let read = async {
        while let Some(line) = lines.next_line().await? {
            if commands_tx.send(serde_json::from_str(&line)?).is_err() {
                break;
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = node::run(settings, commands, answers) => ended.map_err(ProcessError::Io),
        written = write(output, answers_rx) => written,
        read = read => read,
    }
}

async fn write(
    mut output: impl AsyncWrite + Unpin,
    mut answers: mpsc::UnboundedReceiver<Answer>,
) -> Result<(), ProcessError> {
    while let Some(answer) = answers.recv().await {
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        output.write_all(&line).await?;
        output.flush().await?;
    }
    Ok(())
}
