//! Socket.IO: authentication, rooms, and delivery of messages from the bus.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::{Request, header};
use serde::Deserialize;
use serde_json::Value;
use socketioxide::SocketIo;
use socketioxide::extract::{Data, Event, SocketRef, TryData};
use socketioxide::handler::ConnectHandler as _;
use socketioxide::layer::SocketIoLayer;
use uuid::Uuid;

use crate::app::{App, Counters};
use crate::bus::{Change, Envelope, Room};
use crate::clients::SESSION_WINDOW;
use crate::error::ApiError;
use crate::tier::SessionChange;
use tiketi_station::Work;

/// Bytes of a client's read buffer: frames are tiny and clients are many.
const READ_BUFFER: usize = 1_024;

/// Maximum size of a message from a client, in bytes.
const PAYLOAD_MAX: usize = 16 * 1_024;

/// Packets queued for a slow client. Beyond that it misses messages, and catches up with its next poll.
const PACKETS_BUFFERED_MAX: usize = 32;

/// Maximum number of messages of one socket in progress. A page sends a few one after the other; what a flood sends beyond
/// that is dropped, because each takes a task.
const MESSAGES_AT_ONCE_MAX: u32 = 32;

/// Maximum number of seats that a page has selected: one seat per person, and some that are already given up.
const SEATS_SELECTED_MAX: usize = 16;

/// Maximum length of the id or label of a selected seat, in bytes. An id has 36.
const SEAT_BYTES_MAX: usize = 64;

/// Path of the Engine.IO endpoint.
const PATH: &str = "/socket.io";

/// Builds the Socket.IO server of an instance.
pub(crate) fn build(app: &Arc<App>) -> (SocketIoLayer, SocketIo) {
    let wall = |scenario| app.clock.wall(scenario);
    let mut builder = SocketIo::builder();
    if let Some(limits) = app.door.limits() {
        builder = builder.connect_timeout(SESSION_WINDOW.min(limits.timeout));
    }
    let (layer, io) = builder
        .req_path(PATH)
        .ping_interval(wall(app.settings.ping_interval))
        .ping_timeout(wall(app.settings.ping_timeout))
        .max_buffer_size(PACKETS_BUFFERED_MAX)
        .max_payload(PAYLOAD_MAX as u64)
        .ws_read_buffer_size(READ_BUFFER)
        .ws_max_message_size(PAYLOAD_MAX)
        .ws_max_frame_size(PAYLOAD_MAX)
        .build_layer();
    let (on_connect, on_auth) = (Arc::clone(app), Arc::clone(app));
    let connect = move |socket: SocketRef| {
        // Before the first `await`, so that a fast client's first message finds a handler.
        let user = opened(&on_connect, &socket);
        let app = Arc::clone(&on_connect);
        let crash = app.crash.clone();
        crash.guarded(async move { connected(&app, &socket, user).await })
    };
    let authenticate = move |socket: SocketRef, TryData(hello): TryData<Hello>| {
        let app = Arc::clone(&on_auth);
        let crash = app.crash.clone();
        crash.guarded(async move { authenticated(&app, &socket, hello.ok()).await })
    };
    io.ns("/", connect.with(authenticate));
    (layer, io)
}

/// Returns whether a request is a long poll, each of which costs processor time.
pub(crate) fn is_poll<B>(request: &Request<B>) -> bool {
    request.uri().path().starts_with(PATH) && !request.headers().contains_key(header::UPGRADE)
}

/// Returns whether a request opens a session for long polls. That of a WebSocket ends with its connection.
pub(crate) fn opens_session<B>(request: &Request<B>) -> bool {
    let has_session = |query: &str| query.split('&').any(|part| part.starts_with("sid="));
    is_poll(request) && !request.uri().query().is_some_and(has_session)
}

/// Sockets that get a message at once. What it costs a real server is emulated before; what it costs this machine is spread, so that a
/// message to thousands of sockets does not keep the thread from all other requests for tenths of a second.
const SENT_AT_ONCE: usize = 64;

