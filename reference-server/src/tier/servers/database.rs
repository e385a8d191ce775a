//! The database role on PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::ServersConfig;
use crate::clock::Clock;
use crate::settings::Settings;
use crate::show::Show;
use crate::tier::Unavailable;
use crate::tier::database::{
    Answer, Credential, Paid, PoolLoad, Released, ReservationRow, ShowRow, StandingOrder,
    TicketTypeRow,
};

/// PostgreSQL through one instance's connection pool.
#[derive(Clone, Debug)]
pub(crate) struct PostgresDatabase {
    clock: Clock,
}

impl PostgresDatabase {
    pub(super) fn new(
        _config: &ServersConfig,
        clock: Clock,
        _shows: Arc<Vec<Show>>,
        _settings: &Settings,
    ) -> Self {
        Self { clock }
    }

    /// Queries and transactions so far.
    pub(crate) fn queries(&self) -> u64 {
        0
    }

    /// What the pool has seen so far.
    pub(crate) fn pool_load(&self) -> PoolLoad {
        PoolLoad::default()
    }

    /// Adds a user; `None` when the e-mail address is taken.
    pub(crate) async fn register(
        &self,
        _user: Credential,
    ) -> Result<Option<Credential>, Unavailable> {
        Err(Unavailable::Database)
    }

    pub(crate) async fn user_by_email(
        &self,
        _email: &str,
    ) -> Result<Option<Credential>, Unavailable> {
        Err(Unavailable::Database)
    }

    pub(crate) async fn knows_user(&self, _id: Uuid) -> Result<bool, Unavailable> {
        Err(Unavailable::Database)
    }

    pub(crate) async fn shows(&self) -> Result<Vec<ShowRow>, Unavailable> {
        Err(Unavailable::Database)
    }

    pub(crate) async fn show(&self, _id: Uuid) -> Result<Option<ShowRow>, Unavailable> {
        Err(Unavailable::Database)
    }

    /// The seats of a show as a JSON array.
    pub(crate) async fn seat_list(&self, _show: Uuid) -> Result<Option<Bytes>, Unavailable> {
        Err(Unavailable::Database)
    }

    /// Holds a seat.
    pub(crate) async fn hold(
        &self,
        _place: (Uuid, Uuid, Uuid),
        _hold: Duration,
    ) -> Answer<ReservationRow> {
        Err(Unavailable::Database)
    }

    /// Reserves standing tickets.
    pub(crate) async fn order_standing(
        &self,
        _order: &StandingOrder,
        _hold: Duration,
    ) -> Answer<ReservationRow> {
        Err(Unavailable::Database)
    }

    /// The reservation if it is this user's.
    pub(crate) async fn reservation(
        &self,
        _user: Uuid,
        _id: Uuid,
    ) -> Result<Option<ReservationRow>, Unavailable> {
        Err(Unavailable::Database)
    }

    pub(crate) async fn reservations(
        &self,
        _user: Uuid,
    ) -> Result<Vec<ReservationRow>, Unavailable> {
        Err(Unavailable::Database)
    }

    /// Checks that a payment may begin and keeps the hold for `grace`; the receipt when it is paid already.
    pub(crate) async fn begin_payment(
        &self,
        _payment: (Uuid, Uuid, &str),
        _grace: Duration,
    ) -> Answer<Option<Paid>> {
        Err(Unavailable::Database)
    }

    /// Commits an authorised payment.
    pub(crate) async fn commit_payment(
        &self,
        _payment: (Uuid, Uuid, &str),
        _method: &str,
    ) -> Answer<Paid> {
        Err(Unavailable::Database)
    }

    /// Cancels a reservation.
    pub(crate) async fn cancel(&self, _user: Uuid, _id: Uuid) -> Answer<Released> {
        Err(Unavailable::Database)
    }

    /// Releases every hold that has expired.
    pub(crate) async fn release_expired(&self) -> Result<Vec<Released>, Unavailable> {
        Err(Unavailable::Database)
    }

    /// When the next hold expires; read without a connection.
    pub(crate) async fn next_expiry(&self) -> Result<Option<Duration>, Unavailable> {
        Err(Unavailable::Database)
    }

    /// Ticket types of a show whose stock may have changed since the last call.
    pub(crate) async fn take_changed_types(
        &self,
        _show: Uuid,
    ) -> Result<Vec<TicketTypeRow>, Unavailable> {
        Err(Unavailable::Database)
    }

    /// Whether a query gets an answer.
    pub(crate) async fn ping(&self) -> Result<(), Unavailable> {
        Err(Unavailable::Database)
    }
}
