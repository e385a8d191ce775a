//! The resolved scenario: every default filled in, every name resolved, every combination checked.

use std::time::Duration;

use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use super::access::Access;
use super::arrival::ArrivalPhase;
use super::availability::Availability;
use super::distribution::Distribution;
use super::objective::{Gate, GateMetric, Relation};
use super::observe::Observe;
use super::scaling::Scaling;
use super::topology::Topology;
use tiketi_core::fault::catalog::Fault;
use tiketi_core::names;
use tiketi_core::rng::Stream;
use tiketi_core::units::{Share, SimTime, Won};
use tiketi_outbound::{Attempts, Draw};

/// A scenario that can be run. [`load`](crate::load) makes it; load workers receive it as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Short kebab-case name, also of the report's folder.
    pub name: String,
    /// The question that the scenario asks: the first comment of its file. Empty if there is none.
    pub question: String,
    /// Seed of every random stream.
    pub seed: u64,
    /// Length, warm-up and speed.
    pub clock: Clock,
    /// What is sold.
    pub show: Show,
    /// The waiting room in front of it.
    pub waiting_room: WaitingRoom,
    /// When buyers arrive.
    pub arrivals: Vec<ArrivalPhase>,
    /// How buyers behave.
    pub buyers: Temperament,
    /// Limits and cache times of the application.
    pub server: Server,
    /// The payment provider, and how the application calls it.
    #[serde(default)]
    pub provider: Provider,
    /// The architecture.
    pub topology: Topology,
    /// How the fleet follows the load.
    pub scaling: Scaling,
    /// What breaks, and when.
    pub faults: Vec<Fault>,
    /// What a year brings.
    #[serde(default)]
    pub availability: Availability,
    /// What decides the exit code.
    pub gates: Vec<Gate>,
    /// Limits beyond which the run is inconclusive.
    pub self_check: SelfCheck,
    /// How the run is priced.
    pub cost: Cost,
    /// The system under test, for runs with `--target`.
    pub target: Target,
}

/// How much longer than `clock.duration` a run may wait for recovery. The longest recovery that AWS documents is that of Aurora
/// without a replica: less than 10 minutes.
const RECOVERY_WAIT_MAX: Duration = Duration::from_mins(10);

impl Plan {
    /// How long the gates give the system to recover from a fault (RTO); `None` without a gate of `recovery_time`.
    pub fn recovery_limit(&self) -> Option<Duration> {
        let is_limit = |gate: &&Gate| match gate.relation {
            Relation::Less | Relation::AtMost => gate.metric == GateMetric::RecoveryTime,
            Relation::Greater | Relation::AtLeast | Relation::Equal => false,
        };
        let limits = self.gates.iter().filter(is_limit);
        let limits = limits.map(|gate| Duration::try_from_secs_f64(gate.bound / 1e9));
        limits.flatten().max()
    }

    /// When the run ends: after `clock.duration`. If the last fault is over by then, but not for as long as the gates give the
    /// system to recover, the run waits so long, at most ten minutes.
    pub fn ends_at(&self) -> SimTime {
        let planned = SimTime::ZERO + self.clock.duration;
        let is_fault = |one: &&Fault| !one.action.kind().is_remedy();
        let ends = self.faults.iter().filter(is_fault).map(Fault::heal_at);
        let last = ends.filter(|end| *end <= planned).max();
        let waits = last.zip(self.recovery_limit());
        waits.map_or(planned, |(end, limit)| {
            (end + limit).clamp(planned, planned + RECOVERY_WAIT_MAX)
        })
    }
}

/// Length and speed of the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// Length of the run. Arrivals stop at its end, and so do journeys, unless the run waits for recovery
    /// ([`Plan::ends_at`]).
    pub duration: Duration,
    /// Start of the run that is measured but not judged.
    pub warmup: Duration,
    /// Scenario seconds per real second, in live runs of the testbed.
    pub speed: f64,
}

/// What is sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Show {
    /// Title in the API.
    pub title: String,
    /// How long an unpaid seat is held.
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
    /// Shopping slots: buyers who can pick seats at the same time.
    pub active_max: u32,
    /// Time between two admissions from the head of the queue.
    pub admit_every: Duration,
    /// Idle time after which a buyer loses the shopping slot.
    pub idle_timeout: Duration,
    /// Shortest time between two `queue-updated` messages; changes in between are sent as one.
    pub update_every: Duration,
}

