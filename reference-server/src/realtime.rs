//! Socket.IO: authentication, rooms, and delivery of messages from the bus.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::{Request, header};
use serde::Deserialize;
use serde_json::Value;
use socketioxide::SocketIo;
use socketioxide::extract::{Data, Event, SocketRef, TryData};
use socketioxide::handler::ConnectHandler as _;
use socketioxide::layer::SocketIoLayer;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::app::{App, Counters};
use crate::bus::{Change, Envelope, Room, Subscription};
use crate::clients::SESSION_WINDOW;
use crate::clock::Clock;
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

/// A message that waits for its turn at the processor, and the sockets it goes to.
struct Letter<S> {
    envelope: Arc<Envelope>,
    sockets: Vec<S>,
    /// In scenario time.
    sent_at: Duration,
}

/// Delivers messages from the bus to the sockets of this instance.
pub(crate) async fn deliver(app: Arc<App>, io: SocketIo) {
    let messages = app.cache.subscribe();
    let (outbox, letters) = mpsc::unbounded_channel();
    let sockets = |room: Room| io.within(room.name()).sockets();
    let receive = take_in(&app, messages, sockets, outbox);
    tokio::join!(receive, send_out(&app.clock, letters));
}

/// Gives each message its turn at the processor as soon as it is there, like a request. If a message waited until the one
/// before it is sent, later requests would overtake it, and a burst of admissions would be spread over the time that the
/// first of the admitted users keep the processor busy.
async fn take_in<S>(
    app: &App,
    mut messages: Subscription,
    sockets: impl Fn(Room) -> Vec<S>,
    outbox: mpsc::UnboundedSender<Letter<S>>,
) {
    while let Some(envelope) = messages.recv().await {
        let sockets = sockets(envelope.room);
        let receivers = u32::try_from(sockets.len()).unwrap_or(u32::MAX);
        if receivers == 0 {
            continue;
        }
        // Counted before it is sent: what an instance no longer sends when it is killed was due all the same.
        Counters::add(&app.counters.fan_out_messages, u64::from(receivers));
        let letter = Letter {
            envelope,
            sockets,
            sent_at: app.book(app.times.fan_out(receivers)),
        };
        if outbox.send(letter).is_err() {
            return;
        }
    }
}

/// Sends each message when the processor is done with it: in order, because the processor works first come, first served.
async fn send_out(clock: &Clock, mut letters: mpsc::UnboundedReceiver<Letter<SocketRef>>) {
    while let Some(letter) = letters.recv().await {
        clock.sleep_until(letter.sent_at).await;
        let (name, message) = (letter.envelope.message.name(), &letter.envelope.message);
        let mut missed = 0;
        for some in letter.sockets.chunks(SENT_AT_ONCE) {
            // A socket that is full or closed misses it.
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::bus::{Bus, Message};
    use crate::clock::Hands;
    use crate::settings::Settings;
    use crate::tier::EmbeddedTier;
    use tiketi_station::Profile;

    #[tokio::test]
    async fn a_request_waits_for_all_messages_that_were_there_before_it() {
        let settings = Settings {
            profile: Profile::t3_medium_node(),
            ..Settings::default()
        };
        let clock = Clock::stopped(Hands::leak());
        let tier = EmbeddedTier::with_clock(&settings, Vec::new(), Duration::ZERO, clock);
        let app = App::new("one".to_owned(), tier.into(), settings);
        let busy = app.book(Duration::from_millis(30));
        let bus = Bus::default();
        let messages = bus.subscribe();
        for user in [1, 2, 3].map(Uuid::from_u128) {
            let message = Message::QueueEntryAllowed {
                user_id: user,
                message: "It is your turn".into(),
            };
            let room = Room::User(user);
            bus.publish(Envelope { room, message });
        }
        let (outbox, mut letters) = mpsc::unbounded_channel();
        let received = take_in(&app, messages, |_| vec![()], outbox);
        assert_eq!(received.now_or_never(), None, "it waits for more");
        let one_message = app.times.fan_out(1);
        let request = Duration::from_millis(2);
        assert_eq!(app.book(request), busy + one_message * 3 + request);
        let sent_at = std::iter::from_fn(|| letters.try_recv().ok()).map(|letter| letter.sent_at);
        let in_turn = [1, 2, 3].map(|number| busy + one_message * number);
        assert_eq!(sent_at.collect::<Vec<_>>(), in_turn);
    }
}
