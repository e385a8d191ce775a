//! A back end with logins, sessions that may end, and positions in the queue, for tests of what buyers do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::broadcast;

/// How the API is mapped: the contract of TIKETI, and a login.
pub(crate) const MAPPING: &str = r#"
preset = "tiketi"
name = "habits 1"
[login]
call = "POST /api/auth/login"
body = { email = "{email}" }
keep = { token = "/token", user = "/user/id" }
"#;

/// What the server does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// How long a session lasts.
    pub(crate) session: Duration,
    /// When the first buyers are admitted, after the first one has queued up; then so many per second.
    pub(crate) admits_after: Duration,
    pub(crate) admits: usize,
}

#[derive(Debug)]
pub(crate) struct Books {
    manner: Manner,
    pub(crate) started: Instant,
    queued_first: Option<Instant>,
    sessions: BTreeMap<String, (String, Instant)>,
    waiting: VecDeque<String>,
    active: BTreeSet<String>,
    pub(crate) logins: Vec<(String, Duration)>,
    /// When the list of shows was asked for.
    pub(crate) lists: Vec<Duration>,
    /// How often each buyer has entered the queue.
    pub(crate) checks: BTreeMap<String, u32>,
    pub(crate) polls: u32,
    pub(crate) sockets: u32,
    pub(crate) joins_of_show: u32,
    /// Real time from the answer that opens a socket to the first message over it.
    pub(crate) gaps: Vec<Duration>,
    seats: BTreeSet<u32>,
    pub(crate) turned_away: u32,
    pub(crate) paid: u32,
    pub(crate) left: u32,
}

/// A running server; dropping it stops the server and its thread.
pub(crate) struct HabitServer {
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

    /// Returns who sends a request.
    fn user(&self, headers: &HeaderMap) -> Result<(String, MutexGuard<'_, Books>), Response> {
        let books = self.books();
        let token = headers
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        let token = token.unwrap_or_default().trim_start_matches("Bearer ");
        let life = books.manner.session;
        match books.sessions.get(token) {
            Some((user, since)) if since.elapsed() < life => {
                let user = user.clone();
                Ok((user, books))
            }
            _ => Err((
                StatusCode::UNAUTHORIZED,
                Json(json!({"error": "session expired"})),
            )
                .into_response()),
        }
    }
}

impl HabitServer {
    pub(crate) fn start(manner: Manner) -> Self {
        let books = Books {
            manner,
            started: Instant::now(),
            queued_first: None,
            sessions: BTreeMap::new(),
            waiting: VecDeque::new(),
            active: BTreeSet::new(),
            logins: Vec::new(),
            lists: Vec::new(),
            checks: BTreeMap::new(),
            polls: 0,
            sockets: 0,
            joins_of_show: 0,
            gaps: Vec::new(),
            seats: (0..200).collect(),
            turned_away: 0,
            paid: 0,
            left: 0,
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
                tokio::spawn(admit(state.clone()));
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

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.shared.books()
    }
}

/// The queue processor. Everybody in the queue gets its messages.
async fn admit(shared: Shared) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut books = shared.books();
        let waited = books.queued_first.map(|since| since.elapsed());
        if waited.is_none_or(|waited| waited < books.manner.admits_after) {
            continue;
        }
        let count = books.manner.admits.min(books.waiting.len());
        let first: Vec<_> = books.waiting.drain(..count).collect();
        for user in first {
            let body = json!(["queue-entry-allowed", {"userId": user}]);
            books.active.insert(user);
            shared.messages_tx.send(format!("42{body}")).ok();
        }
    }
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/api/auth/login", post(login))
        .route("/api/events", get(list))
        .route("/api/events/{id}", get(|| async { Json(json!({})) }))
        .route("/api/queue/check/{id}", post(check))
        .route("/api/queue/status/{id}", get(status))
        .route("/api/queue/leave/{id}", post(leave))
        .route("/api/seats/events/{id}", get(seats))
        .route("/api/seats/reserve", post(reserve))
        .route("/api/payments/process", post(pay))
        .route("/socket.io/", any(socket))
        .with_state(shared)
}

