//! What comes up in the calendar.

use super::calls::CallRef;

/// One entry of the calendar. It is small, because a waiting crowd has a million of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// The next buyer of the plan arrives.
    Arrival,
    /// A buyer wants to do something; stale if the buyer has been rescheduled since.
    Wake(u32),
    /// A call has come to the end of its present step.
    Step(CallRef),
    /// A buyer has waited as long as a call may take.
    Overdue(CallRef),
    /// A buyer is told over the socket that it may enter.
    Invitation(u32),
    /// The sockets of one instance are told that the queue moved.
    QueueNews(u32),
    /// The sockets of one instance are told that a seat can be had again.
    SeatNews {
        /// The instance.
        instance: u16,
        /// The seat.
        seat: u32,
    },
    /// A node checks a target.
    Check {
        /// The node's zone.
        node: u8,
        /// The target.
        instance: u32,
    },
    /// A check has ended.
    Checked {
        /// The node's zone.
        node: u8,
        /// Whether the target passed.
        passed: bool,
        /// The target.
        instance: u32,
    },
    /// The control plane wants to be called.
    Control,
    /// A fault strikes or heals.
    Fault,
    /// The database has something to do.
    Database,
    /// Free places go to the head of the queue.
    Admission,
    /// The size of the queue is announced.
    QueueUpdate,
    /// A seat hold expires.
    HoldEnd,
    /// The deregistration delay of an instance is over.
    DrainEnd(u32),
    /// The address of a lost load-balancer node leaves the DNS record.
    NodeEviction,
    /// A second of scenario time has passed.
    Second,
}
