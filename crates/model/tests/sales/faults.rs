//! The faults that leave everything in place: stopped processes, a delayed replica, memory and connections that somebody
//! else takes.

use std::time::Duration;

use tiketi_buyer::observation::{Failure, Stage};
use tiketi_cloud::notice::{InstanceState, What};
use tiketi_core::units::InstanceId;
use tiketi_measure::Measurements;
use tiketi_measure::ending::{DataTierFigures, FinalState};
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::operation::Operation;
use tiketi_scenario::{self as scenario, Overrides};

/// A small sale with a fault while people wait, choose and pay.
const SALE: &str = r#"
# What does the fault do to a small sale?
name   = "small"
preset = "tiketi"
[clock]
duration = "5m"
warmup   = "5s"
[show]
hold     = "30s"
sections = [{ name = "R", rows = 10, seats_per_row = 12, price = 110_000 }]
[waiting_room]
active_max = 40
[[arrivals]]
shape    = "onsale"
buyers   = 600
opens_at = "10s"
decay    = "40s"
[buyers]
payment = { distribution = "lognormal", median = "10s", sigma = 0.6 }
[topology.instances]
initial = { a = 2, b = 2 }
[scaling]
min = 4
"#;

/// Simulates the sale with these settings of the topology and these faults.
fn play(topology: &str, faults: &[&str]) -> Measurements {
    let faults = faults.iter().map(|fault| format!("[[faults]]\n{fault}\n"));
    let text = format!("{SALE}{topology}\n{}", faults.collect::<String>());
    let overrides = Overrides {
        seed: Some(7),
        ..Overrides::default()
    };
    let plan = scenario::load("small.toml", &text, &overrides).expect("the sale is valid");
    for fault in &plan.faults {
        let supported =
            tiketi_scenario::environment::model_supports(&fault.action, &plan.topology.data_tier);
        assert_eq!(supported, Ok(()));
    }
    simulate(&plan, &mut Unwatched)
}

#[test]
fn a_fault_after_the_last_order_of_the_control_plane_is_in_the_timeline() {
    let fault =
        "at = \"4m58s\"\nlasts = \"1s\"\naction = \"pause-instances\"\nzone = \"a\"\ncount = 1";
    let run = play("", &[fault]);
    let of_the_fault =
        |what: &What| matches!(what, What::FaultStruck { .. } | What::FaultHealed { .. });
    let notices = run
        .timeline
        .iter()
        .filter(|notice| of_the_fault(&notice.what));
    let seconds: Vec<_> = notices.map(|notice| notice.at.as_secs()).collect();
    assert_eq!(seconds, [298, 299]);
}

fn tier(run: &Measurements) -> &DataTierFigures {
    run.data_tier().expect("the model counts")
}

/// No seat is sold twice, and no acknowledged order is missing.
fn assert_orders_are_safe(run: &Measurements) {
    let FinalState::Read(facts) = &run.ending.state else {
        panic!("the model always knows its state");
    };
    assert!(run.tally.reached(Stage::Paid) > 0, "nothing was sold");
    assert_eq!(facts.lost_orders.count, 0);
    assert!(facts.seats_paid_twice.is_empty());
    assert_eq!(facts.paid_orders, facts.seats_sold);
}

/// Nobody vanished from the queue.
fn assert_queue_is_kept(run: &Measurements) {
    let FinalState::Read(facts) = &run.ending.state else {
        panic!("the model always knows its state");
    };
    let ledger = facts.admissions.expect("Redis is up at the end");
    assert_eq!(
        ledger.joined + ledger.put_back,
        ledger.admitted + ledger.left + ledger.waiting
    );
    assert_eq!((ledger.astray, ledger.admitted_twice), (0, 0));
}

fn failed(run: &Measurements, failure: Failure) -> u64 {
    let all = run.tally.operation(None);
    all.failed.get(&failure).copied().unwrap_or(0)
}

/// When an instance changed its state, in seconds.
fn changes(run: &Measurements, instance: InstanceId, wanted: InstanceState) -> Vec<u64> {
    let is_it = |what: &What| matches!(what, What::Instance { instance: of, state, .. } if *of == instance && *state == wanted);
    let notices = run.timeline.iter().filter(|notice| is_it(&notice.what));
    notices.map(|notice| notice.at.as_secs()).collect()
}

const PAUSED: &str =
    "at = \"60s\"\nlasts = \"90s\"\naction = \"pause-instances\"\nzone = \"a\"\ncount = 1";

#[test]
fn a_stopped_instance_is_noticed_by_its_health_checks_and_comes_back() {
    let calm = play("", &[]);
    let run = play("", &[PAUSED]);
    let first = InstanceId(0);
    let unhealthy = changes(&run, first, InstanceState::Unhealthy);
    assert_eq!(unhealthy.len(), 1, "{unhealthy:?}");
    assert!((70..150).contains(&unhealthy[0]), "{unhealthy:?}");
    let healthy = changes(&run, first, InstanceState::Healthy);
    assert!(healthy.last() > Some(&150), "{healthy:?}");
    let lost = changes(&run, first, InstanceState::Lost);
    assert!(lost.is_empty(), "it is only stopped");
    assert_eq!(failed(&calm, Failure::Timeout), 0);
    assert!(failed(&run, Failure::Timeout) > 10, "its buyers time out");
    assert_orders_are_safe(&run);
    assert_queue_is_kept(&run);
}

