//! What the peers of a zone without power hear, on the testbed's own processes and on real servers: nothing.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::command::Workplace;
use crate::machine;
use tiketi_buyer::observation::{Failure, Stage};
use tiketi_cloud::driver::{Engine as _, FaultTarget as _, Launch};
use tiketi_cloud::order::Input;
use tiketi_core::fault::catalog::Connections;
use tiketi_core::units::{DataTierPart, InstanceId, SimTime, ZoneId};
use tiketi_measure::{Measurements, archive};
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::{Overrides, Plan, load};
use tiketi_stores::Programs;
use tiketi_testbed::clock::wall_now;
use tiketi_testbed::{Ground, Testbed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{sleep, timeout};

const ZONE_A: ZoneId = ZoneId(0);
const ZONE_B: ZoneId = ZoneId(1);
const NODE_A: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 1, 4));
const NODE_B: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 2, 4));
const NOW: SimTime = SimTime::ZERO;

/// Longer than any step takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait for something that must not come. If this is too short, a test passes when it should not.
const SILENCE: Duration = Duration::from_millis(400);

fn plan(topology: &str, speed: u32) -> Plan {
    let text = format!(
        "name = \"silence\"\nclock = {{ duration = \"10m\", warmup = \"0s\", speed = {speed} }}\n\
         arrivals = [{{ shape = \"poisson\", rate = 1, from = \"0s\", until = \"1m\" }}]\n{topology}"
    );
    let read = load("silence.toml", &text, &Overrides::default());
    read.unwrap_or_else(|problems| panic!("{problems}"))
}

/// Testbeds of this process take turns: each measures time, and one counts the processes that it leaves.
static TURN: Mutex<()> = Mutex::const_new(());

struct Bench {
    testbed: Testbed,
    port: u16,
    _turn: MutexGuard<'static, ()>,
    _machine: machine::Share,
}

impl Bench {
    /// A testbed with one healthy instance in each of these zones.
    async fn start(plan: &Plan, zones: &[ZoneId]) -> Self {
        let ground = Ground {
            executable: env!("CARGO_BIN_EXE_tiketi-sim").into(),
            logs: None,
            now_unix_ns: 0,
        };
        let turn = TURN.lock().await;
        let machine = machine::half();
        let testbed = Box::pin(Testbed::start(plan, &ground)).await.unwrap();
        let port = testbed.entry().port;
        let mut bench = Self {
            testbed,
            port,
            _turn: turn,
            _machine: machine,
        };
        for (number, &zone) in (0..).zip(zones) {
            let launch = Launch {
                instance: InstanceId(number),
                zone,
                answers_at: NOW,
            };
            bench.testbed.launch(NOW, launch).unwrap();
            bench.testbed.register(NOW, launch.instance);
            bench.wait_for_health(number, true).await;
        }
        // Each node makes its own checks, and has only had the time for one.
        bench.go_on(Duration::from_millis(500)).await;
        bench
    }

    async fn wait_for_health(&mut self, instance: u32, healthy: bool) {
        let instance = InstanceId(instance);
        let wanted = Input::TargetHealth { instance, healthy };
        let heard = async { while self.testbed.next_input().await != wanted {} };
        let timely = timeout(PATIENCE, heard).await;
        timely.unwrap_or_else(|_| panic!("never heard {wanted:?}"));
    }

    /// Keeps the testbed moving for some time.
    async fn go_on(&mut self, time: Duration) {
        let moving = async {
            loop {
                self.testbed.next_input().await;
            }
        };
        drop(timeout(time, moving).await);
    }

    /// Opens a connection to a node.
    async fn connect(&self, node: IpAddr) -> std::io::Result<TcpStream> {
        TcpStream::connect(SocketAddr::new(node, self.port)).await
    }

    /// Sends a request on a connection of its own. Returns the status, and how long it took.
    async fn get(&self, node: IpAddr, path: &str) -> (u16, Duration) {
        let began = wall_now();
        let mut stream = self.connect(node).await.unwrap();
        ask(&mut stream, path).await;
        let head = timeout(PATIENCE, read_head(&mut stream)).await.unwrap();
        (head[9..12].parse().unwrap(), began.elapsed())
    }
}

async fn ask(stream: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
}

/// Reads the head of a response, or what there is of it when the connection ends.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Checks that nothing arrives and that the connection doesn't end either.
async fn assert_hears_nothing(stream: &mut TcpStream) {
    let heard = timeout(SILENCE, stream.read_u8()).await;
    assert!(heard.is_err(), "heard {heard:?}");
}

async fn assert_breaks(stream: &mut TcpStream) {
    let ended = async { while stream.read_u8().await.is_ok() {} };
    timeout(PATIENCE, ended)
        .await
        .expect("the connection breaks");
}

