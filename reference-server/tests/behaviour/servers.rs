//! Redis and PostgreSQL for the cases: a pair that all share, and separate pairs for cases that kill them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tiketi_server::{
    Census, DatabaseAuditor, DatabaseEndpoint, DatabaseState, FinalState, RedisEndpoint, RedisLoss,
    RedisWitness, Secret, ServersConfig, ServersTier, Settings, SetupError, Show, claim_namespace,
    prepare_database,
};
use tiketi_stores::{
    Admission, Eviction, Guard, Host, PostgresKind, PostgresPair, PostgresSettings, RedisPair,
    RedisSettings, StoresError,
};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::common::eventually;
use crate::relay::Relay;

/// The subcommand of this binary that guards a server.
pub(crate) const GUARD: &str = "guard-of-a-server";

/// Connections of all parallel cases: several instances each, with 20 connections each.
const CONNECTIONS_MAX: u32 = 300;

/// The servers that all cases share, and the host on which a case may start its own.
pub(crate) struct Servers {
    host: Host,
    redis: RedisEndpoint,
    database: DatabaseEndpoint,
}

/// The servers that all cases share.
pub(crate) struct SharedServers {
    redis: RedisPair,
    database: PostgresPair,
    servers: Arc<Servers>,
}

impl SharedServers {
    /// Starts them. Redis accepts only TLS.
    pub(crate) async fn start() -> Result<Self, StoresError> {
        let program = std::env::current_exe().unwrap();
        let host = Host::open(Guard::Binary(program, GUARD), None)?;
        let sites = [Ipv4Addr::LOCALHOST];
        let redis = RedisPair::start(&host, redis_settings(&sites, Duration::ZERO, true));
        let database = PostgresPair::start(&host, postgres_settings(&sites));
        let (redis, database) = tokio::try_join!(redis, database)?;
        let servers = Servers {
            host,
            redis: redis_at(redis.address(0), &redis),
            database: database_at(database.address(0), database.password()),
        };
        Ok(Self {
            redis,
            database,
            servers: Arc::new(servers),
        })
    }

    pub(crate) fn on(&self) -> Arc<Servers> {
        Arc::clone(&self.servers)
    }

    pub(crate) async fn stop(self) {
        tokio::join!(self.redis.stop(), self.database.stop());
    }
}

/// The servers that a case needs for itself, with a replica on another address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    Nothing,
    /// With a replica that is this far behind, in real time.
    Redis(Duration),
    Database,
}

/// The tier of one case, with its own prefix and schema.
pub(crate) struct ServersDeployment {
    pub(crate) tier: ServersTier,
    pub(crate) witness: RedisWitness,
    auditor: DatabaseAuditor,
    config: ServersConfig,
    redis: Option<OwnPair<RedisPair>>,
    database: Option<OwnPair<PostgresPair>>,
    origin: SystemTime,
    speed: f64,
}

/// Separate servers of a case, behind an address that follows the primary.
struct OwnPair<T> {
    pair: Mutex<T>,
    relay: Relay,
}

impl Servers {
    pub(crate) async fn deploy(
        &self,
        settings: &Settings,
        show: &Show,
        own: Own,
    ) -> ServersDeployment {
        #[expect(clippy::disallowed_methods, reason = "scenario time begins now")]
        let origin = SystemTime::now();
        let since_1970 = origin.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let name = Uuid::new_v4().simple();
        let (mut redis, mut database) = (None, None);
        let mut config = ServersConfig {
            redis: self.redis.clone(),
            database: self.database.clone(),
            name_server: None,
            source: None,
            origin_unix_ns: u64::try_from(since_1970.as_nanos()).unwrap(),
        };
        match own {
            Own::Nothing => {}
            Own::Redis(lag) => {
                let pair = self.redis_pair(lag).await;
                config.redis = redis_at(pair.relay.address(), &*pair.pair.lock().await);
                redis = Some(pair);
            }
            Own::Database => {
                let pair = self.postgres_pair().await;
                let password = pair.pair.lock().await.password().to_owned();
                config.database = database_at(pair.relay.address(), &password);
                database = Some(pair);
            }
        }
        config.redis.prefix = format!("{name}:");
        config.database.schema = format!("case_{name}");
        claim_namespace(&config).await.unwrap();
        prepare_database(&config, std::slice::from_ref(show))
            .await
            .unwrap();
        let speed = settings.speed;
        let witness = RedisWitness::open(&config, &[show.id], speed)
            .await
            .unwrap();
        let auditor = DatabaseAuditor::open(&config).await.unwrap();
        ServersDeployment {
            tier: ServersTier::new(config.clone(), settings, vec![show.clone()]),
            witness,
            auditor,
            config,
            redis,
            database,
            origin,
            speed,
        }
    }

