//! One socket: opened in stages, each with its own time-out, then read frame by frame.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use http::HeaderValue;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message as Frame, Utf8Bytes};

use super::packet::Received;
use super::session::{Session, Step};
use super::upgrade::upgrade;
use crate::clock::wall_now;
use crate::dialer::{Connected, Dialer};
use crate::http::Identity;
use tiketi_buyer::observation::Failure;

/// Where Socket.IO takes WebSockets.
const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

/// The stages of opening a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Name, TCP, and TLS if there is any.
    Tcp,
    /// The answer `101`.
    Upgrade,
    /// The Engine.IO packet `0{`.
    Open,
    /// The Socket.IO packet `40`.
    Connect,
}

/// What it takes to open a socket.
pub(crate) struct Opening<'a> {
    pub(crate) dialer: &'a Dialer,
    pub(crate) host: &'a HeaderValue,
    pub(crate) identity: Identity,
    /// Wall time for each stage after TCP, which has its own.
    pub(crate) stage_timeout: Duration,
}

/// What was heard on a socket.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message.
    Message(Received),
    /// The end.
    Lost,
}

/// An open socket.
pub(crate) struct Connection {
    frames: WebSocketStream<Connected>,
    session: Session,
    /// When the server counts as gone, in wall time.
    silent_until: Instant,
    flushes: bool,
}

impl Opening<'_> {
    /// Opens the socket; returns it with the sticky cookie the load balancer gave on the way.
    pub(crate) async fn open(self) -> Result<(Connection, Option<HeaderValue>), (Stage, Failure)> {
        let at = |stage| move |failure| (stage, failure);
        let address = self.dialer.address().await.map_err(at(Stage::Tcp))?;
        let connected = self.dialer.connect(address).await;
        let (_, stream) = connected.map_err(at(Stage::Tcp))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(1024)
            .write_buffer_size(0);
        let upgrade = upgrade(stream, self.host, PATH, &self.identity, config);
        let (frames, cookie) = timeout(self.stage_timeout, upgrade)
            .await
            .unwrap_or(Err(Failure::Timeout))
            .map_err(at(Stage::Upgrade))?;
        let mut connection = Connection {
            frames,
            session: Session::new(self.stage_timeout),
            silent_until: wall_now() + self.stage_timeout,
            flushes: false,
        };
        self.expect(&mut connection, Step::Introduce)
            .await
            .map_err(at(Stage::Open))?;
        let introduction = Utf8Bytes::from(self.introduction());
        connection
            .frames
            .send(Frame::Text(introduction))
            .await
            .map_err(|_| (Stage::Connect, Failure::Reset))?;
        self.expect(&mut connection, Step::Connected)
            .await
            .map_err(at(Stage::Connect))?;
        connection.silent_until = wall_now() + connection.session.ping_within();
        Ok((connection, cookie))
    }

    /// Reads until the session comes to `wanted`.
    async fn expect(&self, connection: &mut Connection, wanted: Step) -> Result<(), Failure> {
        let reading = async {
            loop {
                match connection.frames.next().await {
                    Some(Ok(Frame::Text(text))) => match connection.session.handle_frame(&text) {
                        step if step == wanted => return Ok(()),
                        Step::Reply(reply) => connection
                            .frames
                            .send(Frame::Text(Utf8Bytes::from_static(reply)))
                            .await
                            .map_err(|_| Failure::Reset)?,
                        Step::Refuse | Step::HangUp => return Err(Failure::Handshake),
                        Step::Wait | Step::Introduce | Step::Connected | Step::Message(_) => {}
                    },
                    Some(Ok(Frame::Close(_)) | Err(_)) | None => return Err(Failure::Reset),
                    Some(Ok(_)) => {}
                }
            }
        };
        timeout(self.stage_timeout, reading)
            .await
            .unwrap_or(Err(Failure::Timeout))
    }

    /// The Socket.IO connect packet with the buyer's token.
    fn introduction(&self) -> String {
        let token = self
            .identity
            .authorization
            .to_str()
            .ok()
            .and_then(|value| value.strip_prefix("Bearer "))
            .unwrap_or_default();
        format!(r#"40{{"token":"{token}"}}"#)
    }
}

impl Connection {
    /// When the server counts as gone unless something is heard before, in wall time.
    pub(crate) const fn silent_until(&self) -> Instant {
        self.silent_until
    }

    /// Queues a text; it leaves with the next poll.
    pub(crate) fn emit(&mut self, text: Utf8Bytes) {
        // A socket that cannot take it is broken, which the next poll finds out.
        self.flushes = true;
        drop(Pin::new(&mut self.frames).start_send(Frame::Text(text)));
    }

    /// What is heard next; answers pings on the way.
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
                    match self.session.handle_frame(&text) {
                        Step::Message(received) => return Poll::Ready(Heard::Message(received)),
                        Step::Reply(reply) => {
                            // Only pings keep a session alive: the server sends them whatever else it sends.
                            self.silent_until = wall_now() + self.session.ping_within();
                            self.emit(Utf8Bytes::from_static(reply));
                        }
                        Step::HangUp | Step::Refuse => return Poll::Ready(Heard::Lost),
                        Step::Wait | Step::Introduce | Step::Connected => {}
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