const SOCKET: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test]
async fn clients_of_a_zone_without_power_hear_nothing() {
    let plan = plan(
        "[topology.alb]\nstickiness = \"none\"\nhealth_check = { interval = \"30s\", timeout = \"25s\" }",
        20,
    );
    let mut bench = Bench::start(&plan, &[ZONE_A, ZONE_B]).await;
    let mut kept = bench.connect(NODE_A).await.unwrap();
    ask(&mut kept, "/health").await;
    assert!(read_head(&mut kept).await.starts_with("HTTP/1.1 200"));
    let mut socket = bench.connect(NODE_A).await.unwrap();
    socket.write_all(SOCKET.as_bytes()).await.unwrap();
    let upgraded = timeout(PATIENCE, read_head(&mut socket)).await.unwrap();
    assert!(upgraded.starts_with("HTTP/1.1 101"), "{upgraded}");
    let mut opened = [0; 16];
    socket.read_exact(&mut opened).await.unwrap();

    bench.testbed.lose_zone(NOW, ZONE_A, Connections::Silent);
    bench.go_on(Duration::from_millis(300)).await;
    // The rest of what was sent before has arrived; from now on nothing does.
    let mut rest = vec![0; 4_096];
    while let Ok(read) = timeout(SILENCE, kept.read(&mut rest)).await {
        assert_ne!(read.unwrap(), 0, "a request's connection ended");
    }
    while let Ok(read) = timeout(SILENCE, socket.read(&mut rest)).await {
        assert_ne!(read.unwrap(), 0, "a socket ended");
    }
    ask(&mut kept, "/health").await;
    assert_hears_nothing(&mut kept).await;
    // A process of the node whose queue is not full yet lets one connection in.
    let mut silent = Vec::new();
    while let Ok(connected) = timeout(SILENCE, bench.connect(NODE_A)).await {
        silent.push(connected.expect("nobody refuses"));
        assert!(silent.len() < 20, "the node accepts connections");
    }

    // The other node works, and tries both targets until its health checks of the lost one have failed.
    let mut hanging = Vec::new();
    for _ in 0..2 {
        let mut stream = bench.connect(NODE_B).await.unwrap();
        ask(&mut stream, "/health").await;
        hanging.push(timeout(SILENCE, read_head(&mut stream)).await.is_err());
    }
    assert_eq!(
        hanging.iter().filter(|hangs| **hangs).count(),
        1,
        "{hanging:?}"
    );
    bench.wait_for_health(0, false).await;
    for _ in 0..4 {
        assert_eq!(bench.get(NODE_B, "/health").await.0, 200);
    }

    bench.testbed.restore_zone(NOW, ZONE_A).unwrap();
    assert_breaks(&mut kept).await;
    assert_breaks(&mut socket).await;
    bench.testbed.terminate(NOW, InstanceId(0));
    bench.testbed.restore_node(NOW, ZONE_A).unwrap();
    let up = async {
        while bench.connect(NODE_A).await.is_err() {
            bench.go_on(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, up).await.expect("the node starts");
    bench.testbed.end().await.state.unwrap();
}

#[tokio::test]
async fn a_testbed_that_ends_during_silence_leaves_no_process() {
    let mut bench = Bench::start(&plan("", 20), &[ZONE_A, ZONE_B]).await;
    let nodes: Vec<u32> = children().into_iter().filter(|pid| is_node(*pid)).collect();
    assert!(nodes.len() >= 2, "{nodes:?} are node processes");
    bench.testbed.lose_zone(NOW, ZONE_A, Connections::Silent);
    bench.testbed.end().await.state.unwrap();
    let left = children();
    assert!(
        nodes.iter().all(|node| !left.contains(node)),
        "{left:?} of {nodes:?}"
    );
}

/// Returns the child processes of this process, zombies included. Some may belong to other tests of this file.
fn children() -> Vec<u32> {
    let own = std::process::id().to_string();
    let pid_of_own = |entry: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let is_own = fields.split_whitespace().nth(1) == Some(own.as_str());
        let pid = entry.file_name().to_str()?.parse().ok()?;
        is_own.then_some(pid)
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(pid_of_own).collect()
}

fn is_node(pid: u32) -> bool {
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&arguments).contains("alb-node")
}

/// The connections of an instance to Redis and to PostgreSQL.
#[tokio::test]
async fn instances_wait_for_servers_that_have_lost_power() {
    if let Err(error) = Programs::find() {
        assert!(std::env::var_os("CI").is_none(), "{error}");
        return;
    }
    const SPEED: u32 = 4;
    let scaled = |seconds: f64| Duration::from_secs_f64(seconds / f64::from(SPEED));
    let topology = "[topology]\ndata_tier = \"servers\"\n[topology.redis]\ntimeout = \"4s\"\n[topology.database]\n\
        pool_connect_timeout = \"3s\"\nkeep_alive = \"8s\"\npool_idle = \"10m\"";
    let mut bench = Bench::start(&plan(topology, SPEED), &[ZONE_B]).await;
    for path in ["/health/redis", "/health/db"] {
        assert_eq!(bench.get(NODE_B, path).await.0, 200, "{path}");
    }
    bench.testbed.lose_zone(NOW, ZONE_A, Connections::Silent);
    // Each waits for its own timeout: on the open connection, then on new ones.
    let (redis, database) = tokio::join!(
        bench.get(NODE_B, "/health/redis"),
        bench.get(NODE_B, "/health/db")
    );
    assert!(redis.0 == 503 && redis.1 >= scaled(3.5), "{redis:?}");
    assert!(
        database.0 == 503 && database.1 >= scaled(7.0),
        "{database:?}"
    );
    sleep(scaled(4.0)).await;
    let database = bench.get(NODE_B, "/health/db").await;
    assert!(
        database.0 == 503 && database.1 >= scaled(2.5),
        "{database:?}"
    );

    for part in [DataTierPart::Redis, DataTierPart::Database] {
        bench.testbed.promote(NOW, part, ZONE_B);
    }
    let back = async {
        while bench.get(NODE_B, "/health/all").await.0 != 200 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, back).await.expect("the others take over");
    bench.testbed.restore_zone(NOW, ZONE_A).unwrap();
    bench.go_on(Duration::from_secs(2)).await;
    bench.testbed.soundness().unwrap();
    bench.testbed.end().await.state.unwrap();
}

/// Some buyers wait in line when zone a, with the primaries, loses power. The load is small, and the timeouts are long: the
/// machine may be busy with other tests.
const SALE: &str = r#"# Do both engines see the same silence?
name = "both"
seed = 5
[clock]
duration = "3m"
warmup   = "5s"
speed    = 4
[show]
sections = [{ name = "R", rows = 10, seats_per_row = 30, price = 1_000 }]
[waiting_room]
active_max   = 5
update_every = "30s"
[[arrivals]]
shape    = "onsale"
buyers   = 80
opens_at = "5s"
decay    = "10s"
[buyers]
patience        = "1h"
poll            = { connected = "8s", disconnected = "8s", on_update = false }
call_timeout    = "20s"
connect_timeout = "8s"
[topology.instances]
initial = { a = 2, b = 2 }
[topology.alb]
health_check = { interval = "15s", timeout = "12s" }
[topology.redis]
timeout = "4s"
[topology.database]
pool_connect_timeout = "4s"
[scaling]
min = 4
[[faults]]
at     = "1m"
lasts  = "5m"
action = "az-power-interruption"
zone   = "a"
[self_check]
send_lag_p99_max = "1m"
stall_max        = "1m"
"#;

/// Requests that ended with a timeout, those that were refused by a waiting instance, and sockets that were lost.
fn noticed(run: &Measurements) -> [u64; 3] {
    let failed = run.tally.operation(None).failed;
    let count = |failures: &[Failure]| -> u64 {
        failures
            .iter()
            .filter_map(|failure| failed.get(failure))
            .sum()
    };
    [
        count(&[
            Failure::Timeout,
            Failure::ConnectTimeout,
            Failure::Status(504),
        ]),
        count(&[Failure::Status(503)]),
        run.tally.sockets.lost,
    ]
}

#[test]
fn a_live_run_and_a_simulation_agree_on_what_buyers_notice() {
    let machine = machine::half();
    let workplace = Workplace::new();
    workplace.write("both.toml", SALE);
    let ended = workplace.run(&["run", "both.toml"]);
    drop(machine);
    let folder = std::fs::read_dir(workplace.path("reports")).unwrap().next();
    let folder = folder
        .unwrap_or_else(|| panic!("{ended:#?}"))
        .unwrap()
        .path();
    let packed = std::fs::read(folder.join("measurements.json.gz")).unwrap();
    let live = archive::unpack(&packed).unwrap();
    let plan = load("both.toml", SALE, &Overrides::default()).unwrap();
    let model = simulate(&plan, &mut Unwatched);

    let (seen, expected) = (noticed(&live), noticed(&model));
    for (what, (seen, expected)) in ["timeouts", "refusals", "lost sockets"]
        .into_iter()
        .zip(seen.into_iter().zip(expected))
    {
        assert!(expected > 10, "{what}: the simulation has only {expected}");
        let difference = seen.abs_diff(expected);
        // Half of it, for a busy machine and for what is drawn: a reset instead of silence is off by all of it.
        assert!(
            difference <= expected / 2 + 10,
            "{what}: {seen}, not {expected}"
        );
    }
    for run in [&live, &model] {
        assert!(run.tally.reached(Stage::Queued) > 60);
    }
}