async fn login(State(shared): State<Shared>, Json(body): Json<Value>) -> Json<Value> {
    let mut books = shared.books();
    let user = body["email"].as_str().unwrap().to_owned();
    let token = format!("session{}", books.logins.len());
    let at = books.started.elapsed();
    books.logins.push((user.clone(), at));
    books
        .sessions
        .insert(token.clone(), (user.clone(), Instant::now()));
    Json(json!({"token": token, "user": {"id": user}}))
}

async fn list(State(shared): State<Shared>) -> Json<Value> {
    let mut books = shared.books();
    let at = books.started.elapsed();
    books.lists.push(at);
    Json(json!({"events": [{"id": "show", "title": "One Night", "status": "on_sale"}]}))
}

fn place(books: &Books, user: &str) -> Response {
    let at = books.waiting.iter().position(|waiting| waiting == user);
    Json(json!({"queued": at.is_some(), "position": at.map_or(0, |at| at + 1)})).into_response()
}

async fn check(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Response> {
    let (user, mut books) = shared.user(&headers)?;
    books.queued_first.get_or_insert_with(Instant::now);
    *books.checks.entry(user.clone()).or_default() += 1;
    if !books.waiting.contains(&user) && !books.active.contains(&user) {
        books.waiting.push_back(user.clone());
    }
    Ok(place(&books, &user))
}

async fn status(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Response> {
    let (user, mut books) = shared.user(&headers)?;
    books.polls += 1;
    Ok(place(&books, &user))
}

async fn leave(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Response> {
    let (user, mut books) = shared.user(&headers)?;
    books.left += 1;
    books.waiting.retain(|waiting| *waiting != user);
    books.active.remove(&user);
    Ok(Json(json!({"message": "bye"})).into_response())
}

async fn seats(State(shared): State<Shared>) -> Json<Value> {
    let books = shared.books();
    let seats = books.seats.iter();
    let seats: Vec<_> = seats
        .map(|seat| json!({"id": seat, "status": "available"}))
        .collect();
    Json(json!({"seats": seats}))
}

async fn reserve(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Response, Response> {
    let (user, mut books) = shared.user(&headers)?;
    if !books.active.contains(&user) {
        books.turned_away += 1;
        return Err((
            StatusCode::FORBIDDEN,
            Json(json!({"error": "not admitted"})),
        )
            .into_response());
    }
    let seat = u32::try_from(body["seatIds"][0].as_u64().unwrap()).unwrap();
    if !books.seats.remove(&seat) {
        return Err((StatusCode::BAD_REQUEST, Json(json!({"error": "taken"}))).into_response());
    }
    let answer = json!({"reservation": {"id": seat}});
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

async fn pay(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Response> {
    let (user, mut books) = shared.user(&headers)?;
    books.active.remove(&user);
    books.paid += 1;
    Ok(Json(json!({"success": true})).into_response())
}

async fn socket(State(shared): State<Shared>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|socket| async move {
        // It ends with an error when the buyer disconnects.
        talk(shared, socket).await.ok();
    })
}

async fn talk(shared: Shared, mut socket: WebSocket) -> Result<(), axum::Error> {
    let mut messages_rx = shared.messages_tx.subscribe();
    let open = r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
    socket.send(Message::text(open)).await?;
    let Some(Ok(Message::Text(_))) = socket.recv().await else {
        return Ok(());
    };
    shared.books().sockets += 1;
    socket.send(Message::text(r#"40{"sid":"t"}"#)).await?;
    let mut opened = Some(Instant::now());
    loop {
        tokio::select! {
            heard = socket.recv() => match heard {
                Some(Ok(Message::Text(text))) => {
                    let mut books = shared.books();
                    books.gaps.extend(opened.take().map(|opened| opened.elapsed()));
                    books.joins_of_show += u32::from(text.starts_with(r#"42["join-event","#));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
            Ok(message) = messages_rx.recv() => socket.send(Message::text(message)).await?,
        }
    }
}
