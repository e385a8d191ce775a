//! A load worker, from its assignment to its last report, against a small server on loopback.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use std::io::{BufRead, BufReader, PipeWriter, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::small_server::{SHOW, SmallServer};
use serde_json::Value;
use tiketi_cloud::name_service::NameService;
use tiketi_live::credential::Credentials;
use tiketi_live::http2::HttpVersion;
use tiketi_live::reach::Reach;
use tiketi_live::tls::Trust;
use tiketi_live::worker::{self, Assignment, Done, EntryPoint, Scheme, WorkerReport};
use tiketi_scenario::{self as scenario, Plan};
use tiketi_server::{EmbeddedTier, Instance, Section, Settings, Show};
use tiketi_testbed::dns::NameServer;

/// A worker on a thread of this process.
struct Running {
    commands: Option<PipeWriter>,
    reports: BufReader<std::io::PipeReader>,
}

/// All frames of a worker.
#[derive(Default)]
struct Sum {
    frames: Vec<Value>,
    done: Option<Done>,
}

impl Running {
    fn start(assignment: &Assignment) -> Self {
        let (commands_rx, mut commands) = std::io::pipe().unwrap();
        let (reports, reports_tx) = std::io::pipe().unwrap();
        std::thread::spawn(move || worker::run(BufReader::new(commands_rx), reports_tx));
        writeln!(commands, "{}", serde_json::to_string(assignment).unwrap()).unwrap();
        Self {
            commands: Some(commands),
            reports: BufReader::new(reports),
        }
    }

    fn finish(mut self) -> Sum {
        let mut sum = Sum::default();
        let mut line = String::new();
        while self.reports.read_line(&mut line).unwrap() > 0 {
            match serde_json::from_str(&line).unwrap() {
                WorkerReport::Ready { .. } | WorkerReport::Stalled { .. } => {}
                WorkerReport::Frame(frame) => {
                    sum.frames.push(serde_json::to_value(frame).unwrap());
                }
                WorkerReport::Done(done) => sum.done = Some(*done),
                WorkerReport::Failed { reason } => panic!("{reason}"),
            }
            line.clear();
        }
        drop(self.commands.take());
        sum
    }

    /// The reason that the worker's last report gives.
    fn failure(self) -> String {
        let lines = self.reports.lines().map(Result::unwrap);
        match lines.last().map(|line| serde_json::from_str(&line)) {
            Some(Ok(WorkerReport::Failed { reason })) => reason,
            other => panic!("{other:?}"),
        }
    }
}

impl Sum {
    /// The sum of the numbers at `path` in all frames.
    fn total(&self, path: &str) -> u64 {
        let numbers = self.frames.iter().filter_map(|frame| frame.pointer(path));
        numbers.filter_map(Value::as_u64).sum()
    }

    fn done(&self) -> &Done {
        self.done
            .as_ref()
            .expect("the worker reported that it was done")
    }
}

/// A plan whose buyers arrive within two seconds of scenario time, at speed 10.
fn plan(buyers: u32, duration: &str) -> Plan {
    let text = format!(
        r#"
name = "live-worker"
[clock]
duration = "{duration}"
warmup   = "0s"
speed    = 10
[show]
sections = [{{ name = "A", rows = 1, seats_per_row = 40, price = 1_000 }}]
[[arrivals]]
shape          = "onsale"
buyers         = {buyers}
opens_at       = "1s"
waiting_before = 0.5
decay          = "1s"
until          = "3s"
[buyers]
call_timeout = "60s"                  # 6 s of real time, so that the test passes on a busy machine
browse    = {{ distribution = "uniform", from = "100ms", to = "300ms" }}
patience  = "10m"
seat_pick = {{ distribution = "uniform", from = "1s", to = "2s" }}
payment   = {{ distribution = "uniform", from = "1s", to = "2s" }}
pays      = 1.0
"#
    );
    scenario::load("test.toml", &text, &scenario::Overrides::default())
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "an assignment has a start time in Unix time"
)]
fn unix_now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

