//! Scheduled actions of the group: a new size at a given time, whatever the load is.

use std::collections::VecDeque;
use std::time::Duration;

use rand::RngExt;

use tiketi_core::rng::Streams;
use tiketi_core::units::SimTime;
use tiketi_scenario::scaling::{Scaling, ScheduledAction};

/// How late an action may be (Amazon EC2 Auto Scaling User Guide: "within seconds", up to two minutes).
const LATE_MAX: Duration = Duration::from_secs(120);

/// The actions that have not run yet.
#[derive(Clone, Debug)]
pub struct ScheduledActions {
    waiting: VecDeque<(SimTime, ScheduledAction)>,
}

impl ScheduledActions {
    /// Draws how late each action runs, uniform within two minutes, unless the scenario states it. Actions never overtake
    /// each other (assumption).
    pub fn new(scaling: &Scaling, streams: Streams) -> Self {
        let mut waiting = VecDeque::new();
        let mut last = SimTime::ZERO;
        for (number, action) in (0_u64..).zip(&scaling.scheduled) {
            let draw = || {
                let late: f64 = streams.numbered("scheduled-late", number).random();
                LATE_MAX.mul_f64(late)
            };
            last = last.max(action.at + action.late.unwrap_or_else(draw));
            waiting.push_back((last, action.clone()));
        }
        Self { waiting }
    }

    /// When the next action is due; `None` if none is left.
    pub fn poll_timeout(&self) -> Option<SimTime> {
        self.waiting.front().map(|(due, _)| *due)
    }

    /// Returns the next action that is due at `now`; call until `None`.
    pub fn poll_due(&mut self, now: SimTime) -> Option<ScheduledAction> {
        self.poll_timeout().filter(|due| *due <= now)?;
        self.waiting.pop_front().map(|(_, action)| action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_scenario::{self as scenario, Overrides};

    fn due(seed: u64, late: Option<Duration>) -> Vec<SimTime> {
        let plan = scenario::load("preset.toml", "", &Overrides::default());
        let mut scaling = plan.expect("the preset is a scenario").scaling;
        scaling.scheduled = [300, 310]
            .map(|at| ScheduledAction {
                name: format!("at-{at}"),
                at: SimTime::from_secs(at),
                late,
                min: Some(4),
                max: None,
                desired: None,
            })
            .to_vec();
        let mut schedule = ScheduledActions::new(&scaling, Streams::new(seed));
        std::iter::from_fn(|| {
            let next = schedule.poll_timeout()?;
            schedule.poll_due(next)?;
            Some(next)
        })
        .collect()
    }

    #[test]
    fn actions_are_up_to_two_minutes_late_and_keep_their_order() {
        for seed in 0..100 {
            let due = due(seed, None);
            assert!(due[0] >= SimTime::from_secs(300) && due[0] <= SimTime::from_secs(420));
            assert!(due[1] >= due[0].max(SimTime::from_secs(310)), "{due:?}");
            assert!(due[1] <= SimTime::from_secs(430));
        }
        assert_ne!(due(1, None), due(2, None));
        let on_time = due(1, Some(Duration::ZERO));
        assert_eq!(on_time, [300, 310].map(SimTime::from_secs));
    }
}
