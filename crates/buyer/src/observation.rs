//! What an engine sees happen, one at a time; a recorder folds them and keeps none.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use tiketi_core::units::SimTime;
use tiketi_scenario::operation::Operation;

/// One thing that happened to one buyer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Observation {
    /// A planned arrival was due; `started` says whether the generator could start the buyer (if not: shed).
    Arrival {
        /// When it was due.
        intended: SimTime,
        /// When it started.
        sent: SimTime,
        /// Whether the buyer was started.
        started: bool,
    },
    /// A call (or the opening of a socket) ended.
    Call(Call),
    /// A buyer reached a stage of the purchase for the first time.
    Stage {
        /// When.
        at: SimTime,
        /// Which.
        stage: Stage,
    },
    /// A buyer who had waited was admitted.
    Admitted {
        /// When.
        at: SimTime,
        /// From the first `queue/check` that queued to the admission.
        waited: Duration,
    },
    /// A journey ended.
    Left {
        /// When.
        at: SimTime,
        /// Why.
        reason: LeaveReason,
        /// How long the buyer had been waiting in the queue, if the journey ended there.
        waited: Option<Duration>,
    },
    /// A socket was opened (+1) or closed (-1).
    Socket {
        /// When.
        at: SimTime,
        /// What happened to it.
        change: SocketChange,
    },
    /// A message from the server reached a buyer.
    Message {
        /// When.
        at: SimTime,
        /// From its publication to its receipt; `None` if it carried no time.
        delay: Option<Duration>,
    },
}

/// One call, with the three instants that count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call {
    /// What was asked.
    pub operation: Operation,
    /// When it should have left.
    pub intended: SimTime,
    /// When it left.
    pub sent: SimTime,
    /// When the answer (or the failure) was there.
    pub answered: SimTime,
    /// What came of it.
    pub outcome: Outcome,
    /// Bytes of the body received.
    pub bytes: u32,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done.
    Ok,
    /// Understood and refused for a reason of the business (seat taken, hold expired): not a failure.
    Refused,
    /// Not done.
    Failed(Failure),
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The name could not be resolved.
    Dns,
    /// Nobody listened.
    ConnectRefused,
    /// No connection in time.
    ConnectTimeout,
    /// The connection broke before the answer: whether it was done is unknown.
    Reset,
    /// No answer in time: whether it was done is unknown.
    Timeout,
    /// The WebSocket or Socket.IO handshake was refused or not understood.
    Handshake,
    /// An answer with an error status.
    Status(u16),
    /// An answer that could not be understood.
    BadAnswer,
}

/// A stage of the purchase, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Started.
    Arrived,
    /// Has the page and the show.
    PageLoaded,
    /// Waits in the queue.
    Queued,
    /// May choose a seat.
    Admitted,
    /// Has seen the seat map.
    SeatsSeen,
    /// Holds a seat.
    SeatHeld,
    /// Has paid.
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

/// Why a journey ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// With a ticket.
    Paid,
    /// No seat was left.
    SoldOut,
    /// Tired of waiting in the queue.
    OutOfPatience,
    /// Too many seats were taken from under the cursor.
    TooManyConflicts,
    /// Held a seat and did not pay.
    WalkedAway,
    /// The hold ended before the payment went through.
    HoldExpired,
    /// Too many failed calls in a row.
    TooManyErrors,
    /// The run ended first.
    Unfinished,
}

impl LeaveReason {
    /// All reasons, the ticket first.
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

/// What happened to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketChange {
    /// Connected for the first time.
    Connected,
    /// Connected again after a loss.
    Reconnected,
    /// Closed by the buyer.
    Closed,
    /// Lost.
    Lost,
}
