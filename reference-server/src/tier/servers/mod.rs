//! The data tier on real servers: Redis and PostgreSQL, shared by instances that may be separate processes.
//!
//! ```text
//! instance ── RedisCache ──scripts, pub/sub──▶ Redis      (each connect resolves the name again: a failover changes it)
//!          └─ PostgresDatabase ──pool──▶ PostgreSQL       (all queries go to the writer)
//! ```

mod config;
mod dial;
mod names;
mod namespace;
mod postgres;
mod redis;
mod setup;
#[cfg(test)]
pub(crate) mod test_names;
#[cfg(test)]
pub(crate) mod test_server;
mod witness;

use std::sync::Arc;

use crate::clock::Clock;
use crate::settings::Settings;
use crate::show::Show;
pub use config::{DatabaseEndpoint, RedisEndpoint, Secret, ServersConfig};
pub use namespace::{claim_namespace, clear_namespace};
pub(crate) use postgres::PostgresDatabase;
pub use postgres::{
    DatabaseAuditor, DatabaseLevels, DatabaseState, clear_database, migrate_database,
    prepare_database,
};
pub(crate) use redis::RedisCache;
#[cfg(test)]
pub(crate) use redis::test_node;
pub use setup::SetupError;
pub use witness::{RedisLevels, RedisLoss, RedisWitness};

/// Redis and PostgreSQL as the data tier. Clones share the configuration; each instance opens its own connections in its own
/// runtime.
#[derive(Clone, Debug)]
pub struct ServersTier {
    config: Arc<ServersConfig>,
    shows: Arc<Vec<Show>>,
    clock: Clock,
}

impl ServersTier {
    /// Describes the tier without connecting. The tables must exist and contain these shows.
    pub fn new(config: ServersConfig, settings: &Settings, shows: Vec<Show>) -> Self {
        Self {
            clock: Clock::since(config.origin_unix_ns, settings.speed),
            config: Arc::new(config),
            shows: Arc::new(shows),
        }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    pub(crate) fn shows(&self) -> &[Show] {
        &self.shows
    }

    /// Returns the cache role for the instance with this name.
    pub(crate) fn cache(&self, instance: &str, settings: &Settings) -> RedisCache {
        RedisCache::new(Arc::clone(&self.config), self.clock, instance, settings)
    }

    /// Returns the database role with its own connection pool.
    pub(crate) fn database(&self, settings: &Settings) -> PostgresDatabase {
        PostgresDatabase::new(Arc::clone(&self.config), self.clock, settings)
    }
}
