//! The database role as seen by handlers: rows, refusals, and one method per transaction.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tiketi_data_tier::StockVersion;
use uuid::Uuid;

use super::Unavailable;
use super::embedded::EmbeddedDatabase;
use super::servers::PostgresDatabase;
use crate::distance::Distance;

/// Why the database refused a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Event not found")]
    UnknownShow,
    #[error("Seat not found")]
    UnknownSeat,
    #[error("Ticket type not found")]
    UnknownTicketType,
    #[error("Reservation not found")]
    UnknownReservation,
    #[error("Seat is locked by another user")]
    SeatLocked,
    #[error("Seat is already reserved")]
    SeatReserved,
    #[error("Only one seat per person")]
    OneSeatEach,
    #[error("This ticket type is seated: choose a seat")]
    ChooseASeat,
    #[error("Not enough tickets available")]
    ShortStock,
    #[error("Reservation has expired")]
    HoldExpired,
    #[error("Reservation is already paid")]
    PaidAlready,
    #[error("This idempotency key was used for another reservation")]
    KeyUsed,
    #[error("Reservation is cancelled")]
    Cancelled,
    #[error("Reservation can no longer be cancelled")]
    NotCancellable,
}

/// A registered user with the password hash.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) id: Uuid,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) phone: Option<String>,
    pub(crate) password_hash: String,
}

/// A show with its stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShowRow {
    pub(crate) id: Uuid,
    pub(crate) title: String,
    pub(crate) seats: usize,
    pub(crate) types: Vec<TicketTypeRow>,
    /// The version of the stock in the types; `None` if the database does not number them.
    pub(crate) stock: Option<StockVersion>,
}

/// A ticket type with its stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TicketTypeRow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) price: u64,
    pub(crate) total: u32,
    pub(crate) available: u32,
}

/// Tickets of one type in a reservation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ItemRow {
    /// The ticket type.
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) price: u64,
    pub(crate) quantity: u32,
}

/// A seat of a reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeatRow {
    pub(crate) id: Uuid,
    pub(crate) section: String,
    pub(crate) row_number: u32,
    pub(crate) seat_number: u32,
    pub(crate) seat_label: String,
    pub(crate) price: u64,
}

/// A reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReservationRow {
    pub(crate) id: Uuid,
    pub(crate) number: String,
    pub(crate) user: Uuid,
    pub(crate) show: Uuid,
    pub(crate) show_title: String,
    pub(crate) seats: Vec<SeatRow>,
    pub(crate) items: Vec<ItemRow>,
    pub(crate) amount: u64,
    pub(crate) state: ReservationState,
    pub(crate) created: Duration,
    pub(crate) expires: Duration,
}

/// State of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReservationState {
    Pending,
    Paid,
    Expired,
    Cancelled,
}

/// An order for standing tickets.
#[derive(Clone, Debug)]
pub(crate) struct StandingOrder {
    pub(crate) user: Uuid,
    pub(crate) show: Uuid,
    pub(crate) items: Vec<(Uuid, u32)>,
}

/// The receipt of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paid {
    pub(crate) reservation: ReservationRow,
    pub(crate) method: String,
    pub(crate) key: String,
    pub(crate) paid_at: Duration,
}

/// Seats that have become available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Released {
    pub(crate) show: Uuid,
    pub(crate) seats: Vec<Uuid>,
}

/// The load of an instance's connection pool so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PoolLoad {
    /// Requests that found all connections busy.
    pub(crate) waits: u64,
    /// Requests that timed out waiting for a connection.
    pub(crate) timeouts: u64,
    /// Connections opened, including those reopened after a failover.
    pub(crate) opened: u64,
    /// Connections in use now.
    pub(crate) in_use: u64,
}

/// The database role of an instance's data tier, with the instance's connection pool.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    Embedded(EmbeddedDatabase),
    Servers(PostgresDatabase),
}

/// Makes the call on either store.
macro_rules! on_store {
    ($role:expr, $store:ident => $call:expr) => {
        match $role {
            Self::Embedded($store) => $call,
            Self::Servers($store) => $call,
        }
    };
}

impl Database {
    /// The same store over a path that faults may impair.
    pub(crate) fn behind(self, distance: &Arc<Distance>) -> Self {
        match self {
            Self::Embedded(store) => Self::Embedded(store.behind(Arc::clone(distance))),
            Self::Servers(store) => Self::Servers(store.behind(Arc::clone(distance))),
        }
    }

