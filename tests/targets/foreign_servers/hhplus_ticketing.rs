//! Performances between a concert and its seats, a queue token as bearer, every response in an envelope.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::MutexGuard;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Server, Shared, answer, header};

/// The concert that is sold.
const CONCERT: u64 = 10;

pub(crate) struct HhplusTicketing(Server<Books>);

/// What the server knows, for assertions.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) points: BTreeMap<u64, u64>,
    waiting: VecDeque<String>,
    active: BTreeSet<String>,
    /// Seats of each performance, with whether each is taken.
    performances: BTreeMap<u64, BTreeMap<u64, bool>>,
    /// Performances whose seats buyers have looked at.
    pub(crate) looked_at: BTreeSet<u64>,
    pub(crate) paid: BTreeSet<u64>,
    pub(crate) complaints: Vec<String>,
}

impl HhplusTicketing {
    /// Serves so many seats in each of three performances; a fourth one has none left.
    pub(crate) fn start(seats: u64, admit_every: Duration) -> Self {
        let seats_of = |performance: u64| {
            let seats = 1..=seats;
            seats
                .map(|seat| (performance * 100 + seat, performance == 4))
                .collect()
        };
        let books = Books {
            performances: (1..=4).map(|number| (number, seats_of(number))).collect(),
            ..Books::default()
        };
        let router = Router::new()
            .route("/v1/user/{id}/points", post(charge))
            .route("/v1/queue/tokens", post(enter).get(state))
            .route("/v1/concerts/{id}/performances", get(performances))
            .route(
                "/v1/concerts/{id}/performances/{performance}/seats",
                get(seats_in),
            )
            .route("/v1/concerts/{id}/reservations", post(reserve))
            .route("/v1/payments", post(pay));
        Self(Server::start(books, router, admit_every, |books| {
            let next = books.waiting.pop_front();
            books.active.extend(next);
        }))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.0.books.lock().unwrap()
    }
}

fn data(status: u16, data: Value) -> Response {
    let mut envelope = json!({"stateCode": status.to_string(), "message": ""});
    envelope["data"] = data;
    answer(status, envelope)
}

impl Books {
    /// Whether the queue token is that of an admitted buyer; a complaint if not.
    fn is_active(&mut self, headers: &HeaderMap, place: &str) -> bool {
        let token =
            header(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
        let is_active = token.is_some_and(|token| self.active.contains(token));
        if !is_active {
            self.complaints.push(format!("{place} with {token:?}"));
        }
        is_active
    }
}

async fn charge(
    State(books): State<Shared<Books>>,
    Path(user): Path<u64>,
    Json(body): Json<Value>,
) -> Response {
    let amount = body["amount"].as_u64().unwrap_or(0);
    *books.lock().unwrap().points.entry(user).or_default() += amount;
    answer(204, Value::Null)
}

async fn enter(State(books): State<Shared<Books>>, Json(body): Json<Value>) -> Response {
    let mut books = books.lock().unwrap();
    let Some(user) = body["userUid"]
        .as_str()
        .filter(|_| body["concertId"] == CONCERT)
    else {
        books.complaints.push(format!("enter {body}"));
        return data(400, Value::Null);
    };
    let token = format!("queue.token.{user}");
    books.waiting.push_back(token.clone());
    data(
        201,
        json!({"queueToken": token, "dateTime": "2026-01-01 10:00:00"}),
    )
}

async fn state(State(books): State<Shared<Books>>, headers: HeaderMap) -> Response {
    let mut books = books.lock().unwrap();
    let token = header(&headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    let Some(token) = token.map(str::to_owned) else {
        books.complaints.push("state without a token".to_owned());
        return data(401, Value::Null);
    };
    let place = books.waiting.iter().position(|waiting| *waiting == token);
    let state = match place {
        Some(_) => "Wait",
        None if books.active.contains(&token) => "Active",
        None => "Expire",
    };
    data(200, json!({"waitingNumber": place, "state": state}))
}

async fn performances(
    State(books): State<Shared<Books>>,
    headers: HeaderMap,
    Path(concert): Path<u64>,
) -> Response {
    let mut books = books.lock().unwrap();
    if !books.is_active(&headers, "performances") || concert != CONCERT {
        return data(401, Value::Null);
    }
    let all = books.performances.iter().map(|(id, seats)| {
        let is_left = seats.values().any(|is_taken| !is_taken);
        let state = if is_left { "Available" } else { "Deadline" };
        json!({"id": id, "concertId": concert, "state": state})
    });
    let all: Vec<_> = all.collect();
    data(200, json!({"totalCount": all.len(), "results": all}))
}

async fn seats_in(
    State(books): State<Shared<Books>>,
    headers: HeaderMap,
    Path((_, performance)): Path<(u64, u64)>,
) -> Response {
    let mut books = books.lock().unwrap();
    if !books.is_active(&headers, "seats") {
        return data(401, Value::Null);
    }
    books.looked_at.insert(performance);
    let Some(seats) = books.performances.get(&performance) else {
        return data(404, Value::Null);
    };
    let all = seats.iter().map(|(id, is_taken)| {
        let state = if *is_taken { "Reserved" } else { "Available" };
        json!({"id": id, "position": id % 100, "amount": 50_000, "state": state})
    });
    let all: Vec<_> = all.collect();
    data(200, json!({"totalCount": all.len(), "results": all}))
}

async fn reserve(
    State(books): State<Shared<Books>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut books = books.lock().unwrap();
    if !books.is_active(&headers, "reserve") {
        return data(401, Value::Null);
    }
    let (performance, seat) = (body["performanceId"].as_u64(), body["seatId"].as_u64());
    let (Some(performance), Some(seat)) = (performance, seat) else {
        books.complaints.push(format!("reserve {body}"));
        return data(400, Value::Null);
    };
    let seats = books.performances.get_mut(&performance);
    match seats.and_then(|seats| seats.get_mut(&seat)) {
        Some(is_taken @ false) => *is_taken = true,
        Some(true) => return data(409, Value::Null),
        None => {
            books.complaints.push(format!("reserve {body}"));
            return data(404, Value::Null);
        }
    }
    data(201, json!({"reservationId": seat}))
}

async fn pay(
    State(books): State<Shared<Books>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut books = books.lock().unwrap();
    if !books.is_active(&headers, "pay") {
        return data(401, Value::Null);
    }
    let Some(reservation) = body["reservationId"].as_u64() else {
        books.complaints.push(format!("pay {body}"));
        return data(400, Value::Null);
    };
    books.paid.insert(reservation);
    data(201, json!({"paymentId": reservation + 1_000}))
}
