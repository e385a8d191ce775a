//! The data tier as the instances see it: a cache role (Redis) and a database role (PostgreSQL).
//!
//! [`Cache`] and [`Database`] are the seam: handlers know nothing else. They stand on the [`embedded`] stores, which behave
//! like the servers they stand for, or on real [`servers`].

mod cache;
mod database;
mod doors;
mod embedded;
mod seats;
mod servers;
mod waiting;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use cache::{Cache, News, Session, SessionChange};
pub(crate) use database::{
    Credential, Database, Paid, Refusal, Released, ReservationRow, ShowRow, StandingOrder,
    TicketTypeRow,
};
pub use embedded::{EmbeddedFigures, EmbeddedLimits, EmbeddedTier};
pub use servers::{
    DatabaseAuditor, DatabaseEndpoint, DatabaseLevels, DatabaseState, RedisEndpoint, RedisLevels,
    RedisLoss, RedisWitness, Secret, ServersConfig, ServersTier, SetupError, claim_namespace,
    clear_database, clear_namespace, migrate_database, prepare_database,
};
pub(crate) use waiting::{Admission, Place, QueueStatus, Task};

use crate::clock::Clock;
use crate::settings::Settings;
use crate::show::Show;

/// The data tier a deployment stands on. Clones share it.
#[derive(Clone, Debug)]
pub enum DataTier {
    /// In memory, shared by the instances of one process.
    Embedded(EmbeddedTier),
    /// Redis and PostgreSQL, shared by all instances that have the same endpoints.
    Servers(ServersTier),
}

impl From<EmbeddedTier> for DataTier {
    fn from(tier: EmbeddedTier) -> Self {
        Self::Embedded(tier)
    }
}

impl From<ServersTier> for DataTier {
    fn from(tier: ServersTier) -> Self {
        Self::Servers(tier)
    }
}

impl DataTier {
    pub(crate) fn clock(&self) -> Clock {
        match self {
            Self::Embedded(tier) => tier.clock(),
            Self::Servers(tier) => tier.clock(),
        }
    }

    /// The shows on sale.
    pub(crate) fn shows(&self) -> &[Show] {
        match self {
            Self::Embedded(tier) => tier.shows(),
            Self::Servers(tier) => tier.shows(),
        }
    }

    /// The cache role for the instance with this name.
    pub(crate) fn cache(&self, instance: &str, settings: &Settings) -> Cache {
        match self {
            Self::Embedded(tier) => Cache::Embedded(tier.cache()),
            Self::Servers(tier) => Cache::Servers(tier.cache(instance, settings)),
        }
    }

    /// The database role for one more instance, behind a pool of its own; a query of the embedded store takes `query_time`.
    pub(crate) fn database(&self, settings: &Settings, query_time: Duration) -> Database {
        match self {
            Self::Embedded(tier) => Database::Embedded(tier.database(settings, query_time)),
            Self::Servers(tier) => Database::Servers(tier.database(settings)),
        }
    }
}

/// Why the data tier did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The cache's primary is lost and nothing is promoted yet.
    #[error("redis is unavailable")]
    Redis,
    /// The database's primary is lost, and the wait for a connection ended first.
    #[error("database is unavailable")]
    Database,
    /// Redis takes no writes: its memory is full, and nothing may be evicted.
    #[error("redis refuses writes")]
    RedisRefused,
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

/// What one instance asked of the data tier since it started. The embedded tier counts for all instances together, in its
/// [`Census`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierUse {
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
