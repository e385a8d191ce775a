//! The one type that comes out of a run, whichever engine ran it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ending::Ending;
use super::series::Series;
use super::tally::Tally;
use crate::cloud::notice::Notice;
use crate::scenario::Plan;

/// Everything measured in one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// What was asked.
    pub plan: Plan,
    /// Counts and histograms.
    pub tally: Tally,
    /// The run second by second.
    pub series: Series,
    /// What the control plane announced, in order of time.
    pub timeline: Vec<Notice>,
    /// Notices beyond the limit of the timeline.
    pub notices_dropped: u64,
    /// What was read when the run had ended.
    pub ending: Ending,
}

impl Measurements {
    /// Scenario time that was judged: from the end of the warm-up to the end of the run.
    pub fn judged(&self) -> Duration {
        let ended = self.ending.ended_at.since_start();
        ended.saturating_sub(self.plan.clock.warmup)
    }
}
