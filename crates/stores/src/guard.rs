//! Stands between a server and the process that wanted it, so that nothing of the server outlives that process.
//!
//! A guard reads JSON lines on its standard input: a claim on a directory, then the order to start a server in it. It
//! says on its standard output what becomes of the server, a JSON line each. While the input is open it keeps the
//! server's process id from being used again. When the input ends, for whatever reason, it kills the server with all its
//! children, frees its shared memory and removes its directory. A third line does the same, but says what becomes of the
//! directory.
//!
//! Orders hold no secrets: passwords are in files that only the server's user can read.

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

/// How often a directory is tried to be removed: a killed child may still be at its last system call.
const REMOVE_TRIES: u32 = 20;
/// Time between two tries.
const REMOVE_PAUSE: Duration = Duration::from_millis(10);

/// Runs a guard as a process of its own: what the hidden subcommand of [`Guard::Binary`](crate::Guard::Binary) calls.
pub fn main() -> std::io::Result<()> {
    // A signal to the whole group (a terminal's Ctrl-C, a service manager's stop) must not end the guard before its
    // work is done; the end of its input does. Children start with an empty mask again.
    let ignored = [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
    ];
    SigSet::from_iter(ignored).thread_block()?;
    // Children of a server that died come to the guard, which then finds and kills them.
    nix::sys::prctl::set_child_subreaper(true)?;
    serve(std::io::stdin(), std::io::stdout(), Reach::Process);
    Ok(())
}

/// What a guard may take for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The whole process: whatever is below it belongs to the server.
    Process,
    /// A thread of a process that has other children.
    Thread,
}

/// What a guard looks after from its first moment.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Claim {
    /// The server's directory, which need not be there yet.
    pub(crate) directory: PathBuf,
    /// Where everything that is started writes its output to.
    pub(crate) log: PathBuf,
}

/// What a guard is asked to start.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Order {
    /// User and group of everything that is started; `None`: those of the guard.
    pub(crate) ids: Option<(u32, u32)>,
    /// What comes before the server, in order.
    pub(crate) steps: Vec<Step>,
    /// The server.
    pub(crate) server: Invocation,
    /// For a server that leaves shared memory.
    pub(crate) shared_memory: Option<SharedMemory>,
}

/// One step before the server.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Step {
    /// A program that must succeed.
    Run(Invocation),
    /// An empty file that must be there.
    Touch(PathBuf),
}

/// A program with its arguments. Its environment is empty but for what is named here and a few words of ours.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Invocation {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
}

/// How a System V segment is found and removed.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct SharedMemory {
    /// PostgreSQL's lock file: its seventh line holds the segment's key and id.
    pub(crate) lock_file: PathBuf,
    /// The program that removes a segment.
    pub(crate) ipcrm: PathBuf,
}

/// What becomes of a server.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) enum Report {
    /// It runs.
    Running {
        /// Its process id.
        pid: i32,
    },
    /// It, or a program before it, could not do its work.
    Failed {
        /// Which, and how it ended.
        how: String,
    },
    /// It ended.
    Ended {
        /// How.
        how: String,
    },
}

enum Happening {
    /// A child ended.
    Ended(Result<WaitStatus, nix::Error>),
    /// The order is withdrawn.
    Over(Ending),
}

/// What a guard is told once it has a claim.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Said {
    /// To start a server.
    Order(Order),
    /// To end.
    Ending(Ending),
}

/// What becomes of the directory at the end.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) enum Ending {
    /// It is removed.
    Remove,
    /// It is left to the next server.
    Keep,
    /// Whoever gave the order is gone: it is removed, and the directory of all servers once this was the last.
    Orphaned,
}

/// Serves one order until its input ends.
pub(crate) fn serve(input: impl Read + Send + 'static, mut output: impl Write, reach: Reach) {
    let mut input = BufReader::new(input);
    // Without a claim there is nothing to guard and nobody to tell.
    let Some(claim) = read_line(&mut input) else {
        return;
    };
    let ending = match read_line(&mut input) {
        Some(Said::Order(order)) => {
            let mut guarded = Guarded::new(&claim, order, reach, input);
            let ending = guarded.run(&mut output);
            guarded.clean_up();
            // Said while the process id is still the server's: an end without it means that the guard was killed.
            let how = "as it was told".to_owned();
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
                // Fails while other servers have directories in it.
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
    // Fails only if the guard has done its work.
    drop(happenings.send(Happening::Over(ending)));
}

struct Guarded<'a> {
    claim: &'a Claim,
    order: Order,
    reach: Reach,
    happenings_tx: Sender<Happening>,
    happenings: Receiver<Happening>,
    /// All that were started. They are waited for at the very end, so that their ids stay theirs.
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

    /// Takes one step; an ending means that the order was withdrawn meanwhile.
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
        let failed = |error| format!("{} cannot be started: {error}", name(&invocation.program));
        let child = self.command(invocation).and_then(|mut it| it.spawn());
        let child = child.map_err(failed)?;
        let pid = pid_of(&child);
        self.children.push(child);
        let happenings = self.happenings_tx.clone();
        thread::spawn(move || {
            // Left unreaped: until the end nobody else can get this id, so a late signal harms nobody.
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
            // Nothing of the user's (PGDATA, PGPASSWORD, …) reaches a server.
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
            .expect("this guard holds a sender itself")
    }

    /// Reports an end, and keeps the directory until somebody says what becomes of it.
    fn report_and_wait(&self, output: &mut impl Write, report: &Report) -> Ending {
        say(output, report);
        loop {
            match self.next() {
                Happening::Over(ending) => return ending,
                Happening::Ended(_) => {}
            }
        }
    }

    /// Kills what still runs and frees what it held. Does nothing the second time.
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
            // Fails only for a child that was waited for.
            drop(child.wait());
        }
    }
}

impl SharedMemory {
    /// Removes the segment and the lock file that names it, which nobody's process id may bring to life again.
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
            // Fails for a server that ended in order and removed its segment itself.
            drop(ipcrm);
        }
        drop(fs::remove_file(&self.lock_file));
    }
}

/// Waits for what came to this process from below the server, so that nobody else has to.
fn reap_orphans(children: &[Child]) {
    let ours: Vec<Pid> = children.iter().map(pid_of).collect();
    for orphan in tree::children(nix::unistd::getpid()) {
        if !ours.contains(&orphan) {
            // Fails only for one that has not ended, and that was killed.
            let _ = waitpid(orphan, Some(WaitPidFlag::WNOHANG));
        }
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("process ids are positive i32"))
}

fn say(output: &mut impl Write, report: &Report) {
    let line = serde_json::to_string(report).expect("a report is plain data");
    // Fails only if the reader is gone; then the input ends as well.
    drop(writeln!(output, "{line}").and_then(|()| output.flush()));
}

fn describe(status: Result<WaitStatus, nix::Error>) -> String {
    match status {
        Ok(WaitStatus::Exited(_, code)) => format!("ended with status {code}"),
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
    reason = "the guard is a thread or process of its own and waits for the operating system"
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
