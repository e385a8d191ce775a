//! Locks of seats that may be queued (202 and a poll for the result), extended before the payment, which takes two calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::MutexGuard;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Server, Shared, answer, header};

const EVENT: u64 = 57;

pub(crate) struct EventBn(Server<Books>);

/// What the server knows, for assertions.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Locks: the user of each seat.
    seats: BTreeMap<u64, Option<String>>,
    locked_before: u32,
    /// Seat and user of each queued request, and how often its result was asked for.
    requests: BTreeMap<String, (u64, String, u32)>,
    pub(crate) queued: u32,
    pub(crate) extended: u32,
    pub(crate) released: u32,
    /// Seat of each payment that is not completed.
    payments: BTreeMap<String, u64>,
    pub(crate) paid: BTreeSet<u64>,
    pub(crate) complaints: Vec<String>,
}

impl EventBn {
    pub(crate) fn start(seats: u64) -> Self {
        let books = Books {
            seats: (1..=seats).map(|seat| (seat, None)).collect(),
            ..Books::default()
        };
        let locks = "/api/seat-locks/events/{id}/seats/{seat}";
        let router = Router::new()
            .route("/api/auth/login", post(login))
            .route("/api/events", get(events))
            .route("/api/events/{id}/seatmap", get(seat_map))
            .route(&format!("{locks}/hybrid/lock"), post(lock))
            .route(&format!("{locks}/lock"), delete(release))
            .route(&format!("{locks}/lock/extend"), put(extend))
            .route("/api/seat-locks/hybrid/requests/{id}/result", get(result))
            .route("/api/payments", post(pay))
            .route("/api/payments/{id}/status", put(complete));
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

impl Books {
    /// The user who has logged in; a complaint without one.
    fn user(&mut self, headers: &HeaderMap, place: &str) -> Option<String> {
        let user = header(headers, "authorization");
        let user = user.and_then(|value| value.strip_prefix("Bearer login-of-"));
        if user.is_none() {
            self.complaints.push(format!("{place} without a login"));
        }
        user.map(str::to_owned)
    }

    fn lock(&mut self, seat: u64, user: &str) -> bool {
        match self.seats.get_mut(&seat) {
            Some(holder @ None) => *holder = Some(user.to_owned()),
            _ => return false,
        }
        true
    }
}

async fn login(State(books): State<Shared<Books>>, Json(body): Json<Value>) -> Response {
    let Some(email) = body["email"].as_str() else {
        books
            .lock()
            .unwrap()
            .complaints
            .push(format!("login {body}"));
        return answer(400, json!({"success": false}));
    };
    answer(
        200,
        json!({"success": true, "token": format!("login-of-{email}")}),
    )
}

async fn events() -> Response {
    let events =
        json!([{"event_id": 56, "status": "CLOSED"}, {"event_id": EVENT, "status": "ACTIVE"}]);
    answer(200, json!({"success": true, "data": events}))
}

async fn seat_map(State(books): State<Shared<Books>>, Path(event): Path<u64>) -> Response {
    let mut books = books.lock().unwrap();
    if event != EVENT {
        books.complaints.push(format!("seats of {event}"));
    }
    // The map knows of sold seats, not of locks.
    let seats = books.seats.keys();
    let seats =
        seats.map(|id| json!({"id": id, "price": 80.0, "available": !books.paid.contains(id)}));
    let seats: Vec<_> = seats.collect();
    answer(200, json!({"success": true, "data": seats}))
}

async fn lock(
    State(books): State<Shared<Books>>,
    headers: HeaderMap,
    Path((_, seat)): Path<(u64, u64)>,
) -> Response {
    let mut books = books.lock().unwrap();
    let Some(user) = books.user(&headers, "lock") else {
        return answer(401, json!({"success": false}));
    };
    books.locked_before += 1;
    // Every other request has to wait.
    if books.locked_before % 2 == 0 {
        books.queued += 1;
        let id = format!("request-{}", books.queued);
        books.requests.insert(id.clone(), (seat, user, 0));
        return answer(
            202,
            json!({"success": false, "queued": true, "requestId": id}),
        );
    }
    if books.lock(seat, &user) {
        answer(200, json!({"success": true, "queued": false}))
    } else {
        answer(409, json!({"success": false, "queued": false}))
    }
}

async fn result(State(books): State<Shared<Books>>, Path(id): Path<String>) -> Response {
    let mut books = books.lock().unwrap();
    let Some((seat, user, polls)) = books.requests.get_mut(&id) else {
        books.complaints.push(format!("result of {id}"));
        return answer(404, json!({"success": false}));
    };
    *polls += 1;
    if *polls == 1 {
        return answer(408, json!({"success": false, "requestId": id}));
    }
    let (seat, user) = (*seat, user.clone());
    let is_locked = books.lock(seat, &user);
    answer(
        200,
        json!({"success": true, "requestId": id, "result": {"success": is_locked}}),
    )
}

async fn extend(
    State(books): State<Shared<Books>>,
    headers: HeaderMap,
    Path((_, seat)): Path<(u64, u64)>,
) -> Response {
    let mut books = books.lock().unwrap();
    let user = books.user(&headers, "extend");
    if user.is_none() || books.seats.get(&seat) != Some(&user) {
        books.complaints.push(format!("extend {seat} for {user:?}"));
        return answer(403, json!({"success": false}));
    }
    books.extended += 1;
    answer(200, json!({"success": true}))
}

async fn release(
    State(books): State<Shared<Books>>,
    Path((_, seat)): Path<(u64, u64)>,
) -> Response {
    let mut books = books.lock().unwrap();
    books.released += 1;
    books.seats.insert(seat, None);
    answer(200, json!({"success": true}))
}

async fn pay(
    State(books): State<Shared<Books>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut books = books.lock().unwrap();
    let user = books.user(&headers, "pay");
    let seat = body["selected_seats"][0]
        .as_str()
        .and_then(|seat| seat.parse().ok());
    let Some(seat) = seat.filter(|seat| user.is_some() && books.seats.get(seat) == Some(&user))
    else {
        books.complaints.push(format!("pay {body} for {user:?}"));
        return answer(400, json!({"success": false}));
    };
    let id = format!("payment-{seat}");
    books.payments.insert(id.clone(), seat);
    answer(
        201,
        json!({"success": true, "payment": {"payment_id": id, "status": "pending"}}),
    )
}

async fn complete(
    State(books): State<Shared<Books>>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let mut books = books.lock().unwrap();
    let Some(seat) = books
        .payments
        .remove(&id)
        .filter(|_| body["status"] == "completed")
    else {
        books.complaints.push(format!("complete {id} {body}"));
        return answer(404, json!({"success": false}));
    };
    books.paid.insert(seat);
    answer(200, json!({"success": true}))
}
