//! Instances as threads and as processes: the testbed sees the same. The processes are tasks here.

use std::path::Path;

use tiketi_server::{DatabaseEndpoint, Profile, RedisEndpoint, Secret, Section};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::child::Role;
use crate::clock::unix_now_ns;
use crate::instance::InstanceRole;
use tiketi_core::units::SimTime;
use tiketi_measure::stall::{Span, Stall, StallKind, ToolPart};

const ZONE_A: ZoneId = ZoneId(0);
const ZONE_B: ZoneId = ZoneId(1);
const IN_A: InstanceId = InstanceId(0);
const ALSO_IN_A: InstanceId = InstanceId(1);
const IN_B: InstanceId = InstanceId(2);

/// Longer than anything here takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(20);

fn settings() -> Settings {
    Settings {
        speed: 50.0,
        profile: Profile::t3_medium_node(),
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

fn threads() -> Kind {
    let tier = EmbeddedTier::new(&settings(), vec![show()], Duration::ZERO);
    let launcher = Launcher::Tasks;
    Kind::Threads { tier, launcher }
}

/// A data tier that nobody serves: instances are healthy without one.
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

pub(crate) fn processes(launcher: Launcher, logs: Option<&Path>) -> Kind {
    Kind::Processes(Box::new(Blueprint {
        launcher,
        config: config(),
        from_own_address: true,
        shows: vec![show()],
        logs: logs.map(Path::to_owned),
    }))
}

struct Bench {
    fleet: Fleet,
    heard: UnboundedReceiver<Heard>,
}

impl Bench {
    fn new(kind: Kind) -> Self {
        let subnets = ["10.0.11.0/24", "10.0.12.0/24"];
        let subnets = subnets
            .map(|subnet| Site::closed(subnet.parse().unwrap()))
            .to_vec();
        let (fleet, heard) = Fleet::new(kind, settings(), subnets);
        Self { fleet, heard }
    }

    /// A fleet of two instances in one zone and one in the other.
    async fn start(kind: Kind) -> Self {
        let mut bench = Self::new(kind);
        for (instance, zone) in [(IN_A, ZONE_A), (ALSO_IN_A, ZONE_A), (IN_B, ZONE_B)] {
            bench.fleet.launch(instance, zone, Duration::ZERO).unwrap();
            bench.wait_until_it_answers(instance).await;
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
        let timely = tokio::time::timeout(PATIENCE, news).await;
        timely.expect("there are news in time")
    }

    /// The next instance that is lost.
    async fn loss(&mut self) -> (InstanceId, Cause) {
        match self.news().await {
            News::Lost { instance, cause } => (instance, cause),
            News::Answers(instance) => panic!("{instance} answers"),
        }
    }

    async fn wait_until_it_answers(&mut self, instance: InstanceId) {
        while self.fleet.is_opening(instance) {
            let News::Answers(_) = self.news().await else {
                panic!("{instance} is lost");
            };
        }
    }

    fn gauge(&self, instance: InstanceId) -> InstanceGauge {
        let mut gauges = self.fleet.gauges().into_iter();
        let gauge = gauges.find(|gauge| gauge.instance == instance);
        gauge.expect("it exists")
    }

    /// Takes what is heard until the load of an instance is as it should be.
    async fn wait_for_load(&mut self, instance: InstanceId, is_it: impl Fn(&InstanceLoad) -> bool) {
        let reached = async {
            while !self.gauge(instance).load.is_some_and(|load| is_it(&load)) {
                let idle = Duration::from_millis(20);
                drop(tokio::time::timeout(idle, self.news()).await);
            }
        };
        let timely = tokio::time::timeout(PATIENCE, reached).await;
        timely.expect("the load is reported");
    }
}

async fn health(address: SocketAddr) -> io::Result<String> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = b"GET /health HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    tokio::time::timeout(PATIENCE, ask).await?
}

async fn wait_until_refused(address: SocketAddr) {
    let refused = async { while health(address).await.is_ok() {} };
    let timely = tokio::time::timeout(PATIENCE, refused).await;
    timely.unwrap_or_else(|_| panic!("{address} still answers"));
}

#[tokio::test]
async fn connections_are_refused_until_the_boot_is_over() {
    for kind in [threads(), processes(Launcher::Tasks, None)] {
        let mut bench = Bench::new(kind);
        let boot = Duration::from_secs(20);
        bench.fleet.launch(IN_A, ZONE_A, boot).unwrap();
        let address = bench.fleet.address(IN_A).unwrap();
        assert_eq!(address.ip().to_string(), "127.0.11.4");
        assert!(health(address).await.is_err(), "it boots");
        assert!(!bench.fleet.is_opening(IN_A));
        assert!(bench.gauge(IN_A).load.is_none());
        assert_eq!(
            bench.fleet.in_zone(ZONE_A),
            [IN_A],
            "it runs, although it does not answer"
        );
        let answers = async {
            while bench.gauge(IN_A).load.is_none() {
                let heard = bench.heard.recv().await.expect("the fleet lives");
                drop(bench.fleet.handle(heard));
            }
        };
        tokio::time::timeout(PATIENCE, answers).await.unwrap();
        let answer = health(address).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("\"i-0\""), "{answer}");
        assert_eq!(bench.fleet.in_zone(ZONE_A), [IN_A]);
        bench.fleet.stop().await;
        wait_until_refused(address).await;
    }
}

#[tokio::test]
async fn a_terminated_instance_refuses_connections_and_is_not_reported() {
    for kind in [threads(), processes(Launcher::Tasks, None)] {
        let mut bench = Bench::start(kind).await;
        let address = bench.fleet.address(IN_A).unwrap();
        bench.fleet.terminate(IN_A);
        bench.fleet.terminate(IN_A);
        assert_eq!(bench.fleet.address(IN_A), None);
        wait_until_refused(address).await;
        let more = tokio::time::timeout(Duration::from_millis(200), bench.news()).await;
        assert!(more.is_err(), "heard {more:?}");
        bench.fleet.stop().await;
    }
}

#[tokio::test]
async fn a_lost_zone_takes_its_instances_and_leaves_the_others() {
    for kind in [threads(), processes(Launcher::Tasks, None)] {
        let mut bench = Bench::start(kind).await;
        assert_eq!(bench.fleet.in_zone(ZONE_A), [IN_A, ALSO_IN_A]);
        let addresses = [IN_A, ALSO_IN_A, IN_B].map(|id| bench.fleet.address(id).unwrap());
        bench.fleet.lose_zone(ZONE_A);
        assert!(bench.fleet.in_zone(ZONE_A).is_empty());
        assert_eq!(bench.fleet.in_zone(ZONE_B), [IN_B]);
        for address in &addresses[..2] {
            wait_until_refused(*address).await;
        }
        assert!(health(addresses[2]).await.is_ok());
        let more = tokio::time::timeout(Duration::from_millis(200), bench.news()).await;
        assert!(more.is_err(), "the fault tells the control plane: {more:?}");
        bench.fleet.stop().await;
    }
}

/// Real time in which something happens on loopback, if it happens at all.
const MOMENT: Duration = Duration::from_millis(300);

/// Connects until the queue is full: a thread may still accept one connection while it stops.
async fn assert_silent(address: SocketAddr) {
    let mut silent = Vec::new();
    while let Ok(connected) = tokio::time::timeout(MOMENT, TcpStream::connect(address)).await {
        silent.push(connected.expect("nobody refuses"));
        assert!(silent.len() < 3, "connections are accepted");
    }
}

#[tokio::test]
async fn an_instance_without_power_is_silent_until_power_is_back() {
    let mut bench = Bench::start(threads()).await;
    let address = bench.fleet.address(IN_A).unwrap();
    let mut open = TcpStream::connect(address).await.unwrap();
    health(address).await.unwrap();
    bench.fleet.silence_zone(ZONE_A);
    assert!(bench.fleet.in_zone(ZONE_A).is_empty());
    assert!(health(bench.fleet.address(IN_B).unwrap()).await.is_ok());
    assert_silent(address).await;

    // A request on a connection that is open gets no response, and the connection does not break either.
    let request = b"GET /health HTTP/1.1\r\nhost: test\r\n\r\n";
    open.write_all(request).await.unwrap();
    let heard = tokio::time::timeout(MOMENT, open.read_u8()).await;
    assert!(heard.is_err(), "heard {heard:?}");
    assert!(stalls(&mut bench).is_empty(), "a fault is no stall");

    bench.fleet.end_silence(ZONE_A);
    let ended = async { while open.read_u8().await.is_ok() {} };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    wait_until_refused(address).await;
    bench.fleet.stop().await;
}

#[tokio::test]
async fn a_fleet_that_stops_ends_its_silent_instances() {
    let mut bench = Bench::start(threads()).await;
    let address = bench.fleet.address(IN_A).unwrap();
    bench.fleet.silence_zone(ZONE_A);
    bench.fleet.stop().await;
    wait_until_refused(address).await;
}

/// Judges what the fleet noticed, as of a run that has lasted for the last minute.
fn stalls(bench: &mut Bench) -> Vec<Stall> {
    while let Ok(heard) = bench.heard.try_recv() {
        drop(bench.fleet.handle(heard));
    }
    let now = unix_now_ns();
    let span = Span {
        start_unix_ns: now - 60_000_000_000,
        ended_at: SimTime::from_secs(60),
        speed: 1.0,
    };
    bench.fleet.take_stalls(now).settle(span)
}

/// Blocks the thread of an instance, as a stop of its process does.
async fn block_thread(bench: &Bench, instance: InstanceId, time: Duration) {
    let Server::Thread(thread) = &bench.fleet.members[&instance].server else {
        panic!("{instance} is no thread");
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "the test blocks the thread on purpose"
    )]
    thread.spawn(async move { std::thread::sleep(time) });
    tokio::time::sleep(time + Duration::from_millis(300)).await;
}

