//! The operations that a buyer requests from the system under test.

use std::fmt;

use tiketi_core::names;

/// One kind of request or connection. Latency is reported by operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Static files of the page (`GET /`), served by the edge; the back end sees edge misses only.
    PageLoad,
    /// `GET /api/events`.
    ShowList,
    /// `GET /api/events/{id}`.
    ShowDetail,
    /// `POST /api/queue/check/{id}`: enters the waiting room.
    QueueCheck,
    /// `GET /api/queue/status/{id}`: polls the buyer's place in the queue.
    QueueStatus,
    /// `POST /api/queue/leave/{id}`.
    QueueLeave,
    /// TCP connect, WebSocket upgrade and Socket.IO handshake.
    SocketConnect,
    /// `GET /api/seats/events/{id}`: the seat map.
    SeatList,
    /// `POST /api/seats/reserve`: holds a seat.
    SeatReserve,
    /// `POST /api/payments/process`.
    PaymentProcess,
}

names!(Operation {
    PageLoad = "page_load",
    ShowList = "show_list",
    ShowDetail = "show_detail",
    QueueCheck = "queue_check",
    QueueStatus = "queue_status",
    QueueLeave = "queue_leave",
    SocketConnect = "socket_connect",
    SeatList = "seat_list",
    SeatReserve = "seat_reserve",
    PaymentProcess = "payment_process",
});

impl Operation {
    /// The operation's index in [`Self::ALL`], for tables with one entry per operation.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
