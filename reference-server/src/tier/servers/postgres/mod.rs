//! The database role on PostgreSQL.
//!
//! ```text
//! PostgresDatabase ──▶ Pool ──▶ Connector ──name──▶ the writer
//!        │ each method is one statement, and each statement is one transaction (see `migrations/`)
//!        └ keeper: prepares and clears the schema · Auditor: levels, heartbeat, final state
//! ```

mod auditor;
mod connect;
#[cfg(test)]
mod failover_tests;
mod keeper;
mod pool;
mod rows;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::ServersConfig;
use crate::clock::Clock;
use crate::distance::Distance;
use crate::settings::Settings;
use crate::show::stable_id;
use crate::tier::Unavailable;
use crate::tier::database::{
    Answer, Credential, Paid, PoolLoad, Refusal, Released, ReservationRow, ShowRow, StandingOrder,
    TicketTypeRow,
};
pub use auditor::{DatabaseAuditor, DatabaseLevels, DatabaseState};
use connect::Connector;
pub use keeper::{clear_database, migrate_database, prepare_database};
use pool::{Pool, PoolLimits};
use rows::{Details, held, micros, refusal};

/// Maximum number of holds that expire in one transaction: few enough to hold locks only briefly, many enough to finish
/// quickly after a peak.
const RELEASED_AT_ONCE: i32 = 200;

/// The database role of one instance, with a connection pool that is created in the runtime that uses it first.
#[derive(Clone, Debug)]
pub(crate) struct PostgresDatabase {
    inner: Arc<Inner>,
    /// The path to the database; `None` for one that is never impaired.
    distance: Option<Arc<Distance>>,
}

#[derive(Debug)]
struct Inner {
    config: Arc<ServersConfig>,
    clock: Clock,
    limits: PoolLimits,
    pool: OnceLock<Pool>,
}