fn assignment(plan: Plan, address: SocketAddr) -> Assignment {
    Assignment {
        plan,
        worker: 0,
        workers: 1,
        entry: EntryPoint {
            scheme: Scheme::Http,
            host: address.ip().to_string(),
            port: address.port(),
            base: String::new(),
            dns: None,
            page: None,
            edge: None,
            hosts: Vec::new(),
            trust: Trust::default(),
            http: HttpVersion::default(),
            reach: Reach::Loopback,
        },
        api: None,
        credentials: Credentials::Minted {
            secret: "secret".to_owned(),
        },
        show: SHOW.into(),
        is_target: false,
        start_at_unix_ns: unix_now_ns() + 200_000_000,
        source_addresses: vec![Ipv4Addr::new(127, 9, 0, 1), Ipv4Addr::new(127, 9, 0, 2)],
    }
}

/// JSON pointers into a frame.
const PAID: &str = "/tally/stages/6";
const QUEUED: &str = "/tally/stages/2";

#[test]
fn fifty_buyers_get_from_page_to_ticket() {
    let server = SmallServer::start(40, Duration::from_millis(20));
    let sum = Running::start(&assignment(plan(50, "40s"), server.address)).finish();
    let books = server.books();
    assert_eq!(sum.total("/tally/arrivals/started"), 50);
    assert_eq!(sum.total(QUEUED), 50);
    assert_eq!(sum.total(PAID), 40, "every seat is sold once: {books:?}");
    let sold = books
        .seats
        .values()
        .filter(|seat| matches!(seat, Some((_, true))));
    assert_eq!(sold.count(), 40);
    assert_eq!(sum.done().paid.len(), 40);
    assert_eq!(sum.total("/tally/left/0"), 40, "paid");
    assert_eq!(sum.total("/tally/left/1"), 10, "sold out");
    assert!(sum.total("/tally/sockets/connected") >= 45);
    assert_eq!(
        sum.total("/tally/sockets/connected"),
        sum.total("/tally/sockets/closed")
    );
    assert!(books.joined_queue > 0 && books.joined_seats > 0);
    let polls = |what| sum.total(&format!("/tally/polls/{what}"));
    assert!(polls("sent") > 0, "the queue was polled");
    let ended = polls("sent") + polls("cancelled") + polls("missed");
    assert_eq!(polls("due"), ended);
    assert!(sum.total("/tally/messages") > 50);
    assert!(books.cookies_seen > 50, "the sticky cookie comes back");
    assert_eq!(sum.done().socket_failures, [0; 4]);
    let connections = sum.done().connections_opened;
    assert!(
        connections < 60,
        "{connections} connections for hundreds of requests"
    );
}

#[test]
fn fifty_buyers_buy_from_the_reference_server() {
    let plan = plan(50, "60s");
    let section = Section {
        name: "A".to_owned(),
        rows: 1,
        seats_per_row: 40,
        price: 1_000,
    };
    let show = Show::new("live worker", vec![section]);
    let settings = Settings {
        active_max: 10,
        update_every: Duration::from_secs(1),
        trust_tokens: true,
        rate_limit: None,
        speed: plan.clock.speed,
        ..Settings::default()
    };
    let tier = EmbeddedTier::new(&settings, vec![show.clone()], Duration::ZERO);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let secret = settings.jwt_secret.clone();
    let instance = Instance::start("one", listener, tier.clone(), settings).unwrap();
    let sum = Running::start(&Assignment {
        show: show.id.into(),
        credentials: Credentials::Minted { secret },
        ..assignment(plan, address)
    })
    .finish();
    let tally = sum.frames.iter().map(|frame| frame["tally"].to_string());
    let tally: String = tally.collect();
    assert!(!tally.contains("status"), "an error status: {tally}");
    assert_eq!(sum.total("/tally/arrivals/started"), 50);
    assert_eq!(sum.total(PAID), 40, "every seat is sold: {tally}");
    assert_eq!(sum.total("/tally/left/1"), 10, "sold out");
    let orders = tier.final_state().orders;
    let mut found: Vec<_> = orders.iter().map(|order| order.reservation).collect();
    let mut acknowledged = sum.done().paid.clone();
    found.sort_unstable();
    acknowledged.sort_unstable();
    assert_eq!(
        found, acknowledged,
        "acknowledged orders differ from those on the server"
    );
    assert!(sum.total(QUEUED) >= 30);
    assert!(sum.total("/tally/messages") > 0);
    assert_eq!(sum.done().socket_failures, [0; 4]);
    instance.kill();
    instance.join();
}