    /// Adds a user. Returns `None` if the email address is taken.
    pub(crate) async fn register(
        &self,
        user: Credential,
    ) -> Result<Option<Credential>, Unavailable> {
        on_store!(self, store => store.register(user).await)
    }

    pub(crate) async fn user_by_email(
        &self,
        email: &str,
    ) -> Result<Option<Credential>, Unavailable> {
        on_store!(self, store => store.user_by_email(email).await)
    }

    pub(crate) async fn knows_user(&self, id: Uuid) -> Result<bool, Unavailable> {
        on_store!(self, store => store.knows_user(id).await)
    }

    pub(crate) async fn shows(&self) -> Result<Vec<ShowRow>, Unavailable> {
        on_store!(self, store => store.shows().await)
    }

    pub(crate) async fn show(&self, id: Uuid) -> Result<Option<ShowRow>, Unavailable> {
        on_store!(self, store => store.show(id).await)
    }

    /// Returns the seats of a show as a JSON array; `None` if the show is unknown.
    pub(crate) async fn seat_list(&self, show: Uuid) -> Result<Option<Bytes>, Unavailable> {
        on_store!(self, store => store.seat_list(show).await)
    }

    /// Puts a seat on hold.
    pub(crate) async fn hold(
        &self,
        place: (Uuid, Uuid, Uuid),
        hold: Duration,
    ) -> Answer<ReservationRow> {
        on_store!(self, store => store.hold(place, hold).await)
    }

    /// Reserves standing tickets.
    pub(crate) async fn order_standing(
        &self,
        order: &StandingOrder,
        hold: Duration,
    ) -> Answer<ReservationRow> {
        on_store!(self, store => store.order_standing(order, hold).await)
    }

    /// Returns the reservation; `None` if it isn't this user's.
    pub(crate) async fn reservation(
        &self,
        user: Uuid,
        id: Uuid,
    ) -> Result<Option<ReservationRow>, Unavailable> {
        on_store!(self, store => store.reservation(user, id).await)
    }

    pub(crate) async fn reservations(
        &self,
        user: Uuid,
    ) -> Result<Vec<ReservationRow>, Unavailable> {
        on_store!(self, store => store.reservations(user).await)
    }

    /// Checks that a payment may begin, and extends the hold to last at least `grace` from now. Only before the hold's own
    /// end, so that payments that are begun and dropped do not keep a seat. Returns the receipt if the same payment has
    /// succeeded before.
    pub(crate) async fn begin_payment(
        &self,
        payment: (Uuid, Uuid, &str),
        grace: Duration,
    ) -> Answer<Option<Paid>> {
        on_store!(self, store => store.begin_payment(payment, grace).await)
    }

    /// Commits an authorized payment.
    pub(crate) async fn commit_payment(
        &self,
        payment: (Uuid, Uuid, &str),
        method: &str,
    ) -> Answer<Paid> {
        on_store!(self, store => store.commit_payment(payment, method).await)
    }

    /// Cancels a reservation.
    pub(crate) async fn cancel(&self, user: Uuid, id: Uuid) -> Answer<Released> {
        on_store!(self, store => store.cancel(user, id).await)
    }

    /// Releases all expired holds, in order of expiry and then of creation.
    pub(crate) async fn release_expired(&self) -> Result<Vec<Released>, Unavailable> {
        on_store!(self, store => store.release_expired().await)
    }

    /// Returns when the next hold expires; `None` if there is none. The embedded store reads it without a connection.
    pub(crate) async fn next_expiry(&self) -> Result<Option<Duration>, Unavailable> {
        on_store!(self, store => store.next_expiry().await)
    }

    /// Returns the ticket types of a show whose stock may have changed since the last call.
    pub(crate) async fn take_changed_types(
        &self,
        show: Uuid,
    ) -> Result<Vec<TicketTypeRow>, Unavailable> {
        on_store!(self, store => store.take_changed_types(show).await)
    }

    /// Checks that the database responds.
    pub(crate) async fn ping(&self) -> Result<(), Unavailable> {
        on_store!(self, store => store.ping().await)
    }

    /// Returns the load of the pool so far.
    pub(crate) fn pool_load(&self) -> PoolLoad {
        on_store!(self, store => store.pool_load())
    }
}

/// An answer of the database: a value or a refusal, unless the database is unavailable.
pub(crate) type Answer<T> = Result<Result<T, Refusal>, Unavailable>;

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
