//! The operations a buyer asks of the system under test, as reports and gates name them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One kind of request or connection; the unit by which latency is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Static files of the page, from the edge (`GET /`); not sent to the back end unless the edge misses.
    PageLoad,
    /// `GET /api/events`.
    ShowList,
    /// `GET /api/events/{id}`.
    ShowDetail,
    /// `POST /api/queue/check/{id}`: enter the waiting room.
    QueueCheck,
    /// `GET /api/queue/status/{id}`: poll the own place.
    QueueStatus,
    /// `POST /api/queue/leave/{id}`.
    QueueLeave,
    /// TCP connect, WebSocket upgrade and Socket.IO handshake together.
    SocketConnect,
    /// `GET /api/seats/events/{id}`: the seat map.
    SeatList,
    /// `POST /api/seats/reserve`: hold a seat.
    SeatReserve,
    /// `POST /api/payments/process`.
    PaymentProcess,
}

impl Operation {
    /// All operations, in the order of a journey.
    pub const ALL: [Self; 10] = [
        Self::PageLoad,
        Self::ShowList,
        Self::ShowDetail,
        Self::QueueCheck,
        Self::QueueStatus,
        Self::QueueLeave,
        Self::SocketConnect,
        Self::SeatList,
        Self::SeatReserve,
        Self::PaymentProcess,
    ];

    /// The name in gates, reports and profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PageLoad => "page_load",
            Self::ShowList => "show_list",
            Self::ShowDetail => "show_detail",
            Self::QueueCheck => "queue_check",
            Self::QueueStatus => "queue_status",
            Self::QueueLeave => "queue_leave",
            Self::SocketConnect => "socket_connect",
            Self::SeatList => "seat_list",
            Self::SeatReserve => "seat_reserve",
            Self::PaymentProcess => "payment_process",
        }
    }

    /// The operation with this name, or `None`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
    }

    /// The operation's place in [`Self::ALL`], for tables with an entry an operation.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
