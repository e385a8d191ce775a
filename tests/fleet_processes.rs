//! Instances as processes of the real binary: started, killed, stopped, and gone with their supervisor.
//!
//! No data tier runs: an instance is healthy without one.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on ends where it stands"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tiketi_core::units::{InstanceId, ZoneId};
use tiketi_server::{DatabaseEndpoint, RedisEndpoint, Secret, Section, ServersConfig};
use tiketi_server::{Settings, Show};
use tiketi_testbed::child::Launcher;
use tiketi_testbed::fleet::{Blueprint, Cause, Fleet, Heard, Kind, News};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};

/// Longer than anything here takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(30);
/// Wall time in which nothing of a stopped fleet is left.
const STOP_MAX: Duration = Duration::from_secs(2);
/// Long enough for an answer that comes at all, mostly: nothing fails if it is too short.
const SILENCE: Duration = Duration::from_millis(300);

const INSTANCES: [InstanceId; 4] = [InstanceId(0), InstanceId(1), InstanceId(2), InstanceId(3)];

/// A fleet of four processes, two in each zone, that answer.
struct Bench {
    fleet: Fleet,
    heard: UnboundedReceiver<Heard>,
    logs: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let logs = tempfile::tempdir().unwrap();
        let blueprint = Blueprint {
            launcher: Launcher::Binary(env!("CARGO_BIN_EXE_tiketi-sim").into()),
            config: config(),
            shows: vec![show()],
            logs: Some(logs.path().to_owned()),
        };
        let subnets = ["10.0.11.0/24", "10.0.12.0/24"];
        let subnets = subnets.map(|subnet| subnet.parse().unwrap()).to_vec();
        let settings = Settings {
            jwt_secret: "token-secret".to_owned(),
            ..Settings::default()
        };
        let (fleet, heard) = Fleet::new(Kind::Processes(Box::new(blueprint)), settings, subnets);
        let mut bench = Self { fleet, heard, logs };
        for (instance, zone) in INSTANCES.into_iter().zip([0, 0, 1, 1]) {
            let boot = Duration::ZERO;
            bench.fleet.launch(instance, ZoneId(zone), boot).unwrap();
        }
        let mut answer = BTreeSet::new();
        while answer.len() < INSTANCES.len() {
            match bench.news().await {
                News::Answers(instance) => answer.insert(instance),
                News::Lost { instance, cause } => panic!("{instance}: {cause}"),
            };
        }
        bench
    }

    async fn news(&mut self) -> News {
        let news = async {
            loop {
                let heard = self.heard.recv().await.expect("the fleet lives");
                if let Some(news) = self.fleet.handle(heard) {
                    return news;
                }
            }
        };
        timeout(PATIENCE, news).await.expect("there are news")
    }

    async fn loss(&mut self) -> (InstanceId, Cause) {
        match self.news().await {
            News::Lost { instance, cause } => (instance, cause),
            News::Answers(instance) => panic!("{instance} answers"),
        }
    }

    fn address(&self, instance: InstanceId) -> SocketAddr {
        self.fleet.address(instance).expect("it exists")
    }

    fn process(&self, instance: InstanceId) -> i32 {
        let id = self.fleet.process_id(instance).expect("it is a process");
        id.cast_signed()
    }
}

fn show() -> Show {
    let section = Section {
        name: "A".to_owned(),
        rows: 1,
        seats_per_row: 10,
        price: 1_000,
    };
    Show::new("fleet", vec![section])
}

/// A data tier that nobody serves.
fn config() -> ServersConfig {
    ServersConfig {
        redis: RedisEndpoint {
            host: "127.0.0.1".to_owned(),
            port: 1,
            username: None,
            password: Some(Secret("redis-password".to_owned())),
            database: 0,
            tls: false,
            ca_pem: None,
            prefix: String::new(),
        },
        database: DatabaseEndpoint {
            host: "127.0.0.1".to_owned(),
            port: 1,
            user: "tiketi".to_owned(),
            password: Some(Secret("database-password".to_owned())),
            database: "tiketi".to_owned(),
            schema: "public".to_owned(),
        },
        name_server: None,
        origin_unix_ns: 0,
    }
}

