//! How long the control plane takes to notice that the queue is too long: the figures that follow from completed periods.

use std::f64::consts::GOLDEN_RATIO;

use tiketi_cloud::notice::{AlarmState, What};
use tiketi_scenario::Plan;

use crate::common::{documented_plan, secs};
use crate::drive::{Drive, minutes};

const SEEDS: u32 = 2_000;

/// Delays from the crossing to the alarm in minutes, ascending. Each seed has its own second of the crossing, and draws the phases of
/// the Lambda and of the alarm.
fn delays(plan: &Plan) -> Vec<f64> {
    let delay = |seed: u32| {
        let mut plan = plan.clone();
        plan.seed = u64::from(seed);
        plan.scaling.monitor.phase = None;
        // Multiples of this number, without their whole part, are spread evenly from 0 to 1.
        let second = (f64::from(seed) * GOLDEN_RATIO).fract();
        let crossing = minutes(5) + secs(60).mul_f64(second);
        let queue = move |at| Some(if at < crossing { 2_000 } else { 8_000 });
        let mut drive = Drive::new(&plan, queue);
        drive.run_until(minutes(10));
        let is_it = |what: &What| matches!(what, What::Alarm { policy, state: AlarmState::Alarm, .. } if policy == "queue-high");
        let fired = drive.notices.iter().find(|notice| is_it(&notice.what));
        let fired = fired.expect("fires within five minutes").at;
        (fired - crossing).as_secs_f64() / 60.0
    };
    let mut delays: Vec<f64> = (0..SEEDS).map(delay).collect();
    delays.sort_unstable_by(f64::total_cmp);
    delays
}

fn percentile(delays: &[f64], percent: usize) -> f64 {
    delays[delays.len() * percent / 100]
}

fn assert_near(value: f64, expected: f64) {
    assert!(
        (value - expected).abs() < 0.05,
        "{value:.3} min instead of {expected}"
    );
}

#[test]
fn alarm_on_one_minute_fires_a_minute_and_a_half_after_the_crossing() {
    let delays = delays(&documented_plan());
    let mean = delays.iter().sum::<f64>() / f64::from(SEEDS);
    assert_near(mean, 1.50);
    assert_near(percentile(&delays, 5), 0.68);
    assert_near(percentile(&delays, 95), 2.33);
    let longest = delays.last().expect("there are seeds");
    assert!((2.8..3.0).contains(longest), "{longest:.3} min");
}

#[test]
fn each_further_datapoint_takes_a_minute_more() {
    let mut plan = documented_plan();
    let one = delays(&plan);
    plan.scaling.policies[0].alarm.datapoints_to_alarm = 2;
    plan.scaling.policies[0].alarm.evaluation_periods = 2;
    let two = delays(&plan);
    assert_near(percentile(&two, 50) - percentile(&one, 50), 1.0);
}

#[test]
fn ten_second_periods_are_seen_within_half_a_minute_if_samples_come_as_often() {
    let mut plan = documented_plan();
    plan.scaling.monitor.period = secs(10);
    plan.scaling.policies[0].alarm.period = secs(10);
    let delays = delays(&plan);
    // Up to ten seconds each: until the next sample, until the end of its period, and until an evaluation.
    let longest = delays.last().expect("there are seeds");
    assert!(*longest <= 0.5, "{longest:.3} min");
    assert!(*longest > 25.0 / 60.0, "{longest:.3} min");
}
