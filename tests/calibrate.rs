//! `calibrate` with the model itself: a run whose latency is known stands in for a live one.

use std::time::Duration;

use command::Workplace;
use kept_run::keep;
use tiketi_measure::{Engine, Measurements};
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::{self as scenario, Overrides};
use tiketi_station::{Latency, Profile};

#[expect(dead_code, reason = "the runs are written by another hand")]
mod command;
#[expect(dead_code, reason = "what was made by arithmetic cannot be played")]
mod kept_run;

const SCENARIO: &str = r#"# Is the latency found again?
name = "known"
seed = 5

[clock]
duration = "2m"
warmup   = "5s"

[waiting_room]
active_max = 60

[buyers]
seat_pick = "2s"
payment   = "3s"
poll      = { connected = "5s", disconnected = "5s", on_update = false }

# Little queueing, so that the latency can be seen in the tail.
[scaling]
min = 8

[[arrivals]]
shape = "poisson"
rate  = "12/s"
until = "100s"
"#;

/// What the model makes of the scenario with a latency, as if it were live.
fn live(latency: Latency) -> Measurements {
    let mut profile = Profile::t3_medium_node();
    for work in [
        "show_list",
        "show_detail",
        "queue_check",
        "queue_status",
        "seat_list",
    ] {
        profile.latency.insert(work.to_owned(), latency);
    }
    let played = Overrides {
        profile: Some(profile),
        ..Overrides::default()
    };
    let load = |overrides| scenario::load("known.toml", SCENARIO, overrides).expect("a scenario");
    let mut run = simulate(&load(&played), &mut Unwatched);
    // The testbed's processors know nothing of latency: it is what its machine adds.
    run.plan = load(&Overrides::default());
    run.ending.engine = Engine::Live;
    run.ending.wall = Duration::from_secs(120);
    run
}

#[test]
fn a_calibrated_profile_makes_the_model_agree() {
    let workplace = Workplace::new();
    let truth = Latency {
        median_ms: 3.0,
        sigma: 0.8,
    };
    keep(&live(truth), &workplace.path("live"));
    let before = workplace.run(&["compare", "--model", "live"]);
    assert_eq!(before.code, Some(93), "{}{}", before.stdout, before.stderr);
    let found = workplace.run(&["calibrate", "live", "--out", "known.toml"]);
    assert_eq!(found.code, Some(0), "{}", found.stderr);
    assert!(found.stdout.contains("queue_check ("), "{}", found.stdout);
    let after = workplace.run(&["compare", "--model", "live", "--profile", "known.toml"]);
    assert_eq!(after.code, Some(0), "{}{}", after.stdout, after.stderr);
    let text = std::fs::read_to_string(workplace.path("known.toml")).expect("was written");
    let profile = scenario::profile::load("known.toml", &text).expect("a profile");
    let latency = profile.latency["queue_check"];
    let told = format!("{latency:?}\n{}", found.stdout);
    assert!((latency.median_ms - 3.0).abs() < 0.6, "{told}");
    assert!((latency.sigma - 0.8).abs() < 0.25, "{told}");
    assert_eq!(profile.name, "known");
}

#[test]
fn what_cannot_teach_anything_is_refused() {
    let workplace = Workplace::new();
    let latency = Latency {
        median_ms: 1.0,
        sigma: 0.0,
    };
    let mut run = live(latency);
    keep(&run, &workplace.path("live"));
    run.plan.self_check.send_lag_p99_max = Duration::ZERO;
    run.tally.arrivals.shed += 1;
    keep(&run, &workplace.path("late"));
    run.ending.engine = Engine::Model;
    keep(&run, &workplace.path("model"));
    for (words, code) in [
        (&["late", "--out", "a.toml"][..], 91),
        (&["model", "--out", "a.toml"], 104),
        (&["missing", "--out", "a.toml"], 104),
        (&["live", "--out", "a.toml", "--base", "t3-large"], 104),
        (&["live"], 2),
    ] {
        let ended = workplace.run(&[&["calibrate"], words].concat());
        assert_eq!(ended.code, Some(code), "{words:?}: {}", ended.stderr);
    }
    assert!(!workplace.path("a.toml").exists());
}
