//! Addresses and credentials of the servers.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};
use tiketi_server_url::{PostgresUrl, RedisUrl};

/// Everything an instance needs to connect to its data tier. It contains passwords, so it is passed over a pipe, never in
/// command-line arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServersConfig {
    /// Redis.
    pub redis: RedisEndpoint,
    /// PostgreSQL.
    pub database: DatabaseEndpoint,
    /// Name server that resolves the hosts; `None` to use the resolver of the operating system.
    pub name_server: Option<SocketAddr>,
    /// Address that connections are opened from, which the rules of the servers may know; `None` for the one that the operating
    /// system chooses.
    pub source: Option<Ipv4Addr>,
    /// Start of scenario time, in nanoseconds since 1970.
    pub origin_unix_ns: u64,
}

/// The primary endpoint of Redis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisEndpoint {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User name; `None` for the default user.
    pub username: Option<String>,
    /// Password; `None` if none is required.
    pub password: Option<Secret>,
    /// Number of the logical database.
    pub database: u8,
    /// Whether to use TLS.
    pub tls: bool,
    /// Certificate authority of the server's certificate, as PEM; `None` for the public ones.
    pub ca_pem: Option<String>,
    /// Prefix of every key and channel; may be empty.
    pub prefix: String,
}

impl RedisEndpoint {
    /// The server at this URL, with keys that start with `prefix`.
    pub fn at(url: &RedisUrl, prefix: String) -> Self {
        Self {
            host: url.host().to_owned(),
            port: url.port(),
            username: url.user().map(str::to_owned),
            password: url.password().map(|word| Secret(word.to_owned())),
            database: url.database(),
            tls: url.is_encrypted(),
            ca_pem: None,
            prefix,
        }
    }
}

/// The writer endpoint of PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseEndpoint {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User name.
    pub user: String,
    /// Password; `None` if none is required.
    pub password: Option<Secret>,
    /// Name of the database.
    pub database: String,
    /// Schema of all tables.
    pub schema: String,
}

impl DatabaseEndpoint {
    /// The default schema.
    pub const DEFAULT_SCHEMA: &'static str = "tiketi";

    /// The server at this URL, with tables in `schema`.
    pub fn at(url: &PostgresUrl, schema: String) -> Self {
        Self {
            host: url.host().to_owned(),
            port: url.port(),
            user: url.user().to_owned(),
            password: url.password().map(|word| Secret(word.to_owned())),
            database: url.database().to_owned(),
            schema,
        }
    }
}

/// A password. `Debug` hides it; it is serialized only for an instance to read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_take_everything_from_their_urls() {
        let url = RedisUrl::parse("rediss://kim:open%20sesame@cache.example:6380/3");
        let redis = RedisEndpoint::at(&url.expect("a valid URL"), "sim:".to_owned());
        assert_eq!((&redis.host[..], redis.port), ("cache.example", 6_380));
        assert_eq!((redis.database, redis.tls), (3, true));
        assert_eq!(redis.username.as_deref(), Some("kim"));
        assert_eq!(redis.password, Some(Secret("open sesame".to_owned())));
        assert_eq!(redis.prefix, "sim:");
        let url = PostgresUrl::parse("postgres://kim:open%20sesame@db.example/tickets");
        let database = DatabaseEndpoint::at(&url.expect("a valid URL"), "sim".to_owned());
        assert_eq!((&database.host[..], database.port), ("db.example", 5_432));
        assert_eq!(
            (&database.user[..], &database.database[..]),
            ("kim", "tickets")
        );
        assert_eq!(database.password, Some(Secret("open sesame".to_owned())));
        assert_eq!(database.schema, "sim");
    }
}
