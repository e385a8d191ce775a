//! Ctrl-C and SIGTERM: the first one ends the run cleanly, the second one ends the program.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::exit::Exit;

/// Returns a flag that becomes `true` at the first Ctrl-C or SIGTERM; a second one exits at once.
pub(super) fn listen() -> io::Result<watch::Receiver<bool>> {
    // Once registered, neither signal ends the program by default.
    let mut requests = Requests {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    let (interrupt_tx, interrupt_rx) = watch::channel(false);
    tokio::spawn(async move {
        requests.next().await;
        // There is no receiver if the run has already ended.
        let _over = interrupt_tx.send(true);
        requests.next().await;
        #[expect(
            clippy::exit,
            reason = "a second Ctrl-C means at once; children exit when their standard input closes"
        )]
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    Ok(interrupt_rx)
}

/// The signals that ask the program to end.
struct Requests {
    interrupt: Signal,
    terminate: Signal,
}

impl Requests {
    /// Waits for the next signal.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
