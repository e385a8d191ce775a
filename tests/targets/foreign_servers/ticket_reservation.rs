//! No queue and no login: zones, seats with UUIDs, and 409 for a taken seat.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::MutexGuard;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Server, Shared, answer};

const CONCERT: Uuid = Uuid::from_u128(0xC0);

pub(crate) struct TicketReservation(Server<Books>);

/// What the server knows, for assertions.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Session that has each seat, by zone.
    pub(crate) zones: BTreeMap<Uuid, BTreeMap<Uuid, Option<String>>>,
    /// Sessions that have looked at each zone.
    pub(crate) looks: BTreeMap<Uuid, u32>,
    reservations: BTreeMap<Uuid, Uuid>,
    pub(crate) paid: BTreeSet<Uuid>,
    pub(crate) cancelled: u32,
    pub(crate) conflicts: u32,
    /// A seat that somebody outside the run takes at the first attempt.
    pub(crate) is_first_lost: bool,
    pub(crate) complaints: Vec<String>,
}

impl TicketReservation {
    /// Serves so many seats in each of two zones.
    pub(crate) fn start(seats: u128) -> Self {
        let zone = |zone: u128| {
            let seats = (1..=seats).map(|seat| (Uuid::from_u128(zone * 1_000 + seat), None));
            (Uuid::from_u128(zone), seats.collect())
        };
        let books = Books {
            zones: [0xA, 0xB].map(zone).into(),
            ..Books::default()
        };
        let router = Router::new()
            .route("/concerts", get(concerts))
            .route("/concerts/{id}", get(concert))
            .route("/concerts/{id}/zones", get(zones))
            .route("/concerts/{id}/zones/{zone}/seats", get(seats_in))
            .route(
                "/concerts/{id}/zones/{zone}/seats/{seat}/reserve",
                post(reserve),
            )
            .route("/reservations/{id}", delete(cancel))
            .route("/reservations/{id}/pay", post(pay));
        Self(Server::start(
            books,
            router,
            Duration::from_secs(3_600),
            |_| {},
        ))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.0.books.lock().unwrap()
    }
}

fn data(status: u16, data: Value) -> Response {
    let mut envelope = json!({"code": format!("TR-{status}000")});
    envelope["data"] = data;
    answer(status, envelope)
}

async fn concerts() -> Response {
    data(
        200,
        json!([{"id": CONCERT, "name": "Concert", "venue": "Hall"}]),
    )
}

async fn concert(Path(id): Path<Uuid>) -> Response {
    data(200, json!({"id": id}))
}

async fn zones(State(books): State<Shared<Books>>) -> Response {
    let books = books.lock().unwrap();
    let zones = books
        .zones
        .keys()
        .map(|id| json!({"id": id, "name": "Zone"}));
    let zones: Vec<_> = zones.collect();
    data(200, json!(zones))
}

async fn seats_in(
    State(books): State<Shared<Books>>,
    Path((_, zone)): Path<(Uuid, Uuid)>,
) -> Response {
    let mut books = books.lock().unwrap();
    *books.looks.entry(zone).or_default() += 1;
    let seats = books.zones[&zone].iter();
    let seats = seats.map(|(id, session)| {
        let status = match session {
            None => "available",
            Some(_) if books.paid.contains(id) => "booked",
            Some(_) => "pending",
        };
        json!({"id": id, "zone_id": zone, "status": status})
    });
    let seats: Vec<_> = seats.collect();
    data(200, json!(seats))
}

async fn reserve(
    State(books): State<Shared<Books>>,
    Path((_, zone, seat)): Path<(Uuid, Uuid, Uuid)>,
    Json(body): Json<Value>,
) -> Response {
    let mut books = books.lock().unwrap();
    let Some(session) = body["session_id"].as_str().map(str::to_owned) else {
        books.complaints.push(format!("reserve {body}"));
        return data(400, Value::Null);
    };
    if std::mem::take(&mut books.is_first_lost) {
        books.conflicts += 1;
        return data(409, Value::Null);
    }
    let seats = books.zones.get_mut(&zone);
    match seats.and_then(|seats| seats.get_mut(&seat)) {
        Some(holder @ None) => *holder = Some(session),
        Some(Some(_)) => {
            books.conflicts += 1;
            return data(409, Value::Null);
        }
        None => {
            books.complaints.push(format!("seat {seat} in zone {zone}"));
            return data(404, Value::Null);
        }
    }
    let reservation = Uuid::from_u128(seat.as_u128() + 1_000_000);
    books.reservations.insert(reservation, seat);
    data(
        200,
        json!({"reservation_id": reservation, "seat_id": seat, "status": "pending"}),
    )
}

async fn pay(State(books): State<Shared<Books>>, Path(reservation): Path<Uuid>) -> Response {
    let mut books = books.lock().unwrap();
    let Some(seat) = books.reservations.get(&reservation).copied() else {
        books.complaints.push(format!("pay {reservation}"));
        return data(404, Value::Null);
    };
    books.paid.insert(seat);
    data(
        200,
        json!({"reservation_id": reservation, "status": "paid"}),
    )
}

async fn cancel(State(books): State<Shared<Books>>, Path(_): Path<Uuid>) -> Response {
    books.lock().unwrap().cancelled += 1;
    data(200, Value::Null)
}
