//! What stops a rebalancing group from terminating too early: maintenance policy, suspended processes, launch hook.

use std::time::Duration;

use tiketi_cloud::notice::{InstanceState, SwallowReason};
use tiketi_cloud::order::{Input, Order};
use tiketi_core::units::{InstanceId, SimTime};
use tiketi_scenario::Plan;
use tiketi_scenario::replacement::{HealthyRange, Process};
use tiketi_scenario::scaling::{HealthType, HookDefault, LaunchHook, ScheduledAction};

use crate::common::{documented_plan, secs};
use crate::drive::{Drive, ZONE_A, ZONE_B, long_from, minutes};

const BEFORE_TERMINATING: HealthyRange = HealthyRange {
    min_percent: 100,
    max_percent: 110,
};

fn four() -> Plan {
    let mut plan = documented_plan();
    plan.topology.instances.initial = vec![2, 2];
    plan
}

fn suspending(processes: &[Process]) -> Plan {
    let mut plan = four();
    plan.scaling.suspended = processes.to_vec();
    plan
}

/// Loses zone a at 200 s and restores it at 900 s.
fn lose_and_restore(plan: &Plan) -> Drive {
    let mut drive = Drive::new(plan, |_| Some(2_000));
    drive.tell(200, Input::ZoneLost { zone: ZONE_A });
    drive.tell(900, Input::ZoneRestored { zone: ZONE_A });
    drive
}

fn kill(drive: &mut Drive, at: u64, instance: u32) {
    let instance = InstanceId(instance);
    drive.tell(at, Input::InstanceLost { instance });
}

/// Applications answer 240 s after the launch and pass their first check 30 s later; machines run after 17 s.
#[test]
fn a_maintenance_policy_makes_rebalancing_wait_for_its_check_and_the_warmup() {
    let warm = Some(secs(300));
    let cases = [
        (HealthType::Ec2, None, warm, 17, "no policy"),
        (
            HealthType::Ec2,
            Some(BEFORE_TERMINATING),
            None,
            17,
            "a policy alone: the machine runs",
        ),
        (
            HealthType::Ec2,
            Some(BEFORE_TERMINATING),
            warm,
            317,
            "in service, and warm",
        ),
        (
            HealthType::Elb,
            Some(BEFORE_TERMINATING),
            None,
            270,
            "the first check of the load balancer",
        ),
        (HealthType::Elb, Some(BEFORE_TERMINATING), warm, 317, "both"),
    ];
    for (health_type, maintenance, warmup, delay, why) in cases {
        let mut plan = four();
        plan.scaling.health_type = health_type;
        plan.scaling.maintenance = maintenance;
        plan.scaling.default_instance_warmup = warmup;
        let mut drive = lose_and_restore(&plan);
        drive.run_until(minutes(60));
        assert_eq!(drive.first_deregistered(900), Some(delay), "{why}");
        assert_eq!((drive.in_zone(ZONE_A), drive.in_zone(ZONE_B)), (2, 2));
    }
}

#[test]
fn a_maintenance_policy_bounds_how_many_instances_move_at_once() {
    let launched_at_first = |min_percent, max_percent| {
        let mut plan = four();
        plan.scaling.maintenance = Some(HealthyRange {
            min_percent,
            max_percent,
        });
        plan.scaling.default_instance_warmup = Some(secs(300));
        let drive = lose_and_restore(&plan);
        let gone = drive.first_deregistered(900) == Some(0);
        (drive.launches_after(900).len(), gone)
    };
    assert_eq!(launched_at_first(100, 110), (1, false), "up to 5 of 4");
    assert_eq!(launched_at_first(100, 150), (2, false), "up to 6 of 4");
    assert_eq!(launched_at_first(75, 100), (1, true), "down to 3 of 4");
    assert_eq!(launched_at_first(50, 100), (2, true), "down to 2 of 4");
}

#[test]
fn with_a_policy_an_unhealthy_instance_ends_when_its_replacement_is_ready() {
    let ended_after = |maintenance| {
        let mut plan = four();
        plan.scaling.health_type = HealthType::Elb;
        plan.scaling.maintenance = maintenance;
        let mut drive = Drive::new(&plan, |_| Some(2_000));
        let (instance, healthy) = (InstanceId(0), false);
        drive.tell(600, Input::TargetHealth { instance, healthy });
        drive.run_until(minutes(30));
        let ended = drive.first(InstanceState::Draining, 0);
        assert_eq!(drive.launches_after(600).len(), 1);
        ended.map(|at| at - 600)
    };
    assert_eq!(ended_after(None), Some(0), "AWS terminates first");
    assert_eq!(ended_after(Some(BEFORE_TERMINATING)), Some(270));
}

