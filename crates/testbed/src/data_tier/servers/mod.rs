//! Real servers of the testbed: redis-server and PostgreSQL in their zones, killed, stopped, promoted and restored.
//!
//! A server failure that no fault explains makes the testbed unsound: the run ends with the reason.

mod evictions;
mod part;
mod pressure;
mod reach;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tiketi_server::{
    DatabaseEndpoint, RedisEndpoint, Secret, ServersConfig, Show, prepare_database,
};
use tiketi_stores::{
    Admission, Eviction, Guard, Host, PostgresKind, PostgresPair, PostgresSettings, RedisPair,
    RedisSettings,
};

use super::probe::Watch;
use super::{Endpoints, Strain};
use crate::sources::{clients_of_database, is_open_to_strangers};
use crate::{DATABASE_NAME, NICENESS, REDIS_NAME, SUPERVISOR_IP, TestbedError};
use evictions::Evictions;
use part::{Broken, Part, Shared};
use pressure::{Ballast, HeldConnections};
use reach::Reach;
use tiketi_core::fault::catalog::Connections;
use tiketi_core::units::{DataTierPart, SimTime, ZoneId};
use tiketi_network::Party;
use tiketi_scenario::Plan;
use tiketi_scenario::topology::{self, DatabaseKind};

/// Hidden subcommand of the executable that runs a server for as long as the supervisor lives.
pub const GUARD_SUBCOMMAND: &str = "guard";
/// User of the testbed's database.
const USER: &str = "tiketi";
/// Name of that database.
const DATABASE: &str = "tiketi";
/// Schema of the tables in it.
const SCHEMA: &str = "tiketi";

/// Runs a guard process. Servers run at low priority, like the rest of the testbed.
///
/// # Errors
///
/// When the priority cannot be lowered, or the server cannot be run.
pub fn guard() -> std::io::Result<()> {
    rustix::process::nice(NICENESS)?;
    tiketi_stores::guard::main()
}

/// The environment that servers need.
pub(crate) struct Premises<'a> {
    pub(crate) ground: &'a crate::Ground,
    pub(crate) endpoints: Endpoints,
    pub(crate) name_server: SocketAddr,
}

/// The servers, and the watch over them.
pub(crate) struct Servers {
    redis: Part<RedisPair>,
    database: Part<PostgresPair>,
    config: ServersConfig,
    watch: Watch,
    ballast: Option<Ballast>,
    held: Option<HeldConnections>,
    /// How far the replica of Redis and the standby of the database are behind without a fault, in real time.
    lags: (Duration, Duration),
    /// How to reach the Redis server of each site.
    redis_reach: Vec<Reach>,
    redis_zones: Vec<ZoneId>,
    database_addresses: Vec<SocketAddr>,
    database_zones: Vec<ZoneId>,
    /// Whether the second database server is a readable replica (Aurora).
    has_reader: bool,
    speed: f64,
    broken: Broken,
    _evictions: Evictions,
    _host: Host,
}

impl Servers {
    /// Starts all servers of the plan's topology, and creates the tables and the shows.
    pub(crate) async fn start(
        plan: &Plan,
        premises: Premises<'_>,
        shows: &[Show],
    ) -> Result<Self, TestbedError> {
        let speed = plan.clock.speed;
        let guard = Guard::Binary(premises.ground.executable.clone(), GUARD_SUBCOMMAND);
        let host = Host::open(guard, premises.ground.logs.as_deref())?;
        let (redis_zones, database_zones) = zones(plan);
        let addresses = |zones: &[ZoneId], all: &[Ipv4Addr]| -> Vec<Ipv4Addr> {
            zones.iter().map(|zone| all[zone.index()]).collect()
        };
        let endpoints = premises.endpoints.clone();
        let redis = redis_settings(plan, addresses(&redis_zones, &endpoints.redis));
        let database = postgres_settings(plan, addresses(&database_zones, &endpoints.database));
        let has_reader = plan.topology.database.kind == DatabaseKind::Aurora;
        let lags = (
            redis.lag,
            if has_reader {
                database.replica_lag
            } else {
                database.lag
            },
        );
        let (redis, database) = tokio::try_join!(
            RedisPair::start(&host, redis),
            PostgresPair::start(&host, database)
        )?;
        let config = config(plan, &premises, (&redis, &database));
        prepare_database(&config, shows).await?;
        let watch = Watch::begin(&config, shows, speed).await?;
        let broken = Broken::default();
        let redis_reach: Vec<_> = (0..redis_zones.len())
            .map(|site| Reach::new(redis.plain_address(site), redis.password()))
            .collect();
        let database_addresses = (0..database_zones.len())
            .map(|site| database.address(site))
            .collect();
        let shared = Shared {
            endpoints,
            eyes: watch.eyes(),
            broken: Arc::clone(&broken),
        };
        let keep_alive = plan.topology.database.keep_alive.div_f64(speed);
        let evictions = Evictions::watch(&redis_reach, &watch.eyes());
        Ok(Self {
            // Clients of Redis give up on silence by themselves, after the timeout of a command.
            redis: Part::new(redis, &redis_zones, shared.clone(), None),
            database: Part::new(database, &database_zones, shared, Some(keep_alive)),
            config,
            watch,
            ballast: None,
            held: None,
            lags,
            _evictions: evictions,
            redis_reach,
            redis_zones,
            database_addresses,
            database_zones,
            has_reader,
            speed,
            broken,
            _host: host,
        })
    }

