//! What is read once, after a run has ended: the final state of the system, the load generator's own metrics, the cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::command::CommandRun;
use super::observed::LevelRecord;
use super::stall::Stall;
use super::target::TargetFigures;
use tiketi_cloud::notice::DataTierPart;
pub use tiketi_cloud::resolver::NameFigures;
pub use tiketi_cloud::routing::Stickiness;
use tiketi_core::names;
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_cost::Statement;
pub use tiketi_edge::{EdgeFigures, PassingFigures, RoomFigures};
use tiketi_network::Kind;
pub use tiketi_network::{Destination, Use, Way};
pub use tiketi_outbound::{ChargeFacts, ProviderFigures};

/// The engine that ran the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Real traffic to a real system, in real time.
    Live,
    /// The simulation, in virtual time: there is no generator that could be late, and no machine that could be too slow.
    Model,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// The engine.
    pub engine: Engine,
    /// When the run began, as RFC 3339 in UTC; empty for a simulated run, whose result depends on no clock.
    pub began: String,
    /// When it ended, in scenario time: before the planned end if it was interrupted or broke off.
    pub ended_at: SimTime,
    /// Whether the user interrupted it.
    pub interrupted: bool,
    /// Why it broke off, as a sentence fragment; `None` if it did not.
    pub failure: Option<String>,
    /// How long it took in real time, from the first possible arrival to the end. The simulation reads no clock, so its
    /// caller fills this in.
    pub wall: Duration,
    /// The load generator's own metrics.
    pub generator: GeneratorCheck,
    /// The final state of the system under test.
    pub state: FinalState,
    /// What the system counted about itself; `None` if it exposes no counters.
    pub system: Option<SystemFigures>,
    /// What it cost; `None` for a target outside the testbed.
    pub statement: Option<Statement>,
    /// Attempts to open connections that the network may forbid; empty if none were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Probe>,
    /// What is known of a target outside the testbed; `None` for the testbed, for a simulated run, and in an archive that was
    /// written without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Box<TargetFigures>>,
    /// The commands of the user that carried out faults, in the order in which they ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandRun>,
    /// The levels of a target that another system was asked for; empty if none was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<LevelRecord>,
}

/// An attempt to open a connection, made before the load started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Who tried.
    pub from: Kind,
    /// To whom.
    pub to: Kind,
    /// The zone of the target.
    pub zone: ZoneId,
    /// The result.
    pub outcome: ProbeOutcome,
}

/// The result of an attempt to open a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// The target answered.
    Answered,
    /// There was no connection, or it was closed without a response.
    Refused,
    /// The target only asked for a password, which strangers do not know. It does not tell addresses apart.
    RefusedByPassword,
}

impl ProbeOutcome {
    /// Whether the attempt did not get through.
    pub const fn is_refused(self) -> bool {
        match self {
            Self::Answered => false,
            Self::Refused | Self::RefusedByPassword => true,
        }
    }
}

names!(ProbeOutcome {
    Answered = "answered",
    Refused = "refused",
    RefusedByPassword = "refused-by-password",
});

/// The load generator's own metrics, from which the validity of the measurement is checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneratorCheck {
    /// Buyers that arrive until the planned end, by scenario and seed.
    pub planned: u64,
    /// One entry per load worker; empty for a simulated run.
    pub workers: Vec<WorkerFigures>,
    /// Why a credential could not be created, for the first buyer without one; `None` if every buyer got one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_error: Option<String>,
    /// What all parts of the tool noticed about themselves and the machine; `None` for a simulated run, in which nothing can
    /// stall, and in an archive that was written without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolFigures>,
}

/// What the tool noticed about itself and the machine it ran on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolFigures {
    /// Stalls that no fault of the scenario explains, in order of time.
    pub stalls: Vec<Stall>,
    /// The CPUs of the machine during the run.
    pub host: HostFigures,
    /// When the allowed CPUs were full, all processes of the machine together, in order of time. Empty in an archive that was
    /// written without it.
    #[serde(default)]
    pub cpus_full: Vec<FullCpus>,
}

