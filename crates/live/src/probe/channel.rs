//! What the buyer of a probe hears over the push channel.

use std::future::poll_fn;

use tokio::time::{Instant, sleep_until};

use super::{Answered, Exchange, Reply, Walk, body};
use crate::push::{Channel, Heard, Message};
use crate::session::{Line, NotOpen};
use tiketi_buyer::Message as Told;

/// Most messages that are shown.
const SHOWN_MAX: usize = 20;

/// The channel of the buyer.
pub(super) struct Listening {
    channel: Box<Channel>,
    shown: usize,
}

impl Walk<'_> {
    /// Opens the channel, if there is one, and shows the result. A Socket.IO socket is closed again.
    pub(super) async fn open_channel(&mut self) -> Option<Listening> {
        let call = self.session.channel_call()?;
        let opened = self.session.open_channel().await;
        let name = self.session.api.mapping().push;
        let (response, understood) = match &opened {
            Ok(_) => (
                Ok(Answered::default()),
                Ok("the push channel is open".to_owned()),
            ),
            Err(NotOpen::NoChannel) => return None,
            Err(not_open) => (
                Err(self.session.not_open(not_open)),
                Err("the push channel is not open: buyers poll instead".to_owned()),
            ),
        };
        (self.report)(&Exchange {
            role: format!("push ({})", name.name()),
            call,
            headers: Vec::new(),
            body: String::new(),
            response,
            understood,
        });
        match opened {
            Ok(Line::Channel(channel)) => Some(Listening { channel, shown: 0 }),
            Ok(Line::Socket) | Err(_) => None,
        }
    }

    /// Listens until a message says how it goes on; `None` if none has until then. A channel that ends is not opened again.
    pub(super) async fn listen(
        &mut self,
        listening: &mut Option<Listening>,
        until: Instant,
    ) -> Option<Reply> {
        loop {
            let Some(Listening { channel, shown }) = listening else {
                sleep_until(until).await;
                return None;
            };
            if channel.is_answered()
                && let Some(Ok((outgoing, _))) =
                    self.session.api.push_request(&self.session.visitor)
                && let Ok(outgoing) = self.session.signed_push(outgoing).await
            {
                channel.ask(&outgoing);
            }
            let end = channel.silent_until().min(until);
            let heard = tokio::select! {
                heard = poll_fn(|cx| channel.poll_heard(cx)) => heard,
                () = sleep_until(end) => {
                    if end == until {
                        return None;
                    }
                    continue; // The next look at the channel finds that it is silent.
                }
            };
            match heard {
                Heard::Message(message) => {
                    *shown += 1;
                    let is_shown = *shown <= SHOWN_MAX;
                    let told = self.session.api.hear(&message, &self.session.visitor);
                    channel.set_pause(told.poll_after.unwrap_or_default());
                    if is_shown {
                        let words = match (told.meaning, told.message) {
                            (None, _) => {
                                Err("not understood: no row of the mapping matches".to_owned())
                            }
                            (Some(_), Told::EntryAllowed { user })
                                if user != self.session.visitor.user =>
                            {
                                Ok("admitted: another buyer".to_owned())
                            }
                            (Some(meaning), _) => Ok(meaning.name().to_owned()),
                        };
                        self.show_message(&message, words);
                    }
                    let session = &mut self.session;
                    session.api.keep_told(&told.kept, &mut session.visitor);
                    let ack = session.api.acknowledgement(&message, &session.visitor);
                    if let Some((id, arguments)) = ack {
                        channel.acknowledge(id, &arguments);
                    }
                    match told.message {
                        Told::EntryAllowed { user } if user == session.visitor.user => {
                            return Some(Reply::Inside);
                        }
                        Told::SoldOut => return Some(Reply::SoldOut),
                        Told::QueueCleared => return Some(Reply::Failed),
                        _ => {}
                    }
                }
                Heard::Ended(ended) => {
                    let reason = if ended.words.is_empty() {
                        "it was closed".to_owned()
                    } else {
                        body(ended.words.as_bytes(), &self.session.visitor.secrets())
                    };
                    *listening = None;
                    (self.report)(&Exchange {
                        role: "message".to_owned(),
                        call: "(the push channel has ended)".to_owned(),
                        headers: Vec::new(),
                        body: String::new(),
                        response: Err(reason),
                        understood: Err("a run opens the channel again".to_owned()),
                    });
                }
            }
        }
    }

    fn show_message(&mut self, message: &Message, understood: Result<String, String>) {
        let secrets = self.session.visitor.secrets();
        let event = message.event.as_deref();
        let event = event.map(|event| format!("event: {}", body(event.as_bytes(), &secrets)));
        let head = message.head.as_deref();
        (self.report)(&Exchange {
            role: "message".to_owned(),
            call: "(over the push channel)".to_owned(),
            headers: Vec::new(),
            body: String::new(),
            response: Ok(Answered {
                status: head.map(|(status, _)| status.as_u16()),
                headers: event.into_iter().collect(),
                body: body(&message.body, &secrets),
            }),
            understood,
        });
    }
}
