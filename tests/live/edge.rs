//! The edge in a live run, and the same sale simulated: API requests on their way through it, and the waiting room there.

use std::sync::LazyLock;

use crate::{both_engines, machine};
use tiketi_buyer::observation::Stage;
use tiketi_measure::Measurements;
use tiketi_measure::ending::{FinalState, FrontFigures};
use tiketi_scenario::operation::Operation;
use tiketi_scenario::topology::Way;
use tiketi_verdict::audit::{Audit, Finding};
use tiketi_verdict::judge;
use tiketi_verdict::targets::Reached;

const SALE: &str = r#"
# Do API requests get through the edge?
name = "through"
seed = 2
clock = { duration = "3m", warmup = "0s", speed = 10 }
arrivals = [{ shape = "poisson", rate = 2, until = "2m20s" }]
buyers = { browse = "500ms", seat_pick = "1s", payment = "2s", pays = 1 }
cost = { prices = "aws-ap-northeast-2" }
gates = { errors = ["rate < 1%"] }
[topology.edge]
"#;

fn through() -> String {
    format!("{SALE}api = \"through\"\n")
}

/// The live run of this sale, at which two tests look. No request may fail, so it has the machine for itself.
static THROUGH: LazyLock<Measurements> =
    LazyLock::new(|| both_engines::live_on(machine::whole(), &through()));

fn front(run: &Measurements) -> FrontFigures {
    let system = run.ending.system.as_ref().expect("the testbed counts");
    system.edge.expect("it has an edge")
}

/// Requests that ended, of the operations that go this way.
fn calls(run: &Measurements, way: Way) -> u64 {
    let edge = &run.plan.topology.edge;
    let meant = Operation::ALL.into_iter();
    let meant = meant.filter(|one| *one != Operation::PageLoad && edge.way(*one) == way);
    meant
        .map(|one| run.tally.operation(Some(one)).calls())
        .sum()
}

#[test]
fn every_api_request_passes_through_the_edge_in_both_engines() {
    for run in [&*THROUGH, &both_engines::simulated(&through())] {
        let engine = run.ending.engine;
        assert_eq!(
            run.tally.calls().1,
            0,
            "{engine:?}: {:?}",
            run.tally.operation(None).failed
        );
        let passing = front(run).passing.expect("requests pass through the edge");
        let sent = calls(run, Way::Through);
        assert!(sent > 1_000, "{engine:?}: {sent}");
        // What is in progress at the end is passed on, and is no call that has ended.
        assert!(
            passing.requests - sent <= 10,
            "{engine:?}: {passing:?}, {sent} sent"
        );
        assert!(
            passing.answered.abs_diff(sent) <= 10,
            "{engine:?}: {passing:?}, {sent} sent"
        );
        assert_eq!(
            (passing.bad_gateway, passing.timed_out),
            (0, 0),
            "{engine:?}"
        );
        let arrived = front(run).passed_requests;
        let expected = passing.answered + calls(run, Way::Direct);
        assert!(
            arrived.abs_diff(expected) <= 20,
            "{engine:?}: {arrived}, {expected} expected"
        );
        assert!(
            front(run).load_balancer.lookups() > 0,
            "{engine:?}: the edge looks it up"
        );
        let targets = judge(run).targets;
        let claim = targets
            .iter()
            .find(|target| target.id == "A2")
            .expect("it is a claim");
        assert_eq!(
            claim.verdict,
            Reached::Met,
            "{engine:?}: {}",
            claim.measured
        );
    }
}

#[test]
fn both_ways_sell_the_same() {
    let through = &*THROUGH;
    let direct = both_engines::live_on(machine::whole(), SALE);
    assert_eq!(front(&direct).passing, None);
    for stage in [Stage::Arrived, Stage::Admitted, Stage::Paid] {
        let [one, other] = [&direct, through].map(|run| run.tally.reached(stage));
        assert!(
            one > 100 && one.abs_diff(other) <= 5,
            "{stage:?}: {one} {other}"
        );
    }
}

/// A sale in which most buyers wait, and the zone of Redis is lost meanwhile.
const QUEUE: &str = r#"
# Do buyers keep their places at the edge when Redis fails?
name = "room"
seed = 2
clock = { duration = "4m", warmup = "0s", speed = 10 }
arrivals = [{ shape = "onsale", buyers = 300, opens_at = "5s", decay = "10s", until = "1m" }]
waiting_room = { active_max = 40 }
cost = { prices = "aws-ap-northeast-2" }
faults = [{ at = "1m10s", lasts = "2m", action = "az-power-interruption", zone = "a", connections = "reset" }]
gates = { errors = ["rate < 100%"], lost_admissions = ["count == 0"] }
[buyers]
browse = "500ms"
seat_pick = "2s"
payment = "8s"
pays = 1
patience = "1h"
poll = { disconnected = "4s" }
[topology.instances]
initial = { a = 1, b = 2 }
[topology.edge]
waiting_room = "edge"
"#;

#[test]
fn buyers_wait_at_the_edge_in_both_engines_and_no_fault_touches_them() {
    const POLLS: [Operation; 3] = [
        Operation::QueueCheck,
        Operation::QueueStatus,
        Operation::QueueLeave,
    ];
    let (live, simulated) = (both_engines::live(QUEUE), both_engines::simulated(QUEUE));
    for run in [&live, &simulated] {
        let engine = run.ending.engine;
        let room = front(run).room.expect("the room is at the edge");
        let of = |operation| run.tally.operation(Some(operation));
        assert_eq!(POLLS.map(|one| of(one).failures()), [0; 3], "{engine:?}");
        let sent: u64 = POLLS.map(|one| of(one).calls()).iter().sum();
        assert!(
            sent > 2_000 && room.requests().abs_diff(sent) <= 20,
            "{engine:?}: {room:?}, {sent} sent"
        );
        // They reach neither the load balancer nor an instance.
        let expected = calls(run, Way::Direct);
        let arrived = front(run).passed_requests;
        assert!(
            arrived.abs_diff(expected) <= expected / 10,
            "{engine:?}: {arrived}, {expected} expected"
        );
        let FinalState::Read(facts) = &run.ending.state else {
            panic!("{engine:?}: {:?}", run.ending.state);
        };
        let ledger = facts.admissions.expect("the room has a log");
        assert_eq!(
            ledger.joined,
            ledger.admitted + ledger.left + ledger.waiting,
            "{engine:?}"
        );
        assert_eq!(
            (ledger.astray, ledger.admitted_twice, ledger.put_back),
            (0, 0, 0),
            "{engine:?}"
        );
        let verdicts = judge(run);
        let audit = verdicts
            .audits
            .iter()
            .find(|one| one.audit == Audit::AdmissionsConserved);
        let finding = &audit.expect("it is always looked at").finding;
        assert!(
            matches!(finding, Finding::Held { .. }),
            "{engine:?}: {finding:?}"
        );
        // Who waits has no socket.
        let sockets = run.series.sockets().into_iter().max();
        assert!(sockets <= Some(80), "{engine:?}: {sockets:?}");
        let usage = &run.ending.statement.as_ref().expect("it has prices").usage;
        assert_eq!(usage.room_requests, room.requests(), "{engine:?}");
        // Slots come back, from buyers who have paid and from those who are idle.
        assert!(
            run.tally.reached(Stage::Paid) > 60,
            "{engine:?}: {ledger:?}"
        );
    }
    let sold = |run: &Measurements| run.tally.reached(Stage::Paid);
    let (one, other) = (sold(&live), sold(&simulated));
    assert!(
        one.abs_diff(other) <= one.max(other) / 4,
        "{one} live, {other} simulated"
    );
}
