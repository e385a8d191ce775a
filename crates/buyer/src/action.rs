//! What a buyer does, and what it is told.

use std::time::Duration;

use uuid::Uuid;

use crate::observation::{Failure, LeaveReason};
use tiketi_core::units::SimTime;
use tiketi_scenario::operation::Operation;

/// Something the driver shall do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a request; exactly one answer follows through [`super::Journey::handle_answer`].
    Call {
        /// What to ask.
        request: Request,
        /// When it should have left: the instant it was scheduled for, or that of the answer it follows.
        intended: SimTime,
    },
    /// Open the socket; the end of it is told through `handle_socket_open` or `handle_socket_lost`.
    Connect {
        /// When it should have begun.
        intended: SimTime,
    },
    /// Send a message over the open socket.
    Emit(Emission),
    /// Close the socket; nothing more is heard of it.
    Close,
    /// The journey is over; nothing follows.
    Leave(LeaveReason),
}

/// One request of the back end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The page itself.
    PageLoad,
    /// The list of shows.
    ShowList,
    /// The show to buy.
    ShowDetail,
    /// Enter the waiting room.
    QueueCheck,
    /// Ask for the own place.
    QueueStatus,
    /// Leave the waiting room or give the active place back.
    QueueLeave,
    /// Fetch the seat map.
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
    /// The operation this request counts as.
    pub const fn operation(self) -> Operation {
        match self {
            Self::PageLoad => Operation::PageLoad,
            Self::ShowList => Operation::ShowList,
            Self::ShowDetail => Operation::ShowDetail,
            Self::QueueCheck => Operation::QueueCheck,
            Self::QueueStatus => Operation::QueueStatus,
            Self::QueueLeave => Operation::QueueLeave,
            Self::SeatList => Operation::SeatList,
            Self::SeatReserve { .. } => Operation::SeatReserve,
            Self::PaymentProcess { .. } => Operation::PaymentProcess,
        }
    }

    /// Whether sending it twice does no more than sending it once, so that a connection that broke before any byte of
    /// the answer may be replaced silently.
    pub const fn is_idempotent(self) -> bool {
        !matches!(self, Self::SeatReserve { .. } | Self::PaymentProcess { .. })
    }
}

/// A message a buyer sends over the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emission {
    /// Hear of the queue.
    JoinQueue,
    /// Hear of the seats.
    JoinSeatSelection,
}

/// A seat of the map that can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeatOffer {
    /// The seat.
    pub seat: Uuid,
}

/// The seats that can be had, best first, as the map lists them.
///
/// A live buyer has a list. The model's map of a stadium keeps none: a list of 60,000 seats would have to be moved for
/// every seat that is held.
pub trait Offers: std::fmt::Debug {
    /// How many there are.
    fn count(&self) -> usize;

    /// The one at this place of the list, counted from 0; `None` beyond its end.
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

/// Two maps are the same if they list the same seats.
impl PartialEq for dyn Offers + '_ {
    fn eq(&self, other: &Self) -> bool {
        let seats = 0..self.count();
        self.count() == other.count()
            && seats
                .into_iter()
                .all(|place| self.seat(place) == other.seat(place))
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer<'a> {
    /// The page, the list, the show, or the leaving: done.
    Done,
    /// Waits in the queue.
    Queued,
    /// Is not, or no longer, queued: may choose a seat.
    Admitted,
    /// The seat map.
    Seats {
        /// The seats that can be had.
        available: &'a dyn Offers,
        /// Seats that others hold and have not paid yet.
        locked: u32,
    },
    /// The seat is held.
    Held {
        /// The reservation that holds it.
        reservation: Uuid,
    },
    /// The reservation is paid.
    Paid,
    /// Understood and refused: the seat is taken, the hold has expired.
    Refused,
    /// Not done.
    Failed {
        /// Why.
        failure: Failure,
        /// How long the server asks to wait before the next try.
        retry_after: Option<Duration>,
    },
}

/// A message from the server that means something to a buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Somebody was admitted; only the one named may go in.
    EntryAllowed {
        /// Who.
        user: Uuid,
    },
    /// The queue moved.
    QueueUpdated,
    /// The queue was emptied by an operator: everybody has to line up again.
    QueueCleared,
    /// A seat is held by somebody.
    SeatLocked {
        /// The seat.
        seat: Uuid,
        /// Who holds it, if the message says so.
        user: Option<Uuid>,
    },
    /// A seat can be had again.
    SeatReleased {
        /// The seat.
        seat: Uuid,
    },
    /// Anything else.
    Other,
}
