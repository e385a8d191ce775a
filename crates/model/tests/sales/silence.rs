//! A zone that loses power: no connection is closed, and every client waits for its own timeout.

use std::time::Duration;

use tiketi_buyer::observation::{Failure, Stage};
use tiketi_measure::Measurements;
use tiketi_measure::ending::FinalState;
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::operation::Operation;
use tiketi_scenario::{self as scenario, Overrides};

/// A small sale during which a zone loses power until the end, while people wait: zone a has the primaries, zone b has not.
const SALE: &str = r#"
# What do people notice of a silent zone?
name   = "silent"
preset = "tiketi"
[clock]
duration = "4m"
warmup   = "5s"
[show]
sections = [{ name = "R", rows = 10, seats_per_row = 30, price = 110_000 }]
[waiting_room]
active_max = 20
[[arrivals]]
shape    = "onsale"
buyers   = 500
opens_at = "10s"
decay    = "60s"
[topology.instances]
initial = { a = 2, b = 2 }
[topology.alb]
health_check = { interval = "10s" }
[scaling]
min = 4
"#;

fn play(loss: (&str, &str), more: &str) -> Measurements {
    simulated(SALE, loss, more)
}

/// Simulates a sale with a lost zone and what its peers hear; `more` are further lines of the scenario's tables.
fn simulated(sale: &str, loss: (&str, &str), more: &str) -> Measurements {
    seeded(7, sale, loss, more)
}

fn seeded(seed: u64, sale: &str, (zone, connections): (&str, &str), more: &str) -> Measurements {
    let fault = format!(
        "[[faults]]\nat = \"1m30s\"\nlasts = \"3m\"\naction = \"az-power-interruption\"\nzone = \"{zone}\"\nconnections = \"{connections}\"\n"
    );
    let overrides = Overrides {
        seed: Some(seed),
        ..Overrides::default()
    };
    let text = format!("{sale}{more}\n{fault}");
    let plan = scenario::load("silent.toml", &text, &overrides).expect("the sale is valid");
    simulate(&plan, &mut Unwatched)
}

fn failed(run: &Measurements, operation: Option<Operation>, failure: Failure) -> u64 {
    let calls = run.tally.operation(operation);
    calls.failed.get(&failure).copied().unwrap_or(0)
}

fn longest(run: &Measurements, operation: Operation) -> Duration {
    let calls = run.tally.operation(Some(operation));
    calls
        .response_time
        .percentile(100.0)
        .expect("there were some")
}

#[test]
fn silence_is_the_default() {
    let silent = play(("b", "silent"), "");
    let fault = "[[faults]]\nat = \"1m30s\"\nlasts = \"3m\"\naction = \"az-power-interruption\"\nzone = \"b\"\n";
    let overrides = Overrides {
        seed: Some(7),
        ..Overrides::default()
    };
    let plan = scenario::load("silent.toml", &format!("{SALE}{fault}"), &overrides);
    let run = simulate(&plan.expect("the sale is valid"), &mut Unwatched);
    assert_eq!(run.tally.operations, silent.tally.operations);
}

#[test]
fn requests_time_out_where_a_reset_would_break_them_at_once() {
    let (silent, reset) = (play(("b", "silent"), ""), play(("b", "reset"), ""));
    assert_eq!(failed(&reset, None, Failure::Timeout), 0);
    assert!(failed(&silent, None, Failure::Timeout) > 10);
    assert_eq!(
        failed(&silent, None, Failure::Status(502)),
        0,
        "nobody refuses"
    );
    assert_eq!(failed(&silent, None, Failure::Reset), 0);
    assert!(failed(&reset, None, Failure::Status(502)) > 10);
    for run in [&silent, &reset] {
        assert!(
            run.tally.reached(Stage::Paid) > 20,
            "{}",
            run.tally.reached(Stage::Paid)
        );
        let FinalState::Read(facts) = &run.ending.state else {
            panic!("the model always knows its state");
        };
        assert_eq!(facts.lost_orders.count, 0);
        assert!(facts.seats_paid_twice.is_empty());
    }
}

