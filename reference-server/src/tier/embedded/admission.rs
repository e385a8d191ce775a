//! What the waiting room's scripts take and give.

use std::time::Duration;

use uuid::Uuid;

/// Where somebody stands after entering.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    /// Holds an active place.
    Active {
        /// Active users of the show.
        active: u32,
    },
    /// Waits.
    Waiting(QueueStatus),
}

/// The waiting room as one user sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct QueueStatus {
    /// Place in the queue, 1 for the head; `None` when not waiting.
    pub(crate) position: Option<u32>,
    /// People waiting.
    pub(crate) queue_size: u32,
    /// People with an active place.
    pub(crate) active: u32,
    /// Admissions a second.
    pub(crate) rate: f64,
}

/// What one admission did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Admission {
    /// The admitted users, in order.
    pub(crate) admitted: Vec<Uuid>,
}

/// What bounds an admission.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdmissionLimits {
    pub(crate) active_max: u32,
    pub(crate) admit_every: Duration,
    pub(crate) idle_timeout: Duration,
}
