//! A small ticketing back end that tells waiting buyers of their admission over a channel, with one planted fault.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::broadcast;

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Every admission is announced to everybody in the queue.
    ToEverybody,
    /// Admissions are announced to the others only.
    ToOthers,
    /// The channel is refused.
    Refused,
    /// The channel answers with a page.
    Page,
    /// The channel sends one line, or one message, that never ends.
    NoEnd,
    /// The channel sends messages without a pause.
    Flood,
    /// The channel says nothing, not even about admissions.
    Silence,
    /// The channel sends what is no message: no JSON, too deep JSON, a name with escape codes.
    Garbage,
    /// The channel is closed after each message, and at once if there is none.
    Closes,
}

/// What the server knows, for assertions.
#[derive(Debug, Default)]
pub(crate) struct Books {
    waiting: VecDeque<String>,
    active: BTreeSet<String>,
    seats: BTreeMap<u32, Option<String>>,
    /// Who paid.
    pub(crate) paid: BTreeSet<String>,
    /// Polls of the place in the queue.
    pub(crate) polls: u32,
    /// Channels that were asked for, by user.
    pub(crate) channels: BTreeMap<String, u32>,
    /// How many of them were signed.
    pub(crate) signed: u32,
    /// The ids that buyers sent when they came back to a stream of events.
    pub(crate) last_ids: BTreeSet<String>,
    /// The messages that buyers sent over a WebSocket, or with Socket.IO.
    pub(crate) subscribed: BTreeSet<String>,
    /// The acknowledgements of buyers with Socket.IO, and how often they answered a ping.
    pub(crate) acknowledged: BTreeSet<String>,
    pub(crate) pongs: u32,
    /// Requests that were not as they should be.
    pub(crate) complaints: Vec<String>,
}

#[derive(Clone)]
struct Shared {
    books: Arc<Mutex<Books>>,
    fault: Fault,
    /// Users who were admitted, in order.
    admitted_tx: broadcast::Sender<String>,
}

/// A running server on loopback; it ends with the test's process.
pub(crate) struct PushServer {
    address: SocketAddr,
    shared: Shared,
}

impl PushServer {
    /// Serves `seats` seats, and admits one waiting buyer every `admit_every`.
    pub(crate) fn start(fault: Fault, seats: u32, admit_every: Duration) -> Self {
        let books = Books {
            seats: (1..=seats).map(|seat| (seat, None)).collect(),
            ..Books::default()
        };
        let shared = Shared {
            books: Arc::new(Mutex::new(books)),
            fault,
            admitted_tx: broadcast::channel(1_024).0,
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = shared.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::spawn(admit(state.clone(), admit_every));
                axum::serve(listener, router(state)).await.unwrap();
            });
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.shared.books.lock().unwrap()
    }
}

async fn admit(shared: Shared, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let admitted = {
            let mut books = shared.books.lock().unwrap();
            let first = books.waiting.pop_front();
            books.active.extend(first.clone());
            first
        };
        if let Some(user) = admitted {
            shared.admitted_tx.send(user).ok();
        }
    }
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/shows", get(|| async { Json(json!([{"id": 1}])) }))
        .route("/queue", post(enter).delete(leave))
        .route("/queue/me", get(status))
        .route("/queue/events", get(events))
        .route("/queue/next", get(next))
        .route("/queue/ws", any(socket))
        .route("/queue/io/", any(socket_io))
        .route("/seats", get(seats))
        .route("/seats/{id}", post(hold))
        .route("/seats/{id}/pay", post(pay))
        .route("/seats/{id}/hold", delete(|| async {}))
        .with_state(shared)
}

fn user_of(headers: &HeaderMap) -> String {
    let user = headers.get("x-user").and_then(|user| user.to_str().ok());
    user.unwrap_or_default().to_owned()
}

/// What later requests have to show.
fn pass_of(user: &str) -> String {
    format!("pass-of-{user}")
}

