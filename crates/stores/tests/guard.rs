//! No server outlives the process that started it. This binary is the supervisor, the guard and the test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "killed processes exit in real time"
)]
#![expect(clippy::print_stdout, reason = "this test harness prints its results")]

#[expect(dead_code, reason = "the servers here belong to another process")]
#[path = "stores/common.rs"]
mod common;

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use common::{SITES, postgres, redis};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use tiketi_stores::{Guard, Host, PostgresKind, PostgresPair, Programs, RedisPair};
use tokio::runtime::Runtime;

/// Timeout for everything to be gone after a kill. It takes about 100 ms.
const GONE_TIMEOUT: Duration = Duration::from_secs(30);

/// Timeout of a normal shutdown on a busy machine. It takes about 50 ms.
const STOP_MAX: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("guard") => tiketi_stores::guard::main().expect("the guard runs"),
        Some(SUPERVISE) => supervise(Path::new(&arguments[1]), false),
        Some(SUPERVISE_PAUSED) => supervise(Path::new(&arguments[1]), true),
        Some("--list") => println!("{}: test", NAMES.join(": test\n")),
        _ if common::has_servers() => {
            let filter = arguments.iter().find(|it| !it.starts_with('-'));
            for (name, test) in NAMES.iter().zip(TESTS) {
                if filter.is_none_or(|filter| name.contains(filter.as_str())) {
                    test();
                    println!("test {name} ... ok");
                }
            }
        }
        _ => {}
    }
    ExitCode::SUCCESS
}

/// The supervisor's command that starts servers.
const SUPERVISE: &str = "supervise";
/// The same, and pauses the primaries.
const SUPERVISE_PAUSED: &str = "supervise-paused";

const TESTS: [fn(); 9] = [
    killed,
    killed_without_namespaces,
    killed_with_guards,
    killed_with_guards_while_paused,
    killed_with_guards_without_namespaces,
    killed_while_guards_are_stopped,
    stopped,
    preparing,
    unguarded,
];
const NAMES: [&str; 9] = [
    "kill_of_the_supervisor_leaves_nothing",
    "kill_of_the_supervisor_leaves_nothing_where_namespaces_are_forbidden",
    "kill_of_supervisor_and_guards_leaves_no_process",
    "kill_of_supervisor_and_guards_leaves_no_paused_process",
    "kill_of_supervisor_and_guards_leaves_no_process_where_namespaces_are_forbidden",
    "kill_of_the_supervisor_wakes_guards_that_are_stopped",
    "stop_leaves_nothing",
    "kill_of_the_supervisor_during_the_start_leaves_nothing",
    "a_killed_guard_takes_its_server_along",
];

fn killed() {
    let mut ground = Ground::new();
    let mut supervisor = ground.supervisor(SUPERVISE);
    supervisor.wait_until_ready();
    ground.note_segments();
    // Guards and servers of two pairs, and PostgreSQL's own children.
    let processes = ground.processes();
    assert!(processes.len() >= 8, "{processes:?}");
    assert_eq!(ground.segments.len(), 2);
    supervisor.kill();
    ground.assert_empty();
}

fn killed_without_namespaces() {
    let mut ground = Ground::new();
    let Some(mut supervisor) = ground.supervisor_without_namespaces(SUPERVISE) else {
        return;
    };
    supervisor.wait_until_ready();
    ground.note_segments();
    let existing = segments();
    assert!(
        ground.segments.iter().any(|it| existing.contains(it)),
        "the segments are in the namespace of this test"
    );
    supervisor.kill();
    ground.assert_empty();
}

fn killed_with_guards() {
    let mut ground = Ground::new();
    let mut supervisor = ground.supervisor(SUPERVISE);
    supervisor.wait_until_ready();
    ground.note_segments();
    supervisor.kill_with_guards();
    ground.assert_no_process_and_no_segment();
}

fn killed_with_guards_while_paused() {
    let mut ground = Ground::new();
    let mut supervisor = ground.supervisor(SUPERVISE_PAUSED);
    supervisor.wait_until_ready();
    ground.note_segments();
    supervisor.kill_with_guards();
    ground.assert_no_process_and_no_segment();
}

/// Without namespaces, 56 bytes of System V shared memory stay.
fn killed_with_guards_without_namespaces() {
    let mut ground = Ground::new();
    let Some(mut supervisor) = ground.supervisor_without_namespaces(SUPERVISE) else {
        return;
    };
    supervisor.wait_until_ready();
    ground.note_segments();
    supervisor.kill_with_guards();
    let left = std::mem::take(&mut ground.segments);
    ground.assert_no_process_and_no_segment();
    for key in left {
        Command::new("ipcrm").args(["-M", &key]).status().unwrap();
    }
}

