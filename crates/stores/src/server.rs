//! A server from the perspective of the process that started it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde::Serialize;
use tokio::sync::watch;

use crate::guard::{self, Reach};
use crate::message::{self, Claim, Ending, Order, Report, Said, Task};
use crate::{Guard, Host, StoresError, tree};

/// Bytes of a log that an error shows: about ten lines.
const TAIL_BYTES: u64 = 1_200;
/// Timeout of the guard's cleanup. It takes about 50 ms. A guard that is stuck is killed.
const GUARD_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval at which to check whether a guard has ended.
const GUARD_POLL: Duration = Duration::from_millis(2);

/// A server and its guard. Dropping it ends both, which blocks for some milliseconds.
pub(crate) struct Server {
    name: String,
    directory: PathBuf,
    /// What to do with the directory on drop.
    ending: Ending,
    log: Log,
    /// The guard's input. When it closes, the guard ends everything.
    input: Option<Box<dyn Write + Send + Sync>>,
    reports: watch::Receiver<Option<Report>>,
    life: Option<Life>,
}

enum Life {
    Process(Child),
    Thread(JoinHandle<()>),
}

struct Log {
    path: PathBuf,
    /// Offset at which this server's part of the log starts: a log outlives a server.
    start: u64,
}

impl Server {
    /// Starts a guard for a directory, which need not exist yet.
    ///
    /// `ending` says what to do with the directory on drop.
    pub(crate) fn claim(
        host: &Host,
        name: &str,
        directory: &Path,
        ending: Ending,
    ) -> Result<Self, StoresError> {
        let claim = Claim {
            directory: directory.to_owned(),
            log: host.log(name, directory),
        };
        let (input, output, life) = launch(host.guard()).map_err(|source| {
            StoresError::io(format!("cannot start the guard of {name}"), source)
        })?;
        let (reports_tx, reports) = watch::channel(None);
        thread::spawn(move || read_reports(output, &reports_tx));
        let mut server = Self {
            name: name.to_owned(),
            directory: claim.directory.clone(),
            ending,
            log: Log {
                start: fs::metadata(&claim.log).map_or(0, |it| it.len()),
                path: claim.log.clone(),
            },
            input: Some(input),
            reports,
            life: Some(life),
        };
        server.say(&Task::Guard(claim))?;
        Ok(server)
    }

    /// Lets the guard carry out an order. Returns when the server is running, though it may not respond yet.
    pub(crate) async fn start(&mut self, order: Order) -> Result<(), StoresError> {
        self.say(&Said::Order(order))?;
        match self.wait_for(|_| true).await {
            Report::Running { .. } => Ok(()),
            Report::Failed { how } | Report::Ended { how } => Err(self.death_at_start(how)),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns how the server exited; `None` while it is running or paused.
    pub(crate) fn end(&self) -> Option<String> {
        match &*self.reports.borrow() {
            Some(Report::Ended { how } | Report::Failed { how }) => Some(how.clone()),
            Some(Report::Running { .. }) | None => None,
        }
    }

    /// Kills the server and all its children immediately.
    pub(crate) fn kill(&self) {
        if let Some(pid) = self.pid() {
            tree::kill(pid);
        }
    }

    /// Pauses the server and all its children: it accepts connections and never responds.
    pub(crate) fn pause(&self) {
        if let Some(pid) = self.pid() {
            tree::stop(pid);
        }
    }

    /// Resumes a paused server.
    pub(crate) fn resume(&self) {
        if let Some(pid) = self.pid() {
            tree::resume(pid);
        }
    }

    /// Sends a signal to the server itself.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            tree::signal(pid, signal);
        }
    }

    /// Waits until the server has exited and its shared memory is freed.
    pub(crate) async fn wait_for_end(&mut self) {
        self.wait_for(|report| !matches!(report, Report::Running { .. }))
            .await;
    }

    /// Ends the server and removes its directory without blocking the runtime.
    pub(crate) async fn close(self) {
        // The panic hook has printed a panic in there. There is no one else to tell.
        drop(tokio::task::spawn_blocking(move || drop(self)).await);
    }

    /// Sets what to do with the directory on drop.
    pub(crate) fn set_ending(&mut self, ending: Ending) {
        self.ending = ending;
    }

    /// Returns the end of the server's log as one line.
    pub(crate) fn log_tail(&self) -> String {
        self.log.tail()
    }

    /// Returns the error for a server that exited before it was ready.
    pub(crate) fn death_at_start(&self, how: String) -> StoresError {
        let log_tail = self.log_tail();
        let server = self.name.clone();
        if is_full(&how) || is_full(&log_tail) {
            return StoresError::DirectoryFull {
                server,
                detail: log_tail,
            };
        }
        if is_port_taken(&log_tail) {
            return StoresError::PortTaken { server, log_tail };
        }
        StoresError::DiedAtStart {
            server,
            how,
            log_tail,
        }
    }

