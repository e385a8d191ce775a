//! Packets that come late or are lost, and instances with other work on their processors.

use std::time::Duration;

use tiketi_buyer::observation::{Failure, Stage};
use tiketi_cloud::notice::{InstanceState, What};
use tiketi_core::units::InstanceId;
use tiketi_measure::Measurements;
use tiketi_measure::ending::FinalState;
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::operation::Operation;
use tiketi_scenario::{Overrides, load};

/// A small sale on two instances in each of two zones; Redis and the database are in zone a.
const SALE: &str = r#"
name   = "small"
preset = "tiketi"
seed   = 7
[clock]
duration = "5m"
warmup   = "5s"
[show]
sections = [{ name = "R", rows = 10, seats_per_row = 12, price = 110_000 }]
[waiting_room]
active_max = 40
[[arrivals]]
shape    = "onsale"
buyers   = 600
opens_at = "10s"
decay    = "40s"
[topology.instances]
initial = { a = 2, b = 2 }
[scaling]
min = 4
"#;

/// Simulates the sale with one fault from the first second to the end, or with none.
fn play(settings: &str, fault: &str) -> Measurements {
    let fault = match fault {
        "" => String::new(),
        keys => format!("[[faults]]\nat = \"1s\"\nlasts = \"5m\"\n{keys}\n"),
    };
    let text = format!("{SALE}{settings}\n{fault}");
    let loaded = load("small.toml", &text, &Overrides::default());
    let plan = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    simulate(&plan, &mut Unwatched)
}

fn median(run: &Measurements, operation: Operation) -> Duration {
    let times = run.tally.operation(Some(operation)).response_time;
    times.percentile(50.0).expect("there are requests")
}

fn longest(run: &Measurements, operation: Operation) -> Duration {
    let times = run.tally.operation(Some(operation)).response_time;
    times.percentile(100.0).expect("there are requests")
}

fn failed(run: &Measurements, failure: Failure) -> u64 {
    let all = run.tally.operation(None);
    all.failed.get(&failure).copied().unwrap_or(0)
}

/// How often an instance was found unhealthy.
fn found_unhealthy(run: &Measurements, number: u32) -> usize {
    let is_it = |what: &What| matches!(what, What::Instance { instance, state: InstanceState::Unhealthy, .. } if *instance == InstanceId(number));
    let notices = run.timeline.iter();
    notices.filter(|notice| is_it(&notice.what)).count()
}

