//! The database role on the embedded store, behind one instance's connection pool.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tiketi_core::units::{InstanceId, SimTime};
use tiketi_data_tier::{SeatNumber, Transaction};
use uuid::Uuid;

use super::Inner;
use super::postgres::PostgresStore;
use crate::distance::Distance;
use crate::tier::Unavailable;
use crate::tier::database::{
    Answer, Credential, Paid, PoolLoad, Released, ReservationRow, ShowRow, StandingOrder,
    TicketTypeRow,
};

/// The database through one instance's connection pool.
#[derive(Clone, Debug)]
pub(crate) struct EmbeddedDatabase {
    pool: Arc<Pool>,
    /// The path to the database; `None` for one that is never impaired.
    distance: Option<Arc<Distance>>,
}

/// The connection pool of one instance (B6); dropping it closes its connections.
#[derive(Debug)]
pub(super) struct Pool {
    inner: Arc<Inner>,
    instance: InstanceId,
}

/// A transaction that changes rows for which nobody contends.
const WRITE: Transaction = Transaction::Write { seat: None };

impl Pool {
    /// Opens a pool for one more instance, each of whose queries takes `query` of a core.
    pub(super) fn open(inner: Arc<Inner>, query: Duration) -> Self {
        let instance = inner.transactions.add_instance(query);
        Self { inner, instance }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.inner.transactions.remove_instance(self.instance);
    }
}

impl EmbeddedDatabase {
    pub(super) fn new(pool: Pool) -> Self {
        Self {
            pool: Arc::new(pool),
            distance: None,
        }
    }

    /// The same, over a path that faults may impair.
    pub(crate) fn behind(self, distance: Arc<Distance>) -> Self {
        Self {
            distance: Some(distance),
            ..self
        }
    }

    /// Adds a user; `None` when the e-mail address is taken.
    pub(crate) async fn register(
        &self,
        user: Credential,
    ) -> Result<Option<Credential>, Unavailable> {
        self.run(WRITE, |tables, _| tables.register(user)).await
    }

    pub(crate) async fn user_by_email(
        &self,
        email: &str,
    ) -> Result<Option<Credential>, Unavailable> {
        self.read(|tables| tables.user_by_email(email)).await
    }

    pub(crate) async fn knows_user(&self, id: Uuid) -> Result<bool, Unavailable> {
        self.read(|tables| tables.knows_user(&id)).await
    }

    pub(crate) async fn shows(&self) -> Result<Vec<ShowRow>, Unavailable> {
        self.read(|tables| tables.shows()).await
    }

    pub(crate) async fn show(&self, id: Uuid) -> Result<Option<ShowRow>, Unavailable> {
        self.read(|tables| tables.show(&id)).await
    }

    /// The seats of a show as a JSON array.
    pub(crate) async fn seat_list(&self, show: Uuid) -> Result<Option<Bytes>, Unavailable> {
        self.read(|tables| tables.seat_list(&show)).await
    }

    /// Holds a seat, whose row is locked from the beginning to the commit.
    pub(crate) async fn hold(
        &self,
        (user, show, seat): (Uuid, Uuid, Uuid),
        hold: Duration,
    ) -> Answer<ReservationRow> {
        let row = self.pool.inner.tables().row_number(&show, &seat);
        let transaction = Transaction::Write {
            seat: row.map(SeatNumber),
        };
        self.run(transaction, |tables, now| {
            tables.hold(now, (user, show, seat), hold)
        })
        .await
    }

    /// Reserves standing tickets.
    pub(crate) async fn order_standing(
        &self,
        order: &StandingOrder,
        hold: Duration,
    ) -> Answer<ReservationRow> {
        self.run(WRITE, |tables, now| tables.order_standing(now, order, hold))
            .await
    }

    /// The reservation if it is this user's.
    pub(crate) async fn reservation(
        &self,
        user: Uuid,
        id: Uuid,
    ) -> Result<Option<ReservationRow>, Unavailable> {
        self.read(|tables| tables.reservation(&user, &id)).await
    }

    pub(crate) async fn reservations(
        &self,
        user: Uuid,
    ) -> Result<Vec<ReservationRow>, Unavailable> {
        self.read(|tables| tables.reservations(&user)).await
    }

    /// Checks that a payment may begin and keeps the hold for `grace`; the receipt when it is paid already.
    pub(crate) async fn begin_payment(
        &self,
        payment: (Uuid, Uuid, &str),
        grace: Duration,
    ) -> Answer<Option<Paid>> {
        self.run(WRITE, |tables, now| {
            tables.begin_payment(now, payment, grace)
        })
        .await
    }

    /// Commits an authorized payment.
    pub(crate) async fn commit_payment(
        &self,
        payment: (Uuid, Uuid, &str),
        method: &str,
    ) -> Answer<Paid> {
        self.run(WRITE, |tables, now| {
            tables.commit_payment(now, payment, method)
        })
        .await
    }

    /// Cancels a reservation.
    pub(crate) async fn cancel(&self, user: Uuid, id: Uuid) -> Answer<Released> {
        self.run(WRITE, |tables, now| tables.cancel(now, user, id))
            .await
    }

    /// Releases every hold that has expired.
    pub(crate) async fn release_expired(&self) -> Result<Vec<Released>, Unavailable> {
        self.run(WRITE, PostgresStore::release_expired).await
    }

    /// When the next hold expires; read without a connection.
    pub(crate) async fn next_expiry(&self) -> Result<Option<Duration>, Unavailable> {
        let next = self.pool.inner.tables().next_expiry();
        Ok(next.map(SimTime::since_start))
    }

    /// Ticket types of a show whose stock has changed since the last call.
    pub(crate) async fn take_changed_types(
        &self,
        show: Uuid,
    ) -> Result<Vec<TicketTypeRow>, Unavailable> {
        self.read(|tables| tables.take_changed_types(&show)).await
    }

    /// What the pool has seen so far.
    pub(crate) fn pool_load(&self) -> PoolLoad {
        let figures = self
            .pool
            .inner
            .transactions
            .pool_figures(self.pool.instance);
        PoolLoad {
            waits: figures.waits,
            timeouts: figures.timeouts,
            opened: figures.opened,
            in_use: u64::from(figures.in_use),
        }
    }

    /// Whether a query gets an answer.
    pub(crate) async fn ping(&self) -> Result<(), Unavailable> {
        self.read(|_| ()).await
    }

    /// Runs one transaction that reads.
    async fn read<T>(&self, body: impl FnOnce(&mut PostgresStore) -> T) -> Result<T, Unavailable> {
        self.run(Transaction::Read, |tables, _| body(tables)).await
    }

    /// Runs one transaction on a pooled connection: others see what it writes, and its caller hears of it, when its commit
    /// is durable.
    async fn run<T>(
        &self,
        transaction: Transaction,
        body: impl FnOnce(&mut PostgresStore, SimTime) -> T,
    ) -> Result<T, Unavailable> {
        let Pool { inner, instance } = &*self.pool;
        inner.assert_sound();
        let trips = transaction.round_trips();
        let travel = self
            .distance
            .as_ref()
            .map(|one| one.trips_to_database(trips));
        let asked = (transaction, travel.unwrap_or_default());
        inner.transactions.run(*instance, asked).await?;
        let mut tables = inner.tables();
        let now = inner.now();
        Ok(body(&mut tables, now))
    }
}
