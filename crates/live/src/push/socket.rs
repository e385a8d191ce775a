//! Socket.IO as the channel of a mapped system: messages with names and arguments in one namespace, and acknowledgements both ways.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink as _, SinkExt as _, Stream as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message as Frame, Utf8Bytes};

use super::{Ended, Message, Step, of_frame};
use crate::dialer::Connected;
use crate::socket_io::{
    ACKNOWLEDGEMENT, CONNECT, Content, MESSAGE, OpeningStage, ROOT, Reaction, Session, Unopened,
    expect, packet_text,
};
use tiketi_buyer::observation::Failure;

/// What a buyer sends as soon as a channel is open.
#[derive(Debug, Default)]
pub(crate) struct Greeting {
    /// Texts of a WebSocket, or the JSON lists of Socket.IO (name and arguments).
    pub(crate) send: Vec<Utf8Bytes>,
    /// `None` for other channels than Socket.IO.
    pub(crate) introduction: Option<Box<Introduction>>,
}

/// How a buyer enters a namespace.
#[derive(Debug)]
pub(crate) struct Introduction {
    pub(crate) namespace: Box<str>,
    /// The payload of the connect packet, as JSON; empty without one.
    pub(crate) auth: String,
    /// For each message that is sent, the name under which its acknowledgement is understood; `None` if it asks for none.
    pub(crate) answers: Box<[Option<Box<str>>]>,
}

impl Default for Introduction {
    fn default() -> Self {
        Self {
            namespace: ROOT.into(),
            auth: String::new(),
            answers: Box::default(),
        }
    }
}

/// An open socket.
pub(super) struct Socket {
    frames: WebSocketStream<Connected>,
    session: Session,
    namespace: Box<str>,
    /// The names of acknowledgements that have not come yet, by the ids of the messages.
    answers: Box<[Option<Box<str>>]>,
    flushes: bool,
    /// Whether something could not be sent.
    is_broken: bool,
}

impl Socket {
    /// Enters the namespace and sends what comes first; each stage may take `limit` of real time.
    pub(super) async fn open(
        mut frames: WebSocketStream<Connected>,
        introduction: Introduction,
        send: Vec<Utf8Bytes>,
        limit: Duration,
    ) -> Result<Self, Unopened> {
        let Introduction {
            namespace,
            auth,
            answers,
        } = introduction;
        let at = |stage| {
            move |(failure, words): (Failure, String)| Unopened {
                stage,
                failure,
                words: own_words(&words),
            }
        };
        let reset = |_| at(OpeningStage::Connect)((Failure::Reset, String::new()));
        let mut session = Session::new(limit);
        let greeted = (&mut frames, &mut session);
        expect(greeted, &namespace, Reaction::Introduce, limit)
            .await
            .map_err(at(OpeningStage::Open))?;
        let connect = packet_text(CONNECT, &namespace, None, &auth);
        let sent = frames.send(Frame::Text(connect.into())).await;
        sent.map_err(reset)?;
        let greeted = (&mut frames, &mut session);
        expect(greeted, &namespace, Reaction::Connected, limit)
            .await
            .map_err(at(OpeningStage::Connect))?;
        for (id, list) in (0_u16..).zip(&send) {
            let is_answered = answers.get(usize::from(id)).is_some_and(Option::is_some);
            let id = is_answered.then_some(u64::from(id));
            let message = packet_text(MESSAGE, &namespace, id, list);
            let sent = frames.send(Frame::Text(message.into())).await;
            sent.map_err(reset)?;
        }
        Ok(Self {
            frames,
            session,
            namespace,
            answers,
            flushes: false,
            is_broken: false,
        })
    }

    /// Returns how long the server may be without a ping, in real time.
    pub(super) const fn ping_within(&self) -> Duration {
        self.session.ping_within()
    }

    /// Acknowledges a message, with a JSON list of arguments.
    pub(super) fn acknowledge(&mut self, id: u64, arguments: &str) {
        let text = packet_text(ACKNOWLEDGEMENT, &self.namespace, Some(id), arguments);
        self.emit(text.into());
    }

