//! Why a run failed: small simulated sales in which exactly one part runs out, and the sentence that names it.

use tiketi_measure::Measurements;
use tiketi_model::{Unwatched, simulate};
use tiketi_report::run::{document, page};
use tiketi_scenario::{self as scenario, Overrides};
use tiketi_station::Profile;
use tiketi_verdict::cause::Cause;
use tiketi_verdict::cause::tier::Tier;
use tiketi_verdict::judge;

fn play(text: &str) -> Measurements {
    let plan = scenario::load("small.toml", text, &Overrides::default());
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    simulate(&plan, &mut Unwatched)
}

/// As [`play`], with queries that take 40 ms of a core of the database.
fn play_with_slow_queries(text: &str) -> Measurements {
    let profile = Profile {
        name: "slow-queries".to_owned(),
        query_ms: 40.0,
        ..Profile::t3_medium_node()
    };
    let overrides = Overrides {
        profile: Some(profile),
        ..Overrides::default()
    };
    let plan = scenario::load("small.toml", text, &overrides);
    simulate(&plan.expect("the scenario is valid"), &mut Unwatched)
}

fn cause(text: &str) -> Cause {
    judge(&play(text)).cause.expect("the run failed")
}

/// A sale with `rate` buyers per second for three minutes, and more keys at the top level and in tables.
fn sale(rate: u32, rest: &str) -> String {
    format!(
        "[clock]\nduration = \"4m\"\nwarmup = \"0s\"\n[[arrivals]]\nshape = \"poisson\"\nrate = \"{rate}/s\"\nuntil = \"3m\"\n{rest}"
    )
}

/// Each response must be quick.
const QUICK: &str = "[gates]\nresponse_time = [\"p(99) < 100ms\"]\nerrors = [\"rate < 0.1%\"]\n";

/// Ten instances, which are never short.
const LARGE_FLEET: &str = "[topology.instances]\ninitial = { a = 5, b = 5 }\n[scaling]\nmin = 10\n";

#[track_caller]
fn assert_bottleneck(text: &str, tier: Tier, words: &str) {
    let cause = cause(text);
    let found = cause.bottleneck.as_ref().map(|one| one.tier);
    assert_eq!(found, Some(tier), "{}\n{cause:#?}", cause.sentence);
    assert!(cause.sentence.contains(words), "{}", cause.sentence);
    assert!(cause.sentence.starts_with("Why: "), "{}", cause.sentence);
}

#[test]
fn cpu_of_the_instances_is_named() {
    let one = "[topology.instances]\ninitial = { a = 1, b = 0 }\n[scaling]\nmin = 1\nmax = 1\n";
    assert_bottleneck(
        &sale(60, &format!("{one}{QUICK}")),
        Tier::InstanceCpu,
        "the CPU of the busiest instance was fully used from",
    );
}

#[test]
fn messages_to_sockets_are_named() {
    let room = "[waiting_room]\nactive_max = 10\nupdate_every = \"10ms\"\n[buyers]\npoll = { connected = \"5m\", disconnected = \
                \"5m\", on_update = false }\npatience = \"1h\"\n";
    assert_bottleneck(
        &sale(50, &format!("{room}{QUICK}")),
        Tier::Broadcasts,
        "messages to sockets used up the CPU of the instances from",
    );
}

#[test]
fn the_thread_of_redis_is_named() {
    let slow = "[topology.redis]\ncommand = \"5ms\"\n";
    assert_bottleneck(
        &sale(20, &format!("{LARGE_FLEET}{slow}{QUICK}")),
        Tier::RedisCpu,
        "the single thread of Redis was fully used from",
    );
}

#[test]
fn the_memory_of_redis_is_named() {
    let full = "[topology.redis]\neviction = \"noeviction\"\nother_mib = 383\n";
    assert_bottleneck(
        &sale(10, &format!("{full}{QUICK}")),
        Tier::RedisMemory,
        "the memory of Redis was full from",
    );
}

#[test]
fn the_connections_of_the_database_are_named() {
    let few = "[topology.database]\nconnections_max = 6\ncommit = \"500ms\"\n";
    assert_bottleneck(
        &sale(15, &format!("{LARGE_FLEET}{few}{QUICK}")),
        Tier::DatabaseConnections,
        "all 6 connections of the database were in use from",
    );
}

#[test]
fn the_cores_of_the_database_are_named() {
    let one = "[topology.database]\ncores = 1\n";
    let run = play_with_slow_queries(&sale(30, &format!("{LARGE_FLEET}{one}{QUICK}")));
    let cause = judge(&run).cause.expect("the run failed");
    let found = cause.bottleneck.as_ref().map(|one| one.tier);
    assert_eq!(found, Some(Tier::DatabaseCores), "{}", cause.sentence);
    let words = "the cores of the database were fully used from";
    assert!(cause.sentence.contains(words), "{}", cause.sentence);
}

#[test]
fn the_connection_pool_is_named() {
    let small = "[topology.database]\npool_max = 1\ncommit = \"1s\"\n";
    assert_bottleneck(
        &sale(15, &format!("{small}{QUICK}")),
        Tier::ConnectionPool,
        "a connection pool with 1 connection was exhausted from",
    );
}

