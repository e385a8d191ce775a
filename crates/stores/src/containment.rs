//! Runs a program so that the kernel ends it, with everything it has started, when the guard ends, however that happens.
//!
//! ```text
//! guard ──▶ holder ──▶ program
//! ```
//!
//! Guard and holder are this project's binary. The *holder* takes namespaces of its own and starts the program as process 1 in
//! them. Holder and program have a parent-death signal: the kernel kills the holder when the guard ends, and the program when
//! the holder ends. When process 1 of a PID namespace ends, the kernel kills all others in it, even stopped ones and those
//! with sessions of their own. With the last process, it frees the shared memory of the IPC namespace and the private
//! `/dev/shm`.
//!
//! Namespaces need root or unprivileged user namespaces, which some systems and most containers forbid. Then the parent-death
//! signals still end the program, and its children end by themselves when they notice.

use std::fs;
use std::io::{self, BufRead};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{self, Gid, Pid, Uid};
use serde::{Deserialize, Serialize};

use crate::guard::{describe, is_success, pid_of};
use crate::message::{Invocation, Task, read_line, say};

/// Where POSIX shared memory has its files.
const SHARED_MEMORY: &str = "/dev/shm";

/// The task of a holder.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Job {
    /// Process id of the guard.
    pub(crate) guard: i32,
    /// Which namespaces to use.
    pub(crate) namespaces: Namespaces,
    /// The program.
    pub(crate) program: Program,
}

/// A program, and whom it runs as.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Program {
    /// User and group; `None` means those of this process.
    pub(crate) ids: Option<(u32, u32)>,
    /// The program with its arguments.
    pub(crate) invocation: Invocation,
}

/// The namespaces of a program: process ids, System V and POSIX shared memory.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) enum Namespaces {
    /// Its own.
    Own,
    /// Those of the guard.
    Shared,
}

/// What a holder says.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Word {
    /// Namespaces are not permitted here. The holder ends.
    NotPermitted,
    /// The program is about to start with this process id.
    Started {
        /// The process id as the guard sees it.
        pid: i32,
    },
    /// The program exited.
    Ended {
        /// Whether with status 0.
        is_success: bool,
        /// How, in words.
        how: String,
    },
}

/// Starts a program and waits for it. Says how it started and ended on standard output.
pub(crate) fn hold(job: Job) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if unistd::getppid() != Pid::from_raw(job.guard) {
        // The guard ended before the kernel knew what to do then.
        return Ok(());
    }
    let mut output = io::stdout();
    if job.namespaces == Namespaces::Own && take_namespaces(job.program.ids.is_none()).is_err() {
        say(&mut output, &Word::NotPermitted);
        return Ok(());
    }
    let mut program = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let pid = pid_of(&program);
    let mut input = program.stdin.take().expect("the input is piped");
    let mut replies = io::BufReader::new(program.stdout.take().expect("the output is piped"));
    say(&mut input, &Task::Become(job.program));
    // Only started once it will be killed with this process: until then it waits, and ends if this process is gone.
    if read_line::<Ready>(&mut replies).is_some() {
        say(&mut output, &Word::Started { pid: pid.as_raw() });
        say(&mut input, &Ready);
    }
    // Not reaped, so that its process id is not reused: the guard inherits it.
    let ended = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
    let word = Word::Ended {
        is_success: is_success(ended),
        how: describe(ended),
    };
    say(&mut output, &word);
    Ok(())
}

/// Both sides are ready: the program to be started, the holder to start it.
#[derive(Deserialize, Serialize)]
struct Ready;

/// Turns this process into the program. Returns only if that fails.
pub(crate) fn become_program(program: &Program, mut input: impl BufRead) -> io::Result<()> {
    if let Some((user, group)) = program.ids {
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        unistd::setgroups(&[group])?;
        unistd::setgid(group)?;
        unistd::setuid(user)?;
    }
    // After the change of user, which resets it.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    say(&mut io::stdout(), &Ready);
    if read_line::<Ready>(&mut input).is_none() {
        return Ok(());
    }
    // Programs expect to receive every signal.
    SigSet::empty().thread_set_mask()?;
    let log = io::stderr().as_fd().try_clone_to_owned()?;
    let Invocation {
        program: path,
        arguments,
        environment: _,
    } = &program.invocation;
    let failed = Command::new(path)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log)
        .exec();
    let message = format!("cannot start {}: {failed}", path.display());
    Err(io::Error::new(failed.kind(), message))
}

/// Gives the next child of this process a PID namespace, and this process an IPC namespace and an empty `/dev/shm`.
///
/// `may_map` says whether a user namespace will do, in which only the current user exists.
fn take_namespaces(may_map: bool) -> io::Result<()> {
    let flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWNS;
    let (user, group) = (Uid::effective(), Gid::effective());
    match unshare(flags) {
        Ok(()) => {}
        Err(error) if !may_map => return Err(error.into()),
        Err(_) => {
            unshare(flags | CloneFlags::CLONE_NEWUSER)?;
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
            fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
        }
    }
    let nothing = None::<&str>;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(nothing, "/", nothing, private, nothing)?;
    // A server whose files are in there must still find them.
    let is_home = std::env::current_dir()?.starts_with(SHARED_MEMORY);
    if Path::new(SHARED_MEMORY).is_dir() && !is_home {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        let options = Some("mode=1777");
        mount(Some("tmpfs"), SHARED_MEMORY, Some("tmpfs"), flags, options)?;
    }
    Ok(())
}
