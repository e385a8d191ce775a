//! What is read once, when a run has ended: the state of the system, the generator's own figures, the cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use tiketi_cloud::notice::DataTierPart;
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_cost::Statement;

/// Which engine played the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Real traffic to a real system, in wall time.
    Live,
    /// The model, in virtual time: no generator that could be late, no machine that could be too slow.
    Model,
}

/// What a run was like at its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// Which engine it was.
    pub engine: Engine,
    /// When the run began, RFC 3339 in UTC; empty for the model, whose result depends on no clock.
    pub began: String,
    /// When it ended in scenario time; before the planned end if it was interrupted or could not go on.
    pub ended_at: SimTime,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Why it could not go on, as a fragment; `None` if it could.
    pub failure: Option<String>,
    /// How long it took in wall time, from the first possible arrival to the end; whoever runs the model fills it in.
    pub wall: Duration,
    /// The load generator's own figures.
    pub generator: GeneratorCheck,
    /// The final state of the system under test.
    pub state: FinalState,
    /// What the system counted about itself; `None` for a system that does not tell.
    pub system: Option<SystemFigures>,
    /// What it cost; `None` for a system that is not the testbed.
    pub statement: Option<Statement>,
}

/// The load generator's own figures, for the validity of the measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeneratorCheck {
    /// Buyers that the plan and the seed call for until the planned end.
    pub planned: u64,
    /// One entry for each load process.
    pub workers: Vec<WorkerFigures>,
}

/// Figures of one load process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerFigures {
    /// CPU time used; one process uses one thread, so the wall time of the run is all it can have.
    pub cpu: Duration,
    /// Resident bytes when the most sockets were connected.
    pub resident_connected_bytes: u64,
    /// The most resident bytes there were, sockets being opened in a storm included.
    pub resident_peak_bytes: u64,
    /// Sockets connected at the peak.
    pub connected_peak: u64,
    /// Open files at the peak.
    pub files_peak: u64,
    /// Open files that the process may have.
    pub files_limit: u64,
    /// Buyers whose connect or call could not even be tried for lack of files or addresses.
    pub files_refused: u64,
}

/// The final state of the system under test, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalState {
    /// Read from the writer of the database, after the holds were waited out or counted.
    Read(AuditFacts),
    /// Not read.
    Unread {
        /// Why not, as a fragment: `the target gives no access to its database`.
        reason: String,
    },
}

/// What the audits need to know of the final state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditFacts {
    /// Seats of the show.
    pub seats_total: u64,
    /// Seats without a hold and without a paid order.
    pub seats_free: u64,
    /// Seats with a live hold.
    pub seats_held: u64,
    /// Seats that are paid.
    pub seats_sold: u64,
    /// Paid orders.
    pub paid_orders: u64,
    /// Seats with more than one paid order, and how many each has.
    pub seats_paid_twice: Vec<(String, u64)>,
    /// Charges at the payment provider.
    pub captures: u64,
    /// Payments that were acknowledged to buyers.
    pub acknowledged: u64,
    /// Orders that were acknowledged to a buyer and are not in the final state; a few of them as evidence.
    pub lost_orders: LostOrders,
    /// The ledger of the waiting room; `None` if it could not be read.
    pub admissions: Option<AdmissionFacts>,
}

/// Acknowledged payments that are missing from the final state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostOrders {
    /// How many.
    pub count: u64,
    /// Some of them, by the words of their order.
    pub examples: Vec<String>,
}

/// The ledger of the waiting room, kept by a witness outside Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionFacts {
    /// Joins: a buyer who came back after losing a place has joined twice.
    pub joined: u64,
    /// Places in the queue that a failover of Redis gave back to buyers who had left them.
    pub put_back: u64,
    /// Admissions, at once or from the head of the queue.
    pub admitted: u64,
    /// Places in the queue that their buyers left, or that an administrator cleared.
    pub left: u64,
    /// Buyers who still wait.
    pub waiting: u64,
    /// Admissions without a join of their own: somebody was admitted twice for one join.
    pub admitted_twice: u64,
    /// Buyers whom the witness saw go elsewhere than Redis has them now, in sum as one by one.
    pub astray: u64,
}

