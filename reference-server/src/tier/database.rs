//! The database role as handlers see it: rows, refusals, and one method for each transaction.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use uuid::Uuid;

use super::embedded::Inner;
use super::{Pool, Unavailable};

/// Why a transaction was rolled back although the database is well.
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
    #[error("Only one seat a person")]
    OneSeatEach,
    #[error("This ticket type is seated: choose a seat")]
    ChooseASeat,
    #[error("Not enough tickets available")]
    ShortStock,
    #[error("Reservation has expired")]
    HoldExpired,
    #[error("Reservation is already paid")]
    PaidAlready,
    #[error("Reservation is cancelled")]
    Cancelled,
    #[error("Reservation cannot be cancelled any more")]
    NotCancellable,
}

/// A registered user with the password's hash.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) id: Uuid,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) phone: Option<String>,
    pub(crate) password_hash: String,
}

/// A show with its stock.
#[derive(Clone, Debug)]
pub(crate) struct ShowRow {
    pub(crate) id: Uuid,
    pub(crate) title: String,
    pub(crate) seats: usize,
    pub(crate) types: Vec<TicketTypeRow>,
}

/// A ticket type with its stock.
#[derive(Clone, Debug)]
pub(crate) struct TicketTypeRow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) price: u64,
    pub(crate) total: u32,
    pub(crate) available: u32,
}

/// A seat of a reservation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SeatRow {
    pub(crate) id: Uuid,
    pub(crate) section: String,
    pub(crate) row_number: u32,
    pub(crate) seat_number: u32,
    pub(crate) seat_label: String,
    pub(crate) price: u64,
}

/// A reservation.
#[derive(Clone, Debug)]
pub(crate) struct ReservationRow {
    pub(crate) id: Uuid,
    pub(crate) number: String,
    pub(crate) user: Uuid,
    pub(crate) show: Uuid,
    pub(crate) show_title: String,
    pub(crate) seats: Vec<SeatRow>,
    pub(crate) items: Vec<(TicketTypeRow, u32)>,
    pub(crate) amount: u64,
    pub(crate) state: ReservationState,
    pub(crate) created: Duration,
    pub(crate) expires: Duration,
}

/// State of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReservationState {
    Pending,
    Paid,
    Expired,
    Cancelled,
}

impl ReservationState {
    /// Whether the reservation still claims its seats.
    pub(crate) fn is_live(self, now: Duration, expires: Duration) -> bool {
        match self {
            Self::Pending => expires > now,
            Self::Paid => true,
            Self::Expired | Self::Cancelled => false,
        }
    }
}

/// Standing tickets somebody wants.
#[derive(Clone, Debug)]
pub(crate) struct StandingOrder {
    pub(crate) user: Uuid,
    pub(crate) show: Uuid,
    pub(crate) items: Vec<(Uuid, u32)>,
}

/// Receipt of a payment.
#[derive(Clone, Debug)]
pub(crate) struct Paid {
    pub(crate) reservation: ReservationRow,
    pub(crate) method: String,
    pub(crate) key: String,
    pub(crate) paid_at: Duration,
}

/// Seats that are free again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Released {
    pub(crate) show: Uuid,
    pub(crate) seats: Vec<Uuid>,
}

/// The database through one instance's connection pool.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    inner: Arc<Inner>,
    pool: Arc<Pool>,
}

impl Database {
    pub(super) fn new(inner: Arc<Inner>, pool: Arc<Pool>) -> Self {
        Self { inner, pool }
    }
}

impl Database {
    /// Adds a user; `None` when the e-mail address is taken.
    pub(crate) async fn register(
        &self,
        user: Credential,
    ) -> Result<Option<Credential>, Unavailable> {
        self.write(|store, _| store.register(user)).await
    }

    pub(crate) async fn user_by_email(
        &self,
        email: &str,
    ) -> Result<Option<Credential>, Unavailable> {
        self.transaction(|store, _| store.user_by_email(email))
            .await
    }

    pub(crate) async fn knows_user(&self, id: Uuid) -> Result<bool, Unavailable> {
        self.transaction(|store, _| store.knows_user(&id)).await
    }

