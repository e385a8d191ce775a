//! Observations: what an engine sees happen to buyers, one at a time. A recorder folds them and keeps none.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use tiketi_core::units::SimTime;
use tiketi_scenario::operation::Operation;

/// One thing that happened to one buyer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Observation {
    /// A planned arrival was due. If the generator could not start the buyer, the arrival is shed.
    Arrival {
        /// When it was due.
        intended: SimTime,
        /// When it was started, or would have been.
        sent: SimTime,
        /// Whether the buyer was started.
        started: bool,
    },
    /// A request, or the opening of a socket, ended.
    Call(Call),
    /// A buyer reached a stage of the purchase for the first time.
    Stage {
        /// When.
        at: SimTime,
        /// The stage.
        stage: Stage,
    },
    /// A buyer was admitted from the queue.
    Admitted {
        /// When.
        at: SimTime,
        /// Time in the queue, from the `queue/check` that queued the buyer.
        waited: Duration,
    },
    /// The visit of a buyer ended.
    Left {
        /// When.
        at: SimTime,
        /// Why.
        reason: LeaveReason,
        /// How long the buyer had been waiting in the queue; `None` if the visit did not end there.
        waited: Option<Duration>,
    },
    /// A socket was opened or closed.
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
        /// From its publication to its receipt; `None` if it does not carry its publication time.
        delay: Option<Duration>,
    },
}

/// One request, with the three instants from which its times are computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call {
    /// The operation.
    pub operation: Operation,
    /// When it was scheduled to be sent.
    pub intended: SimTime,
    /// When it was sent.
    pub sent: SimTime,
    /// When the response, or the failure, arrived.
    pub answered: SimTime,
    /// The outcome.
    pub outcome: Outcome,
    /// Bytes received in the body of the response.
    pub bytes: u32,
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It succeeded.
    Ok,
    /// It was rejected for a business reason (seat taken, hold expired), which is not a failure.
    Refused,
    /// It failed.
    Failed(Failure),
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The host name could not be resolved.
    Dns,
    /// Nothing listened at the address.
    ConnectRefused,
    /// The connection was not established in time.
    ConnectTimeout,
    /// The connection was closed before the response: whether the request took effect is unknown.
    Reset,
    /// The response did not arrive in time: whether the request took effect is unknown.
    Timeout,
    /// The WebSocket or Socket.IO handshake was rejected or invalid.
    Handshake,
    /// A response with an HTTP error status.
    Status(u16),
    /// An invalid response.
    BadAnswer,
}

/// A stage of the purchase, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The visit started.
    Arrived,
    /// The page and the show are loaded.
    PageLoaded,
    /// The buyer is in the queue.
    Queued,
    /// The buyer may choose a seat.
    Admitted,
    /// The seat map is loaded.
    SeatsSeen,
    /// The buyer holds a seat.
    SeatHeld,
    /// The buyer has paid.
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

/// Why the visit of a buyer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// The buyer bought a ticket.
    Paid,
    /// No seat was left.
    SoldOut,
    /// The buyer gave up waiting in the queue.
    OutOfPatience,
    /// Too many of the chosen seats had just been taken.
    TooManyConflicts,
    /// The buyer held a seat and did not pay.
    WalkedAway,
    /// The hold ended before the payment went through.
    HoldExpired,
    /// Too many requests failed in a row.
    TooManyErrors,
    /// The run ended before the visit did.
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
    /// Lost: closed without the buyer's doing.
    Lost,
}
