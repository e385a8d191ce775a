//! No login and no queue: holds and confirmations with idempotency keys, and a WebSocket that reports every seat.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::MutexGuard;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::{Server, Shared, answer, header};

/// The running server.
pub(crate) struct SeatFlow(Server<SeatFlowBooks>);

/// What it knows, for assertions.
#[derive(Debug)]
pub(crate) struct SeatFlowBooks {
    /// Holder of each seat, and whether the seat is paid.
    seats: BTreeMap<String, Option<(String, bool)>>,
    /// Seat of each reservation.
    reservations: BTreeMap<u64, String>,
    keys: BTreeSet<String>,
    pub(crate) paid: BTreeSet<String>,
    pub(crate) sockets: u32,
    pub(crate) reports: u32,
    pub(crate) conflicts: u32,
    pub(crate) looks: u32,
    pub(crate) complaints: Vec<String>,
    reports_tx: broadcast::Sender<String>,
}

impl SeatFlow {
    pub(crate) fn start(seats: usize) -> Self {
        let books = SeatFlowBooks {
            seats: (1..=seats).map(|seat| (format!("A{seat}"), None)).collect(),
            reservations: BTreeMap::new(),
            keys: BTreeSet::new(),
            paid: BTreeSet::new(),
            sockets: 0,
            reports: 0,
            conflicts: 0,
            looks: 0,
            complaints: Vec::new(),
            reports_tx: broadcast::channel(1_024).0,
        };
        let router = Router::new()
            .route("/api/shows/{id}/seats", get(seats_of))
            .route("/api/reservations/hold", post(hold))
            .route("/api/reservations/{id}/confirm", post(confirm))
            .route("/ws/seats/{id}", any(socket));
        Self(Server::start(
            books,
            router,
            Duration::from_secs(60),
            |_| {},
        ))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, SeatFlowBooks> {
        self.0.books.lock().unwrap()
    }
}

impl SeatFlowBooks {
    fn report(&mut self, seat: &str, status: &str, user: &str) {
        let report =
            json!({"seatId": seat, "status": status, "userId": user, "holdExpiresAt": null});
        self.reports += 1;
        self.reports_tx.send(report.to_string()).ok();
    }

    /// Notes an idempotency key, which must be new.
    fn note_key(&mut self, headers: &HeaderMap, place: &str) {
        let key = header(headers, "idempotency-key")
            .unwrap_or_default()
            .to_owned();
        if key.is_empty() || !self.keys.insert(key.clone()) {
            self.complaints
                .push(format!("{place} with the key `{key}`"));
        }
    }
}

fn done(data: Value) -> Response {
    let mut envelope = json!({"success": true, "error": null});
    envelope["data"] = data;
    answer(200, envelope)
}

fn failed(error: &str) -> Response {
    answer(200, json!({"success": false, "data": null, "error": error}))
}

async fn seats_of(State(books): State<Shared<SeatFlowBooks>>) -> Response {
    let mut books = books.lock().unwrap();
    books.looks += 1;
    let seats = books.seats.iter().map(|(id, holder)| {
        let status = match holder {
            None => "AVAILABLE",
            Some((_, false)) => "HOLD",
            Some((_, true)) => "CONFIRMED",
        };
        json!({"seatId": id, "status": status})
    });
    let seats: Vec<_> = seats.collect();
    done(json!({"showId": 1, "seats": seats}))
}

async fn hold(
    State(books): State<Shared<SeatFlowBooks>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut books = books.lock().unwrap();
    books.note_key(&headers, "hold");
    let (Some(1), Some(seat), Some(user)) = (
        body["showId"].as_u64(),
        body["seatId"].as_str(),
        body["userId"].as_str(),
    ) else {
        books.complaints.push(format!("hold {body}"));
        return failed("Invalid request");
    };
    match books.seats.get_mut(seat) {
        Some(holder @ None) => *holder = Some((user.to_owned(), false)),
        _ => {
            books.conflicts += 1;
            let words = format!("Seat {seat} is not available (current status: HOLD)");
            return failed(&words);
        }
    }
    let reservation = books.reservations.len() as u64 + 1;
    books.reservations.insert(reservation, seat.to_owned());
    books.report(seat, "HOLD", user);
    done(json!({"reservationId": reservation, "status": "HOLD"}))
}

async fn confirm(
    State(books): State<Shared<SeatFlowBooks>>,
    headers: HeaderMap,
    Path(reservation): Path<u64>,
) -> Response {
    let mut books = books.lock().unwrap();
    books.note_key(&headers, "confirm");
    let Some(seat) = books.reservations.get(&reservation).cloned() else {
        books.complaints.push(format!("confirm {reservation}"));
        return failed("Reservation not found");
    };
    let holder = books.seats.get_mut(&seat).and_then(Option::as_mut);
    let (user, is_paid) = holder.expect("a reservation holds its seat");
    *is_paid = true;
    let user = user.clone();
    books.paid.insert(seat.clone());
    books.report(&seat, "CONFIRMED", &user);
    done(json!({"status": "CONFIRMED"}))
}

async fn socket(
    State(books): State<Shared<SeatFlowBooks>>,
    Path(show): Path<u64>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let reports_rx = {
        let mut books = books.lock().unwrap();
        books.sockets += 1;
        if show != 1 {
            books.complaints.push(format!("socket of show {show}"));
        }
        books.reports_tx.subscribe()
    };
    upgrade.on_upgrade(|socket| async move {
        // It ends with an error when the buyer disconnects.
        talk(reports_rx, socket).await.ok();
    })
}

async fn talk(
    mut reports_rx: broadcast::Receiver<String>,
    mut socket: WebSocket,
) -> Result<(), axum::Error> {
    loop {
        tokio::select! {
            Ok(report) = reports_rx.recv() => socket.send(Message::text(report)).await?,
            heard = socket.recv() => if !matches!(heard, Some(Ok(_))) {
                return Ok(());
            },
        }
    }
}
