//! CloudWatch alarms: M of N datapoints, missing data, and an Auto Scaling action that is invoked every minute.
//!
//! An alarm sees only periods that have ended ([`MetricHistory::datapoints`]), which delays it by up to a minute. With one
//! sample per minute that becomes visible after 5 s, and 1 of 1 datapoints of a minute, it fires 1.5 min after the metric
//! crosses the threshold on average, and 3 min after it at the most: up to a minute until the next sample, up to a minute until
//! the end of that minute, and up to a minute until the next evaluation.

use std::time::Duration;

use super::datapoint::{self, MetricHistory};
use super::notice::AlarmState;
use tiketi_core::units::SimTime;
use tiketi_scenario::scaling::{Alarm, Comparison, MissingData};

/// Time between two invocations of an alarm's Auto Scaling action while it stays in ALARM, whatever its period.
const INVOKE_EVERY: Duration = Duration::from_secs(60);

/// One alarm with its state.
#[derive(Clone, Debug)]
pub struct AlarmWatch {
    alarm: Alarm,
    state: AlarmState,
    next: SimTime,
    fired_at: Option<SimTime>,
}

/// The result of one evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// The state after the evaluation.
    pub state: AlarmState,
    /// Whether the state has changed.
    pub changed: bool,
    /// Whether the policy is invoked: on entering ALARM, and again each minute while it lasts.
    pub fires: bool,
    /// The most recent real datapoint; `None` if all are missing. Step policies choose their band by it.
    pub datapoint: Option<f64>,
}

impl AlarmWatch {
    /// Builds an alarm in `INSUFFICIENT_DATA`. Its first evaluation comes after the share `phase` (0 to 1) of the
    /// evaluation interval.
    pub fn new(alarm: Alarm, phase: f64) -> Self {
        Self {
            alarm,
            state: AlarmState::InsufficientData,
            next: SimTime::ZERO + interval(&alarm).mul_f64(phase),
            fired_at: None,
        }
    }

    /// Returns the state at the last evaluation.
    pub const fn state(&self) -> AlarmState {
        self.state
    }

    /// When the next evaluation is due.
    pub const fn poll_timeout(&self) -> SimTime {
        self.next
    }

    /// Evaluates the alarm if an evaluation is due at `now`; `None` otherwise.
    pub fn poll_evaluation(&mut self, now: SimTime, history: &MetricHistory) -> Option<Evaluation> {
        if now < self.next {
            return None;
        }
        self.next += interval(&self.alarm);
        let datapoints = history.datapoints(now, self.alarm.period, evaluation_range(&self.alarm));
        let state = judge(&self.alarm, &datapoints, self.state);
        let changed = state != self.state;
        self.state = state;
        Some(Evaluation {
            state,
            changed,
            fires: self.fires(now, changed),
            datapoint: datapoints.iter().rev().flatten().next().copied(),
        })
    }

    fn fires(&mut self, now: SimTime, changed: bool) -> bool {
        if self.state != AlarmState::Alarm {
            return false;
        }
        let again = self
            .fired_at
            .is_none_or(|fired| now.saturating_since(fired) >= INVOKE_EVERY);
        let fires = changed || again;
        if fires {
            self.fired_at = Some(now);
        }
        fires
    }
}

/// The evaluation range: how many datapoints an alarm retrieves. It is at least two more than the alarm needs, so that
/// late or older real datapoints are used before missing ones are filled in. AWS gives the example of 5 for 3; the general
/// formula is an assumption.
fn evaluation_range(alarm: &Alarm) -> u32 {
    alarm.evaluation_periods + (alarm.evaluation_periods / 3).max(2)
}

/// How long samples must be kept for `alarm`.
pub(super) fn lookback(alarm: &Alarm) -> Duration {
    alarm.period * (evaluation_range(alarm) + 2)
}

/// Time between two evaluations: ten seconds for periods of 10, 20 and 30 s, a minute for all others (Amazon CloudWatch User
/// Guide).
const fn interval(alarm: &Alarm) -> Duration {
    datapoint::slide(alarm.period)
}

