//! The tier on real servers: Redis with a replica, and PostgreSQL with a standby.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tiketi_stores::{Admission, Eviction, PostgresPair, RedisPair, RedisSettings};
use uuid::Uuid;

use super::command::{Call, Command, INSTANCES, SHOWS, TICK};
use super::fixture::{settings, shows};
use super::instances::Instances;
use super::pure::BEGIN;
use super::reply::{Reply, State};
use super::subject::Subject;
use crate::clock::{Clock, Hands};
use crate::tier::servers::test_names::TestNames;
use crate::tier::servers::test_server;
use crate::tier::servers::{PostgresDatabase, RedisCache, ServersConfig};
use crate::tier::{
    Cache, Database, DatabaseAuditor, RedisWitness, Secret, clear_database, prepare_database,
};

const SITES: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2)];

/// A lag that no case outlasts: what is written now does not reach the replica.
const NEVER: Duration = Duration::from_secs(3_600);

/// Real time by which the clock of Redis may be ahead of scenario time. Lifetimes in Redis end half a tick from the
/// nearest tick.
const AHEAD_MAX: Duration = Duration::from_secs(10);

/// Longest wait for a promoted server to be found under its name.
const FIND_TRIES: u32 = 200;

/// Two pairs of servers that all cases of a test share.
pub(super) struct Machines {
    redis: RedisPair,
    redis_names: TestNames,
    postgres: PostgresPair,
    postgres_names: TestNames,
}

impl Machines {
    /// `None`, with a message, on a machine without the servers.
    pub(super) async fn start() -> Option<Self> {
        let host = test_server::host()?;
        let settings = RedisSettings {
            sites: SITES.to_vec(),
            lag: Duration::ZERO,
            memory_max: None,
            eviction: Eviction::NoEviction,
            tls: false,
            names: Vec::new(),
            idle_timeout: Duration::ZERO,
            admission: Admission::Password,
        };
        let redis = RedisPair::start(&host, settings).await.unwrap();
        let settings = test_server::settings(&SITES, 20, Duration::ZERO);
        let postgres = PostgresPair::start(&host, settings).await.unwrap();
        Some(Self {
            redis,
            redis_names: TestNames::start(SITES[0]),
            postgres,
            postgres_names: TestNames::start(SITES[0]),
        })
    }

    pub(super) async fn stop(self) {
        self.redis.stop().await;
        self.postgres.stop().await;
    }

    /// Makes sure that Redis has a replica, and that it has every write.
    async fn catch_up_redis(&mut self) {
        for site in 0..SITES.len() {
            self.redis.restore(site).await.unwrap();
        }
        let sample = self.redis.sample().await.unwrap();
        assert!(sample.replica_lag.is_some(), "a replica follows");
    }

    async fn redis_connection(&self) -> MultiplexedConnection {
        let site = self.redis.primary().unwrap();
        let address = self.redis.address(site);
        let password = self.redis.password().expect("it has one");
        let url = format!("redis://:{password}@{address}/");
        let client = redis::Client::open(url).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// How to reach Redis, with keys of a case's own.
    fn redis_config(&self) -> ServersConfig {
        let mut config = test_server::config(&self.postgres);
        "redis.test".clone_into(&mut config.redis.host);
        config.redis.port = self.redis.port();
        config.redis.password = self.redis.password().map(|it| Secret(it.to_owned()));
        config.redis.prefix = format!("{}:", Uuid::new_v4());
        config.name_server = Some(self.redis_names.address());
        config
    }

    /// How to reach PostgreSQL, with a schema of a case's own.
    fn database_config(&self) -> ServersConfig {
        let mut config = test_server::config(&self.postgres);
        "writer.test".clone_into(&mut config.database.host);
        config.database.schema = format!("case_{}", Uuid::new_v4().simple());
        config.name_server = Some(self.postgres_names.address());
        config
    }
}

/// One case on the servers.
pub(super) struct Servers<'a> {
    machines: &'a mut Machines,
    redis_config: ServersConfig,
    database_config: ServersConfig,
    caches: Vec<Cache>,
    databases: Vec<Database>,
    instances: Instances,
    witness: RedisWitness,
    /// Scenario time as PostgreSQL gets it.
    hands: &'static Hands,
    /// Real time, which Redis reads.
    real: Clock,
    /// By how much the contents of Redis were made older.
    aged: Duration,
}

impl<'a> Servers<'a> {
    pub(super) async fn begin(machines: &'a mut Machines) -> Self {
        let (redis_config, database_config) = (machines.redis_config(), machines.database_config());
        prepare_database(&database_config, &shows()).await.unwrap();
        let hands = Hands::leak();
        hands.set(BEGIN);
        let settings = settings();
        let shared = Arc::new(redis_config.clone());
        let real = Clock::start(settings.speed);
        let cache = |instance: usize| {
            let name = format!("instance-{instance}");
            Cache::Servers(RedisCache::new(Arc::clone(&shared), real, &name, &settings))
        };
        let caches: Vec<Cache> = (0..INSTANCES).map(cache).collect();
        let shared = Arc::new(database_config.clone());
        let database = |_| {
            let clock = Clock::stopped(hands);
            Database::Servers(PostgresDatabase::new(Arc::clone(&shared), clock, &settings))
        };
        let databases: Vec<Database> = (0..INSTANCES).map(database).collect();
        let on_sale: Vec<Uuid> = shows().iter().map(|show| show.id).collect();
        let witness = RedisWitness::open(&redis_config, &on_sale, settings.speed).await;
        Self {
            machines,
            redis_config,
            database_config,
            instances: Instances::new(caches.clone(), databases.clone()),
            caches,
            databases,
            witness: witness.unwrap(),
            hands,
            real,
            aged: Duration::ZERO,
        }
    }

