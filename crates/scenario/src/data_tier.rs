//! What keeps the data of a live run: stores in memory, servers of the run's own, or servers that exist already.

use serde::{Deserialize, Serialize};

use super::server_url::ServerUrl;
use tiketi_core::fault::catalog::Action;

/// What keeps the data of a live run. The model has stores of its own, whatever a scenario says here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataTier {
    /// Stores in memory, in the process of the instances.
    #[default]
    Embedded,
    /// Redis and PostgreSQL servers, replicated, started for the run and ended with it.
    Servers,
    /// Servers that exist already: used, never started, stopped or broken.
    External(ExternalServers),
}

/// Servers that exist already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalServers {
    /// The Redis server.
    pub redis: ServerUrl,
    /// The PostgreSQL server.
    pub database: ServerUrl,
    /// What the keys of the run begin with in Redis; `None` takes the whole of a database, which must be empty.
    pub prefix: Option<String>,
    /// The schema of the run's tables; `None` takes `public`, which must be empty.
    pub schema: Option<String>,
}

/// Longest prefix or schema: what an identifier of PostgreSQL may have.
const NAME_LENGTH_MAX: usize = 63;

impl DataTier {
    /// The name in scenarios, flags and reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Servers => "servers",
            Self::External(_) => "external",
        }
    }

    /// Whether the run may break it: it does not break what it has not created.
    pub const fn is_of_the_run(&self) -> bool {
        match self {
            Self::Embedded | Self::Servers => true,
            Self::External(_) => false,
        }
    }

    /// Whether a live run on this tier can play the fault, or why not, as a fragment.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn plays(&self, action: Action) -> Result<(), &'static str> {
        match (action, self) {
            (
                Action::AzPowerInterruption { .. }
                | Action::TerminateInstances { .. }
                | Action::PauseInstances { .. }
                | Action::LoseAlbNode { .. },
                _,
            )
            | (
                Action::LosePrimary { .. }
                | Action::PausePrimary { .. }
                | Action::DelayReplica { .. }
                | Action::FillRedisMemory { .. }
                | Action::HoldDatabaseConnections { .. },
                Self::Embedded | Self::Servers,
            ) => Ok(()),
            (
                Action::LosePrimary { .. }
                | Action::PausePrimary { .. }
                | Action::DelayReplica { .. }
                | Action::FillRedisMemory { .. }
                | Action::HoldDatabaseConnections { .. },
                Self::External(_),
            ) => Err("servers that existed before the run are never broken by it"),
        }
    }
}

/// Whether keys of Redis may begin with this.
pub fn is_prefix(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_:.".contains(c);
    (1..=NAME_LENGTH_MAX).contains(&text.len()) && text.chars().all(is_plain)
}

/// Legal prefixes in words.
pub const PREFIX_LEGAL: &str = "1 to 63 letters, digits, and `-_:.`";

/// Whether it can name a schema without quotes.
pub fn is_schema(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (1..=NAME_LENGTH_MAX).contains(&text.len())
        && text.chars().all(is_plain)
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.starts_with("pg_")
}

/// Legal schemas in words.
pub const SCHEMA_LEGAL: &str =
    "1 to 63 lower-case letters, digits and `_`, no digit first, not beginning with `pg_`";