    /// Returns the error for a server that exited unexpectedly; `None` if it is running.
    pub(crate) fn death(&self) -> Option<StoresError> {
        let how = self.end()?;
        let log_tail = self.log_tail();
        let server = self.name.clone();
        Some(if is_full(&log_tail) {
            StoresError::DirectoryFull {
                server,
                detail: log_tail,
            }
        } else {
            StoresError::Died {
                server,
                how,
                log_tail,
            }
        })
    }

    fn say(&mut self, message: &impl Serialize) -> Result<(), StoresError> {
        let Some(input) = &mut self.input else {
            return Ok(());
        };
        let mut line = serde_json::to_string(message).expect("a message is always valid JSON");
        line.push('\n');
        let said = input
            .write_all(line.as_bytes())
            .and_then(|()| input.flush());
        said.map_err(|source| {
            StoresError::io(format!("the guard of {} is gone", self.name), source)
        })
    }

    fn pid(&self) -> Option<Pid> {
        match &*self.reports.borrow() {
            Some(Report::Running { pid }) => Some(Pid::from_raw(*pid)),
            Some(Report::Failed { .. } | Report::Ended { .. }) | None => None,
        }
    }

    async fn wait_for(&mut self, is_it: impl Fn(&Report) -> bool) -> Report {
        let found = self
            .reports
            .wait_for(|report| report.as_ref().is_some_and(&is_it))
            .await;
        match found {
            Ok(report) => report.clone().expect("the wait was for a value"),
            Err(_) => Report::Ended {
                how: "its guard ended".to_owned(),
            },
        }
    }
}

impl Drop for Server {
    #[expect(
        clippy::disallowed_methods,
        reason = "the files must be removed when the drop returns; pairs are closed on a thread that may block"
    )]
    fn drop(&mut self) {
        // Fails only if the guard is gone.
        drop(self.say(&Said::Ending(self.ending)));
        drop(self.input.take());
        match self.life.take() {
            Some(Life::Process(mut guard)) => {
                let mut waited = Duration::ZERO;
                while let Ok(None) = guard.try_wait() {
                    if waited >= GUARD_TIMEOUT {
                        self.kill();
                        // Fails only if it has exited in between.
                        drop(guard.kill());
                        drop(guard.wait());
                        self.remove_without_guard();
                        return;
                    }
                    thread::sleep(GUARD_POLL);
                    waited += GUARD_POLL;
                }
            }
            // The panic hook has printed a panic of the guard.
            Some(Life::Thread(guard)) => drop(guard.join()),
            None => {}
        }
    }
}

impl Server {
    /// Does what is left of the work of a guard that was killed. The kernel has ended the server.
    fn remove_without_guard(&self) {
        match self.ending {
            Ending::Remove | Ending::Orphaned => guard::remove(&self.directory),
            Ending::Keep => {}
        }
    }
}

impl Log {
    fn tail(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            let from = self.start.max(length.saturating_sub(TAIL_BYTES));
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let lines = read().unwrap_or_default();
        let lines: Vec<_> = lines
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        if lines.is_empty() {
            "its log is empty".to_owned()
        } else {
            lines.join(" | ")
        }
    }
}

type Launched = (Box<dyn Write + Send + Sync>, Box<dyn Read + Send>, Life);

fn launch(guard: &Guard) -> std::io::Result<Launched> {
    match guard {
        Guard::Binary(binary, subcommand) => {
            let mut child = Command::new(binary)
                .arg(subcommand)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                // Ctrl-C in a terminal reaches only this process, which ends its guards one by one.
                .process_group(0)
                .spawn()?;
            let input = child.stdin.take().expect("the input is piped");
            let output = child.stdout.take().expect("the output is piped");
            Ok((Box::new(input), Box::new(output), Life::Process(child)))
        }
        Guard::Bare => {
            let (guard_input, input) = std::io::pipe()?;
            let (output, guard_output) = std::io::pipe()?;
            let thread = thread::spawn(move || {
                let mut input = BufReader::new(guard_input);
                if let Some(Task::Guard(claim)) = message::read_line(&mut input) {
                    guard::serve(&claim, input, guard_output, Reach::Thread);
                }
            });
            Ok((Box::new(input), Box::new(output), Life::Thread(thread)))
        }
    }
}

fn read_reports(output: impl Read, reports: &watch::Sender<Option<Report>>) {
    for line in BufReader::new(output).lines() {
        let Some(report) = line.ok().and_then(|it| serde_json::from_str(&it).ok()) else {
            break;
        };
        reports.send_replace(Some(report));
    }
    // The guard is gone. If it was killed, its server is still running, and is killed here.
    reports.send_if_modified(|report| {
        match report {
            Some(Report::Ended { .. } | Report::Failed { .. }) => return false,
            Some(Report::Running { pid }) => drop(tree::kill(Pid::from_raw(*pid))),
            None => {}
        }
        let how = "its guard ended".to_owned();
        *report = Some(Report::Ended { how });
        true
    });
}

fn is_full(text: &str) -> bool {
    ["No space left on device", "Disk quota exceeded"]
        .iter()
        .any(|it| text.contains(it))
}

fn is_port_taken(text: &str) -> bool {
    text.contains("Address already in use")
}
