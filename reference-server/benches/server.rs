//! Requests per second of one instance whose thread has a core to itself: queue check and seat reserve, on both tiers.
//!
//! `cargo bench -p tiketi-server --bench server` prints one line for each; `-- --quick` is a short run that checks whether it
//! works. Clients, Redis and PostgreSQL share the other cores. The instance was the bottleneck if it used its core fully.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use tiketi_server::{
    Clients, DataTier, DatabaseEndpoint, EmbeddedTier, Instance, RedisEndpoint, Secret, Section,
    ServersConfig, ServersTier, Settings, Show, mint_token, prepare_database,
};
use tiketi_stores::{
    Admission, Eviction, Guard, Host, PostgresKind, PostgresPair, PostgresSettings, RedisPair,
    RedisSettings,
};

/// Keep-alive connections, each with one request in flight.
const CONNECTIONS: usize = 64;

/// Name of the instance and its thread.
const INSTANCE: &str = "bench-instance";

/// Seats in a row of the hall.
const ROW: usize = 100;

/// The amount of work to measure.
#[derive(Clone, Copy)]
struct Extent {
    /// Requests per round.
    requests: usize,
    /// Rounds, of which the median is reported. One more round before them is the warm-up.
    rounds: usize,
}

/// The measurements of a round.
struct Figures {
    requests_per_s: f64,
    p50: Duration,
    p99: Duration,
    /// Processor time of the instance's thread.
    busy: Duration,
    wall: Duration,
    requests: usize,
}

/// The operation of a request. Each request has its own user.
#[derive(Clone, Copy)]
enum Operation {
    QueueCheck,
    SeatReserve,
}

fn main() {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let extent = if is_quick {
        Extent {
            requests: 1_000,
            rounds: 1,
        }
    } else {
        Extent {
            requests: 10_000,
            rounds: 5,
        }
    };
    let cores = Cores::of_this_process();
    cores.leave_first();
    // Created here, so that all its threads and the servers that it starts stay off the instance's core.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs nothing special");
    print_conditions(&cores, extent);
    print(
        "operation\ttier\trequests/s\tp50 ms\tp99 ms\tus of the core per request\tshare of the core",
    );
    runtime.block_on(async {
        let bench = Bench { cores, extent };
        bench.embedded().await;
        Box::pin(bench.servers()).await;
    });
}

struct Bench {
    cores: Cores,
    extent: Extent,
}

impl Bench {
    async fn embedded(&self) {
        let (settings, show) = (settings(), self.show());
        let tier = EmbeddedTier::new(&settings, vec![show.clone()], Duration::ZERO);
        self.measure("embedded", tier.into(), &show).await;
    }

    async fn servers(&self) {
        let (settings, shows) = (settings(), vec![self.show()]);
        let servers = Box::pin(Servers::start()).await;
        let config = servers.config();
        prepare_database(&config, &shows)
            .await
            .expect("PostgreSQL has just started");
        let tier = ServersTier::new(config, &settings, shows.clone());
        self.measure("servers", tier.into(), &shows[0]).await;
        servers.stop().await;
    }

    async fn measure(&self, tier_name: &str, tier: DataTier, show: &Show) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        self.cores.keep_first();
        let instance = Instance::start(INSTANCE, listener, tier, settings());
        self.cores.leave_first();
        let instance = instance.expect("an instance starts on any port");
        for operation in [Operation::QueueCheck, Operation::SeatReserve] {
            let mut rounds = Vec::new();
            for round in 0..=self.extent.rounds {
                let first = round * self.extent.requests;
                let calls = operation.calls(show, first, self.extent.requests);
                rounds.push(play(instance.address(), calls).await);
            }
            rounds.remove(0);
            rounds.sort_by(|a, b| a.requests_per_s.total_cmp(&b.requests_per_s));
            rounds[rounds.len() / 2].print(operation.name(), tier_name);
        }
        instance.kill();
        instance.join();
    }

    /// A hall with a seat for every request of every round.
    fn show(&self) -> Show {
        let seats = (self.extent.rounds + 1) * self.extent.requests;
        let section = Section {
            name: "R".to_owned(),
            rows: u32::try_from(seats.div_ceil(ROW)).expect("a hall of less than 2^32 rows"),
            seats_per_row: u32::try_from(ROW).expect("100 fits"),
            price: 110_000,
        };
        Show::new("Bench Night", vec![section])
    }
}