/// Asks for the health of whoever listens there, and returns the whole answer.
async fn health(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = b"GET /health HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

async fn wait_until_refused(address: SocketAddr) {
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    let timely = timeout(PATIENCE, refused).await;
    timely.unwrap_or_else(|_| panic!("{address} still accepts"));
}

/// The state of a process as the kernel tells it, such as `T` for stopped; `None` if it is gone.
fn state(process: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, in parentheses, may hold anything.
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.chars().next()
}

#[tokio::test]
async fn four_processes_answer_each_for_itself_and_nothing_is_left_of_them() {
    let bench = Bench::start().await;
    let processes = INSTANCES.map(|instance| bench.process(instance));
    assert_eq!(BTreeSet::from(processes).len(), 4);
    for instance in INSTANCES {
        let answer = health(bench.address(instance)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains(&format!("\"{instance}\"")), "{answer}");
    }
    for process in processes {
        let told = |file| fs::read_to_string(format!("/proc/{process}/{file}")).unwrap();
        let arguments = told("cmdline");
        let arguments: Vec<_> = arguments.split_terminator('\0').skip(1).collect();
        assert_eq!(arguments, ["instance"]);
        for secret in ["token-secret", "redis-password", "database-password"] {
            assert!(!told("environ").contains(secret), "{secret}");
        }
    }
    // One that is stopped cannot end by itself.
    let mut bench = bench;
    bench.fleet.pause(INSTANCES[3]).unwrap();
    let addresses = INSTANCES.map(|instance| bench.address(instance));
    let stopped = timeout(STOP_MAX, bench.fleet.stop()).await;
    stopped.expect("it stops in time");
    for (process, address) in processes.into_iter().zip(addresses) {
        assert_eq!(state(process), None, "not even a zombie is left");
        assert!(TcpStream::connect(address).await.is_err());
    }
    for instance in INSTANCES {
        let log = bench
            .logs
            .path()
            .join(format!("instance-{}.log", instance.0));
        let log = fs::read_to_string(log).unwrap();
        assert!(
            !log.contains("password") && !log.contains("secret"),
            "{log}"
        );
    }
}

#[tokio::test]
async fn a_killed_process_refuses_at_once_and_its_loss_is_told() {
    let mut bench = Bench::start().await;
    let [killed, crashed, _, left] = INSTANCES;
    let address = bench.address(killed);
    let process = bench.process(killed);
    bench.fleet.kill(killed);
    wait_until_refused(address).await;
    let (lost, cause) = bench.loss().await;
    assert_eq!(lost, killed);
    assert!(matches!(cause, Cause::Killed), "{cause}");

    let address = bench.address(crashed);
    kill(Pid::from_raw(bench.process(crashed)), Signal::SIGKILL).unwrap();
    let (lost, cause) = bench.loss().await;
    assert_eq!(lost, crashed);
    assert!(
        matches!(cause, Cause::Crashed),
        "nobody of us ended it: {cause}"
    );
    wait_until_refused(address).await;
    assert_eq!(bench.fleet.in_zone(ZoneId(0)), []);

    let gone = async {
        while state(process).is_some() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("no zombie is left");
    assert!(health(bench.address(left)).await.is_ok());
    bench.fleet.stop().await;
}

#[tokio::test]
async fn a_lost_zone_takes_its_processes_at_the_same_moment() {
    let mut bench = Bench::start().await;
    let addresses = INSTANCES.map(|instance| bench.address(instance));
    bench.fleet.lose_zone(ZoneId(0));
    assert_eq!(bench.fleet.in_zone(ZoneId(0)), []);
    assert_eq!(bench.fleet.in_zone(ZoneId(1)), INSTANCES[2..]);
    for address in &addresses[..2] {
        wait_until_refused(*address).await;
    }
    for address in &addresses[2..] {
        assert!(health(*address).await.is_ok());
    }
    bench.fleet.stop().await;
}

#[tokio::test]
async fn a_paused_process_accepts_and_answers_only_when_it_goes_on() {
    let mut bench = Bench::start().await;
    let instance = INSTANCES[2];
    let address = bench.address(instance);
    bench.fleet.pause(instance).unwrap();
    assert_eq!(bench.fleet.in_zone(ZoneId(1)), [INSTANCES[3]]);
    let process = bench.process(instance);
    let stopped = async {
        while state(process) != Some('T') {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, stopped).await.expect("it is stopped");
    TcpStream::connect(address)
        .await
        .expect("the kernel accepts");
    let asked = tokio::spawn(health(address));
    sleep(SILENCE).await;
    assert!(!asked.is_finished(), "a stopped process has answered");
    assert!(bench.fleet.gauges()[2].load.is_some(), "the last one stays");

    bench.fleet.resume(instance).unwrap();
    let answer = timeout(PATIENCE, asked).await.expect("it goes on");
    let answer = answer.unwrap().unwrap();
    assert!(answer.contains("\"i-2\""), "{answer}");
    assert_eq!(bench.fleet.in_zone(ZoneId(1)), INSTANCES[2..]);
    bench.fleet.stop().await;
}

#[test]
fn nothing_survives_a_supervisor_that_is_killed() {
    let mut supervisor = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "a_supervisor"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(supervisor.stdout.take().unwrap()).lines();
    let process = |line: String| -> Option<i32> { line.strip_prefix("process ")?.parse().ok() };
    let processes = lines.map_while(Result::ok).filter_map(process);
    let processes: Vec<_> = processes.take(INSTANCES.len()).collect();
    let states: Vec<_> = processes.iter().map(|&process| state(process)).collect();
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    assert_eq!(processes.len(), INSTANCES.len());
    assert!(states.iter().all(Option::is_some), "they ran: {states:?}");
    assert!(states.contains(&Some('T')), "one was stopped: {states:?}");
    // Whoever inherits them may leave them as zombies.
    let gone = |process: &i32| matches!(state(*process), None | Some('Z'));
    for _ in 0..3_000 {
        if processes.iter().all(gone) {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "nothing tells of their end")]
        std::thread::sleep(Duration::from_millis(10));
    }
    for process in processes.into_iter().filter(|process| !gone(process)) {
        // One that has ended in between is no trouble.
        let _ended = kill(Pid::from_raw(process), Signal::SIGKILL);
    }
    panic!("instances have survived their supervisor");
}

/// Not a test: the supervisor that another test kills. It ends with its input.
#[tokio::test]
#[ignore = "it is started by another test"]
async fn a_supervisor() {
    let mut bench = Bench::start().await;
    bench.fleet.pause(INSTANCES[1]).unwrap();
    let stopped = bench.process(INSTANCES[1]);
    while state(stopped) != Some('T') {
        sleep(Duration::from_millis(1)).await;
    }
    for instance in INSTANCES {
        println!("process {}", bench.process(instance));
    }
    let ended = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin()));
    drop(ended.await);
}

#[test]
fn an_instance_without_settings_says_so_and_fails() {
    let ended = Command::new(env!("CARGO_BIN_EXE_tiketi-sim"))
        .arg("instance")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(91), "{stderr}");
    assert!(
        stderr.contains("the input ended before the settings"),
        "{stderr}"
    );
}
