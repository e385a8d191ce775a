//! The lifecycle of instances.

use tiketi_cloud::notice::InstanceState;
use tiketi_cloud::order::{Input, Order};
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_scenario::scaling::HealthType;

use crate::common::{documented_plan, secs};
use crate::drive::{Drive, ZONE_A, ZONE_B, long_from, minutes};

#[test]
fn initial_instances_are_launched_and_registered_at_the_start() {
    let drive = Drive::new(&documented_plan(), long_from(u64::MAX));
    let zones: Vec<ZoneId> = drive
        .orders
        .iter()
        .filter_map(|(_, order)| match order {
            Order::Launch {
                zone, answers_at, ..
            } => {
                assert_eq!(*answers_at, SimTime::ZERO);
                Some(*zone)
            }
            _ => None,
        })
        .collect();
    assert_eq!(zones, [ZONE_A, ZONE_B]);
    let registered = drive
        .orders
        .iter()
        .filter(|(_, order)| matches!(order, Order::Register { .. }))
        .count();
    assert_eq!(registered, 2);
}

#[test]
fn first_passed_check_makes_a_new_target_healthy() {
    let mut drive = Drive::new(&documented_plan(), long_from(0));
    drive.run_until(minutes(8));
    let launched = drive.resizes()[0].0;
    assert_eq!(
        drive.first(InstanceState::InService, 2),
        Some(launched + 17)
    );
    // Boot takes 240 s; this driver's first passing health check comes 30 s later.
    assert_eq!(drive.first(InstanceState::Healthy, 2), Some(launched + 270));
}

#[test]
fn lost_instance_is_replaced_during_cooldown() {
    let mut drive = Drive::new(&documented_plan(), long_from(0));
    drive.run_until(minutes(3));
    let resized = drive.resizes()[0].0;
    let at = resized + 100;
    drive.tell(
        at,
        Input::InstanceLost {
            instance: InstanceId(0),
        },
    );
    assert_eq!(drive.launches_after(at), [ZONE_A]);
    drive.run_until(SimTime::from_secs(at + 61));
    assert!(drive.orders.contains(&(
        SimTime::from_secs(at + 60),
        Order::Terminate {
            instance: InstanceId(0)
        }
    )));
}

#[test]
fn elb_health_type_replaces_unhealthy_instances_one_at_a_time() {
    let unhealthy = |drive: &mut Drive, at| {
        for instance in [0, 1].map(InstanceId) {
            drive.tell(
                at,
                Input::TargetHealth {
                    instance,
                    healthy: false,
                },
            );
        }
    };
    let mut plan = documented_plan();
    let mut drive = Drive::new(&plan, |_| Some(2_000));
    unhealthy(&mut drive, 400);
    assert_eq!(
        drive.launches_after(0),
        [],
        "by default only the state of the machine counts"
    );

    plan.scaling.health_type = HealthType::Elb;
    let mut drive = Drive::new(&plan, |_| Some(2_000));
    unhealthy(&mut drive, 100);
    assert_eq!(drive.launches_after(0), [], "within the grace period");
    drive.run_until(SimTime::from_secs(301));
    assert_eq!(drive.launches_after(0).len(), 1);
    // The second is replaced when the first replacement has passed its health check: boot 240 s + 30 s.
    drive.run_until(SimTime::from_secs(569));
    assert_eq!(drive.launches_after(0).len(), 1);
    drive.run_until(SimTime::from_secs(571));
    assert_eq!(drive.launches_after(0).len(), 2);
}

#[test]
fn grace_shorter_than_boot_replaces_instances_forever() {
    let launches = |grace| {
        let mut plan = documented_plan();
        plan.scaling.health_type = HealthType::Elb;
        plan.scaling.grace = secs(grace);
        let mut drive = Drive::new(&plan, |_| Some(2_000));
        let instance = InstanceId(0);
        drive.tell(400, Input::InstanceLost { instance });
        drive.run_until(minutes(20));
        drive.launches_after(400).len()
    };
    // It is in service after 17 s and passes its first health check after 270 s.
    assert_eq!(launches(300), 1);
    assert_eq!(launches(254), 1);
    assert!(launches(200) >= 3, "replaced forever");
    assert!(launches(0) >= 8, "as soon as two checks have failed");
}
