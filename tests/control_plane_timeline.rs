//! The worked timeline of Auto Scaling: which policy has how many instances of use, minutes after the queue passed 5,000.
//!
//! From 2 instances, +2 at a time, 10 at most; a boot of 3 to 5 minutes; an alarm of 1 of 1 datapoints of a minute. The
//! ranges follow from what AWS documents:
//!
//! | policy | instances wanted | of use within ten minutes |
//! |---|---|---|
//! | simple, cooldown 300 s | 4 after 0.2 to 2.2 min, 6 after 6 to 9 | 4, from 3.5 to 7.5 min on |
//! | simple, launch hook | 4; cooldown over after 8 to 12 min | 4 |
//! | step, default warm-up | as simple | 4 |
//! | step, warm-up 0 | +2 every 1 or 2 min: 10 after 3 to 8 | 10 after 6 to 13 min |
//! | scheduled 15 min before | 10 before the queue | 10 |
//! | naive: +2 every minute, of use at once | 10 after 4 min | wrong |
//!
//! The table adds up the extremes of each delay, and so is wider than what can happen together. It takes the time to see
//! the queue as up to 2.2 min: the Lambda's phase (60 s), ingestion (5 s here), the alarm's phase (60 s), which is 2 min
//! 5 s. It lets the second activity of the simple policy begin between 6 and 9 min; with machines that run after 17 s it
//! begins exactly six evaluations after the first, since the cooldown ends in between. With warm-up 0 "every 1 or 2 min"
//! depends on how long a machine takes to run: less than a minute, every evaluation finds the last pair in service; more
//! than a minute, every second one. And of the simple policy's second pair hardly anything is of use after ten minutes: in
//! no seed both of its instances are.

use std::time::Duration;

use tiketi_cloud::policy_timeline::{CROSSING, PolicyTimeline, Spread, built_in, naive};

const SEEDS: u32 = 200;

fn plan(name: &str) -> tiketi_scenario::Plan {
    let mut policies = built_in().into_iter();
    let found = policies.find(|(other, _)| other == name);
    found.unwrap_or_else(|| panic!("no policy `{name}`")).1
}

fn timeline(name: &str) -> PolicyTimeline {
    PolicyTimeline::new(name, &plan(name), CROSSING, SEEDS).expect("it follows the queue")
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// Asserts that all seeds lie between `from` and `until` minutes, and that they use most of it: phases that are not drawn
/// would show as a range that is too narrow.
fn assert_between(times: Option<Spread<Duration>>, from: f64, until: f64) {
    let times = times.expect("every seed gets there");
    let (min, max) = (
        times.min.as_secs_f64() / 60.0,
        times.max.as_secs_f64() / 60.0,
    );
    assert!(from <= min && max <= until, "{min:.2} to {max:.2} min");
    let used = (max - min) / (until - from);
    assert!(
        used > 0.5,
        "only {used:.2} of the range: {min:.2} to {max:.2} min"
    );
}

fn sizes(spread: Spread<u32>) -> (u32, u32, u32) {
    (spread.min, spread.median, spread.max)
}

#[test]
fn a_simple_policy_has_four_instances_of_use_within_ten_minutes() {
    let simple = timeline("simple, cooldown 300 s");
    assert_between(simple.wants(4), 0.08, 2.1);
    assert_between(simple.wants(6), 6.08, 8.1);
    assert_between(simple.has_of_use(4), 3.08, 7.6);
    assert_between(simple.has_of_use(6), 9.08, 13.6);
    assert_eq!(sizes(simple.desired(minutes(5))), (4, 4, 4));
    let (min, median, max) = sizes(simple.useful(minutes(10)));
    assert!((min, median) == (4, 4) && max <= 5);
    assert_eq!(
        simple.in_service(minutes(10)).median,
        6,
        "in service is not of use"
    );
}

#[test]
fn a_launch_hook_delays_the_cooldown_and_with_it_the_second_pair() {
    let hooked = timeline("simple, launch hook");
    assert_between(hooked.wants(4), 0.08, 2.1);
    // The first pair answers after 3 to 5 minutes, then 300 s of cooldown, then the next evaluation.
    assert_between(hooked.wants(6), 8.1, 12.6);
    assert_between(hooked.has_of_use(4), 3.08, 7.6);
    assert_eq!(sizes(hooked.useful(minutes(10))), (4, 4, 4));
    assert_eq!(
        sizes(hooked.in_service(minutes(2))),
        (2, 2, 2),
        "none before it answers"
    );
}

#[test]
fn step_scaling_with_the_default_warm_up_is_as_slow_as_a_simple_policy() {
    let simple = timeline("simple, cooldown 300 s");
    let step = timeline("step, default warm-up");
    for minute in 0..=15 {
        let after = minutes(minute);
        assert_eq!(step.desired(after), simple.desired(after), "{minute} min");
    }
    assert_eq!(step.useful(minutes(10)).median, 4);
}

#[test]
fn step_scaling_without_warm_up_wants_all_ten_within_minutes() {
    let step = timeline("step, warm-up 0");
    assert_between(step.wants(4), 0.08, 2.1);
    assert_between(step.wants(10), 3.08, 5.1);
    assert_between(step.has_of_use(10), 6.08, 10.6);
    let (min, median, _) = sizes(step.useful(minutes(10)));
    assert!(min >= 8 && median == 10);
    assert!(step.useful(minutes(6)).median <= 6, "wanted is not of use");
}

#[test]
fn a_machine_that_takes_more_than_a_minute_to_run_halves_the_pace_without_warm_up() {
    let mut plan = plan("step, warm-up 0");
    plan.scaling.pending = Duration::from_secs(80);
    let step = PolicyTimeline::new("slow", &plan, CROSSING, SEEDS).expect("it follows the queue");
    assert_between(step.wants(10), 6.08, 8.1);
    assert_between(step.has_of_use(10), 9.08, 13.6);
}

#[test]
fn a_scheduled_action_has_ten_instances_of_use_when_the_queue_begins() {
    let scheduled = timeline("scheduled, 15 min before");
    for minute in 0..=15 {
        assert_eq!(sizes(scheduled.useful(minutes(minute))), (10, 10, 10));
    }
}

#[test]
fn a_naive_fleet_is_there_before_any_policy_of_aws() {
    assert_eq!(naive(minutes(4), 10), 10);
    for name in [
        "simple, cooldown 300 s",
        "simple, launch hook",
        "step, default warm-up",
        "step, warm-up 0",
    ] {
        let policy = timeline(name);
        for minute in 2..=5 {
            let (real, wrong) = (
                policy.useful(minutes(minute)).max,
                naive(minutes(minute), 10),
            );
            assert!(real < wrong, "{name}: {real} of {wrong} after {minute} min");
        }
    }
}

#[test]
fn the_same_seeds_give_the_same_timeline() {
    let once = timeline("simple, cooldown 300 s");
    let again = timeline("simple, cooldown 300 s");
    assert_eq!(once.has_of_use(4), again.has_of_use(4));
    assert_eq!(once.useful(minutes(6)), again.useful(minutes(6)));
}

#[test]
fn a_scenario_that_never_grows_by_its_queue_has_no_timeline() {
    let mut plan = plan("simple, cooldown 300 s");
    plan.scaling.policies.clear();
    assert!(PolicyTimeline::new("none", &plan, CROSSING, 1).is_none());
}
