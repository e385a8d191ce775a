//! A shop and a queue service on another port: login, an entry token (a JWT) in a header, a payment whose result comes later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::MutexGuard;
use std::time::Duration;

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};

use super::{Server, Shared, answer, header};

const EVENT: &str = "0190b6a2-55f0-7c3e-9d5e-4f5f0c2a77aa";
const SECRET: &[u8] = b"secret of the queue service";

/// The shop and its queue service.
pub(crate) struct Ticketon {
    shop: Server<Books>,
    broker: Server<Books>,
}

/// What both know, for assertions.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Users by the token of their login.
    logins: BTreeMap<String, String>,
    waiting: VecDeque<String>,
    active: BTreeSet<String>,
    /// Holder of each seat.
    seats: BTreeMap<String, Option<String>>,
    /// Users of purchases, and how often the result was asked for.
    purchases: BTreeMap<String, (String, u32)>,
    pub(crate) paid: BTreeSet<String>,
    pub(crate) broker_requests: u32,
    /// Streams of events that were opened, and users who left the queue by themselves.
    pub(crate) streams: u32,
    pub(crate) disconnects: u32,
    pub(crate) polls_of_results: u32,
    pub(crate) complaints: Vec<String>,
}

impl Ticketon {
    pub(crate) fn start(seats: usize, admit_every: Duration) -> Self {
        let books = Books {
            seats: (1..=seats)
                .map(|seat| (format!("A-{seat}"), None))
                .collect(),
            ..Books::default()
        };
        let shop = Router::new()
            .route("/api/v1/auth/login", post(login))
            .route("/api/v1/events/list", post(events))
            .route("/api/v1/events/{id}", get(event))
            .route("/api/v1/events/{id}/seats", get(seats_of).post(select))
            .route("/api/v1/payments/init", post(init))
            .route("/api/v1/payments/confirm", post(confirm))
            .route("/api/v1/payments/confirm/{id}/status", get(status));
        let shop = Server::start(books, shop, admit_every, |books| {
            let next = books.waiting.pop_front();
            books.active.extend(next);
        });
        let polling = "/api/v1/broker/polling/events/{id}";
        let broker = Router::new()
            .route(&format!("{polling}/waiting"), get(enter).delete(leave))
            .route(&format!("{polling}/current"), get(current))
            .route(
                "/api/v1/broker/events/{id}/tickets/waiting",
                get(stream_waiting),
            )
            .route(
                "/api/v1/broker/events/{id}/tickets/disconnect",
                post(disconnect),
            );
        let broker = Server::beside(shop.books.clone(), broker);
        Self { shop, broker }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.shop.address)
    }

    pub(crate) fn broker_port(&self) -> u16 {
        self.broker.address.port()
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.shop.books.lock().unwrap()
    }
}

fn data(status: u16, data: Value) -> Response {
    let mut envelope = json!({"code": status.to_string(), "message": ""});
    envelope["data"] = data;
    answer(status, envelope)
}