    /// Drops the schema of the case. Keys in Redis are few, and end with the server.
    pub(super) async fn end(&self) {
        clear_database(&self.database_config).await.unwrap();
    }

    /// Whether the case took so long that keys in Redis may have expired before their time.
    pub(super) fn is_late(&self) -> bool {
        self.ahead() > AHEAD_MAX
    }

    /// By how much the clock of Redis, with the age of its contents, is ahead of scenario time.
    fn ahead(&self) -> Duration {
        let redis = self.real.now() + self.aged;
        redis.saturating_sub(self.hands.now() - BEGIN)
    }

    async fn advance(&mut self, ticks: u32) {
        self.hands.set(self.hands.now() + TICK * ticks);
        let passed = self.hands.now() - BEGIN;
        let age = passed.saturating_sub(self.real.now() + self.aged);
        self.aged += age;
        let script = redis::Script::new(include_str!("advance.lua"));
        let mut invocation = script.prepare_invoke();
        invocation.arg(&self.redis_config.redis.prefix);
        invocation.arg(u64::try_from(age.as_millis()).unwrap());
        let mut connection = self.machines.redis_connection().await;
        let () = invocation.invoke_async(&mut connection).await.unwrap();
    }

    async fn fail_over_redis(&mut self, lost: &[Call], down: &[Call], replies: &mut Vec<Reply>) {
        self.advance(1).await;
        self.machines.catch_up_redis().await;
        self.machines.redis.set_lag(NEVER);
        self.run_all(lost, replies).await;
        // A node that dies right after a response may not have sent its note to the witness. Here it has.
        let doors = self.witness.doors().await;
        assert!(doors.is_some(), "the witness hears everything");
        let primary = self.machines.redis.primary().unwrap();
        self.machines.redis.lose(primary);
        self.run_all(down, replies).await;
        let replica = 1 - primary;
        self.machines.redis.promote(replica).await.unwrap();
        self.machines.redis.set_lag(Duration::ZERO);
        self.machines.redis_names.lead_to(SITES[replica]);
        let loss = self.witness.handle_failover().await;
        assert!(loss.is_some(), "the witness finds the new primary");
        for cache in &self.caches {
            find(async || cache.ping().await.is_ok()).await;
        }
    }

    async fn fail_over_database(&mut self, kept: &[Call], replies: &mut Vec<Reply>) {
        for site in 0..SITES.len() {
            self.machines.postgres.restore(site).await.unwrap();
        }
        self.run_all(kept, replies).await;
        let primary = self.machines.postgres.primary().unwrap();
        self.machines.postgres.lose(primary);
        let standby = 1 - primary;
        self.machines.postgres.promote(standby).await.unwrap();
        self.machines.postgres_names.lead_to(SITES[standby]);
        for database in &self.databases {
            find(async || database.ping().await.is_ok()).await;
        }
    }

    async fn run_all(&mut self, calls: &[Call], replies: &mut Vec<Reply>) {
        for call in calls {
            replies.push(self.instances.run(call).await);
        }
    }

    /// The members of a key of the wire contract, in order.
    async fn members(&self, kind: &str, show: usize) -> Vec<Uuid> {
        let prefix = &self.redis_config.redis.prefix;
        let key = format!("{prefix}{kind}:{}", self.instances.show_id(show));
        let mut connection = self.machines.redis_connection().await;
        let mut range = redis::cmd("ZRANGE");
        range.arg(key).arg(0).arg(-1);
        let members: Vec<String> = range.query_async(&mut connection).await.unwrap();
        let members = members
            .iter()
            .map(|member| Uuid::parse_str(member).unwrap());
        members.collect()
    }
}

impl Subject for Servers<'_> {
    async fn run(&mut self, command: &Command) -> Vec<Reply> {
        let mut replies = Vec::new();
        match command {
            Command::Call(call) => replies.push(self.instances.run(call).await),
            Command::Advance(ticks) => self.advance(*ticks).await,
            Command::FailOverRedis { lost, down } => {
                self.fail_over_redis(lost, down, &mut replies).await;
            }
            Command::FailOverDatabase { kept } => {
                self.fail_over_database(kept, &mut replies).await;
            }
        }
        replies
    }

    async fn state(&mut self) -> State {
        let doors = self.witness.doors().await;
        let auditor = DatabaseAuditor::open(&self.database_config).await.unwrap();
        let levels = auditor.levels().await.unwrap();
        let end = auditor.final_state().await.unwrap();
        let mut state = State {
            ledger: self.witness.ledger(),
            doors,
            counts: (levels.held, levels.sold),
            ..State::default()
        };
        for show in 0..SHOWS {
            state.queues.push(self.members("queue", show).await);
            let active = self.members("active", show).await;
            state.active.push(active.into_iter().collect());
        }
        let numbers = self.instances.numbers();
        state.with_database(numbers, end.seats, end.orders, end.captures)
    }
}

/// Waits until a promoted server is found under its name.
async fn find(mut is_found: impl AsyncFnMut() -> bool) {
    for _ in 0..FIND_TRIES {
        if is_found().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the promoted server was not found");
}