async fn enter(State(shared): State<Shared>, headers: HeaderMap) -> Json<Value> {
    let mut books = shared.books.lock().unwrap();
    let user = user_of(&headers);
    if !books.active.contains(&user) && !books.waiting.contains(&user) {
        books.waiting.push_back(user);
    }
    Json(json!({"state": "WAITING"}))
}

async fn leave(State(shared): State<Shared>, headers: HeaderMap) {
    let mut books = shared.books.lock().unwrap();
    let user = user_of(&headers);
    books.waiting.retain(|waiting| *waiting != user);
}

async fn status(State(shared): State<Shared>, headers: HeaderMap) -> Json<Value> {
    let mut books = shared.books.lock().unwrap();
    books.polls += 1;
    let user = user_of(&headers);
    Json(if books.active.contains(&user) {
        json!({"state": "ENTRY", "pass": pass_of(&user)})
    } else if books.waiting.contains(&user) {
        json!({"state": "WAITING"})
    } else {
        json!({"state": "NONE"})
    })
}

impl Shared {
    /// Counts a channel; the user, and a refusal if there is one.
    fn open(&self, headers: &HeaderMap) -> Result<(String, broadcast::Receiver<String>), Response> {
        let user = user_of(headers);
        let mut books = self.books.lock().unwrap();
        *books.channels.entry(user.clone()).or_default() += 1;
        books.signed += u32::from(headers.contains_key("x-signature"));
        match self.fault {
            Fault::Refused => {
                let words = json!({"error": "no room for more channels", "token": "hush"});
                Err((StatusCode::SERVICE_UNAVAILABLE, Json(words)).into_response())
            }
            Fault::Page => Err(axum::response::Html("<p>Welcome</p>").into_response()),
            _ => Ok((user, self.admitted_tx.subscribe())),
        }
    }

    /// What a buyer hears about the admission of `admitted`; `None` if nothing.
    fn told(&self, user: &str, admitted: &str) -> Option<Value> {
        let is_own = user == admitted;
        let is_told = match self.fault {
            Fault::ToEverybody => true,
            Fault::ToOthers => !is_own,
            Fault::Silence | Fault::Flood | Fault::NoEnd => false,
            _ => is_own,
        };
        is_told.then(|| json!({"type": "entry", "userId": admitted, "pass": pass_of(admitted)}))
    }

    /// Waits for the next thing to say. Another message comes first if the buyer is in already.
    async fn next(&self, user: &str, admitted_rx: &mut broadcast::Receiver<String>) -> Value {
        if self.books.lock().unwrap().active.contains(user)
            && let Some(told) = self.told(user, user)
        {
            // A real system would not say it again and again.
            tokio::time::sleep(Duration::from_millis(20)).await;
            return told;
        }
        loop {
            let Ok(admitted) = admitted_rx.recv().await else {
                continue;
            };
            if let Some(told) = self.told(user, &admitted) {
                return told;
            }
        }
    }
}

/// What comes before the first admission, as texts that a WebSocket sends.
fn garbage() -> Vec<String> {
    vec![
        "no JSON at all".to_owned(),
        format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000)),
        json!({"type": "sur\u{1b}[31mprise", "secret": "hush"}).to_string(),
    ]
}

async fn events(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let (user, admitted_rx) = match shared.open(&headers) {
        Ok(opened) => opened,
        Err(refusal) => return refusal,
    };
    if let Some(id) = headers.get("last-event-id") {
        let mut books = shared.books.lock().unwrap();
        books.last_ids.insert(id.to_str().unwrap().to_owned());
    }
    let state = (shared, user, admitted_rx, 0_u32);
    let text = stream::unfold(state, |(shared, user, mut admitted_rx, turn)| async move {
        let text = match (shared.fault, turn) {
            (Fault::NoEnd, _) => "data: and on and on".repeat(20),
            (Fault::Flood, _) => "event: noise\ndata: {\"type\":\"noise\"}\n\n".repeat(50),
            (Fault::Garbage, 0) => {
                let data = garbage().into_iter();
                let data = data.map(|data| format!("event: odd\ndata: {data}\n\n"));
                format!(": garbage\nodd\n\n{}", data.collect::<String>())
            }
            (Fault::Closes, 1) => return None,
            (_, 0) => ": welcome\nretry: 300\nid: first\nevent: waiting\ndata: {}\n\n".to_owned(),
            _ => {
                let told = shared.next(&user, &mut admitted_rx).await;
                format!("event: entry\r\nid: {turn}\r\ndata: {told}\r\n\r\n")
            }
        };
        let bytes = Ok::<_, Infallible>(Bytes::from(text));
        Some((bytes, (shared, user, admitted_rx, turn + 1)))
    });
    let kind = [("content-type", "text/event-stream;charset=UTF-8")];
    (kind, Body::from_stream(text)).into_response()
}

