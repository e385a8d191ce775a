//! The child process that keeps connections open.

use std::io;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::{KeeperSettings, pass};
use crate::child::{self, ChildError, Role};

/// The role of a process that keeps connections open.
#[derive(Clone, Copy, Debug)]
pub struct KeeperRole;

impl Role for KeeperRole {
    const SUBCOMMAND: &'static str = "keeper";
    type Settings = KeeperSettings;
    /// It has only one thing to do.
    type Command = ();
    /// What it has to say, it says over the Unix socket.
    type Answer = ();

    fn run(
        settings: KeeperSettings,
        _: UnboundedReceiver<()>,
        answers: UnboundedSender<()>,
    ) -> impl Future<Output = io::Result<()>> + Send {
        keep(settings, answers)
    }
}

/// Runs a keeper on standard input and output until the supervisor kills it or exits.
///
/// # Errors
///
/// When the settings cannot be read, or the file descriptors cannot be received.
pub fn main() -> Result<(), ChildError> {
    child::main::<KeeperRole>()
}

/// Receives file descriptors, says how many, and keeps them for ever. A child that drops its way to answer ends.
async fn keep(settings: KeeperSettings, _answers: UnboundedSender<()>) -> io::Result<()> {
    let mut stream = UnixStream::connect(&settings.socket).await?;
    let received = pass::receive(&stream).await?;
    stream.write_u64(received.len() as u64).await?;
    std::future::pending().await
}