impl PostgresDatabase {
    pub(crate) fn new(config: Arc<ServersConfig>, clock: Clock, settings: &Settings) -> Self {
        let limits = PoolLimits {
            max: settings.pool_max as usize,
            connect_timeout: clock.wall(settings.pool_connect_timeout),
            idle_timeout: clock.wall(settings.pool_idle_timeout),
        };
        let inner = Inner {
            config,
            clock,
            limits,
            pool: OnceLock::new(),
        };
        Self {
            inner: Arc::new(inner),
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

    /// Returns the number of queries and transactions so far.
    pub(crate) fn queries(&self) -> u64 {
        self.inner.pool.get().map_or(0, Pool::queries)
    }

    /// Returns the load of the pool so far.
    pub(crate) fn pool_load(&self) -> PoolLoad {
        let pool = self.inner.pool.get();
        pool.map_or_else(PoolLoad::default, Pool::load)
    }

    /// Adds a user. Returns `None` if the email address is taken.
    pub(crate) async fn register(
        &self,
        mut user: Credential,
    ) -> Result<Option<Credential>, Unavailable> {
        user.id = stable_id(&["user", &user.email]);
        let added = self
            .query(
                "INSERT INTO users (id, email, name, phone, password_hash) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (email) DO NOTHING RETURNING id",
                &[&user.id, &user.email, &user.name, &user.phone, &user.password_hash],
            )
            .await?;
        Ok((!added.is_empty()).then_some(user))
    }

    pub(crate) async fn user_by_email(
        &self,
        email: &str,
    ) -> Result<Option<Credential>, Unavailable> {
        let found = self
            .query(
                "SELECT id, email, name, phone, password_hash FROM users WHERE email = $1",
                &[&email],
            )
            .await?;
        Ok(found.first().map(|row| Credential {
            id: row.get("id"),
            email: row.get("email"),
            name: row.get("name"),
            phone: row.get("phone"),
            password_hash: row.get("password_hash"),
        }))
    }

    pub(crate) async fn knows_user(&self, id: Uuid) -> Result<bool, Unavailable> {
        let found = self
            .query("SELECT FROM users WHERE id = $1", &[&id])
            .await?;
        Ok(!found.is_empty())
    }

    pub(crate) async fn shows(&self) -> Result<Vec<ShowRow>, Unavailable> {
        let found = self
            .query("SELECT * FROM stock ORDER BY show_place, place", &[])
            .await?;
        Ok(rows::shows(&found))
    }

    pub(crate) async fn show(&self, id: Uuid) -> Result<Option<ShowRow>, Unavailable> {
        Ok(rows::shows(&self.stock(id).await?).pop())
    }

    /// Returns the seats of a show as a JSON array; `None` if the show is unknown.
    pub(crate) async fn seat_list(&self, show: Uuid) -> Result<Option<Bytes>, Unavailable> {
        let found = self
            .query(
                "SELECT (SELECT string_agg(json_head || state || '\"}', ',') \
                         FROM (SELECT json_head, state FROM seats WHERE show_id = $1 ORDER BY place) list) AS list \
                 FROM shows WHERE id = $1",
                &[&show],
            )
            .await?;
        Ok(found.first().map(|row| {
            let list: Option<&str> = row.get("list");
            Bytes::from(["[", list.unwrap_or_default(), "]"].concat())
        }))
    }

    /// Puts a seat on hold.
    pub(crate) async fn hold(
        &self,
        (user, show, seat): (Uuid, Uuid, Uuid),
        hold: Duration,
    ) -> Answer<ReservationRow> {
        let (now, until) = self.span(hold);
        let row = self
            .one_row(
                "SELECT *, $3::uuid AS seat_id FROM hold_seat($1, $2, $3, $4, $5)",
                &[&user, &show, &seat, &now, &until],
            )
            .await?;
        Ok(match refusal(&row) {
            Some(refusal) => Err(refusal),
            None => Ok(held(&row, (user, show), (now, until))),
        })
    }

    /// Reserves standing tickets.
    pub(crate) async fn order_standing(
        &self,
        order: &StandingOrder,
        hold: Duration,
    ) -> Answer<ReservationRow> {
        let (now, until) = self.span(hold);
        let (types, quantities): (Vec<Uuid>, Vec<i64>) = order
            .items
            .iter()
            .map(|(kind, quantity)| (*kind, i64::from(*quantity)))
            .unzip();
        let row = self
            .one_row(
                "SELECT * FROM order_standing($1, $2, $3, $4, $5, $6)",
                &[&order.user, &order.show, &types, &quantities, &now, &until],
            )
            .await?;
        Ok(match refusal(&row) {
            Some(refusal) => Err(refusal),
            None => Ok(Details::of(&row, "receipt").into_reservation()),
        })
    }

    /// Returns the reservation; `None` if it isn't this user's.
    pub(crate) async fn reservation(
        &self,
        user: Uuid,
        id: Uuid,
    ) -> Result<Option<ReservationRow>, Unavailable> {
        let found = self
            .query(
                "SELECT row_to_json(d)::text AS details FROM reservation_details d WHERE id = $1 AND user_id = $2",
                &[&id, &user],
            )
            .await?;
        let details = found.first().map(|row| Details::of(row, "details"));
        Ok(details.map(Details::into_reservation))
    }

    pub(crate) async fn reservations(
        &self,
        user: Uuid,
    ) -> Result<Vec<ReservationRow>, Unavailable> {
        let found = self
            .query(
                "SELECT row_to_json(d)::text AS details FROM reservation_details d WHERE user_id = $1 ORDER BY number",
                &[&user],
            )
            .await?;
        let details = found.iter().map(|row| Details::of(row, "details"));
        Ok(details.map(Details::into_reservation).collect())
    }

    /// Checks that a payment may begin, and extends the hold to last at least `grace` from now. Returns the receipt if the
    /// same payment has succeeded before.
    pub(crate) async fn begin_payment(
        &self,
        (user, id, key): (Uuid, Uuid, &str),
        grace: Duration,
    ) -> Answer<Option<Paid>> {
        let (now, until) = self.span(grace);
        let row = self
            .one_row(
                "SELECT * FROM begin_payment($1, $2, $3, $4, $5)",
                &[&user, &id, &key, &now, &until],
            )
            .await?;
        Ok(receipt(&row))
    }

    /// Commits an authorized payment.
    pub(crate) async fn commit_payment(
        &self,
        (user, id, key): (Uuid, Uuid, &str),
        method: &str,
    ) -> Answer<Paid> {
        let now = self.now();
        let row = self
            .one_row(
                "SELECT * FROM commit_payment($1, $2, $3, $4, $5)",
                &[&user, &id, &key, &method, &now],
            )
            .await?;
        let paid = receipt(&row);
        Ok(paid.map(|paid| paid.expect("a committed payment has a receipt")))
    }

    /// Cancels a reservation.
    pub(crate) async fn cancel(&self, user: Uuid, id: Uuid) -> Answer<Released> {
        let row = self
            .one_row(
                "SELECT * FROM cancel_reservation($1, $2, $3)",
                &[&user, &id, &self.now()],
            )
            .await?;
        Ok(match refusal(&row) {
            Some(refusal) => Err(refusal),
            None => Ok(released(&row)),
        })
    }

    /// Releases all expired holds, in order of expiry and then of creation.
    pub(crate) async fn release_expired(&self) -> Result<Vec<Released>, Unavailable> {
        let now = self.now();
        let mut ended = Vec::new();
        loop {
            let batch = self
                .query(
                    "SELECT * FROM release_expired($1, $2)",
                    &[&now, &RELEASED_AT_ONCE],
                )
                .await;
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) if ended.is_empty() => return Err(error),
                // The earlier batches are committed, and must be announced.
                Err(_) => return Ok(ended),
            };
            ended.extend(batch.iter().map(released));
            if batch.len() < RELEASED_AT_ONCE as usize {
                return Ok(ended);
            }
        }
    }

