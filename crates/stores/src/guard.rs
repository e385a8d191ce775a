//! A guard runs between a server and the process that started it, so that nothing of the server outlives that process.
//!
//! A guard reads JSON lines from its standard input: a claim on a directory, then the order to start a server in it. It
//! reports the state of the server on its standard output, one JSON line each. While the input is open, the guard keeps the
//! server's process id from being reused. When the input ends, for whatever reason, the guard kills the server with all its
//! children, frees its shared memory and removes its directory. A third line does the same and decides whether to keep the
//! directory.
//!
//! If the guard itself is killed, the kernel ends what it has started (see [`crate::containment`]). Then only
//! the directory remains, and the next host removes it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use crate::containment::{self, Job, Namespaces, Program, Word};
use crate::message::{Claim, Ending, Invocation, Order, Report, Said, Step, Task, read_line, say};
use crate::{shared_memory, tree};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

/// Attempts to remove a directory: a killed child may not have finished its last system call.
const REMOVE_TRIES: u32 = 20;
/// Time between two attempts.
const REMOVE_PAUSE: Duration = Duration::from_millis(10);

/// Runs a guard as a separate process. The hidden subcommand of [`Guard::Binary`](crate::Guard::Binary) calls it.
pub fn main() -> std::io::Result<()> {
    // A signal to the whole group (a terminal's Ctrl-C, a service manager's stop) must not end the guard before its
    // work is done; the end of its input does.
    let ignored = [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
    ];
    SigSet::from_iter(ignored).thread_block()?;
    let mut input = BufReader::new(std::io::stdin());
    match read_line(&mut input) {
        Some(Task::Guard(claim)) => {
            // The guard inherits the children of a server that died, and finds and kills them.
            prctl::set_child_subreaper(true)?;
            // A guard that was stopped continues and sees the end of its input.
            prctl::set_pdeathsig(Signal::SIGCONT)?;
            serve(&claim, input, std::io::stdout(), Reach::Process);
            Ok(())
        }
        Some(Task::Hold(job)) => containment::hold(job),
        Some(Task::Become(program)) => containment::become_program(&program, input),
        // Without a claim there is nothing to guard and no one to report to.
        None => Ok(()),
    }
}

/// Which processes belong to a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All descendants of the process: they belong to the server.
    Process,
    /// Only those of the server: the guard is a thread of a process that has other children.
    Thread,
}

enum Happening {
    /// A program exited.
    Ended(Outcome),
    /// The order was withdrawn.
    Over(Ending),
}

/// How a program exited.
struct Outcome {
    is_success: bool,
    how: String,
}