#[test]
fn a_load_balancer_without_targets_is_named_with_the_fault_before_it() {
    let kill = |zone: &str| {
        format!(
            "[[faults]]\nat = \"1m\"\naction = \"terminate-instances\"\nzone = \"{zone}\"\ncount = 9\n"
        )
    };
    let text = sale(5, &format!("{}{}{QUICK}", kill("a"), kill("b")));
    assert_bottleneck(
        &text,
        Tier::LoadBalancer,
        "after the fault `terminate-instances` in zone b at 1m00s, the load balancer had no healthy target from",
    );
    let cause = cause(&text);
    let launched = cause.reaction.expect("it has a control plane").launched;
    assert!(launched.is_some_and(|launched| launched.instances >= 2));
    assert!(
        cause.sentence.contains("2 instances were launched from"),
        "{}",
        cause.sentence
    );
}

#[test]
fn the_waiting_room_is_named_only_if_buyers_waited_too_long_and_nothing_else_failed() {
    let room = "[waiting_room]\nactive_max = 20\n";
    let waits = format!("{room}[gates]\nwaiting_time = [\"p(50) < 5s\"]\n");
    assert_bottleneck(
        &sale(3, &waits),
        Tier::ActivePlaces,
        "the waiting room admitted buyers only as its 20 shopping slots became free from",
    );
    let quick = format!("{room}[gates]\nresponse_time = [\"p(99) < 1us\"]\n");
    let cause = cause(&sale(3, &quick));
    assert_eq!(cause.bottleneck, None, "{}", cause.sentence);
}

#[test]
fn where_nothing_was_saturated_the_sentence_says_so_and_names_the_fault_and_the_first_failure() {
    let fault =
        "[[faults]]\nat = \"1m\"\naction = \"lose-primary\"\npart = \"redis\"\nlasts = \"1m\"\n";
    let cause = cause(&sale(3, &format!("{fault}{QUICK}")));
    assert_eq!(cause.bottleneck, None, "{}", cause.sentence);
    let expected = "Why: no saturated resource explains it; the first event was the fault `lose-primary` of Redis at 1m00s, and \
                    requests failed from 1m00s on (HTTP 503); ";
    assert!(cause.sentence.starts_with(expected), "{}", cause.sentence);
    assert!(
        cause.sentence.contains("Redis had a new primary at"),
        "{}",
        cause.sentence
    );
}

#[test]
fn what_failed_before_the_fault_is_not_said_to_follow_it() {
    let redis =
        "[[faults]]\nat = \"20s\"\naction = \"lose-primary\"\npart = \"redis\"\nlasts = \"10s\"\n";
    let kill = |zone: &str| {
        format!(
            "[[faults]]\nat = \"2m\"\naction = \"terminate-instances\"\nzone = \"{zone}\"\ncount = 9\n"
        )
    };
    let text = sale(5, &format!("{redis}{}{}{QUICK}", kill("a"), kill("b")));
    let run = play(&text);
    let failed = |second: usize| run.series.ticks()[second].calls_failed;
    assert!((20..60).any(|second| failed(second) > 0), "Redis was away");
    let cause = judge(&run).cause.expect("the run failed");
    let first = cause.first_failure.expect("requests failed");
    assert!(first.at.as_secs() >= 120, "{}", cause.sentence);
    assert!(
        cause
            .sentence
            .starts_with("Why: after the fault `terminate-instances`"),
        "{}",
        cause.sentence
    );
}

#[test]
fn a_run_that_passes_has_no_cause() {
    let run = play(&sale(2, "[gates]\nerrors = [\"rate < 1%\"]\n"));
    let verdicts = judge(&run);
    assert_eq!(verdicts.exit_code(), 0);
    assert_eq!(verdicts.cause, None);
    let document = document(&run, verdicts, "run again");
    let page = page(&document, &run);
    assert!(
        page.headline
            .details
            .iter()
            .all(|detail| !detail.contains("Why"))
    );
    assert!(
        page.sections
            .iter()
            .all(|section| section.title != "Why it failed")
    );
}

#[test]
fn the_table_by_minute_has_every_minute_and_adds_up() {
    let one = "[topology.instances]\ninitial = { a = 1, b = 0 }\n[scaling]\nmin = 1\nmax = 1\n";
    let run = play(&sale(60, &format!("{one}{QUICK}")));
    let cause = judge(&run).cause.expect("the run failed");
    assert_eq!(cause.minutes.len(), 4);
    let arrived: u64 = cause.minutes.iter().map(|minute| minute.arrived).sum();
    assert_eq!(arrived, run.tally.arrivals.started);
    let busy = cause.minutes.iter().map(|minute| {
        let of_cpu = minute
            .used
            .iter()
            .find(|used| used.tier == Tier::InstanceCpu);
        of_cpu.expect("it is read").share
    });
    assert!(busy.fold(0.0, f64::max) > 0.95);
    let document = document(&run, judge(&run), "run again");
    let page = page(&document, &run);
    assert_eq!(page.headline.details.first(), Some(&cause.sentence));
    assert_eq!(page.sections[0].title, "Why it failed");
}
