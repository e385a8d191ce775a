//! Small servers in the shapes of other people's ticketing back ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use serde_json::{Value, json};

mod event_bn;
mod hhplus_ticketing;
mod nest_queue;
mod seat_flow;
mod ticket_reservation;
mod ticketon;
mod waiting_room;

pub(crate) use event_bn::EventBn;
pub(crate) use hhplus_ticketing::HhplusTicketing;
pub(crate) use nest_queue::NestQueue;
pub(crate) use seat_flow::SeatFlow;
pub(crate) use ticket_reservation::TicketReservation;
pub(crate) use ticketon::Ticketon;
pub(crate) use waiting_room::WaitingRoom;

/// A running server on loopback; it ends with the test's process.
struct Server<B> {
    address: SocketAddr,
    books: Shared<B>,
}

type Shared<B> = Arc<Mutex<B>>;

/// How often somebody is admitted, and by what.
type Admission<B> = (Duration, fn(&mut B));

impl<B: Send + 'static> Server<B> {
    /// Serves `router`, and calls `admit` at this interval.
    fn start(books: B, router: Router<Shared<B>>, every: Duration, admit: fn(&mut B)) -> Self {
        let books = Arc::new(Mutex::new(books));
        Self::serve(books, router, Some((every, admit)))
    }

    /// Serves another router on the same books.
    fn beside(books: Shared<B>, router: Router<Shared<B>>) -> Self {
        Self::serve(books, router, None)
    }

    fn serve(books: Shared<B>, router: Router<Shared<B>>, admission: Option<Admission<B>>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::clone(&books);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let admitted = Arc::clone(&state);
                if let Some((every, admit)) = admission {
                    tokio::spawn(async move {
                        loop {
                            tokio::time::sleep(every).await;
                            admit(&mut admitted.lock().unwrap());
                        }
                    });
                }
                axum::serve(listener, router.with_state(state))
                    .await
                    .unwrap();
            });
        });
        Self { address, books }
    }
}

