//! What a data tier answers, and what it holds in the end, in terms that are the same on every tier.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use crate::tier::database::{Paid, Refusal, Released, ReservationRow, ShowRow};
use crate::tier::{
    AdmissionLedger, Capture, FinalDoors, FinalSeat, PaidOrder, Place, QueueStatus, SeatState,
    Session, Unavailable,
};

/// Admission rates may differ by this: the tiers multiply in another order.
const RATE_STEP: f64 = 1e-6;

/// The answer to a call. Reservations have no id, and their number is their place in the case: see [`Numbers`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    Done,
    Unavailable(Unavailable),
    Refused(Refusal),
    Place(Place),
    Status(QueueStatus),
    Admitted(Vec<Uuid>),
    Claimed(bool),
    Session(Option<Session>),
    Body(Option<Bytes>),
    Wait(Option<Duration>),
    /// The level, if it is news.
    QueueSize(Option<u32>),
    /// Ticket types whose stock is news, with their stock.
    Stock(Vec<(Uuid, u32)>),
    Sockets(Option<u64>),
    User(Option<Uuid>),
    Reservation(Box<Option<ReservationRow>>),
    Reservations(Vec<ReservationRow>),
    Receipt(Box<Option<Paid>>),
    Released(Vec<Released>),
    Expiry(Option<Duration>),
    Show(Option<ShowRow>),
    Seats(Option<Value>),
}

impl Reply {
    pub(super) fn place(place: Place) -> Self {
        Self::Place(match place {
            Place::Active { active } => Place::Active { active },
            Place::Waiting(status) => Place::Waiting(rounded(status)),
        })
    }

    pub(super) fn status(status: QueueStatus) -> Self {
        Self::Status(rounded(status))
    }
}

fn rounded(status: QueueStatus) -> QueueStatus {
    let rate = (status.rate / RATE_STEP).round() * RATE_STEP;
    QueueStatus { rate, ..status }
}

/// Everything that a data tier holds at the end of a case.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    /// Users in the waiting room of each show, in order.
    pub(super) queues: Vec<Vec<Uuid>>,
    /// Users with a shopping slot of each show.
    pub(super) active: Vec<BTreeSet<Uuid>>,
    pub(super) ledger: AdmissionLedger,
    pub(super) doors: Option<FinalDoors>,
    /// State of each seat, and the number of the reservation that has it.
    pub(super) seats: BTreeMap<String, (SeatState, Option<String>)>,
    pub(super) orders: Vec<PaidOrder>,
    pub(super) captures: Vec<Capture>,
    /// Seats held, and seats sold.
    pub(super) counts: (u64, u64),
}

/// What takes the place of the ids and numbers of reservations, which each tier makes in its own way: their order in the
/// case. A promoted PostgreSQL skips up to 32 values of a sequence.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    by_id: BTreeMap<Uuid, usize>,
}

impl Numbers {
    /// Numbers a new reservation.
    pub(super) fn add(&mut self, id: Uuid) {
        let next = self.by_id.len() + 1;
        self.by_id.insert(id, next);
    }

    pub(super) fn row(&self, mut row: ReservationRow) -> ReservationRow {
        row.number = self.name(row.id);
        row.id = Uuid::nil();
        row
    }

    /// An id that is the same on every tier.
    fn id(&self, id: Uuid) -> Uuid {
        Uuid::new_v5(&Uuid::nil(), self.name(id).as_bytes())
    }

    fn name(&self, id: Uuid) -> String {
        let number = self.by_id.get(&id);
        number.map_or_else(|| id.to_string(), |number| format!("#{number}"))
    }
}

impl State {
    /// Takes in what the database holds.
    pub(super) fn with_database(
        mut self,
        numbers: &Numbers,
        seats: Vec<FinalSeat>,
        orders: Vec<PaidOrder>,
        captures: Vec<Capture>,
    ) -> Self {
        let seats = seats.into_iter().map(|seat| {
            let place = format!("{} {}", seat.show, seat.label);
            (
                place,
                (seat.state, seat.reservation.map(|id| numbers.name(id))),
            )
        });
        self.seats = seats.collect();
        let orders = orders.into_iter().map(|order| PaidOrder {
            reservation: numbers.id(order.reservation),
            ..order
        });
        self.orders = orders.collect();
        let captures = captures.into_iter().map(|capture| Capture {
            reservation: numbers.id(capture.reservation),
            ..capture
        });
        self.captures = captures.collect();
        self
    }
}