/// Returns the state that follows from `datapoints` (the evaluation range, oldest first).
fn judge(alarm: &Alarm, datapoints: &[Option<f64>], before: AlarmState) -> AlarmState {
    let periods = usize::try_from(alarm.evaluation_periods).expect("u32 fits in usize");
    let needed = usize::try_from(alarm.datapoints_to_alarm).expect("u32 fits in usize");
    let breaches: Vec<bool> = datapoints
        .iter()
        .rev()
        .flatten()
        .take(periods)
        .map(|value| is_breach(alarm, *value))
        .collect();
    let breaching = breaches.iter().filter(|breach| **breach).count();
    let missing = periods - breaches.len();
    if breaching >= needed {
        return AlarmState::Alarm;
    }
    if missing == 0 {
        return AlarmState::Ok;
    }
    let all_breach = breaching == breaches.len();
    match alarm.missing {
        MissingData::Breaching if breaching + missing >= needed => AlarmState::Alarm,
        MissingData::Breaching | MissingData::NotBreaching => AlarmState::Ok,
        MissingData::Missing | MissingData::Ignore if !all_breach => AlarmState::Ok,
        MissingData::Ignore => before,
        MissingData::Missing if is_premature(datapoints, needed) => AlarmState::Alarm,
        MissingData::Missing => AlarmState::InsufficientData,
    }
}

/// Whether the oldest real datapoint is at least `needed` datapoints old. If it breaches, and so does every real one since,
/// AWS goes to ALARM although fewer than M datapoints breach ("premature alarm").
fn is_premature(datapoints: &[Option<f64>], needed: usize) -> bool {
    datapoints
        .iter()
        .position(Option::is_some)
        .is_some_and(|oldest| datapoints.len() - oldest >= needed)
}

