//! Scheduled actions and the launch hook.

use tiketi_cloud::notice::{InstanceState, What};
use tiketi_core::units::SimTime;
use tiketi_scenario::{self as scenario, Overrides, Plan};

use crate::common::secs;
use crate::drive::{Drive, long_from, minutes};

fn plan(scaling: &str) -> Plan {
    let text = format!(
        "name = \"scheduled\"\nseed = 7\n[scaling]\nmonitor = {{ phase = \"10s\" }}\n\
         boot = {{ distribution = \"constant\", value = \"4m\" }}\n{scaling}"
    );
    scenario::load("scheduled.toml", &text, &Overrides::default())
        .unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

#[test]
fn scheduled_minimum_raises_the_fleet_and_limits_policies() {
    let plan = plan("scheduled = [{ name = \"early\", at = \"5m\", late = \"0s\", min = 8 }]");
    let mut drive = Drive::new(&plan, |_| Some(10));
    drive.run_until(minutes(30));
    assert_eq!(drive.resizes(), [(300, 8)]);
    assert_eq!(drive.plane.fleet().limits(), (8, 10));
    assert!(
        drive
            .notices
            .iter()
            .any(|notice| matches!(&notice.what, What::Scaled { policy, .. } if policy == "early"))
    );
}

#[test]
fn scheduled_action_ignores_cooldown_and_starts_none() {
    let mut plan = plan("scheduled = [{ at = \"4m\", late = \"0s\", desired = 9 }]");
    let mut drive = Drive::new(&plan, long_from(0));
    drive.run_until(minutes(20));
    let sizes: Vec<u32> = drive.resizes().iter().map(|(_, to)| *to).collect();
    assert_eq!(
        sizes,
        [4, 9, 10],
        "the policy, the scheduled action during its cooldown, the policy"
    );

    // A policy may act as soon as the scheduled instances are in service.
    plan.scaling.policies.truncate(1);
    let mut drive = Drive::new(&plan, long_from(230));
    drive.run_until(minutes(20));
    let resizes = drive.resizes();
    assert_eq!(resizes[0], (240, 9));
    assert!(resizes[1].0 <= 240 + 17 + 60, "{resizes:?}");
}

#[test]
fn scheduled_maximum_below_fleet_size_terminates_instances() {
    let mut plan = plan("scheduled = [{ at = \"5m\", late = \"0s\", max = 3 }]");
    plan.topology.instances.initial = vec![3, 3];
    let mut drive = Drive::new(&plan, |_| Some(2_000));
    drive.run_until(minutes(20));
    assert_eq!(drive.resizes(), [(300, 3)]);
    assert_eq!(drive.plane.fleet().active(), 3);
}

#[test]
fn launch_hook_delays_in_service_and_cooldown() {
    let plan = plan("launch_hook = \"until-answers\"");
    let mut drive = Drive::new(&plan, long_from(0));
    drive.run_until(minutes(20));
    let resizes = drive.resizes();
    let launched = resizes[0].0;
    assert_eq!(
        drive.first(InstanceState::InService, 2),
        Some(launched + 240)
    );
    let gap = resizes[1].0 - launched;
    assert!((540..600).contains(&gap), "boot and cooldown, then {gap} s");
}

#[test]
fn launch_hook_delays_instances_in_step_scaling() {
    let plan = plan(
        "launch_hook = \"until-answers\"\n[[scaling.policies]]\nmetric = \"queue_size\"\n\
         alarm = { above = 5_000 }\nkind = \"step\"\nsteps = [{ from = 0, adjust = 2 }]\nwarmup = \"0s\"\n",
    );
    let mut drive = Drive::new(&plan, long_from(0));
    drive.run_until(SimTime::ZERO + secs(900));
    let resizes = drive.resizes();
    assert!(resizes.len() >= 3, "{resizes:?}");
    for pair in resizes.windows(2) {
        let gap = pair[1].0 - pair[0].0;
        assert!((240..=300).contains(&gap), "{resizes:?}");
    }
}
