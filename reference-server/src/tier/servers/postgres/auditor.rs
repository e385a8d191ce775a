//! Auditing the database from outside the instances: levels, a heartbeat, and the final state.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error, IsolationLevel, Row, Transaction};
use uuid::Uuid;

use super::connect::{ConnectError, Connector};
use super::keeper::unreachable;
use super::rows::{time, whole};
use crate::tier::servers::{DatabaseEndpoint, ServersConfig, SetupError};
use crate::tier::{Capture, FinalSeat, PaidOrder, SeatState};

/// Timeout for levels or a heartbeat, including the connect, in real time. They are read every second.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// Timeout for the final state, in real time. 100,000 seats take less than a second.
const FINAL_WAIT: Duration = Duration::from_secs(30);

/// Numbers of held and sold seats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseLevels {
    /// Seats on hold.
    pub held: u64,
    /// Seats sold.
    pub sold: u64,
}

/// The contents of the database that an audit needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseState {
    /// Every seat of every show.
    pub seats: Vec<FinalSeat>,
    /// Every paid order, in order of payment.
    pub orders: Vec<PaidOrder>,
    /// Payments captured by the provider, in order of capture.
    pub captures: Vec<Capture>,
}

/// Reads the database through its name, on separate connections. Reconnects automatically.
#[derive(Debug)]
pub struct DatabaseAuditor {
    endpoint: DatabaseEndpoint,
    reader: Line,
    /// A separate connection for the heartbeat, so that neither waits for the other.
    heart: Line,
}

impl DatabaseAuditor {
    /// Connects. The schema must exist.
    pub async fn open(config: &ServersConfig) -> Result<Self, SetupError> {
        let endpoint = config.database.clone();
        let connector = Connector::new(config).map_err(|error| unreachable(&endpoint, &error))?;
        let auditor = Self {
            reader: Line::new(connector.clone()),
            heart: Line::new(connector),
            endpoint,
        };
        let looked = auditor.reader.run(ANSWER_WAIT, read_levels).await;
        looked.map_err(|error| unreachable(&auditor.endpoint, &error))?;
        Ok(auditor)
    }

    /// Returns the numbers of held and sold seats; `None` if the writer doesn't respond within a second.
    pub async fn levels(&self) -> Option<DatabaseLevels> {
        self.reader.run(ANSWER_WAIT, read_levels).await.ok()
    }

    /// Writes to the node under the name. Returns whether the write was committed within a second.
    pub async fn beat(&self) -> bool {
        let beaten = self.heart.run(ANSWER_WAIT, async |client: &mut Client| {
            client
                .execute("UPDATE heartbeat SET beats = beats + 1", &[])
                .await
        });
        beaten.await.is_ok_and(|rows| rows == 1)
    }

    /// Returns a consistent snapshot of everything an audit needs. Call it after the last instance has stopped.
    pub async fn final_state(&self) -> Result<DatabaseState, SetupError> {
        let read = self.reader.run(FINAL_WAIT, async |client: &mut Client| {
            let snapshot = client
                .build_transaction()
                .isolation_level(IsolationLevel::RepeatableRead)
                .read_only(true)
                .start()
                .await?;
            read_state(&snapshot).await
        });
        read.await
            .map_err(|error| unreachable(&self.endpoint, &error))
    }
}

/// A connection that is opened on demand and dropped after a failure.
#[derive(Debug)]
struct Line {
    connector: Connector,
    session: Mutex<Option<Session>>,
}

#[derive(Debug)]
struct Session {
    client: Client,
    task: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Line {
    fn new(connector: Connector) -> Self {
        Self {
            connector,
            session: Mutex::new(None),
        }
    }

    async fn run<T>(
        &self,
        wait: Duration,
        action: impl AsyncFnOnce(&mut Client) -> Result<T, Error>,
    ) -> Result<T, ConnectError> {
        let mut kept = self.session.lock().await;
        // Taken out, so that the session is dropped if this fails or is cancelled.
        let session = kept.take().filter(|session| !session.client.is_closed());
        let answer = async {
            let mut session = match session {
                Some(session) => session,
                None => {
                    let (client, task) = self.connector.connect().await?;
                    Session { client, task }
                }
            };
            let value = action(&mut session.client).await?;
            Ok((session, value))
        };
        let answer = tokio::time::timeout(wait, answer).await;
        let (session, value) = answer.unwrap_or(Err(ConnectError::Timeout(wait)))?;
        *kept = Some(session);
        Ok(value)
    }
}

async fn read_levels(client: &mut Client) -> Result<DatabaseLevels, Error> {
    let row = client
        .query_one(
            "SELECT count(*) FILTER (WHERE state = 'locked'), count(*) FILTER (WHERE state = 'reserved') FROM seats",
            &[],
        )
        .await?;
    Ok(DatabaseLevels {
        held: whole(row.get(0)),
        sold: whole(row.get(1)),
    })
}

async fn read_state(snapshot: &Transaction<'_>) -> Result<DatabaseState, Error> {
    let seats = snapshot
        .query(
            "SELECT s.show_id, s.id, s.label, s.state, s.reservation_id
             FROM seats s JOIN shows w ON w.id = s.show_id ORDER BY w.place, s.place",
            &[],
        )
        .await?;
    let paid = snapshot
        .query(
            "SELECT r.id, r.user_id, r.show_id, r.seat_id, p.idempotency_key, p.amount, p.paid_us
             FROM payments p JOIN reservations r ON r.id = p.reservation_id WHERE NOT p.refunded ORDER BY p.id",
            &[],
        )
        .await?;
    Ok(DatabaseState {
        seats: seats.iter().map(final_seat).collect(),
        orders: paid.iter().map(order).collect(),
        captures: paid.iter().map(capture).collect(),
    })
}

fn final_seat(row: &Row) -> FinalSeat {
    FinalSeat {
        show: row.get("show_id"),
        seat: row.get("id"),
        label: row.get("label"),
        state: match row.get("state") {
            "available" => SeatState::Available,
            "locked" => SeatState::Locked,
            "reserved" => SeatState::Reserved,
            other => unreachable!("a constraint rules out the state {other}"),
        },
        reservation: row.get("reservation_id"),
    }
}

fn order(row: &Row) -> PaidOrder {
    let seat: Option<Uuid> = row.get("seat_id");
    PaidOrder {
        reservation: row.get("id"),
        user: row.get("user_id"),
        show: row.get("show_id"),
        seats: seat.into_iter().collect(),
        idempotency_key: row.get("idempotency_key"),
        amount: whole(row.get("amount")),
        paid_at: time(row.get("paid_us")),
    }
}

fn capture(row: &Row) -> Capture {
    Capture {
        idempotency_key: row.get("idempotency_key"),
        reservation: row.get("id"),
        amount: whole(row.get("amount")),
    }
}

#[cfg(test)]
#[path = "auditor_tests.rs"]
mod tests;
