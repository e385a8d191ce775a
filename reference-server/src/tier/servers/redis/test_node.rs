//! A Redis for one test.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::tier::servers::{DatabaseEndpoint, RedisEndpoint, ServersConfig};

/// Timeout for the node to respond.
const START: Duration = Duration::from_secs(10);

/// A `redis-server` on a free port, without persistence. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct TestNode {
    process: Child,
    port: u16,
    /// Files that a replica writes while it catches up.
    _folder: tempfile::TempDir,
}

impl TestNode {
    /// Starts a node; `None`, with a message, if `redis-server` is not installed. With `CI=true`, that is a failure.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        let port = free_port();
        Self::start_on(port, options)
    }

    pub(crate) fn start_on(port: u16, options: &[&str]) -> Option<Self> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--port"]);
        let folder = tempfile::tempdir().unwrap();
        command.arg(port.to_string()).args(options);
        command.arg("--dir").arg(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let Ok(process) = command.spawn() else {
            skip("redis-server is not installed");
            return None;
        };
        let node = Self {
            process,
            port,
            _folder: folder,
        };
        node.wait_until_it_responds();
        Some(node)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the configuration of a deployment on this node, with its own prefix.
    pub(crate) fn config(&self) -> ServersConfig {
        config_at(self.port, &format!("{}:", Uuid::new_v4()))
    }

    pub(crate) fn send(&self, signal: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success(), "{signal} {id}");
    }

    /// Sends a command and returns the response.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> T {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        command
            .query(&mut client.get_connection().unwrap())
            .unwrap()
    }

    /// Sends a command that must succeed.
    pub(crate) fn run(&self, command: &redis::Cmd) {
        let _answer: redis::Value = self.ask(command);
    }

    fn wait_until_it_responds(&self) {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "timeout of waiting for a process"
        )]
        let begun = Instant::now();
        while client.get_connection().is_err() {
            assert!(begun.elapsed() < START, "redis-server does not respond");
            #[expect(clippy::disallowed_methods, reason = "there is no runtime here")]
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        // Fails for a node that a test has killed.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Returns a free port below the system's range for clients. With a port in that range, a client that connects before the
/// server is up may get the same port as its own, and talk to itself.
fn free_port() -> u16 {
    let candidates = std::iter::repeat_with(|| {
        let [first, second, ..] = *Uuid::new_v4().as_bytes();
        20_000 + u16::from_ne_bytes([first, second]) % 10_000
    });
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    candidates.take(100).find(is_free).expect("a free port")
}

/// Returns the configuration of a deployment on the node at this port.
pub(crate) fn config_at(port: u16, prefix: &str) -> ServersConfig {
    ServersConfig {
        redis: RedisEndpoint {
            host: "127.0.0.1".to_owned(),
            port,
            username: None,
            password: None,
            database: 0,
            tls: false,
            ca_pem: None,
            prefix: prefix.to_owned(),
        },
        database: DatabaseEndpoint {
            host: "127.0.0.1".to_owned(),
            port: 0,
            user: String::new(),
            password: None,
            database: String::new(),
            schema: String::new(),
        },
        name_server: None,
        source: None,
        origin_unix_ns: u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap(),
    }
}

fn skip(reason: &str) {
    let decides = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!decides, "cannot test the cache role: {reason}");
    println!("SKIPPED: {reason}");
}
