//! A child that is stopped for good, and keeps its sockets: its peers hear nothing of its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::{Process, Role};

/// Real time in which a child must report that it accepts nobody any more. It is stopped then anyway; connections to it are
/// accepted by the kernel in that case, and stay silent.
const DEAF_TIMEOUT: Duration = Duration::from_millis(100);

/// A stopped child. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Silenced {
    is_deaf: Arc<Notify>,
    release: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Silenced {
    /// Tells a child to accept no more connections, then stops it. It must report that it does: pass that on with
    /// [`Self::handle_deaf`].
    pub(crate) fn new<R: Role>(child: Process<R>, deafen: R::Command) -> Self {
        child.tell(deafen);
        let is_deaf = Arc::new(Notify::new());
        let (release, released) = oneshot::channel();
        let heard = Arc::clone(&is_deaf);
        let ended = tokio::spawn(async move {
            // One that does not report it is stopped all the same.
            drop(tokio::time::timeout(DEAF_TIMEOUT, heard.notified()).await);
            // A task of a test cannot be stopped, and a process that has ended need not be.
            if child.pause().is_ok() {
                // The sender is dropped, or used.
                drop(released.await);
            }
            child.kill().await;
        });
        Self {
            is_deaf,
            release,
            ended,
        }
    }

    /// The child accepts nobody any more.
    pub(crate) fn handle_deaf(&self) {
        self.is_deaf.notify_one();
    }

    /// Kills the child. It is gone when this returns.
    pub(crate) async fn end(self) {
        drop(self.release);
        // The panic hook has printed a panic in there.
        drop(self.ended.await);
    }
}
