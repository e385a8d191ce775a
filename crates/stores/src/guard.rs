//! A guard stands between a server and the process that started it, so that nothing of the server outlives that process.
//!
//! A guard reads JSON lines from its standard input: a claim on a directory, then the order to start a server in it. It
//! reports the state of the server on its standard output, one JSON line each. While the input is open, the guard keeps the
//! server's process id from being reused. When the input ends, for whatever reason, the guard kills the server with all its
//! children, frees its shared memory and removes its directory. A third line does the same and decides whether to keep the
//! directory.
//!
//! Orders contain no secrets: passwords are in files that only the server's user can read.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::tree;

/// Attempts to remove a directory: a killed child may not have finished its last system call.
const REMOVE_TRIES: u32 = 20;
/// Time between two attempts.
const REMOVE_PAUSE: Duration = Duration::from_millis(10);

/// Runs a guard as a separate process. The hidden subcommand of [`Guard::Binary`](crate::Guard::Binary) calls it.
pub fn main() -> std::io::Result<()> {
    // A signal to the whole group (a terminal's Ctrl-C, a service manager's stop) must not end the guard before its
    // work is done; the end of its input does. Children start with an empty signal mask again.
    let ignored = [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
    ];
    SigSet::from_iter(ignored).thread_block()?;
    // The guard inherits the children of a server that died, and finds and kills them.
    nix::sys::prctl::set_child_subreaper(true)?;
    serve(std::io::stdin(), std::io::stdout(), Reach::Process);
    Ok(())
}

/// Which processes belong to a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All descendants of the process: they belong to the server.
    Process,
    /// Only those of the server: the guard is a thread of a process that has other children.
    Thread,
}

/// What a guard looks after from the start.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Claim {
    /// The server's directory, which need not exist yet.
    pub(crate) directory: PathBuf,
    /// Log file for the output of everything that is started.
    pub(crate) log: PathBuf,
}

/// What a guard has to start.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Order {
    /// User and group of everything that is started; `None` means those of the guard.
    pub(crate) ids: Option<(u32, u32)>,
    /// Steps before the server starts, in order.
    pub(crate) steps: Vec<Step>,
    /// The server.
    pub(crate) server: Invocation,
    /// How to free the server's shared memory; `None` if it has none.
    pub(crate) shared_memory: Option<SharedMemory>,
}

/// A step before the server starts.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Step {
    /// Runs a program that must succeed.
    Run(Invocation),
    /// Creates an empty file.
    Touch(PathBuf),
}

/// A program with its arguments. Its environment contains only the variables named here and a few fixed ones.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Invocation {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
}

/// How to find and remove a System V shared-memory segment.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct SharedMemory {
    /// PostgreSQL's lock file. Its seventh line has the key and id of the segment.
    pub(crate) lock_file: PathBuf,
    /// The program that removes a segment.
    pub(crate) ipcrm: PathBuf,
}

/// A report on a server.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) enum Report {
    /// It is running.
    Running {
        /// Its process id.
        pid: i32,
    },
    /// It, or a step before it, failed.
    Failed {
        /// What failed, and how.
        how: String,
    },
    /// It exited.
    Ended {
        /// How.
        how: String,
    },
}

enum Happening {
    /// A child exited.
    Ended(Result<WaitStatus, nix::Error>),
    /// The order was withdrawn.
    Over(Ending),
}

/// A message to a guard that has a claim.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Said {
    /// Start a server.
    Order(Order),
    /// End.
    Ending(Ending),
}

/// What to do with the directory at the end.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) enum Ending {
    /// Remove it.
    Remove,
    /// Keep it for the next server.
    Keep,
    /// The process that gave the order is gone: remove it, and the directory of all servers if it was the last one.
    Orphaned,
}

