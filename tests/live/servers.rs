//! Runs on real servers: the report, errors when a program is missing, and that existing data is never touched.
//!
//! If redis-server or PostgreSQL is not installed, the tests print that they are skipped; with `CI` set they fail.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use crate::command::{Ended, Workplace};
use crate::machine;
use crate::processes::{Running, assert_gone, assert_no_shared_memory};
use serde_json::Value;
use tiketi_stores::{
    Admission, Eviction, Guard, Host, PostgresKind, PostgresPair, PostgresSettings, Programs,
    RedisPair, RedisSettings,
};

/// Forty seats for twenty buyers; long enough for both parts to fail over and for their zone to return.
const TINY: &str = r#"# Does a tiny sale on real servers end as expected?
name = "tiny"
seed = 3

[clock]
duration = "90s"
warmup   = "0s"
speed    = 10

[show]
sections = [{ name = "A", rows = 4, seats_per_row = 10, price = 1_000 }]

[waiting_room]
active_max = 10

[[arrivals]]
shape          = "onsale"
buyers         = 20
opens_at       = "2s"
waiting_before = 0.5
decay          = "2s"
until          = "8s"

[buyers]
call_timeout = "60s"
browse       = { distribution = "uniform", from = "200ms", to = "500ms" }
patience     = "10m"
seat_pick    = { distribution = "uniform", from = "1s", to = "2s" }
payment      = { distribution = "uniform", from = "1s", to = "2s" }
pays         = 1.0

[topology]
data_tier = "servers"

[gates]
"tickets_sold" = ["count >= 1"]
"double_sales" = ["count == 0"]
"lost_orders"  = ["count == 0"]

[self_check]
send_lag_p99_max = "1m"
stall_max        = "1m"
"#;

/// A failure of the zone of both primaries, after the tickets are sold.
const ZONE_LOSS: &str = r#"
[[faults]]
at     = "40s"
action = "az-power-interruption"
zone   = "a"
lasts  = "15s"
"#;

/// Returns whether the programs are installed; if not, prints so, or fails if `CI` is set.
#[expect(clippy::print_stderr, reason = "a skipped test must be visible")]
fn has_servers() -> bool {
    match Programs::find() {
        Ok(_) => true,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{error}");
            eprintln!("SKIPPED: {error}");
            false
        }
    }
}

fn workplace(text: &str) -> Workplace {
    let workplace = Workplace::new();
    workplace.write("tiny.toml", text);
    workplace
}

/// The only report: its folder and summary.
fn report(workplace: &Workplace) -> (PathBuf, Value) {
    let entries = std::fs::read_dir(workplace.path("reports")).expect("there is a report");
    let folders: Vec<_> = entries
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    let [folder] = folders.as_slice() else {
        panic!("not one report: {folders:?}");
    };
    let text = std::fs::read_to_string(folder.join("summary.json")).expect("it has a summary");
    let summary = serde_json::from_str(&text).expect("the summary is JSON");
    (folder.clone(), summary)
}

fn assert_code(ended: &Ended, code: i32) {
    assert_eq!(ended.code, Some(code), "{ended:#?}");
}