    /// Returns the zone of each Redis server, and its address without TLS.
    pub(crate) fn redis_servers(&self) -> Vec<(ZoneId, SocketAddr)> {
        let zones = self.redis_zones.iter().copied();
        zones
            .zip(self.redis_reach.iter().map(Reach::address))
            .collect()
    }

    /// Returns the zone and the address of each database server.
    pub(crate) fn database_servers(&self) -> Vec<(ZoneId, SocketAddr)> {
        let zones = self.database_zones.iter().copied();
        zones.zip(self.database_addresses.iter().copied()).collect()
    }

    /// Returns the zone of the primary of a part; `None` while there is none.
    pub(super) fn primary(&self, part: DataTierPart) -> Option<ZoneId> {
        match part {
            DataTierPart::Redis => Some(self.redis_zones[self.redis.primary()?]),
            DataTierPart::Database => Some(self.database_zones[self.database.primary()?]),
        }
    }

    /// Returns how the supervisor reaches the servers, by the names that instances use.
    pub(crate) const fn config(&self) -> &ServersConfig {
        &self.config
    }

    /// Returns the watch over the servers.
    pub(super) const fn watch(&self) -> &Watch {
        &self.watch
    }

    pub(super) fn lose_zone(&mut self, now: SimTime, zone: ZoneId, connections: Connections) {
        self.redis.close(now, zone, connections);
        self.database.close(now, zone, connections);
    }

    pub(super) fn restore_zone(&mut self, zone: ZoneId) {
        self.redis.open(zone);
        self.database.open(zone);
    }

    pub(super) fn promote(&mut self, part: DataTierPart, zone: ZoneId) {
        match part {
            DataTierPart::Redis => self.redis.promote(zone),
            DataTierPart::Database => self.database.promote(zone),
        }
    }

    pub(super) fn strain(&mut self, now: SimTime, strain: Strain) {
        match strain {
            Strain::LosePrimary(DataTierPart::Redis) => self.redis.close_primary(now),
            Strain::LosePrimary(DataTierPart::Database) => self.database.close_primary(now),
            Strain::PausePrimary(DataTierPart::Redis) => self.redis.pause_primary(),
            Strain::PausePrimary(DataTierPart::Database) => self.database.pause_primary(),
            Strain::DelayReplica(part, lag) => self.set_lag(part, lag.div_f64(self.speed)),
            Strain::FillRedisMemory(share) => {
                let server = self
                    .redis
                    .primary()
                    .map(|site| self.redis_reach[site].clone());
                self.ballast = server.map(|server| Ballast::load(server, share));
            }
            Strain::HoldDatabaseConnections(count) => {
                let address = self
                    .database
                    .primary()
                    .map(|site| self.database_addresses[site]);
                let endpoint = &self.config.database;
                self.held = address.map(|address| HeldConnections::take(address, endpoint, count));
            }
        }
    }

    pub(super) fn relieve(&mut self, strain: Strain) {
        match strain {
            Strain::LosePrimary(DataTierPart::Redis) => self.redis.open_all(),
            Strain::LosePrimary(DataTierPart::Database) => self.database.open_all(),
            Strain::PausePrimary(DataTierPart::Redis) => self.redis.resume_all(),
            Strain::PausePrimary(DataTierPart::Database) => self.database.resume_all(),
            Strain::DelayReplica(part, _) => {
                let wall = match part {
                    DataTierPart::Redis => self.lags.0,
                    DataTierPart::Database => self.lags.1,
                };
                self.set_lag(part, wall);
            }
            Strain::FillRedisMemory(_) => {
                if let Some(ballast) = self.ballast.take() {
                    tokio::spawn(async move { ballast.unload().await });
                }
            }
            Strain::HoldDatabaseConnections(_) => self.held = None,
        }
    }