#[test]
fn dropped_sockets_reconnect_and_rejoin_their_room() {
    let server = SmallServer::start(40, Duration::from_secs(60));
    let running = Running::start(&assignment(plan(30, "40s"), server.address));
    server.wait_until_joined(30);
    server.cut_sockets();
    let sum = running.finish();
    assert_eq!(sum.total("/tally/sockets/lost"), 30);
    assert_eq!(sum.total("/tally/sockets/reconnected"), 30);
    let books = server.books();
    assert_eq!(books.joined_queue, 60);
    assert!(
        books.requests["status"] > 30,
        "buyers did not poll while waiting"
    );
    assert_eq!(sum.total("/tally/left/7"), 30, "unfinished at the end");
    // The sockets still open are closed at the end of the run.
    assert_eq!(sum.total("/tally/sockets/closed"), 30);
}

#[test]
fn worker_stops_on_command_and_when_its_parent_exits() {
    for on_command in [true, false] {
        let server = SmallServer::start(40, Duration::from_secs(60));
        let mut running = Running::start(&assignment(plan(20, "10m"), server.address));
        server.wait_until_joined(20);
        let began = unix_now_ns();
        if on_command {
            writeln!(running.commands.as_mut().unwrap(), "\"stop\"").unwrap();
        } else {
            drop(running.commands.take());
        }
        let sum = running.finish();
        assert_eq!(sum.total("/tally/left/7"), 20);
        assert_eq!(sum.done().figures.connected_peak, 20);
        // The run itself lasts 60 s.
        assert!(unix_now_ns() - began < 30_000_000_000, "it did not stop");
    }
}

#[test]
fn worker_stops_when_the_name_of_its_target_moves_to_an_address_that_is_not_allowed() {
    let server = SmallServer::start(40, Duration::from_secs(60));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut service = NameService::default();
    service.define("sale.test", Duration::from_secs(1));
    service.add("sale.test", Ipv4Addr::LOCALHOST);
    let names = runtime
        .block_on(NameServer::start(Ipv4Addr::LOCALHOST, service, 1.0))
        .unwrap();
    let mut assignment = assignment(plan(20, "10m"), server.address);
    assignment.entry.host = "sale.test".to_owned();
    assignment.entry.dns = Some(names.address());
    let running = Running::start(&assignment);
    server.wait_until_joined(20);
    // Documentation addresses are routed nowhere.
    let elsewhere = Ipv4Addr::new(192, 0, 2, 77);
    names.names().lock().unwrap().add("sale.test", elsewhere);
    let reason = running.failure();
    assert_eq!(
        reason,
        "the load was stopped, because `sale.test` now resolves to 192.0.2.77, which is not on this machine"
    );
}

#[test]
fn buyers_give_up_when_every_connection_is_refused() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let assignment = assignment(plan(10, "60s"), address);
    let sum = Running::start(&assignment).finish();
    assert_eq!(sum.total("/tally/left/6"), 10, "too many errors");
    let failed = sum.frames.iter().map(|frame| frame["tally"].to_string());
    let failed: String = failed.collect();
    assert!(failed.contains("connect_refused"), "{failed}");
    assert_eq!(sum.total("/tally/stages/1"), 0, "nobody saw the page");
}

#[test]
fn invalid_assignment_is_reported_with_the_reason() {
    let (reports, reports_tx) = std::io::pipe().unwrap();
    let result = worker::run(&b"{}\n"[..], reports_tx);
    let mut line = String::new();
    BufReader::new(reports).read_line(&mut line).unwrap();
    let report: WorkerReport = serde_json::from_str(&line).unwrap();
    assert_eq!(
        report,
        WorkerReport::Failed {
            reason: result.unwrap_err().to_string()
        }
    );
}
