//! API requests on their way through the edge.

use std::time::Duration;

use tiketi_buyer::observation::{Failure, Stage};
use tiketi_measure::Measurements;
use tiketi_measure::ending::{FrontFigures, PassingFigures};
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::operation::Operation;
use tiketi_scenario::{self as scenario, Overrides};

const SALE: &str = r#"
name = "passing"
seed = 4
clock = { duration = "3m", warmup = "0s" }
arrivals = [{ shape = "onsale", buyers = 400, opens_at = "10s", decay = "20s", until = "150s" }]
[show]
sections = [{ name = "R", rows = 20, seats_per_row = 30, price = 110_000 }]
[topology.instances]
initial = { a = 1, b = 1 }
"#;

fn play(edge: &str, faults: &[&str]) -> Measurements {
    let faults = faults.iter().map(|fault| format!("[[faults]]\n{fault}\n"));
    let faults: String = faults.collect();
    let text = format!("{SALE}[topology.edge]\n{edge}\n{faults}");
    let plan = scenario::load("passing.toml", &text, &Overrides::default());
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
    simulate(&plan, &mut Unwatched)
}

fn front(run: &Measurements) -> FrontFigures {
    let system = run.ending.system.as_ref().expect("the model counts");
    system.edge.expect("the model has an edge")
}

fn passing(run: &Measurements) -> PassingFigures {
    front(run).passing.expect("requests pass through the edge")
}

fn failed(run: &Measurements, failure: Failure) -> u64 {
    let all = run.tally.operation(None);
    all.failed.get(&failure).copied().unwrap_or_default()
}

const THROUGH: &str = "api = \"through\"";

#[test]
fn every_api_request_passes_through_the_edge_with_the_same_outcome() {
    let (direct, through) = (play("", &[]), play(THROUGH, &[]));
    assert_eq!(front(&direct).passing, None);
    let passed = passing(&through);
    let (calls, failures) = through.tally.calls();
    let sockets = through.tally.operation(Some(Operation::SocketConnect));
    assert_eq!(failures, 0);
    // Sockets go to the load balancer directly, and the last payments are on their way at the end.
    let in_progress = passed.requests - passed.answered;
    assert!(in_progress <= 5, "{passed:?}");
    assert_eq!(passed.answered, calls - sockets.calls());
    assert_eq!((passed.bad_gateway, passed.timed_out), (0, 0));
    let arrived = front(&through).passed_requests;
    assert!(arrived >= passed.answered + sockets.calls());
    for stage in [Stage::PageLoaded, Stage::Admitted, Stage::Paid] {
        let [one, other] = [&direct, &through].map(|run| run.tally.reached(stage));
        assert!(
            one > 0 && one.abs_diff(other) <= 2,
            "{stage:?}: {one} {other}"
        );
    }
}

#[test]
fn a_request_takes_the_latency_of_the_edge_longer() {
    let list = |edge: &str| {
        let run = play(edge, &[]);
        let loads = run.tally.operation(Some(Operation::ShowDetail));
        loads
            .response_time
            .percentile(50.0)
            .expect("there are some")
    };
    let (near, far) = (list(THROUGH), list("api = \"through\"\nlatency = \"90ms\""));
    let longer = far.saturating_sub(near);
    assert!(
        longer.abs_diff(Duration::from_millis(80)) < Duration::from_millis(3),
        "{longer:?}"
    );
    // The latency of the edge is nothing to those who do not go there.
    let [here, there] = ["", "latency = \"90ms\""].map(list);
    assert!(
        here.abs_diff(there) < Duration::from_millis(2),
        "{here:?} {there:?}"
    );
}