/// Delivers messages from the bus to the sockets of this instance, one message at a time.
pub(crate) async fn deliver(app: Arc<App>, io: SocketIo) {
    let mut messages = app.cache.subscribe();
    while let Some(envelope) = messages.recv().await {
        deliver_one(&app, &io, &envelope).await;
    }
}

async fn deliver_one(app: &App, io: &SocketIo, envelope: &Envelope) {
    let sockets = io.within(envelope.room.name()).sockets();
    let Ok(receivers) = u32::try_from(sockets.len()) else {
        return;
    };
    if receivers == 0 {
        return;
    }
    // Counted before it is sent: what an instance no longer sends when it is killed was due all the same.
    Counters::add(&app.counters.fan_out_messages, u64::from(receivers));
    app.spend(app.times.fan_out(receivers)).await;
    let mut missed = 0;
    for some in sockets.chunks(SENT_AT_ONCE) {
        // A socket that is full or closed misses it.
        let (name, message) = (envelope.message.name(), &envelope.message);
        missed += some
            .iter()
            .filter(|socket| socket.emit(name, message).is_err())
            .count();
        tokio::task::yield_now().await;
    }
    if missed > 0 {
        tracing::debug!(missed, "some sockets missed a message");
    }
}

/// Data of the connect packet.
#[derive(Debug, Deserialize)]
struct Hello {
    token: Option<String>,
}

/// Why a socket is rejected.
#[derive(Clone, Copy, Debug)]
enum Refused {
    NoToken,
    BadToken,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoToken => "Authentication required",
            Self::BadToken => "Invalid authentication token",
        })
    }
}

async fn authenticated(app: &App, socket: &SocketRef, hello: Option<Hello>) -> Result<(), Refused> {
    app.work(Work::SocketConnect).await;
    let token = hello
        .and_then(|hello| hello.token)
        .ok_or(Refused::NoToken)?;
    let user = app.identify(&token).await.map_err(|_| Refused::BadToken)?;
    socket.extensions.insert(user.id);
    Ok(())
}

/// Counts the socket and registers its handlers. Does nothing without an authenticated user.
fn opened(app: &Arc<App>, socket: &SocketRef) -> Option<Uuid> {
    let user = socket.extensions.get::<Uuid>()?;
    Counters::add(&app.counters.sockets, 1);
    Counters::add(&app.counters.sockets_opened, 1);
    socket.join(Room::User(user).name());
    listen(app, socket, user);
    Some(user)
}

async fn connected(app: &App, socket: &SocketRef, user: Option<Uuid>) {
    let Some(user) = user else {
        return;
    };
    if let Err(error) = restore(app, socket, user).await {
        tracing::debug!(%error, "session not restored");
    }
}

/// Handles all messages. One handler per message would cost memory on every socket.
fn listen(app: &Arc<App>, socket: &SocketRef, user: Uuid) {
    let on_message = Arc::clone(app);
    let in_progress = Arc::new(AtomicU32::new(0));
    socket.on_fallback(
        move |socket: SocketRef, Event(name): Event, Data(data): Data<Value>| {
            let app = Arc::clone(&on_message);
            let crash = app.crash.clone();
            let turn = Turn::take(&in_progress);
            crash.guarded(async move {
                if let Some(_turn) = turn {
                    heard(&app, &socket, user, (&name, data)).await;
                }
            })
        },
    );
    let on_close = Arc::clone(app);
    socket.on_disconnect(move |socket: SocketRef| {
        let app = Arc::clone(&on_close);
        let crash = app.crash.clone();
        crash.guarded(async move { closed(&app, &socket) })
    });
}

/// One of the messages of a socket that are in progress.
struct Turn(Arc<AtomicU32>);

