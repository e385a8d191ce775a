//! `tiketi-sim theory`: the cases that are quick in a debug build, and the command line. The whole suite runs with the
//! release build.

use crate::command::Workplace;
use tiketi_theory::{self as theory, SuiteSettings};

/// Cases with short replications.
const QUICK: [&str; 4] = ["seat-collision", "retry", "little", "mm1-from-empty"];

#[test]
fn quick_cases_pass() {
    let setups: Vec<_> = QUICK
        .iter()
        .map(|name| theory::named(name).expect("it is a case"))
        .map(|case| case.setup(|_| None).expect("its defaults are valid"))
        .collect();
    let settings = SuiteSettings {
        seed: 1,
        replications: 20,
    };
    for outcome in theory::run(&setups, settings, &|_, _| {}) {
        assert!(outcome.passes(), "{outcome:#?}");
    }
}

#[test]
fn parameters_override_defaults() {
    let workplace = Workplace::new();
    let arguments = "theory retry --failing 0.25 --retries 1 --json --replications 10";
    let ended = workplace.run(&arguments.split(' ').collect::<Vec<_>>());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let document: serde_json::Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
    assert_eq!(document["holds"], true);
    assert_eq!(document["cases"][0]["figures"][0]["exact"], 1.25);
}

#[test]
fn table_shows_case_metrics_and_verdict() {
    let workplace = Workplace::new();
    let ended = workplace.run(&["theory", "seat-collision"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for part in ["seat-collision --buyers 1000", "0.048329", "pass", "seed 1"] {
        assert!(ended.stdout.contains(part), "no {part} in {}", ended.stdout);
    }
}

#[test]
fn too_wide_interval_fails() {
    let workplace = Workplace::new();
    // One collision in a million picks: no affordable run estimates that to 1 %.
    let arguments = "theory seat-collision --buyers 2 --seats 1000000 --replications 5";
    let ended = workplace.run(&arguments.split(' ').collect::<Vec<_>>());
    assert_eq!(ended.code, Some(90));
    assert!(ended.stdout.contains("INCONCLUSIVE"), "{}", ended.stdout);
}

#[test]
fn overload_has_no_steady_state_and_is_refused() {
    let workplace = Workplace::new();
    let arguments = "theory mmc --arrival-rate 12 --service-rate 1 --servers 10";
    let ended = workplace.run(&arguments.split(' ').collect::<Vec<_>>());
    assert_eq!(ended.code, Some(104));
    assert_eq!(ended.stdout, "");
    for part in ["12 arrivals/s", "utilization 1.2", "hint: "] {
        assert!(ended.stderr.contains(part), "no {part} in {}", ended.stderr);
    }
}

#[test]
fn invalid_parameters_are_refused() {
    let refused = [
        ("mm1 --arrival-rate -1", "`arrival-rate` is -1"),
        ("mm1 --arrival-rate NaN", "`arrival-rate` is NaN"),
        ("mm1 --service-rate 1e300", "expected 0.01 to 100000"),
        ("mmc --servers 0", "expected a whole number, 1 to 10000"),
        (
            "mmck --servers 5 --limit 3",
            "expected at least the number of servers",
        ),
        ("tandem --service-rates 10,7", "utilization 1.14"),
        (
            "fluid-spike --drain-rate 50",
            "expected between the final rate",
        ),
        ("fluid-steps --instances 4,8", "expected ascending values"),
    ];
    let workplace = Workplace::new();
    for (arguments, said) in refused {
        let arguments: Vec<_> = std::iter::once("theory")
            .chain(arguments.split(' '))
            .collect();
        let ended = workplace.run(&arguments);
        assert_eq!(ended.code, Some(104), "{arguments:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(said),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
}
