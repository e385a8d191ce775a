//! Instance refreshes.

use tiketi_cloud::member::Member;
use tiketi_cloud::notice::{InstanceState, RefreshOutcome, What};
use tiketi_cloud::order::Input;
use tiketi_core::units::{InstanceId, SimTime};
use tiketi_scenario::Plan;
use tiketi_scenario::replacement::{HealthyRange, InstanceRefresh, NewVersion, Process};
use tiketi_scenario::scaling::HealthType;

use crate::common::{documented_plan, secs};
use crate::drive::{Drive, ZONE_A, ZONE_B, minutes};

const START: u64 = 600;

/// Five instances and a refresh at 600 s. Machines run after 17 s, applications answer after 240 s.
fn plan(min_percent: u32, max_percent: u32) -> Plan {
    let mut plan = documented_plan();
    plan.topology.instances.initial = vec![3, 2];
    plan.scaling.refreshes = vec![InstanceRefresh {
        at: SimTime::from_secs(START),
        healthy: HealthyRange {
            min_percent,
            max_percent,
        },
        instance_warmup: secs(283),
        checkpoints: Vec::new(),
        checkpoint_delay: secs(60),
        new_version: NewVersion::Answers,
        cancel_at: None,
    }];
    plan
}

/// The numbers of instances in service and of all that are not draining, at their extremes while the refresh ran.
#[derive(Debug, PartialEq, Eq)]
struct Extremes {
    in_service_min: usize,
    active_max: usize,
}

/// Runs until the refresh has ended.
fn refresh(plan: &Plan) -> (Drive, Extremes) {
    let mut drive = Drive::new(plan, |_| Some(2_000));
    drive.drains = true;
    let mut extremes = Extremes {
        in_service_min: usize::MAX,
        active_max: 0,
    };
    for second in START..START + 20_000 {
        drive.run_until(SimTime::from_secs(second));
        let members = || drive.plane.fleet().members();
        let in_service = members().filter(|it| it.is_active() && !it.is_pending());
        extremes.in_service_min = extremes.in_service_min.min(in_service.count());
        let active = members().filter(|it| it.is_active()).count();
        extremes.active_max = extremes.active_max.max(active);
        if ended(&drive).is_some() {
            break;
        }
    }
    (drive, extremes)
}

/// How the first refresh ended: after how many seconds, how, and with how many instances replaced.
fn ended(drive: &Drive) -> Option<(u64, RefreshOutcome, u32)> {
    drive.notices.iter().find_map(|notice| match notice.what {
        What::RefreshEnded { outcome, replaced } => {
            Some((notice.at.as_secs() - START, outcome, replaced))
        }
        _ => None,
    })
}

fn old_and_new(drive: &Drive) -> (usize, usize) {
    let active = drive.plane.fleet().members().filter(|it| it.is_active());
    let (old, new): (Vec<&Member>, Vec<&Member>) = active.partition(|it| it.version == 0);
    (old.len(), new.len())
}

const fn extremes(in_service_min: usize, active_max: usize) -> Extremes {
    Extremes {
        in_service_min,
        active_max,
    }
}

#[test]
fn by_default_one_of_five_instances_is_replaced_at_a_time_without_a_spare() {
    let (drive, seen) = refresh(&plan(90, 100));
    // Each takes 17 s to run and 283 s to warm up.
    let successful = RefreshOutcome::Successful;
    assert_eq!(ended(&drive), Some((5 * 300, successful, 5)));
    assert_eq!(seen, extremes(4, 5));
    assert_eq!(old_and_new(&drive), (0, 5));
    assert_eq!((drive.in_zone(ZONE_A), drive.in_zone(ZONE_B)), (3, 2));
}

#[test]
fn a_minimum_of_all_instances_launches_before_it_terminates() {
    let (drive, seen) = refresh(&plan(100, 120));
    assert_eq!(seen, extremes(5, 6));
    let successful = RefreshOutcome::Successful;
    assert_eq!(ended(&drive), Some((5 * 300, successful, 5)));
    let (drive, seen) = refresh(&plan(100, 200));
    assert_eq!(seen, extremes(5, 10));
    assert_eq!(ended(&drive), Some((300, successful, 5)));
}

#[test]
fn a_minimum_of_none_replaces_all_at_once() {
    let (drive, seen) = refresh(&plan(0, 100));
    assert_eq!(seen, extremes(0, 5));
    assert_eq!(ended(&drive), Some((300, RefreshOutcome::Successful, 5)));
}

#[test]
fn a_refresh_of_the_whole_group_ends_when_the_old_instances_are_gone() {
    let mut drive = Drive::new(&plan(100, 200), |_| Some(2_000));
    drive.run_until(minutes(60));
    // Connections hold the old instances for the deregistration delay of 300 s.
    assert_eq!(
        ended(&drive),
        Some((300 + 300, RefreshOutcome::Successful, 5))
    );
}

#[test]
fn a_refresh_waits_at_its_checkpoints() {
    let mut plan = plan(100, 200);
    plan.scaling.refreshes[0].checkpoints = vec![20, 50, 100];
    let (drive, _) = refresh(&plan);
    let waits: Vec<_> = drive
        .notices
        .iter()
        .filter_map(|notice| match notice.what {
            What::RefreshWaits { replaced } => Some((notice.at.as_secs() - START, replaced)),
            _ => None,
        })
        .collect();
    assert_eq!(waits, [(300, 1), (660, 3)], "20% of 5 is 1, 50% is 3");
    let successful = RefreshOutcome::Successful;
    assert_eq!(ended(&drive), Some((1_020, successful, 5)));
}