/// A header of a request as text.
fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn answer(status: u16, body: Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

/// Numeric ids, points, and a queue token that is the only credential.
pub(crate) struct ConcertReservation(Server<ConcertBooks>);

/// What that server knows, for assertions.
#[derive(Debug, Default)]
pub(crate) struct ConcertBooks {
    /// Users whose points were charged, and how much.
    pub(crate) charged: BTreeMap<u64, u64>,
    /// Holder of each seat.
    seats: BTreeMap<u64, Option<u64>>,
    /// Seat of each reservation.
    reservations: BTreeMap<u64, u64>,
    /// Seats that are paid.
    pub(crate) paid: BTreeSet<u64>,
    pub(crate) polls: u32,
    /// Whether a seat is held and sold as often as it is asked for.
    pub(crate) sells_twice: bool,
    /// Requests that were not as they should be.
    pub(crate) complaints: Vec<String>,
    waiting: VecDeque<u64>,
    active: BTreeSet<u64>,
}

/// The schedule that is sold.
const SCHEDULE: u64 = 41;

impl ConcertReservation {
    pub(crate) fn start(seats: u64, admit_every: Duration) -> Self {
        let books = ConcertBooks {
            seats: (1..=seats).map(|seat| (seat, None)).collect(),
            ..ConcertBooks::default()
        };
        let router = Router::new()
            .route("/points/charge", patch(Self::charge))
            .route("/concerts/schedules", get(Self::schedules))
            .route("/queue/token", post(Self::token))
            .route("/queue/validate", get(Self::validate))
            .route("/concerts/schedules/{id}/seats", get(Self::seats))
            .route("/reservations", post(Self::reserve))
            .route("/payments", post(Self::pay));
        let admit = |books: &mut ConcertBooks| {
            let next = books.waiting.pop_front();
            books.active.extend(next);
        };
        Self(Server::start(books, router, admit_every, admit))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, ConcertBooks> {
        self.0.books.lock().unwrap()
    }

    async fn charge(
        State(books): State<Shared<ConcertBooks>>,
        Json(body): Json<Value>,
    ) -> Response {
        let mut books = books.lock().unwrap();
        let (user, amount) = (body["userId"].as_u64(), body["amount"].as_u64());
        let (Some(user), Some(amount)) = (user, amount) else {
            books.complaints.push(format!("charge {body}"));
            return answer(400, json!({"message": "userId must be a number"}));
        };
        *books.charged.entry(user).or_default() += amount;
        answer(200, json!({"balance": amount}))
    }

    async fn schedules() -> Response {
        answer(
            200,
            json!({"schedules": [{"id": 40, "leftSeats": 0}, {"id": SCHEDULE, "leftSeats": 9}]}),
        )
    }

    async fn token(State(books): State<Shared<ConcertBooks>>, Json(body): Json<Value>) -> Response {
        let mut books = books.lock().unwrap();
        let Some(user) = body["userId"].as_u64() else {
            books.complaints.push(format!("token {body}"));
            return answer(400, json!({}));
        };
        books.waiting.push_back(user);
        let token = format!("queue-token-of-{user}");
        answer(201, json!({"token": token, "status": "WAITING"}))
    }

    /// The user of the queue token; a complaint without one.
    fn user(books: &mut ConcertBooks, headers: &HeaderMap, place: &str) -> Option<u64> {
        let token = headers
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        let user = token.and_then(|token| token.strip_prefix("queue-token-of-")?.parse().ok());
        if user.is_none() {
            books.complaints.push(format!("{place} with {token:?}"));
        }
        user
    }

    async fn validate(State(books): State<Shared<ConcertBooks>>, headers: HeaderMap) -> Response {
        let mut books = books.lock().unwrap();
        books.polls += 1;
        let Some(user) = Self::user(&mut books, &headers, "validate") else {
            return answer(401, json!({}));
        };
        if books.active.contains(&user) {
            return answer(200, json!({"status": "ACTIVE"}));
        }
        answer(200, json!({"status": "WAITING", "retryAfterMs": 250}))
    }

    async fn seats(
        State(books): State<Shared<ConcertBooks>>,
        headers: HeaderMap,
        Path(schedule): Path<u64>,
    ) -> Response {
        let mut books = books.lock().unwrap();
        let user = Self::user(&mut books, &headers, "seats");
        if user.is_none_or(|user| !books.active.contains(&user)) || schedule != SCHEDULE {
            books
                .complaints
                .push(format!("seats of {schedule} for {user:?}"));
            return answer(403, json!({}));
        }
        let seats: Vec<_> = books
            .seats
            .iter()
            .map(|(id, holder)| {
                let status = match holder {
                    None => "OPEN",
                    Some(_) if books.sells_twice => "OPEN",
                    Some(_) if books.paid.contains(id) => "SOLD",
                    Some(_) => "HELD",
                };
                json!({"id": id, "status": status, "price": 1_000})
            })
            .collect();
        answer(200, json!({"seats": seats}))
    }

    async fn reserve(
        State(books): State<Shared<ConcertBooks>>,
        headers: HeaderMap,
        Json(body): Json<Value>,
    ) -> Response {
        let mut books = books.lock().unwrap();
        let user = Self::user(&mut books, &headers, "reserve");
        let seat = body["seatId"].as_u64();
        let (Some(user), Some(seat)) = (user, seat) else {
            books.complaints.push(format!("reserve {body}"));
            return answer(400, json!({}));
        };
        assert_eq!(body["scheduleId"], json!(SCHEDULE));
        if books.seats[&seat].is_some() && !books.sells_twice {
            return answer(409, json!({"message": "taken"}));
        }
        books.seats.insert(seat, Some(user));
        let id = 9_000_000_000_000 + books.reservations.len() as u64;
        books.reservations.insert(id, seat);
        answer(201, json!({"reservation": {"id": id, "price": 1_000}}))
    }

    async fn pay(
        State(books): State<Shared<ConcertBooks>>,
        headers: HeaderMap,
        Json(body): Json<Value>,
    ) -> Response {
        let mut books = books.lock().unwrap();
        let user = Self::user(&mut books, &headers, "pay");
        let reservation = body["reservationId"].as_u64();
        let seat = reservation.and_then(|id| books.reservations.get(&id).copied());
        let is_own = |seat: &u64| books.seats[seat] == user || books.sells_twice;
        let Some(seat) = seat.filter(is_own) else {
            books.complaints.push(format!("pay {body}"));
            return answer(409, json!({}));
        };
        books.paid.insert(seat);
        answer(201, json!({"payment": {"price": 1_000, "paid": 1_000}}))
    }
}

/// Users by header, a token in query and body, tiers instead of seats, holds in the background, two calls to pay.
pub(crate) struct TicketDrop(Server<DropBooks>);

/// What that server knows, for assertions.
#[derive(Debug, Default)]
pub(crate) struct DropBooks {
    left: u64,
    /// Users by the token of the waiting room.
    tokens: BTreeMap<String, String>,
    waiting: VecDeque<String>,
    active: BTreeSet<String>,
    /// Reservations, with whether the result was asked for.
    requests: BTreeMap<String, u32>,
    pub(crate) pending_polls: u32,
    /// Idempotency keys of payments.
    pub(crate) paid: BTreeSet<String>,
    pub(crate) cancelled: u32,
    /// Whether the confirmation says something unknown.
    pub(crate) hides_payment: bool,
    /// Whether holds and confirmations need a signature, which names the user.
    pub(crate) wants_signature: bool,
    pub(crate) complaints: Vec<String>,
}

impl DropBooks {
    fn check_signature(&mut self, headers: &HeaderMap, place: &str) {
        let (user, signature) = (header(headers, "x-user-id"), header(headers, "x-signature"));
        let expected = user.map(|user| format!("v1:{user}"));
        if self.wants_signature && signature != expected.as_deref() {
            self.complaints
                .push(format!("{place} of {user:?} with {signature:?}"));
        }
    }
}

impl TicketDrop {
    pub(crate) fn start(left: u64, admit_every: Duration) -> Self {
        let books = DropBooks {
            left,
            ..DropBooks::default()
        };
        let router = Router::new()
            .route("/api/events", get(Self::events))
            .route("/api/events/{id}", get(Self::event))
            .route("/api/waiting-room/join", post(Self::join))
            .route("/api/waiting-room/status", get(Self::status))
            .route("/api/reservations", post(Self::reserve))
            .route("/api/reservations/{id}", delete(Self::cancel))
            .route("/api/reservations/requests/{id}", get(Self::result))
            .route("/api/checkout/session", post(Self::session))
            .route("/api/checkout/confirm", post(Self::confirm));
        let admit = |books: &mut DropBooks| {
            let next = books.waiting.pop_front();
            books.active.extend(next);
        };
        Self(Server::start(books, router, admit_every, admit))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, DropBooks> {
        self.0.books.lock().unwrap()
    }

    async fn events() -> Response {
        answer(
            200,
            json!([{"id": "old-show", "state": "over"}, {"id": "show-of-the-year-2026", "state": "on_sale"}]),
        )
    }

    async fn event(Path(id): Path<String>) -> Response {
        answer(
            200,
            json!({"id": id, "tiers": [{"id": "tier-standing", "price": "55.00"}]}),
        )
    }

    async fn join(
        State(books): State<Shared<DropBooks>>,
        headers: HeaderMap,
        Json(body): Json<Value>,
    ) -> Response {
        let mut books = books.lock().unwrap();
        let user = headers
            .get("x-user-id")
            .and_then(|value| value.to_str().ok());
        let Some(user) = user.filter(|_| body["eventId"] == "show-of-the-year-2026") else {
            books
                .complaints
                .push(format!("join {body} with {headers:?}"));
            return answer(400, json!({}));
        };
        let token = format!("place of {user}/&?");
        books.tokens.insert(token.clone(), user.to_owned());
        books.waiting.push_back(token.clone());
        answer(201, json!({"token": token, "canEnter": false}))
    }

    async fn status(
        State(books): State<Shared<DropBooks>>,
        Query(query): Query<BTreeMap<String, String>>,
    ) -> Response {
        let mut books = books.lock().unwrap();
        let token = query.get("token").cloned().unwrap_or_default();
        if !books.tokens.contains_key(&token) {
            books.complaints.push(format!("status {query:?}"));
            return answer(404, json!({}));
        }
        let can_enter = books.active.contains(&token);
        let retry = [("retry-after", "1")];
        (retry, answer(200, json!({"canEnter": can_enter}))).into_response()
    }

    async fn reserve(
        State(books): State<Shared<DropBooks>>,
        headers: HeaderMap,
        Json(body): Json<Value>,
    ) -> Response {
        let mut books = books.lock().unwrap();
        books.check_signature(&headers, "reserve");
        let token = body["token"].as_str().unwrap_or_default();
        if !books.active.contains(token) || body["tierId"] != "tier-standing" {
            books.complaints.push(format!("reserve {body}"));
            return answer(403, json!({}));
        }
        if books.left == 0 {
            return answer(409, json!({"left": 0}));
        }
        books.left -= 1;
        let id = format!("request-{}", books.requests.len());
        books.requests.insert(id.clone(), 0);
        answer(202, json!({"requestId": id}))
    }

    async fn result(State(books): State<Shared<DropBooks>>, Path(id): Path<String>) -> Response {
        let mut books = books.lock().unwrap();
        let Some(polls) = books.requests.get_mut(&id) else {
            books.complaints.push(format!("result of {id}"));
            return answer(404, json!({}));
        };
        *polls += 1;
        if *polls == 1 {
            books.pending_polls += 1;
            return answer(200, json!({"state": "pending", "pollAfterMs": 100}));
        }
        let reservation = format!("reservation-of-{id}");
        answer(200, json!({"state": "held", "reservationId": reservation}))
    }

    async fn session(State(books): State<Shared<DropBooks>>, Json(body): Json<Value>) -> Response {
        let mut books = books.lock().unwrap();
        let reservation = body["reservationId"].as_str().unwrap_or_default();
        let request = reservation.strip_prefix("reservation-of-");
        if request.is_none_or(|request| !books.requests.contains_key(request)) {
            books.complaints.push(format!("session {body}"));
            return answer(404, json!({}));
        }
        answer(
            201,
            json!({"session": {"id": format!("session/{reservation}")}}),
        )
    }

    async fn confirm(
        State(books): State<Shared<DropBooks>>,
        headers: HeaderMap,
        Json(body): Json<Value>,
    ) -> Response {
        let mut books = books.lock().unwrap();
        books.check_signature(&headers, "confirm");
        let key = header(&headers, "idempotency-key");
        let session = body["sessionId"].as_str().unwrap_or_default();
        let reservation = session.strip_prefix("session/").unwrap_or("none");
        let Some(key) = key.filter(|key| key.ends_with(reservation)) else {
            books
                .complaints
                .push(format!("confirm {body} with {headers:?}"));
            return answer(400, json!({}));
        };
        if books.hides_payment {
            return answer(200, json!({"status": "weird", "accessToken": "hush"}));
        }
        books.paid.insert(key.to_owned());
        answer(200, json!({"status": "paid"}))
    }

    async fn cancel(State(books): State<Shared<DropBooks>>, Path(_): Path<String>) -> Response {
        books.lock().unwrap().cancelled += 1;
        answer(204, Value::Null)
    }
}
