//! Ctrl-C, SIGTERM and SIGHUP: the first one ends the command cleanly, the second one ends the program.

use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::exit::{Exit, complain};

/// Real time that a command has to end cleanly. Stopping the load and the servers of the largest runs takes about half of it.
const ENDING_MAX: Duration = Duration::from_secs(60);

/// Listens for signals on a thread of its own until the program ends, so that a busy command does not delay them.
#[derive(Debug)]
pub(super) struct Interrupt {
    requested: watch::Receiver<bool>,
}

impl Interrupt {
    /// Starts to listen. Called once all input is read: before that, a signal ends the program at once.
    pub(super) fn listen() -> Result<Self, Exit> {
        Self::try_listen().map_err(|error| {
            complain(format_args!("cannot listen for signals: {error}"), None);
            Exit::Inconclusive
        })
    }

    fn try_listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let requests = {
            let _within = runtime.enter();
            Requests::new()?
        };
        let (interrupt_tx, requested) = watch::channel(false);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(listen(requests, interrupt_tx)))?;
        Ok(Self { requested })
    }

    /// Returns a flag that becomes `true` at the first signal.
    pub(super) fn requested(&self) -> watch::Receiver<bool> {
        self.requested.clone()
    }
}

async fn listen(mut requests: Requests, interrupt_tx: watch::Sender<bool>) {
    requests.next().await;
    // There is no receiver if the command no longer waits for anything.
    let _over = interrupt_tx.send(true);
    let second = tokio::time::timeout(ENDING_MAX, requests.next()).await;
    if second.is_err() {
        let limit = ENDING_MAX.as_secs();
        complain(
            format_args!("interrupted, but not finished within {limit} s: ending now"),
            None,
        );
    }
    exit_now();
}

#[expect(
    clippy::exit,
    reason = "a second signal means at once; the kernel and the guards end all child processes"
)]
fn exit_now() -> ! {
    std::process::exit(i32::from(Exit::Interrupted.code()))
}

/// The signals that ask the program to end.
struct Requests {
    interrupt: Signal,
    terminate: Signal,
    /// `None` if the program was started to survive the end of its terminal, as `nohup` does.
    hang_up: Option<Signal>,
}

impl Requests {
    fn new() -> io::Result<Self> {
        let hang_up = (!ignores_hang_up()).then(|| signal(SignalKind::hangup()));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: hang_up.transpose()?,
        })
    }

    /// Waits for the next signal.
    async fn next(&mut self) {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => drop(hang_up.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = hang_up => {}
        }
    }
}

/// Returns whether the program was started with SIGHUP ignored. Where that cannot be read, assumes not.
fn ignores_hang_up() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Bit 0 is signal 1.
    mask.is_some_and(|mask| mask & 1 == 1)
}
