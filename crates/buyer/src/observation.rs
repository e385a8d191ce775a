//! What an engine observes, one event at a time. A recorder aggregates observations and stores none.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use tiketi_core::units::SimTime;
use tiketi_scenario::operation::Operation;

/// Something that happened to one buyer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Observation {
    /// A planned arrival was due.
    Arrival {
        /// When it was due.
        intended: SimTime,
        /// When it started.
        sent: SimTime,
        /// Whether the load generator started the buyer.
        start: Start,
    },
    /// A request, or the opening of a socket, ended.
    Call(Call),
    /// A page load that the edge answered ended. It is no request to the system.
    PageLoad(Call),
    /// A buyer reached a stage of the purchase for the first time.
    Stage {
        /// When it happened.
        at: SimTime,
        /// The stage.
        stage: Stage,
        /// Whether the buyer is a program.
        is_bot: bool,
    },
    /// A waiting buyer has reloaded the page.
    Reloaded {
        /// When it happened.
        at: SimTime,
    },
    /// The system did not know a buyer any more who was in the queue.
    LoggedOut {
        /// When it said so.
        at: SimTime,
        /// How long the buyer had been in the queue.
        waited: Duration,
    },
    /// A waiting buyer was admitted.
    Admitted {
        /// When it happened.
        at: SimTime,
        /// Time from the first `queue/check` that put the buyer in the queue to the admission.
        waited: Duration,
        /// How the buyer learned of it.
        learned: Learned,
    },
    /// A buyer was admitted on entry, without waiting.
    AdmittedAtOnce {
        /// When it happened.
        at: SimTime,
    },
    /// A waiting buyer's place in the queue was gone, without an admission.
    Dropped {
        /// When the buyer noticed.
        at: SimTime,
        /// What the buyer did next.
        then: AfterDrop,
    },
    /// A journey ended.
    Left {
        /// When it happened.
        at: SimTime,
        /// The reason.
        reason: LeaveReason,
        /// How long the buyer had been in the queue; `None` if the journey did not end there.
        waited: Option<Duration>,
    },
    /// The polls of a buyer who was in the queue, once, when the visit ends.
    Polls(Polls),
    /// A socket was opened or closed.
    Socket {
        /// When it happened.
        at: SimTime,
        /// What happened to the socket.
        change: SocketChange,
    },
    /// A message from the server reached a buyer.
    Message {
        /// When it happened.
        at: SimTime,
        /// Time from publication to receipt; `None` if the message has no timestamp.
        delay: Option<Duration>,
    },
}

/// Whether the load generator started a buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It did.
    Started,
    /// It did not, because it had reached a limit: the arrival is shed.
    Shed,
    /// It did not, because no credential could be created for the buyer.
    NoCredential,
}

/// A request and its three timestamps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call {
    /// The operation.
    pub operation: Operation,
    /// When it was due.
    pub intended: SimTime,
    /// When it was sent.
    pub sent: SimTime,
    /// When the response was complete, or the request failed.
    pub answered: SimTime,
    /// The outcome.
    pub outcome: Outcome,
    /// Bytes of the response body.
    pub bytes: u32,
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Success.
    Ok,
    /// Refused for a business reason (seat taken, hold expired); not a failure.
    Refused,
    /// Failure.
    Failed(Failure),
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The name could not be resolved.
    Dns,
    /// The connection was refused.
    ConnectRefused,
    /// The connection was not established in time.
    ConnectTimeout,
    /// The connection broke before the response; whether the server handled the request is unknown.
    Reset,
    /// There was no response in time; whether the server handled the request is unknown.
    Timeout,
    /// The WebSocket or Socket.IO handshake was refused or invalid.
    Handshake,
    /// The response had an error status.
    Status(u16),
    /// The response could not be parsed.
    BadAnswer,
}

/// A stage of the purchase, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Started.
    Arrived,
    /// Loaded the page and the show.
    PageLoaded,
    /// Joined the queue.
    Queued,
    /// Admitted; may choose a seat.
    Admitted,
    /// Saw the seat map.
    SeatsSeen,
    /// Holds a seat.
    SeatHeld,
    /// Paid.
    Paid,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 7] = [
        Self::Arrived,
        Self::PageLoaded,
        Self::Queued,
        Self::Admitted,
        Self::SeatsSeen,
        Self::SeatHeld,
        Self::Paid,
    ];
}

/// What a buyer does whom the waiting room has dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterDrop {
    /// Goes on to the seats: the system says that the buyer no longer waits. This buyer bypasses the waiting room.
    Entered,
    /// Joins the queue again, at its end.
    Rejoined,
    /// Goes on to the seats although no message about an admission came and the system does not say more. The buyer may have been
    /// admitted in the moment before the socket was open.
    EnteredUnannounced,
}

/// How a buyer learned of an admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learned {
    /// From a message of the push channel.
    Message,
    /// From a poll, although the channel was open: its message came later, or never.
    PollBeforeMessage,
    /// From a poll, without an open channel.
    Poll,
    /// From the response to entering the queue.
    OnEntry,
}

impl Learned {
    /// All ways, in the order of reports.
    pub const ALL: [Self; 4] = [
        Self::Message,
        Self::PollBeforeMessage,
        Self::Poll,
        Self::OnEntry,
    ];
}

/// Why a journey ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// Bought a ticket.
    Paid,
    /// No seat was left.
    SoldOut,
    /// Gave up waiting in the queue.
    OutOfPatience,
    /// Picked too many seats that others took first.
    TooManyConflicts,
    /// Held a seat and did not pay.
    WalkedAway,
    /// The payment was refused: the hold had expired, or the card was declined.
    HoldExpired,
    /// Too many consecutive requests failed.
    TooManyErrors,
    /// The run ended first.
    Unfinished,
}

impl LeaveReason {
    /// All reasons, in the order of reports.
    pub const ALL: [Self; 8] = [
        Self::Paid,
        Self::SoldOut,
        Self::OutOfPatience,
        Self::TooManyConflicts,
        Self::WalkedAway,
        Self::HoldExpired,
        Self::TooManyErrors,
        Self::Unfinished,
    ];
}

/// The polls of waiting buyers, by what became of them: `due` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Polls {
    /// Polls that were scheduled, or that came due while the load generator was late.
    pub due: u64,
    /// Polls that were sent.
    pub sent: u64,
    /// Polls that became pointless before they were due: the buyer was admitted, left, or polled at another time instead.
    pub cancelled: u64,
    /// Polls that the load generator should have sent and did not: it sent the one before so late that the buyer's page
    /// would have polled again.
    pub missed: u64,
}

impl Polls {
    /// Adds other polls.
    pub const fn add(&mut self, other: Self) {
        self.due += other.due;
        self.sent += other.sent;
        self.cancelled += other.cancelled;
        self.missed += other.missed;
    }

    /// Whether every poll that was due is accounted for.
    pub const fn add_up(&self) -> bool {
        self.due == self.sent + self.cancelled + self.missed
    }
}

/// What happened to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketChange {
    /// Connected for the first time.
    Connected,
    /// Reconnected after a loss.
    Reconnected,
    /// Closed by the buyer.
    Closed,
    /// Lost.
    Lost,
}