/// The documented values in real time, but without a rate limit.
fn settings() -> Settings {
    Settings {
        trust_tokens: true,
        rate_limit: None,
        clients: Clients::LoadBalancer,
        ..Settings::default()
    }
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::QueueCheck => "queue check",
            Self::SeatReserve => "seat reserve",
        }
    }

    /// Returns the requests of a round, with numbers starting at `first`.
    fn calls(self, show: &Show, first: usize, count: usize) -> Vec<Request<Full<Bytes>>> {
        let hour = Duration::from_secs(3_600);
        let secret = settings().jwt_secret;
        (first..first + count)
            .map(|number| {
                let token = mint_token(&secret, &format!("{number}@example.com"), false, hour);
                let (path, body) = match self {
                    Self::QueueCheck => (format!("/api/queue/check/{}", show.id), Bytes::new()),
                    Self::SeatReserve => {
                        let (row, seat) = (number / ROW + 1, number % ROW + 1);
                        let seat = show.seat_id(&format!("R-{row}-{seat}"));
                        let body = format!(r#"{{"eventId":"{}","seatIds":["{seat}"]}}"#, show.id);
                        ("/api/seats/reserve".to_owned(), Bytes::from(body))
                    }
                };
                Request::post(path)
                    .header(header::HOST, "localhost")
                    .header(header::AUTHORIZATION, format!("Bearer {token}"))
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(Full::new(body))
                    .expect("path and headers are plain")
            })
            .collect()
    }
}

/// Sends all requests, each connection as fast as it gets responses.
async fn play(address: SocketAddr, calls: Vec<Request<Full<Bytes>>>) -> Figures {
    let calls: Arc<[_]> = calls.into();
    let next = Arc::new(AtomicUsize::new(0));
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(connect(address).await);
    }
    let (busy, start) = (thread_time(), now());
    let clients: Vec<_> = connections
        .into_iter()
        .map(|connection| {
            let (calls, next) = (Arc::clone(&calls), Arc::clone(&next));
            tokio::spawn(converse(connection, calls, next))
        })
        .collect();
    let mut times = Vec::with_capacity(calls.len());
    for client in clients {
        times.extend(client.await.expect("a client does not panic"));
    }
    let (wall, busy) = (start.elapsed(), thread_time().saturating_sub(busy));
    times.sort_unstable();
    Figures {
        requests_per_s: times.len() as f64 / wall.as_secs_f64(),
        p50: times[times.len() / 2],
        p99: times[times.len() * 99 / 100],
        busy,
        wall,
        requests: times.len(),
    }
}

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("the instance listens");
    stream.set_nodelay(true).expect("a TCP socket");
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .expect("a client's handshake sends nothing");
    tokio::spawn(connection);
    sender
}

/// Sends one request after another on one connection. Returns the times to the complete responses.
async fn converse(
    mut connection: SendRequest<Full<Bytes>>,
    calls: Arc<[Request<Full<Bytes>>]>,
    next: Arc<AtomicUsize>,
) -> Vec<Duration> {
    let mut times = Vec::new();
    while let Some(call) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
        let start = now();
        let answer = connection.send_request(call.clone()).await;
        let answer = answer.expect("the instance responds");
        let status = answer.status();
        let body = answer.into_body().collect().await;
        let body = body.expect("a complete response").to_bytes();
        times.push(start.elapsed());
        // Rejected requests would make the measurement meaningless.
        assert!(status.is_success(), "{status}: {body:?}");
    }
    times
}

impl Figures {
    fn print(&self, operation: &str, tier: &str) {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        print(&format!(
            "{operation}\t{tier}\t{:.0}\t{:.2}\t{:.2}\t{:.1}\t{:.0} %",
            self.requests_per_s,
            millis(self.p50),
            millis(self.p99),
            self.busy.as_secs_f64() * 1e6 / self.requests as f64,
            self.busy.as_secs_f64() / self.wall.as_secs_f64() * 100.0,
        ));
    }
}

/// Redis and PostgreSQL without replicas.
struct Servers {
    redis: RedisPair,
    postgres: PostgresPair,
}