/// A stretch of time in which the CPUs had nothing left: response times contain the waiting of the tool's own processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FullCpus {
    /// When it began, in scenario time.
    pub from: SimTime,
    /// When it ended, in scenario time.
    pub until: SimTime,
}

/// What the operating system says about the CPUs that the tool could use, from the start of the run to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFigures {
    /// CPUs of the machine; zero if unknown.
    pub cpus: u32,
    /// CPUs that the tool may run on (affinity); zero if unknown.
    pub cpus_allowed: u32,
    /// How busy the allowed CPUs were, all processes of the machine together, as a share; `None` if unknown.
    pub busy: Option<f64>,
    /// Share of the time of the machine's CPUs that the hypervisor gave to others (steal); `None` if unknown.
    pub stolen: Option<f64>,
    /// The lowest CPU quota of the control groups that the tool runs in, in CPUs; `None` without one.
    pub quota: Option<f64>,
    /// How long these groups were throttled, because their quota was used up, summed over all CPUs; `None` if unknown.
    pub throttled: Option<Duration>,
}

/// Metrics of one load worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerFigures {
    /// CPU time used. A worker has one thread, so this is at most the real time of the run.
    pub cpu: Duration,
    /// Time that its thread could have run, but waited for a CPU (run-queue wait); `None` if the kernel does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited: Option<Duration>,
    /// Resident memory in bytes when most sockets were connected.
    pub resident_connected_bytes: u64,
    /// Peak resident memory in bytes, which includes bursts of new connections.
    pub resident_peak_bytes: u64,
    /// Most sockets connected at once.
    pub connected_peak: u64,
    /// Most files open at once.
    pub files_peak: u64,
    /// Limit on open files of the process.
    pub files_limit: u64,
    /// Requests and connections that could not be attempted for lack of file descriptors or addresses.
    pub files_refused: u64,
}

/// The final state of the system under test, or why it is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "there is one in a run")]
pub enum FinalState {
    /// Read from the primary of the database, after seat holds had expired or been counted.
    Read(AuditFacts),
    /// Not read.
    Unread {
        /// Why not, as a sentence fragment: `no database access to this target`.
        reason: String,
    },
}

/// What the audits need of the final state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditFacts {
    /// Seats that the show has.
    pub seats_total: u64,
    /// Seats without a hold and without a paid order.
    pub seats_free: u64,
    /// Seats with a hold that has not expired.
    pub seats_held: u64,
    /// Seats with a paid order.
    pub seats_sold: u64,
    /// Paid orders.
    pub paid_orders: u64,
    /// Seats with more than one paid order, and how many each has.
    pub seats_paid_twice: Vec<(String, u64)>,
    /// Charges at the payment provider.
    pub captures: u64,
    /// The provider's ledger compared with the paid orders, one by one; `None` if only the numbers are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charges: Option<ChargeFacts>,
    /// Payments that were confirmed to buyers.
    pub acknowledged: u64,
    /// Orders that were confirmed to a buyer and are not in the final state.
    pub lost_orders: LostOrders,
    /// The accounts of the waiting room; `None` if they are incomplete or could not be read.
    pub admissions: Option<AdmissionFacts>,
}

/// Confirmed payments that are missing from the final state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostOrders {
    /// How many.
    pub count: u64,
    /// Some of them, as evidence.
    pub examples: Vec<String>,
}

/// The accounts of the waiting room: a log of all joins and admissions, kept outside Redis and compared with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionFacts {
    /// Joins; a buyer who lost a place and came back has joined twice.
    pub joined: u64,
    /// Places that a Redis failover restored although their buyers had left the queue.
    pub put_back: u64,
    /// Admissions, immediate or from the head of the queue.
    pub admitted: u64,
    /// Places that their buyers gave up, or that an administrator removed.
    pub left: u64,
    /// Buyers still waiting at the end.
    pub waiting: u64,
    /// Admissions without a join of their own: a buyer was admitted twice for one join.
    pub admitted_twice: u64,
    /// Buyers who are in another place in Redis than the log says, counted one by one.
    pub astray: u64,
}