/// Serves one order until its input ends.
pub(crate) fn serve(
    claim: &Claim,
    mut input: impl BufRead + Send + 'static,
    mut output: impl Write,
    reach: Reach,
) {
    let ending = match read_line(&mut input) {
        Some(Said::Order(order)) => {
            let mut guarded = Guarded::new(claim, order, reach, input);
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
    /// The programs that holders have started for this guard. Not reaped for the same reason.
    programs: Vec<Pid>,
    /// The namespaces of programs that are started.
    namespaces: Namespaces,
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
        let listening = thread::Builder::new().spawn(move || listen(input, &listener));
        if listening.is_err() {
            // Out of memory or processes: nothing is started, and the directory is removed.
            drop(happenings_tx.send(Happening::Over(Ending::Orphaned)));
        }
        Self {
            claim,
            order,
            reach,
            happenings_tx,
            happenings,
            children: Vec::new(),
            programs: Vec::new(),
            namespaces: match reach {
                Reach::Process => Namespaces::Own,
                Reach::Thread => Namespaces::Shared,
            },
        }
    }

    fn run(&mut self, output: &mut impl Write) -> Ending {
        if let Ok(Happening::Over(ending)) = self.happenings.try_recv() {
            return ending;
        }
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
            Happening::Ended(Outcome { how, .. }) => {
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
                    Happening::Ended(Outcome {
                        is_success: true, ..
                    }) => Ok(None),
                    Happening::Ended(Outcome { how, .. }) => Err(format!("{name} {how}")),
                }
            }
        }
    }

    fn start_server(&mut self) -> Result<Pid, String> {
        let server = self.order.server.clone();
        self.start(&server)
    }

    /// Starts a program, and returns its process id.
    fn start(&mut self, invocation: &Invocation) -> Result<Pid, String> {
        let failed = |error| format!("cannot start {}: {error}", name(&invocation.program));
        match self.reach {
            Reach::Thread => self.start_directly(invocation),
            Reach::Process => self.start_contained(invocation),
        }
        .map_err(failed)
    }

    fn start_directly(&mut self, invocation: &Invocation) -> std::io::Result<Pid> {
        let mut command = self.command(&invocation.program, &invocation.environment)?;
        let log = self.log()?;
        command
            .args(&invocation.arguments)
            .stdin(Stdio::null())
            .stdout(log);
        if let Some((user, group)) = self.order.ids {
            command.uid(user).gid(group);
        }
        let child = command.spawn()?;
        let pid = pid_of(&child);
        self.children.push(child);
        let happenings = self.happenings_tx.clone();
        thread::Builder::new().spawn(move || {
            // Not reaped until the end: the process id is not reused, so a late signal cannot hit another process.
            let ended = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
            drop(happenings.send(Happening::Ended(Outcome::of(ended))));
        })?;
        Ok(pid)
    }

    fn start_contained(&mut self, invocation: &Invocation) -> std::io::Result<Pid> {
        loop {
            let program = std::env::current_exe()?;
            let mut holder = self
                .command(&program, &invocation.environment)?
                .args(std::env::args_os().skip(1))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let holder_pid = pid_of(&holder);
            let mut input = holder.stdin.take().expect("the input is piped");
            let mut words = BufReader::new(holder.stdout.take().expect("the output is piped"));
            self.children.push(holder);
            let job = Job {
                guard: nix::unistd::getpid().as_raw(),
                namespaces: self.namespaces,
                program: Program {
                    ids: self.order.ids,
                    invocation: invocation.clone(),
                },
            };
            say(&mut input, &Task::Hold(job));
            match read_line(&mut words) {
                Some(Word::NotPermitted) if self.namespaces == Namespaces::Own => {
                    self.namespaces = Namespaces::Shared;
                }
                Some(Word::Started { pid }) => {
                    let pid = Pid::from_raw(pid);
                    self.programs.push(pid);
                    let happenings = self.happenings_tx.clone();
                    thread::Builder::new().spawn(move || {
                        let outcome = Outcome::told(&mut words, holder_pid);
                        drop(happenings.send(Happening::Ended(outcome)));
                    })?;
                    return Ok(pid);
                }
                Some(Word::NotPermitted | Word::Ended { .. }) | None => {
                    return Err(std::io::Error::other("its holder failed"));
                }
            }
        }
    }

    /// A program of this guard: its environment, directory and log.
    fn command(
        &self,
        program: &Path,
        environment: &[(String, String)],
    ) -> std::io::Result<Command> {
        let mut command = Command::new(program);
        command
            // Servers must not inherit the user's variables (PGDATA, PGPASSWORD, …).
            .env_clear()
            .envs([("LC_ALL", "C"), ("TZ", "UTC"), ("PATH", "/usr/bin:/bin")])
            .envs(environment.iter().cloned())
            .current_dir(&self.claim.directory)
            .stderr(self.log()?)
            .process_group(0);
        Ok(command)
    }

    fn log(&self) -> std::io::Result<File> {
        File::options()
            .create(true)
            .append(true)
            .open(&self.claim.log)
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
        let mut found = Vec::new();
        for child in &self.children {
            found.extend(tree::stop(pid_of(child)));
        }
        if self.reach == Reach::Process {
            found.extend(tree::stop_below(nix::unistd::getpid()));
        }
        let posix = match self.namespaces {
            // The kernel frees it with the last process.
            Namespaces::Own => BTreeSet::new(),
            Namespaces::Shared => shared_memory::posix_of(&found),
        };
        tree::kill_all(&found);
        tree::wait_until_gone(&found);
        if self.reach == Reach::Process {
            self.reap_orphans();
        }
        for file in posix {
            // Fails if its owner has removed it.
            drop(fs::remove_file(file));
        }
        if let Some(shared_memory) = &self.order.shared_memory {
            shared_memory.free(self.namespaces, self.order.ids);
        }
    }

    /// Reaps the processes that this process inherited from the server.
    fn reap_orphans(&self) {
        let mut kept: Vec<Pid> = self.children.iter().map(pid_of).collect();
        kept.extend(&self.programs);
        for orphan in tree::children(nix::unistd::getpid()) {
            if !kept.contains(&orphan) {
                // Fails only for one that has not exited, and that was killed.
                let _ = waitpid(orphan, Some(WaitPidFlag::WNOHANG));
            }
        }
    }
}

impl Outcome {
    fn of(ended: Result<WaitStatus, nix::Error>) -> Self {
        Self {
            is_success: is_success(ended),
            how: describe(ended),
        }
    }

    /// What a holder says about its program; if it was killed, how the holder itself ended.
    fn told(words: &mut impl BufRead, holder: Pid) -> Self {
        match read_line(words) {
            Some(Word::Ended { is_success, how }) => Self { is_success, how },
            Some(Word::NotPermitted | Word::Started { .. }) | None => {
                let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
                Self {
                    is_success: false,
                    how: describe(waitid(Id::Pid(holder), flags)),
                }
            }
        }
    }
}

impl Drop for Guarded<'_> {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Fails only for a child that was reaped.
            drop(child.wait());
        }
        for program in &self.programs {
            // Fails for one that its holder has not left behind.
            let _ = waitpid(*program, Some(WaitPidFlag::WNOHANG));
        }
    }
}

/// Returns the process id of a child.
pub(crate) fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("process ids are positive i32"))
}

/// Returns whether a process exited with status 0.
pub(crate) fn is_success(status: Result<WaitStatus, nix::Error>) -> bool {
    matches!(status, Ok(WaitStatus::Exited(_, 0)))
}

/// Describes how a process exited.
pub(crate) fn describe(status: Result<WaitStatus, nix::Error>) -> String {
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
pub(crate) fn remove(directory: &Path) {
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
