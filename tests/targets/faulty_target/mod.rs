//! A back end in memory with one planted fault, for tests of the verdict on a target.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use uuid::Uuid;

const SHOW: Uuid = Uuid::from_u128(0xE);

/// Seats of the show.
const SEATS: u128 = 200;

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Each hold and each payment succeeds, even if another buyer has the seat. The show has few seats.
    SoldTwice,
    /// Each hold is committed and then refused.
    ZombieHold,
    /// No queue processor runs.
    NobodyAdmitted,
    /// The queue processor drops every second buyer.
    Dropped,
    /// Each hold is refused, and nothing is held.
    HoldsRefused,
    /// The server knows no user.
    UnknownUser,
    /// Each third payment is booked and answered with an error.
    PaidButFailed,
    /// The seat map shows every seat as available, also sold ones.
    StaleMap,
}

/// The words of a programming error, with a terminal escape, markup and a token.
pub(crate) const WORDS: &str =
    "Cannot read properties of undefined <b>\u{1b}[31m eyJhbGciOiJIUzI1NiJ9.hush";

#[derive(Debug)]
struct Books {
    fault: Fault,
    places: usize,
    waiting: VecDeque<Uuid>,
    active: BTreeSet<Uuid>,
    seats: BTreeMap<Uuid, &'static str>,
    reservations: BTreeMap<Uuid, Uuid>,
    payments: u32,
    requests: u32,
}

/// A running server; dropping it stops the server and its thread.
pub(crate) struct FaultyTarget {
    pub(crate) url: String,
    shared: Shared,
    _stop_tx: tokio::sync::oneshot::Sender<()>,
}

#[derive(Clone)]
struct Shared {
    books: Arc<Mutex<Books>>,
    messages_tx: broadcast::Sender<String>,
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// Counts a request, and returns who sent it.
    fn note(&self, headers: &HeaderMap) -> (Uuid, MutexGuard<'_, Books>) {
        let token = headers["authorization"].to_str().unwrap();
        let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(&token[7..]).unwrap();
        let mut books = self.books();
        books.requests += 1;
        (claims["userId"].as_str().unwrap().parse().unwrap(), books)
    }
}

impl FaultyTarget {
    /// Serves a show with `places` shopping slots.
    pub(crate) fn start(fault: Fault, places: usize) -> Self {
        let seats = if fault == Fault::SoldTwice { 5 } else { SEATS };
        let seats = (0..seats).map(|n| (Uuid::from_u128(1_000 + n), "available"));
        let books = Books {
            fault,
            places,
            waiting: VecDeque::new(),
            active: BTreeSet::new(),
            seats: seats.collect(),
            reservations: BTreeMap::new(),
            payments: 0,
            requests: 0,
        };
        let shared = Shared {
            books: Arc::new(Mutex::new(books)),
            messages_tx: broadcast::channel(1_024).0,
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop_tx, stop_rx) = tokio::sync::oneshot::channel::<()>();
        let state = shared.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                if fault != Fault::NobodyAdmitted {
                    tokio::spawn(admit(state.clone()));
                }
                let serving = axum::serve(listener, router(state)).into_future();
                tokio::select! {
                    served = serving => served.unwrap(),
                    _ = stop_rx => {}
                }
            });
        });
        Self {
            url,
            shared,
            _stop_tx: stop_tx,
        }
    }

    /// Returns how many authorized requests arrived.
    pub(crate) fn requests(&self) -> u32 {
        self.shared.books().requests
    }
}

/// The queue processor: fills free places once per second.
async fn admit(shared: Shared) {
    for round in 0_u64.. {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut books = shared.books();
        let free = books.places.saturating_sub(books.active.len());
        let taken = free.min(books.waiting.len());
        let first: Vec<_> = books.waiting.drain(..taken).collect();
        for (place, user) in first.into_iter().enumerate() {
            let is_dropped = books.fault == Fault::Dropped && (round + place as u64) % 2 == 1;
            if is_dropped {
                continue;
            }
            books.active.insert(user);
            let body = json!(["queue-entry-allowed", {"userId": user, "message": "go"}]);
            shared.messages_tx.send(format!("42{body}")).ok();
        }
    }
}

