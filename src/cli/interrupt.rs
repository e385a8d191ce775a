//! Ctrl-C and SIGTERM: the first ends the run in order, the second ends the program.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::exit::Exit;

/// Turns to `true` at the first Ctrl-C or SIGTERM; a second one ends the program at once.
pub(super) fn listen() -> io::Result<watch::Receiver<bool>> {
    // From here on neither signal ends the program by itself.
    let mut requests = Requests {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    let (interrupt_tx, interrupt_rx) = watch::channel(false);
    tokio::spawn(async move {
        requests.next().await;
        // Nobody listens any more if the run is over already.
        let _over = interrupt_tx.send(true);
        requests.next().await;
        #[expect(
            clippy::exit,
            reason = "the second Ctrl-C means: now; children end with their standard input"
        )]
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    Ok(interrupt_rx)
}

/// What the system passes on of the user's wish to end.
struct Requests {
    interrupt: Signal,
    terminate: Signal,
}

impl Requests {
    /// Waits for the next one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
