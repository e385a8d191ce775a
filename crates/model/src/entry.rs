//! The entries of the calendar.

use super::calls::CallRef;

/// One entry of the calendar. It is small because a million waiting buyers have one each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// The next buyer arrives.
    Arrival,
    /// The next action of a buyer is due; stale if the buyer has been rescheduled since.
    Wake(u32),
    /// The current step of a request ends.
    Step(CallRef),
    /// A request times out at the buyer.
    Overdue(CallRef),
    /// The current step of a page load ends.
    Page(u32),
    /// S3 responds to a request of an edge location.
    Origin {
        /// The location.
        location: u8,
        /// Number of the file.
        file: u16,
        /// Whether the location has the file already, and S3 answers that it has not changed.
        is_known: bool,
    },
    /// A resolver of buyers gets the answer to its lookup, or gives up on it.
    SiteName(u16),
    /// The edge gets the answer to its lookup of the load balancer's name, or gives up on it.
    LoadBalancerName,
    /// A buyer's socket that has been silent for too long is given up; stale if it was closed since.
    SilenceEnd(u32),
    /// The message that a buyer is admitted reaches the buyer's socket.
    Invitation(u32),
    /// The message that the queue moved reaches the sockets of one instance.
    QueueNews(u32),
    /// The message that a seat is free again reaches the sockets of one instance.
    SeatNews {
        /// The instance.
        instance: u16,
        /// The seat.
        seat: u32,
    },
    /// A load-balancer node starts a health check of a target.
    Check {
        /// The node's zone.
        node: u8,
        /// The target.
        instance: u32,
    },
    /// A health check ends.
    Checked {
        /// The node's zone.
        node: u8,
        /// Whether the target passed.
        passed: bool,
        /// The target.
        instance: u32,
    },
    /// The control plane has something to do.
    Control,
    /// A fault starts or ends.
    Fault,
    /// The database has something to do.
    Database,
    /// Free shopping slots are given to the head of the queue.
    Admission,
    /// The size of the queue is published.
    QueueUpdate,
    /// A seat hold expires.
    HoldEnd,
    /// The deregistration delay of an instance ends.
    DrainEnd(u32),
    /// The address of a lost load-balancer node leaves the DNS record.
    NodeEviction,
    /// The next attempt of something that an instance does in the background.
    Errand(u32),
    /// A second of scenario time begins.
    Second,
}
