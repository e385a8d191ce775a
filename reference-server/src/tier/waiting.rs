//! Parameters and results of waiting-room operations, shared by both tiers.

use std::time::Duration;

use uuid::Uuid;

use crate::settings::Settings;

/// Admission rate per second that is assumed until one is measured.
pub(crate) const ADMISSION_RATE_ASSUMED: f64 = 50.0;

/// Weight of the newest admission in the measured rate (exponential smoothing).
pub(crate) const RATE_SMOOTHING: f64 = 0.1;

/// Length of a rate-limit window (B8).
pub(crate) const RATE_WINDOW: Duration = Duration::from_secs(60);

/// A task that one instance does in each time slot: the first to claim it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Task {
    /// Admits users from the head of the queue.
    Admission,
    /// Announces the queue size (`queue-updated`).
    QueueUpdate,
    /// Announces sockets and stock (`room-info` and `ticket-updated`).
    RoomUpdate,
    /// Removes expired entries.
    Sweep,
}

/// The place of a user after entering.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// Has a shopping slot.
    Active {
        /// Active users of the show.
        active: u32,
    },
    /// Is in the queue.
    Waiting(QueueStatus),
}

/// The waiting room as seen by one user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueueStatus {
    /// Position in the queue, starting at 1; `None` if the user isn't waiting.
    pub position: Option<u32>,
    /// Whether a user who isn't waiting has a shopping slot. Without one, the user has never been admitted, or was dropped.
    pub is_active: bool,
    /// Users waiting.
    pub queue_size: u32,
    /// Users with a shopping slot.
    pub active: u32,
    /// Admissions per second.
    pub rate: f64,
}

/// The result of one admission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Admission {
    /// The admitted users, in order.
    pub(crate) admitted: Vec<Uuid>,
}

/// Limits of an admission.
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
