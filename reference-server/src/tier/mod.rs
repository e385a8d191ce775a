//! The data tier as seen by the instances: a cache role (Redis) and a database role (PostgreSQL).
//!
//! Handlers use only [`Cache`] and [`Database`]. Behind these are either the [`embedded`] stores, which behave like Redis and
//! PostgreSQL, or real [`servers`]. A property test (`differential`) checks that both give the same answers.

mod cache;
mod database;
#[cfg(test)]
mod differential;
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
pub(crate) use waiting::Place;
pub(crate) use waiting::{Admission, Task};
pub use waiting::{Place as QueuePlace, QueueStatus};

use crate::clock::Clock;
use crate::settings::Settings;
use crate::show::Show;

/// The data tier of a deployment. Clones share it.
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

    /// Returns the shows on sale.
    pub(crate) fn shows(&self) -> &[Show] {
        match self {
            Self::Embedded(tier) => tier.shows(),
            Self::Servers(tier) => tier.shows(),
        }
    }

    /// Returns the cache role for the instance with this name.
    pub(crate) fn cache(&self, instance: &str, settings: &Settings) -> Cache {
        match self {
            Self::Embedded(tier) => Cache::Embedded(tier.cache()),
            Self::Servers(tier) => Cache::Servers(tier.cache(instance, settings)),
        }
    }

    /// Returns the database role for one more instance, with its own connection pool. A query of the embedded store takes
    /// `query_time`.
    pub(crate) fn database(&self, settings: &Settings, query_time: Duration) -> Database {
        match self {
            Self::Embedded(tier) => Database::Embedded(tier.database(settings, query_time)),
            Self::Servers(tier) => Database::Servers(tier.database(settings)),
        }
    }
}

/// Why the data tier is unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The Redis primary is lost and no replica has been promoted yet.
    #[error("redis is unavailable")]
    Redis,
    /// The database primary is lost, and no other took over before the connection timeout.
    #[error("database is unavailable")]
    Database,
    /// Redis rejects writes: its memory is full and it may not evict anything.
    #[error("redis is out of memory and rejects writes")]
    RedisRefused,
    /// All pooled connections were busy until the connection timeout.
    #[error("timed out waiting for a database connection")]
    PoolTimeout,
}

/// Counts of the whole tier at one instant. Cheap enough to read every second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Users in waiting rooms.
    pub waiting: u64,
    /// Users with a shopping slot.
    pub active: u64,
    /// Seats on hold.
    pub held: u64,
    /// Seats sold.
    pub sold: u64,
    /// Entries to and exits from the waiting rooms.
    pub ledger: AdmissionLedger,
    /// Cache hits.
    pub cache_hits: u64,
    /// Cache misses.
    pub cache_misses: u64,
    /// Database queries and transactions.
    pub database_queries: u64,
    /// Redis commands and scripts.
    pub redis_operations: u64,
    /// Messages published on the bus.
    pub messages_published: u64,
}

/// Usage of the data tier by one instance since it started. The embedded tier counts all instances together, in its
/// [`Census`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierUse {
    /// Cache hits.
    pub cache_hits: u64,
    /// Cache misses.
    pub cache_misses: u64,
    /// Database queries and transactions.
    pub database_queries: u64,
    /// Redis commands and scripts.
    pub redis_operations: u64,
    /// Messages published on the bus.
    pub messages_published: u64,
}

/// Counts of entries to and exits from the waiting rooms, kept outside Redis so that a failover cannot change them.
///
/// `joined + resurrected_waiting == admitted + left_waiting + cleared + lost_waiting + waiting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionLedger {
    /// Users who entered a waiting room. A user who is waiting or active already doesn't count again.
    pub joined: u64,
    /// Shopping slots assigned, on entry or from the head of the queue.
    pub admitted: u64,
    /// Users who left the queue before they were admitted.
    pub left_waiting: u64,
    /// Users removed when an administrator cleared the queue.
    pub cleared: u64,
    /// Users whose place in the queue was lost in a Redis failover.
    pub lost_waiting: u64,
    /// Users put back into the queue by a Redis failover after they had left it.
    pub resurrected_waiting: u64,
    /// Shopping slots released by a purchase or by leaving.
    pub left_active: u64,
    /// Shopping slots released after the idle timeout.
    pub expired: u64,
    /// Shopping slots assigned to a user who was active already, or had not entered.
    pub admitted_twice: u64,
}

/// Everything an audit needs after a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalState {
    /// Every seat of every show.
    pub seats: Vec<FinalSeat>,
    /// Every paid order, in order of payment.
    pub orders: Vec<PaidOrder>,
    /// Payments captured by the provider, in order of capture.
    pub captures: Vec<Capture>,
    /// Entries to and exits from the waiting rooms.
    pub ledger: AdmissionLedger,
    /// Who is waiting and who is active; `None` during an outage of Redis.
    pub doors: Option<FinalDoors>,
}

/// The waiting rooms at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalDoors {
    /// Users in waiting rooms.
    pub waiting: u64,
    /// Users whose state (waiting, active, or neither) differs from what the recorded entries and exits imply.
    pub astray: u64,
}

/// The final state of a seat.
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
    /// The reservation that holds or has bought it; `None` if it is available.
    pub reservation: Option<Uuid>,
}

/// State of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeatState {
    /// Available.
    Available,
    /// On hold, not paid yet.
    Locked,
    /// Sold.
    Reserved,
}

/// A paid order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidOrder {
    /// The reservation that was paid.
    pub reservation: Uuid,
    /// The buyer.
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

/// A payment captured by the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// Idempotency key, unique at the provider.
    pub idempotency_key: String,
    /// The reservation it pays for.
    pub reservation: Uuid,
    /// Amount in won.
    pub amount: u64,
}