#[test]
fn run_survives_a_lost_zone_and_reports_failovers() {
    if !has_servers() {
        return;
    }
    let _machine = machine::quarter();
    let workplace = workplace(&format!("{TINY}{ZONE_LOSS}"));
    let mut running = Running::start(&workplace, &["run", "tiny.toml"]);
    running.wait_for_buyers();
    let (children, tree) = (running.children(), running.descendants());
    let guards = children.iter().filter(|child| child.arguments == ["guard"]);
    assert_eq!(guards.count(), 4, "{children:?}");
    let clients = clients_of_the_data_tier();
    for part in ["127.0.11.200", "127.0.21.200"] {
        let is_instance = |client: &(Ipv4Addr, Ipv4Addr)| {
            let (source, server) = client;
            matches!(source.octets(), [127, 0, 11 | 12, host] if host < 100)
                && server.to_string() == part
        };
        assert!(clients.iter().any(is_instance), "{part}: {clients:?}");
    }
    let ended = running.finish();
    assert_code(&ended, 0);
    assert_gone(&tree);
    assert_no_shared_memory(&tree);
    let (folder, summary) = report(&workplace);
    for log in [
        "redis-0",
        "redis-1",
        "postgres-0",
        "postgres-1",
        "instance-0",
    ] {
        assert!(folder.join(format!("logs/{log}.log")).is_file(), "{log}");
    }
    let failovers = &summary["data_tier"]["failovers"];
    let failovers = failovers.as_array().expect("both parts failed over");
    assert_eq!(failovers.len(), 2, "{failovers:?}");
    for failover in failovers {
        assert!(!failover["promoted_after_seconds"].is_null(), "{failover}");
        assert!(
            !failover["writes_failed_for_seconds"].is_null(),
            "{failover}"
        );
    }
}

/// Returns the source and the server of each open connection to a server of the data tier, whose host number is 200.
fn clients_of_the_data_tier() -> Vec<(Ipv4Addr, Ipv4Addr)> {
    const ESTABLISHED: &str = "01";
    let table = std::fs::read_to_string("/proc/net/tcp").expect("it can be read");
    let address = |text: &str| -> Option<Ipv4Addr> {
        let (address, _port) = text.split_once(':')?;
        let number = u32::from_str_radix(address, 16).ok()?;
        Some(Ipv4Addr::from(number.to_ne_bytes()))
    };
    let connection = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (source, server) = (address(fields.next()?)?, address(fields.next()?)?);
        let is_open = fields.next() == Some(ESTABLISHED);
        (is_open && server.octets()[3] == 200).then_some((source, server))
    };
    table.lines().filter_map(connection).collect()
}

/// What a run measured of a claim.
fn claim<'s>(summary: &'s Value, id: &str) -> &'s Value {
    let claims = summary["targets"].as_array();
    let claims = claims.expect("claims are judged");
    let claim = claims.iter().find(|claim| claim["id"] == id);
    claim.expect("it is judged")
}

/// The end of a sale with these lines, and its summary.
fn finished(more: &str, share: machine::Share) -> (Ended, Value) {
    let workplace = workplace(&format!("{TINY}{more}"));
    let ended = workplace.run(&["run", "tiny.toml"]);
    drop(share);
    assert!(workplace.path("reports").exists(), "{ended:#?}");
    let (_, summary) = report(&workplace);
    (ended, summary)
}

/// The sale as it is, with which two tests compare another one. No instance may wait too long, so it has the machine for itself.
static UNDISTURBED: LazyLock<(Ended, Value)> = LazyLock::new(|| finished("", machine::whole()));

#[test]
fn a_redis_that_is_open_to_the_internet_answers_a_stranger() {
    if !has_servers() {
        return;
    }
    let open = r#"[topology.routes]
private = "internet-gateway"

[topology.security_groups]
redis = ["instances", "internet"]
"#;
    for ((ended, summary), redis) in [
        (&*UNDISTURBED, "Redis refused by password"),
        (&finished(open, machine::half()), "Redis got through"),
    ] {
        assert_code(ended, 0);
        for id in ["A3", "A6"] {
            let claim = claim(summary, id);
            let measured = claim["measured"].as_str().expect("it was measured");
            assert!(measured.contains(redis), "{claim}");
            assert_eq!(
                claim["verdict"] == "missed",
                redis.contains("through"),
                "{claim}"
            );
        }
    }
}

