//! One program of the user, with a process group of its own, so that it can be ended with everything it has started.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::output::Kept;
use crate::clock::wall_now;
use tiketi_measure::command::CommandOutcome;
use tiketi_testbed::child::{DATABASE_VARIABLE, REDIS_VARIABLE};

/// Real time that processes have to end after SIGTERM, before SIGKILL: enough to undo something small.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Real time that the last bytes have to arrive after the exit. A process in the background may keep the pipe open for ever.
const LAST_BYTES: Duration = Duration::from_millis(500);

/// Size of the buffer that a stream is read with.
const BUFFER_BYTES: usize = 8 << 10;

/// A program that runs. Dropping it kills it.
pub(super) struct Program {
    child: Child,
    began: Instant,
    streams: [Stream; 2],
}

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) outcome: CommandOutcome,
    pub(super) took: Duration,
    pub(super) stdout: Kept,
    pub(super) stderr: Kept,
}

/// Why a program is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enough {
    /// It has done its part.
    Stop,
    /// It took too long.
    TimedOut,
}

/// A stream of a program, which is read until it ends, also when nobody waits for it any more: a process in the background
/// must not fail because nobody reads what it writes.
struct Stream {
    kept: Arc<Mutex<Kept>>,
    reading: JoinHandle<()>,
}

impl Program {
    /// Starts the program `words[0]` with the other words as arguments, and with further variables in its environment.
    ///
    /// # Errors
    ///
    /// Why it cannot be started, as a sentence fragment.
    pub(super) fn start(
        words: &[String],
        variables: &[(&'static str, OsString)],
    ) -> Result<Self, String> {
        let (program, arguments) = words
            .split_first()
            .ok_or_else(|| "it has no program".to_owned())?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            // They contain passwords of the run's own servers.
            .env_remove(REDIS_VARIABLE)
            .env_remove(DATABASE_VARIABLE)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal must not reach it: the fault is ended in an orderly way.
            .process_group(0)
            .kill_on_drop(true);
        let began = wall_now();
        let mut child = command
            .spawn()
            .map_err(|error| format!("`{program}`: {error}"))?;
        let streams = [
            Stream::of(child.stdout.take()),
            Stream::of(child.stderr.take()),
        ];
        Ok(Self {
            child,
            began,
            streams,
        })
    }

    /// Waits for its end, or ends it with all processes of its group when `enough` says so.
    pub(super) async fn finish(mut self, enough: impl Future<Output = Enough>) -> Finished {
        let outcome = tokio::select! {
            // A program that has ended by itself at the last moment has not been stopped.
            biased;
            status = self.child.wait() => by_itself(status),
            why = enough => {
                self.end().await;
                match why {
                    Enough::Stop => CommandOutcome::Stopped,
                    Enough::TimedOut => CommandOutcome::TimedOut,
                }
            }
        };
        let took = wall_now() - self.began;
        let [stdout, stderr] = self.streams;
        Finished {
            outcome,
            took,
            stdout: stdout.finish().await,
            stderr: stderr.finish().await,
        }
    }

    /// Asks the processes of the group to end, and kills what is left after [`GRACE`].
    async fn end(&mut self) {
        let Some(group) = self.group() else {
            return;
        };
        // Fails only if nothing is left.
        let _none_left = killpg(group, Signal::SIGTERM);
        let waited = timeout(GRACE, self.child.wait()).await;
        // Its group keeps the number while it has a process; if it has none, the number is new again only after all others.
        let _none_left = killpg(group, Signal::SIGKILL);
        if waited.is_err() {
            drop(self.child.wait().await);
        }
    }

    /// Returns its process group; `None` if it has ended.
    fn group(&self) -> Option<Pid> {
        let leader = i32::try_from(self.child.id()?).ok()?;
        Some(Pid::from_raw(leader))
    }
}

fn by_itself(status: std::io::Result<ExitStatus>) -> CommandOutcome {
    match status.map(|status| (status.code(), status.signal())) {
        Ok((Some(code), _)) => CommandOutcome::Exited { code },
        Ok((None, signal)) => CommandOutcome::Killed {
            signal: signal.unwrap_or_default(),
        },
        Err(error) => CommandOutcome::Unusable {
            reason: format!("its exit code is unknown: {error}"),
        },
    }
}

impl Stream {
    fn of(pipe: Option<impl AsyncRead + Unpin + Send + 'static>) -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let written = Arc::clone(&kept);
        let reading = tokio::spawn(async move {
            let Some(mut pipe) = pipe else { return };
            let mut buffer = vec![0; BUFFER_BYTES];
            while let Ok(bytes @ 1..) = pipe.read(&mut buffer).await {
                let mut kept = written.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push(&buffer[..bytes]);
            }
        });
        Self { kept, reading }
    }

    async fn finish(self) -> Kept {
        let Self { kept, mut reading } = self;
        // Not an error: see [`LAST_BYTES`].
        drop(timeout(LAST_BYTES, &mut reading).await);
        let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use tokio::time::sleep;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    async fn run(of: &[&str], enough: impl Future<Output = Enough>) -> Finished {
        let variables = [("TIKETI_SIM_FAULT", OsString::from("a fault"))];
        let program = Program::start(&words(of), &variables).expect("it starts");
        program.finish(enough).await
    }

    #[tokio::test]
    async fn exit_code_and_output_are_those_of_the_program() {
        let script = "echo $TIKETI_SIM_FAULT; echo bad >&2; exit 3";
        let finished = run(&["sh", "-c", script], pending()).await;
        assert_eq!(finished.outcome, CommandOutcome::Exited { code: 3 });
        assert_eq!(finished.stdout.text(), "a fault\n");
        assert_eq!(finished.stderr.text(), "bad\n");
    }

    #[tokio::test]
    async fn no_shell_reads_the_arguments() {
        let finished = run(&["echo", "$HOME", "a;b", "*"], pending()).await;
        assert_eq!(finished.stdout.text(), "$HOME a;b *\n");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let Err(reason) = Program::start(&words(&["no-such-program-here"]), &[]) else {
            panic!("it cannot start");
        };
        assert!(reason.contains("`no-such-program-here`"), "{reason}");
    }

    #[tokio::test]
    async fn a_timeout_ends_the_whole_process_group() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alive");
        // The process in the background ignores SIGTERM and would write a file.
        let script = format!(
            "(trap '' TERM; sleep 2; sleep 6; echo x > {}) & trap '' TERM; sleep 60",
            file.display()
        );
        let enough = async {
            sleep(Duration::from_millis(200)).await;
            Enough::TimedOut
        };
        let finished = run(&["sh", "-c", &script], enough).await;
        assert_eq!(finished.outcome, CommandOutcome::TimedOut);
        assert!(finished.took >= GRACE, "SIGTERM comes first");
        sleep(Duration::from_secs(4)).await;
        assert!(!file.exists(), "a process of the group still runs");
    }

    #[tokio::test]
    async fn a_process_in_the_background_does_not_delay_the_end() {
        let finished = run(&["sh", "-c", "echo started; sleep 3 &"], pending()).await;
        assert_eq!(finished.outcome, CommandOutcome::Exited { code: 0 });
        assert!(finished.took < Duration::from_secs(2));
        assert_eq!(finished.stdout.text(), "started\n");
    }

    #[tokio::test]
    async fn a_signal_of_somebody_else_is_not_an_exit() {
        let finished = run(&["sh", "-c", "kill -9 $$"], pending()).await;
        assert_eq!(finished.outcome, CommandOutcome::Killed { signal: 9 });
    }
}
