//! `calibrate`, applied to a simulated run with known latency in place of a live run.

use std::time::Duration;

use crate::command::Workplace;
use crate::kept_run::keep;
use tiketi_measure::{Engine, Measurements};
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::{self as scenario, Overrides};
use tiketi_station::{Latency, Profile};

const SCENARIO: &str = r#"# Does calibration find the latency?
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

/// A simulated run with this latency, marked as live.
fn live(latency: Latency) -> Measurements {
    let mut profile = Profile::t3_medium_node();
    for work in [
        "show_list",
        "show_detail",
        "queue_check",
        "queue_status",
        "seat_list",
        "page_load",
    ] {
        profile.latency.insert(work.to_owned(), latency);
    }
    let played = Overrides {
        profile: Some(profile),
        ..Overrides::default()
    };
    let load = |overrides| scenario::load("known.toml", SCENARIO, overrides).expect("a scenario");
    let mut run = simulate(&load(&played), &mut Unwatched);
    // In a live run the profile has no latency; it is added by the machine.
    run.plan = load(&Overrides::default());
    run.ending.engine = Engine::Live;
    run.ending.wall = Duration::from_secs(120);
    // A load generator is never quite on time, and without a sample nothing shows that it was.
    run.tally.send_lag.record(Duration::from_micros(100));
    run
}

#[test]
fn calibrated_profile_makes_the_model_agree() {
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
    let context = format!("{latency:?}\n{}", found.stdout);
    assert!((latency.median_ms - 3.0).abs() < 0.6, "{context}");
    assert!((latency.sigma - 0.8).abs() < 0.25, "{context}");
    assert_eq!(profile.name, "known");
}

#[test]
fn unusable_runs_are_refused() {
    let workplace = Workplace::new();
    let latency = Latency {
        median_ms: 1.0,
        sigma: 0.0,
    };
    let mut run = live(latency);
    keep(&run, &workplace.path("live"));
    run.plan.self_check.send_lag_p99_max = Duration::from_micros(1);
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
