//! Messages between the supervisor and an instance process, one JSON value per line.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tiketi_core::impairment::Quality;
use tiketi_core::units::Share;
use tiketi_measure::stall::Lapse;
use tiketi_server::{InstanceLoad, ServersConfig, Settings, Show};

/// The first line an instance process reads. `Debug` leaves out its secrets.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceSettings {
    /// Name of the instance, such as `i-3`.
    pub name: String,
    /// Where it listens after [`Command::Listen`]. The supervisor reserves the address without listening
    /// (`SO_REUSEPORT`).
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

/// A command to an instance process.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "command")]
pub enum Command {
    /// The boot is over: listen. Until then connections are refused.
    Listen,
    /// Other work takes a share of the virtual processor from now on.
    Stress {
        /// The share; zero for no other work.
        load: Share,
    },
    /// The paths to Redis and to the database from now on.
    Paths {
        /// To Redis.
        redis: Quality,
        /// To the database.
        database: Quality,
    },
    /// Accept no connection from now on: the zone loses power, and the process is stopped as soon as it reports
    /// [`Answer::Deaf`].
    Deafen,
}

/// A report of an instance process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Answer {
    /// It is listening.
    Listening,
    /// It cannot serve and ends.
    Failed {
        /// Why, as a fragment of a sentence.
        reason: String,
    },
    /// The thread of the server did not run for a while, although it should have.
    Stalled(Lapse),
    /// Nobody can connect any longer; connections that are open stay.
    Deaf,
    /// Its counters since the start, several times per second of real time if they have changed.
    Load(InstanceLoad),
}
