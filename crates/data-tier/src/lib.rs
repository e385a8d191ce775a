//! The data tier in virtual time: Redis with the waiting room in it, the database behind its pools, and the seats.
//!
//! Each behaves like the store of the reference server that it stands for. Here buyers, seats and reservations are plain
//! numbers and everything about a buyer lies in flat vectors: a million buyers ask for their place every few seconds.
//!
//! - [`Redis`] tells when its commands are done ([`Redis::book`]); what they do is a call of its own, made at that time.
//! - [`Database`] takes transactions and says how each ended ([`Database::poll_done`]); what a transaction that
//!   succeeded does to the seats is a call of [`SeatMap`], made at that time.

mod contents;
mod cores;
mod database;
mod eviction;
mod free_seats;
mod pool;
mod redis;
mod replication;
mod seat_map;
mod sessions;
mod waiting_room;
mod witness;

pub use database::{Database, DatabaseFigures, Done, Transaction};
pub use redis::{Cached, Evicted, Place, Redis, RedisError, RedisFigures, Standing};
pub use seat_map::{Begun, Refusal, SeatMap};

use uuid::Uuid;

/// A seat: its place in the order of the seat list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeatNumber(pub u32);

/// A reservation: counted up from 0 over the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReservationNumber(pub u32);

impl SeatNumber {
    /// The id by which buyers know the seat.
    pub const fn id(self) -> Uuid {
        id(self.0)
    }

    /// The seat with this id, or `None` if no seat of any show has it.
    pub fn of(id: Uuid) -> Option<Self> {
        number(id).map(Self)
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

impl ReservationNumber {
    /// The id by which buyers know the reservation.
    pub const fn id(self) -> Uuid {
        id(self.0)
    }

    /// The reservation with this id, or `None` if none ever has it.
    pub fn of(id: Uuid) -> Option<Self> {
        number(id).map(Self)
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One above the number, so that the nil id stands for nothing.
const fn id(number: u32) -> Uuid {
    Uuid::from_u128(number as u128 + 1)
}

fn number(id: Uuid) -> Option<u32> {
    u32::try_from(id.as_u128().checked_sub(1)?).ok()
}