#[test]
fn a_suspended_rebalance_leaves_the_zones_uneven_until_the_group_grows() {
    let mut plan = suspending(&[Process::AzRebalance]);
    plan.scaling.scheduled = vec![more(2_000, 6)];
    let mut drive = lose_and_restore(&plan);
    drive.run_until(SimTime::from_secs(1_999));
    assert_eq!((drive.in_zone(ZONE_A), drive.in_zone(ZONE_B)), (0, 4));
    assert_eq!(drive.launches_after(900), []);
    drive.run_until(minutes(40));
    assert_eq!((drive.in_zone(ZONE_A), drive.in_zone(ZONE_B)), (2, 4));
}

fn more(at: u64, desired: u32) -> ScheduledAction {
    ScheduledAction {
        name: "more".to_owned(),
        at: SimTime::from_secs(at),
        late: Some(Duration::ZERO),
        min: None,
        max: None,
        desired: Some(desired),
    }
}

#[test]
fn a_group_that_may_not_launch_replaces_nothing() {
    let mut drive = lose_and_restore(&suspending(&[Process::Launch]));
    drive.run_until(minutes(30));
    assert_eq!(drive.launches_after(1), []);
    assert_eq!((drive.in_zone(ZONE_A), drive.in_zone(ZONE_B)), (0, 2));
}

/// Documented: rebalancing launches without terminating, up to 10 % beyond the maximum.
#[test]
fn a_group_that_may_not_terminate_grows_while_it_rebalances() {
    let mut plan = four();
    plan.scaling.max = 4;
    let mut drive = lose_and_restore(&plan);
    drive.run_until(minutes(30));
    assert_eq!(drive.in_zone(ZONE_A) + drive.in_zone(ZONE_B), 4);

    plan.scaling.suspended = vec![Process::Terminate];
    // Lost instances are not replaced either, so the zones become uneven by hand.
    plan.topology.instances.initial = vec![0, 4];
    let mut drive = Drive::new(&plan, |_| Some(2_000));
    drive.run_until(minutes(30));
    assert_eq!((drive.in_zone(ZONE_A), drive.in_zone(ZONE_B)), (1, 4));
    assert_eq!(drive.first_deregistered(0), None);
}

#[test]
fn an_instance_whose_loss_nobody_notices_or_replaces_is_not_replaced() {
    for process in Process::ALL {
        let replaced = match process {
            Process::HealthCheck
            | Process::ReplaceUnhealthy
            | Process::Terminate
            | Process::Launch => 0,
            Process::AzRebalance | Process::AlarmNotification | Process::ScheduledActions => 1,
        };
        let mut drive = Drive::new(&suspending(&[process]), |_| Some(2_000));
        kill(&mut drive, 100, 0);
        drive.run_until(minutes(5));
        assert_eq!(drive.launches_after(100).len(), replaced, "{process:?}");
    }
}

#[test]
fn suspended_alarms_and_schedules_change_no_size_and_say_so_once() {
    let mut plan = suspending(&[Process::AlarmNotification, Process::ScheduledActions]);
    plan.scaling.scheduled = vec![more(300, 8)];
    let mut drive = Drive::new(&plan, long_from(0));
    drive.run_until(minutes(20));
    assert_eq!(drive.resizes(), []);
    let alarms = drive.alarms("queue-high").len();
    assert!(alarms > 0, "alarms go on");
    assert_eq!(drive.swallowed(SwallowReason::Suspended), 2);
}

#[test]
fn a_launch_hook_that_times_out_abandons_the_instance_or_lets_it_into_service() {
    let replacement = |hook_default| {
        let mut plan = four();
        plan.scaling.launch_hook = LaunchHook::UntilAnswers;
        plan.scaling.launch_hook_timeout = secs(60);
        plan.scaling.launch_hook_default = hook_default;
        let mut drive = Drive::new(&plan, |_| Some(2_000));
        kill(&mut drive, 100, 0);
        drive.run_until(SimTime::from_secs(100 + 77));
        let state = |state| drive.first(state, 4).map(|at| at - 100);
        (
            state(InstanceState::InService),
            state(InstanceState::Terminated),
            drive.launches_after(101).len(),
        )
    };
    assert_eq!(replacement(HookDefault::Continue), (Some(77), None, 0));
    assert_eq!(replacement(HookDefault::Abandon), (None, Some(77), 1));
}

#[test]
fn an_instance_is_terminated_once_whatever_is_suspended() {
    for process in Process::ALL {
        let mut plan = suspending(&[process]);
        plan.scaling.maintenance = Some(BEFORE_TERMINATING);
        plan.scaling.health_type = HealthType::Elb;
        let mut drive = lose_and_restore(&plan);
        kill(&mut drive, 1_000, 2);
        drive.run_until(minutes(60));
        let mut ended: Vec<_> = drive
            .orders
            .iter()
            .filter_map(|(_, order)| match order {
                Order::Terminate { instance } => Some(*instance),
                _ => None,
            })
            .collect();
        let orders = ended.len();
        ended.sort_unstable();
        ended.dedup();
        assert_eq!(ended.len(), orders, "{process:?}");
    }
}