async fn next(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let (user, mut admitted_rx) = match shared.open(&headers) {
        Ok(opened) => opened,
        Err(refusal) => return refusal,
    };
    match shared.fault {
        Fault::NoEnd => {
            let more = stream::repeat_with(|| Ok::<_, Infallible>("and on ".repeat(100)));
            return Body::from_stream(more).into_response();
        }
        Fault::Flood => return Json(json!({"type": "noise"})).into_response(),
        _ => {}
    }
    let next = shared.next(&user, &mut admitted_rx);
    match tokio::time::timeout(Duration::from_millis(800), next).await {
        Ok(told) => Json(told).into_response(),
        Err(_) if shared.fault == Fault::Silence => std::future::pending().await,
        Err(_) => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn socket(
    State(shared): State<Shared>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    match shared.open(&headers) {
        Ok((user, admitted_rx)) => upgrade.on_upgrade(|socket| async move {
            // It ends with an error when the buyer disconnects.
            talk(shared, user, admitted_rx, socket).await.ok();
        }),
        Err(refusal) => refusal,
    }
}

async fn talk(
    shared: Shared,
    user: String,
    mut admitted_rx: broadcast::Receiver<String>,
    mut socket: WebSocket,
) -> Result<(), axum::Error> {
    let Some(Ok(Message::Text(subscribed))) = socket.recv().await else {
        return Ok(());
    };
    let subscribed = subscribed.to_string();
    let is_own = subscribed.contains(&format!("\"user\":\"{user}\""));
    {
        let mut books = shared.books.lock().unwrap();
        if !is_own {
            books
                .complaints
                .push(format!("{user} subscribed with {subscribed}"));
        }
        books.subscribed.insert(subscribed);
    }
    match shared.fault {
        Fault::NoEnd => {
            socket.send(Message::text("x".repeat(200_000))).await?;
        }
        Fault::Flood => loop {
            socket.send(Message::text(r#"{"type":"noise"}"#)).await?;
        },
        Fault::Garbage => {
            for text in garbage() {
                socket.send(Message::text(text)).await?;
            }
            socket.send(Message::binary(vec![0xff, 0xfe])).await?;
        }
        Fault::Closes => return Ok(()),
        _ => {}
    }
    loop {
        tokio::select! {
            told = shared.next(&user, &mut admitted_rx) => {
                socket.send(Message::text(told.to_string())).await?;
            }
            heard = socket.recv() => if !matches!(heard, Some(Ok(_))) {
                return Ok(());
            },
        }
    }
}

/// The same with Socket.IO, in the namespace `/queue`.
async fn socket_io(
    State(shared): State<Shared>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    match shared.open(&headers) {
        Ok((user, admitted_rx)) => upgrade.on_upgrade(|socket| async move {
            // It ends with an error when the buyer disconnects.
            talk_in_packets(shared, user, admitted_rx, socket)
                .await
                .ok();
        }),
        Err(refusal) => refusal,
    }
}

async fn talk_in_packets(
    shared: Shared,
    user: String,
    mut admitted_rx: broadcast::Receiver<String>,
    mut socket: WebSocket,
) -> Result<(), axum::Error> {
    let open = json!({"sid": "e", "upgrades": [], "pingInterval": 1_000, "pingTimeout": 20_000});
    socket.send(Message::text(format!("0{open}"))).await?;
    let connect = format!("40/queue,{}", json!({"user": user}));
    if !hears(&shared, &mut socket, &connect).await {
        let refusal = r#"44/queue,{"message":"who are you?"}"#;
        return socket.send(Message::text(refusal)).await;
    }
    let connected = r#"40/queue,{"sid":"s"}"#;
    socket.send(Message::text(connected)).await?;
    let subscribe = json!(["subscribe", {"user": user}]);
    let subscribe = format!("42/queue,0{subscribe}");
    if hears(&shared, &mut socket, &subscribe).await {
        shared.books.lock().unwrap().subscribed.insert(subscribe);
    }
    let answer = r#"43/queue,0[{"state":"WAITING"}]"#;
    socket.send(Message::text(answer)).await?;
    match shared.fault {
        Fault::NoEnd => {
            let endless = format!("42/queue,[\"noise\",\"{}\"]", "x".repeat(200_000));
            socket.send(Message::text(endless)).await?;
        }
        Fault::Flood => loop {
            socket.send(Message::text(r#"42/queue,["noise"]"#)).await?;
        },
        Fault::Garbage => {
            for text in garbage() {
                let packet = Message::text(format!("42/queue,{text}"));
                socket.send(packet).await?;
                socket.send(Message::text(text)).await?;
            }
            socket.send(Message::binary(vec![0xff, 0xfe])).await?;
        }
        Fault::Closes => return socket.send(Message::text("41/queue,")).await,
        _ => {}
    }
    let mut ping = tokio::time::interval(Duration::from_secs(1));
    let mut told_id = 0;
    loop {
        tokio::select! {
            told = shared.next(&user, &mut admitted_rx) => {
                told_id += 1;
                let message = json!(["entry", told]);
                let packet = format!("42/queue,{told_id}{message}");
                socket.send(Message::text(packet)).await?;
            }
            _ = ping.tick(), if shared.fault != Fault::Silence => {
                socket.send(Message::text("2")).await?;
            }
            heard = socket.recv() => {
                let Some(Ok(heard)) = heard else {
                    return Ok(());
                };
                let mut books = shared.books.lock().unwrap();
                match heard {
                    Message::Text(text) if text.as_str() == "3" => books.pongs += 1,
                    Message::Text(text) => {
                        books.acknowledged.insert(format!("{user}: {text}"));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Whether the next frame of the buyer is this one; a complaint if it is another.
async fn hears(shared: &Shared, socket: &mut WebSocket, expected: &str) -> bool {
    let heard = match socket.recv().await {
        Some(Ok(Message::Text(frame))) => frame.to_string(),
        _ => return false,
    };
    if heard != expected {
        let mut books = shared.books.lock().unwrap();
        books
            .complaints
            .push(format!("{heard} instead of {expected}"));
    }
    heard == expected
}

async fn seats(State(shared): State<Shared>) -> Json<Value> {
    let books = shared.books.lock().unwrap();
    let seats = books.seats.iter();
    let seats = seats.map(|(id, holder)| json!({"id": id, "free": holder.is_none()}));
    Json(seats.collect())
}

async fn hold(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(seat): Path<u32>,
) -> StatusCode {
    let mut books = shared.books.lock().unwrap();
    let user = user_of(&headers);
    let pass = headers.get("x-pass").and_then(|pass| pass.to_str().ok());
    if !books.active.contains(&user) || pass != Some(pass_of(&user).as_str()) {
        books.complaints.push(format!("{user} holds with {pass:?}"));
        return StatusCode::FORBIDDEN;
    }
    match books.seats.get_mut(&seat) {
        Some(holder @ None) => *holder = Some(user),
        _ => return StatusCode::CONFLICT,
    }
    StatusCode::CREATED
}

async fn pay(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(seat): Path<u32>,
) -> StatusCode {
    let mut books = shared.books.lock().unwrap();
    let user = user_of(&headers);
    if books.seats.get(&seat) != Some(&Some(user.clone())) {
        books.complaints.push(format!("{user} pays for {seat}"));
        return StatusCode::CONFLICT;
    }
    books.active.remove(&user);
    books.paid.insert(user);
    StatusCode::OK
}