/// Redis is in zone a. Packets between the zones come later than an instance waits for it, so that those in zone b fail.
#[test]
fn instances_far_from_redis_fail_while_the_path_between_zones_is_impaired() {
    if !has_servers() {
        return;
    }
    let impaired = r#"
[[faults]]
at     = "1s"
lasts  = "30s"
action = "network-latency"
zone   = "b"
peer   = "other-zones"
delay  = "3s"
"#;
    let failed = |(ended, summary): &(Ended, Value)| {
        assert!(matches!(ended.code, Some(0 | 99)), "{ended:#?}");
        let errors = summary["errors"].as_array().expect("errors are listed");
        let is_unavailable = |error: &&Value| error["kind"] == "HTTP 503";
        let counts = errors
            .iter()
            .filter(is_unavailable)
            .map(|error| error["calls"].as_u64());
        counts.flatten().sum::<u64>()
    };
    assert_eq!(failed(&UNDISTURBED), 0);
    assert!(failed(&finished(impaired, machine::half())) > 0);
}

/// Without a replica, Redis is empty when it returns; the database keeps its data.
#[test]
fn without_replicas_a_lost_zone_loses_the_queue_but_no_order() {
    if !has_servers() {
        return;
    }
    let _machine = machine::quarter();
    let alone = r#"data_tier = "servers"

[topology.redis]
primary  = "b"
replica  = "none"
failover = "2s"

[topology.database]
primary  = "b"
standby  = "none"
failover = "2s"
"#;
    let text = TINY
        .replace("data_tier = \"servers\"\n", alone)
        .replace("active_max = 10", "active_max = 1");
    let zone_loss = ZONE_LOSS
        .replace("\"40s\"", "\"15s\"")
        .replace("\"a\"", "\"b\"");
    let workplace = workplace(&format!("{text}{zone_loss}"));
    let ended = workplace.run(&["run", "tiny.toml"]);
    assert_code(&ended, 90);
    let (_, summary) = report(&workplace);
    let failovers = summary["data_tier"]["failovers"].as_array();
    let failovers = failovers.expect("both parts failed");
    let lost = |part: &str| {
        let failover = failovers.iter().find(|failover| failover["part"] == part);
        &failover.expect("it failed")["lost"]
    };
    assert!(lost("redis")["places"].as_u64() > Some(0), "{failovers:?}");
    assert!(
        lost("redis")["sessions"].as_u64() > Some(0),
        "{failovers:?}"
    );
    assert_eq!(lost("database")["orders"], 0);
    assert!(ended.stdout.contains("lost_orders"), "{ended:?}");
}

#[test]
fn killing_the_supervisor_leaves_no_process() {
    if !has_servers() {
        return;
    }
    let _machine = machine::quarter();
    let workplace = workplace(&TINY.replace("\"90s\"", "\"20m\""));
    let temporary = temporary_folder();
    let mut running = start_with(&workplace, &[("TMPDIR", temporary.path().as_os_str())]);
    running.wait_for_buyers();
    let tree = running.descendants();
    assert!(tree.len() > 12, "servers have children: {tree:?}");
    assert!(entries(temporary.path()) > 0, "they have files");
    running.kill();
    assert_gone(&tree);
    assert_no_shared_memory(&tree);
    assert_eq!(running.finish().code, None, "it was killed");
    assert_eq!(entries(temporary.path()), 0, "files are left");
}

/// The kernel ends what the guards would have ended, however far the start has come.
#[test]
fn killing_supervisor_and_guards_at_once_leaves_no_process() {
    if !has_servers() {
        return;
    }
    let _machine = machine::quarter();
    let workplace = workplace(&TINY.replace("\"90s\"", "\"20m\""));
    let temporary = temporary_folder();
    let start = || start_with(&workplace, &[("TMPDIR", temporary.path().as_os_str())]);
    let is_ready = |running: &mut Running| running.wait_for_buyers();
    let is_starting = |running: &mut Running| {
        running.wait_for(|line| line.starts_with("Starting local testbed"));
        while !running
            .descendants()
            .iter()
            .any(|it| it.title.contains("initdb"))
        {
            std::thread::yield_now();
        }
    };
    let moments: [&dyn Fn(&mut Running); 2] = [&is_starting, &is_ready];
    for moment in moments {
        let mut running = start();
        moment(&mut running);
        let tree = running.descendants();
        let ours = tree.iter().filter(|it| it.title.ends_with("tiketi-sim"));
        let ours: Vec<_> = ours.collect();
        assert!(ours.len() >= 3, "guards: {tree:?}");
        running.stop();
        for process in &ours {
            process.stop();
        }
        for process in &ours {
            process.end();
        }
        running.kill();
        assert_gone(&tree);
        assert_no_shared_memory(&tree);
        assert_eq!(running.finish().code, None, "it was killed");
    }
}