#[test]
fn a_refresh_ends_at_its_last_checkpoint() {
    let mut plan = plan(100, 120);
    plan.scaling.refreshes[0].checkpoints = vec![40];
    let (drive, _) = refresh(&plan);
    assert_eq!(ended(&drive), Some((600, RefreshOutcome::Successful, 2)));
    assert_eq!(old_and_new(&drive), (3, 2));
}

#[test]
fn a_canceled_refresh_keeps_what_it_has_replaced() {
    let mut plan = plan(90, 100);
    plan.scaling.refreshes[0].cancel_at = Some(SimTime::from_secs(START + 400));
    let (mut drive, _) = refresh(&plan);
    assert_eq!(ended(&drive), Some((400, RefreshOutcome::Cancelled, 2)));
    drive.run_until(minutes(60));
    assert_eq!(old_and_new(&drive), (3, 2), "nothing is rolled back");

    // What is launched from then on has the old version again.
    let victim = drive.plane.fleet().members().find(|it| it.version == 1);
    let instance = victim.expect("there are two").instance;
    drive.tell(3_700, Input::InstanceLost { instance });
    assert_eq!(old_and_new(&drive), (4, 1));
}

#[test]
fn what_a_canceled_refresh_launched_ahead_ends_with_it() {
    let mut plan = plan(100, 120);
    plan.scaling.refreshes[0].cancel_at = Some(SimTime::from_secs(START + 100));
    let (mut drive, _) = refresh(&plan);
    assert_eq!(ended(&drive), Some((100, RefreshOutcome::Cancelled, 0)));
    drive.run_until(minutes(20));
    assert_eq!(old_and_new(&drive), (5, 0));
}

/// The load balancer's checks stop a broken release at the first instance, and the refresh fails after an hour.
#[test]
fn a_broken_release_fails_after_an_hour_with_checks_of_the_load_balancer() {
    let mut plan = plan(100, 120);
    plan.scaling.refreshes[0].new_version = NewVersion::NeverAnswers;
    plan.scaling.health_type = HealthType::Elb;
    let mut drive = Drive::new(&plan, |_| Some(2_000));
    // The initial instances pass their checks.
    for instance in (0..5).map(InstanceId) {
        let healthy = true;
        drive.tell(1, Input::TargetHealth { instance, healthy });
    }
    drive.drains = true;
    drive.run_until(SimTime::from_secs(START + 3_599));
    assert_eq!(ended(&drive), None);
    drive.run_until(SimTime::from_secs(START + 3_600));
    assert_eq!(ended(&drive), Some((3_600, RefreshOutcome::Failed, 0)));
    let healthy = |zone| drive.plane.fleet().count(zone, InstanceState::Healthy);
    assert_eq!(healthy(ZONE_A) + healthy(ZONE_B), 5);
    drive.run_until(minutes(120));
    assert_eq!(old_and_new(&drive), (5, 0));
}

/// Without them, a machine that runs is all that a refresh asks for: it replaces the whole fleet and calls that a success.
#[test]
fn a_broken_release_takes_over_the_fleet_without_checks_of_the_load_balancer() {
    let mut plan = plan(100, 120);
    plan.scaling.refreshes[0].new_version = NewVersion::NeverAnswers;
    let (drive, _) = refresh(&plan);
    let successful = RefreshOutcome::Successful;
    assert_eq!(ended(&drive), Some((5 * 300, successful, 5)));
    assert_eq!(old_and_new(&drive), (0, 5));
}

#[test]
fn a_second_refresh_is_rejected_while_the_first_is_in_progress() {
    let mut plan = plan(90, 100);
    let mut second = plan.scaling.refreshes[0].clone();
    second.at = SimTime::from_secs(START + 60);
    plan.scaling.refreshes.push(second);
    let (mut drive, _) = refresh(&plan);
    assert_eq!(ended(&drive), Some((60, RefreshOutcome::Rejected, 0)));
    drive.run_until(minutes(60));
    assert_eq!(old_and_new(&drive), (0, 5));
}

#[test]
fn a_refresh_that_may_not_launch_or_terminate_fails() {
    for process in [Process::Launch, Process::Terminate] {
        let mut plan = plan(90, 100);
        plan.scaling.suspended = vec![process];
        let (drive, _) = refresh(&plan);
        let (took, outcome, _) = ended(&drive).expect("it ends");
        assert_eq!(
            (took, outcome),
            (3_600, RefreshOutcome::Failed),
            "{process:?}"
        );
    }
}

#[test]
fn an_instance_that_is_lost_during_a_refresh_comes_back_with_the_new_version() {
    let mut drive = Drive::new(&plan(100, 120), |_| Some(2_000));
    drive.drains = true;
    let instance = InstanceId(4);
    drive.tell(START + 10, Input::InstanceLost { instance });
    drive.run_until(minutes(60));
    assert_eq!(old_and_new(&drive), (0, 5));
    let (_, outcome, _) = ended(&drive).expect("it ends");
    assert_eq!(outcome, RefreshOutcome::Successful);
}