/// What the system under test counted about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemFigures {
    /// Reads answered from the cache.
    pub cache_hits: u64,
    /// Reads that missed the cache.
    pub cache_misses: u64,
    /// Statements sent to the database.
    pub database_queries: u64,
    /// Commands sent to Redis.
    pub redis_operations: u64,
    /// Waits for a pooled database connection that timed out (B6).
    pub pool_timeouts: u64,
    /// Waits for a pooled database connection (B6).
    pub pool_waits: u64,
    /// Samples that the queue monitor took (A13); `None` if they were not counted.
    pub monitor_runs: Option<u64>,
    /// Requests by instance, as counted by the instances (A4).
    pub targets: Vec<TargetLoad>,
    /// How well stickiness kept buyers on one instance (A4); `None` if it was not measured.
    pub stickiness: Option<Stickiness>,
    /// Connections that instances closed because the network does not admit their source; `None` if they were not counted.
    #[serde(default)]
    pub strangers_refused: Option<u64>,
    /// Attempts of instances to accept a connection that failed, because their process had too many open files; `None` if they
    /// were not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_files: Option<u64>,
    /// Messages due to connected sockets (A11, A21); `None` if they were not counted.
    pub messages_due: Option<u64>,
    /// What the edge served and passed on, and how its names were resolved (A1, A2); `None` if the system does not report it.
    #[serde(default)]
    pub edge: Option<FrontFigures>,
    /// Utilization of Redis and the database; `None` if the system does not report it.
    #[serde(default)]
    pub data_tier: Option<DataTierFigures>,
    /// Calls out of the VPC, by zone, destination and way; `None` if they were not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound: Option<Vec<Use>>,
    /// How the payment provider answered; `None` if it was not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderFigures>,
}

/// What became of cached details of shows, whose tickets left change with every hold, and of other keys that end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheFigures {
    /// Reads of a show's details that the cache answered.
    pub reads: u64,
    /// Of these, the ones that did not show the latest change in the database.
    pub stale: u64,
    /// Of these, the ones that missed a change of more than a second earlier.
    pub late: u64,
    /// The longest time from the first change that a read did not show to that read.
    pub stale_for_max: Duration,
    /// Changes of the tickets left.
    pub changes: u64,
    /// Reads that found a cached body whose time to live was over, and went to the database.
    pub expired: u64,
    /// Requests of a user in a rate-limit window up to the first refused one, that one included: the fewest of all refusals.
    /// `None` if none was refused.
    pub refused_from: Option<u32>,
}

/// What is in front of the VPC: names and the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FrontFigures {
    /// Static files at all edge locations.
    pub files: EdgeFigures,
    /// Requests that reached the load balancer: passed on, and none of them answered from a cache.
    pub passed_requests: u64,
    /// Bytes of the load balancer's responses, and of messages to sockets.
    pub passed_bytes: u64,
    /// Lookups of the site's name by the buyers' resolvers.
    pub site: NameFigures,
    /// Answers for the site's name with an address that is not an edge location.
    pub site_astray: u64,
    /// Lookups of the load balancer's name by the edge.
    pub load_balancer: NameFigures,
    /// API requests on their way through the edge; `None` if buyers send them to the load balancer directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passing: Option<PassingFigures>,
    /// Requests to the waiting room at the edge; `None` if it is in the application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomFigures>,
}

impl FrontFigures {
    /// Returns the share of all requests at the edge that reached the VPC; `None` without requests.
    pub fn passed_share(&self) -> Option<f64> {
        share(
            self.passed_requests,
            self.passed_requests + self.files.requests,
        )
    }

    /// Returns the share of all bytes to buyers that came from the VPC; `None` without bytes.
    pub fn passed_bytes_share(&self) -> Option<f64> {
        share(self.passed_bytes, self.passed_bytes + self.files.bytes)
    }
}

