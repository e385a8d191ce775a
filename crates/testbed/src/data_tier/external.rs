//! Existing servers: a run uses a key prefix and a schema of its own, and deletes both at its end. Nothing else is touched,
//! and no fault ever targets these servers.

use tiketi_server::{
    DatabaseEndpoint, RedisEndpoint, ServersConfig, Show, claim_namespace, clear_database,
    clear_namespace, prepare_database,
};

use super::probe::Watch;
use crate::TestbedError;
use tiketi_scenario::data_tier::ExternalServers;

/// The schema that every database has.
const PUBLIC: &str = "public";

/// Existing servers, as far as the run uses them.
pub(crate) struct External {
    config: ServersConfig,
    watch: Watch,
}

impl External {
    /// Claims the run's prefix and schema, and creates its tables.
    pub(crate) async fn open(
        servers: &ExternalServers,
        shows: &[Show],
        (speed, origin_unix_ns): (f64, u64),
    ) -> Result<Self, TestbedError> {
        let schema = servers.schema.clone().unwrap_or_else(|| PUBLIC.to_owned());
        let config = ServersConfig {
            redis: RedisEndpoint::at(&servers.redis, servers.prefix.clone().unwrap_or_default()),
            database: DatabaseEndpoint::at(&servers.database, schema),
            name_server: None,
            source: None,
            origin_unix_ns,
        };
        claim_namespace(&config).await?;
        prepare_database(&config, shows).await?;
        let watch = Watch::begin(&config, shows, speed).await?;
        Ok(Self { config, watch })
    }

    /// Returns how instances reach the servers.
    pub(crate) const fn config(&self) -> &ServersConfig {
        &self.config
    }

    /// Returns the watch over the servers.
    pub(super) const fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Deletes what the run has created.
    pub(super) async fn stop(self) {
        drop(self.watch);
        let cleared = [
            clear_namespace(&self.config).await,
            clear_database(&self.config).await,
        ];
        for error in cleared.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "data of the run was not deleted from a server");
        }
    }
}