fn killed_while_guards_are_stopped() {
    // Where this process adopts orphans, as a service manager does, the kernel does not continue stopped ones by itself.
    for adopts_orphans in [false, true] {
        prctl::set_child_subreaper(adopts_orphans).unwrap();
        let mut ground = Ground::new();
        let mut supervisor = ground.supervisor(SUPERVISE);
        supervisor.wait_until_ready();
        ground.note_segments();
        for guard in children_of(supervisor.0.id()) {
            kill(guard, Signal::SIGSTOP).unwrap();
        }
        supervisor.kill();
        ground.assert_empty();
        for orphan in children_of(std::process::id()) {
            waitpid(orphan, None).unwrap();
        }
    }
    prctl::set_child_subreaper(false).unwrap();
}

fn stopped() {
    let mut ground = Ground::new();
    let mut supervisor = ground.supervisor(SUPERVISE);
    supervisor.wait_until_ready();
    ground.note_segments();
    drop(supervisor.0.stdin.take());
    assert!(supervisor.0.wait().unwrap().success());
    ground.assert_empty();
}

fn preparing() {
    let posix_before = posix_segments();
    // In the middle of creating the primary, of starting it, and of copying it.
    for file in [
        "postgres-0.*/data/PG_VERSION",
        "postgres-0.*/data/postmaster.pid",
        "postgres-1.*",
    ] {
        let mut ground = Ground::new();
        let mut supervisor = ground.supervisor(SUPERVISE);
        let started = Instant::now();
        while !ground.has(file) {
            assert!(started.elapsed() < GONE_TIMEOUT, "no {file}");
            std::thread::sleep(Duration::from_millis(1));
        }
        ground.note_segments();
        supervisor.kill();
        ground.assert_empty();
    }
    // Tests of other programs may have some at the same time, but not for long.
    let started = Instant::now();
    while posix_segments().iter().any(|it| !posix_before.contains(it)) {
        assert!(
            started.elapsed() < GONE_TIMEOUT,
            "POSIX shared memory is left"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn unguarded() {
    let ground = Ground::new();
    runtime().block_on(async {
        let host = ground.host();
        let settings = redis(&SITES[..1], Duration::ZERO);
        let mut pair = RedisPair::start(&host, settings).await.unwrap();
        let guards = children_of(std::process::id());
        assert_eq!(guards.len(), 1, "{guards:?}");
        // A signal that a terminal or a service manager sends to the whole group is handled by the supervisor.
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            kill(guards[0], signal).unwrap();
        }
        pair.sample().await.unwrap();
        pair.check().unwrap();
        kill(guards[0], Signal::SIGKILL).unwrap();
        let started = Instant::now();
        while pair.check().is_ok() {
            assert!(started.elapsed() < GONE_TIMEOUT);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        pair.stop().await;
    });
    ground.assert_empty();
}

/// Starts both pairs and reports it. Shuts them down when its input ends, unless it is killed before.
fn supervise(parent: &Path, is_paused: bool) {
    runtime().block_on(async {
        let host = host_in(parent);
        let lag = Duration::from_millis(1);
        let aurora = postgres(&SITES, PostgresKind::Aurora, lag);
        let (redis, postgres) = tokio::join!(
            RedisPair::start(&host, redis(&SITES, lag)),
            PostgresPair::start(&host, aurora)
        );
        let (mut redis, mut postgres) = (redis.unwrap(), postgres.unwrap());
        // One site is lost, and another was restored.
        redis.lose(0);
        redis.promote(1).await.unwrap();
        postgres.lose(0);
        postgres.promote(1).await.unwrap();
        postgres.restore(0).await.unwrap();
        if is_paused {
            redis.pause(1);
            postgres.pause(1);
        }
        let mut output = std::io::stdout();
        writeln!(output, "ready").unwrap();
        output.flush().unwrap();
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        let started = Instant::now();
        tokio::join!(redis.stop(), postgres.stop());
        assert!(started.elapsed() < STOP_MAX);
    });
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// A host with separate guard processes.
fn host_in(parent: &Path) -> Host {
    let guard = Guard::Binary(std::env::current_exe().unwrap(), "guard");
    Host::with(Programs::find().unwrap(), guard, None, parent).unwrap()
}

fn children_of(parent: u32) -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries
        .filter_map(|entry| {
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            let mut lines = status.lines();
            let theirs = lines.find_map(|line| line.strip_prefix("PPid:"))?.trim();
            let pid = entry.file_name().to_str()?.parse().ok()?;
            (theirs == parent.to_string()).then_some(Pid::from_raw(pid))
        })
        .collect()
}

/// A directory for one supervisor. Its path identifies everything that belongs to it.
struct Ground {
    parent: tempfile::TempDir,
    /// Keys of shared-memory segments that must be gone at the end. PostgreSQL derives them from the directory.
    segments: Vec<String>,
}

/// A supervisor that is killed if the test fails.
struct Supervisor(Child);

impl Supervisor {
    fn wait_until_ready(&mut self) {
        let mut line = String::new();
        let mut output = BufReader::new(self.0.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Kills the supervisor and every process of its binary, as `killall -9` does. All are stopped first, so that none can
    /// clean up after another.
    fn kill_with_guards(&mut self) {
        let supervisor = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        let executable = std::fs::read_link("/proc/self/exe").unwrap();
        let mut all = vec![supervisor];
        let mut next = 0;
        while let Some(parent) = all.get(next) {
            let children = children_of(u32::try_from(parent.as_raw()).unwrap());
            all.extend(children.into_iter().filter(|child| {
                std::fs::read_link(format!("/proc/{child}/exe")).is_ok_and(|it| it == executable)
            }));
            next += 1;
        }
        assert!(all.len() > 4, "a supervisor, guards and holders: {all:?}");
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            for pid in &all {
                // A holder may have been killed with its guard.
                let _ = kill(*pid, signal);
            }
        }
        self.0.wait().unwrap();
    }
}

impl Ground {
    fn new() -> Self {
        let parent = tempfile::Builder::new()
            .prefix("guard-test-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir();
        Self {
            parent: parent.unwrap(),
            segments: Vec::new(),
        }
    }

    fn host(&self) -> Host {
        host_in(self.parent.path())
    }

    fn supervisor(&self, command: &str) -> Supervisor {
        self.start(&mut Command::new(std::env::current_exe().unwrap()), command)
    }

    /// A supervisor that may not create namespaces. `None`, with a message, if this test may not arrange that.
    fn supervisor_without_namespaces(&self, command: &str) -> Option<Supervisor> {
        if !nix::unistd::Uid::effective().is_root() {
            println!("SKIPPED: only root can take away the right to create namespaces");
            return None;
        }
        let mut limited = Command::new("setpriv");
        limited
            .args(["--bounding-set", "-sys_admin", "--"])
            .arg(std::env::current_exe().unwrap());
        Some(self.start(&mut limited, command))
    }

    fn start(&self, program: &mut Command, command: &str) -> Supervisor {
        let child = program
            .args([command, self.parent.path().to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Supervisor(child.unwrap())
    }

    /// Records the shared-memory segments that PostgreSQL has by now.
    fn note_segments(&mut self) {
        for directory in self.directories() {
            let lock = directory.join("data/postmaster.pid");
            let text = std::fs::read_to_string(lock).unwrap_or_default();
            let line = text.lines().nth(6).unwrap_or_default();
            self.segments
                .extend(line.split_whitespace().next().map(ToOwned::to_owned));
        }
    }

    /// Returns all processes with a working directory or an open file in a server's directory.
    fn processes(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir("/proc").unwrap();
        entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|process| self.belongs(process))
            .collect()
    }

    fn belongs(&self, process: &Path) -> bool {
        let files = std::fs::read_dir(process.join("fd")).into_iter().flatten();
        files
            .filter_map(|file| Some(file.ok()?.path()))
            .chain([process.join("cwd")])
            .filter_map(|link| std::fs::read_link(link).ok())
            .any(|file| file.starts_with(self.parent.path()))
    }

    /// Returns whether a server's directory has a file: `*` stands for the number of the directory.
    fn has(&self, pattern: &str) -> bool {
        let (name, file) = pattern.split_once('*').unwrap();
        let mut directories = self.directories().into_iter();
        directories.any(|it| {
            let is_it = it.file_name().unwrap().to_string_lossy().starts_with(name);
            is_it && it.join(file.trim_start_matches('/')).exists()
        })
    }

    /// Returns the directories of all servers.
    fn directories(&self) -> Vec<PathBuf> {
        let roots = std::fs::read_dir(self.parent.path()).unwrap();
        roots
            .filter_map(|root| std::fs::read_dir(root.ok()?.path()).ok())
            .flatten()
            .filter_map(|it| Some(it.ok()?.path()))
            .collect()
    }

    #[track_caller]
    fn assert_empty(&self) {
        self.assert_no_process_and_no_segment();
        let started = Instant::now();
        while let Some(file) = std::fs::read_dir(self.parent.path()).unwrap().next() {
            assert!(started.elapsed() < GONE_TIMEOUT, "left over: {file:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn assert_no_process_and_no_segment(&self) {
        let started = Instant::now();
        loop {
            let processes = self.processes();
            let existing = segments();
            let segments: Vec<_> = self
                .segments
                .iter()
                .filter(|it| existing.contains(it))
                .collect();
            if processes.is_empty() && segments.is_empty() {
                return;
            }
            assert!(
                started.elapsed() < GONE_TIMEOUT,
                "left over: {processes:?} {segments:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Returns the POSIX shared memory of PostgreSQL servers on this machine.
fn posix_segments() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/dev/shm").unwrap();
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .filter(|it| it.to_string_lossy().contains("/PostgreSQL."))
        .collect()
}

/// Returns the keys of the shared-memory segments of this machine.
fn segments() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    text.lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next().map(ToOwned::to_owned))
        .collect()
}