#[test]
fn the_edge_answers_for_a_load_balancer_that_refuses_connections() {
    let lost = ["a", "b"].map(|zone| {
        format!("at = \"60s\"\nlasts = \"30s\"\naction = \"lose-alb-node\"\nzone = \"{zone}\"")
    });
    let faults = [lost[0].as_str(), lost[1].as_str()];
    let (direct, through) = (play("", &faults), play(THROUGH, &faults));
    assert!(failed(&direct, Failure::ConnectRefused) > 0);
    let sockets = through.tally.operation(Some(Operation::SocketConnect));
    let by_sockets = sockets.failed.get(&Failure::ConnectRefused).copied();
    assert_eq!(
        failed(&through, Failure::ConnectRefused),
        by_sockets.unwrap_or_default()
    );
    assert!(failed(&through, Failure::Status(502)) > 0);
    assert_eq!(
        passing(&through).bad_gateway,
        failed(&through, Failure::Status(502))
    );
    assert_eq!(passing(&through).timed_out, 0);
}

#[test]
fn a_silent_load_balancer_is_a_gateway_timeout_for_a_patient_buyer() {
    let silent = ["a", "b"].map(|zone| {
        format!("at = \"60s\"\nlasts = \"2m\"\naction = \"az-power-interruption\"\nzone = \"{zone}\"\nconnections = \"silent\"")
    });
    let faults = [silent[0].as_str(), silent[1].as_str()];
    let patient = format!("{THROUGH}\n[buyers]\ncall_timeout = \"50s\"\n");
    let run = play(&patient, &faults);
    assert!(
        failed(&run, Failure::Status(504)) > 0,
        "{:?}",
        run.tally.operation(None).failed
    );
    assert_eq!(passing(&run).timed_out, failed(&run, Failure::Status(504)));
    // Two addresses, ten seconds each.
    let list = run.tally.operation(Some(Operation::ShowList));
    let slowest = list.response_time.max().expect("there are some");
    assert!(
        slowest >= Duration::from_secs(20) && slowest <= Duration::from_secs(31),
        "{slowest:?}"
    );
    // Who gives up first never hears of it.
    let run = play(THROUGH, &faults);
    assert_eq!(failed(&run, Failure::Status(504)), 0);
    assert!(failed(&run, Failure::Timeout) > 0);
}

#[test]
fn a_lost_node_breaks_only_requests_that_change_something() {
    let lost = "at = \"40s\"\nlasts = \"30s\"\naction = \"lose-alb-node\"\nzone = \"a\"";
    // Long requests, so that some are in progress at that moment.
    let slow = format!("{THROUGH}\n[topology.database]\ncommit = \"3s\"\n");
    let run = play(&slow, &[lost]);
    let of = |operation| run.tally.operation(Some(operation));
    for read in [
        Operation::ShowList,
        Operation::ShowDetail,
        Operation::SeatList,
    ] {
        assert!(of(read).failed.is_empty(), "{read}: {:?}", of(read).failed);
    }
    let writes = [Operation::SeatReserve, Operation::PaymentProcess];
    let broken = writes.map(|write| of(write).failed.get(&Failure::Status(502)).copied());
    assert!(broken.into_iter().flatten().sum::<u64>() > 0, "{broken:?}");
}

#[test]
fn names_that_cannot_be_resolved_fail_as_they_do_for_a_page() {
    let silent =
        "at = \"40s\"\nlasts = \"1m\"\naction = \"slow-dns\"\ndelay = \"0s\"\nunanswered = 1";
    // The name of the site is not known to buyers...
    let run = play(
        "api = \"through\"\ndns_ttl = \"5s\"\nlocations = 1",
        &[silent],
    );
    assert!(failed(&run, Failure::Dns) > 0);
    // ... or that of the load balancer is not known to the edge, which is a response of the edge.
    let edge = "api = \"through\"\ndns_ttl = \"10m\"\n[topology.alb]\ndns_ttl = \"5s\"";
    let run = play(edge, &[silent]);
    let by_sockets = run
        .tally
        .operation(Some(Operation::SocketConnect))
        .failed
        .get(&Failure::Dns)
        .copied();
    assert_eq!(failed(&run, Failure::Dns), by_sockets.unwrap_or_default());
    assert!(failed(&run, Failure::Status(502)) > 0);
}

#[test]
fn the_same_run_twice_is_the_same() {
    let [one, two] = [(); 2].map(|()| play(THROUGH, &[]));
    assert_eq!(one, two);
}
