//! A waiting room on a host of its own, in front of a shop: a number, the number that is served, and a token for the shop.

use std::collections::BTreeMap;
use std::sync::MutexGuard;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Server, Shared, answer, header};

pub(crate) struct WaitingRoom {
    shop: Server<Books>,
    room: Server<Books>,
}

/// What both know, for assertions.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Number of each request, and how often it was asked for.
    numbers: BTreeMap<String, (u64, u32)>,
    serving: u64,
    pub(crate) not_yet_numbered: u32,
    pub(crate) sold: u32,
    left: u32,
    pub(crate) complaints: Vec<String>,
}

impl WaitingRoom {
    pub(crate) fn start(tickets: u32, serve_every: Duration) -> Self {
        let books = Books {
            left: tickets,
            ..Books::default()
        };
        let shop = Router::new().route("/orders", post(order));
        let shop = Server::start(books, shop, serve_every, |books| books.serving += 1);
        let room = Router::new()
            .route("/assign_queue_num", post(assign))
            .route("/queue_num", get(number))
            .route("/serving_num", get(serving))
            .route("/generate_token", post(token));
        let room = Server::beside(shop.books.clone(), room);
        Self { shop, room }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.shop.address)
    }

    pub(crate) fn room_port(&self) -> u16 {
        self.room.address.port()
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.shop.books.lock().unwrap()
    }
}

async fn assign(State(books): State<Shared<Books>>, Json(body): Json<Value>) -> Response {
    let mut books = books.lock().unwrap();
    if body["event_id"] != "Sample" {
        books.complaints.push(format!("assign {body}"));
    }
    let number = books.numbers.len() as u64 + 1;
    let request = format!("request-{number}");
    books.numbers.insert(request.clone(), (number, 0));
    answer(200, json!({"api_request_id": request}))
}

async fn number(
    State(books): State<Shared<Books>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let mut books = books.lock().unwrap();
    let request = query.get("request_id").cloned().unwrap_or_default();
    let Some((number, asked)) = books.numbers.get_mut(&request) else {
        books.complaints.push(format!("number of {query:?}"));
        return answer(404, json!({}));
    };
    *asked += 1;
    if *asked == 1 {
        books.not_yet_numbered += 1;
        return answer(202, json!({}));
    }
    let number = *number;
    answer(
        200,
        json!({"queue_number": number, "event_id": "Sample", "status": 1}),
    )
}

async fn serving(State(books): State<Shared<Books>>) -> Response {
    let serving = books.lock().unwrap().serving;
    answer(200, json!({"serving_counter": serving}))
}

async fn token(State(books): State<Shared<Books>>, Json(body): Json<Value>) -> Response {
    let mut books = books.lock().unwrap();
    let request = body["request_id"].as_str().unwrap_or_default();
    let number = books.numbers.get(request).map(|(number, _)| *number);
    if number.is_none_or(|number| number > books.serving) {
        let serving = books.serving;
        books
            .complaints
            .push(format!("token for {number:?} while {serving} is served"));
        return answer(202, json!({}));
    }
    answer(
        200,
        json!({"access_token": format!("pass-of-{request}"), "token_type": "Bearer"}),
    )
}

async fn order(State(books): State<Shared<Books>>, headers: HeaderMap) -> Response {
    let mut books = books.lock().unwrap();
    let pass = header(&headers, "authorization").map(str::to_owned);
    let has_pass = pass
        .as_ref()
        .is_some_and(|pass| pass.starts_with("Bearer pass-of-request-"));
    if !has_pass {
        books.complaints.push(format!("order with {pass:?}"));
        return answer(403, json!({}));
    }
    if books.left == 0 {
        return answer(409, json!({"message": "sold out"}));
    }
    books.left -= 1;
    books.sold += 1;
    answer(201, json!({"status": "paid"}))
}
