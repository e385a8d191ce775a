//! The one type that comes out of a run, whichever engine ran it.

use serde::{Deserialize, Serialize};

use crate::cloud::notice::Notice;
use crate::scenario::Plan;
use crate::units::SimTime;

/// Everything measured in one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measurements {
    /// What was asked.
    pub plan: Plan,
    /// When the run ended; before the planned end if it was interrupted.
    pub ended_at: SimTime,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// What the control plane announced, in order of time.
    pub timeline: Vec<Notice>,
}