impl Books {
    /// The user who has logged in; a complaint without one.
    fn user(&mut self, headers: &HeaderMap, place: &str) -> Option<String> {
        let token =
            header(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
        let user = token.and_then(|token| self.logins.get(token).cloned());
        if user.is_none() {
            self.complaints.push(format!("{place} with {token:?}"));
        }
        user
    }

    /// The user with a valid entry token; a complaint without one.
    fn entered(&mut self, headers: &HeaderMap, place: &str) -> Option<String> {
        let user = self.user(headers, place)?;
        let token = header(headers, "entryAuthToken").unwrap_or_default();
        let claims = jsonwebtoken::decode::<Value>(
            token,
            &DecodingKey::from_secret(SECRET),
            &Validation::default(),
        );
        let is_own = claims.is_ok_and(|claims| claims.claims["userId"] == json!(user));
        if !is_own || !self.active.contains(&user) {
            self.complaints
                .push(format!("{place} of {user} with entry token {token:?}"));
            return None;
        }
        Some(user)
    }
}

async fn login(State(books): State<Shared<Books>>, Json(body): Json<Value>) -> Response {
    let mut books = books.lock().unwrap();
    let (Some(email), Some(_)) = (body["email"].as_str(), body["password"].as_str()) else {
        books.complaints.push(format!("login {body}"));
        return data(400, Value::Null);
    };
    let token = format!("login-of-{email}");
    books.logins.insert(token.clone(), email.to_owned());
    data(200, json!(token))
}

async fn events() -> Response {
    data(
        200,
        json!({"content": [{"eventId": EVENT, "status": "OPEN", "minPrice": 70_000}]}),
    )
}

async fn event(Path(id): Path<String>) -> Response {
    data(200, json!({"eventId": id, "minPrice": 70_000}))
}

async fn enter(State(books): State<Shared<Books>>, headers: HeaderMap) -> Response {
    let mut books = books.lock().unwrap();
    books.broker_requests += 1;
    let Some(user) = books.user(&headers, "enter") else {
        return data(401, Value::Null);
    };
    books.waiting.push_back(user);
    data(200, Value::Null)
}

async fn current(State(books): State<Shared<Books>>, headers: HeaderMap) -> Response {
    let mut books = books.lock().unwrap();
    books.broker_requests += 1;
    let Some(user) = books.user(&headers, "current") else {
        return data(401, Value::Null);
    };
    if books.active.contains(&user) {
        let token = entry_token(&user);
        return data(
            200,
            json!({"state": "ENTRY", "rank": null, "entryAuthToken": token, "pollAfterMs": 1_000}),
        );
    }
    let place = books.waiting.iter().position(|waiting| *waiting == user);
    let state = if place.is_some() { "WAITING" } else { "NONE" };
    let rank = place.map(|place| place + 1);
    data(
        200,
        json!({"state": state, "rank": rank, "entryAuthToken": null, "pollAfterMs": 250}),
    )
}

/// The proof of an admission.
fn entry_token(user: &str) -> String {
    let claims = json!({"userId": user, "eventId": EVENT, "exp": 4_000_000_000_u64});
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap()
}

/// Enters the queue, and reports the place in it until the admission.
async fn stream_waiting(State(books): State<Shared<Books>>, headers: HeaderMap) -> Response {
    let user = {
        let mut books = books.lock().unwrap();
        let Some(user) = books.user(&headers, "stream") else {
            return data(401, Value::Null);
        };
        books.streams += 1;
        if !books.active.contains(&user) && !books.waiting.contains(&user) {
            books.waiting.push_back(user.clone());
        }
        user
    };
    let state = (books, user, 0_u32);
    let text = stream::unfold(state, |(books, user, turn)| async move {
        if turn > 0 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let text = {
            let books = books.lock().unwrap();
            let place = books.waiting.iter().position(|waiting| *waiting == user);
            let told = match place {
                Some(place) => {
                    json!({"status": "IN_ENTRY", "userId": user, "eventId": EVENT, "order": place + 1})
                }
                None => {
                    json!({"status": "IN_PROGRESS", "userId": user, "eventId": EVENT, "token": entry_token(&user)})
                }
            };
            match turn {
                0 => format!("data:sse connection established. userId:{user}\n\n"),
                _ if place.is_none() && !books.active.contains(&user) => return None,
                _ => format!("data:{told}\n\n:heartBeat\n\n"),
            }
        };
        let bytes = Ok::<_, Infallible>(Bytes::from(text));
        Some((bytes, (books, user, turn + 1)))
    });
    let kind = [("content-type", "text/event-stream;charset=UTF-8")];
    (kind, Body::from_stream(text)).into_response()
}

async fn disconnect(State(books): State<Shared<Books>>, headers: HeaderMap) -> Response {
    let mut books = books.lock().unwrap();
    books.disconnects += 1;
    let user = books.user(&headers, "disconnect");
    books
        .waiting
        .retain(|waiting| Some(waiting) != user.as_ref());
    data(200, Value::Null)
}

async fn leave(State(books): State<Shared<Books>>, headers: HeaderMap) -> Response {
    let mut books = books.lock().unwrap();
    books.broker_requests += 1;
    let user = books.user(&headers, "leave");
    books
        .waiting
        .retain(|waiting| Some(waiting) != user.as_ref());
    data(200, Value::Null)
}

async fn seats_of(State(books): State<Shared<Books>>, headers: HeaderMap) -> Response {
    let mut books = books.lock().unwrap();
    if books.user(&headers, "seats").is_none() {
        return data(401, Value::Null);
    }
    let seats = books.seats.iter();
    let seats =
        seats.map(|(id, holder)| json!({"id": id, "available": holder.is_none(), "price": 70_000}));
    let seats: Vec<_> = seats.collect();
    data(200, json!({"seats": seats, "hallName": "Hall"}))
}

async fn select(
    State(books): State<Shared<Books>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut books = books.lock().unwrap();
    let Some(user) = books.entered(&headers, "select") else {
        return data(403, Value::Null);
    };
    let seat = body["seatList"][0].as_str().unwrap_or_default().to_owned();
    if body["ticketCount"] != 1 {
        books.complaints.push(format!("select {body}"));
    }
    match books.seats.get_mut(&seat) {
        Some(holder @ None) => *holder = Some(user),
        _ => return data(409, Value::Null),
    }
    data(200, json!({"seatList": [seat]}))
}

async fn init(
    State(books): State<Shared<Books>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut books = books.lock().unwrap();
    let Some(user) = books.entered(&headers, "init") else {
        return data(403, Value::Null);
    };
    if body["amount"] != 70_000 || body["orderId"].as_str().is_none() {
        books.complaints.push(format!("init {body}"));
        return data(400, Value::Null);
    }
    let purchase = format!("purchase-{}", books.purchases.len());
    books.purchases.insert(purchase.clone(), (user, 0));
    data(
        201,
        json!({"purchaseId": purchase, "status": "IN_PROGRESS"}),
    )
}

async fn confirm(
    State(books): State<Shared<Books>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut books = books.lock().unwrap();
    let purchase = body["purchaseId"].as_str().unwrap_or_default().to_owned();
    let user = books.entered(&headers, "confirm");
    let is_own = books.purchases.get(&purchase).map(|(owner, _)| owner) == user.as_ref();
    if user.is_none() || !is_own {
        books.complaints.push(format!("confirm {body}"));
        return data(403, Value::Null);
    }
    data(202, json!({"purchaseId": purchase, "status": "PENDING"}))
}

async fn status(
    State(books): State<Shared<Books>>,
    headers: HeaderMap,
    Path(purchase): Path<String>,
) -> Response {
    let mut books = books.lock().unwrap();
    books.polls_of_results += 1;
    let user = books.user(&headers, "status");
    let Some((owner, polls)) = books.purchases.get_mut(&purchase) else {
        books.complaints.push(format!("status of {purchase}"));
        return data(404, Value::Null);
    };
    *polls += 1;
    if *polls == 1 {
        return data(200, json!({"purchaseId": purchase, "status": "PROCESSING"}));
    }
    let owner = owner.clone();
    if user.as_ref() != Some(&owner) {
        books
            .complaints
            .push(format!("status of {purchase} for {user:?}"));
    }
    books.active.remove(&owner);
    books.paid.insert(purchase.clone());
    data(200, json!({"purchaseId": purchase, "status": "DONE"}))
}
