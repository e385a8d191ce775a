//! Zones without capacity for new instances.

use tiketi_cloud::notice::{InstanceState, What};
use tiketi_cloud::order::Input;
use tiketi_core::units::InstanceId;

use crate::common::documented_plan;
use crate::drive::{Drive, ZONE_A, ZONE_B, minutes};

fn four() -> Drive {
    let mut plan = documented_plan();
    plan.topology.instances.initial = vec![2, 2];
    Drive::new(&plan, |_| Some(2_000))
}

fn kill(drive: &mut Drive, at: u64, instance: u32) {
    let instance = InstanceId(instance);
    drive.tell(at, Input::InstanceLost { instance });
}

fn failed_launches(drive: &Drive) -> usize {
    let failed = InstanceState::LaunchFailed;
    let is_failed = |what: &What| matches!(what, What::Instance { state, .. } if *state == failed);
    let notices = drive.notices.iter();
    notices.filter(|notice| is_failed(&notice.what)).count()
}

#[test]
fn a_launch_without_capacity_goes_to_the_other_zone_and_moves_back_later() {
    let mut drive = four();
    drive.full.insert(ZONE_A);
    kill(&mut drive, 100, 0);
    kill(&mut drive, 101, 2);
    assert_eq!(
        drive.launches_after(100),
        [ZONE_A, ZONE_B, ZONE_B],
        "the group tries zone a once, and knows then"
    );
    assert_eq!(failed_launches(&drive), 1);
    drive.run_until(minutes(10));
    assert_eq!((drive.in_zone(ZONE_A), drive.in_zone(ZONE_B)), (1, 3));

    drive.full.clear();
    drive.tell(900, Input::CapacityRestored { zone: ZONE_A });
    assert_eq!(drive.launches_after(900), [ZONE_A]);
    drive.run_until(minutes(30));
    assert_eq!((drive.in_zone(ZONE_A), drive.in_zone(ZONE_B)), (2, 2));
}

#[test]
fn without_capacity_in_any_zone_the_group_waits() {
    let mut drive = four();
    drive.full.extend([ZONE_A, ZONE_B]);
    kill(&mut drive, 100, 0);
    drive.run_until(minutes(10));
    assert_eq!(drive.launches_after(100), [ZONE_A, ZONE_B]);
    assert_eq!(drive.in_zone(ZONE_A) + drive.in_zone(ZONE_B), 3);
    drive.full.remove(&ZONE_B);
    drive.tell(700, Input::CapacityRestored { zone: ZONE_B });
    assert_eq!(drive.launches_after(700), [ZONE_B]);
}

#[test]
fn capacity_that_nobody_missed_changes_nothing_when_it_returns() {
    let mut drive = four();
    drive.full.insert(ZONE_A);
    drive.full.clear();
    drive.tell(900, Input::CapacityRestored { zone: ZONE_A });
    assert_eq!(drive.launches_after(1), []);
}