#[test]
fn ctrl_c_stops_all_servers_and_writes_a_report() {
    if !has_servers() {
        return;
    }
    let _machine = machine::quarter();
    let workplace = workplace(&TINY.replace("\"90s\"", "\"20m\""));
    let temporary = temporary_folder();
    let log = OsStr::new("tiketi_sim=debug,tokio_postgres=trace");
    let variables = [
        ("TMPDIR", temporary.path().as_os_str()),
        ("TIKETI_SIM_LOG", log),
    ];
    let mut running = start_with(&workplace, &variables);
    running.wait_for_buyers();
    let tree = running.descendants();
    running.interrupt();
    let ended = running.finish();
    assert_code(&ended, 105);
    assert!(!ended.stderr.contains("password"), "a statement was logged");
    assert_gone(&tree);
    assert_no_shared_memory(&tree);
    assert_eq!(entries(temporary.path()), 0, "files are left");
    let (_, summary) = report(&workplace);
    assert_eq!(summary["exit_code"], 105);
}

#[test]
fn unexpected_server_exit_makes_the_run_inconclusive() {
    if !has_servers() {
        return;
    }
    let _machine = machine::quarter();
    let workplace = workplace(&TINY.replace("\"90s\"", "\"20m\""));
    let mut running = Running::start(&workplace, &["run", "tiny.toml"]);
    running.wait_for_buyers();
    let tree = running.descendants();
    let is_replica = |title: &str| title.contains("redis-server 127.0.12.");
    let redis = tree.iter().find(|process| is_replica(&process.title));
    redis.expect("a replica of Redis runs in zone b").kill();
    let ended = running.finish();
    assert_code(&ended, 91);
    assert_gone(&tree);
    assert_no_shared_memory(&tree);
    assert!(
        ended
            .stderr
            .contains("Ending the run early: data tier: redis-1"),
        "{ended:?}"
    );
}

#[test]
fn missing_programs_are_named_with_their_package() {
    let workplace = workplace(TINY);
    let mut program = workplace.program(&["run", "tiny.toml"]);
    let ended = program.env("PATH", workplace.path(".")).output();
    let ended = ended.expect("the program starts");
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(104), "{stderr}");
    assert!(stderr.contains("redis-server"), "{stderr}");
    assert!(stderr.contains("package redis-server"), "{stderr}");
    assert!(!workplace.path("reports").exists(), "a run was started");
}

/// Existing servers that belong to somebody else.
struct Theirs {
    redis: RedisPair,
    database: PostgresPair,
    runtime: tokio::runtime::Runtime,
    _host: Host,
}

