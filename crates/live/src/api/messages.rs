//! What the messages of a push channel mean to a journey.

use std::time::Duration;

use http::header::SET_COOKIE;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::{Api, NO_ID, Step};
use crate::http::Outgoing;
use crate::push::{Greeting, Introduction, Message as Heard};
use crate::socket_io::ROOT;
use crate::visitor::{Scope, Visitor};
use tiketi_api::{
    IdText, Meaning, Push, PushMessage, PushUnderstood, Recipient, Response, SocketIo, Template,
    Variable, key_of,
};
use tiketi_buyer::{Channel, Message, Request};

/// What a message says to a journey.
pub(crate) struct Told {
    /// What it means; `None` if no row of the mapping describes it.
    pub(crate) meaning: Option<Meaning>,
    /// What the journey hears.
    pub(crate) message: Message,
    /// The variables that the buyer keeps from it.
    pub(crate) kept: Vec<(Variable, IdText<'static>)>,
    /// How long to wait before the next long poll; `None` if it does not say.
    pub(crate) poll_after: Option<Duration>,
}

/// The request that opens the channel, and what is sent then; or the name of a variable that has no value yet.
type PushRequest = Result<(Outgoing, Greeting), String>;

impl Api {
    /// Returns the request that opens the channel of the mapping; `None` without one.
    pub(crate) fn push_request(&self, visitor: &Visitor) -> Option<PushRequest> {
        let stream = self.mapping.stream.as_deref()?;
        let request = Request::QueueStatus;
        let text = |template: &Template| {
            let mut text = String::new();
            let unset = |variable| self.mapping.variable_name(variable);
            let scope = Scope::new(self, visitor, request);
            template.render(&scope, &mut text).map_err(unset)?;
            Ok::<_, String>(text)
        };
        let introduction = |socket: &SocketIo| {
            let name = text(&socket.namespace)?;
            let namespace = Some(name.as_str()).filter(|name| !name.is_empty());
            let answers = socket.answers.iter();
            Ok::<_, String>(Box::new(Introduction {
                namespace: namespace.unwrap_or(ROOT).into(),
                auth: text(&socket.auth)?,
                answers: answers.map(|name| name.as_deref().map(Box::from)).collect(),
            }))
        };
        let greeting = || {
            let send = stream.send.iter();
            let send = send.map(|template| text(template).map(Utf8Bytes::from));
            Ok::<_, String>(Greeting {
                send: send.collect::<Result<_, _>>()?,
                introduction: stream.socket.as_deref().map(introduction).transpose()?,
            })
        };
        let outgoing = self.outgoing(Step::Push, request, visitor);
        Some(outgoing.and_then(|outgoing| Ok((outgoing, greeting()?))))
    }

    /// Returns with which id and arguments a message is acknowledged; `None` if it does not ask for that. A value that the buyer does
    /// not have leaves no arguments.
    pub(crate) fn acknowledgement(
        &self,
        heard: &Heard,
        visitor: &Visitor,
    ) -> Option<(u64, String)> {
        let id = heard.ack?;
        let socket = self.mapping.stream.as_deref()?.socket.as_deref()?;
        let mut acks = socket.acks.iter();
        let known = acks.find(|(name, _)| heard.event.as_ref() == Some(name));
        let arguments = known.and_then(|(_, template)| {
            let mut text = String::new();
            let scope = Scope::new(self, visitor, Request::QueueStatus);
            template.render(&scope, &mut text).is_ok().then_some(text)
        });
        Some((id, arguments.unwrap_or_else(|| "[]".to_owned())))
    }

    /// Returns what the messages of the push channel are about.
    pub(crate) fn channel(&self) -> Channel {
        match (self.mapping.push, self.mapping.stream.as_deref()) {
            (Push::SocketIo, None) => Channel::ALL,
            (_, Some(stream)) => Channel {
                queue: stream.serves_queue(),
                seats: stream.serves_seats(),
                early: stream.is_early && stream.serves_queue(),
            },
            (_, None) => Channel::NONE,
        }
    }

    /// Understands a message for a buyer. Nothing is kept yet.
    pub(crate) fn hear(&self, heard: &Heard, visitor: &Visitor) -> Told {
        let nothing = Told {
            meaning: None,
            message: Message::Other,
            kept: Vec::new(),
            poll_after: None,
        };
        let Some(stream) = self.mapping.stream.as_deref() else {
            return nothing;
        };
        let head = heard.head.as_deref();
        let header = |name: &str| head?.1.get(name)?.to_str().ok();
        let cookies = || {
            let values = head.map(|(_, headers)| headers.get_all(SET_COOKIE).iter());
            let values = values.into_iter().flatten();
            values.filter_map(|value| value.to_str().ok()).collect()
        };
        let message = PushMessage {
            event: heard.event.as_deref(),
            response: Response {
                status: head.map_or(0, |(status, _)| status.as_u16()),
                body: &heard.body,
                header: &header,
                cookies: &cookies,
                now_unix_s: 0,
            },
        };
        let buyer = Scope::new(self, visitor, Request::QueueStatus);
        let understood = stream.understand(&buyer, &message);
        let told = self.message(&understood, visitor);
        let kept = understood.kept.into_iter();
        Told {
            meaning: understood.meaning,
            message: told,
            kept: kept
                .map(|(name, value)| (name, value.into_owned()))
                .collect(),
            poll_after: understood.poll_after,
        }
    }

    /// Keeps what a message said.
    pub(crate) fn keep_told(&self, kept: &[(Variable, IdText<'static>)], visitor: &mut Visitor) {
        for (variable, value) in kept {
            let _key = self.keep(*variable, value, visitor);
        }
    }

    fn message(&self, understood: &PushUnderstood<'_>, visitor: &Visitor) -> Message {
        let is_for_buyer = understood.recipient != Recipient::Another;
        let seat = understood.seat.as_ref().map(key_of);
        match understood.meaning {
            Some(Meaning::Admitted) => Message::EntryAllowed {
                user: if is_for_buyer { visitor.user } else { NO_ID },
            },
            Some(Meaning::Queued) if is_for_buyer => Message::StillQueued,
            Some(Meaning::Dropped) if is_for_buyer => Message::QueueCleared,
            Some(Meaning::SoldOut) if is_for_buyer => Message::SoldOut,
            Some(Meaning::Updated) => Message::QueueUpdated,
            Some(Meaning::Taken) => seat.map_or(Message::Other, |seat| Message::SeatLocked {
                seat,
                user: (understood.recipient == Recipient::Buyer).then_some(visitor.user),
            }),
            // An id that no map has shown cannot be sent back; the next look at the map shows it.
            Some(Meaning::Released) => seat
                .filter(|seat| self.ids.knows(*seat))
                .map_or(Message::Other, |seat| Message::SeatReleased { seat }),
            _ => Message::Other,
        }
    }
}
