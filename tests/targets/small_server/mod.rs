//! A minimal back end for tests of the load worker: a waiting room, a few seats, hand-written Engine.IO frames.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
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

/// The one show.
pub(crate) const SHOW: Uuid = Uuid::from_u128(0xE);

/// The state of the server, for assertions.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) waiting: VecDeque<Uuid>,
    pub(crate) active: BTreeSet<Uuid>,
    /// Holder of each seat, and whether it is paid for.
    pub(crate) seats: BTreeMap<Uuid, Option<(Uuid, bool)>>,
    pub(crate) reservations: BTreeMap<Uuid, Uuid>,
    pub(crate) requests: BTreeMap<&'static str, u32>,
    pub(crate) joined_queue: u32,
    pub(crate) joined_seats: u32,
    pub(crate) cookies_seen: u32,
}

/// A running server; dropping it stops the server and its thread.
pub(crate) struct SmallServer {
    pub(crate) address: SocketAddr,
    shared: Shared,
    _stop_tx: tokio::sync::oneshot::Sender<()>,
}

#[derive(Clone)]
struct Shared {
    books: Arc<Mutex<Books>>,
    messages_tx: broadcast::Sender<String>,
    /// Closes all sockets.
    cut_tx: broadcast::Sender<()>,
}

impl SmallServer {
    /// Serves `seats` seats and admits one waiting buyer every `admit_every`. Everybody has to wait.
    pub(crate) fn start(seats: u128, admit_every: Duration) -> Self {
        Self::serve("127.0.0.1:0", seats, admit_every, |router| router)
    }

    /// As [`Self::start`], at an address and with other routes.
    pub(crate) fn serve(
        address: &str,
        seats: u128,
        admit_every: Duration,
        routes: impl FnOnce(Router) -> Router + Send + 'static,
    ) -> Self {
        let seats = (0..seats).map(|n| (Uuid::from_u128(1_000 + n), None));
        let books = Books {
            seats: seats.collect(),
            ..Books::default()
        };
        let shared = Shared {
            books: Arc::new(Mutex::new(books)),
            messages_tx: broadcast::channel(1_024).0,
            cut_tx: broadcast::channel(8).0,
        };
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop_tx, stop_rx) = tokio::sync::oneshot::channel::<()>();
        let state = shared.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::spawn(admit(state.clone(), admit_every));
                let serving = axum::serve(listener, routes(router(state))).into_future();
                tokio::select! {
                    served = serving => served.unwrap(),
                    _ = stop_rx => {}
                }
            });
        });
        Self {
            address,
            shared,
            _stop_tx: stop_tx,
        }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.shared.books.lock().unwrap()
    }

    /// Returns when `buyers` have joined the queue's room. Each of them knows by then that its socket is open, which
    /// this server knows earlier.
    pub(crate) fn wait_until_joined(&self, buyers: u32) {
        while self.books().joined_queue < buyers {
            std::thread::yield_now();
        }
    }

    pub(crate) fn cut_sockets(&self) {
        self.shared.cut_tx.send(()).ok();
    }
}

