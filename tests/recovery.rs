//! After its last fault a run waits for recovery.

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
