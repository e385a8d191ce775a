//! Combines frames, notices and gauge readings into the measurements of a run.

use super::ending::Ending;
use super::gauges::Gauges;
use super::measurements::Measurements;
use super::observed::Observed;
use super::recorder::Frame;
use super::series::{Series, Tick};
use super::tally::Tally;
use tiketi_cloud::notice::Notice;
use tiketi_core::units::SimTime;
use tiketi_scenario::Plan;

/// Notices that are kept. A control plane emits a few per minute, so this is enough for days.
const NOTICES_MAX: usize = 20_000;

/// The measurements of a run in progress.
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

    /// Adds what one load worker has recorded since its last frame.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a frame must be added only once; taking ownership prevents a second time"
    )]
    pub fn absorb(&mut self, frame: Frame) {
        self.tally.merge(&frame.tally);
        for (second, tick) in &frame.ticks {
            self.series.absorb(*second, tick);
        }
    }

    /// Adds one entry to the timeline.
    pub fn handle_notice(&mut self, notice: Notice) {
        // At the limit the first notices are kept: they show what started the trouble.
        if self.timeline.len() < NOTICES_MAX {
            self.timeline.push(notice);
        } else {
            self.notices_dropped += 1;
        }
    }

    /// Adds a reading of the gauges.
    pub fn handle_gauges(&mut self, gauges: Gauges) {
        let second = gauges.at.as_secs();
        let tick = Tick {
            gauges: Some(gauges),
            ..Tick::default()
        };
        self.series.absorb(second, &tick);
    }

    /// Adds values of what another system knows of a target. They must be added in order of time.
    pub fn handle_observed(&mut self, at: SimTime, observed: Observed) {
        let tick = Tick {
            observed: Some(observed),
            ..Tick::default()
        };
        self.series.absorb(at.as_secs(), &tick);
    }

    /// Returns what has been counted so far, for progress displays.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Returns the time series so far, for progress displays.
    pub const fn series(&self) -> &Series {
        &self.series
    }

    /// Ends the run. The timeline is sorted by time; notices of the same instant keep their order.
    pub fn finish(mut self, ending: Ending) -> Measurements {
        // Callers need not hand in notices in order of time. The sort is stable.
        self.timeline.sort_by_key(|notice| notice.at);
        self.series.end_at(ending.ended_at);
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

#[cfg(test)]
mod tests {
    use super::super::Recorder;
    use super::super::example;
    use super::*;

    #[test]
    fn frames_of_several_workers_add_up_to_what_one_recorder_measures() {
        let plan = example::plan();
        let mut workers = [(); 3].map(|()| Recorder::new(&plan));
        let mut assembly = Assembly::new(plan);
        for (index, observation) in example::observations().iter().enumerate() {
            workers[index % 3].observe(observation);
            if index % 1_000 == 0 {
                let sent = serde_json::to_string(&workers[index % 3].take_frame()).unwrap();
                assembly.absorb(serde_json::from_str(&sent).unwrap());
            }
        }
        for mut worker in workers {
            assembly.absorb(worker.take_frame());
        }
        let whole = example::run();
        assert!(
            assembly.tally == whole.tally,
            "the parts differ from the whole"
        );
        let split = assembly.series.ticks().iter();
        for (split, whole) in split.zip(whole.series.ticks()) {
            assert_eq!(split.response, whole.response);
            assert_eq!(split.calls_ended(), whole.calls_ended());
        }
    }

    #[test]
    fn requests_in_the_warmup_are_in_the_series_but_not_in_the_tally() {
        let run = example::run();
        let in_series: u64 = run.series.ticks().iter().map(Tick::calls_ended).sum();
        let judged = run.tally.operation(None).calls();
        assert!(run.tally.calls_in_warmup > 0);
        assert_eq!(in_series, judged + run.tally.calls_in_warmup);
        let quiet = Frame {
            tally: Tally::default(),
            ticks: Vec::new(),
        };
        assert_eq!(Recorder::new(&run.plan).take_frame(), quiet);
    }

    #[test]
    fn measurements_survive_serialization() {
        let mut run = example::run();
        // The JSON reader may change the last digit of its fractions: it rounds fast rather than exactly.
        run.ending.statement = None;
        let text = serde_json::to_string(&run).unwrap();
        let read: Measurements = serde_json::from_str(&text).unwrap();
        assert!(read == run, "something changed");
    }
}
