//! A running program and its processes.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::command::{Ended, Workplace};

/// A running program, started as from a terminal: it leads a process group, and Ctrl-C reaches the whole group.
pub(crate) struct Running {
    child: Child,
    stderr: Lines<BufReader<ChildStderr>>,
    heard: Vec<String>,
}

impl Running {
    pub(crate) fn start(workplace: &Workplace, arguments: &[&str]) -> Self {
        Self::spawn(&mut workplace.program(arguments))
    }

    /// Starts a program that was already configured.
    pub(crate) fn spawn(program: &mut Command) -> Self {
        let mut child = program
            .process_group(0)
            .spawn()
            .expect("the program starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        Self {
            child,
            stderr: BufReader::new(stderr).lines(),
            heard: Vec::new(),
        }
    }

    /// Reads its stderr until a line matches.
    pub(crate) fn wait_for(&mut self, is_it: impl Fn(&str) -> bool) {
        for line in self.stderr.by_ref() {
            let line = line.expect("the output is UTF-8");
            let found = is_it(&line);
            self.heard.push(line);
            if found {
                return;
            }
        }
        panic!(
            "it exited without printing that line:\n{}",
            self.heard.join("\n")
        );
    }

    /// Waits until buyers have arrived.
    pub(crate) fn wait_for_buyers(&mut self) {
        self.wait_for(|line| {
            let arrived = line
                .split(" · ")
                .find_map(|part| part.strip_suffix(" arrived"));
            arrived.is_some_and(|count| count != "0")
        });
    }

    /// Returns whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is a child").is_some()
    }

    /// Returns its child processes.
    pub(crate) fn children(&self) -> Vec<Process> {
        let supervisor = self.child.id().cast_signed();
        processes()
            .into_iter()
            .filter(|process| process.parent == supervisor)
            .collect()
    }

    /// Returns its child processes and all of their descendants.
    pub(crate) fn descendants(&self) -> Vec<Process> {
        let all = processes();
        let mut found: Vec<Process> = Vec::new();
        let mut parents = vec![self.child.id().cast_signed()];
        while let Some(parent) = parents.pop() {
            let children = all.iter().filter(|process| process.parent == parent);
            for child in children {
                parents.push(child.pid);
                found.push(child.clone());
            }
        }
        found
    }

    /// Presses Ctrl-C.
    pub(crate) fn interrupt(&self) {
        killpg(self.pid(), Signal::SIGINT).expect("it runs");
    }

    /// Sends SIGTERM, as a service manager does.
    pub(crate) fn terminate(&self) {
        kill(self.pid(), Signal::SIGTERM).expect("it runs");
    }

    /// Sends SIGHUP, as a terminal does when it closes.
    pub(crate) fn hang_up(&self) {
        self.send(Signal::SIGHUP);
    }

    /// Sends a signal to the supervisor, and only to it.
    pub(crate) fn send(&self, signal: Signal) {
        kill(self.pid(), signal).expect("it runs");
    }

    /// Stops the supervisor, and only it, with SIGSTOP.
    pub(crate) fn stop(&self) {
        self.send(Signal::SIGSTOP);
    }

    /// Lets a stopped supervisor continue.
    pub(crate) fn resume(&self) {
        self.send(Signal::SIGCONT);
    }

    /// Kills the supervisor, and only it, with SIGKILL.
    pub(crate) fn kill(&self) {
        kill(self.pid(), Signal::SIGKILL).expect("it runs");
    }

    /// Waits until it and all processes that share its stderr have exited.
    pub(crate) fn finish(mut self) -> Ended {
        for line in self.stderr.by_ref() {
            self.heard.push(line.expect("the output is UTF-8"));
        }
        let mut stdout = String::new();
        let mut pipe = self.child.stdout.take().expect("stdout is piped");
        pipe.read_to_string(&mut stdout)
            .expect("the output is UTF-8");
        let status = self.child.wait().expect("it was started");
        Ended {
            code: status.code(),
            stdout,
            stderr: self.heard.join("\n"),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

/// A process as `/proc` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pid: i32,
    parent: i32,
    /// Argument 0, which some programs change.
    pub(crate) title: String,
    /// The other arguments.
    pub(crate) arguments: Vec<String>,
}

impl Process {
    /// Kills it with SIGKILL.
    pub(crate) fn kill(&self) {
        kill(Pid::from_raw(self.pid), Signal::SIGKILL).expect("it runs");
    }

    /// Kills it with SIGKILL unless it is gone.
    pub(crate) fn end(&self) {
        let _gone = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
    }

    /// Stops it with SIGSTOP: it lives, and does nothing.
    pub(crate) fn stop(&self) {
        kill(Pid::from_raw(self.pid), Signal::SIGSTOP).expect("it runs");
    }

    /// Lets it continue.
    pub(crate) fn resume(&self) {
        kill(Pid::from_raw(self.pid), Signal::SIGCONT).expect("it is stopped");
    }

    /// Returns whether it is still running; a zombie is not.
    pub(crate) fn runs(&self) -> bool {
        let again = processes().into_iter().find(|other| other.pid == self.pid);
        again.is_some_and(|process| process.arguments == self.arguments)
    }
}

/// Fails if one of the processes is still running after ten seconds.
pub(crate) fn assert_gone(processes: &[Process]) {
    let left = || -> Vec<_> { processes.iter().filter(|process| process.runs()).collect() };
    for _ in 0..200 {
        if left().is_empty() {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "there is no event to wait for")]
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("still running: {:?}", left());
}

/// Fails if a shared-memory segment that one of the processes created still exists.
pub(crate) fn assert_no_shared_memory(processes: &[Process]) {
    let table = fs::read_to_string("/proc/sysvipc/shm").expect("Linux has it");
    let left = |line: &&str| {
        let creator = line.split_whitespace().nth(4).unwrap_or_default();
        processes
            .iter()
            .any(|process| process.pid.to_string() == creator)
    };
    let left: Vec<_> = table.lines().skip(1).filter(left).collect();
    assert!(left.is_empty(), "shared memory is left: {left:?}");
}

/// All processes of this machine that can be read.
fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("Linux has it");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter_map(|name| process(name.parse().ok()?))
        .collect()
}

fn process(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in parentheses, may contain any character.
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ');
    let (state, parent) = (fields.next()?, fields.next()?);
    if state == "Z" {
        return None;
    }
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split_terminator('\0');
    let title = words.next().unwrap_or_default().to_owned();
    Some(Process {
        pid,
        parent: parent.parse().ok()?,
        title,
        arguments: words.map(str::to_owned).collect(),
    })
}
