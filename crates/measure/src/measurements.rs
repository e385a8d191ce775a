//! The one type that comes out of a run, whichever engine ran it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ending::{DataTierFigures, Ending, Engine};
use super::series::Series;
use super::tally::Tally;
use tiketi_cloud::notice::Notice;
use tiketi_scenario::Plan;
use tiketi_scenario::data_tier::DataTier;

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

    /// What was measured of the data tier; `None` if nobody measured it.
    pub fn data_tier(&self) -> Option<&DataTierFigures> {
        self.ending.system.as_ref()?.data_tier.as_ref()
    }

    /// What kept the data: the plan's word for it, or `model`; `None` for a system that was there already, which keeps
    /// its data as it does.
    pub fn data_tier_name(&self) -> Option<&'static str> {
        match self.ending.engine {
            Engine::Model => Some("model"),
            Engine::Live => {
                let tier = &self.plan.topology.data_tier;
                self.ending.system.as_ref().map(|_| tier.name())
            }
        }
    }

    /// Whether Redis and PostgreSQL were servers, and not stores in memory that stand in for them.
    pub fn has_real_servers(&self) -> bool {
        let is_testbed = self.ending.engine == Engine::Live && self.ending.system.is_some();
        is_testbed && self.plan.topology.data_tier != DataTier::Embedded
    }
}
