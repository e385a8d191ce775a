//! The result of a run, the same type for both engines.

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
    /// The plan that was run.
    pub plan: Plan,
    /// Counts and histograms of the whole run.
    pub tally: Tally,
    /// The time series.
    pub series: Series,
    /// Notices of the control plane, in order of time.
    pub timeline: Vec<Notice>,
    /// Number of notices that were dropped because the timeline was full.
    pub notices_dropped: u64,
    /// What was read after the end of the run.
    pub ending: Ending,
}

impl Measurements {
    /// Returns the scenario time that is judged: from the end of the warm-up to the end of the run.
    pub fn judged(&self) -> Duration {
        let ended = self.ending.ended_at.since_start();
        ended.saturating_sub(self.plan.clock.warmup)
    }

    /// Returns how long a tick of the time series is, in scenario time. The last one ends with the run, so that it may be
    /// shorter than the others.
    pub fn tick_length(&self, index: usize) -> Duration {
        let start = Duration::from_secs(self.series.start_secs(index));
        let width = Duration::from_secs(self.series.width_secs());
        let until_the_end = self.ending.ended_at.since_start().saturating_sub(start);
        width.min(until_the_end)
    }

    /// Returns what was measured of the data tier; `None` if nothing was.
    pub fn data_tier(&self) -> Option<&DataTierFigures> {
        self.ending.system.as_ref()?.data_tier.as_ref()
    }

    /// Returns the name of the data tier as scenarios spell it, or `model` for a simulated run; `None` for an external target,
    /// whose data tier is unknown.
    pub fn data_tier_name(&self) -> Option<&'static str> {
        match self.ending.engine {
            Engine::Model => Some("model"),
            Engine::Live => {
                let tier = &self.plan.topology.data_tier;
                self.ending.system.as_ref().map(|_| tier.name())
            }
        }
    }

    /// Returns whether Redis and PostgreSQL were real servers rather than in-memory stores.
    pub fn has_real_servers(&self) -> bool {
        let is_testbed = self.ending.engine == Engine::Live && self.ending.system.is_some();
        is_testbed && self.plan.topology.data_tier != DataTier::Embedded
    }
}