/// What the system under test counted about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemFigures {
    /// Reads that the cache answered.
    pub cache_hits: u64,
    /// Reads that the cache could not answer.
    pub cache_misses: u64,
    /// Statements sent to the database.
    pub database_queries: u64,
    /// Commands sent to Redis.
    pub redis_operations: u64,
    /// Waits for a pooled database connection that took their full time (B6).
    pub pool_timeouts: u64,
    /// Waits for a pooled database connection (B6).
    pub pool_waits: u64,
    /// Samples that the queue monitor took (A13); `None` if nobody counted.
    pub monitor_runs: Option<u64>,
    /// Requests by instance, as the instances counted them (A4).
    pub targets: Vec<TargetLoad>,
    /// Calls of buyers that their cookie should have kept on one instance (A4); `None` if nobody looked.
    pub stickiness: Option<Stickiness>,
    /// Messages that were due to connected sockets (A11, A21); `None` if nobody counted.
    pub messages_due: Option<u64>,
    /// How far Redis and the database were used; `None` where only the system itself could tell.
    #[serde(default)]
    pub data_tier: Option<DataTierFigures>,
}

/// How far the data tier was used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataTierFigures {
    /// Time that Redis' one thread was busy.
    pub redis_busy: Duration,
    /// Bytes of memory at their peak.
    pub redis_memory_peak: u64,
    /// Bytes beyond which keys are evicted or writes refused.
    pub redis_memory_max: u64,
    /// Sessions and cached bodies evicted under memory pressure.
    pub redis_keys_evicted: u64,
    /// Times the queue itself, which is one key, was evicted.
    pub redis_queues_evicted: u64,
    /// Buyers who stood in it.
    pub redis_waiting_evicted: u64,
    /// Writes that Redis refused for lack of memory.
    pub redis_writes_refused: u64,
    /// Time that the database's cores were busy, all together.
    pub database_busy: Duration,
    /// Most connections to the database at once.
    pub database_connections_peak: u32,
    /// Connections that the database refused because it had all it admits.
    pub database_connections_refused: u64,
    /// Writes that waited for another one to the same row.
    pub database_row_lock_waits: u64,
    /// How far the replica of Redis was behind; `None` if nobody measured it, or there was no replica.
    pub redis_lag: Option<LagFigures>,
    /// How far the replica of the database was behind (A12); `None` as for Redis.
    pub database_lag: Option<LagFigures>,
    /// Each loss of a primary, in order of time (A12, A19, B5).
    pub failovers: Vec<FailoverFigures>,
}

/// How far a replica was behind its primary, in scenario time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LagFigures {
    /// Times it was measured.
    pub samples: u64,
    /// Median.
    pub p50: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The most.
    pub max: Duration,
}

/// What the loss of one primary did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverFigures {
    /// Which part.
    pub part: DataTierPart,
    /// When the primary was lost.
    pub lost_at: SimTime,
    /// Its zone.
    pub lost_zone: ZoneId,
    /// When another member, or the same one again, took writes; `None` if none did until the end.
    pub promoted_at: Option<SimTime>,
    /// The zone of that member.
    pub promoted_zone: Option<ZoneId>,
    /// How long writes failed as a client sees it that follows the name: from the last that succeeded to the next.
    /// `None` if nobody tried, or none succeeded until the end.
    pub writes_failed_for: Option<Duration>,
    /// What was lost with it (RPO).
    pub loss: Loss,
}

/// What a failover lost of what had been acknowledged (RPO).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Loss {
    /// Places in the queue.
    pub places: u64,
    /// Places in the queue that came back although their buyers had left them.
    pub places_put_back: u64,
    /// Active places of admitted buyers.
    pub active_places: u64,
    /// Sessions.
    pub sessions: u64,
    /// Paid orders.
    pub orders: u64,
    /// Age of the oldest write that was lost, at the moment of the loss; `None` if nothing was lost.
    pub reaches_back: Option<Duration>,
}

/// Requests that one instance answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetLoad {
    /// The instance.
    pub instance: InstanceId,
    /// Requests answered.
    pub requests: u64,
    /// How long it was in service.
    pub in_service: Duration,
}

/// How well cookies kept buyers on their instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stickiness {
    /// Requests with a cookie that reached the instance it names.
    pub kept: u64,
    /// Requests whose instance was gone or unhealthy, so that another one had to be chosen.
    pub target_gone: u64,
    /// Requests that reached another instance although theirs was healthy.
    pub broken: u64,
}
