//! The actions of a buyer, and the responses and messages it gets.

use std::time::Duration;

use uuid::Uuid;

use crate::observation::{Failure, LeaveReason};
use tiketi_core::units::SimTime;
use tiketi_scenario::operation::Operation;

/// Something for the driver to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a request. The driver reports exactly one response with [`super::Journey::handle_answer`].
    Call {
        /// The request.
        request: Request,
        /// When it was due: the time it was scheduled for, or the time of the response it follows.
        intended: SimTime,
    },
    /// Open the socket. The driver reports the result with `handle_socket_open` or `handle_socket_lost`.
    Connect {
        /// When it was due.
        intended: SimTime,
    },
    /// Send a message over the open socket.
    Emit(Emission),
    /// Close the socket. The driver reports nothing more about it.
    Close,
    /// The journey is over; no action follows.
    Leave(LeaveReason),
}

/// A request to the back end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Register and log in, and whatever else a buyer needs once.
    LogIn,
    /// Log in again, because the system does not know the buyer any more.
    LogInAgain,
    /// Load the page.
    PageLoad,
    /// Get the list of shows.
    ShowList,
    /// Get the details of the show.
    ShowDetail,
    /// Enter the waiting room.
    QueueCheck,
    /// Poll the own place in the queue.
    QueueStatus,
    /// Leave the waiting room, or return the shopping slot.
    QueueLeave,
    /// Get the seat map.
    SeatList,
    /// Hold a seat.
    SeatReserve {
        /// The seat.
        seat: Uuid,
    },
    /// Pay for a held seat.
    PaymentProcess {
        /// The reservation that holds it.
        reservation: Uuid,
    },
}

impl Request {
    /// Returns the operation that this request counts as.
    pub const fn operation(self) -> Operation {
        match self {
            Self::PageLoad => Operation::PageLoad,
            // It counts as a part of it, as it does where buyers log in on arrival.
            Self::LogIn | Self::LogInAgain | Self::ShowList => Operation::ShowList,
            Self::ShowDetail => Operation::ShowDetail,
            Self::QueueCheck => Operation::QueueCheck,
            Self::QueueStatus => Operation::QueueStatus,
            Self::QueueLeave => Operation::QueueLeave,
            Self::SeatList => Operation::SeatList,
            Self::SeatReserve { .. } => Operation::SeatReserve,
            Self::PaymentProcess { .. } => Operation::PaymentProcess,
        }
    }

    /// Returns whether sending it twice has the same effect as sending it once, so that a driver may silently retry it after
    /// a connection broke before any byte of the response.
    pub const fn is_idempotent(self) -> bool {
        !matches!(self, Self::SeatReserve { .. } | Self::PaymentProcess { .. })
    }
}

/// A message that a buyer sends over the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emission {
    /// Subscribe to messages about the show.
    JoinEvent,
    /// Subscribe to messages about the queue.
    JoinQueue,
    /// Subscribe to messages about seats.
    JoinSeatSelection,
}

/// An available seat of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeatOffer {
    /// The seat.
    pub seat: Uuid,
}

/// The available seats of a map, best first.
///
/// A live buyer has a list. The model's map has none, because a list of 60,000 stadium seats would be expensive to update
/// for every seat hold.
pub trait Offers: std::fmt::Debug {
    /// Returns the number of available seats.
    fn count(&self) -> usize;

    /// Returns the seat at this place, counted from 0, or `None` past the end.
    fn seat(&self, place: usize) -> Option<Uuid>;
}

impl Offers for Vec<SeatOffer> {
    fn count(&self) -> usize {
        self.len()
    }

    fn seat(&self, place: usize) -> Option<Uuid> {
        self.get(place).map(|offer| offer.seat)
    }
}

/// Two maps are equal if they list the same seats.
impl PartialEq for dyn Offers + '_ {
    fn eq(&self, other: &Self) -> bool {
        let seats = 0..self.count();
        self.count() == other.count()
            && seats
                .into_iter()
                .all(|place| self.seat(place) == other.seat(place))
    }
}

/// The response to a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer<'a> {
    /// Success without content: of a page load, the list, the show, or leaving.
    Done,
    /// The buyer is in the queue.
    Queued,
    /// The buyer is in the queue, and the system says when to ask again.
    QueuedPollAfter {
        /// How long to wait from now, instead of the page's own interval.
        pause: Duration,
    },
    /// There is nothing left to buy.
    SoldOut,
    /// The buyer is admitted and may choose a seat.
    Admitted,
    /// The buyer is no longer in the queue and may choose a seat.
    NotQueued {
        /// Whether the buyer was admitted. If not, the place in the queue was lost. `None` if the system doesn't say.
        admitted: Option<bool>,
    },
    /// The seat map.
    Seats {
        /// The available seats.
        available: &'a dyn Offers,
        /// Number of seats that others hold but have not paid for.
        locked: u32,
    },
    /// The seat is held.
    Held {
        /// The reservation that holds it.
        reservation: Uuid,
    },
    /// The reservation is paid for.
    Paid,
    /// A valid refusal: the seat is taken, or the hold has expired.
    Refused,
    /// The request failed.
    Failed {
        /// The reason.
        failure: Failure,
        /// How long the server asks to wait before a retry; `None` if it doesn't say.
        retry_after: Option<Duration>,
    },
}

/// A message from the server that a buyer may react to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A buyer was admitted. Everybody in the queue gets this message.
    EntryAllowed {
        /// The admitted buyer.
        user: Uuid,
    },
    /// The queue moved.
    QueueUpdated,
    /// The receiver is still in the queue.
    StillQueued,
    /// The receiver, or everybody, is in the queue no longer, without an admission, and has to join it again.
    QueueCleared,
    /// There is nothing left to buy.
    SoldOut,
    /// A seat is held.
    SeatLocked {
        /// The seat.
        seat: Uuid,
        /// Who holds it; `None` if the message doesn't say.
        user: Option<Uuid>,
    },
    /// A seat is available again.
    SeatReleased {
        /// The seat.
        seat: Uuid,
    },
    /// Any other message.
    Other,
}