fn assert_orders_are_safe(run: &Measurements) {
    let FinalState::Read(facts) = &run.ending.state else {
        panic!("the model always knows its state");
    };
    assert!(run.tally.reached(Stage::Paid) > 0, "nothing was sold");
    assert_eq!(facts.lost_orders.count, 0);
    assert!(facts.seats_paid_twice.is_empty());
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn latency_to_buyers_delays_each_request_by_a_round_trip_to_the_impaired_node() {
    let calm = play("", "");
    let late = |zones: [&str; 2]| {
        let fault = |zone: &str| {
            format!(
                "[[faults]]\nat = \"1s\"\nlasts = \"5m\"\naction = \"network-latency\"\nzone = \"{zone}\"\npeer = \"buyers\"\ndelay = \"50ms\"\n"
            )
        };
        let faults: String = zones.into_iter().map(fault).collect();
        play(&faults, "")
    };
    let both = late(["a", "b"]);
    for operation in [Operation::QueueStatus, Operation::SeatList] {
        let added = median(&both, operation).saturating_sub(median(&calm, operation));
        assert!(
            added.abs_diff(100 * MS) < 5 * MS,
            "{operation:?}: {added:?}"
        );
    }
}

#[test]
fn latency_between_zones_reaches_the_data_tier_and_its_connections() {
    let fault =
        "action = \"network-latency\"\nzone = \"b\"\npeer = \"other-zones\"\ndelay = \"100ms\"";
    let (calm, run) = (play("", ""), play("", fault));
    // Half of the requests reach an instance in the other zone than their node, and half of the instances have Redis in the
    // other zone: three commands there and back take 600 ms.
    let slowest = longest(&run, Operation::QueueCheck);
    assert!(slowest >= 800 * MS, "{slowest:?}");
    assert!(longest(&calm, Operation::QueueCheck) < 200 * MS);
    let mean = |run: &Measurements| {
        let times = run.tally.operation(Some(Operation::QueueStatus));
        times.response_time.mean().expect("there are requests")
    };
    assert!(mean(&run) > mean(&calm) + 150 * MS);
    assert_orders_are_safe(&run);

    // A query in the other zone keeps its connection for a round trip. With one connection, the others wait.
    let narrow = "[topology.database]\npool_max = 1";
    let waits = |fault| {
        let run = play(narrow, fault);
        run.ending.system.expect("the model counts").pool_waits
    };
    assert!(waits(fault) > 2 * waits("") + 20);
}

#[test]
fn lost_packets_are_sent_again_after_a_fifth_of_a_second_and_then_twice_as_long() {
    let fault = "action = \"network-packet-loss\"\nzone = \"a\"\npeer = \"buyers\"\nloss = 0.3";
    let (calm, run) = (play("", ""), play("", fault));
    let times = run
        .tally
        .operation(Some(Operation::QueueStatus))
        .response_time;
    let at = |percent| times.percentile(percent).expect("there are requests");
    assert!(at(40.0) < 50 * MS, "half of the buyers use the other zone");
    assert!(at(75.0) >= 200 * MS, "{:?}", at(75.0));
    assert!(longest(&run, Operation::QueueStatus) >= 1_400 * MS);
    assert!(longest(&calm, Operation::QueueStatus) < 200 * MS);
    assert_orders_are_safe(&run);
}

#[test]
fn buyers_of_a_zone_that_loses_all_packets_time_out() {
    let fault = "action = \"network-packet-loss\"\nzone = \"a\"\npeer = \"buyers\"\nloss = 1";
    let run = play("", fault);
    assert!(failed(&run, Failure::Timeout) > 100);
    assert_eq!(
        found_unhealthy(&run, 0),
        0,
        "its health checks are in the VPC"
    );
    assert_orders_are_safe(&run);
}

#[test]
fn health_checks_over_a_path_that_loses_most_packets_fail() {
    let checks = "[topology.alb.health_check]\ninterval = \"10s\"\ntimeout = \"2s\"";
    let fault =
        "action = \"network-packet-loss\"\nzone = \"b\"\npeer = \"other-zones\"\nloss = 0.9";
    let (calm, run) = (play(checks, ""), play(checks, fault));
    let all = |run: &Measurements| (0..4).map(|one| found_unhealthy(run, one)).sum::<usize>();
    assert_eq!(all(&calm), 0);
    // The node of each zone gives up on the instances of the other one.
    assert!(all(&run) >= 4, "{}", all(&run));
    assert_orders_are_safe(&run);
}

#[test]
fn an_instance_without_processor_time_is_slow_and_its_health_checks_notice_it() {
    let stress =
        |load: &str| format!("action = \"cpu-stress\"\nzone = \"a\"\ncount = 1\nload = {load}");
    let checks = "[topology.alb.health_check]\ninterval = \"10s\"\ntimeout = \"2s\"";
    let calm = play(checks, "");
    let half = play(checks, &stress("0.5"));
    let (before, after) = (
        longest(&calm, Operation::SeatList),
        longest(&half, Operation::SeatList),
    );
    assert!(after > before, "{before:?} {after:?}");
    assert_eq!(
        found_unhealthy(&half, 0),
        0,
        "half of a processor is enough"
    );
    let starved = play(checks, &stress("0.99"));
    assert!(found_unhealthy(&starved, 0) > 0, "its checks take too long");
    assert_eq!(found_unhealthy(&starved, 2), 0, "the others are as before");
    assert_orders_are_safe(&starved);
}

#[test]
fn a_run_with_impaired_paths_is_the_same_twice() {
    let fault = "action = \"network-packet-loss\"\nzone = \"b\"\npeer = \"all\"\nloss = 0.1";
    let [one, other] = [(), ()].map(|()| play("", fault));
    assert_eq!(one.tally.operations, other.tally.operations);
    assert_eq!(one.timeline, other.timeline);
}

#[test]
fn a_zonal_shift_ends_the_errors_of_a_zone_whose_paths_lose_packets() {
    let fault = "action = \"network-packet-loss\"\nzone = \"a\"\npeer = \"all\"\nloss = 0.5";
    let shift = "[[faults]]\nat = \"20s\"\nlasts = \"4m\"\naction = \"start-zonal-autoshift\"\nzone = \"a\"";
    let names = "[topology.alb]\ndns_ttl = \"5s\"";
    let alone = play(names, fault);
    let shifted = play(&format!("{names}\n{shift}"), fault);
    let [alone_slow, shifted_slow] = [&alone, &shifted].map(|run| {
        let times = run
            .tally
            .operation(Some(Operation::QueueStatus))
            .response_time;
        times.percentile(90.0).expect("there are requests")
    });
    // Redis and the database stay in the impaired zone: only the way to the buyers is clear again.
    assert!(shifted_slow < alone_slow, "{shifted_slow:?} {alone_slow:?}");
    let requests = |run: &Measurements| {
        let targets = run
            .ending
            .system
            .as_ref()
            .expect("the model counts")
            .targets
            .clone();
        targets
            .iter()
            .filter(|one| one.instance.0 < 2)
            .map(|one| one.requests)
            .sum::<u64>()
    };
    assert!(
        requests(&shifted) * 3 < requests(&alone),
        "instances of zone a get no requests"
    );
}

#[test]
fn a_request_over_an_impaired_path_to_a_node_without_targets_fails_and_ends() {
    let all = "[[faults]]\nat = \"30s\"\nlasts = \"4m\"\naction = \"az-power-interruption\"\nzone = \"b\"\n\
               [[faults]]\nat = \"31s\"\naction = \"terminate-instances\"\nzone = \"a\"\ncount = 9";
    let fault = "action = \"network-latency\"\nzone = \"a\"\npeer = \"buyers\"\ndelay = \"10ms\"";
    let run = play(all, fault);
    let refused = failed(&run, Failure::Status(502)) + failed(&run, Failure::Status(503));
    assert!(refused > 10, "{refused}");
}