#[tokio::test]
async fn a_blocked_thread_is_a_stall_of_its_instance() {
    let mut bench = Bench::start(threads()).await;
    block_thread(&bench, IN_A, Duration::from_secs(1)).await;
    let stalls = stalls(&mut bench);
    let part = ToolPart::Instance(IN_A);
    let found = stalls.iter().find(|stall| stall.part == part);
    let found = found.expect("it is noticed");
    assert_eq!(found.kind, StallKind::Stopped);
    assert!(found.wall >= Duration::from_millis(900), "{found:?}");
    bench.fleet.stop().await;
}

#[tokio::test]
async fn a_pause_by_a_fault_explains_the_stall_while_it_lasts_and_after_it() {
    for is_resumed in [true, false] {
        let mut bench = Bench::start(threads()).await;
        // Its first sign of life: without one it could not be missed.
        tokio::time::sleep(Duration::from_millis(200)).await;
        bench.fleet.pause(IN_A).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        if is_resumed {
            bench.fleet.resume(IN_A).unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let stalls = stalls(&mut bench);
        let long = Duration::from_millis(900);
        assert!(stalls.iter().all(|stall| stall.wall < long), "{stalls:?}");
        bench.fleet.stop().await;
    }
}

#[tokio::test]
async fn a_thread_that_ends_by_itself_is_a_crash() {
    let mut bench = Bench::start(threads()).await;
    let Server::Thread(thread) = &bench.fleet.members[&IN_B].server else {
        panic!("it is a thread");
    };
    thread.kill();
    let (instance, cause) = bench.loss().await;
    assert_eq!(instance, IN_B);
    assert!(matches!(cause, Cause::Crashed), "{cause}");
    let stalls = stalls(&mut bench);
    let ended: Vec<_> = stalls
        .iter()
        .filter(|stall| stall.kind == StallKind::Ended)
        .map(|stall| stall.part)
        .collect();
    assert_eq!(ended, [ToolPart::Instance(IN_B)]);
    bench.fleet.stop().await;
}

#[tokio::test]
async fn the_load_of_a_process_is_what_it_told_last() {
    let mut bench = Bench::start(processes(Launcher::Tasks, None)).await;
    let address = bench.fleet.address(IN_B).unwrap();
    for _ in 0..5 {
        health(address).await.unwrap();
    }
    bench.wait_for_load(IN_B, |load| load.requests == 5).await;
    assert_eq!(bench.gauge(IN_A).load.unwrap().requests, 0);
    let times = bench.fleet.cpu_times();
    assert_eq!(times.len(), 3, "one for each instance");
    let busy = times
        .iter()
        .find(|time| time.instance == IN_B)
        .unwrap()
        .busy;
    assert!(!busy.is_zero(), "health checks take time");
    bench.fleet.stop().await;
}

#[tokio::test]
async fn a_paused_thread_accepts_and_answers_when_it_continues() {
    let mut bench = Bench::start(threads()).await;
    bench.fleet.pause(IN_A).unwrap();
    assert_eq!(
        bench.fleet.answering_in(ZONE_A),
        [ALSO_IN_A],
        "the others answer"
    );
    let address = bench.fleet.address(IN_A).unwrap();
    // Its thread stops at its next step, which takes a moment on a busy machine.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let asked = tokio::spawn(health(address));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!asked.is_finished(), "a paused instance answered");
    assert!(health(bench.fleet.address(IN_B).unwrap()).await.is_ok());
    bench.fleet.resume(IN_A).unwrap();
    let answer = asked.await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(bench.fleet.in_zone(ZONE_A), [IN_A, ALSO_IN_A]);
    // One that is paused can be ended all the same.
    bench.fleet.pause(ALSO_IN_A).unwrap();
    let address = bench.fleet.address(ALSO_IN_A).unwrap();
    bench.fleet.terminate(ALSO_IN_A);
    wait_until_refused(address).await;
    let unknown = bench.fleet.pause(InstanceId(7)).unwrap_err();
    assert_eq!(unknown.kind(), io::ErrorKind::NotFound);
    bench.fleet.stop().await;
}

#[tokio::test]
async fn a_process_that_ends_at_once_was_not_started_and_its_last_words_are_in_its_log() {
    let logs = tempfile::tempdir().unwrap();
    // A shell takes the subcommand for a script that is not there.
    let shell = Launcher::Binary("/bin/sh".into());
    let mut bench = Bench::new(processes(shell, Some(logs.path())));
    bench.fleet.launch(IN_B, ZONE_B, Duration::ZERO).unwrap();
    let (lost, cause) = bench.loss().await;
    assert_eq!(lost, IN_B);
    assert!(matches!(cause, Cause::NotStarted(_)), "{cause}");
    assert_eq!(cause.to_string(), "its process ended before it listened");
    bench.fleet.stop().await;
    let log = std::fs::read_to_string(logs.path().join("instance-2.log")).unwrap();
    assert!(log.contains("instance"), "{log}");
    assert!(!log.contains("password"), "{log}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error_at_once() {
    let launcher = Launcher::Binary("/nowhere/tiketi-sim".into());
    let mut bench = Bench::new(processes(launcher, None));
    assert!(bench.fleet.launch(IN_A, ZONE_A, Duration::ZERO).is_err());
    assert_eq!(bench.fleet.address(IN_A), None);
    bench.fleet.stop().await;
}

#[tokio::test]
async fn an_instance_that_cannot_listen_says_why() {
    let settings = InstanceSettings {
        name: "i-0".to_owned(),
        // An address for documentation, which no machine has.
        address: "192.0.2.1:9".parse().unwrap(),
        settings: settings(),
        config: config(),
        shows: vec![show()],
    };
    let shown = format!("{settings:?}");
    assert!(!shown.contains("secret") && !shown.contains("password"));
    let (commands, commands_rx) = mpsc::unbounded_channel();
    let (answers, mut answers_rx) = mpsc::unbounded_channel();
    commands.send(Command::Listen).unwrap();
    let error = InstanceRole::run(settings, commands_rx, answers).await;
    let Some(Answer::Failed { reason }) = answers_rx.recv().await else {
        panic!("it did not say why");
    };
    assert!(reason.contains("cannot listen on 192.0.2.1:9"), "{reason}");
    assert_eq!(error.unwrap_err().to_string(), reason);
}
