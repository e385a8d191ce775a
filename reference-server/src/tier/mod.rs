//! The data tier as the instances see it: a cache role (Redis) and a database role (PostgreSQL).
//!
//! [`Cache`] and [`Database`] are the seam: handlers know nothing else. Today both stand on the
//! [`embedded`] stores, which behave like the servers they stand for: scripts are atomic, seat rows are locked
//! while they change, a failover loses the cache's youngest writes and none of the database's.

mod cache;
mod database;
mod embedded;
mod pool;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use cache::{Cache, Session};
pub(crate) use database::{
    Credential, Database, Paid, Refusal, Released, ReservationRow, ShowRow, StandingOrder,
    TicketTypeRow,
};
pub use embedded::EmbeddedTier;
pub(crate) use embedded::{Place, QueueStatus, Task};
pub(crate) use pool::Pool;

/// Why the data tier did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The cache's primary is lost and nothing is promoted yet.
    #[error("redis is unavailable")]
    Redis,
    /// The database's primary is lost, and the wait for a connection ended first.
    #[error("database is unavailable")]
    Database,
    /// All pooled connections were busy for the whole connect time-out.
    #[error("timeout waiting for a database connection")]
    PoolTimeout,
}

/// Counts of the whole tier at one moment, cheap enough for every second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// People in waiting rooms.
    pub waiting: u64,
    /// People with an active place.
    pub active: u64,
    /// Seats under an unpaid hold.
    pub held: u64,
    /// Seats paid for.
    pub sold: u64,
    /// What happened at the doors of the waiting rooms.
    pub ledger: AdmissionLedger,
    /// Reads the cache answered.
    pub cache_hits: u64,
    /// Reads the cache could not answer.
    pub cache_misses: u64,
    /// Queries and transactions of the database.
    pub database_queries: u64,
    /// Commands and scripts of Redis.
    pub redis_operations: u64,
    /// Messages published on the bus.
    pub messages_published: u64,
}

/// What happened at the doors of the waiting rooms, kept outside Redis so that a failover cannot rewrite it.
///
/// `joined + resurrected_waiting == admitted + left_waiting + cleared + lost_waiting + waiting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionLedger {
    /// Entries: each person who asked for a place and had none and was not waiting.
    pub joined: u64,
    /// Active places given, at once or from the head of the queue.
    pub admitted: u64,
    /// People who left the queue before their turn.
    pub left_waiting: u64,
    /// People whom an administrator cleared from the queue.
    pub cleared: u64,
    /// People whose place in the queue a Redis failover lost.
    pub lost_waiting: u64,
    /// People whom a Redis failover put back into the queue that they had left.
    pub resurrected_waiting: u64,
    /// Active places given back by purchase or by leaving.
    pub left_active: u64,
    /// Active places taken back after the idle time.
    pub expired: u64,
    /// Active places given to somebody who had none to get: inside already, or without a join before.
    pub admitted_twice: u64,
}

/// Everything an audit needs after a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalState {
    /// Every seat of every show.
    pub seats: Vec<FinalSeat>,
    /// Every paid order, in order of payment.
    pub orders: Vec<PaidOrder>,
    /// What the payment provider captured, in order of capture.
    pub captures: Vec<Capture>,
    /// What happened at the doors of the waiting rooms.
    pub ledger: AdmissionLedger,
    /// Who stands before and behind these doors; `None` if Redis is out.
    pub doors: Option<FinalDoors>,
}

/// The waiting rooms at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalDoors {
    /// People in waiting rooms.
    pub waiting: u64,
    /// People who wait, or hold an active place, and should not by what the ledger saw of each; and people who should
    /// and do not.
    pub astray: u64,
}

/// A seat at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalSeat {
    /// The show.
    pub show: Uuid,
    /// The seat.
    pub seat: Uuid,
    /// Label, such as `VIP-3-12`.
    pub label: String,
    /// State of the seat row.
    pub state: SeatState,
    /// The reservation that holds or owns it.
    pub reservation: Option<Uuid>,
}

/// State of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeatState {
    /// Free.
    Available,
    /// Under an unpaid hold.
    Locked,
    /// Paid for.
    Reserved,
}

/// A paid order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidOrder {
    /// The reservation that was paid.
    pub reservation: Uuid,
    /// Who bought.
    pub user: Uuid,
    /// The show.
    pub show: Uuid,
    /// Seats of the order; empty for standing tickets.
    pub seats: Vec<Uuid>,
    /// Idempotency key of the payment.
    pub idempotency_key: String,
    /// Amount in won.
    pub amount: u64,
    /// Scenario time of the commit.
    pub paid_at: Duration,
}

/// Money the payment provider took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// Idempotency key, unique at the provider.
    pub idempotency_key: String,
    /// The reservation it pays.
    pub reservation: Uuid,
    /// Amount in won.
    pub amount: u64,
}
