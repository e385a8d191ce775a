//! What travels between the supervisor and an instance process, one JSON value a line.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tiketi_server::{InstanceLoad, ServersConfig, Settings, Show};

/// The first line an instance process reads. It holds secrets, and so shows little of itself.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceSettings {
    /// Name of the instance, such as `i-3`.
    pub name: String,
    /// Where it listens once it is told to. The supervisor holds the address without listening (`SO_REUSEPORT`).
    pub address: SocketAddr,
    /// Settings of the server.
    pub settings: Settings,
    /// Where its data tier is.
    pub config: ServersConfig,
    /// The shows on sale.
    pub shows: Vec<Show>,
}

impl fmt::Debug for InstanceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceSettings")
            .field("name", &self.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// What an instance process is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "command")]
pub enum Command {
    /// The boot is over: listen. Until then connections are refused.
    Listen,
}

/// What an instance process says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Answer {
    /// It listens.
    Listening,
    /// It cannot serve; it ends.
    Failed {
        /// Why, as a fragment of a sentence.
        reason: String,
    },
    /// What it has done since it started, a few times a wall second if that has changed.
    Load(InstanceLoad),
}
