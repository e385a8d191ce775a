//! Puts frames, notices and gauges together into the measurements of the run.

use super::ending::Ending;
use super::gauges::Gauges;
use super::measurements::Measurements;
use super::recorder::Frame;
use super::series::{Series, Tick};
use super::tally::Tally;
use crate::cloud::notice::Notice;
use crate::scenario::Plan;

/// Notices that are kept; a control plane announces a few a minute, so this is days.
const NOTICES_MAX: usize = 20_000;

/// The measurements of a run that is under way.
#[derive(Debug)]
pub struct Assembly {
    plan: Plan,
    tally: Tally,
    series: Series,
    timeline: Vec<Notice>,
    notices_dropped: u64,
}

impl Assembly {
    /// Starts with nothing measured.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            tally: Tally::default(),
            series: Series::default(),
            timeline: Vec::new(),
            notices_dropped: 0,
        }
    }

    /// Adds what one load process has seen since its last frame.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a frame counts once: taking it keeps it from being absorbed again"
    )]
    pub fn absorb(&mut self, frame: Frame) {
        self.tally.merge(&frame.tally);
        for (second, tick) in &frame.ticks {
            self.series.absorb(*second, tick);
        }
    }

    /// Adds one entry to the timeline.
    pub fn handle_notice(&mut self, notice: Notice) {
        if self.timeline.len() < NOTICES_MAX {
            self.timeline.push(notice);
        } else {
            self.notices_dropped += 1;
        }
    }

    /// Adds a reading of the levels.
    pub fn handle_gauges(&mut self, gauges: Gauges) {
        let second = gauges.at.as_secs();
        let tick = Tick {
            gauges: Some(gauges),
            ..Tick::default()
        };
        self.series.absorb(second, &tick);
    }

    /// What has been counted so far, for live progress.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The run so far, second by second, for live progress.
    pub const fn series(&self) -> &Series {
        &self.series
    }

    /// Closes the run.
    pub fn finish(mut self, ending: Ending) -> Measurements {
        self.timeline.sort_by_key(|notice| notice.at);
        Measurements {
            plan: self.plan,
            tally: self.tally,
            series: self.series,
            timeline: self.timeline,
            notices_dropped: self.notices_dropped,
            ending,
        }
    }
}
