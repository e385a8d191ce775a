//! The waiting room at the edge.

use tiketi_buyer::observation::{Failure, Stage};
use tiketi_measure::ending::{AdmissionFacts, FinalState, FrontFigures, RoomFigures};
use tiketi_measure::{Gauges, Measurements};
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::operation::Operation;
use tiketi_scenario::{self as scenario, Overrides};

const SALE: &str = r#"
name = "room"
seed = 4
clock = { duration = "6m", warmup = "0s" }
arrivals = [{ shape = "onsale", buyers = 600, opens_at = "10s", decay = "20s", until = "150s" }]
[show]
sections = [{ name = "R", rows = 20, seats_per_row = 30, price = 110_000 }]
[waiting_room]
active_max = 40
[buyers]
patience = "1h"
payment = "15s"
[topology.instances]
initial = { a = 1, b = 1 }
[scaling]
policies = []
"#;

const AT_EDGE: &str = "[topology.edge]\nwaiting_room = \"edge\"\n";

/// The zone of the primaries loses power while most buyers wait.
const ZONE_LOST: &str =
    "[[faults]]\nat = \"60s\"\nlasts = \"4m\"\naction = \"az-power-interruption\"\nzone = \"a\"\n";

fn play(more: &str) -> Measurements {
    let text = format!("{SALE}{more}");
    let plan = scenario::load("room.toml", &text, &Overrides::default());
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
    simulate(&plan, &mut Unwatched)
}

fn front(run: &Measurements) -> FrontFigures {
    let system = run.ending.system.as_ref().expect("the model counts");
    system.edge.expect("the model has an edge")
}

fn room(run: &Measurements) -> RoomFigures {
    front(run).room.expect("the room is at the edge")
}

fn admissions(run: &Measurements) -> AdmissionFacts {
    match &run.ending.state {
        FinalState::Read(facts) => facts.admissions.expect("the queue can be read"),
        FinalState::Unread { reason } => panic!("{reason}"),
    }
}

fn most(run: &Measurements, level: impl Fn(&Gauges) -> Option<u64>) -> Option<u64> {
    let read = run
        .series
        .ticks()
        .iter()
        .filter_map(|tick| tick.gauges.as_ref());
    read.filter_map(level).max()
}

const QUEUE: [Operation; 3] = [
    Operation::QueueCheck,
    Operation::QueueStatus,
    Operation::QueueLeave,
];

fn calls(run: &Measurements, operation: Operation) -> u64 {
    run.tally.operation(Some(operation)).calls()
}

fn failures(run: &Measurements, operation: Operation) -> u64 {
    run.tally.operation(Some(operation)).failures()
}

#[test]
fn the_system_never_sees_a_buyer_who_waits() {
    let (inside, outside) = (play(""), play(AT_EDGE));
    assert_eq!(front(&inside).room, None);
    let counted = room(&outside);
    let sent = QUEUE.map(|operation| calls(&outside, operation));
    assert_eq!([counted.joins, counted.polls, counted.leaves], sent);
    assert!(counted.polls > 10_000, "{counted:?}");
    let others: u64 = Operation::ALL
        .into_iter()
        .filter(|one| !QUEUE.contains(one) && *one != Operation::PageLoad)
        .map(|one| calls(&outside, one))
        .sum();
    let arrived = front(&outside).passed_requests;
    assert!(arrived.abs_diff(others) <= 2, "{arrived} {others}");
    // Sockets are for seats only.
    let [before, after] = [&inside, &outside].map(|run| run.series.sockets().into_iter().max());
    assert!(
        before > Some(400) && after <= Some(60),
        "{before:?} {after:?}"
    );
    let redis = |run: &Measurements| {
        run.ending
            .system
            .as_ref()
            .expect("it counts")
            .redis_operations
    };
    assert!(
        redis(&outside) * 4 < redis(&inside),
        "{} {}",
        redis(&outside),
        redis(&inside)
    );
}

#[test]
fn the_same_rules_admit_the_same_number_at_a_time() {
    let run = play(AT_EDGE);
    assert_eq!(most(&run, |gauges| gauges.active), Some(40));
    let ledger = admissions(&run);
    assert_eq!(
        ledger.joined,
        ledger.admitted + ledger.left + ledger.waiting
    );
    assert_eq!((ledger.admitted_twice, ledger.astray), (0, 0));
    // Paid orders free their slots: many more were admitted than there are slots.
    assert!(ledger.admitted > 200, "{ledger:?}");
    assert!(run.tally.reached(Stage::Paid) > 150);
    assert_eq!(
        run.tally.operation(None).failures(),
        0,
        "{:?}",
        run.tally.operation(None).failed
    );
    assert_eq!(run.tally.dropped.certain(), 0);
}

#[test]
fn a_lost_zone_takes_places_in_the_application_and_none_at_the_edge() {
    let lossy = "[topology.redis]\nlost_window = \"5s\"\n";
    let inside = play(&format!("{lossy}{ZONE_LOST}"));
    assert!(QUEUE.map(|one| failures(&inside, one)).iter().sum::<u64>() > 0);
    let outside = play(&format!("{AT_EDGE}{lossy}{ZONE_LOST}"));
    assert_eq!(QUEUE.map(|one| failures(&outside, one)), [0; 3]);
    let ledger = admissions(&outside);
    assert_eq!(
        ledger.joined,
        ledger.admitted + ledger.left + ledger.waiting
    );
    assert_eq!(ledger.put_back, 0);
    // The failed calls are those of the application.
    assert!(
        failures(&outside, Operation::ShowList)
            + failures(&outside, Operation::SeatReserve)
            + failures(&outside, Operation::SocketConnect)
            > 0
    );
}

#[test]
fn a_pass_that_has_ended_is_refused() {
    let text = SALE
        .replace("[show]\n", "[show]\nhold = \"20s\"\n")
        .replace("active_max = 40", "active_max = 40\nidle_timeout = \"20s\"")
        .replace(
            "patience = \"1h\"",
            "patience = \"1h\"\nseat_pick = \"30s\"",
        );
    let play = |more: &str| {
        let plan = scenario::load("room.toml", &format!("{text}{more}"), &Overrides::default());
        simulate(
            &plan.unwrap_or_else(|problems| panic!("{problems}")),
            &mut Unwatched,
        )
    };
    let outside = play(AT_EDGE);
    let reserve = outside.tally.operation(Some(Operation::SeatReserve));
    assert_eq!(reserve.ok, 0);
    assert!(
        reserve.failed[&Failure::Status(403)] > 0,
        "{:?}",
        reserve.failed
    );
    // In the application, who is idle loses the slot, and is served all the same.
    assert!(play("").tally.operation(Some(Operation::SeatReserve)).ok > 0);
}

#[test]
fn the_room_is_billed_by_request() {
    let (inside, outside) = (play(""), play(AT_EDGE));
    let usage = |run: &Measurements| run.ending.statement.clone().expect("it has prices").usage;
    assert_eq!(usage(&inside).room_requests, 0);
    let requests = room(&outside).requests();
    let figures = front(&outside);
    assert_eq!(usage(&outside).room_requests, requests);
    let all = figures.files.requests + figures.passed_requests + requests;
    assert_eq!(usage(&outside).requests, Some(all));
}

#[test]
fn the_queue_metric_reads_the_room() {
    let run = play(AT_EDGE);
    let most = most(&run, |gauges| gauges.waiting);
    assert!(most > Some(300), "{most:?}");
    let [one, two] = [(); 2].map(|()| play(AT_EDGE));
    assert_eq!(one, two);
}
