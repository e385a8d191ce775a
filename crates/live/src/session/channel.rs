//! How one buyer tries the push channel, before a run and for `probe`.

use std::future::poll_fn;
use std::time::Duration;

use tokio::time::timeout;

use super::{Session, in_words};
use crate::api::Step;
use crate::http::Outgoing;
use crate::push::{self, Channel, Greeting, Heard, Message, Resume};
use crate::signer::SignError;
use crate::socket_io::{Opening, OpeningStage, Unopened};
use crate::visitor::hidden;
use tiketi_api::{Push, mask};
use tiketi_buyer::Request;
use tiketi_buyer::observation::Failure;

/// Real time that a channel has to open before a run.
const OPEN_WITHIN: Duration = Duration::from_secs(8);

/// Real time within which a server disconnects a buyer whom it does not want (assumption: it only has to look at a token).
const DISCONNECTED_WITHIN: Duration = Duration::from_millis(500);

/// What a buyer has opened.
pub(crate) enum Line {
    /// A Socket.IO socket, which is closed again.
    Socket,
    /// A channel of a mapping.
    Channel(Box<Channel>),
}

/// Why a channel is not open.
#[derive(Debug)]
pub(crate) enum NotOpen {
    /// The system has none.
    NoChannel,
    /// It cannot be asked for, because this variable has no value.
    Unset(String),
    /// The program that signs the request has failed.
    Unsigned(SignError),
    /// The system did not open it.
    Refused(Unopened),
}

impl Session {
    /// Returns the request that opens the channel, as messages name it: method and path; `None` without a channel.
    pub(crate) fn channel_call(&self) -> Option<String> {
        let secrets = self.visitor.secrets();
        match (
            self.api.mapping().push,
            self.api.push_request(&self.visitor),
        ) {
            (Push::None, _) => None,
            (Push::SocketIo, None) => Some(format!("GET {}", self.api.socket_path())),
            (_, Some(Ok((Outgoing { method, uri, .. }, _)))) => {
                let path = hidden(&mask::path(&uri.to_string()), &secrets);
                Some(format!("{method} {path}"))
            }
            (_, Some(Err(_)) | None) => {
                let role = self.api.role(Step::Push)?;
                Some(role.name.clone())
            }
        }
    }

    /// Opens the channel as this buyer.
    pub(crate) async fn open_channel(&self) -> Result<Line, NotOpen> {
        let opening = Box::pin(async {
            match (
                self.api.mapping().push,
                self.api.push_request(&self.visitor),
            ) {
                (Push::None, _) => Err(NotOpen::NoChannel),
                (_, None) => self.open_socket().await,
                (_, Some(Ok((outgoing, greeting)))) => {
                    let outgoing = self.signed_push(outgoing).await?;
                    let opened = self.opening(outgoing, greeting).await;
                    opened.map_err(NotOpen::Refused)
                }
                (_, Some(Err(variable))) => Err(NotOpen::Unset(variable)),
            }
        });
        let late = || {
            Err(NotOpen::Refused(Unopened {
                stage: OpeningStage::Upgrade,
                failure: Failure::Timeout,
                words: String::new(),
            }))
        };
        timeout(OPEN_WITHIN, opening)
            .await
            .unwrap_or_else(|_| late())
    }

    /// Opens the channel as this buyer, and closes it again. A server with Socket.IO may accept everybody first, and disconnect those
    /// whose token it does not know.
    pub(crate) async fn try_channel(&self) -> Result<(), NotOpen> {
        let mut channel = match self.open_channel().await? {
            Line::Channel(channel) if self.api.mapping().push == Push::SocketIo => channel,
            Line::Channel(_) | Line::Socket => return Ok(()),
        };
        let ending = async {
            loop {
                if let Heard::Ended(ended) = poll_fn(|cx| channel.poll_heard(cx)).await {
                    return ended;
                }
            }
        };
        match timeout(DISCONNECTED_WITHIN, ending).await {
            Err(_) => Ok(()),
            Ok(ended) => Err(NotOpen::Refused(Unopened {
                stage: OpeningStage::Connect,
                failure: ended.failure.unwrap_or(Failure::Reset),
                words: ended.words,
            })),
        }
    }

    /// Returns the request that opens the channel with what the program of the mapping adds.
    pub(crate) async fn signed_push(&self, outgoing: Outgoing) -> Result<Outgoing, NotOpen> {
        let signed = self.signed(Step::Push, Request::QueueStatus, outgoing);
        signed.await.map_err(NotOpen::Unsigned)
    }

    async fn open_socket(&self) -> Result<Line, NotOpen> {
        let path = self.api.socket_path();
        let opening = Opening {
            dialer: self.http.dialer(),
            host: self.http.host(),
            path: &path,
            identity: self.visitor.identity.clone(),
            stage_timeout: OPEN_WITHIN / 2,
            access: None,
        };
        let opened = Box::pin(opening.open()).await;
        opened.map(|_| Line::Socket).map_err(NotOpen::Refused)
    }

    async fn opening(&self, outgoing: Outgoing, greeting: Greeting) -> Result<Line, Unopened> {
        let http = outgoing
            .host
            .map_or(&self.http, |host| self.hosts.client(host));
        let mapping = self.api.mapping();
        let stream = mapping.stream.as_deref();
        let is_known = |message: &Message| self.api.hear(message, &self.visitor).meaning.is_some();
        let opening = push::Opening {
            push: mapping.push,
            dialer: http.dialer(),
            host: http.host(),
            identity: self.visitor.identity_for(outgoing.host),
            outgoing,
            greeting,
            stage_timeout: OPEN_WITHIN / 2,
            silence: stream.map_or(OPEN_WITHIN, |stream| stream.timeout),
            resume: Resume::default(),
            is_known: &is_known,
        };
        let (channel, _) = Box::pin(opening.open()).await?;
        Ok(Line::Channel(Box::new(channel)))
    }

    /// Says why the channel is not open, with the server's own words: a sentence fragment.
    pub(crate) fn not_open(&self, not_open: &NotOpen) -> String {
        let unopened = match not_open {
            NotOpen::NoChannel => return "there is none".to_owned(),
            NotOpen::Unset(variable) => return format!("not sent: {{{variable}}} has no value"),
            NotOpen::Unsigned(error) => return format!("not sent: {error}"),
            NotOpen::Refused(unopened) => unopened,
        };
        let secrets = self.visitor.secrets();
        let secrets: Vec<_> = secrets.iter().map(String::as_str).collect();
        let words = mask::body(unopened.words.as_bytes(), &secrets);
        let reason = match unopened.failure {
            Failure::Status(status) => format!("it responded with {status}"),
            Failure::Handshake => "it refused the handshake".to_owned(),
            Failure::Timeout => {
                format!("it did not open within {} s", (OPEN_WITHIN / 2).as_secs())
            }
            Failure::BadAnswer => "it cannot be used".to_owned(),
            failure => in_words(failure, None),
        };
        if words.is_empty() {
            reason
        } else {
            format!("{reason}: {words}")
        }
    }
}

impl NotOpen {
    /// The status of the response; `None` without one.
    pub(crate) const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(Unopened {
                failure: Failure::Status(status),
                ..
            }) => Some(*status),
            Self::Refused(_) | Self::NoChannel | Self::Unset(_) | Self::Unsigned(_) => None,
        }
    }
}
