//! Addresses and credentials of the servers.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

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
