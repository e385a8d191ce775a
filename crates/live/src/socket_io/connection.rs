//! One socket: opened in stages, each with its own timeout, then read frame by frame.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use http::HeaderValue;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message as Frame, Utf8Bytes};

use super::packet::{ROOT, Received};
use super::session::{Reaction, Session};
use super::upgrade::{Unwilling, Upgrade, upgrade};
use crate::access::AccessNetwork;
use crate::clock::wall_now;
use crate::dialer::{Connected, Dialer};
use crate::http::Identity;
use tiketi_buyer::observation::Failure;

/// Where Socket.IO accepts WebSockets.
pub(crate) const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

/// The stages of opening a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpeningStage {
    /// DNS, TCP, and TLS if it is used.
    Tcp,
    /// The response `101`.
    Upgrade,
    /// The Engine.IO packet `0{`.
    Open,
    /// The Socket.IO packet `40`.
    Connect,
}

/// Why a socket could not be opened.
#[derive(Debug)]
pub(crate) struct Unopened {
    /// How far it got.
    pub(crate) stage: OpeningStage,
    /// What went wrong.
    pub(crate) failure: Failure,
    /// The frame or the response with which the server refused it; empty if there was none.
    pub(crate) words: String,
}

impl Unopened {
    const fn new(stage: OpeningStage, failure: Failure) -> Self {
        Self {
            stage,
            failure,
            words: String::new(),
        }
    }
}

/// Longest message. Those of the contract have a few hundred bytes; a server must not fill the memory of every buyer.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Longest part of a refusal that is kept, in characters.
const WORDS_MAX: usize = 500;

/// Everything needed to open a socket.
pub(crate) struct Opening<'a> {
    pub(crate) dialer: &'a Dialer,
    pub(crate) host: &'a HeaderValue,
    /// The path with its query.
    pub(crate) path: &'a str,
    pub(crate) identity: Identity,
    /// Timeout of each stage after TCP, which has its own, in real time.
    pub(crate) stage_timeout: Duration,
    /// The network of the buyer; `None` if nothing is delayed there.
    pub(crate) access: Option<&'a AccessNetwork>,
}

/// An event of a socket.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message.
    Message(Received),
    /// The connection was lost.
    Lost,
    /// The server has disconnected the buyer.
    Disconnected,
}

/// An open socket.
pub(crate) struct Connection {
    frames: WebSocketStream<Connected>,
    session: Session,
    /// When the server counts as gone, in real time.
    silent_until: Instant,
    flushes: bool,
}

impl Opening<'_> {
    /// Opens the socket. Returns it with the load balancer's stickiness cookie, if it sent one.
    pub(crate) async fn open(self) -> Result<(Connection, Option<HeaderValue>), Unopened> {
        let at = |stage| move |failure| Unopened::new(stage, failure);
        let refused_at = |stage| {
            move |(failure, words)| Unopened {
                stage,
                failure,
                words,
            }
        };
        let address = self.dialer.address().await.map_err(at(OpeningStage::Tcp))?;
        let connected = self.dialer.connect(address).await;
        let (_, stream) = connected.map_err(at(OpeningStage::Tcp))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(1024)
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let request = Upgrade {
            host: self.host,
            path: self.path,
            identity: &self.identity,
            has_bearer: true,
            headers: &[],
        };
        let upgrade = async {
            if let Some(access) = self.access {
                access.socket_request().await;
            }
            let upgraded = upgrade(stream, &request, config).await?;
            if let Some(access) = self.access {
                access.socket_round_trip().await;
            }
            Ok(upgraded)
        };
        let (frames, cookie) = timeout(self.stage_timeout, upgrade)
            .await
            .unwrap_or(Err(Failure::Timeout.into()))
            .map_err(|refused: Unwilling| {
                refused_at(OpeningStage::Upgrade)((refused.failure, refused.words))
            })?;
        let mut connection = Connection {
            frames,
            session: Session::new(self.stage_timeout),
            silent_until: wall_now() + self.stage_timeout,
            flushes: false,
        };
        let limit = self.stage_timeout;
        let Connection {
            frames, session, ..
        } = &mut connection;
        let greeted = (&mut *frames, &mut *session);
        expect(greeted, ROOT, Reaction::Introduce, limit)
            .await
            .map_err(refused_at(OpeningStage::Open))?;
        let introduction = Utf8Bytes::from(self.introduction());
        frames
            .send(Frame::Text(introduction))
            .await
            .map_err(|_| Unopened::new(OpeningStage::Connect, Failure::Reset))?;
        expect((frames, session), ROOT, Reaction::Connected, limit)
            .await
            .map_err(refused_at(OpeningStage::Connect))?;
        if let Some(access) = self.access {
            let answer = timeout(self.stage_timeout, access.message()).await;
            answer.map_err(|_| Unopened::new(OpeningStage::Connect, Failure::Timeout))?;
        }
        connection.silent_until = wall_now() + connection.session.ping_within();
        Ok((connection, cookie))
    }

    /// The Socket.IO connect packet with the buyer's token.
    fn introduction(&self) -> String {
        let token = self
            .identity
            .authorization
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .unwrap_or_default();
        format!(r#"40{{"token":"{token}"}}"#)
    }
}