#[test]
fn more_instances_than_there_are_can_be_stopped() {
    let all = PAUSED.replace("count = 1", "count = 100");
    let run = play("", &[&all]);
    for instance in [0, 1] {
        let unhealthy = changes(&run, InstanceId(instance), InstanceState::Unhealthy);
        assert_eq!(unhealthy.len(), 1, "instance {instance}");
    }
    for instance in [2, 3] {
        let unhealthy = changes(&run, InstanceId(instance), InstanceState::Unhealthy);
        assert!(
            unhealthy.is_empty(),
            "instance {instance} is in the other zone"
        );
    }
    assert_orders_are_safe(&run);
}

fn pause_primary(part: &str) -> Measurements {
    let fault =
        format!("at = \"60s\"\nlasts = \"40s\"\naction = \"pause-primary\"\npart = \"{part}\"");
    play("", &[&fault])
}

#[test]
fn a_stopped_redis_answers_nothing_and_loses_nothing() {
    let run = pause_primary("redis");
    assert!(failed(&run, Failure::Status(503)) > 20);
    assert_eq!(
        tier(&run).failovers,
        [],
        "nothing has failed as far as AWS can see"
    );
    let waits = run.tally.operation(Some(Operation::QueueStatus));
    let longest = waits.response_time.percentile(100.0);
    let patience = Duration::from_secs(2);
    assert!(longest.is_some_and(|time| time >= patience), "{longest:?}");
    assert_orders_are_safe(&run);
    assert_queue_is_kept(&run);
}

#[test]
fn a_stopped_database_holds_up_payments_and_loses_no_order() {
    let run = pause_primary("database");
    assert!(failed(&run, Failure::Status(503)) > 5);
    assert!(tier(&run).failovers.is_empty());
    assert_orders_are_safe(&run);
    assert_queue_is_kept(&run);
}

const REDIS_LOST: &str =
    "at = \"70s\"\nlasts = \"60s\"\naction = \"lose-primary\"\npart = \"redis\"";

#[test]
fn a_failover_loses_what_a_delayed_replica_has_not_seen() {
    let delayed =
        "at = \"20s\"\nlasts = \"2m\"\naction = \"delay-replica\"\npart = \"redis\"\nlag = \"15s\"";
    let usual = play("", &[REDIS_LOST]);
    let run = play("", &[delayed, REDIS_LOST]);
    let (usual, figures) = (tier(&usual), tier(&run));
    let lost = |figures: &DataTierFigures| {
        let loss = figures.failovers[0].loss;
        (
            loss.places + loss.places_put_back + loss.sessions,
            loss.reaches_back,
        )
    };
    assert!(lost(figures).0 > lost(usual).0 + 20, "{:?}", lost(figures));
    assert!(lost(figures).1 > Some(Duration::from_secs(10)));
    assert_eq!(
        usual.redis_lag, None,
        "the scenario says it: nothing is measured"
    );
    let lag = figures
        .redis_lag
        .expect("it is measured where a fault sets it");
    assert!(lag.max > Duration::from_secs(10), "{lag:?}");
    assert!(lag.p50 < Duration::from_secs(16), "{lag:?}");
    assert_orders_are_safe(&run);
}

#[test]
fn a_delayed_standby_delays_commits_and_a_delayed_reader_does_not() {
    let delayed = "at = \"20s\"\nlasts = \"3m\"\naction = \"delay-replica\"\npart = \"database\"\nlag = \"3s\"";
    let longest = |kind: &str| {
        let topology = format!("[topology.database]\nkind = \"{kind}\"");
        let run = play(&topology, &[delayed]);
        let lag = tier(&run).database_lag.expect("a fault sets it");
        assert_eq!(lag.max, Duration::from_secs(3), "{kind}");
        assert_orders_are_safe(&run);
        let holds = run.tally.operation(Some(Operation::SeatReserve));
        holds
            .response_time
            .percentile(100.0)
            .expect("seats are held")
    };
    assert!(longest("rds-multi-az") >= Duration::from_secs(3));
    assert!(longest("aurora") < Duration::from_secs(1));
}

#[test]
fn memory_that_somebody_else_fills_costs_sessions_before_the_queue() {
    let full = "at = \"40s\"\nlasts = \"2m\"\naction = \"fill-redis-memory\"\nshare = 1.0";
    let topology = "[topology.redis]\nmemory_mib = 8";
    let (calm, run) = (play(topology, &[]), play(topology, &[full]));
    assert_eq!(tier(&calm).redis_keys_evicted, 0);
    let figures = tier(&run);
    assert!(figures.redis_memory_peak >= figures.redis_memory_max);
    assert!(figures.redis_keys_evicted > 0, "{figures:?}");
    assert_eq!(figures.redis_queues_evicted, 0);
    assert_orders_are_safe(&run);
    assert_queue_is_kept(&run);
    let refusing = play(&format!("{topology}\neviction = \"noeviction\""), &[full]);
    assert!(tier(&refusing).redis_writes_refused > 0);
    assert!(failed(&refusing, Failure::Status(503)) > 0);
}

#[test]
fn connections_that_somebody_else_holds_are_missing_to_the_pools() {
    let held = "at = \"15s\"\nlasts = \"1m\"\naction = \"hold-database-connections\"\ncount = 500";
    let topology = "[topology.database]\nconnections_max = 40";
    let (calm, run) = (play(topology, &[]), play(topology, &[held]));
    assert_eq!(tier(&calm).database_connections_refused, 0);
    let figures = tier(&run);
    assert_eq!(figures.database_connections_peak, 40);
    assert!(figures.database_connections_refused > 0);
    assert!(failed(&run, Failure::Status(503)) > 0);
    assert_orders_are_safe(&run);
    assert_queue_is_kept(&run);
}
