//! A PostgreSQL for tests, shared by those that run at the same time.

use std::net::Ipv4Addr;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tiketi_stores::{Guard, Host, PostgresKind, PostgresPair, PostgresSettings, StoresError};
use tokio::sync::Mutex;

use crate::tier::{DatabaseEndpoint, RedisEndpoint, Secret, ServersConfig};

/// Maximum number of connections: many tests share a server, and each may fill a pool.
const CONNECTIONS_MAX: u32 = 400;

/// The running server.
static SHARED: Mutex<Weak<TestServer>> = Mutex::const_new(Weak::new());

/// A running server. Dropping it stops the server and removes its files.
pub(crate) struct TestServer {
    pair: std::sync::Mutex<PostgresPair>,
}

impl TestServer {
    /// Returns the server that other tests use now, or a new one; `None` if PostgreSQL is not installed.
    pub(crate) async fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().await;
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::start().await?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    pub(crate) async fn start() -> Option<Self> {
        let sites = [Ipv4Addr::LOCALHOST];
        let settings = settings(&sites, CONNECTIONS_MAX, Duration::ZERO);
        let pair = PostgresPair::start(&host()?, settings).await.unwrap();
        let pair = std::sync::Mutex::new(pair);
        Some(Self { pair })
    }

    pub(crate) fn config(&self, schema: &str) -> ServersConfig {
        let pair = self.pair();
        let mut config = config(&pair);
        config.database.host = pair.address(0).ip().to_string();
        schema.clone_into(&mut config.database.schema);
        config
    }

    /// Pauses the server and all its sessions: it still accepts connections but never responds.
    pub(crate) fn pause(&self) {
        self.pair().pause(0);
    }

    pub(crate) fn resume(&self) {
        self.pair().resume(0);
    }

    fn pair(&self) -> MutexGuard<'_, PostgresPair> {
        self.pair.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a host for servers; `None`, with a message, if they are not installed.
pub(crate) fn host() -> Option<Host> {
    match Host::open(Guard::Bare, None) {
        Ok(host) => Some(host),
        Err(error @ (StoresError::MissingPrograms(_) | StoresError::WrongVersion { .. })) => {
            let must = std::env::var("CI").as_deref() == Ok("true");
            assert!(!must, "{error}, and CI=true");
            eprintln!("SKIPPED, NOTHING WAS TESTED: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Returns settings of servers on these sites. Commits wait for `lag` for the standby.
pub(crate) fn settings(
    sites: &[Ipv4Addr],
    connections_max: u32,
    lag: Duration,
) -> PostgresSettings {
    PostgresSettings {
        sites: sites.to_vec(),
        kind: PostgresKind::RdsMultiAz,
        lag,
        clients: vec![(Ipv4Addr::new(127, 0, 0, 0), 8)],
        connections_max,
        replica_lag: Duration::ZERO,
    }
}

/// Returns the configuration for a pair, without its host and without Redis.
pub(crate) fn config(pair: &PostgresPair) -> ServersConfig {
    ServersConfig {
        redis: RedisEndpoint {
            host: String::new(),
            port: 0,
            username: None,
            password: None,
            database: 0,
            tls: false,
            ca_pem: None,
            prefix: String::new(),
        },
        database: DatabaseEndpoint {
            host: String::new(),
            port: pair.port(),
            user: "tiketi".to_owned(),
            password: Some(Secret(pair.password().to_owned())),
            database: "tiketi".to_owned(),
            schema: DatabaseEndpoint::DEFAULT_SCHEMA.to_owned(),
        },
        name_server: None,
        source: None,
        origin_unix_ns: u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap(),
    }
}