/// Those through the lost node are given up 60 to 85 s after the loss. Those to lost instances are closed by the load balancer,
/// 35 to 60 s after it, or when the group removes the instances from the target group, 60 s after it.
#[test]
fn sockets_are_given_up_when_pings_are_missing() {
    let lost = |connections: &str, duration: &str, more: &str| {
        let sale = SALE.replace("\"4m\"", duration);
        simulated(&sale, ("b", connections), more)
            .tally
            .sockets
            .lost
    };
    // 30 s after the loss, nobody has noticed it.
    assert_eq!(lost("silent", "\"2m\"", ""), 0);
    let broken = lost("reset", "\"2m\"", "");
    assert!(broken > 200, "{broken}");
    let noticed = lost("silent", "\"4m\"", "");
    assert!(noticed > broken / 2, "{noticed}, {broken}");
    // After 65 s, those to the lost instances are closed; most of those through the lost node still wait for a ping.
    let closed = lost("silent", "\"2m35s\"", "");
    assert!(
        closed > noticed / 4 && closed < noticed * 9 / 10,
        "{closed} of {noticed}"
    );
    // A heartbeat that may be missing for longer keeps them longer.
    let patient = lost("silent", "\"4m\"", "[server]\nping_timeout = \"10m\"");
    assert!(patient < noticed * 9 / 10, "{patient} of {noticed}");
}

#[test]
fn a_new_connection_to_the_silent_node_takes_until_its_timeout_and_goes_elsewhere() {
    // Some buyers connect before anybody knows of the silence: it depends on the seed whether they get this address.
    let play = |more| seeded(8, SALE, ("b", "silent"), more);
    let usual = play("");
    let waited = longest(&usual, Operation::SocketConnect);
    let (least, most) = (Duration::from_secs(5), Duration::from_secs(12));
    assert!(waited >= least && waited < most, "{waited:?}");
    let quick = play("[buyers]\nconnect_timeout = \"1s\"");
    let waited = longest(&quick, Operation::SocketConnect);
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(2));
    assert!(waited >= least && waited < most, "{waited:?}");
    assert_eq!(
        failed(&usual, None, Failure::ConnectTimeout),
        0,
        "the other node accepts"
    );
}

#[test]
fn a_lost_target_is_removed_after_its_health_checks_have_failed() {
    let run = play(("b", "silent"), "");
    let failures = |seconds: std::ops::Range<usize>| -> u64 {
        run.series.ticks()[seconds]
            .iter()
            .map(|tick| tick.calls_failed)
            .sum()
    };
    // Two checks of 5 s fail, 10 s apart. The last buyers who were sent there give up 10 s later.
    let (before, during, after) = (failures(60..90), failures(90..120), failures(200..240));
    assert_eq!(before, 0);
    assert!(during > 20, "{during}");
    assert_eq!(after, 0);
}

/// The cookie comes with the response of the instance. A buyer who gets none is not bound to the silent instance.
#[test]
fn a_first_request_without_a_response_binds_nobody_to_the_silent_instance() {
    let slow_checks = SALE.replace("interval = \"10s\"", "interval = \"60s\"");
    let hung = |stickiness: &str| {
        let checks = "health_check = ";
        let sale = slow_checks.replace(checks, &format!("stickiness = {stickiness}\n{checks}"));
        let run = simulated(&sale, ("b", "silent"), "");
        failed(&run, Some(Operation::ShowList), Failure::Timeout)
    };
    let (sticky, loose) = (hung("\"1d\""), hung("\"none\""));
    assert!(loose > 40, "{loose}");
    assert!(sticky < loose + loose / 4, "{sticky}, {loose}");
}

#[test]
fn instances_wait_for_silent_primaries_instead_of_failing_at_once() {
    let calm = "[buyers]\ncall_timeout = \"30s\"";
    let (silent, reset) = (play(("a", "silent"), calm), play(("a", "reset"), calm));
    let slowest_503 = |run: &Measurements| {
        let polls = run.tally.operation(Some(Operation::QueueStatus));
        (
            polls.failed.get(&Failure::Status(503)).copied(),
            polls.unsuccessful.percentile(50.0),
        )
    };
    let (count, median) = slowest_503(&silent);
    assert!(count > Some(10), "{count:?}");
    assert!(median > Some(Duration::from_millis(500)), "{median:?}");
    let (count, median) = slowest_503(&reset);
    assert!(count > Some(10), "{count:?}");
    assert!(median < Some(Duration::from_millis(500)), "{median:?}");
}