impl Turn {
    /// Returns `None` if too many are in progress.
    fn take(in_progress: &Arc<AtomicU32>) -> Option<Self> {
        let before = in_progress.fetch_add(1, Ordering::Relaxed);
        let turn = Self(Arc::clone(in_progress));
        (before < MESSAGES_AT_ONCE_MAX).then_some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn closed(app: &App, socket: &SocketRef) {
    app.counters.sockets.fetch_sub(1, Ordering::Relaxed);
    if let Some(Viewing(show)) = socket.extensions.remove::<Viewing>() {
        app.cache.set_presence(show, Change::Left);
    }
}

/// The show whose page a socket has open.
#[derive(Clone, Copy, Debug)]
struct Viewing(Uuid);

async fn heard(app: &App, socket: &SocketRef, user: Uuid, (name, data): (&str, Value)) {
    app.work(Work::SocketMessage).await;
    // Any other id would be one more room to remember.
    let Some(show) = show_of(&data).filter(|show| app.shows.contains(show)) else {
        return;
    };
    let changed = match name {
        "join-event" => {
            view(app, socket, Some(show));
            remember(app, user, SessionChange::Page(Some(show))).await
        }
        "leave-event" => {
            view(app, socket, None);
            remember(app, user, SessionChange::Page(None)).await
        }
        "join-queue" => {
            socket.join(Room::Queue(show).name());
            remember(app, user, SessionChange::Queue(show)).await
        }
        "join-seat-selection" => {
            socket.join(Room::Seats(show).name());
            remember(app, user, SessionChange::Seats(show)).await
        }
        "seat-selection-changed" => {
            remember(app, user, SessionChange::Selected(seats_of(&data))).await
        }
        _ => Ok(()),
    };
    if let Err(error) = changed {
        tracing::debug!(%error, "session not saved");
    }
}

/// Opens or leaves the page of a show. A socket has one page.
fn view(app: &App, socket: &SocketRef, show: Option<Uuid>) {
    if let Some(Viewing(before)) = socket.extensions.remove::<Viewing>() {
        socket.leave(Room::Show(before).name());
        app.cache.set_presence(before, Change::Left);
    }
    if let Some(show) = show {
        socket.extensions.insert(Viewing(show));
        socket.join(Room::Show(show).name());
        app.cache.set_presence(show, Change::Joined);
    }
}

/// Updates the session and renews its TTL.
async fn remember(app: &App, user: Uuid, change: SessionChange) -> Result<(), ApiError> {
    let ttl = app.settings.session_ttl;
    Ok(app.cache.change_session(user, change, ttl).await?)
}

/// Creates the session, or restores it and rejoins its rooms.
async fn restore(app: &App, socket: &SocketRef, user: Uuid) -> Result<(), ApiError> {
    let known = app.cache.session(user).await?;
    remember(app, user, SessionChange::Connected).await?;
    let Some(session) = known else {
        return Ok(());
    };
    if session.event_id.is_some() {
        view(app, socket, session.event_id);
    }
    let rooms = [
        session.queue_event_id.map(Room::Queue),
        session.seat_event_id.map(Room::Seats),
    ];
    for room in rooms.into_iter().flatten() {
        socket.join(room.name());
    }
    if socket.emit("session-restored", &session).is_err() {
        tracing::debug!("the socket closed before its session was restored");
    }
    Ok(())
}

fn show_of(data: &Value) -> Option<Uuid> {
    // Some clients send the bare id instead of an object.
    let id = data.get("eventId").unwrap_or(data).as_str()?;
    Uuid::parse_str(id).ok()
}

fn seats_of(data: &Value) -> Vec<String> {
    let seats = data.get("seats").and_then(Value::as_array);
    let ids = seats.into_iter().flatten().filter_map(Value::as_str);
    let ids = ids.filter(|id| id.len() <= SEAT_BYTES_MAX && !id.contains(char::is_control));
    ids.take(SEATS_SELECTED_MAX)
        .map(ToOwned::to_owned)
        .collect()
}
