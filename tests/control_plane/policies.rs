//! Alarms and policies: which alarms act and which are ignored.

use std::time::Duration;

use tiketi_cloud::notice::{AlarmState, SwallowReason, What};

use crate::common::{documented_plan, secs};
use crate::drive::{Drive, long_from, minutes, stepped_plan};

#[test]
fn cooldown_blocks_second_scale_out() {
    let mut drive = Drive::new(&documented_plan(), long_from(125));
    drive.run_until(minutes(12));
    let resizes = drive.resizes();
    let (first, second) = (resizes[0], resizes[1]);
    // The sample at 130 s is the first above 5,000; its minute ends at 180 s; the alarm is evaluated every minute.
    assert!((180..240).contains(&first.0), "{resizes:?}");
    assert_eq!((first.1, second.1), (4, 6));
    // The activity ends when both are in service (17 s), the cooldown 300 s later, the next evaluation within 60 s.
    let gap = second.0 - first.0;
    assert!((317..377).contains(&gap), "{gap} s between two resizes");
    assert_eq!(gap % 60, 0, "the alarm's evaluations kept their phase");
    assert_eq!(drive.swallowed(SwallowReason::ActivityInProgress), 0);
    let until_second = drive
        .notices
        .iter()
        .filter(|notice| notice.at.as_secs() < second.0)
        .filter(|notice| {
            matches!(
                notice.what,
                What::Swallowed {
                    reason: SwallowReason::Cooldown,
                    ..
                }
            )
        })
        .count();
    assert_eq!(
        u64::try_from(until_second).unwrap(),
        gap / 60 - 1,
        "the alarm fired every minute in between and was ignored"
    );
}

#[test]
fn three_of_three_fires_two_minutes_after_one_of_one() {
    let alarm_at = |datapoints: u32| {
        let mut plan = documented_plan();
        plan.scaling.policies.truncate(1);
        plan.scaling.policies[0].alarm.datapoints_to_alarm = datapoints;
        plan.scaling.policies[0].alarm.evaluation_periods = datapoints;
        let mut drive = Drive::new(&plan, long_from(300));
        drive.run_until(minutes(12));
        let alarms = drive.alarms("queue-high");
        alarms
            .iter()
            .find(|(_, state)| *state == AlarmState::Alarm)
            .expect("alarms")
            .0
    };
    assert_eq!(alarm_at(3) - alarm_at(1), 120);
}

#[test]
fn missing_samples_give_insufficient_data_and_no_scaling() {
    let mut drive = Drive::new(&documented_plan(), |at| {
        (at.as_secs() < 300).then_some(2_000)
    });
    drive.run_until(minutes(12));
    assert_eq!(
        drive.alarms("queue-high").last().map(|alarm| alarm.1),
        Some(AlarmState::InsufficientData)
    );
    assert_eq!(drive.resizes(), []);
}

#[test]
fn scale_in_removes_one_at_a_time_and_cools_down_after_the_drain() {
    let mut plan = documented_plan();
    plan.topology.instances.initial = vec![2, 2];
    let gap = |drains: bool| {
        let mut drive = Drive::new(&plan, |_| Some(10));
        drive.drains = drains;
        drive.run_until(minutes(40));
        let resizes = drive.resizes();
        let sizes: Vec<u32> = resizes.iter().map(|(_, to)| *to).collect();
        assert_eq!(sizes, [3, 2], "one at a time, and never below the minimum");
        assert_eq!(drive.swallowed(SwallowReason::AtLimit), 1, "announced once");
        resizes[1].0 - resizes[0].0
    };
    // Open sockets keep the instance draining for the whole deregistration delay.
    assert!((600..660).contains(&gap(false)));
    assert!((300..360).contains(&gap(true)));
}

#[test]
fn maximum_size_limits_launches() {
    let mut plan = documented_plan();
    plan.scaling.max = 3;
    let mut drive = Drive::new(&plan, long_from(0));
    drive.run_until(minutes(20));
    let sizes: Vec<u32> = drive.resizes().iter().map(|(_, to)| *to).collect();
    assert_eq!(sizes, [3], "+2 at 2 of at most 3 adds 1");
    assert_eq!(drive.plane.fleet().active(), 3);
}

#[test]
fn warming_up_instances_count_toward_their_step() {
    let mut drive = Drive::new(&stepped_plan(secs(300)), long_from(0));
    drive.run_until(minutes(12));
    let resizes = drive.resizes();
    assert_eq!((resizes[0].1, resizes[1].1), (4, 6));
    assert!((resizes[1].0 - resizes[0].0) >= 317, "{resizes:?}");
    assert!(drive.swallowed(SwallowReason::WarmingUp) >= 5);
}

#[test]
fn larger_step_adds_only_the_difference() {
    let mut drive = Drive::new(&stepped_plan(secs(300)), |at| {
        Some(if at.as_secs() < 120 { 6_000 } else { 20_000 })
    });
    drive.run_until(minutes(5));
    let sizes: Vec<u32> = drive.resizes().iter().map(|(_, to)| *to).collect();
    assert_eq!(sizes, [4, 6], "2 + 2, then 2 + 4, not 4 + 4");
}

#[test]
fn without_warm_up_each_pair_in_service_allows_the_next() {
    let mut drive = Drive::new(&stepped_plan(Duration::ZERO), long_from(0));
    drive.run_until(minutes(8));
    let sizes: Vec<u32> = drive.resizes().iter().map(|(_, to)| *to).collect();
    assert_eq!(sizes, [4, 6, 8, 10]);
}

#[test]
fn step_scale_in_waits_for_warm_up_then_continues_every_minute() {
    let mut drive = Drive::new(&stepped_plan(secs(300)), |at| {
        Some(if at.as_secs() < 120 { 6_000 } else { 10 })
    });
    drive.run_until(minutes(20));
    let resizes = drive.resizes();
    let sizes: Vec<u32> = resizes.iter().map(|(_, to)| *to).collect();
    assert_eq!(sizes, [4, 3, 2]);
    assert!(resizes[1].0 - resizes[0].0 >= 317);
    assert_eq!(resizes[2].0 - resizes[1].0, 60);
}