/// Serves one order until its input ends.
pub(crate) fn serve(input: impl Read + Send + 'static, mut output: impl Write, reach: Reach) {
    let mut input = BufReader::new(input);
    // Without a claim there is nothing to guard and no one to report to.
    let Some(claim) = read_line(&mut input) else {
        return;
    };
    let ending = match read_line(&mut input) {
        Some(Said::Order(order)) => {
            let mut guarded = Guarded::new(&claim, order, reach, input);
            let ending = guarded.run(&mut output);
            guarded.clean_up();
            // Reported while the server's process id is still reserved: a missing report means that the guard was killed.
            let how = "as requested".to_owned();
            say(&mut output, &Report::Ended { how });
            ending
        }
        Some(Said::Ending(ending)) => ending,
        None => Ending::Orphaned,
    };
    match ending {
        Ending::Keep => {}
        Ending::Remove => remove(&claim.directory),
        Ending::Orphaned => {
            remove(&claim.directory);
            if let Some(parent) = claim.directory.parent() {
                // Fails while it contains directories of other servers.
                drop(fs::remove_dir(parent));
            }
        }
    }
}

fn read_line<T: DeserializeOwned>(input: &mut impl BufRead) -> Option<T> {
    let mut line = String::new();
    input.read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}

fn listen(mut input: impl BufRead, happenings: &Sender<Happening>) {
    let ending = match read_line(&mut input) {
        Some(Said::Ending(ending)) => ending,
        Some(Said::Order(_)) | None => Ending::Orphaned,
    };
    // Fails only if the guard is done.
    drop(happenings.send(Happening::Over(ending)));
}

struct Guarded<'a> {
    claim: &'a Claim,
    order: Order,
    reach: Reach,
    happenings_tx: Sender<Happening>,
    happenings: Receiver<Happening>,
    /// All children. They are reaped at the very end, so that their process ids are not reused.
    children: Vec<Child>,
}

impl<'a> Guarded<'a> {
    fn new(
        claim: &'a Claim,
        order: Order,
        reach: Reach,
        input: impl BufRead + Send + 'static,
    ) -> Self {
        let (happenings_tx, happenings) = mpsc::channel();
        let listener = happenings_tx.clone();
        thread::spawn(move || listen(input, &listener));
        Self {
            claim,
            order,
            reach,
            happenings_tx,
            happenings,
            children: Vec::new(),
        }
    }

    fn run(&mut self, output: &mut impl Write) -> Ending {
        let steps = std::mem::take(&mut self.order.steps);
        for step in &steps {
            match self.take(step) {
                Ok(None) => {}
                Ok(Some(ending)) => return ending,
                Err(how) => return self.report_and_wait(output, &Report::Failed { how }),
            }
        }
        let pid = match self.start_server() {
            Ok(pid) => pid,
            Err(how) => return self.report_and_wait(output, &Report::Failed { how }),
        };
        say(output, &Report::Running { pid: pid.as_raw() });
        match self.next() {
            Happening::Over(ending) => ending,
            Happening::Ended(status) => {
                let how = describe(status);
                self.clean_up();
                self.report_and_wait(output, &Report::Ended { how })
            }
        }
    }

    /// Carries out one step. Returns an ending if the order was withdrawn meanwhile.
    fn take(&mut self, step: &Step) -> Result<Option<Ending>, String> {
        match step {
            Step::Touch(path) => {
                touch(path, self.order.ids)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                Ok(None)
            }
            Step::Run(invocation) => {
                let name = name(&invocation.program);
                self.start(invocation)?;
                match self.next() {
                    Happening::Over(ending) => Ok(Some(ending)),
                    Happening::Ended(Ok(WaitStatus::Exited(_, 0))) => Ok(None),
                    Happening::Ended(status) => Err(format!("{name} {}", describe(status))),
                }
            }
        }
    }

    fn start_server(&mut self) -> Result<Pid, String> {
        let server = self.order.server.clone();
        self.start(&server)
    }

    fn start(&mut self, invocation: &Invocation) -> Result<Pid, String> {
        let failed = |error| format!("cannot start {}: {error}", name(&invocation.program));
        let child = self.command(invocation).and_then(|mut it| it.spawn());
        let child = child.map_err(failed)?;
        let pid = pid_of(&child);
        self.children.push(child);
        let happenings = self.happenings_tx.clone();
        thread::spawn(move || {
            // Not reaped until the end: the process id is not reused, so a late signal cannot hit another process.
            let ended = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
            drop(happenings.send(Happening::Ended(ended)));
        });
        Ok(pid)
    }

