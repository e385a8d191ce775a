//! Loss and return of zones.

use tiketi_cloud::notice::{InstanceState, What};
use tiketi_cloud::order::{Input, Order};
use tiketi_core::units::{InstanceId, SimTime};
use tiketi_scenario::scaling::{HealthType, LaunchHook};

use crate::common::documented_plan;
use crate::drive::{Drive, ZONE_A, ZONE_B, long_from, minutes};

#[test]
fn lost_zone_is_replaced_at_once_and_rebalanced_when_restored() {
    let mut plan = documented_plan();
    plan.topology.instances.initial = vec![2, 2];
    let mut drive = Drive::new(&plan, |_| Some(2_000));
    drive.tell(200, Input::ZoneLost { zone: ZONE_A });
    let lost = drive
        .notices
        .iter()
        .filter(|notice| {
            matches!(
                notice.what,
                What::Instance {
                    state: InstanceState::Lost,
                    ..
                }
            )
        })
        .count();
    assert_eq!(lost, 2);
    assert_eq!(drive.launches_after(200), [ZONE_B, ZONE_B]);
    assert_eq!((drive.in_zone(ZONE_A), drive.in_zone(ZONE_B)), (0, 4));

    drive.tell(500, Input::ZoneRestored { zone: ZONE_A });
    assert_eq!(drive.launches_after(500), [ZONE_A, ZONE_A]);
    assert_eq!(
        drive.in_zone(ZONE_B),
        4,
        "new instances are launched before old ones are terminated"
    );
    // An unrelated event in between changes nothing.
    let instance = InstanceId(2);
    let healthy = false;
    drive.tell(516, Input::TargetHealth { instance, healthy });
    assert_eq!(drive.in_zone(ZONE_B), 4);
    drive.run_until(SimTime::from_secs(518));
    assert_eq!((drive.in_zone(ZONE_A), drive.in_zone(ZONE_B)), (2, 2));
    assert_eq!(
        drive.plane.fleet().count(ZONE_B, InstanceState::Draining),
        2
    );
    assert_eq!(drive.resizes(), [], "the desired size did not change");
}

#[test]
fn no_launch_in_a_zone_whose_loss_is_reported_late() {
    let mut plan = documented_plan();
    plan.scaling.policies.truncate(1);
    let mut drive = Drive::new(&plan, long_from(0));
    drive.run_until(SimTime::from_secs(15));
    // The alarm is due and then the loss is reported, before any order is polled.
    drive
        .plane
        .handle(minutes(2), Input::ZoneLost { zone: ZONE_A });
    drive.collect(minutes(2));
    assert_eq!(drive.resizes().len(), 1, "the alarm came first");
    assert_eq!(drive.launches_after(1), [ZONE_B, ZONE_B, ZONE_B]);
}

#[test]
fn scale_out_uses_the_other_zone_while_one_is_down() {
    let mut drive = Drive::new(&documented_plan(), long_from(100));
    drive.tell(50, Input::ZoneLost { zone: ZONE_B });
    drive.run_until(minutes(5));
    assert_eq!(drive.launches_after(50), [ZONE_A, ZONE_A, ZONE_A]);
}

/// When a zone returns, the group launches there and terminates instances elsewhere as soon as the new ones are in service.
/// Health type ELB does not make it wait until the application responds; a launch hook does.
#[test]
fn only_a_launch_hook_makes_rebalancing_wait_for_the_application() {
    let cases = [
        (HealthType::Ec2, LaunchHook::None, 17),
        (HealthType::Elb, LaunchHook::None, 17),
        (HealthType::Ec2, LaunchHook::UntilAnswers, 240),
        (HealthType::Elb, LaunchHook::UntilAnswers, 240),
    ];
    for (health_type, launch_hook, delay) in cases {
        let mut plan = documented_plan();
        plan.topology.instances.initial = vec![2, 2];
        plan.scaling.health_type = health_type;
        plan.scaling.launch_hook = launch_hook;
        let mut drive = Drive::new(&plan, |_| Some(2_000));
        drive.tell(200, Input::ZoneLost { zone: ZONE_A });
        drive.tell(900, Input::ZoneRestored { zone: ZONE_A });
        drive.run_until(minutes(30));
        let ended = drive.orders.iter().find_map(|(at, order)| match order {
            Order::Deregister { .. } => Some(at.as_secs()),
            _ => None,
        });
        assert_eq!(ended, Some(900 + delay), "{health_type:?}, {launch_hook:?}");
        assert_eq!((drive.in_zone(ZONE_A), drive.in_zone(ZONE_B)), (2, 2));
    }
}
