//! The data tier as state machines without a clock: Redis with the waiting room in it, the database behind its
//! connection pools, and the seats.
//!
//! Two drivers use the same machines: the model in virtual time, and the embedded tier of the reference server in real
//! time. The machines read no clock, open no socket and draw no entropy of their own: `now` is an argument, and random
//! draws come from the run's seed.
//!
//! - [`Redis`] says when its commands are done ([`Redis::ask`]); what they do is a call of its own, made at that time.
//! - [`Database`] takes transactions and says how each ended ([`Database::poll_done`]); what a committed transaction does
//!   to the seats is a call of [`SeatMap`], made at that time.
//!
//! Shows, buyers, seats and reservations are plain numbers, and everything about a buyer is in flat vectors: 22 bytes per
//! buyer in the model. A driver that knows its users by other ids keeps the map. What the machines store for a driver
//! without looking at it (session, cached body) is its [`Payload`]; the model's takes no memory.

mod ballast;
mod contents;
mod cores;
mod database;
mod eviction;
mod free_seats;
mod interference;
mod keys;
mod memory;
mod outage;
mod pool;
mod queue;
mod ranks;
mod redis;
mod replication;
mod seat_map;
mod sessions;
mod settings;
mod stock;
mod stock_version;
mod waiting_room;
mod witness;

pub use contents::Payload;
pub use database::{Database, DatabaseFigures, Done, Transaction};
pub use free_seats::FreeSeats;
pub use outage::Loss;
pub use pool::PoolFigures;
pub use redis::{Asked, Evicted, Place, QueueState, Redis, RedisError, RedisFigures};
pub use seat_map::{Begun, Refusal, ReservationState, SeatFacts, SeatMap, SeatState};
pub use settings::{DatabaseSettings, Eviction, RedisSettings, SeatSettings};
pub use stock_version::{CachedReads, StockVersion};
pub use witness::Ledger;

/// A show: its place in the order in which the driver added them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShowNumber(pub u16);

/// A seat of a show: its place in the order of the seat list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeatNumber(pub u32);

/// A reservation of a show: counted up from 0 over the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReservationNumber(pub u32);

/// A periodic task that only one instance does per time slot; the driver numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskNumber(pub u8);

impl ShowNumber {
    /// The show of a tier that sells only one.
    pub const FIRST: Self = Self(0);

    const fn index(self) -> usize {
        self.0 as usize
    }
}

impl SeatNumber {
    const fn index(self) -> usize {
        self.0 as usize
    }
}

impl ReservationNumber {
    const fn index(self) -> usize {
        self.0 as usize
    }
}