    fn command(&self, invocation: &Invocation) -> std::io::Result<Command> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.claim.log)?;
        let mut command = Command::new(&invocation.program);
        command
            .args(&invocation.arguments)
            // Servers must not inherit the user's variables (PGDATA, PGPASSWORD, …).
            .env_clear()
            .envs([("LC_ALL", "C"), ("TZ", "UTC"), ("PATH", "/usr/bin:/bin")])
            .envs(invocation.environment.iter().cloned())
            .current_dir(&self.claim.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        if let Some((user, group)) = self.order.ids {
            command.uid(user).gid(group);
        }
        Ok(command)
    }

    fn next(&self) -> Happening {
        self.happenings
            .recv()
            .expect("the guard has a sender itself")
    }

    /// Reports an exit, and keeps the directory until a message decides about it.
    fn report_and_wait(&self, output: &mut impl Write, report: &Report) -> Ending {
        say(output, report);
        loop {
            match self.next() {
                Happening::Over(ending) => return ending,
                Happening::Ended(_) => {}
            }
        }
    }

    /// Kills what is still running and frees its resources. Does nothing the second time.
    fn clean_up(&mut self) {
        let mut killed = Vec::new();
        for child in &self.children {
            killed.extend(tree::kill(pid_of(child)));
        }
        if self.reach == Reach::Process {
            killed.extend(tree::kill_below(nix::unistd::getpid()));
        }
        tree::wait_until_gone(&killed);
        if self.reach == Reach::Process {
            reap_orphans(&self.children);
        }
        if let Some(shared_memory) = &self.order.shared_memory {
            shared_memory.free();
        }
    }
}

impl Drop for Guarded<'_> {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Fails only for a child that was reaped.
            drop(child.wait());
        }
    }
}

impl SharedMemory {
    /// Removes the segment and the lock file that names it: a later process with the same id must not make it look valid.
    fn free(&self) {
        let Ok(text) = fs::read_to_string(&self.lock_file) else {
            return;
        };
        let segment = text
            .lines()
            .nth(6)
            .and_then(|line| line.split_whitespace().nth(1));
        if let Some(id) = segment {
            let ipcrm = Command::new(&self.ipcrm)
                .args(["-m", id])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            // Fails for a server that shut down normally and removed the segment itself.
            drop(ipcrm);
        }
        drop(fs::remove_file(&self.lock_file));
    }
}

/// Reaps the processes that this process inherited from the server.
fn reap_orphans(children: &[Child]) {
    let ours: Vec<Pid> = children.iter().map(pid_of).collect();
    for orphan in tree::children(nix::unistd::getpid()) {
        if !ours.contains(&orphan) {
            // Fails only for one that has not exited, and that was killed.
            let _ = waitpid(orphan, Some(WaitPidFlag::WNOHANG));
        }
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("process ids are positive i32"))
}

fn say(output: &mut impl Write, report: &Report) {
    let line = serde_json::to_string(report).expect("a report is always valid JSON");
    // Fails only if the reader is gone. Then the input ends, too.
    drop(writeln!(output, "{line}").and_then(|()| output.flush()));
}

fn describe(status: Result<WaitStatus, nix::Error>) -> String {
    match status {
        Ok(WaitStatus::Exited(_, code)) => format!("exited with status {code}"),
        Ok(WaitStatus::Signaled(_, signal, _)) => format!("ended by {}", signal.as_str()),
        Ok(status) => format!("{status:?}"),
        Err(error) => format!("ended, {error}"),
    }
}

fn touch(path: &Path, ids: Option<(u32, u32)>) -> std::io::Result<()> {
    File::create(path)?;
    match ids {
        Some((user, group)) => std::os::unix::fs::chown(path, Some(user), Some(group)),
        None => Ok(()),
    }
}

/// Removes a server's directory.
#[expect(
    clippy::disallowed_methods,
    reason = "the guard is a separate thread or process and waits for the operating system"
)]
fn remove(directory: &Path) {
    for _ in 0..REMOVE_TRIES {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                thread::sleep(REMOVE_PAUSE);
            }
            Ok(()) | Err(_) => break,
        }
    }
}

fn name(program: &Path) -> String {
    program
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