impl Theirs {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("the system gives a thread");
        let host = Host::open(Guard::Bare, None).expect("the programs are there");
        let site = vec![Ipv4Addr::new(127, 0, 77, 1)];
        let redis = RedisSettings {
            sites: site.clone(),
            lag: Duration::ZERO,
            memory_max: None,
            eviction: Eviction::NoEviction,
            tls: false,
            names: Vec::new(),
            idle_timeout: Duration::ZERO,
            admission: Admission::Password,
        };
        let database = PostgresSettings {
            sites: site,
            kind: PostgresKind::RdsMultiAz,
            lag: Duration::ZERO,
            clients: vec![(Ipv4Addr::new(127, 0, 0, 0), 8)],
            connections_max: 100,
            replica_lag: Duration::ZERO,
        };
        let (redis, database) = runtime
            .block_on(async {
                tokio::try_join!(
                    RedisPair::start(&host, redis),
                    PostgresPair::start(&host, database)
                )
            })
            .expect("the servers start");
        Self {
            redis,
            database,
            runtime,
            _host: host,
        }
    }

    fn redis_url(&self) -> String {
        format!(
            "redis://:{}@{}/0",
            self.redis.password().expect("it has one"),
            self.redis.address(0)
        )
    }

    fn database_url(&self) -> String {
        let (password, address) = (self.database.password(), self.database.address(0));
        format!("postgres://tiketi:{password}@{address}/tiketi")
    }

    fn redis(&self, command: &redis::Cmd) -> redis::Value {
        let client = redis::Client::open(self.redis_url()).expect("the URL is one");
        self.runtime
            .block_on(async {
                let mut connection = client.get_multiplexed_async_connection().await?;
                command.query_async(&mut connection).await
            })
            .expect("Redis answers")
    }

    /// The first column of the first row of a query, as text.
    fn sql(&self, statement: &str) -> Option<String> {
        let url = self.database_url();
        self.runtime.block_on(async {
            let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls).await;
            let (client, connection) = connected.expect("PostgreSQL answers");
            let talking = tokio::spawn(connection);
            let rows = client.simple_query(statement).await.expect("it is SQL");
            talking.abort();
            rows.into_iter().find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
        })
    }

    fn stop(self) {
        let Self {
            redis,
            database,
            runtime,
            ..
        } = self;
        runtime.block_on(async { tokio::join!(redis.stop(), database.stop()) });
    }
}

#[test]
fn existing_servers_are_left_unchanged() {
    if !has_servers() {
        return;
    }
    let _machine = machine::quarter();
    let theirs = Theirs::start();
    theirs.redis(&redis::Cmd::set("theirs", "untouched"));
    theirs.sql("CREATE TABLE theirs (word text); INSERT INTO theirs VALUES ('untouched')");
    let workplace = workplace(&format!("{TINY}{ZONE_LOSS}"));
    let (redis_url, database_url) = (theirs.redis_url(), theirs.database_url());
    let urls = [
        ("TIKETI_SIM_REDIS", redis_url.as_str()),
        ("TIKETI_SIM_DATABASE", database_url.as_str()),
    ];
    let run = |arguments: &[&str]| {
        let mut program = workplace.program(&[&["run", "tiny.toml"][..], arguments].concat());
        let ended = program.envs(urls).output().expect("it can be started");
        let text = [ended.stdout, ended.stderr].concat();
        (
            ended.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };

    let (code, said) = run(&[]);
    assert_eq!(code, Some(92), "{said}");
    assert!(said.contains("didn't create"), "{said}");
    assert!(!workplace.path("reports").exists(), "a run was started");

    let (code, said) = run(&["--prefix", "guest:", "--schema", "guest"]);
    assert_eq!(code, Some(0), "{said}");
    let redis_password = theirs.redis.password().expect("it has one");
    for password in [redis_password, theirs.database.password()] {
        assert!(!said.contains(password), "a password was shown");
        let (folder, _) = report(&workplace);
        for file in std::fs::read_dir(folder).expect("it can be listed") {
            let path = file.expect("it can be listed").path();
            let text = std::fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            assert!(!text.contains(password), "a password is in {path:?}");
        }
    }
    let keys = theirs.redis(&redis::cmd("DBSIZE"));
    assert_eq!(keys, redis::Value::Int(1), "keys are left");
    let word = theirs.sql("SELECT word FROM theirs");
    assert_eq!(word.as_deref(), Some("untouched"));
    let schemas = theirs.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'guest'");
    assert_eq!(schemas.as_deref(), Some("0"), "the schema is left");
    theirs.stop();
}

/// A folder that the unprivileged user of the servers can enter.
fn temporary_folder() -> tempfile::TempDir {
    let open = std::fs::Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new().permissions(open).tempdir();
    folder.expect("a temporary folder can be created")
}

fn entries(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder);
    entries.expect("it is there").count()
}

fn start_with(workplace: &Workplace, variables: &[(&str, &OsStr)]) -> Running {
    let mut program = workplace.program(&["run", "tiny.toml"]);
    Running::spawn(program.envs(variables.iter().copied()))
}