/// Reads until the session of a buyer in this namespace reaches `wanted`. If the server refuses, the error has its words.
pub(crate) async fn expect(
    (frames, session): (&mut WebSocketStream<Connected>, &mut Session),
    namespace: &str,
    wanted: Reaction<'static>,
    within: Duration,
) -> Result<(), (Failure, String)> {
    let reading = async {
        loop {
            match frames.next().await {
                Some(Ok(Frame::Text(text))) => match session.handle_frame(namespace, &text) {
                    step if step == wanted => return Ok(()),
                    Reaction::Reply(reply) => frames
                        .send(Frame::Text(Utf8Bytes::from_static(reply)))
                        .await
                        .map_err(|_| (Failure::Reset, String::new()))?,
                    Reaction::Refuse | Reaction::HangUp | Reaction::Disconnect => {
                        let words = text.chars().take(WORDS_MAX).collect();
                        return Err((Failure::Handshake, words));
                    }
                    Reaction::Wait
                    | Reaction::Introduce
                    | Reaction::Connected
                    | Reaction::Message(_)
                    | Reaction::Acknowledged(_) => {}
                },
                Some(Ok(Frame::Close(_)) | Err(_)) | None => {
                    return Err((Failure::Reset, String::new()));
                }
                Some(Ok(_)) => {}
            }
        }
    };
    timeout(within, reading)
        .await
        .unwrap_or(Err((Failure::Timeout, String::new())))
}

impl Connection {
    /// Returns when the server counts as gone unless it pings before, in real time.
    pub(crate) const fn silent_until(&self) -> Instant {
        self.silent_until
    }

    /// Queues a text frame; it is sent with the next poll.
    pub(crate) fn emit(&mut self, text: Utf8Bytes) {
        // If the socket is broken, the next poll notices.
        self.flushes = true;
        drop(Pin::new(&mut self.frames).start_send(Frame::Text(text)));
    }

    /// Polls for the next event, and answers pings.
    pub(crate) fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        loop {
            if self.flushes {
                match Pin::new(&mut self.frames).poll_flush(cx) {
                    Poll::Ready(Ok(())) => self.flushes = false,
                    Poll::Ready(Err(_)) => return Poll::Ready(Heard::Lost),
                    Poll::Pending => {}
                }
            }
            match Pin::new(&mut self.frames).poll_next(cx) {
                Poll::Ready(Some(Ok(Frame::Text(text)))) => {
                    match self.session.handle_frame(ROOT, &text) {
                        Reaction::Message(text) => {
                            return Poll::Ready(Heard::Message(Received::parse(text)));
                        }
                        Reaction::Reply(reply) => {
                            // Only pings keep a session alive: the server sends them regardless of other messages.
                            self.silent_until = wall_now() + self.session.ping_within();
                            self.emit(Utf8Bytes::from_static(reply));
                        }
                        Reaction::HangUp | Reaction::Refuse => return Poll::Ready(Heard::Lost),
                        Reaction::Disconnect => return Poll::Ready(Heard::Disconnected),
                        Reaction::Wait
                        | Reaction::Introduce
                        | Reaction::Connected
                        | Reaction::Acknowledged(_) => {}
                    }
                }
                Poll::Ready(Some(Ok(Frame::Close(_)) | Err(_)) | None) => {
                    return Poll::Ready(Heard::Lost);
                }
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Pending => break,
            }
        }
        if wall_now() >= self.silent_until {
            return Poll::Ready(Heard::Lost);
        }
        Poll::Pending
    }
}
