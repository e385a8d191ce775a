//! Stops, continues and kills a process and its descendants.
//!
//! A process group is not enough, because a server's children may have sessions of their own (as those of PostgreSQL do). The
//! parent is stopped first: a stopped process cannot start others, and a child that exits stays in the process list.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill as send};
use nix::unistd::Pid;

/// Timeout for a killed process to exit. The kernel has to free its memory first; a second is ample on a busy machine.
const GONE_TIMEOUT: Duration = Duration::from_secs(1);
/// Interval at which to check whether a killed process has exited.
const GONE_POLL: Duration = Duration::from_millis(2);

/// Stops a process and its descendants, and returns them, parents first.
pub(crate) fn stop(root: Pid) -> Vec<Pid> {
    signal(root, Signal::SIGSTOP);
    freeze_below(vec![root])
}

/// Continues a stopped process and its descendants, children first: a parent may be waiting for a child.
pub(crate) fn resume(root: Pid) {
    for pid in below(&[root]).into_iter().rev().chain([root]) {
        signal(pid, Signal::SIGCONT);
    }
}

/// Kills a process and its descendants, and returns them. They may take a moment to exit.
pub(crate) fn kill(root: Pid) -> Vec<Pid> {
    let all = stop(root);
    kill_all(&all);
    all
}

/// Stops the descendants of a process but not the process itself, and returns them.
pub(crate) fn stop_below(root: Pid) -> Vec<Pid> {
    let mut all = freeze_below(vec![root]);
    all.retain(|pid| *pid != root);
    all
}

/// Kills processes, which were stopped so that they start no others.
pub(crate) fn kill_all(stopped: &[Pid]) {
    for pid in stopped {
        signal(*pid, Signal::SIGKILL);
    }
}

/// Waits until killed processes have exited. They may still have to be reaped by their parent.
#[expect(
    clippy::disallowed_methods,
    reason = "called in the guard, which is a separate thread or process and waits for the operating system"
)]
pub(crate) fn wait_until_gone(pids: &[Pid]) {
    let mut waited = Duration::ZERO;
    while waited < GONE_TIMEOUT && pids.iter().any(|pid| is_alive(*pid)) {
        std::thread::sleep(GONE_POLL);
        waited += GONE_POLL;
    }
}

/// Returns the children of a process, including inherited ones and those that have exited.
pub(crate) fn children(parent: Pid) -> Vec<Pid> {
    Status::all()
        .into_iter()
        .filter(|status| status.parent == parent)
        .map(|status| status.pid)
        .collect()
}

/// Returns whether a process is running or stopped, as opposed to one that has exited and was not reaped.
pub(crate) fn is_alive(pid: Pid) -> bool {
    Status::of(pid).is_some_and(|status| !matches!(status.state, 'Z' | 'X'))
}

/// Sends a signal to a process that may have exited.
pub(crate) fn signal(pid: Pid, signal: Signal) {
    // Fails only if the process has exited, which is fine.
    let _ = send(pid, signal);
}

/// Stops the descendants of the first processes until there are no new ones.
fn freeze_below(mut all: Vec<Pid>) -> Vec<Pid> {
    loop {
        let fresh: Vec<Pid> = below(&all)
            .into_iter()
            .filter(|pid| !all.contains(pid))
            .collect();
        if fresh.is_empty() {
            return all;
        }
        for pid in &fresh {
            signal(*pid, Signal::SIGSTOP);
        }
        all.extend(fresh);
    }
}

/// Returns all descendants, each after its parent.
///
/// Reads the file of every process, because not every kernel provides lists of children.
fn below(roots: &[Pid]) -> Vec<Pid> {
    let statuses = Status::all();
    let mut found: Vec<Pid> = Vec::new();
    let mut seen: BTreeSet<Pid> = roots.iter().copied().collect();
    loop {
        let fresh: Vec<Pid> = statuses
            .iter()
            .filter(|status| seen.contains(&status.parent) && !seen.contains(&status.pid))
            .map(|status| status.pid)
            .collect();
        if fresh.is_empty() {
            return found;
        }
        seen.extend(&fresh);
        found.extend(fresh);
    }
}

struct Status {
    pid: Pid,
    parent: Pid,
    state: char,
}

impl Status {
    fn of(pid: Pid) -> Option<Self> {
        Self::read(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn all() -> Vec<Self> {
        fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Self::of(Pid::from_raw(pid)))
            .collect()
    }

    /// Parses `pid (name) state parent …`. The name may contain spaces and parentheses.
    fn read(line: &str) -> Option<Self> {
        let (head, tail) = line.rsplit_once(')')?;
        let mut fields = tail.split_whitespace();
        Some(Self {
            pid: Pid::from_raw(head.split_once(' ')?.0.parse().ok()?),
            state: fields.next()?.chars().next()?,
            parent: Pid::from_raw(fields.next()?.parse().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Child, Command, Stdio};

    use super::*;

    #[test]
    fn names_with_parentheses_do_not_hide_the_parent() {
        let status = Status::read("42 (a) S 1 b) T 7 42 42 0").unwrap();
        assert_eq!(
            (status.pid, status.parent, status.state),
            (Pid::from_raw(42), Pid::from_raw(7), 'T')
        );
    }

    #[test]
    fn grandchildren_in_other_sessions_are_killed_too() {
        let mut child = parent_of("setsid sleep 60 & setsid sleep 60 & wait");
        let root = Pid::from_raw(i32::try_from(child.id()).unwrap());
        while below(&[root]).len() < 2 {
            assert!(is_alive(root));
            std::thread::yield_now();
        }
        let killed = kill(root);
        wait_until_gone(&killed);
        assert!(killed.len() >= 3, "{killed:?}");
        assert!(killed.iter().all(|pid| !is_alive(*pid)));
        child.wait().unwrap();
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "waits for something that must not happen"
    )]
    fn a_stopped_tree_can_be_continued() {
        let mut child = parent_of("read line; exit 7");
        let root = Pid::from_raw(i32::try_from(child.id()).unwrap());
        stop(root);
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(child.try_wait().unwrap(), None);
        resume(root);
        assert_eq!(child.wait().unwrap().code(), Some(7));
    }

    fn parent_of(script: &str) -> Child {
        Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }
}
