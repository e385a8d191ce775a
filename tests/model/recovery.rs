//! After its last fault a run waits for recovery, and a failure that goes on without its fault is called metastable.

use std::time::Duration;

use tiketi_core::units::SimTime;
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::{Overrides, load};
use tiketi_verdict::judge;
use tiketi_verdict::recovery::Outcome;

/// Buyers who poll every ten seconds keep two instances busy. The database stops for a few seconds; buyers time out after one
/// second and repeat, `retry` after the failure.
fn sale(retry: &str) -> String {
    format!(
        r#"
name = "storm"
preset = "tiketi"
seed = 9
clock = {{ duration = "5m", warmup = "2m" }}
show = {{ sections = [{{ name = "R", rows = 20, seats_per_row = 50, price = 110_000 }}] }}
waiting_room = {{ active_max = 50, update_every = "60s" }}
scaling = {{ min = 2, max = 2, policies = [] }}
[[arrivals]]
shape = "poisson"
rate = "80/s"
until = "2m"
[[faults]]
at = "4m20s"
lasts = "20s"
action = "pause-primary"
part = "redis"
[buyers]
patience = "1h"
poll = {{ connected = "8s", disconnected = "8s", on_update = false }}
call_timeout = "1s"
retry = {{ {retry}, jitter = 0, tries_max = "none" }}
[gates]
recovery_time = ["max < 90s"]
"#
    )
}

#[test]
fn a_run_lasts_longer_than_planned_to_see_the_recovery_from_its_last_fault() {
    let text = sale("first = \"100ms\", max = \"100ms\"");
    let plan = load("storm.toml", &text, &Overrides::default());
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
    // The fault ends at 4m40s, and the gate allows 90 s.
    assert_eq!(plan.ends_at(), SimTime::from_secs(370));
    let run = simulate(&plan, &mut Unwatched);
    assert_eq!(run.ending.ended_at, plan.ends_at());
}

#[test]
fn buyers_who_wait_before_they_repeat_let_the_same_system_recover() {
    let text = sale("first = \"2s\", max = \"30s\"");
    let plan = load("storm.toml", &text, &Overrides::default());
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
    let verdicts = judge(&simulate(&plan, &mut Unwatched));
    let [recovery] = &verdicts.recoveries[..] else {
        panic!("one fault");
    };
    assert!(
        matches!(recovery.outcome, Outcome::Recovered { .. }),
        "{:?}",
        recovery.outcome
    );
}

/// The outcomes of the shipped scenario after both faults, with this line instead of the one for the same key.
fn outcomes_of_the_storm(key: &str, line: &str) -> Vec<Outcome> {
    let path = "scenarios/studies/metastable.toml";
    let text = std::fs::read_to_string(path).expect("the scenario is shipped");
    let is_key = |old: &&str| {
        old.split('=')
            .next()
            .is_some_and(|start| start.trim() == key)
    };
    let old = text.lines().find(is_key).expect("the scenario has the key");
    let text = text.replace(old, line);
    let plan = load(path, &text, &Overrides::default());
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
    let verdicts = judge(&simulate(&plan, &mut Unwatched));
    let recoveries = verdicts.recoveries.into_iter();
    recoveries.map(|recovery| recovery.outcome).collect()
}

#[test]
fn retries_at_once_keep_the_shipped_sale_down_without_its_fault() {
    let retry = r#"retry = { first = "100ms", max = "100ms", jitter = 0, tries_max = "none" }"#;
    let outcomes = outcomes_of_the_storm("retry", retry);
    // The fault is over at 1m50s, the run at 3m30s; the gate allows a minute.
    let healed_for = Duration::from_secs(100);
    let metastable = Outcome::Metastable { healed_for };
    assert_eq!(outcomes, [metastable.clone(), metastable]);
}

#[test]
fn backoff_and_patience_each_let_the_shipped_sale_recover() {
    let backoff = r#"retry = { first = "1s", max = "30s", jitter = 0.5, tries_max = "none" }"#;
    for (key, line) in [
        ("retry", backoff),
        ("call_timeout", r#"call_timeout = "30s""#),
    ] {
        for outcome in outcomes_of_the_storm(key, line) {
            // The fault lasts 20 s.
            let Outcome::Recovered { after } = outcome else {
                panic!("{key}: {outcome:?}");
            };
            assert!(after < Duration::from_secs(40), "{key}: {after:?}");
        }
    }
}