    /// Checks that all servers are in the state that orders and faults have put them into.
    pub(super) fn soundness(&self) -> Result<(), TestbedError> {
        self.redis.check();
        self.database.check();
        let broken = self.broken.get();
        broken.map_or(Ok(()), |error| Err(TestbedError::Server(Arc::clone(error))))
    }

    /// Stops all servers; they are gone when this returns.
    pub(super) async fn stop(self) {
        drop(self.watch);
        tokio::join!(self.redis.stop(), self.database.stop());
    }

    /// Sets how far the replica of a part is behind, in real time.
    fn set_lag(&self, part: DataTierPart, wall: Duration) {
        match part {
            DataTierPart::Redis => self.redis.with(move |pair| pair.set_lag(wall)),
            DataTierPart::Database if self.has_reader => {
                let broken = Arc::clone(&self.broken);
                self.database.with(move |pair: &mut PostgresPair| {
                    if let Err(error) = pair.set_replica_lag(wall) {
                        broken.get_or_init(|| Arc::new(error));
                    }
                });
            }
            DataTierPart::Database => self.database.with(move |pair| pair.set_lag(wall)),
        }
    }
}

/// Returns how instances reach the servers: by DNS names, which a failover points at another server.
fn config(
    plan: &Plan,
    premises: &Premises<'_>,
    (redis, database): (&RedisPair, &PostgresPair),
) -> ServersConfig {
    ServersConfig {
        redis: RedisEndpoint {
            host: REDIS_NAME.to_owned(),
            port: redis.port(),
            username: None,
            password: redis.password().map(|it| Secret(it.to_owned())),
            database: 0,
            tls: plan.topology.redis.tls,
            ca_pem: redis.ca_pem().map(str::to_owned),
            prefix: String::new(),
        },
        database: DatabaseEndpoint {
            host: DATABASE_NAME.to_owned(),
            port: database.port(),
            user: USER.to_owned(),
            password: Some(Secret(database.password().to_owned())),
            database: DATABASE.to_owned(),
            schema: SCHEMA.to_owned(),
        },
        name_server: Some(premises.name_server),
        source: Some(SUPERVISOR_IP),
        origin_unix_ns: premises.ground.now_unix_ns,
    }
}

/// Returns the zones of the primary and of the second server of each part.
fn zones(plan: &Plan) -> (Vec<ZoneId>, Vec<ZoneId>) {
    let (redis, database) = (&plan.topology.redis, &plan.topology.database);
    let redis = std::iter::once(redis.primary).chain(redis.replica);
    let database = std::iter::once(database.primary).chain(database.standby);
    (redis.collect(), database.collect())
}

fn redis_settings(plan: &Plan, sites: Vec<Ipv4Addr>) -> RedisSettings {
    let redis = &plan.topology.redis;
    RedisSettings {
        sites,
        lag: redis.lost_window.div_f64(plan.clock.speed),
        memory_max: Some(redis.memory_max_bytes()),
        eviction: match redis.eviction {
            topology::Eviction::AllKeysLru => Eviction::AllKeysLru,
            topology::Eviction::VolatileLru => Eviction::VolatileLru,
            topology::Eviction::NoEviction => Eviction::NoEviction,
        },
        tls: redis.tls,
        names: vec![REDIS_NAME.to_owned()],
        idle_timeout: redis.idle_timeout.div_f64(plan.clock.speed),
        admission: admission_to_redis(&plan.topology),
    }
}

/// Redis has no rules for addresses. Where the network admits strangers to a node, nobody needs a password; otherwise only
/// the instances and the supervisor know it. The scenario cannot keep instances from Redis.
fn admission_to_redis(topology: &topology::Topology) -> Admission {
    let nodes = std::iter::once(topology.redis.primary).chain(topology.redis.replica);
    let mut nodes = nodes.map(Party::Redis);
    if nodes.any(|node| is_open_to_strangers(topology, node)) {
        Admission::Anyone
    } else {
        Admission::Password
    }
}

fn postgres_settings(plan: &Plan, sites: Vec<Ipv4Addr>) -> PostgresSettings {
    let (database, speed) = (&plan.topology.database, plan.clock.speed);
    let is_aurora = database.kind == DatabaseKind::Aurora;
    PostgresSettings {
        sites,
        kind: if is_aurora {
            PostgresKind::Aurora
        } else {
            PostgresKind::RdsMultiAz
        },
        // An Aurora commit waits for the storage, and its reader lags; an RDS Multi-AZ commit waits for the standby.
        lag: if is_aurora {
            Duration::ZERO
        } else {
            database.commit.div_f64(speed)
        },
        connections_max: database.connections_max,
        clients: clients_of_database(&plan.topology, database.primary),
        replica_lag: database.replica_lag.div_f64(speed),
    }
}