/// How buyers behave. Each buyer draws from these distributions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Temperament {
    /// Pause between two steps on the page, such as opening the list and opening the show.
    pub browse: Distribution,
    /// How long a buyer waits in the queue before leaving.
    pub patience: Distribution,
    /// Time to pick a seat on the map.
    pub seat_pick: Distribution,
    /// Time to pick another seat when the first one was taken.
    pub seat_repick: Distribution,
    /// Taken seats after which a buyer gives up.
    pub conflicts_max: u32,
    /// Time from holding the seat to the payment.
    pub payment: Distribution,
    /// Share of buyers with a held seat who pay; the others leave.
    pub pays: Share,
    /// How buyers poll their place in the queue.
    pub poll: Poll,
    /// Buyers who poll at another interval, by their position in the queue, in ascending order of it.
    #[serde(default)]
    pub poll_by_position: Vec<PollStep>,
    /// How a failed request is retried.
    pub retry: Retry,
    /// How a lost socket is reopened.
    pub reconnect: Retry,
    /// How long a buyer waits for a response before the request counts as failed.
    pub call_timeout: Duration,
    /// How long a browser waits for a connection before it tries the next address of the load balancer.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: Duration,
    /// Failed attempts to open the first socket after which the page does without one; `None` to go on as `reconnect` says.
    #[serde(default)]
    pub connect_tries_max: Option<u32>,
    /// Whether the page opens its socket again after the server has closed it with a disconnect packet.
    #[serde(default = "returns_after_disconnect")]
    pub returns_after_disconnect: bool,
    /// How buyers register and log in.
    #[serde(default)]
    pub login: Login,
    /// Waiting buyers who reload the page.
    #[serde(default)]
    pub reload: Reload,
    /// Share of the waiting buyers who open the show in a second tab of their browser.
    #[serde(default)]
    pub second_tab: Share,
    /// Share of the waiting buyers who open the show on a second device.
    #[serde(default)]
    pub second_device: Share,
    /// Whether the page looks who a message about an admission is for.
    #[serde(default = "checks_admission")]
    pub checks_admission: bool,
    /// Whether the page joins the room of the show when its socket opens.
    #[serde(default)]
    pub joins_event_room: bool,
    /// Buyers who are programs.
    #[serde(default)]
    pub bots: Bots,
    /// The network between buyers and the system.
    #[serde(default)]
    pub network: Access,
}

/// How buyers register and log in to a target whose API mapping has such requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Time before the sale opens within which they do; `None` if each does on arrival.
    pub window: Option<Duration>,
    /// What they do when the system does not know them any more.
    #[serde(default)]
    pub expired: Expired,
}

/// What buyers do when their session has ended: the system answers 401.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expired {
    /// They retry, as after any failure.
    #[default]
    Retries,
    /// They log in again, and go on.
    LogsIn,
    /// They leave.
    Leaves,
}

names!(Expired {
    Retries = "retries",
    LogsIn = "logs-in",
    Leaves = "leaves",
});

/// Waiting buyers who get impatient and reload the page: it loads again, asks for its place in the queue, and opens a new socket.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reload {
    /// Share of the buyers who do.
    pub share: Share,
    /// Time in the queue before they do, and from then on between two reloads.
    pub every: Distribution,
}

impl Default for Reload {
    /// Nobody does.
    fn default() -> Self {
        Self {
            share: Share::NONE,
            every: Distribution::Constant { value: 20.0 },
        }
    }
}

/// Buyers who are programs: they do not read, look for a seat or type, so that only the system takes time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bots {
    /// Share of the buyers who are.
    pub share: Share,
    /// Time between two polls of a bot that waits.
    pub poll: Duration,
}

impl Default for Bots {
    /// There are none.
    fn default() -> Self {
        Self {
            share: Share::NONE,
            poll: Duration::from_secs(1),
        }
    }
}

/// For archives without the key: the default of the preset.
const fn connect_timeout() -> Duration {
    Duration::from_secs(5)
}

/// For archives without the key: all pages looked.
const fn checks_admission() -> bool {
    true
}

/// For archives without the key: all pages came back.
const fn returns_after_disconnect() -> bool {
    true
}

/// How buyers poll their place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// Time between two polls while the socket is connected.
    pub connected: Duration,
    /// Time between two polls while it is not.
    pub disconnected: Duration,
    /// Whether each `queue-updated` message triggers a poll, as in the browser.
    pub on_update: bool,
}

/// Buyers beyond a position in the queue, and how often they poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollStep {
    /// The last position that is not meant; the head of the queue is at 1.
    pub beyond: u32,
    /// Time between two polls, connected or not.
    pub every: Duration,
}

/// Exponential backoff: the pause doubles from `first` up to `max`, and each is varied by ±`jitter`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// First pause.
    pub first: Duration,
    /// Longest pause before jitter.
    pub max: Duration,
    /// Random variation of each pause, as a share of it.
    pub jitter: Share,
    /// Failed attempts in a row after which the buyer gives up; `None` for never.
    pub tries_max: Option<u32>,
}

/// Limits and cache times of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Requests per minute that a user may send (B8); `None` for no limit.
    pub rate_limit: Option<u32>,
    /// How long a Socket.IO session is kept after its socket has closed (B8).
    pub session_ttl: Duration,
    /// How long the list of shows is cached.
    pub show_list_ttl: Duration,
    /// How long the details of a show are cached.
    pub show_detail_ttl: Duration,
    /// Time between two Engine.IO pings of the server.
    #[serde(default = "Server::ping_interval_default")]
    pub ping_interval: Duration,
    /// How long either side of a socket waits for a ping or pong beyond [`Self::ping_interval`].
    #[serde(default = "Server::ping_timeout_default")]
    pub ping_timeout: Duration,
    /// Size of the receipt that an instance uploads to S3 after each paid order, in bytes; 0 for none, also in archives
    /// without the key.
    #[serde(default)]
    pub receipt_bytes: u32,
}