fn router(shared: Shared) -> Router {
    let show = || json!({"id": SHOW, "title": "One <i>Night</i>", "status": "on_sale"});
    Router::new()
        .route(
            "/api/events",
            get(move || async move { Json(json!({"events": [show()]})) }),
        )
        .route(
            "/api/events/{id}",
            get(move || async move { Json(json!({"event": show()})) }),
        )
        .route("/api/queue/check/{id}", post(check))
        .route("/api/queue/status/{id}", get(status))
        .route("/api/queue/leave/{id}", post(leave))
        .route("/api/seats/events/{id}", get(seats))
        .route("/api/seats/reserve", post(reserve))
        .route("/api/payments/process", post(pay))
        .route("/socket.io/", any(socket))
        .with_state(shared)
}

fn no(code: StatusCode, words: &str) -> Response {
    (code, Json(json!({"error": words}))).into_response()
}

/// The answer about a buyer's place.
fn place(books: &Books, user: Uuid) -> Response {
    if books.fault == Fault::UnknownUser {
        return no(StatusCode::UNAUTHORIZED, "USER_NOT_FOUND");
    }
    let at = books.waiting.iter().position(|waiting| *waiting == user);
    Json(json!({
        "queued": at.is_some(),
        "position": at.map_or(0, |at| at + 1),
        "currentUsers": books.active.len(),
        "threshold": books.places,
    }))
    .into_response()
}

async fn check(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let (user, mut books) = shared.note(&headers);
    let is_known = books.waiting.contains(&user) || books.active.contains(&user);
    if !is_known && books.active.len() < books.places {
        books.active.insert(user);
    } else if !is_known {
        books.waiting.push_back(user);
    }
    place(&books, user)
}

async fn status(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let (user, books) = shared.note(&headers);
    place(&books, user)
}

async fn leave(State(shared): State<Shared>, headers: HeaderMap) -> Json<Value> {
    let (user, mut books) = shared.note(&headers);
    books.waiting.retain(|&waiting| waiting != user);
    books.active.remove(&user);
    Json(json!({"message": "bye"}))
}

async fn seats(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(_): Path<Uuid>,
) -> Json<Value> {
    let (_, books) = shared.note(&headers);
    let seats: Vec<_> = books
        .seats
        .iter()
        .map(|(id, status)| {
            let status = match books.fault {
                Fault::StaleMap => "available",
                _ => status,
            };
            json!({"id": id, "status": status})
        })
        .collect();
    Json(json!({"seats": seats}))
}

async fn reserve(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let (user, mut books) = shared.note(&headers);
    let seat: Uuid = body["seatIds"][0].as_str().unwrap().parse().unwrap();
    let fault = books.fault;
    if fault == Fault::HoldsRefused {
        return no(StatusCode::BAD_REQUEST, WORDS);
    }
    if !books.active.contains(&user) {
        return no(StatusCode::FORBIDDEN, "not admitted");
    }
    if fault != Fault::SoldTwice {
        match books.seats.get_mut(&seat) {
            Some(status) if *status == "available" => *status = "locked",
            _ => return no(StatusCode::BAD_REQUEST, "taken"),
        }
    }
    if fault == Fault::ZombieHold {
        return no(StatusCode::BAD_REQUEST, WORDS);
    }
    let reservation = Uuid::from_u128(5_000 + books.reservations.len() as u128);
    books.reservations.insert(reservation, seat);
    let answer = json!({"reservation": {"id": reservation}});
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn pay(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let (user, mut books) = shared.note(&headers);
    let reservation: Uuid = body["reservationId"].as_str().unwrap().parse().unwrap();
    let seat = books.reservations[&reservation];
    books.seats.insert(seat, "reserved");
    books.active.remove(&user);
    books.payments += 1;
    if books.fault == Fault::PaidButFailed && books.payments % 3 == 0 {
        return no(StatusCode::BAD_REQUEST, "payment failed");
    }
    Json(json!({"success": true})).into_response()
}

async fn socket(State(shared): State<Shared>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|socket| async move {
        // It ends with an error when the buyer disconnects.
        talk(shared, socket).await.ok();
    })
}

async fn talk(shared: Shared, mut socket: WebSocket) -> Result<(), axum::Error> {
    let mut messages_rx = shared.messages_tx.subscribe();
    let open = r#"0{"sid":"s","upgrades":[],"pingInterval":1000,"pingTimeout":20000}"#;
    socket.send(Message::text(open)).await?;
    let Some(Ok(Message::Text(_))) = socket.recv().await else {
        return Ok(());
    };
    socket.send(Message::text(r#"40{"sid":"t"}"#)).await?;
    let mut pings = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = pings.tick() => socket.send(Message::text("2")).await?,
            heard = socket.recv() => match heard {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
            Ok(message) = messages_rx.recv() => socket.send(Message::text(message)).await?,
        }
    }
}
