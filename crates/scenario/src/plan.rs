//! The resolved scenario: every default filled in, every name resolved, every combination checked.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::arrival::ArrivalPhase;
use super::distribution::Distribution;
use super::objective::Gate;
use super::scaling::Scaling;
use super::topology::Topology;
use tiketi_core::fault::catalog::Fault;
use tiketi_core::units::{Share, Won};

/// A scenario that can be run; built by `scenario::load`, sent to load workers as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Short kebab-case name; also names the report's folder.
    pub name: String,
    /// The question the scenario asks: the first comment of its file. Empty if there is none.
    pub question: String,
    /// Seed of every random stream.
    pub seed: u64,
    /// Length, warm-up, and speed.
    pub clock: Clock,
    /// What is sold.
    pub show: Show,
    /// The waiting room in front of it.
    pub waiting_room: WaitingRoom,
    /// When buyers come.
    pub arrivals: Vec<ArrivalPhase>,
    /// How buyers behave.
    pub buyers: Temperament,
    /// Switches and cache times of the reference server.
    pub server: Server,
    /// The architecture.
    pub topology: Topology,
    /// How the fleet follows the load.
    pub scaling: Scaling,
    /// What breaks, and when.
    pub faults: Vec<Fault>,
    /// What decides the exit code.
    pub gates: Vec<Gate>,
    /// Limits that keep the measurement honest.
    pub self_check: SelfCheck,
    /// How the run is priced.
    pub cost: Cost,
    /// The system under test if it is not the testbed.
    pub target: Target,
}

/// Time of the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// Length of the run; arrivals and journeys stop here.
    pub duration: Duration,
    /// Measured but not judged.
    pub warmup: Duration,
    /// Scenario seconds in a second of wall time, in live runs of the testbed.
    pub speed: f64,
}

/// What is sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Show {
    /// Title as the API shows it.
    pub title: String,
    /// Life of an unpaid seat hold.
    pub hold: Duration,
    /// Blocks of seats.
    pub sections: Vec<Section>,
}

impl Show {
    /// Number of seats in all sections.
    pub fn seats_total(&self) -> u32 {
        self.sections
            .iter()
            .map(|section| section.rows * section.seats_per_row)
            .sum()
    }
}

/// One block of seats with one price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Name, such as `VIP`.
    pub name: String,
    /// Number of rows.
    pub rows: u32,
    /// Seats in each row.
    pub seats_per_row: u32,
    /// Price of a seat.
    pub price: Won,
}

/// The waiting room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingRoom {
    /// Active places.
    pub active_max: u32,
    /// Time between two admissions from the head of the queue.
    pub admit_every: Duration,
    /// Idle time after which an active place is freed.
    pub idle_timeout: Duration,
    /// Shortest time between two `queue-updated` messages: changes in between are sent as one.
    pub update_every: Duration,
}

/// How buyers behave; distributions are drawn once for each buyer and purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Temperament {
    /// Pause between two steps on the page (open the list, open the show).
    pub browse: Distribution,
    /// How long a buyer waits in the queue before leaving.
    pub patience: Distribution,
    /// Time to pick a seat on the map.
    pub seat_pick: Distribution,
    /// Time to pick another seat after a conflict.
    pub seat_repick: Distribution,
    /// Conflicts after which a buyer gives up.
    pub conflicts_max: u32,
    /// Time from the seat hold to the payment.
    pub payment: Distribution,
    /// Part of the buyers with a held seat who pay; the others walk away.
    pub pays: Share,
    /// Polls of the own place in the queue.
    pub poll: Poll,
    /// How often a failed call is tried again, and how.
    pub retry: Retry,
    /// How a lost socket is opened again.
    pub reconnect: Retry,
    /// Wait for an answer after which a call has failed.
    pub call_timeout: Duration,
}

/// Polls of the own place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// Time between two polls while the socket is connected.
    pub connected: Duration,
    /// Time between two polls while it is not.
    pub disconnected: Duration,
    /// Whether each `queue-updated` message is followed by a poll, as the browser does it.
    pub on_update: bool,
}

/// Exponential backoff: `first`, doubled each time up to `max`, each varied by ±`jitter`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// First pause.
    pub first: Duration,
    /// Longest pause before jitter.
    pub max: Duration,
    /// Variation of each pause, a part of it.
    pub jitter: Share,
    /// Tries in a row after which the buyer gives up; `None` never does.
    pub tries_max: Option<u32>,
}

/// Switches and cache times of the reference server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Requests a minute each user may send (B8); `None` is no limit.
    pub rate_limit: Option<u32>,
    /// Life of a Socket.IO session after its socket is gone (B8).
    pub session_ttl: Duration,
    /// Life of the cached list of shows.
    pub show_list_ttl: Duration,
    /// Life of the cached details of a show.
    pub show_detail_ttl: Duration,
}

/// Limits beyond which a run is inconclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfCheck {
    /// Highest 99th percentile of the send lag, in scenario time.
    pub send_lag_p99_max: Duration,
}

/// How the run is priced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Name of the price book (`documented-krw`).
    pub prices: String,
    /// On-sales of this kind in a month, for the monthly statement.
    pub onsales_per_month: u32,
}

/// The system under test if it is not the testbed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Hosts beyond loopback that the scenario's author allows.
    pub allow: Vec<String>,
    /// Which show to buy, by id; `None` takes the first one on sale.
    pub show: Option<String>,
}