fn share(part: u64, of: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let share = part as f64 / of as f64;
    (of > 0).then_some(share)
}

/// Utilization of the data tier, and its failovers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataTierFigures {
    /// Time that the single thread of Redis was busy.
    pub redis_busy: Duration,
    /// Peak memory of Redis, in bytes.
    pub redis_memory_peak: u64,
    /// Memory limit of Redis, in bytes: beyond it keys are evicted or writes rejected.
    pub redis_memory_max: u64,
    /// Sessions and cached bodies evicted under memory pressure.
    pub redis_keys_evicted: u64,
    /// Times the queue itself, which is one key, was evicted.
    pub redis_queues_evicted: u64,
    /// Buyers who were waiting in the queue when it was evicted.
    pub redis_waiting_evicted: u64,
    /// Writes that Redis rejected for lack of memory.
    pub redis_writes_refused: u64,
    /// Time that the cores of the database were busy, summed over all cores.
    pub database_busy: Duration,
    /// Most connections to the database at once.
    pub database_connections_peak: u32,
    /// Connections that the database rejected at its limit.
    pub database_connections_refused: u64,
    /// Writes that waited for a lock on their row.
    pub database_row_lock_waits: u64,
    /// Replication lag of Redis; `None` if it was not measured, or if there is no replica.
    pub redis_lag: Option<LagFigures>,
    /// Replication lag of the database (A12); `None` as for Redis.
    pub database_lag: Option<LagFigures>,
    /// Each failover, in order of time (A12, A19, B5).
    pub failovers: Vec<FailoverFigures>,
    /// What the cache did with keys that end (B8, B13); `None` if it was not counted: real servers number no versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheFigures>,
}

/// Replication lag, in scenario time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LagFigures {
    /// Number of samples.
    pub samples: u64,
    /// Median.
    pub p50: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The maximum.
    pub max: Duration,
}

impl LagFigures {
    /// The percentiles of all samples, by nearest rank; `None` without one.
    pub fn of(samples: &[Duration]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable();
        let max = *sorted.last()?;
        let at = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
        Some(Self {
            samples: sorted.len() as u64,
            p50: at(50),
            p99: at(99),
            max,
        })
    }
}

/// One failover: what the loss of a primary caused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverFigures {
    /// Which part.
    pub part: DataTierPart,
    /// When the primary was lost.
    pub lost_at: SimTime,
    /// The zone of the lost primary.
    pub lost_zone: ZoneId,
    /// When another member, or the same one again, became primary; `None` if none did before the end.
    pub promoted_at: Option<SimTime>,
    /// The zone of the new primary; `None` if there is none.
    pub promoted_zone: Option<ZoneId>,
    /// How long writes failed for a client that follows the DNS name (RTO): from the last one that succeeded to the next.
    /// `None` if there were no writes, or if none succeeded before the end.
    pub writes_failed_for: Option<Duration>,
    /// What was lost (RPO).
    pub loss: Loss,
}

/// What a failover lost of the writes that had been acknowledged (RPO).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Loss {
    /// Places in the queue.
    pub places: u64,
    /// Places in the queue that were restored although their buyers had left.
    pub places_put_back: u64,
    /// Shopping slots of admitted buyers.
    pub active_places: u64,
    /// Sessions.
    pub sessions: u64,
    /// Paid orders.
    pub orders: u64,
    /// Age of the oldest lost write at the moment of the loss; `None` if nothing was lost.
    pub reaches_back: Option<Duration>,
}

/// Requests that one instance answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetLoad {
    /// The instance.
    pub instance: InstanceId,
    /// Requests answered.
    pub requests: u64,
    /// Time in service.
    pub in_service: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_that_were_seen() {
        assert_eq!(LagFigures::of(&[]), None);
        let lags: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        let figures = LagFigures::of(&lags).unwrap();
        assert_eq!(figures.p50, Duration::from_millis(100));
        assert_eq!(figures.p99, Duration::from_millis(198));
        assert_eq!(figures.max, Duration::from_millis(200));
    }
}