    async fn redis_pair(&self, lag: Duration) -> OwnPair<RedisPair> {
        let settings = redis_settings(&two_sites(), lag, false);
        let pair = RedisPair::start(&self.host, settings).await.unwrap();
        OwnPair {
            relay: Relay::to(pair.address(0)).await,
            pair: Mutex::new(pair),
        }
    }

    async fn postgres_pair(&self) -> OwnPair<PostgresPair> {
        let settings = postgres_settings(&two_sites());
        let pair = PostgresPair::start(&self.host, settings).await.unwrap();
        OwnPair {
            relay: Relay::to(pair.address(0)).await,
            pair: Mutex::new(pair),
        }
    }
}

impl ServersDeployment {
    /// Returns the addresses of the servers, with passwords.
    pub(crate) fn urls(&self) -> (String, String) {
        let (redis, database) = (&self.config.redis, &self.config.database);
        let word = |secret: &Option<Secret>| secret.clone().map(|secret| secret.0).unwrap();
        let redis = format!(
            "redis://:{}@{}:{}",
            word(&redis.password),
            redis.host,
            redis.port
        );
        let DatabaseEndpoint {
            user,
            host,
            port,
            database: name,
            password,
            ..
        } = database;
        let password = word(password);
        (
            redis,
            format!("postgres://{user}:{password}@{host}:{port}/{name}"),
        )
    }

    /// Waits until this many instances are subscribed: messages before that are lost.
    pub(crate) async fn until_heard_by(&self, instances: usize) {
        eventually("a bus", || async {
            let claimed = claim_namespace(&self.config).await;
            let Err(SetupError::PrefixInUse { listeners, .. }) = claimed else {
                panic!("the witness is always subscribed: {claimed:?}");
            };
            // The witness is one of the subscribers.
            usize::try_from(listeners).unwrap() > instances
        })
        .await;
    }

    /// Returns the scenario time.
    #[expect(clippy::disallowed_methods, reason = "the clock of the servers' tier")]
    pub(crate) fn now(&self) -> Duration {
        let wall = SystemTime::now().duration_since(self.origin);
        wall.unwrap_or_default().mul_f64(self.speed)
    }

    /// Returns the counts of the tier, after the witness has received all notes.
    pub(crate) async fn census(&self) -> Census {
        let doors = self.witness.doors().await;
        assert!(doors.is_some_and(|doors| doors.astray == 0), "{doors:?}");
        let redis = self.witness.levels().await.unwrap();
        let database = self.auditor.levels().await.unwrap();
        Census {
            waiting: redis.waiting,
            active: redis.active,
            held: database.held,
            sold: database.sold,
            ledger: self.witness.ledger(),
            ..Census::default()
        }
    }

    pub(crate) async fn queue_size(&self) -> Option<u64> {
        Some(self.witness.levels().await?.waiting)
    }

    pub(crate) async fn final_state(&self) -> FinalState {
        let DatabaseState {
            seats,
            orders,
            captures,
        } = self.auditor.final_state().await.unwrap();
        FinalState {
            seats,
            orders,
            captures,
            ledger: self.witness.ledger(),
            doors: self.witness.doors().await,
        }
    }

