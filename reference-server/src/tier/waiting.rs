//! The waiting room in the words of both tiers: what its scripts take and give.

use std::time::Duration;

use uuid::Uuid;

use crate::settings::Settings;

/// Admissions a second that are assumed until some are measured.
pub(crate) const ADMISSION_RATE_ASSUMED: f64 = 50.0;

/// Weight of the newest admission in the measured rate.
pub(crate) const RATE_SMOOTHING: f64 = 0.1;

/// Length of a rate-limit window (B8).
pub(crate) const RATE_WINDOW: Duration = Duration::from_secs(60);

/// What is done once in each slot of time, by whichever instance comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Task {
    /// Admission from the head of the queue.
    Admission,
    /// `queue-updated`.
    QueueUpdate,
    /// `room-info` and `ticket-updated`.
    RoomUpdate,
    /// Removal of what has expired.
    Sweep,
}

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

impl AdmissionLimits {
    pub(crate) const fn of(settings: &Settings) -> Self {
        Self {
            active_max: settings.active_max,
            admit_every: settings.admit_every,
            idle_timeout: settings.idle_timeout,
        }
    }
}
