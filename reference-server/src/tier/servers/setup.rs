//! Why servers cannot be used: what is wrong with them, and what to do about it.

/// Why a data tier on servers cannot be prepared, watched, or cleared.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// PostgreSQL does not answer, or does not let us in.
    #[error("PostgreSQL at {host}:{port} cannot be used: {reason}")]
    DatabaseUnreachable {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// What the operating system, the name server or PostgreSQL said.
        reason: String,
    },
    /// PostgreSQL is older than what the SQL needs.
    #[error("PostgreSQL {found} is too old (needed: {needed} or later)")]
    DatabaseTooOld {
        /// What the server calls itself.
        found: String,
        /// The oldest version that is supported.
        needed: u32,
    },
    /// PostgreSQL refused a statement or did not answer it.
    #[error("PostgreSQL failed to {action}: {reason}")]
    Database {
        /// What was to be done.
        action: &'static str,
        /// What PostgreSQL said.
        reason: String,
    },
    /// A schema that cannot be named so.
    #[error("schema name {schema:?} is not allowed (1 to 63 bytes, not beginning with `pg_`)")]
    SchemaName {
        /// The name.
        schema: String,
    },
    /// The schema holds what this program did not make.
    #[error("schema `{schema}` holds what is not ours: {found}")]
    ForeignTables {
        /// The schema.
        schema: String,
        /// Names of some of it.
        found: String,
    },
    /// Instances of another run are connected to the schema.
    #[error("schema `{schema}` is in use by {sessions} connections of another run")]
    SchemaInUse {
        /// The schema.
        schema: String,
        /// Connections.
        sessions: i64,
    },
    /// Redis does not answer, or does not let us in.
    #[error("Redis at {host}:{port} cannot be used: {reason}")]
    RedisUnreachable {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// What the operating system, the name server or Redis said.
        reason: String,
    },
    /// Redis refused a command or did not answer it.
    #[error("Redis failed to {action}: {reason}")]
    Redis {
        /// What was to be done.
        action: &'static str,
        /// What Redis said.
        reason: String,
    },
    /// Redis is older than what the scripts need.
    #[error("Redis {found} is too old (needed: {needed} or later)")]
    RedisTooOld {
        /// What the server calls itself.
        found: String,
        /// The oldest version that is supported.
        needed: u32,
    },
    /// Redis holds keys that this program did not make.
    #[error("Redis holds keys below the prefix {prefix:?} that are not ours: {found}")]
    ForeignKeys {
        /// What our keys begin with; may be empty.
        prefix: String,
        /// Names of some of them.
        found: String,
    },
    /// Instances of another run listen below the prefix.
    #[error("the prefix {prefix:?} is in use by {listeners} connections of another run")]
    PrefixInUse {
        /// What our keys begin with; may be empty.
        prefix: String,
        /// Connections.
        listeners: i64,
    },
}

impl SetupError {
    /// What may help; `None` if the error says it all.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::DatabaseUnreachable { .. } => {
                Some("check that the server runs, its address, the user and the password")
            }
            Self::DatabaseTooOld { .. } => Some("use PostgreSQL 15"),
            Self::ForeignTables { .. } | Self::SchemaName { .. } => {
                Some("give a schema of its own, such as `tiketi`")
            }
            Self::SchemaInUse { .. } => {
                Some("wait for the other run to end, or give another schema")
            }
            Self::RedisUnreachable { .. } => {
                Some("check that the server runs, its address, the user, the password and TLS")
            }
            Self::RedisTooOld { .. } => Some("use Redis 7"),
            Self::ForeignKeys { .. } => Some("give a prefix of its own, such as `tiketi-sim:`"),
            Self::PrefixInUse { .. } => {
                Some("wait for the other run to end, or give another prefix")
            }
            Self::Database { .. } | Self::Redis { .. } => None,
        }
    }
}
