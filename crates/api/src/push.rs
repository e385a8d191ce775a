//! Messages that a back end sends without being asked: how the channel is opened, and what its messages mean.

use std::time::Duration;

use tiketi_core::names;

use crate::id::IdText;
use crate::mapping::{Kept, Response, Role, kept_value};
use crate::place::Place;
use crate::reader::Slots;
use crate::row::{Facts, Meaning};
use crate::scalar::Scalar;
use crate::template::{Template, Values, Variable};

/// How the back end reaches a buyer without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// Not at all: buyers poll.
    None,
    /// With Socket.IO: as the back ends of TIKETI do, if the mapping does not say more.
    SocketIo,
    /// With server-sent events: a response that does not end.
    Sse,
    /// With a WebSocket whose frames are the messages.
    WebSocket,
    /// With a request that is answered late, and repeated.
    LongPoll,
}

names!(Push {
    None = "none",
    SocketIo = "socket.io",
    Sse = "sse",
    WebSocket = "websocket",
    LongPoll = "long-poll",
});

/// Longest silence of a channel that the mapping does not limit otherwise: load balancers close an idle connection after it by
/// default.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Longest silence that a mapping can allow. Of Socket.IO, the server says itself how often it pings, and this is only the limit.
pub(crate) const TIMEOUT_MAX: Duration = Duration::from_secs(10 * 60);

/// A channel of messages.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The request that opens it, and the rows that say what a message means.
    pub role: Role,
    /// What the buyer sends as soon as it is open: the texts of a WebSocket, or the JSON lists of Socket.IO (name and arguments).
    pub send: Vec<Template>,
    /// Whether it is opened with the page of the show, before buyers enter the queue.
    pub is_early: bool,
    /// What only Socket.IO has; `None` for other channels.
    pub socket: Option<Box<SocketIo>>,
    /// How long it may be silent, and how long a long poll may take, in real time.
    pub timeout: Duration,
    /// Where a message names its buyer, and what this buyer is compared by.
    pub(crate) recipient: Option<(u8, Variable)>,
}

/// What a channel with Socket.IO has besides.
#[derive(Clone, Debug, Default)]
pub struct SocketIo {
    /// The namespace; empty for `/`.
    pub namespace: Template,
    /// The payload of the connect packet, as JSON; empty without one.
    pub auth: Template,
    /// For each of [`Stream::send`], the name under which its acknowledgement is understood; `None` if it asks for none.
    pub answers: Vec<Option<String>>,
    /// The arguments, as a JSON list, with which messages of these names are acknowledged. All others get none.
    pub acks: Vec<(String, Template)>,
}

/// A message, as far as a mapping looks at it.
#[derive(Clone, Copy, Debug)]
pub struct PushMessage<'b> {
    /// Its name; `None` if messages of this channel have none.
    pub event: Option<&'b str>,
    /// The response that it is; of a message without status and headers, only the body says something.
    pub response: Response<'b>,
}

/// For whom a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// The buyer who received it.
    Buyer,
    /// It names nobody.
    Everybody,
    /// Somebody else.
    Another,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub struct PushUnderstood<'b> {
    /// What it means; `None` if no row matches.
    pub meaning: Option<Meaning>,
    /// For whom it is. An admission that names nobody is for somebody else, if messages name their buyers.
    pub recipient: Recipient,
    /// The seat that it is about; `None` if it names none.
    pub seat: Option<IdText<'b>>,
    /// The variables that are kept from it, if it is for this buyer or for everybody.
    pub kept: Vec<(Variable, Kept<'b>)>,
    /// How long to wait before the next long poll; `None` if it does not say.
    pub poll_after: Option<Duration>,
}

impl Stream {
    /// Understands a message that a buyer has received.
    pub fn understand<'b>(
        &self,
        buyer: &dyn Values,
        message: &PushMessage<'b>,
    ) -> PushUnderstood<'b> {
        let response = &message.response;
        let mut slots = Slots::default();
        let pointers = &self.role.pointers;
        let is_json = !pointers.is_empty() && pointers.read(response.body, &mut slots, &mut |_| {});
        let facts = Facts {
            status: response.status,
            slots: is_json.then_some(&slots),
            body: response.body,
            header: response.header,
            event: message.event,
            buyer,
        };
        let mut rows = self.role.rows.iter();
        let meaning = rows.find(|row| row.matches(&facts)).map(|row| row.meaning);
        let recipient = self.recipient(meaning, &slots, buyer);
        let mut seat = None;
        let mut kept = Vec::new();
        for keep in &self.role.keeps {
            match kept_value(&keep.source, &slots, response) {
                Some(value) if keep.variable == Variable::Seat => seat = Some(value),
                Some(value) if recipient != Recipient::Another => {
                    kept.push((keep.variable, value));
                }
                Some(_) | None => {}
            }
        }
        let after = self.role.poll_after.as_ref();
        PushUnderstood {
            meaning,
            recipient,
            seat,
            kept,
            poll_after: after
                .and_then(|after| after.read(&slots, response.header, response.now_unix_s)),
        }
    }

    fn recipient(
        &self,
        meaning: Option<Meaning>,
        slots: &Slots<'_>,
        buyer: &dyn Values,
    ) -> Recipient {
        let Some((slot, variable)) = self.recipient else {
            return Recipient::Everybody;
        };
        let named = &slots[usize::from(slot)];
        let own = buyer.value(variable).map(|own| Scalar::Text(own.text));
        match own {
            _ if !named.exists() && meaning == Some(Meaning::Admitted) => Recipient::Another,
            _ if !named.exists() => Recipient::Everybody,
            Some(own) if named.same(&own) => Recipient::Buyer,
            Some(_) | None => Recipient::Another,
        }
    }

    /// Returns what is sent besides the request that opens the channel.
    pub(crate) fn sent(&self) -> impl Iterator<Item = &Template> {
        let of_socket = self.socket.as_deref().into_iter().flat_map(|socket| {
            let acks = socket.acks.iter().map(|(_, arguments)| arguments);
            [&socket.namespace, &socket.auth].into_iter().chain(acks)
        });
        self.send.iter().chain(of_socket)
    }

    /// Returns what a message says of the buyer's place in the queue.
    pub fn place(&self, body: &[u8]) -> Place {
        self.role.place(body)
    }

    /// Returns whether some message is about the queue: then waiting buyers open the channel.
    pub fn serves_queue(&self) -> bool {
        self.says(|meaning| {
            matches!(
                meaning,
                Meaning::Admitted | Meaning::Queued | Meaning::Updated | Meaning::Dropped
            )
        })
    }

    /// Returns whether some message is about seats: then buyers who choose a seat have it open.
    pub fn serves_seats(&self) -> bool {
        self.says(|meaning| matches!(meaning, Meaning::Taken | Meaning::Released))
    }

    /// Returns whether some message tells a buyer of an admission.
    pub fn admits(&self) -> bool {
        self.says(|meaning| meaning == Meaning::Admitted)
    }

    fn says(&self, is_it: impl Fn(Meaning) -> bool) -> bool {
        self.role.rows.iter().any(|row| is_it(row.meaning))
    }
}

#[cfg(test)]
#[path = "push_tests.rs"]
mod tests;
