//! The database role on the embedded store, behind one instance's connection pool.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::{Inner, Pool, PostgresStore};
use crate::tier::Unavailable;
use crate::tier::database::{
    Answer, Credential, Paid, PoolLoad, Released, ReservationRow, ShowRow, StandingOrder,
    TicketTypeRow,
};

/// The database through one instance's connection pool.
#[derive(Clone, Debug)]
pub(crate) struct EmbeddedDatabase {
    inner: Arc<Inner>,
    pool: Arc<Pool>,
}

impl EmbeddedDatabase {
    pub(super) fn new(inner: Arc<Inner>, pool: Arc<Pool>) -> Self {
        Self { inner, pool }
    }
}

impl EmbeddedDatabase {
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
        self.write(PostgresStore::release_expired).await
    }

    /// When the next hold expires; read without a connection.
    pub(crate) async fn next_expiry(&self) -> Result<Option<Duration>, Unavailable> {
        Ok(self.inner.next_expiry())
    }

    /// Ticket types of a show whose stock has changed since the last call.
    pub(crate) async fn take_changed_types(
        &self,
        show: Uuid,
    ) -> Result<Vec<TicketTypeRow>, Unavailable> {
        self.transaction(|store, _| store.take_changed_types(&show))
            .await
    }

    /// What the pool has seen so far.
    pub(crate) fn pool_load(&self) -> PoolLoad {
        self.pool.load()
    }

    /// Whether a query gets an answer.
    pub(crate) async fn ping(&self) -> Result<(), Unavailable> {
        self.transaction(|_, _| ()).await
    }

    /// Runs one transaction that reads on a pooled connection.
    async fn transaction<T>(
        &self,
        body: impl FnOnce(&mut PostgresStore, Duration) -> T,
    ) -> Result<T, Unavailable> {
        let connection = self.pool.acquire(&self.inner).await?;
        connection.hold_for_query().await;
        self.inner.with_database(body)
    }

    /// Runs one transaction that writes: others see it, and its caller hears of it, when its commit is durable.
    async fn write<T>(
        &self,
        body: impl FnOnce(&mut PostgresStore, Duration) -> T,
    ) -> Result<T, Unavailable> {
        let connection = self.pool.acquire(&self.inner).await?;
        connection.hold_for_write().await;
        self.inner.with_database(body)
    }
}
