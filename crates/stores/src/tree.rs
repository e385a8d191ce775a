//! A process and its descendants: stopped, continued, killed.
//!
//! A server's children may have sessions of their own (PostgreSQL's have), so a process group does not hold them all.
//! The parent is stopped first: a stopped process starts no others, and a child that ends stays in the list.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill as send};
use nix::unistd::Pid;

/// How long a killed process has to be gone. The kernel frees its memory first; a second is ample on a loaded machine.
const GONE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a killed process is looked at.
const GONE_POLL: Duration = Duration::from_millis(2);

/// Stops a process and all below it, and returns them, parents first.
pub(crate) fn stop(root: Pid) -> Vec<Pid> {
    signal(root, Signal::SIGSTOP);
    freeze_below(vec![root])
}

/// Lets a stopped process and all below it go on, children first: a parent may wait for an answer.
pub(crate) fn resume(root: Pid) {
    for pid in below(&[root]).into_iter().rev().chain([root]) {
        signal(pid, Signal::SIGCONT);
    }
}

/// Kills a process and all below it at once, and returns them; they may take a moment to be gone.
pub(crate) fn kill(root: Pid) -> Vec<Pid> {
    let all = stop(root);
    for pid in &all {
        signal(*pid, Signal::SIGKILL);
    }
    all
}

/// Kills all below a process but not the process itself, and returns them.
pub(crate) fn kill_below(root: Pid) -> Vec<Pid> {
    let mut all = freeze_below(vec![root]);
    all.retain(|pid| *pid != root);
    for pid in &all {
        signal(*pid, Signal::SIGKILL);
    }
    all
}

/// Waits until processes that were killed are gone or wait for their parent to notice.
#[expect(
    clippy::disallowed_methods,
    reason = "called in the guard, which is a thread or process of its own and waits for the operating system"
)]
pub(crate) fn wait_until_gone(pids: &[Pid]) {
    let mut waited = Duration::ZERO;
    while waited < GONE_TIMEOUT && pids.iter().any(|pid| is_alive(*pid)) {
        std::thread::sleep(GONE_POLL);
        waited += GONE_POLL;
    }
}

/// The processes started by a process, or handed down to it, those that have ended included.
pub(crate) fn children(parent: Pid) -> Vec<Pid> {
    Status::all()
        .into_iter()
        .filter(|status| status.parent == parent)
        .map(|status| status.pid)
        .collect()
}

/// Whether a process runs or is stopped; one that has ended and was not waited for does neither.
pub(crate) fn is_alive(pid: Pid) -> bool {
    Status::of(pid).is_some_and(|status| !matches!(status.state, 'Z' | 'X'))
}

/// Sends a signal to a process that may have ended.
pub(crate) fn signal(pid: Pid, signal: Signal) {
    // Fails only if the process has ended, which is then what was wanted.
    let _ = send(pid, signal);
}

/// Stops all below the first processes until a listing shows none that is new.
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

/// All descendants, each after its parent.
///
/// Read from every process's own file, since not every kernel has lists of children.
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

    /// Reads `pid (name) state parent …`; the name may hold spaces and parentheses.
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
    fn grandchildren_with_sessions_of_their_own_are_killed_too() {
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
        reason = "nothing tells of what does not happen"
    )]
    fn a_stopped_tree_goes_on_where_it_was() {
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
