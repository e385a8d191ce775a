//! The push channels of mapped systems: server-sent events, WebSockets, long polls and Socket.IO.
//!
//! A channel is opened through the dialer, like every connection, and read piece by piece. Whatever a server sends, it costs a
//! buyer limited memory and time: what exceeds a limit ends the channel with a reason that the report shows.

mod long_poll;
mod opening;
mod socket;
mod sse;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream as _;
use http::{HeaderMap, StatusCode};
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as FrameError, Message as Frame};

use crate::clock::wall_now;
use crate::dialer::Connected;
use crate::http::Outgoing;
use long_poll::LongPoll;
pub(crate) use long_poll::Signing;
pub(crate) use opening::Opening;
use socket::Socket;
pub(crate) use socket::{Greeting, Introduction};
use sse::Parser;
pub(crate) use sse::Resume;
use tiketi_buyer::observation::Failure;

/// Longest message, and longest line of a stream. Messages to waiting buyers are a few hundred bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Most messages per second of real time to one buyer. A page that gets more of them does not respond any more.
const MESSAGES_PER_SECOND_MAX: u32 = 1_000;
/// Most bytes per second of real time to one buyer.
const BYTES_PER_SECOND_MAX: usize = 4 << 20;

/// What a buyer hears from a channel.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message.
    Message(Message),
    /// The end of the channel.
    Ended(Ended),
}

/// A message.
#[derive(Debug)]
pub(crate) struct Message {
    /// The name of a server-sent event or of a message of Socket.IO; `None` for other messages.
    pub(crate) event: Option<String>,
    /// Its text.
    pub(crate) body: Bytes,
    /// Status and headers of the response to a long poll; `None` for other messages.
    pub(crate) head: Option<Box<(StatusCode, HeaderMap)>>,
    /// With which id it wants to be acknowledged; `None` if it does not.
    pub(crate) ack: Option<u64>,
}

/// Why a channel has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What went wrong; `None` if the server has closed it.
    pub(crate) failure: Option<Failure>,
    /// The reason in words, or the server's own; empty without any.
    pub(crate) words: String,
    /// Whether the server has disconnected the buyer: Socket.IO's client does not come back by itself after that.
    pub(crate) is_disconnect: bool,
}

impl Ended {
    /// The server has closed it.
    const CLOSED: Self = Self {
        failure: None,
        words: String::new(),
        is_disconnect: false,
    };

    /// It has not worked as it should.
    pub(crate) const fn broken(failure: Failure, words: String) -> Self {
        Self {
            failure: Some(failure),
            words,
            is_disconnect: false,
        }
    }
}

/// An open channel.
pub(crate) struct Channel {
    source: Source,
    /// Longest silence, in real time.
    silence: Duration,
    silent_until: Instant,
    /// Wait before the next long poll.
    pause: Duration,
    pace: Pace,
}

/// Where messages come from.
enum Source {
    Events(Events),
    Frames(WebSocketStream<Connected>),
    Answers(LongPoll),
    Socket(Box<Socket>),
}

/// A response that is a stream of events.
struct Events {
    body: Incoming,
    chunk: Bytes,
    parser: Parser,
}

/// How much has come in one second.
struct Pace {
    since: Instant,
    messages: u32,
    bytes: usize,
}

/// One step of reading.
enum Step {
    Message(Message),
    /// Something came that is no message, of so many bytes.
    Alive(usize),
    /// A ping of Socket.IO came, of so many bytes.
    Ping(usize),
    /// Something came that a buyer ignores and that does not show that the server is well, of so many bytes.
    Ignored(usize),
    Ended(Ended),
}

impl Channel {
    fn new(source: Source, silence: Duration) -> Self {
        let now = wall_now();
        Self {
            source,
            silence,
            silent_until: now + silence,
            pause: Duration::ZERO,
            pace: Pace {
                since: now,
                messages: 0,
                bytes: 0,
            },
        }
    }

    /// Returns when the server counts as gone unless it sends something before, in real time.
    pub(crate) const fn silent_until(&self) -> Instant {
        self.silent_until
    }

    /// Returns what to remember for the next channel.
    pub(crate) fn resume(&self) -> Resume {
        match &self.source {
            Source::Events(events) => events.parser.resume.clone(),
            Source::Frames(_) | Source::Answers(_) | Source::Socket(_) => Resume::default(),
        }
    }

    /// Returns whether it waits for [`Self::ask`].
    pub(crate) const fn is_answered(&self) -> bool {
        matches!(&self.source, Source::Answers(answers) if answers.is_idle())
    }

    /// Sets how long to wait before the next long poll.
    pub(crate) const fn set_pause(&mut self, pause: Duration) {
        self.pause = pause;
    }

    /// Sends the next long poll.
    pub(crate) fn ask(&mut self, outgoing: &Outgoing) {
        if let Source::Answers(answers) = &mut self.source {
            let at = answers.ask(outgoing, self.pause);
            self.silent_until = at + self.silence;
        }
    }

    /// Sends the next long poll once it is signed.
    pub(crate) fn ask_signed(&mut self, signing: Signing) {
        if let Source::Answers(answers) = &mut self.source {
            let at = answers.ask_signed(signing, self.pause);
            self.silent_until = at + self.silence;
        }
    }

    /// Acknowledges a message of Socket.IO, with a JSON list of arguments. It is sent with the next poll.
    pub(crate) fn acknowledge(&mut self, id: u64, arguments: &str) {
        if let Source::Socket(socket) = &mut self.source {
            socket.acknowledge(id, arguments);
        }
    }

