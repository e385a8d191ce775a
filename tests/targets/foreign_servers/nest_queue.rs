//! A login, a queue, and a message of Socket.IO that is the only one to name the reservation; no seats.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::MutexGuard;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{any, get, post};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use uuid::Uuid;

use super::{Server, Shared, answer, header};

const EVENT: &str = "0190b6a2-55f0-7c3e-9d5e-4f5f0c2a77ab";

/// How often it pings, and how long it waits for the answer.
const PING_EVERY: Duration = Duration::from_millis(500);

/// The running server.
pub(crate) struct NestQueue(Server<NestBooks>);

/// What it knows, for assertions.
#[derive(Debug, Default)]
pub(crate) struct NestBooks {
    /// Users by the token of their login.
    logins: BTreeMap<String, Uuid>,
    waiting: VecDeque<Uuid>,
    /// Statuses of those who have joined.
    statuses: BTreeMap<Uuid, &'static str>,
    /// Who may pay which reservation.
    reservations: BTreeMap<Uuid, Uuid>,
    seats_left: usize,
    /// Where to tell a user something, with the number of the socket.
    sockets: BTreeMap<Uuid, (u32, UnboundedSender<String>)>,
    pub(crate) sockets_opened: u32,
    pub(crate) pongs: u32,
    /// Admissions of users who had no open socket: nobody received the message.
    pub(crate) lost: u32,
    pub(crate) sold_out: u32,
    pub(crate) paid: usize,
    pub(crate) complaints: Vec<String>,
}

impl NestQueue {
    pub(crate) fn start(seats: usize, admit_every: Duration) -> Self {
        let books = NestBooks {
            seats_left: seats,
            ..NestBooks::default()
        };
        let router = Router::new()
            .route("/auth/login", post(login))
            .route("/events", get(|| async { answer(200, json!([event()])) }))
            .route("/events/{id}", get(|| async { answer(200, event()) }))
            .route("/events/{id}/queue/join", post(join))
            .route("/events/{id}/queue/me", get(status))
            .route("/reservations/{id}/pay", post(pay))
            .route("/socket.io/", any(socket));
        Self(Server::start(books, router, admit_every, NestBooks::admit))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, NestBooks> {
        self.0.books.lock().unwrap()
    }
}

fn event() -> Value {
    json!({"id": EVENT, "name": "Test Concert", "totalSeats": 10, "remainingSeats": 10})
}

fn id(kind: u128, number: usize) -> Uuid {
    Uuid::from_u128((kind << 64) + number as u128)
}

impl NestBooks {
    /// Promotes the next user, or says that there is nothing left.
    fn admit(&mut self) {
        let Some(user) = self.waiting.pop_front() else {
            return;
        };
        if self.seats_left == 0 {
            self.statuses.insert(user, "EXPIRED");
            self.sold_out += 1;
            self.tell(user, &json!(["queue:soldout", {"eventId": EVENT}]));
            return;
        }
        self.seats_left -= 1;
        let reservation = id(7, self.reservations.len());
        self.reservations.insert(reservation, user);
        self.statuses.insert(user, "ACTIVE");
        let payload =
            json!({"eventId": EVENT, "reservationId": reservation, "expiresAt": "2030-01-01"});
        self.lost += u32::from(!self.tell(user, &json!(["queue:active", payload])));
    }

    /// Sends a message to the user's room; returns whether anybody is in it.
    fn tell(&self, user: Uuid, message: &Value) -> bool {
        let frame = format!("42{message}");
        let room = self.sockets.get(&user);
        room.is_some_and(|(_, frames_tx)| frames_tx.send(frame).is_ok())
    }