impl Server {
    /// For archives without the key: the default of the preset.
    const fn ping_interval_default() -> Duration {
        Duration::from_secs(25)
    }

    /// For archives without the key: the default of the preset.
    const fn ping_timeout_default() -> Duration {
        Duration::from_secs(60)
    }
}

/// The payment provider, a server outside the VPC, and how the application calls it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provider {
    /// How long it takes to answer.
    pub latency: Distribution,
    /// Share of payments that it declines.
    pub declined: Share,
    /// Share of calls that fail without an effect.
    pub errors: Share,
    /// How long the application waits for one answer.
    pub timeout: Duration,
    /// How often the application calls for one payment, always with the same key.
    pub attempts: u32,
}

/// For archives without the table: the default of the preset.
impl Default for Provider {
    fn default() -> Self {
        Self {
            latency: Distribution::Uniform { from: 0.5, to: 1.5 },
            declined: Share::NONE,
            errors: Share::NONE,
            timeout: Duration::from_secs(4),
            attempts: 2,
        }
    }
}

impl Provider {
    /// Draws what chance decides about one call, from the stream of the provider.
    pub fn draw(&self, stream: &mut Stream) -> Draw {
        let takes = self.latency.sample(stream);
        let declines = stream.random::<f64>() < self.declined.get();
        let fails = stream.random::<f64>() < self.errors.get();
        Draw {
            takes,
            declines,
            fails,
        }
    }

    /// Returns how the application repeats a call.
    pub const fn calls(&self) -> Attempts {
        Attempts {
            timeout: self.timeout,
            max: self.attempts,
        }
    }
}

/// Limits beyond which a run is inconclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfCheck {
    /// Highest 99th percentile of the load generator's scheduling delay, in scenario time.
    pub send_lag_p99_max: Duration,
    /// Longest real time that a part of the tool may stand still, or not answer, without a fault of the scenario.
    #[serde(default = "SelfCheck::stall_max_default")]
    pub stall_max: Duration,
}

impl SelfCheck {
    /// For archives without the key: the default of the preset.
    const fn stall_max_default() -> Duration {
        Duration::from_millis(250)
    }
}

/// How the run is priced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Name of the price book, such as `documented-krw`.
    pub prices: String,
    /// Sales of this kind per month, for the monthly statement.
    pub onsales_per_month: u32,
}

/// The system under test, for runs with `--target`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Hosts that `--target` may name besides loopback.
    pub allow: Vec<String>,
    /// Id of the show to buy; `None` takes the first one on sale.
    pub show: Option<String>,
    /// Whether several buyers may be the same user if there are fewer users or tokens than buyers.
    #[serde(default)]
    pub reuse_users: bool,
    /// How the back end is asked, and what its responses mean; `None` for that of a TIKETI deployment. It has passed all checks.
    pub api: Option<tiketi_api::Tree>,
    /// What is read of it while the run lasts.
    #[serde(default)]
    pub observe: Observe,
}

impl Target {
    /// Returns the compiled mapping.
    pub fn mapping(&self) -> tiketi_api::Mapping {
        match &self.api {
            None => tiketi_api::tiketi(),
            Some(tree) => tiketi_api::compile(tree).expect("it was compiled when it was read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Overrides, load};

    fn ends(faults: &str, gates: &str) -> u64 {
        let text = format!(
            "name = \"x\"\nclock = {{ duration = \"10m\" }}\nfaults = [{faults}]\n[gates]\nerrors = [\"rate < 1%\"]\n{gates}\n"
        );
        let plan = load("x.toml", &text, &Overrides::default());
        let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
        plan.ends_at().as_secs()
    }

    #[test]
    fn a_run_waits_for_recovery_from_its_last_fault_as_long_as_the_gate_allows() {
        let at = |at: &str, lasts: &str| {
            format!(
                "{{ at = \"{at}\", lasts = \"{lasts}\", action = \"lose-alb-node\", zone = \"a\" }}"
            )
        };
        let gate = "recovery_time = [\"max < 2m\", \"med < 30s\"]";
        assert_eq!(ends(&at("5m", "1m"), gate), 600, "there is time enough");
        assert_eq!(ends(&at("8m", "1m30s"), gate), 690);
        assert_eq!(ends(&at("8m", "1m30s"), ""), 600, "nobody asks for it");
        assert_eq!(ends(&at("8m", "5m"), gate), 600, "it is never over");
        assert_eq!(ends("", gate), 600);
        let long = "recovery_time = [\"max < 3h\"]";
        assert_eq!(ends(&at("8m", "1m"), long), 1_200, "at most ten minutes");
    }
}
