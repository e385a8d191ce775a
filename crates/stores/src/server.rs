//! A server as the process that wanted it sees it: what becomes of it, and what can be done to it.

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

use crate::guard::{self, Claim, Ending, Order, Reach, Report, Said};
use crate::{Guard, Host, StoresError, tree};

/// Bytes of a log that an error shows: some ten lines.
const TAIL_BYTES: u64 = 1_200;
/// How long a guard has to clean up. It takes some 50 ms; a guard that is stuck is killed, and its files remain.
const GUARD_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a guard that should end is looked at.
const GUARD_POLL: Duration = Duration::from_millis(2);

/// A server and its guard. Dropping it ends both, which blocks for milliseconds.
pub(crate) struct Server {
    name: String,
    directory: PathBuf,
    /// What becomes of the directory when this is dropped.
    ending: Ending,
    log: Log,
    /// The guard's input: when it closes, the guard ends everything.
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
    /// Where this server's part begins: a log outlives a server.
    start: u64,
}

impl Server {
    /// Has a guard look after a directory, which need not be there yet.
    ///
    /// `ending` says what becomes of the directory when this is dropped.
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
        server.say(&claim)?;
        Ok(server)
    }

    /// Has the guard carry out its order, and returns once the server runs, though it may not answer yet.
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

    /// How the server ended; `None` while it runs, also while it is stopped.
    pub(crate) fn end(&self) -> Option<String> {
        match &*self.reports.borrow() {
            Some(Report::Ended { how } | Report::Failed { how }) => Some(how.clone()),
            Some(Report::Running { .. }) | None => None,
        }
    }

    /// Kills the server and all its children at once.
    pub(crate) fn kill(&self) {
        if let Some(pid) = self.pid() {
            tree::kill(pid);
        }
    }

    /// Stops the server and all its children: it accepts connections, and never answers.
    pub(crate) fn pause(&self) {
        if let Some(pid) = self.pid() {
            tree::stop(pid);
        }
    }

    /// Lets a stopped server go on.
    pub(crate) fn resume(&self) {
        if let Some(pid) = self.pid() {
            tree::resume(pid);
        }
    }

    /// Sends the server itself a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            tree::signal(pid, signal);
        }
    }

    /// Waits until the server has ended and what it held in memory is freed.
    pub(crate) async fn wait_for_end(&mut self) {
        self.wait_for(|report| !matches!(report, Report::Running { .. }))
            .await;
    }

    /// Ends the server and removes its directory, without blocking the runtime.
    pub(crate) async fn close(self) {
        // A panic in there would have been printed; there is nobody to tell.
        drop(tokio::task::spawn_blocking(move || drop(self)).await);
    }

    /// Sets what becomes of the directory when this is dropped.
    pub(crate) fn set_ending(&mut self, ending: Ending) {
        self.ending = ending;
    }

    /// The end of what the server wrote to its log, on one line.
    pub(crate) fn log_tail(&self) -> String {
        self.log.tail()
    }

    /// What to say of a server that ended before it was ready.
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

    /// What to say of a server that ended unbidden; `None` if it runs.
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
        let mut line = serde_json::to_string(message).expect("messages are plain data");
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
            Ok(report) => report.clone().expect("it was waited for"),
            Err(_) => Report::Ended {
                how: "its guard ended".to_owned(),
            },
        }
    }
}

impl Drop for Server {
    #[expect(
        clippy::disallowed_methods,
        reason = "files are gone when a drop returns; pairs are closed on a thread that may block"
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
                        // Fails only if it has ended in between.
                        drop(guard.kill());
                        drop(guard.wait());
                        return;
                    }
                    thread::sleep(GUARD_POLL);
                    waited += GUARD_POLL;
                }
            }
            // A guard that panicked has said so.
            Some(Life::Thread(guard)) => drop(guard.join()),
            None => {}
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
                // Ctrl-C in a terminal reaches this process only, which ends its guards in order.
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
                guard::serve(guard_input, guard_output, Reach::Thread);
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
    // The guard is gone. If that was not its work's end, its server runs on, and is ended here.
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