fn is_breach(alarm: &Alarm, value: f64) -> bool {
    match alarm.comparison {
        Comparison::Above => value > alarm.threshold,
        Comparison::Below => value < alarm.threshold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_scenario::scaling::Metric;

    const TREATMENTS: [MissingData; 4] = [
        MissingData::Missing,
        MissingData::Ignore,
        MissingData::Breaching,
        MissingData::NotBreaching,
    ];

    fn alarm(needed: u32, periods: u32, missing: MissingData) -> Alarm {
        Alarm {
            metric: Metric::QueueSize,
            comparison: Comparison::Above,
            threshold: 5_000.0,
            period: Duration::from_secs(60),
            datapoints_to_alarm: needed,
            evaluation_periods: periods,
            missing,
        }
    }

    /// The state under each treatment of missing data; `0` is within the threshold, `X` beyond it, `-` missing. A retained
    /// state is shown as `R`.
    fn states(needed: u32, range: &str) -> String {
        let datapoints: Vec<Option<f64>> = range
            .chars()
            .map(|sign| match sign {
                '0' => Some(4_000.0),
                'X' => Some(6_000.0),
                _ => None,
            })
            .collect();
        TREATMENTS
            .iter()
            .map(|missing| {
                let alarm = alarm(needed, 3, *missing);
                let after = |before| judge(&alarm, &datapoints, before);
                match (after(AlarmState::Ok), after(AlarmState::Alarm)) {
                    (AlarmState::Ok, AlarmState::Ok) => 'O',
                    (AlarmState::Alarm, AlarmState::Alarm) => 'A',
                    (AlarmState::InsufficientData, AlarmState::InsufficientData) => 'I',
                    _ => 'R',
                }
            })
            .collect()
    }

    #[test]
    fn missing_data_is_treated_as_in_the_tables_of_the_user_guide() {
        // Columns: missing, ignore, breaching, notBreaching; rows of the CloudWatch user guide for 3 of 3.
        assert_eq!(states(3, "0-X-X"), "OOOO");
        assert_eq!(states(3, "0----"), "OOOO");
        assert_eq!(states(3, "-----"), "IRAO");
        assert_eq!(states(3, "0XX-X"), "AAAA");
        assert_eq!(states(3, "--X--"), "ARAO");
        assert_eq!(states(3, "----X"), "IRAO");
        // 2 of 3.
        assert_eq!(states(2, "0-X-X"), "AAAA");
        assert_eq!(states(2, "00X0X"), "AAAA");
        assert_eq!(states(2, "0-X--"), "OOAO");
        assert_eq!(states(2, "----0"), "OOAO");
        assert_eq!(states(2, "---X-"), "ARAO");
        assert_eq!(states(2, "----X"), "IRAO");
    }

    fn minutely(values: &[f64]) -> MetricHistory {
        let mut history = MetricHistory::new(Duration::ZERO, Duration::from_secs(3_600));
        for (minute, value) in (0_u64..).zip(values) {
            history.handle_sample(SimTime::from_secs(minute * 60), *value);
        }
        history
    }

    fn evaluations(alarm: Alarm, history: &MetricHistory, minutes: u64) -> Vec<Evaluation> {
        let mut watch = AlarmWatch::new(alarm, 0.5);
        (0..minutes)
            .map(|minute| {
                watch
                    .poll_evaluation(SimTime::from_secs(minute * 60 + 30), history)
                    .expect("is due each minute")
            })
            .collect()
    }

    #[test]
    fn three_of_three_needs_three_breaching_datapoints() {
        let history = minutely(&[0.0, 6e3, 6e3, 0.0, 6e3, 6e3, 6e3]);
        let states: Vec<AlarmState> =
            evaluations(alarm(3, 3, MissingData::NotBreaching), &history, 8)
                .iter()
                .map(|evaluation| evaluation.state)
                .collect();
        // The third breach in a row is that of minute 6, which is over in minute 7.
        assert_eq!(states[..7], [AlarmState::Ok; 7]);
        assert_eq!(states[7], AlarmState::Alarm);
    }

    #[test]
    fn the_action_fires_again_each_minute_while_in_alarm() {
        let history = minutely(&[6e3, 6e3, 6e3, 0.0, 6e3]);
        let fires: Vec<bool> = evaluations(alarm(1, 1, MissingData::Missing), &history, 6)
            .iter()
            .map(|evaluation| evaluation.fires)
            .collect();
        assert_eq!(fires, [false, true, true, true, false, true]);
    }

    #[test]
    fn an_older_real_datapoint_is_used_before_a_filled_one_until_it_leaves_the_range() {
        let history = minutely(&[6e3]);
        let states: Vec<AlarmState> =
            evaluations(alarm(1, 1, MissingData::NotBreaching), &history, 5)
                .iter()
                .map(|evaluation| evaluation.state)
                .collect();
        // One datapoint is needed, three are retrieved. The first minute is not over at the first evaluation.
        assert_eq!(states[0], AlarmState::Ok);
        assert_eq!(states[1..4], [AlarmState::Alarm; 3]);
        assert_eq!(states[4], AlarmState::Ok);
    }

    #[test]
    fn a_high_resolution_alarm_is_evaluated_every_ten_seconds_and_fires_once_a_minute() {
        let mut history = MetricHistory::new(Duration::ZERO, Duration::from_secs(600));
        for at in (0..120).step_by(10) {
            history.handle_sample(SimTime::from_secs(at), 6e3);
        }
        let fired = |period| {
            let high_resolution = Alarm {
                period: Duration::from_secs(period),
                ..alarm(1, 1, MissingData::Missing)
            };
            let mut watch = AlarmWatch::new(high_resolution, 0.0);
            let instants = (0..120).step_by(10).map(SimTime::from_secs);
            let fires = instants.filter(|at| {
                let evaluation = watch.poll_evaluation(*at, &history);
                evaluation.expect("is due").fires
            });
            fires.map(SimTime::as_secs).collect::<Vec<_>>()
        };
        // The first period must be over.
        assert_eq!(fired(10), [10, 70]);
        assert_eq!(fired(20), [20, 80]);
        assert_eq!(fired(30), [30, 90]);
    }

    #[test]
    fn a_value_equal_to_the_threshold_is_not_a_breach() {
        let at = |value| is_breach(&alarm(1, 1, MissingData::Missing), value);
        assert!(!at(5_000.0));
        assert!(at(5_001.0));
    }
}