    /// Kills the primary of the case's own Redis.
    pub(crate) async fn lose_redis(&self) {
        let own = self.own_redis();
        let mut pair = own.pair.lock().await;
        let primary = pair.primary().unwrap();
        pair.lose(primary);
        own.relay.point_to(None);
        self.witness.handle_lost(self.now());
    }

    /// Promotes the replica and moves the address to it.
    pub(crate) async fn promote_redis(&self) -> RedisLoss {
        let own = self.own_redis();
        {
            let mut pair = own.pair.lock().await;
            pair.promote(1).await.unwrap();
            own.relay.point_to(Some(pair.address(1)));
        }
        self.witness.handle_failover().await.unwrap()
    }

    /// Restores the node that was lost last, without a replica.
    pub(crate) async fn restore_redis_empty(&self) -> RedisLoss {
        let own = self.own_redis();
        {
            let mut pair = own.pair.lock().await;
            pair.restore(1).await.unwrap();
            own.relay.point_to(Some(pair.address(1)));
        }
        self.witness.handle_failover().await.unwrap()
    }

    /// Pauses the primary: it accepts connections and never responds.
    pub(crate) async fn pause_redis(&self) {
        self.own_redis().pair.lock().await.pause(0);
    }

    pub(crate) async fn resume_redis(&self) {
        self.own_redis().pair.lock().await.resume(0);
    }

    /// Kills the primary of the case's own database.
    pub(crate) async fn lose_database(&self) {
        let own = self.own_database();
        own.pair.lock().await.lose(0);
        own.relay.point_to(None);
    }

    /// Pauses the primary, which then hangs as if its host were lost.
    pub(crate) async fn pause_database(&self) {
        self.own_database().pair.lock().await.pause(0);
    }

    /// Promotes the standby and moves the address to it.
    pub(crate) async fn promote_database(&self) {
        let own = self.own_database();
        let mut pair = own.pair.lock().await;
        pair.promote(1).await.unwrap();
        own.relay.point_to(Some(pair.address(1)));
    }

    fn own_redis(&self) -> &OwnPair<RedisPair> {
        self.redis
            .as_ref()
            .expect("the case wants a Redis of its own")
    }

    fn own_database(&self) -> &OwnPair<PostgresPair> {
        let own = self.database.as_ref();
        own.expect("the case wants a PostgreSQL of its own")
    }
}

fn two_sites() -> [Ipv4Addr; 2] {
    [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2)]
}

fn redis_settings(sites: &[Ipv4Addr], lag: Duration, tls: bool) -> RedisSettings {
    RedisSettings {
        sites: sites.to_vec(),
        lag,
        memory_max: None,
        eviction: Eviction::AllKeysLru,
        tls,
        names: Vec::new(),
        idle_timeout: Duration::from_secs(300),
        admission: Admission::Password,
    }
}

fn postgres_settings(sites: &[Ipv4Addr]) -> PostgresSettings {
    PostgresSettings {
        sites: sites.to_vec(),
        kind: PostgresKind::RdsMultiAz,
        lag: Duration::ZERO,
        clients: vec![(Ipv4Addr::new(127, 0, 0, 0), 8)],
        connections_max: CONNECTIONS_MAX,
        replica_lag: Duration::ZERO,
    }
}

fn redis_at(address: SocketAddr, pair: &RedisPair) -> RedisEndpoint {
    RedisEndpoint {
        host: address.ip().to_string(),
        port: address.port(),
        username: None,
        password: pair.password().map(|it| Secret(it.to_owned())),
        database: 0,
        tls: pair.ca_pem().is_some(),
        ca_pem: pair.ca_pem().map(ToOwned::to_owned),
        prefix: String::new(),
    }
}

fn database_at(address: SocketAddr, password: &str) -> DatabaseEndpoint {
    DatabaseEndpoint {
        host: address.ip().to_string(),
        port: address.port(),
        user: "tiketi".to_owned(),
        password: Some(Secret(password.to_owned())),
        database: "tiketi".to_owned(),
        schema: String::new(),
    }
}
