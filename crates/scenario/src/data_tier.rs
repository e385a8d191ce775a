//! The data tier of a live run: in memory, on servers that the run starts, or on existing servers.

use serde::{Deserialize, Serialize};

use super::environment::Environment;
pub use tiketi_server_url::{PostgresUrl, RedisUrl};

/// Where a live run keeps its data. The model has stores of its own, whatever a scenario says here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a plan has one, and is not copied around"
)]
pub enum DataTier {
    /// In memory, in the process of the instances.
    #[default]
    Embedded,
    /// Replicated Redis and PostgreSQL servers that start and end with the run.
    Servers,
    /// Existing servers: used, but never started, stopped or broken.
    External(ExternalServers),
}

/// Existing servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalServers {
    /// The Redis server.
    pub redis: RedisUrl,
    /// The PostgreSQL server.
    pub database: PostgresUrl,
    /// Prefix of the run's keys in Redis; `None` uses the whole database, which must be empty.
    pub prefix: Option<String>,
    /// Schema of the run's tables; `None` uses `public`, which must be empty.
    pub schema: Option<String>,
}

/// Longest prefix or schema: the limit of PostgreSQL identifiers.
const NAME_LENGTH_MAX: usize = 63;

impl DataTier {
    /// The tiers that a run starts itself, with their names in scenarios and flags.
    pub const STARTED: [(&'static str, Self); 2] = [
        (Environment::Embedded.name(), Self::Embedded),
        (Environment::Servers.name(), Self::Servers),
    ];

    /// Where a live run with this tier runs.
    pub const fn environment(&self) -> Environment {
        match self {
            Self::Embedded => Environment::Embedded,
            Self::Servers => Environment::Servers,
            Self::External(_) => Environment::External,
        }
    }

    /// The name in scenarios, flags and reports.
    pub const fn name(&self) -> &'static str {
        self.environment().name()
    }

    /// Whether the run starts it, and so may break it.
    pub const fn is_of_the_run(&self) -> bool {
        match self {
            Self::Embedded | Self::Servers => true,
            Self::External(_) => false,
        }
    }
}

/// Whether this can be the prefix of keys in Redis.
pub fn is_prefix(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_:.".contains(c);
    (1..=NAME_LENGTH_MAX).contains(&text.len()) && text.chars().all(is_plain)
}

/// Valid prefixes in words.
pub const PREFIX_EXPECTED: &str = "1 to 63 letters, digits and `-_:.`";

/// Whether this can name a schema without quotes.
pub fn is_schema(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (1..=NAME_LENGTH_MAX).contains(&text.len())
        && text.chars().all(is_plain)
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.starts_with("pg_")
}

/// Valid schemas in words.
pub const SCHEMA_EXPECTED: &str =
    "1 to 63 lowercase letters, digits and `_`, starting with a letter or `_` but not with `pg_`";
