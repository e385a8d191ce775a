//! A PostgreSQL of the tests' own, shared by those that run at the same time.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::tier::{DatabaseEndpoint, RedisEndpoint, ServersConfig};

/// Most looks for the server's first answer, 20 ms apart.
const LOOKS_MAX: u32 = 500;

/// The server that runs now.
static SHARED: Mutex<Weak<TestServer>> = Mutex::new(Weak::new());

/// A running server; dropping it stops it and removes its files.
#[derive(Debug)]
pub(crate) struct TestServer {
    child: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl TestServer {
    /// The server that other tests use now, or a new one.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start());
        *shared = Arc::downgrade(&server);
        server
    }

    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let account = account();
        if let Some((user, group)) = account {
            std::os::unix::fs::chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let data = directory.path().join("data");
        let initdb = command("initdb", account)
            .args(["--auth=trust", "--username=tiketi", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(initdb.status.success(), "{initdb:?}");
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let child = command("postgres", account)
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "unix_socket_directories=", "-c"])
            .arg(format!("port={port}"))
            .spawn()
            .unwrap();
        let server = Self {
            child,
            port,
            directory,
        };
        server.wait();
        server
    }

    /// Stops the server and all its sessions: it still accepts connections, and never answers.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        for pid in children.unwrap().split_whitespace() {
            let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
            // A session may just have ended.
            kill_process(pid, signal).ok();
        }
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn config(&self, schema: &str) -> ServersConfig {
        config(Ipv4Addr::LOCALHOST.to_string(), self.port, schema)
    }

    #[expect(clippy::disallowed_methods, reason = "a pause between two looks")]
    fn wait(&self) {
        let state = self.directory.path().join("data/postmaster.pid");
        for _ in 0..LOOKS_MAX {
            let state = std::fs::read_to_string(&state).unwrap_or_default();
            if state.lines().last().map(str::trim) == Some("ready") {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("PostgreSQL did not start");
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.child);
        // SIGQUIT ends all its processes at once and frees what they share.
        kill_process(pid, Signal::QUIT).ok();
        self.child.wait().ok();
    }
}

fn config(host: String, port: u16, schema: &str) -> ServersConfig {
    ServersConfig {
        redis: RedisEndpoint {
            host: String::new(),
            port: 0,
            username: None,
            password: None,
            database: 0,
            tls: false,
            ca_pem: None,
            prefix: String::new(),
        },
        database: DatabaseEndpoint {
            host,
            port,
            user: "tiketi".to_owned(),
            password: None,
            database: "postgres".to_owned(),
            schema: schema.to_owned(),
        },
        name_server: None,
        origin_unix_ns: u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap(),
    }
}

fn command(program: &str, account: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/");
    if let Some((user, group)) = account {
        command.uid(user).gid(group);
    }
    command
}

/// The account to run as, which PostgreSQL wants to be another one than root; `None` for one's own.
fn account() -> Option<(u32, u32)> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users
        .lines()
        .find(|line| line.starts_with("nobody:"))
        .unwrap();
    let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
    Some((fields.next().unwrap(), fields.next().unwrap()))
}