    pub(crate) async fn shows(&self) -> Result<Vec<ShowRow>, Unavailable> {
        self.transaction(|store, _| store.shows()).await
    }

    pub(crate) async fn show(&self, id: Uuid) -> Result<Option<ShowRow>, Unavailable> {
        self.transaction(|store, _| store.show(&id)).await
    }

    /// The seats of a show as a JSON array.
    pub(crate) async fn seat_list(&self, show: Uuid) -> Result<Option<Bytes>, Unavailable> {
        self.transaction(|store, _| store.seat_list(&show)).await
    }

    /// Holds a seat.
    pub(crate) async fn hold(
        &self,
        (user, show, seat): (Uuid, Uuid, Uuid),
        hold: Duration,
    ) -> Answer<ReservationRow> {
        self.write(|store, now| store.hold(now, (user, show, seat), hold))
            .await
    }

    /// Reserves standing tickets.
    pub(crate) async fn order_standing(
        &self,
        order: &StandingOrder,
        hold: Duration,
    ) -> Answer<ReservationRow> {
        self.write(|store, now| store.order_standing(now, order, hold))
            .await
    }

    /// The reservation if it is this user's.
    pub(crate) async fn reservation(
        &self,
        user: Uuid,
        id: Uuid,
    ) -> Result<Option<ReservationRow>, Unavailable> {
        self.transaction(|store, _| store.reservation(&user, &id))
            .await
    }

    pub(crate) async fn reservations(
        &self,
        user: Uuid,
    ) -> Result<Vec<ReservationRow>, Unavailable> {
        self.transaction(|store, _| store.reservations(&user)).await
    }

    /// Checks that a payment may begin and keeps the hold for `grace`; the receipt when it is paid already.
    pub(crate) async fn begin_payment(
        &self,
        payment: (Uuid, Uuid, &str),
        grace: Duration,
    ) -> Answer<Option<Paid>> {
        self.write(|store, now| store.begin_payment(now, payment, now + grace))
            .await
    }

    /// Commits an authorised payment.
    pub(crate) async fn commit_payment(
        &self,
        payment: (Uuid, Uuid, &str),
        method: &str,
    ) -> Answer<Paid> {
        self.write(|store, now| store.commit_payment(now, payment, method))
            .await
    }

    /// Cancels a reservation.
    pub(crate) async fn cancel(&self, user: Uuid, id: Uuid) -> Answer<Released> {
        self.write(|store, now| store.cancel(now, user, id)).await
    }

    /// Releases every hold that has expired.
    pub(crate) async fn release_expired(&self) -> Result<Vec<Released>, Unavailable> {
        self.write(super::embedded::PostgresStore::release_expired)
            .await
    }

    /// When the next hold expires; what a scheduler reads without a connection of its own.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.inner.next_expiry()
    }

    /// Ticket types of a show whose stock has changed since the last call.
    pub(crate) async fn take_changed_types(
        &self,
        show: Uuid,
    ) -> Result<Vec<TicketTypeRow>, Unavailable> {
        self.transaction(|store, _| store.take_changed_types(&show))
            .await
    }

    /// Whether a query gets an answer.
    pub(crate) async fn ping(&self) -> Result<(), Unavailable> {
        self.transaction(|_, _| ()).await
    }

    /// Runs one transaction that reads on a pooled connection.
    async fn transaction<T>(
        &self,
        body: impl FnOnce(&mut super::embedded::PostgresStore, Duration) -> T,
    ) -> Result<T, Unavailable> {
        let connection = self.pool.acquire(&self.inner).await?;
        connection.hold_for_query().await;
        self.inner.with_database(body)
    }

    /// Runs one transaction that writes: others see it, and its caller hears of it, when its commit is durable.
    async fn write<T>(
        &self,
        body: impl FnOnce(&mut super::embedded::PostgresStore, Duration) -> T,
    ) -> Result<T, Unavailable> {
        let connection = self.pool.acquire(&self.inner).await?;
        connection.hold_for_write().await;
        self.inner.with_database(body)
    }
}

/// Answers of the database: a row or a refusal, unless it does not answer at all.
pub(crate) type Answer<T> = Result<Result<T, Refusal>, Unavailable>;