    /// Queues a text frame; it is sent with the next poll.
    fn emit(&mut self, text: Utf8Bytes) {
        self.flushes = true;
        let sent = Pin::new(&mut self.frames).start_send(Frame::Text(text));
        self.is_broken |= sent.is_err();
    }

    pub(super) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if self.flushes
            && let Poll::Ready(flushed) = Pin::new(&mut self.frames).poll_flush(cx)
        {
            self.flushes = false;
            self.is_broken |= flushed.is_err();
        }
        if self.is_broken {
            let words = String::new();
            return Poll::Ready(Step::Ended(Ended::broken(Failure::Reset, words)));
        }
        let text = match ready!(Pin::new(&mut self.frames).poll_next(cx)) {
            Some(Ok(Frame::Text(text))) => text,
            // A binary part of a message, whose placeholder is in the message.
            Some(Ok(Frame::Binary(bytes))) => return Poll::Ready(Step::Ignored(bytes.len())),
            frame => {
                return Poll::Ready(match of_frame(frame) {
                    Step::Alive(bytes) => Step::Ignored(bytes),
                    step => step,
                });
            }
        };
        Poll::Ready(match self.session.handle_frame(&self.namespace, &text) {
            Reaction::Message(packet) => Step::Message(message(&text, packet)),
            Reaction::Acknowledged(packet) => match answer(&mut self.answers, &text, packet) {
                Some(message) => Step::Message(message),
                None => Step::Ignored(text.len()),
            },
            Reaction::Reply(reply) => {
                let bytes = text.len();
                self.emit(Utf8Bytes::from_static(reply));
                Step::Ping(bytes)
            }
            Reaction::HangUp => Step::Ended(Ended::CLOSED),
            Reaction::Refuse => {
                let words = own_words(&text);
                Step::Ended(Ended::broken(Failure::Handshake, words))
            }
            Reaction::Disconnect => Step::Ended(Ended {
                is_disconnect: true,
                ..Ended::broken(Failure::Handshake, "it disconnected the buyer".to_owned())
            }),
            Reaction::Wait | Reaction::Introduce | Reaction::Connected => Step::Ignored(text.len()),
        })
    }
}

/// A message of the server. What is no message has no name, and its text is all there is to understand.
fn message(text: &Utf8Bytes, packet: &str) -> Message {
    let content = Content::parse(packet);
    let named = content.and_then(|content| Some((content.id, content.message()?)));
    let (ack, event, body) = match named {
        Some((id, (name, arguments))) => (id, Some(name), arguments),
        None => (None, None, Cow::Borrowed(packet)),
    };
    Message {
        event,
        body: part_of(text, body),
        head: None,
        ack,
    }
}

/// The acknowledgement of a message of the buyer; `None` if none is expected, or this is none.
fn answer(answers: &mut [Option<Box<str>>], text: &Utf8Bytes, packet: &str) -> Option<Message> {
    let content = Content::parse(packet)?;
    let arguments = content.arguments()?;
    let id = usize::try_from(content.id?).ok()?;
    // Only the first one counts, as in a page.
    let name = answers.get_mut(id)?.take()?;
    Some(Message {
        event: Some(name.into()),
        body: part_of(text, arguments),
        head: None,
        ack: None,
    })
}

/// The bytes of a part of a frame, without a copy if it is one.
fn part_of(text: &Utf8Bytes, part: Cow<'_, str>) -> Bytes {
    match part {
        Cow::Borrowed(part) => Bytes::from(text.clone()).slice_ref(part.as_bytes()),
        Cow::Owned(part) => part.into(),
    }
}

/// The words of a refusal, without the head of its packet.
fn own_words(frame: &str) -> String {
    let words = frame.find('{').filter(|_| frame.starts_with("44"));
    frame[words.unwrap_or(0)..].to_owned()
}