    /// Polls for the next message or the end.
    pub(crate) fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        loop {
            let Poll::Ready(step) = self.source.poll_step(cx) else {
                break;
            };
            let (messages, bytes) = match &step {
                Step::Message(message) => (1, message.body.len()),
                Step::Alive(bytes) => (0, *bytes),
                // These cost an answer, or a look, as a message does.
                Step::Ping(bytes) | Step::Ignored(bytes) => (1, *bytes),
                Step::Ended(_) => (0, 0),
            };
            let now = wall_now();
            let is_alive = match (&step, &self.source) {
                // Only pings keep Socket.IO alive: the server sends them regardless of other messages.
                (Step::Message(_), Source::Socket(_)) | (Step::Ignored(_), _) => false,
                (Step::Message(_) | Step::Alive(_) | Step::Ping(_) | Step::Ended(_), _) => true,
            };
            if is_alive {
                self.silent_until = now + self.silence;
            }
            if let Some(ended) = self.pace.count(now, messages, bytes) {
                return Poll::Ready(Heard::Ended(ended));
            }
            match step {
                Step::Message(message) => return Poll::Ready(Heard::Message(message)),
                Step::Alive(_) | Step::Ping(_) | Step::Ignored(_) => {}
                Step::Ended(ended) => return Poll::Ready(Heard::Ended(ended)),
            }
        }
        if !self.is_answered() && wall_now() >= self.silent_until {
            let what = match self.source {
                Source::Socket(_) => "no ping",
                Source::Events(_) | Source::Frames(_) | Source::Answers(_) => "nothing",
            };
            let words = format!("it sent {what} for {} s", self.silence.as_secs_f64());
            return Poll::Ready(Heard::Ended(Ended::broken(Failure::Timeout, words)));
        }
        Poll::Pending
    }
}

impl Pace {
    /// Counts what has come; returns the end of the channel if it is too much.
    fn count(&mut self, now: Instant, messages: u32, bytes: usize) -> Option<Ended> {
        if now.saturating_duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self {
                since: now,
                messages: 0,
                bytes: 0,
            };
        }
        self.messages = self.messages.saturating_add(messages);
        self.bytes = self.bytes.saturating_add(bytes);
        let words = if self.messages > MESSAGES_PER_SECOND_MAX {
            format!("more than {MESSAGES_PER_SECOND_MAX} messages in a second to one buyer")
        } else if self.bytes > BYTES_PER_SECOND_MAX {
            let most = BYTES_PER_SECOND_MAX >> 20;
            format!("more than {most} MiB in a second to one buyer")
        } else {
            return None;
        };
        Some(Ended::broken(Failure::BadAnswer, words))
    }
}

impl Source {
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        match self {
            Self::Events(events) => events.poll_step(cx),
            Self::Frames(frames) => Pin::new(frames).poll_next(cx).map(of_frame),
            Self::Answers(answers) => answers.poll_step(cx),
            Self::Socket(socket) => socket.poll_step(cx),
        }
    }
}

impl Events {
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        match self.parser.next(&mut self.chunk) {
            Ok(Some(event)) => {
                return Poll::Ready(Step::Message(Message {
                    event: Some(event.name),
                    body: event.data,
                    head: None,
                    ack: None,
                }));
            }
            Ok(None) => {}
            Err(ended) => return Poll::Ready(Step::Ended(ended)),
        }
        Pin::new(&mut self.body)
            .poll_frame(cx)
            .map(|frame| match frame {
                Some(Ok(frame)) => {
                    self.chunk = frame.into_data().unwrap_or_default();
                    Step::Alive(self.chunk.len())
                }
                Some(Err(_)) => Step::Ended(Ended::broken(
                    Failure::Reset,
                    "the connection broke in the middle of the stream".to_owned(),
                )),
                None => Step::Ended(Ended::CLOSED),
            })
    }
}

/// What a frame of a WebSocket is.
fn of_frame(frame: Option<Result<Frame, FrameError>>) -> Step {
    let message = |body: Bytes| {
        Step::Message(Message {
            event: None,
            body,
            head: None,
            ack: None,
        })
    };
    let broken = |failure, words: String| Step::Ended(Ended::broken(failure, words));
    match frame {
        Some(Ok(Frame::Text(text))) => message(text.into()),
        Some(Ok(Frame::Binary(bytes))) => message(bytes),
        Some(Ok(Frame::Ping(bytes) | Frame::Pong(bytes))) => Step::Alive(bytes.len()),
        Some(Ok(Frame::Frame(_))) => Step::Alive(0),
        Some(Ok(Frame::Close(None))) | None => Step::Ended(Ended::CLOSED),
        Some(Ok(Frame::Close(Some(close)))) => Step::Ended(Ended {
            words: format!("{} {}", close.code, close.reason),
            ..Ended::CLOSED
        }),
        Some(Err(FrameError::Capacity(_))) => broken(
            Failure::BadAnswer,
            format!("a message is longer than {} KiB", MESSAGE_BYTES_MAX >> 10),
        ),
        Some(Err(FrameError::Protocol(_) | FrameError::Utf8(_))) => broken(
            Failure::BadAnswer,
            "what it sent is not a frame of a WebSocket".to_owned(),
        ),
        Some(Err(_)) => broken(Failure::Reset, String::new()),
    }
}

#[cfg(test)]
mod socket_tests;
