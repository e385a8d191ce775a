//! How a channel is opened.

use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt as _;
use http::StatusCode;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::long_poll::{LongPoll, Sender, is_refusal};
use super::socket::{Greeting, Introduction, Socket};
use super::sse::{Parser, Resume};
use super::{Channel, Ended, Events, MESSAGE_BYTES_MAX, Message, Source};
use crate::dialer::{Connected, Dialer};
use crate::http::{Identity, Outgoing, message};
use crate::socket_io::{OpeningStage, Unopened, Upgrade, upgrade};
use tiketi_api::Push;
use tiketi_buyer::observation::Failure;

/// Read buffer of a connection that one buyer keeps open.
const READ_BYTES: usize = 4 << 10;
/// Real time within which a long poll that is refused is answered; one that takes longer counts as open.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);
/// Bytes of a refusal that are read.
const WORDS_BYTES_MAX: usize = 2 << 10;
/// Real time that the rest of a refusal may take.
const WORDS_WITHIN: Duration = Duration::from_secs(1);

/// Everything needed to open a channel.
pub(crate) struct Opening<'a> {
    pub(crate) push: Push,
    pub(crate) dialer: &'a Dialer,
    pub(crate) host: &'a HeaderValue,
    pub(crate) identity: Identity,
    pub(crate) outgoing: Outgoing,
    /// What is sent as soon as it is open.
    pub(crate) greeting: Greeting,
    /// Timeout of the response that opens it, in real time.
    pub(crate) stage_timeout: Duration,
    /// Longest silence, in real time.
    pub(crate) silence: Duration,
    pub(crate) resume: Resume,
    /// Whether a row of the mapping describes a response to a long poll.
    pub(crate) is_known: &'a dyn Fn(&Message) -> bool,
}

/// An open channel, and the load balancer's cookie if the response had one.
type Opened = (Channel, Option<HeaderValue>);

/// An open WebSocket, and the same cookie.
type Frames = (WebSocketStream<Connected>, Option<HeaderValue>);