async fn admit(shared: Shared, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let admitted = {
            let mut books = shared.books.lock().unwrap();
            let first = books.waiting.pop_front();
            books.active.extend(first);
            first
        };
        if let Some(user) = admitted {
            let body = json!(["queue-entry-allowed", {"userId": user, "message": "go"}]);
            shared.messages_tx.send(format!("42{body}")).ok();
        }
        let now = jiff::Timestamp::now();
        let body = json!(["queue-updated", {"queueSize": 1, "timestamp": now.to_string()}]);
        shared.messages_tx.send(format!("42{body}")).ok();
    }
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route(
            "/api/events",
            get(|| async { Json(json!({"events": [{"id": SHOW, "status": "on_sale"}]})) }),
        )
        .route(
            "/api/events/{id}",
            get(|| async { Json(json!({"event": {"id": SHOW}})) }),
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

fn user_of(headers: &HeaderMap) -> Uuid {
    let token = headers["authorization"].to_str().unwrap();
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(&token[7..]).unwrap();
    claims["userId"].as_str().unwrap().parse().unwrap()
}

impl Shared {
    /// Counts a request, and whether it has the sticky cookie.
    fn note(&self, name: &'static str, headers: &HeaderMap) -> (Uuid, MutexGuard<'_, Books>) {
        let mut books = self.books.lock().unwrap();
        *books.requests.entry(name).or_default() += 1;
        let has_cookie = headers
            .get("cookie")
            .is_some_and(|cookie| cookie == "AWSALB=one");
        books.cookies_seen += u32::from(has_cookie);
        (user_of(headers), books)
    }
}

async fn check(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let (user, mut books) = shared.note("check", &headers);
    let is_known = books.waiting.contains(&user) || books.active.contains(&user);
    if !is_known {
        books.waiting.push_back(user);
    }
    let queued = !books.active.contains(&user);
    let cookie = [("set-cookie", "AWSALB=one; Path=/")];
    (cookie, Json(json!({"queued": queued, "position": 1}))).into_response()
}

async fn status(State(shared): State<Shared>, headers: HeaderMap) -> Json<Value> {
    let (user, books) = shared.note("status", &headers);
    Json(json!({"queued": books.waiting.contains(&user)}))
}

async fn leave(State(shared): State<Shared>, headers: HeaderMap) -> Json<Value> {
    let (user, mut books) = shared.note("leave", &headers);
    books.waiting.retain(|&waiting| waiting != user);
    books.active.remove(&user);
    Json(json!({"message": "bye"}))
}

async fn seats(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(_): Path<Uuid>,
) -> Json<Value> {
    let (_, books) = shared.note("seats", &headers);
    let seats: Vec<_> = books
        .seats
        .iter()
        .map(|(id, holder)| {
            let status = match holder {
                None => "available",
                Some((_, false)) => "locked",
                Some((_, true)) => "reserved",
            };
            json!({"id": id, "section": "A", "price": "1000", "status": status})
        })
        .collect();
    Json(json!({"event": {"id": SHOW}, "seats": seats}))
}

async fn reserve(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let (user, mut books) = shared.note("reserve", &headers);
    let seat: Uuid = body["seatIds"][0].as_str().unwrap().parse().unwrap();
    assert_eq!(body["eventId"], json!(SHOW));
    match books.seats.get_mut(&seat) {
        Some(holder @ None) => *holder = Some((user, false)),
        _ => return (StatusCode::BAD_REQUEST, Json(json!({"error": "taken"}))).into_response(),
    }
    let reservation = Uuid::from_u128(seat.as_u128() + 1_000_000);
    books.reservations.insert(reservation, seat);
    let answer = json!({"reservation": {"id": reservation, "totalAmount": 1000}});
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn pay(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Json<Value> {
    let (user, mut books) = shared.note("pay", &headers);
    let reservation: Uuid = body["reservationId"].as_str().unwrap().parse().unwrap();
    let seat = books.reservations[&reservation];
    assert_eq!(books.seats[&seat].map(|(holder, _)| holder), Some(user));
    books.seats.insert(seat, Some((user, true)));
    books.active.remove(&user);
    Json(json!({"success": true, "payment": {}}))
}

async fn socket(
    State(shared): State<Shared>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    drop(shared.note("socket", &headers));
    upgrade.on_upgrade(|socket| async move {
        // It ends with an error when the buyer disconnects.
        talk(shared, socket).await.ok();
    })
}

async fn talk(shared: Shared, mut socket: WebSocket) -> Result<(), axum::Error> {
    let mut messages_rx = shared.messages_tx.subscribe();
    let mut cut_rx = shared.cut_tx.subscribe();
    let open = r#"0{"sid":"s","upgrades":[],"pingInterval":300,"pingTimeout":1000,"maxPayload":1}"#;
    socket.send(Message::text(open)).await?;
    let Some(Ok(Message::Text(hello))) = socket.recv().await else {
        return Ok(());
    };
    let token: Value = serde_json::from_str(hello.strip_prefix("40").unwrap()).unwrap();
    assert!(token["token"].as_str().unwrap().contains('.'));
    socket.send(Message::text(r#"40{"sid":"t"}"#)).await?;
    let mut is_in_queue_room = false;
    let mut pings = tokio::time::interval(Duration::from_millis(300));
    loop {
        tokio::select! {
            _ = cut_rx.recv() => return Ok(()),
            _ = pings.tick() => socket.send(Message::text("2")).await?,
            heard = socket.recv() => match heard {
                Some(Ok(Message::Text(text))) => {
                    let mut books = shared.books.lock().unwrap();
                    let to_queue = text.starts_with(r#"42["join-queue","#);
                    is_in_queue_room |= to_queue;
                    books.joined_queue += u32::from(to_queue);
                    books.joined_seats += u32::from(text.starts_with(r#"42["join-seat-selection","#));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
            Ok(message) = messages_rx.recv() => {
                if is_in_queue_room {
                    socket.send(Message::text(message)).await?;
                }
            }
        }
    }
}
