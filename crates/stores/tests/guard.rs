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
use nix::sys::signal::{Signal, kill};
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
        Some("supervise") => supervise(Path::new(&arguments[1])),
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

const TESTS: [fn(); 4] = [killed, stopped, preparing, unguarded];
const NAMES: [&str; 4] = [
    "kill_of_the_supervisor_leaves_nothing",
    "stop_leaves_nothing",
    "kill_of_the_supervisor_during_the_start_leaves_nothing",
    "a_killed_guard_takes_its_server_along",
];

fn killed() {
    let mut ground = Ground::new();
    let mut supervisor = ground.supervisor();
    supervisor.wait_until_ready();
    ground.note_segments();
    // Guards and servers of two pairs, and PostgreSQL's own children.
    let processes = ground.processes();
    assert!(processes.len() >= 8, "{processes:?}");
    assert_eq!(ground.segments.len(), 2);
    supervisor.kill();
    ground.assert_empty();
}

fn stopped() {
    let mut ground = Ground::new();
    let mut supervisor = ground.supervisor();
    supervisor.wait_until_ready();
    ground.note_segments();
    drop(supervisor.0.stdin.take());
    assert!(supervisor.0.wait().unwrap().success());
    ground.assert_empty();
}

fn preparing() {
    let mut ground = Ground::new();
    let mut supervisor = ground.supervisor();
    let started = Instant::now();
    // Approximately in the middle of copying the primary.
    while !ground.has_directory("postgres-1") {
        assert!(started.elapsed() < GONE_TIMEOUT, "no standby was made");
        std::thread::sleep(Duration::from_millis(5));
    }
    ground.note_segments();
    supervisor.kill();
    ground.assert_empty();
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
fn supervise(parent: &Path) {
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
    /// Ids of shared-memory segments that must be gone at the end.
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

    fn supervisor(&self) -> Supervisor {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["supervise", self.parent.path().to_str().unwrap()])
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
                .extend(line.split_whitespace().nth(1).map(ToOwned::to_owned));
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

    fn has_directory(&self, name: &str) -> bool {
        let mut directories = self.directories().into_iter();
        directories.any(|it| it.file_name().unwrap().to_string_lossy().starts_with(name))
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
        let started = Instant::now();
        loop {
            let processes = self.processes();
            let files: Vec<_> = std::fs::read_dir(self.parent.path())
                .unwrap()
                .map(|it| it.unwrap().path())
                .collect();
            let existing = segments();
            let segments: Vec<_> = self
                .segments
                .iter()
                .filter(|it| existing.contains(it))
                .collect();
            if processes.is_empty() && files.is_empty() && segments.is_empty() {
                return;
            }
            assert!(
                started.elapsed() < GONE_TIMEOUT,
                "left over: {processes:?} {files:?} {segments:?}"
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

/// Returns the ids of the shared-memory segments of this machine.
fn segments() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    text.lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(1).map(ToOwned::to_owned))
        .collect()
}