    fn user(&mut self, headers: &HeaderMap, place: &str) -> Option<Uuid> {
        let token =
            header(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
        let user = token.and_then(|token| self.logins.get(token).copied());
        if user.is_none() {
            self.complaints.push(format!("{place} with {token:?}"));
        }
        user
    }

    fn status(&self, user: Uuid) -> Value {
        let place = self.waiting.iter().position(|waiting| *waiting == user);
        json!({"position": place.unwrap_or(0) + 1, "status": self.statuses[&user], "eventId": EVENT})
    }
}

async fn login(State(books): State<Shared<NestBooks>>, Json(body): Json<Value>) -> Response {
    let mut books = books.lock().unwrap();
    let (Some(email), Some(_)) = (body["email"].as_str(), body["password"].as_str()) else {
        books.complaints.push(format!("login {body}"));
        return answer(401, json!({"message": "Invalid credentials"}));
    };
    let token = format!("login-of-{email}");
    let next = id(1, books.logins.len());
    let user = *books.logins.entry(token.clone()).or_insert(next);
    let user = json!({"id": user, "email": email, "name": "", "role": "USER"});
    answer(201, json!({"accessToken": token, "user": user}))
}

async fn join(
    State(books): State<Shared<NestBooks>>,
    headers: HeaderMap,
    Path(event): Path<String>,
) -> Response {
    let mut books = books.lock().unwrap();
    let Some(user) = books.user(&headers, "join") else {
        return answer(401, json!({}));
    };
    if event != EVENT {
        books.complaints.push(format!("join {event}"));
    }
    let books = &mut *books;
    if let Entry::Vacant(place) = books.statuses.entry(user) {
        place.insert("WAITING");
        books.waiting.push_back(user);
    }
    answer(201, books.status(user))
}

async fn status(State(books): State<Shared<NestBooks>>, headers: HeaderMap) -> Response {
    let mut books = books.lock().unwrap();
    let Some(user) = books.user(&headers, "status") else {
        return answer(401, json!({}));
    };
    if !books.statuses.contains_key(&user) {
        return answer(404, json!({"message": "Not in queue for this event"}));
    }
    answer(200, books.status(user))
}

async fn pay(
    State(books): State<Shared<NestBooks>>,
    headers: HeaderMap,
    Path(reservation): Path<Uuid>,
) -> Response {
    let mut books = books.lock().unwrap();
    let user = books.user(&headers, "pay");
    if user.is_none() || books.reservations.get(&reservation) != user.as_ref() {
        books
            .complaints
            .push(format!("{user:?} pays {reservation}"));
        return answer(403, json!({"message": "You are not authorized"}));
    }
    books.reservations.insert(reservation, Uuid::nil());
    books.paid += 1;
    answer(201, json!({"id": reservation, "status": "PAID"}))
}

async fn socket(
    State(books): State<Shared<NestBooks>>,
    Query(query): Query<BTreeMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let is_transport = query.get("EIO").is_some_and(|version| version == "4")
        && query
            .get("transport")
            .is_some_and(|name| name == "websocket");
    if !is_transport {
        let mut books = books.lock().unwrap();
        books.complaints.push(format!("socket with {query:?}"));
    }
    upgrade.on_upgrade(|socket| async move {
        // It ends with an error when the buyer disconnects.
        talk(books, socket).await.ok();
    })
}

async fn talk(books: Shared<NestBooks>, mut socket: WebSocket) -> Result<(), axum::Error> {
    let open = json!({"sid": "e", "upgrades": [], "pingInterval": 500, "pingTimeout": 500});
    socket.send(Message::text(format!("0{open}"))).await?;
    let connect = match socket.recv().await {
        Some(Ok(Message::Text(frame))) => frame.to_string(),
        _ => return Ok(()),
    };
    let auth = connect.strip_prefix("40").unwrap_or_default();
    let auth: Value = serde_json::from_str(auth).unwrap_or_default();
    socket.send(Message::text(r#"40{"sid":"s"}"#)).await?;
    let token = auth["token"].as_str().unwrap_or_default();
    let user = books.lock().unwrap().logins.get(token).copied();
    let Some(user) = user else {
        return socket.send(Message::text("41")).await;
    };
    let (frames_tx, mut frames_rx) = unbounded_channel();
    let number = {
        let mut books = books.lock().unwrap();
        books.sockets_opened += 1;
        let number = books.sockets_opened;
        books.sockets.insert(user, (number, frames_tx));
        number
    };
    let mut ping = tokio::time::interval(PING_EVERY);
    let mut is_answered = true;
    let ended = loop {
        tokio::select! {
            frame = frames_rx.recv() => {
                let Some(frame) = frame else { break Ok(()) };
                if let Err(error) = socket.send(Message::text(frame)).await {
                    break Err(error);
                }
            }
            heard = socket.recv() => match heard {
                Some(Ok(Message::Text(frame))) if frame.as_str() == "3" => {
                    is_answered = true;
                    books.lock().unwrap().pongs += 1;
                }
                Some(Ok(Message::Text(frame))) => {
                    books.lock().unwrap().complaints.push(format!("frame {frame}"));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break Ok(()),
            },
            _ = ping.tick() => {
                if !std::mem::replace(&mut is_answered, false) {
                    books.lock().unwrap().complaints.push("a ping without an answer".to_owned());
                    break Ok(());
                }
                if let Err(error) = socket.send(Message::text("2")).await {
                    break Err(error);
                }
            }
        }
    };
    let mut books = books.lock().unwrap();
    if books
        .sockets
        .get(&user)
        .is_some_and(|(known, _)| *known == number)
    {
        books.sockets.remove(&user);
    }
    ended
}
