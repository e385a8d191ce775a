//! Errors of preparing the servers, with hints.

/// Why a data tier on servers cannot be prepared, monitored or cleared.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// PostgreSQL doesn't respond or rejects the login.
    #[error("cannot connect to PostgreSQL at {host}:{port}: {reason}")]
    DatabaseUnreachable {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// The error from the operating system, the name server or PostgreSQL.
        reason: String,
    },
    /// PostgreSQL is too old for the SQL functions.
    #[error("PostgreSQL {found} is too old (requires {needed} or later)")]
    DatabaseTooOld {
        /// The version of the server.
        found: String,
        /// The minimum supported version.
        needed: u32,
    },
    /// PostgreSQL rejected a statement or didn't respond to it.
    #[error("PostgreSQL failed to {action}: {reason}")]
    Database {
        /// The intended action.
        action: &'static str,
        /// The error from PostgreSQL.
        reason: String,
    },
    /// The name of the schema is invalid.
    #[error("invalid schema name {schema:?} (expected 1 to 63 bytes that don't start with `pg_`)")]
    SchemaName {
        /// The name.
        schema: String,
    },
    /// The schema contains objects that this program didn't create.
    #[error("schema `{schema}` contains objects that tiketi-sim didn't create: {found}")]
    ForeignTables {
        /// The schema.
        schema: String,
        /// Names of some of them.
        found: String,
    },
    /// Instances of another run are connected to the schema.
    #[error("schema `{schema}` is in use by {sessions} connections of another run")]
    SchemaInUse {
        /// The schema.
        schema: String,
        /// Number of connections.
        sessions: i64,
    },
    /// Redis doesn't respond or rejects the login.
    #[error("cannot connect to Redis at {host}:{port}: {reason}")]
    RedisUnreachable {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// The error from the operating system, the name server or Redis.
        reason: String,
    },
    /// Redis rejected a command or didn't respond to it.
    #[error("Redis failed to {action}: {reason}")]
    Redis {
        /// The intended action.
        action: &'static str,
        /// The error from Redis.
        reason: String,
    },
    /// Redis is too old for the scripts.
    #[error("Redis {found} is too old (requires {needed} or later)")]
    RedisTooOld {
        /// The version of the server.
        found: String,
        /// The minimum supported version.
        needed: u32,
    },
    /// Redis contains keys that this program didn't create.
    #[error(
        "Redis contains keys under the prefix {prefix:?} that tiketi-sim didn't create: {found}"
    )]
    ForeignKeys {
        /// The prefix; may be empty.
        prefix: String,
        /// Names of some of them.
        found: String,
    },
    /// Instances of another run use the prefix.
    #[error("the prefix {prefix:?} is in use by {listeners} connections of another run")]
    PrefixInUse {
        /// The prefix; may be empty.
        prefix: String,
        /// Number of connections.
        listeners: i64,
    },
}

impl SetupError {
    /// Returns what may help; `None` if the error message is sufficient.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::DatabaseUnreachable { .. } => Some(
                "check that the server is running, and check its address, the user and the password",
            ),
            Self::DatabaseTooOld { .. } => Some("use PostgreSQL 15"),
            Self::ForeignTables { .. } | Self::SchemaName { .. } => {
                Some("use a separate schema, such as `tiketi`")
            }
            Self::SchemaInUse { .. } => {
                Some("wait until the other run ends, or use another schema")
            }
            Self::RedisUnreachable { .. } => Some(
                "check that the server is running, and check its address, the user, the password and TLS",
            ),
            Self::RedisTooOld { .. } => Some("use Redis 7"),
            Self::ForeignKeys { .. } => Some("use a separate prefix, such as `tiketi-sim:`"),
            Self::PrefixInUse { .. } => {
                Some("wait until the other run ends, or use another prefix")
            }
            Self::Database { .. } | Self::Redis { .. } => None,
        }
    }
}
