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
            Self::Database { .. } => None,
        }
    }
}