impl Servers {
    async fn start() -> Self {
        let host = Host::open(Guard::Bare, None).unwrap_or_else(|error| panic!("{error}"));
        let sites = vec![Ipv4Addr::LOCALHOST];
        let redis = RedisSettings {
            sites: sites.clone(),
            lag: Duration::ZERO,
            memory_max: None,
            eviction: Eviction::AllKeysLru,
            tls: false,
            names: Vec::new(),
            idle_timeout: Duration::from_secs(300),
            admission: Admission::Password,
        };
        let postgres = PostgresSettings {
            sites,
            kind: PostgresKind::RdsMultiAz,
            lag: Duration::ZERO,
            clients: vec![(Ipv4Addr::new(127, 0, 0, 0), 8)],
            connections_max: 40,
            replica_lag: Duration::ZERO,
        };
        let redis = RedisPair::start(&host, redis).await;
        let postgres = PostgresPair::start(&host, postgres).await;
        Self {
            redis: redis.unwrap_or_else(|error| panic!("{error}")),
            postgres: postgres.unwrap_or_else(|error| panic!("{error}")),
        }
    }

    fn config(&self) -> ServersConfig {
        let redis = self.redis.address(0);
        let postgres = self.postgres.address(0);
        ServersConfig {
            redis: RedisEndpoint {
                host: redis.ip().to_string(),
                port: redis.port(),
                username: None,
                password: self.redis.password().map(|it| Secret(it.to_owned())),
                database: 0,
                tls: false,
                ca_pem: None,
                prefix: String::new(),
            },
            database: DatabaseEndpoint {
                host: postgres.ip().to_string(),
                port: postgres.port(),
                user: "tiketi".to_owned(),
                password: Some(Secret(self.postgres.password().to_owned())),
                database: "tiketi".to_owned(),
                schema: DatabaseEndpoint::DEFAULT_SCHEMA.to_owned(),
            },
            name_server: None,
            source: None,
            origin_unix_ns: u64::try_from(jiff::Timestamp::now().as_nanosecond())
                .expect("after 1970"),
        }
    }

    async fn stop(self) {
        self.redis.stop().await;
        self.postgres.stop().await;
    }
}

/// The cores that this process may use: the first for the instance, the others for everything else.
struct Cores {
    first: CpuSet,
    others: CpuSet,
    count: usize,
}

impl Cores {
    fn of_this_process() -> Self {
        let allowed = sched_getaffinity(Pid::from_raw(0)).expect("one's own cores can be read");
        let cores: Vec<usize> = (0..CpuSet::count())
            .filter(|core| allowed.is_set(*core).unwrap_or(false))
            .collect();
        let set = |cores: &[usize]| {
            let mut set = CpuSet::new();
            for core in cores {
                set.set(*core).expect("it was in a set");
            }
            set
        };
        Self {
            first: set(&cores[..1]),
            // With one core there is no choice. The printed conditions show that.
            others: set(if cores.len() > 1 { &cores[1..] } else { &cores }),
            count: cores.len(),
        }
    }

    /// Makes threads that this thread starts from now on run on the first core.
    fn keep_first(&self) {
        sched_setaffinity(Pid::from_raw(0), &self.first).expect("the core is ours");
    }

    /// Makes threads and processes that this thread starts from now on stay off the first core.
    fn leave_first(&self) {
        sched_setaffinity(Pid::from_raw(0), &self.others).expect("the cores are ours");
    }
}

/// Returns the processor time that the instance's thread has used.
fn thread_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux lists threads");
    for task in tasks.flatten() {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if name.trim_end() == INSTANCE {
            let times = std::fs::read_to_string(task.path().join("schedstat"));
            let times = times.unwrap_or_default();
            let nanos = times.split_whitespace().next();
            let nanos = nanos.and_then(|nanos| nanos.parse().ok());
            return Duration::from_nanos(nanos.expect("Linux counts nanoseconds"));
        }
    }
    panic!("no thread is called {INSTANCE}");
}

fn print_conditions(cores: &Cores, extent: Extent) {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    print(&format!(
        "{processor}, {} cores{}; profile native; {CONNECTIONS} keep-alive connections; median of {} rounds of {} requests; \
         {} and {} without replica, PostgreSQL without fsync",
        cores.count,
        if cores.count == 1 {
            " (shared: figures say little)"
        } else {
            ", one for the instance"
        },
        extent.rounds,
        extent.requests,
        version("redis-server"),
        version("postgres"),
    ));
}

/// Returns the version line of a program, such as `Redis server v=7.0.15`.
fn version(program: &str) -> String {
    let Ok(output) = Command::new(program).arg("--version").output() else {
        return format!("no {program}");
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    words.join(" ")
}

#[expect(clippy::print_stdout, reason = "prints the results")]
fn print(line: &str) {
    println!("{line}");
}

#[expect(clippy::disallowed_methods, reason = "measures this machine")]
fn now() -> Instant {
    Instant::now()
}
