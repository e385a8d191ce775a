//! An instance without power that ran as a thread: its connections stay open in a process that keeps them.

use std::io;
use std::net::TcpListener;
use std::os::fd::RawFd;

use socket2::{SockRef, Socket};
use tiketi_server::Instance;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::child::Launcher;
use crate::deaf::deafen;
use crate::keeper::Keeper;

/// A silent instance; it ends with [`Self::end`].
#[derive(Debug)]
pub(super) struct SilentThread {
    /// Cancelled when the power is back.
    power: CancellationToken,
    ended: JoinHandle<()>,
}

impl SilentThread {
    /// Silences an instance that listens at this door.
    pub(super) fn new(instance: Instance, door: Option<TcpListener>, launcher: Launcher) -> Self {
        let silence = instance.silence();
        let door = door.and_then(|door| Deaf::new(door).ok());
        let power = CancellationToken::new();
        let back = power.clone();
        let ended = tokio::spawn(async move {
            let hand_over = hand_over(&instance, silence, &launcher);
            let keeper = match back.run_until_cancelled(hand_over).await {
                Some(Ok(keeper)) => Some(keeper),
                Some(Err(error)) => {
                    let instance = instance.name();
                    tracing::warn!(%error, instance, "its connections stay in this process");
                    None
                }
                None => None,
            };
            back.cancelled().await;
            if let Some(keeper) = keeper {
                keeper.end().await;
            }
            instance.kill();
            // The panic hook has printed a panic in there.
            drop(tokio::task::spawn_blocking(|| instance.join()).await);
            drop(door);
        });
        Self { power, ended }
    }

    /// Ends the instance: its connections break. It is gone when this returns.
    pub(super) async fn end(self) {
        self.power.cancel();
        // The panic hook has printed a panic in there.
        drop(self.ended.await);
    }
}

/// Gives the connections of an instance to a process, and ends its thread. The instance itself stays, so that its connections to
/// the database still count: a database does not notice at once that a client has lost its power.
///
/// # Errors
///
/// When the process cannot be started or cannot keep all of them; then the thread stands still and keeps them.
async fn hand_over(
    instance: &Instance,
    silence: impl Future<Output = Vec<RawFd>>,
    launcher: &Launcher,
) -> io::Result<Keeper> {
    let files = silence.await;
    let keeper = Keeper::start(launcher, &files).await?;
    instance.kill();
    Ok(keeper)
}

/// A listening socket that accepts nobody.
struct Deaf {
    _listener: TcpListener,
    /// What fills its queue.
    _filler: Socket,
}

impl Deaf {
    /// Fails only without a file descriptor; then the kernel accepts connections until the thread ends.
    fn new(listener: TcpListener) -> io::Result<Self> {
        let filler = deafen(&SockRef::from(&listener))?;
        Ok(Self {
            _listener: listener,
            _filler: filler,
        })
    }
}
