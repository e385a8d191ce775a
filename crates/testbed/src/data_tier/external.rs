//! Existing servers: a run uses a key prefix and a schema of its own, and deletes both at its end. Nothing else is touched,
//! and no fault ever targets these servers.

use std::str::FromStr as _;

use redis::{ConnectionAddr, IntoConnectionInfo as _};
use tiketi_server::{
    DatabaseEndpoint, RedisEndpoint, Secret, ServersConfig, Show, claim_namespace, clear_database,
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
        let config = ServersConfig {
            redis: redis_endpoint(servers)?,
            database: database_endpoint(servers)?,
            name_server: None,
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

fn redis_endpoint(servers: &ExternalServers) -> Result<RedisEndpoint, TestbedError> {
    let url = &servers.redis;
    let bad = |error: redis::RedisError| TestbedError::BadUrl {
        url: url.to_string(),
        reason: error.category().to_owned(),
    };
    let info = url.with_password().into_connection_info().map_err(bad)?;
    let settings = info.redis_settings();
    Ok(RedisEndpoint {
        host: url.host().to_owned(),
        port: url.port(),
        username: settings.username().map(str::to_owned),
        password: settings
            .password()
            .map(|password| Secret(password.to_owned())),
        database: u8::try_from(settings.db()).unwrap_or(0),
        tls: matches!(info.addr(), ConnectionAddr::TcpTls { .. }),
        ca_pem: None,
        prefix: servers.prefix.clone().unwrap_or_default(),
    })
}

fn database_endpoint(servers: &ExternalServers) -> Result<DatabaseEndpoint, TestbedError> {
    let url = &servers.database;
    let bad = |reason: &str| TestbedError::BadUrl {
        url: url.to_string(),
        reason: reason.to_owned(),
    };
    // The parser's own message may repeat the URL, and with it the password.
    let config = tokio_postgres::Config::from_str(url.with_password())
        .map_err(|_| bad("it is not read as the URL of a database"))?;
    let user = config.get_user().ok_or_else(|| bad("it names no user"))?;
    let password = config.get_password().map(String::from_utf8_lossy);
    Ok(DatabaseEndpoint {
        host: url.host().to_owned(),
        port: url.port(),
        user: user.to_owned(),
        password: password.map(|password| Secret(password.into_owned())),
        database: config.get_dbname().unwrap_or(user).to_owned(),
        schema: servers.schema.clone().unwrap_or_else(|| PUBLIC.to_owned()),
    })
}
