//! Converts rows and refusals of the SQL functions to the types of the database role.

use std::time::Duration;

use serde::Deserialize;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::tier::database::{
    ItemRow, Paid, Refusal, ReservationRow, ReservationState, SeatRow, ShowRow, TicketTypeRow,
};

/// A row of the view `reservation_details`.
#[derive(Debug, Deserialize)]
pub(super) struct Details {
    id: Uuid,
    number: i64,
    user_id: Uuid,
    show_id: Uuid,
    show_title: String,
    seats: Vec<SeatRow>,
    items: Vec<ItemRow>,
    amount: u64,
    state: ReservationState,
    created_us: i64,
    expires_us: i64,
    method: Option<String>,
    idempotency_key: Option<String>,
    paid_us: Option<i64>,
}

impl Details {
    /// Parses a column of JSON text.
    pub(super) fn of(row: &Row, column: &str) -> Self {
        let text: &str = row.get(column);
        serde_json::from_str(text).expect("the view has these columns")
    }

    pub(super) fn into_reservation(self) -> ReservationRow {
        ReservationRow {
            id: self.id,
            number: number(self.number),
            user: self.user_id,
            show: self.show_id,
            show_title: self.show_title,
            seats: self.seats,
            items: self.items,
            amount: self.amount,
            state: self.state,
            created: time(self.created_us),
            expires: time(self.expires_us),
        }
    }

    /// Returns the receipt; `None` if the reservation is not paid.
    pub(super) fn into_paid(self) -> Option<Paid> {
        Some(Paid {
            method: self.method.clone()?,
            key: self.idempotency_key.clone()?,
            paid_at: time(self.paid_us?),
            reservation: self.into_reservation(),
        })
    }
}

/// Returns the refusal in the first column; `None` if the transaction was committed.
pub(super) fn refusal(row: &Row) -> Option<Refusal> {
    let code: Option<&str> = row.get("refusal");
    Some(match code? {
        "unknown_show" => Refusal::UnknownShow,
        "unknown_seat" => Refusal::UnknownSeat,
        "unknown_ticket_type" => Refusal::UnknownTicketType,
        "unknown_reservation" => Refusal::UnknownReservation,
        "seat_locked" => Refusal::SeatLocked,
        "seat_reserved" => Refusal::SeatReserved,
        "one_seat_each" => Refusal::OneSeatEach,
        "choose_a_seat" => Refusal::ChooseASeat,
        "short_stock" => Refusal::ShortStock,
        "hold_expired" => Refusal::HoldExpired,
        "paid_already" => Refusal::PaidAlready,
        "key_used" => Refusal::KeyUsed,
        "cancelled" => Refusal::Cancelled,
        "not_cancellable" => Refusal::NotCancellable,
        other => unreachable!("the migrations don't define the refusal {other}"),
    })
}

/// Returns the reservation that `hold_seat` has created.
pub(super) fn held(
    row: &Row,
    (user, show): (Uuid, Uuid),
    (created_us, expires_us): (i64, i64),
) -> ReservationRow {
    let price = whole(row.get("seat_price"));
    let section: String = row.get("section");
    ReservationRow {
        id: row.get("reservation"),
        number: number(row.get("reservation_number")),
        user,
        show,
        show_title: row.get("title"),
        items: vec![ItemRow {
            id: row.get("ticket_type"),
            name: section.clone(),
            price,
            quantity: 1,
        }],
        seats: vec![SeatRow {
            id: row.get("seat_id"),
            section,
            row_number: small(row.get("seat_row")),
            seat_number: small(row.get("seat_place")),
            seat_label: row.get("seat_label"),
            price,
        }],
        amount: price,
        state: ReservationState::Pending,
        created: time(created_us),
        expires: time(expires_us),
    }
}

/// Returns the shows in rows of the view `stock`, in the order of the rows.
pub(super) fn shows(rows: &[Row]) -> Vec<ShowRow> {
    let mut shows: Vec<ShowRow> = Vec::new();
    for row in rows {
        let id: Uuid = row.get("show_id");
        if shows.last().is_none_or(|last| last.id != id) {
            shows.push(ShowRow {
                id,
                title: row.get("title"),
                seats: 0,
                types: Vec::new(),
                stock: None,
            });
        }
        let show = shows.last_mut().expect("one was added if there were none");
        let kind = ticket_type(row);
        if row.get("is_seated") {
            show.seats += kind.total as usize;
        }
        show.types.push(kind);
    }
    shows
}

/// Returns the ticket type in a row of the view `stock`.
pub(super) fn ticket_type(row: &Row) -> TicketTypeRow {
    TicketTypeRow {
        id: row.get("id"),
        name: row.get("name"),
        price: whole(row.get("price")),
        total: tickets(row.get("total")),
        available: tickets(row.get("available")),
    }
}

/// Converts scenario time to the microseconds in the tables, rounded down.
pub(super) fn micros(at: Duration) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}

/// Converts a column to scenario time.
pub(super) fn time(micros: i64) -> Duration {
    Duration::from_micros(whole(micros))
}

/// Converts a column that a constraint keeps from being negative.
pub(super) fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Converts a number of tickets; larger ones are unrealistic.
fn tickets(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn small(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

fn number(number: i64) -> String {
    format!("TK-{number:07}")
}
