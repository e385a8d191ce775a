//! The timeline of Auto Scaling: how many healthy instances each policy has, minutes after the queue crosses 5,000.
//!
//! From 2 instances, +2 at a time, at most 10; a boot of 3 to 5 minutes; an alarm on 1 of 1 one-minute datapoints. The
//! ranges follow from the AWS documentation, and from the observation that alarms see a minute only after it has ended:
//!
//! | policy | desired instances | healthy within ten minutes |
//! |---|---|---|
//! | simple, cooldown 300 s | 4 after 0.1 to 3 min, 6 after 6.1 to 9 | 4, from 3.1 to 8.5 min on |
//! | simple, launch hook | 4; cooldown over after 8.1 to 13.5 min | 4 |
//! | step, default warm-up | as simple | 4 |
//! | step, warm-up 0 | +2 every 1 or 2 min: 10 after 3.1 to 6 | 8 or 10, 10 after 6.1 to 11.5 min |
//! | scheduled 15 min before | 10 before the queue | 10 |
//! | naive: +2 every minute, healthy at once | 10 after 4 min | wrong |
//!
//! Each range adds up the extremes of its delays. Until the first alarm, these are three times up to a minute: until the
//! Lambda's next sample, until the end of the minute in which it was taken, and until the next evaluation; the sample is visible
//! after 5 s. The second activity of the simple policy starts exactly six evaluations after the first if machines run after
//! 17 s, because the cooldown ends in between. With warm-up 0, "every 1 or 2 min" depends on how long a launch takes: below one
//! minute, every evaluation finds the last pair in service; above, every second one does.

use std::time::Duration;

use tiketi_cloud::policy_timeline::{CROSSING, PolicyTimeline, Spread, built_in, naive};

const SEEDS: u32 = 200;

fn plan(name: &str) -> tiketi_scenario::Plan {
    let mut policies = built_in().into_iter();
    let found = policies.find(|(other, _)| other == name);
    found.unwrap_or_else(|| panic!("no policy `{name}`")).1
}

fn timeline(name: &str) -> PolicyTimeline {
    PolicyTimeline::new(name, &plan(name), CROSSING, SEEDS)
        .expect("the plan has a policy on queue size")
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// Asserts that all seeds lie between `from` and `until` minutes and that they cover more than half of that range: phases
/// that are not random would give a range that is too narrow.
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
        "the seeds cover only {used:.2} of the range: {min:.2} to {max:.2} min"
    );
}

fn sizes(spread: Spread<u32>) -> (u32, u32, u32) {
    (spread.min, spread.median, spread.max)
}

#[test]
fn simple_policy_has_four_healthy_instances_after_ten_minutes() {
    let simple = timeline("simple, cooldown 300 s");
    assert_between(simple.wants(4), 0.08, 3.0);
    assert_between(simple.wants(6), 6.08, 9.0);
    assert_between(simple.has_of_use(4), 3.08, 8.5);
    assert_between(simple.has_of_use(6), 9.08, 14.5);
    assert_eq!(sizes(simple.desired(minutes(5))), (4, 4, 4));
    let (min, median, max) = sizes(simple.useful(minutes(10)));
    assert!((min, median) == (4, 4) && max <= 5);
    assert_eq!(
        simple.in_service(minutes(10)).median,
        6,
        "in service is not healthy"
    );
}

#[test]
fn launch_hook_delays_the_second_pair() {
    let hooked = timeline("simple, launch hook");
    assert_between(hooked.wants(4), 0.08, 3.0);
    // The first pair responds after 3 to 5 minutes; then come 300 s of cooldown and the next evaluation.
    assert_between(hooked.wants(6), 8.1, 13.5);
    assert_between(hooked.has_of_use(4), 3.08, 8.5);
    assert_eq!(sizes(hooked.useful(minutes(10))), (4, 4, 4));
    assert_eq!(
        sizes(hooked.in_service(minutes(2))),
        (2, 2, 2),
        "none before the application responds"
    );
}

#[test]
fn step_policy_with_default_warm_up_equals_simple_policy() {
    let simple = timeline("simple, cooldown 300 s");
    let step = timeline("step, default warm-up");
    for minute in 0..=15 {
        let after = minutes(minute);
        assert_eq!(step.desired(after), simple.desired(after), "{minute} min");
    }
    assert_eq!(step.useful(minutes(10)).median, 4);
}

#[test]
fn step_policy_without_warm_up_desires_ten_within_minutes() {
    let step = timeline("step, warm-up 0");
    assert_between(step.wants(4), 0.08, 3.0);
    assert_between(step.wants(10), 3.08, 6.0);
    assert_between(step.has_of_use(10), 6.08, 11.5);
    let (min, median, _) = sizes(step.useful(minutes(10)));
    assert!(min >= 8 && median == 10);
    assert!(
        step.useful(minutes(6)).median <= 6,
        "desired is not healthy"
    );
}

#[test]
fn slow_launch_halves_the_pace_of_step_scaling() {
    let mut plan = plan("step, warm-up 0");
    plan.scaling.pending = Duration::from_secs(80);
    let step = PolicyTimeline::new("slow", &plan, CROSSING, SEEDS)
        .expect("the plan has a policy on queue size");
    assert_between(step.wants(10), 6.08, 9.0);
    assert_between(step.has_of_use(10), 9.08, 14.5);
}

#[test]
fn scheduled_action_has_ten_healthy_instances_at_the_opening() {
    let scheduled = timeline("scheduled, 15 min before");
    for minute in 0..=15 {
        assert_eq!(sizes(scheduled.useful(minutes(minute))), (10, 10, 10));
    }
}

#[test]
fn naive_estimate_is_faster_than_any_aws_policy() {
    assert_eq!(naive(minutes(4), 10), 10);
    for name in [
        "simple, cooldown 300 s",
        "simple, launch hook",
        "step, default warm-up",
        "step, warm-up 0",
    ] {
        let policy = timeline(name);
        for minute in 2..=5 {
            let (real, naive) = (
                policy.useful(minutes(minute)).max,
                naive(minutes(minute), 10),
            );
            assert!(real < naive, "{name}: {real} of {naive} after {minute} min");
        }
    }
}

#[test]
fn same_seeds_give_the_same_timeline() {
    let once = timeline("simple, cooldown 300 s");
    let again = timeline("simple, cooldown 300 s");
    assert_eq!(once.has_of_use(4), again.has_of_use(4));
    assert_eq!(once.useful(minutes(6)), again.useful(minutes(6)));
}

#[test]
fn scenario_without_queue_policy_has_no_timeline() {
    let mut plan = plan("simple, cooldown 300 s");
    plan.scaling.policies.clear();
    assert!(PolicyTimeline::new("none", &plan, CROSSING, 1).is_none());
}
