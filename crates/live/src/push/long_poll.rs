//! Long polls: a request that is answered when there is something to say, and then sent again.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use tokio::time::{Instant, sleep_until};

use super::{Ended, MESSAGE_BYTES_MAX, Message, Step};
use crate::clock::wall_now;
use crate::http::{Identity, Outgoing, message};
use tiketi_buyer::observation::Failure;

/// Shortest time between two long polls (assumption): a server that answers at once would otherwise be asked without end.
const APART_MIN: Duration = Duration::from_millis(100);

pub(super) type Sender = SendRequest<Full<Bytes>>;

/// A request that a program still adds to.
pub(crate) type Signing = Pin<Box<dyn Future<Output = Outgoing>>>;

/// A long poll in flight: it ends with the message, and the connection for the next one.
type Asking = Pin<Box<dyn Future<Output = Result<(Sender, Message), Ended>>>>;

/// The long polls of one buyer, one after the other on one connection.
pub(super) struct LongPoll {
    host: HeaderValue,
    identity: Identity,
    sent_at: Instant,
    state: State,
}

enum State {
    Asking(Asking),
    Idle(Sender),
    /// The first response, which was waited for.
    Answered(Sender, Message),
    Over,
}

impl LongPoll {
    /// Sends the first one.
    pub(super) fn new(host: HeaderValue, identity: Identity, sender: Sender) -> Self {
        Self {
            host,
            identity,
            sent_at: wall_now(),
            state: State::Idle(sender),
        }
    }

    /// Returns whether none is in flight.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle(_))
    }

    /// Sends the next one after `pause`; returns when.
    pub(super) fn ask(&mut self, outgoing: &Outgoing, pause: Duration) -> Instant {
        let request = message(&self.host, outgoing, &self.identity);
        self.ask_by(pause, |sender, at| Box::pin(asking(sender, request, at)))
    }

    /// The same with a request that has to be signed when it is due.
    pub(super) fn ask_signed(&mut self, signing: Signing, pause: Duration) -> Instant {
        let (host, identity) = (self.host.clone(), self.identity.clone());
        self.ask_by(pause, |sender, at| {
            Box::pin(async move {
                sleep_until(at).await;
                let request = message(&host, &signing.await, &identity);
                asking(sender, request, at).await
            })
        })
    }

    fn ask_by(
        &mut self,
        pause: Duration,
        asking: impl FnOnce(Sender, Instant) -> Asking,
    ) -> Instant {
        let at = (wall_now() + pause).max(self.sent_at + APART_MIN);
        match std::mem::replace(&mut self.state, State::Over) {
            State::Idle(sender) => {
                self.sent_at = at;
                self.state = State::Asking(asking(sender, at));
            }
            state => self.state = state,
        }
        at
    }

    /// Waits for the response to the first one, at most for `longest`. Returns it; `None` if it comes later.
    pub(super) async fn first(&mut self, longest: Duration) -> Result<Option<&Message>, Ended> {
        let State::Asking(asking) = &mut self.state else {
            return Ok(None);
        };
        let Ok(answered) = tokio::time::timeout(longest, asking.as_mut()).await else {
            return Ok(None);
        };
        let (sender, message) = answered?;
        self.state = State::Answered(sender, message);
        Ok(match &self.state {
            State::Answered(_, message) => Some(message),
            State::Asking(_) | State::Idle(_) | State::Over => None,
        })
    }

    pub(super) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Asking(mut asking) => match asking.as_mut().poll(cx) {
                Poll::Ready(Ok((sender, message))) => {
                    self.state = State::Idle(sender);
                    Poll::Ready(Step::Message(message))
                }
                Poll::Ready(Err(ended)) => Poll::Ready(Step::Ended(ended)),
                Poll::Pending => {
                    self.state = State::Asking(asking);
                    Poll::Pending
                }
            },
            State::Answered(sender, message) => {
                self.state = State::Idle(sender);
                Poll::Ready(Step::Message(message))
            }
            state @ (State::Idle(_) | State::Over) => {
                self.state = state;
                Poll::Pending
            }
        }
    }
}

async fn asking(
    mut sender: Sender,
    request: Request<Full<Bytes>>,
    at: Instant,
) -> Result<(Sender, Message), Ended> {
    sleep_until(at).await;
    let reset = |_| Ended::broken(Failure::Reset, String::new());
    sender.ready().await.map_err(reset)?;
    let response = sender.send_request(request).await.map_err(reset)?;
    let (head, mut incoming) = response.into_parts();
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame.map_err(reset)?.into_data() else {
            continue;
        };
        if body.len() + data.len() > MESSAGE_BYTES_MAX {
            let most = MESSAGE_BYTES_MAX >> 10;
            let words = format!("a response is longer than {most} KiB");
            return Err(Ended::broken(Failure::BadAnswer, words));
        }
        body.extend_from_slice(&data);
    }
    let message = Message {
        event: None,
        body: body.into(),
        head: Some(Box::new((head.status, head.headers))),
        ack: None,
    };
    Ok((sender, message))
}

/// Whether a response to a long poll that no row describes says that the system does not answer them.
pub(super) fn is_refusal(status: StatusCode) -> bool {
    !status.is_success()
}