    /// Returns when the next hold expires; `None` if there is none.
    pub(crate) async fn next_expiry(&self) -> Result<Option<Duration>, Unavailable> {
        let row = self
            .one_row(
                "SELECT min(expires_us) AS next FROM reservations WHERE state = 'pending'",
                &[],
            )
            .await?;
        Ok(row.get::<_, Option<i64>>("next").map(rows::time))
    }

    /// Returns all ticket types of a show: PostgreSQL doesn't track which have changed since the last call.
    pub(crate) async fn take_changed_types(
        &self,
        show: Uuid,
    ) -> Result<Vec<TicketTypeRow>, Unavailable> {
        let found = self.stock(show).await?;
        Ok(found.iter().map(rows::ticket_type).collect())
    }

    /// Checks that the database responds.
    pub(crate) async fn ping(&self) -> Result<(), Unavailable> {
        self.query("SELECT", &[]).await.map(drop)
    }

    async fn stock(&self, show: Uuid) -> Result<Vec<Row>, Unavailable> {
        self.query(
            "SELECT * FROM stock WHERE show_id = $1 ORDER BY place",
            &[&show],
        )
        .await
    }

    /// Runs a statement that always returns a row.
    async fn one_row(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Unavailable> {
        let mut rows = self.query(statement, parameters).await?;
        Ok(rows.pop().expect("the statement always returns a row"))
    }

    async fn query(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Unavailable> {
        let late = self.distance.as_ref();
        // A statement is a transaction of its own, and one round trip.
        let late = late.map_or(Duration::ZERO, |one| one.trips_to_database(1));
        let late = self.inner.clock.wall(late);
        self.pool()?.query_late(late, (statement, parameters)).await
    }

    fn pool(&self) -> Result<&Pool, Unavailable> {
        let inner = &self.inner;
        if let Some(pool) = inner.pool.get() {
            return Ok(pool);
        }
        let connector = Connector::new(&inner.config).map_err(|error| {
            tracing::error!(%error, "cannot create a resolver for the name of the database");
            Unavailable::Database
        })?;
        Ok(inner
            .pool
            .get_or_init(|| Pool::new(connector, inner.limits)))
    }

    fn now(&self) -> i64 {
        micros(self.inner.clock.now())
    }

    /// Returns now and `length` from now, in microseconds of scenario time.
    fn span(&self, length: Duration) -> (i64, i64) {
        let now = self.inner.clock.now();
        (micros(now), micros(now + length))
    }
}

/// Returns the receipt of a payment if it has one already, or why it was refused.
fn receipt(row: &Row) -> Result<Option<Paid>, Refusal> {
    if let Some(refusal) = refusal(row) {
        return Err(refusal);
    }
    let is_paid = row.get::<_, Option<&str>>("receipt").is_some();
    Ok(is_paid
        .then(|| Details::of(row, "receipt"))
        .and_then(Details::into_paid))
}

fn released(row: &Row) -> Released {
    let seat: Option<Uuid> = row.get("seat_id");
    Released {
        show: row.get("show_id"),
        seats: seat.into_iter().collect(),
    }
}
