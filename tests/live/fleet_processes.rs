//! Instances as processes of the real binary: started, killed, paused, and stopped with their supervisor; and as threads whose
//! connections a process of the real binary keeps.
//!
//! There is no data tier; an instance is healthy without one.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{SockaddrIn, getpeername, getsockname};
use nix::unistd::Pid;
use tempfile::TempDir;
use tiketi_core::units::{InstanceId, ZoneId};
use tiketi_server::{
    DatabaseEndpoint, EmbeddedTier, RedisEndpoint, Secret, Section, ServersConfig, Settings, Show,
};
use tiketi_testbed::child::Launcher;
use tiketi_testbed::fleet::{Blueprint, Cause, Fleet, Heard, Kind, News, Site};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};

/// Longer than any step takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Real time within which a stopped fleet must be gone.
const STOP_MAX: Duration = Duration::from_secs(2);
/// How long to wait for a response that must not come. If this is too short, the test passes when it should not.
const SILENCE: Duration = Duration::from_millis(300);

const INSTANCES: [InstanceId; 4] = [InstanceId(0), InstanceId(1), InstanceId(2), InstanceId(3)];

/// A fleet of four responding processes, two per zone.
struct Bench {
    fleet: Fleet,
    heard: UnboundedReceiver<Heard>,
    logs: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let logs = tempfile::tempdir().unwrap();
        let blueprint = Blueprint {
            launcher: launcher(),
            config: config(),
            from_own_address: true,
            shows: vec![show()],
            logs: Some(logs.path().to_owned()),
        };
        Self::start_as(Kind::Processes(Box::new(blueprint)), logs).await
    }

    /// The same instances as threads of this process.
    async fn start_threads() -> Self {
        let kind = Kind::Threads {
            tier: EmbeddedTier::new(&settings(), vec![show()], Duration::ZERO),
            launcher: launcher(),
        };
        Self::start_as(kind, tempfile::tempdir().unwrap()).await
    }

    async fn start_as(kind: Kind, logs: TempDir) -> Self {
        let subnets = ["10.0.11.0/24", "10.0.12.0/24"];
        let subnets = subnets
            .map(|subnet| Site::closed(subnet.parse().unwrap()))
            .to_vec();
        let (fleet, heard) = Fleet::new(kind, settings(), subnets);
        let mut bench = Self { fleet, heard, logs };
        for (instance, zone) in INSTANCES.into_iter().zip([0, 0, 1, 1]) {
            let boot = Duration::ZERO;
            bench.fleet.launch(instance, ZoneId(zone), boot).unwrap();
        }
        while INSTANCES.iter().any(|one| bench.fleet.is_opening(*one)) {
            if let News::Lost { instance, cause } = bench.news().await {
                panic!("{instance}: {cause}");
            }
        }
        bench
    }

    async fn news(&mut self) -> News {
        let news = async {
            loop {
                let heard = self.heard.recv().await.expect("the fleet is running");
                if let Some(news) = self.fleet.handle(heard) {
                    return news;
                }
            }
        };
        timeout(PATIENCE, news).await.expect("there is a report")
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

fn launcher() -> Launcher {
    Launcher::Binary(env!("CARGO_BIN_EXE_tiketi-sim").into())
}

fn settings() -> Settings {
    Settings {
        jwt_secret: "token-secret".to_owned(),
        ..Settings::default()
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

/// A data tier whose servers don't exist.
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
        source: None,
        origin_unix_ns: 0,
    }
}

/// Requests `/health` and returns the whole response.
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

/// The state of a process according to the kernel, such as `T` for stopped; `None` if the process does not exist.
fn state(process: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name, in parentheses, may contain any character.
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.chars().next()
}

#[tokio::test]
async fn instances_run_as_processes_and_stop_completely() {
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
    // A paused process cannot exit by itself.
    let mut bench = bench;
    bench.fleet.pause(INSTANCES[3]).unwrap();
    let addresses = INSTANCES.map(|instance| bench.address(instance));
    let stopped = timeout(STOP_MAX, bench.fleet.stop()).await;
    stopped.expect("it stops in time");
    for (process, address) in processes.into_iter().zip(addresses) {
        assert_eq!(state(process), None, "a process or a zombie is left");
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
async fn terminated_instance_refuses_connections_and_crashed_one_is_reported() {
    let mut bench = Bench::start().await;
    let [killed, crashed, _, left] = INSTANCES;
    let address = bench.address(killed);
    let process = bench.process(killed);
    bench.fleet.terminate(killed);
    wait_until_refused(address).await;

    let address = bench.address(crashed);
    kill(Pid::from_raw(bench.process(crashed)), Signal::SIGKILL).unwrap();
    let (lost, cause) = bench.loss().await;
    assert_eq!(lost, crashed);
    assert!(
        matches!(cause, Cause::Crashed),
        "the fleet did not terminate it: {cause}"
    );
    wait_until_refused(address).await;
    assert_eq!(bench.fleet.in_zone(ZoneId(0)), []);

    let gone = async {
        while state(process).is_some() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, gone)
        .await
        .expect("the process is gone, zombie included");
    assert!(health(bench.address(left)).await.is_ok());
    bench.fleet.stop().await;
}

#[tokio::test]
async fn lost_zone_kills_its_processes_at_once() {
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

/// Connects until the queue is full: a thread may still accept one connection while it stops.
async fn assert_silent(address: SocketAddr) {
    let mut silent = Vec::new();
    while let Ok(connected) = timeout(SILENCE, TcpStream::connect(address)).await {
        silent.push(connected.expect("nobody refuses"));
        assert!(silent.len() < 3, "connections are accepted");
    }
}

#[tokio::test]
async fn zone_without_power_is_silent_until_power_is_back() {
    let mut bench = Bench::start().await;
    let address = bench.address(INSTANCES[0]);
    let processes = [0, 1].map(|index| bench.process(INSTANCES[index]));
    let mut open = TcpStream::connect(address).await.unwrap();
    health(address).await.unwrap();
    bench.fleet.silence_zone(ZoneId(0));
    assert_eq!(bench.fleet.in_zone(ZoneId(0)), []);
    let stopped = async {
        while processes.iter().any(|process| state(*process) != Some('T')) {
            // The fleet hears that they accept nobody.
            drop(timeout(Duration::from_millis(1), bench.news()).await);
        }
    };
    timeout(PATIENCE, stopped).await.expect("they are stopped");
    assert_silent(address).await;
    let request = b"GET /health HTTP/1.1\r\nhost: test\r\n\r\n";
    open.write_all(request).await.unwrap();
    let heard = timeout(SILENCE, open.read_u8()).await;
    assert!(heard.is_err(), "heard {heard:?}");
    assert!(health(bench.address(INSTANCES[2])).await.is_ok());

    bench.fleet.end_silence(ZoneId(0));
    let ended = async { while open.read_u8().await.is_ok() {} };
    timeout(PATIENCE, ended)
        .await
        .expect("the connection breaks");
    wait_until_refused(address).await;
    bench.fleet.stop().await;
    assert!(processes.iter().all(|process| state(*process).is_none()));
}

/// Counts the connections to this address whose server end is open in this process.
fn served_here(address: SocketAddr) -> usize {
    let SocketAddr::V4(address) = address else {
        return 0;
    };
    let files = fs::read_dir("/proc/self/fd").unwrap();
    let numbers = files.filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok());
    let is_served = |file: &i32| {
        // A listening socket has no peer, and another file no address.
        getsockname::<SockaddrIn>(*file).is_ok_and(|own| own == SockaddrIn::from(address))
            && getpeername::<SockaddrIn>(*file).is_ok()
    };
    numbers.filter(is_served).count()
}

#[tokio::test]
async fn connections_of_a_silent_thread_stay_open_and_take_no_files_of_the_supervisor() {
    const CLIENTS: usize = 300;
    const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nhost: test\r\n\r\n";
    let mut bench = Bench::start_threads().await;
    let address = bench.address(INSTANCES[0]);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(REQUEST).await.unwrap();
        client.readable().await.unwrap();
        assert!(client.try_read(&mut [0; 4_096]).unwrap() > 0);
        clients.push(client);
    }
    assert_eq!(served_here(address), CLIENTS);

    bench.fleet.silence_zone(ZoneId(0));
    let handed_over = async {
        while served_here(address) > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, handed_over)
        .await
        .expect("a process has them");
    for client in [0, CLIENTS - 1] {
        let client = &mut clients[client];
        client.write_all(REQUEST).await.unwrap();
        let heard = timeout(SILENCE, client.read_u8()).await;
        assert!(heard.is_err(), "heard {heard:?}");
    }
    assert_silent(address).await;

    bench.fleet.end_silence(ZoneId(0));
    let ended = async {
        for client in &mut clients {
            while client.read_u8().await.is_ok() {}
        }
    };
    timeout(PATIENCE, ended)
        .await
        .expect("all connections break");
    wait_until_refused(address).await;
    bench.fleet.stop().await;
}

#[tokio::test]
async fn fleet_that_stops_kills_its_silent_processes() {
    let mut bench = Bench::start().await;
    let process = bench.process(INSTANCES[0]);
    bench.fleet.silence_zone(ZoneId(0));
    bench.fleet.stop().await;
    assert_eq!(state(process), None);
}

#[tokio::test]
async fn paused_instance_accepts_but_responds_only_when_resumed() {
    let mut bench = Bench::start().await;
    let instance = INSTANCES[2];
    let address = bench.address(instance);
    bench.fleet.pause(instance).unwrap();
    assert_eq!(
        bench.fleet.in_zone(ZoneId(1)),
        INSTANCES[2..],
        "it still runs"
    );
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
    assert!(!asked.is_finished(), "a paused process responded");
    assert!(
        bench.fleet.gauges()[2].load.is_some(),
        "the last known load is kept"
    );

    bench.fleet.resume(instance).unwrap();
    let answer = timeout(PATIENCE, asked).await.expect("it resumes");
    let answer = answer.unwrap().unwrap();
    assert!(answer.contains("\"i-2\""), "{answer}");
    assert_eq!(bench.fleet.in_zone(ZoneId(1)), INSTANCES[2..]);
    bench.fleet.stop().await;
}

#[test]
fn killing_the_supervisor_leaves_no_process() {
    let mut supervisor = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "fleet_processes::a_supervisor",
        ])
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
    assert!(
        states.iter().all(Option::is_some),
        "not all ran: {states:?}"
    );
    assert!(states.contains(&Some('T')), "none was paused: {states:?}");
    // The process that adopts them may leave them as zombies.
    let gone = |process: &i32| matches!(state(*process), None | Some('Z'));
    for _ in 0..3_000 {
        if processes.iter().all(gone) {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "there is no event to wait for")]
        std::thread::sleep(Duration::from_millis(10));
    }
    for process in processes.into_iter().filter(|process| !gone(process)) {
        // It may have exited in between.
        let _ended = kill(Pid::from_raw(process), Signal::SIGKILL);
    }
    panic!("instances outlived their supervisor");
}

/// Not a test, but the supervisor that another test kills. It exits when its input closes.
#[tokio::test]
#[ignore = "started by another test"]
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
fn instance_without_settings_fails_with_a_message() {
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
