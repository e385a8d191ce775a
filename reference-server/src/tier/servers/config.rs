//! Where the servers are, and how to prove who one is.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Everything an instance needs to reach its data tier. It travels over a pipe, never in arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServersConfig {
    /// Redis.
    pub redis: RedisEndpoint,
    /// PostgreSQL.
    pub database: DatabaseEndpoint,
    /// A name server that knows the hosts; `None` for addresses, and for names of the operating system.
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
    /// User; `None` for the default user.
    pub username: Option<String>,
    /// Password; `None` where none is asked for.
    pub password: Option<Secret>,
    /// Number of the logical database.
    pub database: u8,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Certificate authority that signed the server's certificate, PEM; `None` for those that the web trusts.
    pub ca_pem: Option<String>,
    /// What every key and channel begins with; may be empty.
    pub prefix: String,
}

/// The writer endpoint of PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseEndpoint {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Password; `None` where none is asked for.
    pub password: Option<Secret>,
    /// Name of the database.
    pub database: String,
    /// Schema of all tables.
    pub schema: String,
}

impl DatabaseEndpoint {
    /// The schema where none is named.
    pub const DEFAULT_SCHEMA: &'static str = "tiketi";
}

/// A password: shown to nobody, and written only where an instance reads it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
