//! How the group replaces instances under load: refreshes, and zones without capacity.

use tiketi_cloud::notice::{InstanceState, RefreshOutcome, What};
use tiketi_core::units::{InstanceId, ZoneId};
use tiketi_measure::Measurements;
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::{self as scenario, Overrides};

/// A steady sale on four instances whose applications answer 30 s after the launch.
const SALE: &str = r#"
# What does replacing instances do to a small sale?
name   = "small"
preset = "tiketi"
[clock]
duration = "6m"
warmup   = "5s"
[[arrivals]]
shape = "poisson"
rate  = "3/s"
[topology.instances]
initial = { a = 2, b = 2 }
[topology.alb]
health_check         = { interval = "5s", timeout = "2s" }
deregistration_delay = "20s"
[scaling]
min      = 4
boot     = "30s"
policies = []
"#;

fn play(rest: &str) -> Measurements {
    let plan = scenario::load(
        "small.toml",
        &format!("{SALE}{rest}"),
        &Overrides::default(),
    );
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
    simulate(&plan, &mut Unwatched)
}

fn outcomes(run: &Measurements) -> Vec<(RefreshOutcome, u32)> {
    let notices = run.timeline.iter();
    notices
        .filter_map(|notice| match notice.what {
            What::RefreshEnded { outcome, replaced } => Some((outcome, replaced)),
            _ => None,
        })
        .collect()
}

/// Instances that reached a state, with when, in seconds.
fn reached(run: &Measurements, wanted: InstanceState) -> Vec<(InstanceId, ZoneId, u64)> {
    let notices = run.timeline.iter();
    notices
        .filter_map(|notice| match notice.what {
            What::Instance {
                instance,
                zone,
                state,
            } if state == wanted => Some((instance, zone, notice.at.as_secs())),
            _ => None,
        })
        .collect()
}

fn failed_from(run: &Measurements, second: usize) -> u64 {
    let ticks = run.series.ticks()[second..].iter();
    ticks.map(|tick| tick.calls_failed).sum()
}

const QUIET: &str = "launch_hook = \"until-answers\"\nhealth_type = \"elb\"\ninstance_refreshes = [\n\
     { at = \"1m\", min_healthy_percentage = 100, max_healthy_percentage = 150, instance_warmup = \"10s\" },\n]\n";

#[test]
fn a_refresh_replaces_the_fleet_and_drops_only_the_sockets_of_drained_instances() {
    let run = play(QUIET);
    assert_eq!(outcomes(&run), [(RefreshOutcome::Successful, 4)]);
    let ended: Vec<_> = reached(&run, InstanceState::Terminated)
        .into_iter()
        .map(|(instance, ..)| instance.0)
        .collect();
    assert_eq!(ended.len(), 4);
    assert!(ended.iter().all(|number| *number < 4), "{ended:?}");
    let launched = reached(&run, InstanceState::Pending);
    let at: Vec<_> = launched.iter().map(|(.., at)| *at).collect();
    assert_eq!(at.len(), 4);
    assert_eq!((at[0], at[1]), (60, 60), "six of four may exist");
    assert!(
        at[2] >= 100,
        "the next two follow when these are ready: {at:?}"
    );
    let dropped: u64 = run.series.ticks().iter().map(|it| it.sockets_lost).sum();
    assert_eq!(dropped, run.tally.sockets.lost);
    assert!(dropped > 0, "nobody was connected longer than 20 s");
    assert_eq!(failed_from(&run, 0), 0, "no request needs to fail");
}

#[test]
fn a_broken_release_takes_over_with_machine_checks_and_not_with_those_of_the_load_balancer() {
    let broken = |health_type: &str| {
        play(&format!(
            "health_type = \"{health_type}\"\ngrace = \"40s\"\ninstance_refreshes = [\n\
             {{ at = \"1m\", min_healthy_percentage = 100, max_healthy_percentage = 150, instance_warmup = \"20s\", \
             new_version = \"never-answers\" }},\n]\n"
        ))
    };
    let unchecked = broken("ec2");
    assert_eq!(outcomes(&unchecked), [(RefreshOutcome::Successful, 4)]);
    assert!(failed_from(&unchecked, 240) > 100, "nobody answers");
    let checked = broken("elb");
    assert_eq!(outcomes(&checked), [], "it keeps trying for an hour");
    assert_eq!(failed_from(&checked, 0), 0, "the old instances stay");
}

#[test]
fn without_capacity_in_a_zone_the_group_launches_in_the_other_and_moves_back_later() {
    let faults = "launch_hook = \"until-answers\"\n\
         [[faults]]\nat = \"30s\"\nlasts = \"2m\"\naction = \"asg-insufficient-instance-capacity-error\"\nzone = \"a\"\n\
         [[faults]]\nat = \"1m\"\naction = \"terminate-instances\"\nzone = \"a\"\ncount = 2\n";
    let run = play(faults);
    let launched = reached(&run, InstanceState::Pending);
    let zones = |from: u64, until: u64| -> Vec<u8> {
        let within = launched
            .iter()
            .filter(|(.., at)| (from..until).contains(at));
        within.map(|(_, zone, _)| zone.0).collect()
    };
    assert_eq!(zones(60, 150), [0, 1, 1], "one launch fails in zone a");
    assert_eq!(reached(&run, InstanceState::LaunchFailed).len(), 1);
    assert_eq!(zones(150, 360), [0, 0], "two move back");
    let moved = reached(&run, InstanceState::Draining);
    assert_eq!(moved.len(), 2);
    assert!(moved.iter().all(|(_, zone, _)| *zone == ZoneId(1)));
}