impl Opening<'_> {
    /// Opens the channel.
    pub(crate) async fn open(self) -> Result<Opened, Unopened> {
        let at_tcp = |failure| Unopened {
            stage: OpeningStage::Tcp,
            failure,
            words: String::new(),
        };
        let address = self.dialer.address().await.map_err(at_tcp)?;
        let (_, stream) = self.dialer.connect(address).await.map_err(at_tcp)?;
        let limit = self.stage_timeout;
        let opening = async {
            match self.push {
                Push::WebSocket => self.web_socket(stream).await,
                Push::LongPoll => self.long_poll(stream).await,
                Push::SocketIo => self.socket_io(stream).await,
                Push::Sse | Push::None => self.events(stream).await,
            }
        };
        let late = Err(refused(Failure::Timeout, String::new()));
        timeout(limit, Box::pin(opening)).await.unwrap_or(late)
    }

    async fn upgraded(&self, stream: Connected) -> Result<Frames, Unopened> {
        let config = WebSocketConfig::default()
            .read_buffer_size(1024)
            .write_buffer_size(0)
            // A server that asks for answers and reads none must not fill the memory of every buyer.
            .max_write_buffer_size(MESSAGE_BYTES_MAX)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let request = Upgrade {
            host: self.host,
            path: &self.outgoing.uri.to_string(),
            identity: &self.identity,
            has_bearer: self.outgoing.has_bearer,
            headers: &self.outgoing.headers,
        };
        let upgraded = upgrade(stream, &request, config).await;
        upgraded.map_err(|unwilling| refused(unwilling.failure, unwilling.words))
    }

    async fn socket_io(self, stream: Connected) -> Result<Opened, Unopened> {
        let (frames, cookie) = self.upgraded(stream).await?;
        let introduction = self.greeting.introduction;
        let introduction = introduction.map_or_else(Introduction::default, |known| *known);
        let socket = Socket::open(frames, introduction, self.greeting.send, self.stage_timeout);
        let socket = socket.await?;
        let silence = self.silence.min(socket.ping_within());
        let source = Source::Socket(Box::new(socket));
        Ok((Channel::new(source, silence), cookie))
    }

    async fn web_socket(self, stream: Connected) -> Result<Opened, Unopened> {
        let (mut frames, cookie) = self.upgraded(stream).await?;
        for text in self.greeting.send {
            let sent = frames.send(Frame::Text(text)).await;
            sent.map_err(|_| refused(Failure::Reset, String::new()))?;
        }
        Ok((Channel::new(Source::Frames(frames), self.silence), cookie))
    }

    async fn long_poll(self, stream: Connected) -> Result<Opened, Unopened> {
        let sender = greet(stream).await?;
        let mut polls = LongPoll::new(self.host.clone(), self.identity, sender);
        polls.ask(&self.outgoing, Duration::ZERO);
        let first = polls
            .first(REFUSED_WITHIN.min(self.stage_timeout / 2))
            .await;
        let first = first.map_err(|ended: Ended| {
            refused(ended.failure.unwrap_or(Failure::Reset), ended.words)
        })?;
        if let Some(message) = first
            && let Some(head) = &message.head
            && is_refusal(head.0)
            && !(self.is_known)(message)
        {
            let words =
                String::from_utf8_lossy(&message.body[..message.body.len().min(WORDS_BYTES_MAX)]);
            return Err(refused(
                Failure::Status(head.0.as_u16()),
                words.into_owned(),
            ));
        }
        Ok((Channel::new(Source::Answers(polls), self.silence), None))
    }

    async fn events(self, stream: Connected) -> Result<Opened, Unopened> {
        let mut sender = greet(stream).await?;
        let mut request = message(self.host, &self.outgoing, &self.identity);
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let last_id = self.resume.last_id.as_deref().unwrap_or_default();
        if let (false, Ok(id)) = (last_id.is_empty(), HeaderValue::try_from(last_id)) {
            headers.insert(HeaderName::from_static("last-event-id"), id);
        }
        let response = sender.send_request(request).await;
        let response = response.map_err(|_| refused(Failure::Reset, String::new()))?;
        let (head, body) = response.into_parts();
        let kind = head
            .headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().trim().to_ascii_lowercase();
        let is_stream = kind
            .split(';')
            .next()
            .is_some_and(|kind| kind.trim() == "text/event-stream");
        if head.status != StatusCode::OK || !is_stream {
            let words = words(body).await;
            return Err(match head.status {
                StatusCode::OK => {
                    let words = format!("not a stream of events, but `{kind}`: {words}");
                    refused(Failure::Handshake, words)
                }
                status => refused(Failure::Status(status.as_u16()), words),
            });
        }
        let events = Events {
            body,
            chunk: Bytes::new(),
            parser: Parser::resume(self.resume),
        };
        Ok((Channel::new(Source::Events(events), self.silence), None))
    }
}

fn refused(failure: Failure, words: String) -> Unopened {
    Unopened {
        stage: OpeningStage::Upgrade,
        failure,
        words,
    }
}

/// Starts to speak HTTP on a connection of one buyer.
async fn greet(stream: Connected) -> Result<Sender, Unopened> {
    let greeted = http1::Builder::new()
        .read_buf_exact_size(Some(READ_BYTES))
        .handshake(TokioIo::new(stream))
        .await;
    let (sender, connection) = greeted.map_err(|_| refused(Failure::Reset, String::new()))?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

/// The beginning of a response that was to be a stream.
async fn words(mut body: Incoming) -> String {
    let mut words = Vec::new();
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            words.extend(frame.into_data().unwrap_or_default());
            if words.len() >= WORDS_BYTES_MAX {
                break;
            }
        }
    };
    // What has come until then is enough.
    let _is_complete = timeout(WORDS_WITHIN, reading).await.is_ok();
    words.truncate(WORDS_BYTES_MAX);
    String::from_utf8_lossy(&words).into_owned()
}
