//! The supervisor's side of one child: commands to it, reports from it.

use std::fmt;
use std::io;
use std::path::Path;

use rustix::process::Signal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::launch::{Launched, Launcher, Life};
use super::{Line, Role, Word};
use crate::clock::unix_now_ns;
use crate::pulse::Heartbeat;

/// A child process. Dropping it kills it.
pub struct Process<R: Role> {
    life: Life,
    commands: UnboundedSender<R::Command>,
    heartbeat: Heartbeat,
}

impl<R: Role> Process<R> {
    /// Starts a child. `hear` gets everything it says, and [`Word::Ended`] when it has ended. Its standard error is appended
    /// to `log`; with `None` it shares that of this process.
    ///
    /// # Errors
    ///
    /// When the process cannot be started or its log cannot be opened.
    pub fn start(
        launcher: &Launcher,
        log: Option<&Path>,
        settings: &R::Settings,
        hear: impl FnMut(Word<R::Answer>) + Send + 'static,
    ) -> io::Result<Self> {
        let mut first = serde_json::to_vec(settings)?;
        first.push(b'\n');
        let Launched {
            input,
            output,
            life,
        } = launcher.launch::<R>(log)?;
        let (commands, commands_rx) = mpsc::unbounded_channel();
        tokio::spawn(write(input, first, commands_rx));
        let heartbeat = Heartbeat::default();
        tokio::spawn(read(output, heartbeat.clone(), hear));
        Ok(Self {
            life,
            commands,
            heartbeat,
        })
    }

    /// Sends a command to the child. Does nothing if it has ended, which its output reports.
    pub fn tell(&self, command: R::Command) {
        drop(self.commands.send(command));
    }

    /// Kills the child at once, as a power failure does. It is gone when the future returns.
    #[must_use = "a process that is not waited for is left as a zombie"]
    pub fn kill(mut self) -> impl Future<Output = ()> + Send + use<R> {
        self.life.kill();
        let mut life = self.life;
        async move { life.gone().await }
    }

    /// Closes the child's input and waits until it is gone; kills it if it does not exit in time.
    pub async fn end(self) {
        drop(self.commands);
        self.life.end().await;
    }

    /// Stops the child (SIGSTOP): its sockets accept connections, and nothing answers.
    ///
    /// # Errors
    ///
    /// When the signal cannot be sent.
    pub fn pause(&self) -> io::Result<()> {
        self.life.signal(Signal::STOP)
    }

    /// Lets a paused child continue (SIGCONT).
    ///
    /// # Errors
    ///
    /// When the signal cannot be sent.
    pub fn resume(&self) -> io::Result<()> {
        self.life.signal(Signal::CONT)
    }

    /// Returns its signs of life.
    pub(crate) const fn heartbeat(&self) -> &Heartbeat {
        &self.heartbeat
    }

    /// Returns the process id; `None` if it runs as a task of a test.
    pub fn id(&self) -> Option<u32> {
        self.life.pid()
    }
}

impl<R: Role> fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(R::SUBCOMMAND)
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// Writes the settings and then commands to a child, until either side ends.
async fn write<C: Serialize>(
    mut input: impl AsyncWrite + Unpin,
    first: Vec<u8>,
    mut commands: UnboundedReceiver<C>,
) {
    let mut line = first;
    while input.write_all(&line).await.is_ok() {
        let Some(command) = commands.recv().await else {
            return;
        };
        line = serde_json::to_vec(&command).expect("a command has no map with odd keys");
        line.push(b'\n');
    }
}

/// Reads the lines of a child until its end, which is passed on as [`Word::Ended`].
async fn read<A: DeserializeOwned>(
    output: impl AsyncRead + Unpin,
    heartbeat: Heartbeat,
    mut hear: impl FnMut(Word<A>),
) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(line) = serde_json::from_str(&line) else {
            break;
        };
        heartbeat.handle_sign(unix_now_ns());
        match line {
            Line::Answer(answer) => hear(Word::Answer(answer)),
            Line::Alive => {}
            Line::Stalled(lapse) => hear(Word::Stalled(lapse)),
        }
    }
    hear(Word::Ended);
}
