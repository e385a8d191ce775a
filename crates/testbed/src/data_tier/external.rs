//! Servers that exist already: a run works in a room of its own there, and clears that room at its end. Nothing else is
//! touched, and nothing is ever broken.

use tiketi_server::{
    DatabaseEndpoint, RedisEndpoint, ServersConfig, Show, claim_namespace, clear_database,
    clear_namespace, prepare_database,
};

use super::probe::Watch;
use crate::TestbedError;
use tiketi_scenario::data_tier::ExternalServers;

/// Schema that a database has of its own.
const PUBLIC: &str = "public";

/// The servers of somebody else, as far as the run uses them.
pub(crate) struct External {
    config: ServersConfig,
    watch: Watch,
}

impl External {
    /// Takes possession of the run's prefix and schema, and makes its tables there.
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
            origin_unix_ns,
        };
        claim_namespace(&config).await?;
        prepare_database(&config, shows).await?;
        let watch = Watch::begin(&config, shows, speed).await?;
        Ok(Self { config, watch })
    }

    /// How instances reach the servers.
    pub(crate) const fn config(&self) -> &ServersConfig {
        &self.config
    }

    /// The watch over them.
    pub(super) const fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Takes away what the run has made.
    pub(super) async fn stop(self) {
        drop(self.watch);
        let cleared = [
            clear_namespace(&self.config).await,
            clear_database(&self.config).await,
        ];
        for error in cleared.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "something of the run stays on a server");
        }
    }
}
