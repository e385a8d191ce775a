//! Architecture claims: what counts as met, partly met, missed and not exercised.

use super::{good_plan, judged};
use crate::Verdicts;
use crate::targets::Reached;
use tiketi_core::units::{SimTime, ZoneId};
use tiketi_measure::ending::{FinalState, Probe, ProbeOutcome, SystemFigures};
use tiketi_network::Kind;
use tiketi_scenario::Plan;
use tiketi_scenario::network::{DefaultRoute, Source};
use tiketi_scenario::scaling::ScheduledAction;
use tiketi_scenario::topology::Topology;

#[test]
fn claims_that_a_run_does_not_touch_are_not_exercised() {
    let mut plan = good_plan();
    plan.faults.clear();
    let verdicts = judged(plan, |run| {
        run.timeline.clear();
        run.ending.system = Some(SystemFigures::default());
        run.ending.statement = None;
        run.ending.state = FinalState::Unread {
            reason: "not read".to_owned(),
        };
    });
    let exercised = verdicts
        .targets
        .iter()
        .filter(|target| target.verdict != Reached::NotExercised);
    let ids: Vec<_> = exercised.map(|target| target.id.as_str()).collect();
    // Broadcast latency and the size of the fleet were still measured, and the scenario has its network. The queue crossed its
    // threshold, and without a timeline no alarm fired.
    let expected = [
        "A3", "A6", "A11", "A14", "A16", "A18", "A20", "B2", "B3", "B4",
    ];
    assert_eq!(ids, expected);
}

#[test]
fn more_messages_received_than_due_prove_nothing() {
    let verdicts = judged(good_plan(), |run| {
        run.ending.system.as_mut().unwrap().messages_due = Some(1);
    });
    let target = verdicts.targets.iter().find(|target| target.id == "A21");
    assert_eq!(target.unwrap().verdict, Reached::NotExercised);
}

#[test]
fn one_missing_message_per_closed_connection_is_not_a_loss() {
    let of = |due: u64| {
        let verdicts = judged(good_plan(), |run| {
            run.tally.sockets.lost = 0;
            run.tally.sockets.closed = 100;
            run.ending.system.as_mut().unwrap().messages_due = Some(due);
        });
        let target = verdicts.targets.iter().find(|target| target.id == "A21");
        target.unwrap().verdict
    };
    assert_eq!(of(2_100), Reached::Met);
    assert_eq!(of(2_110), Reached::Missed);
}

#[test]
fn a_monitor_that_runs_too_often_or_too_rarely_misses_the_claim() {
    let of = |runs: u64| {
        let verdicts = judged(good_plan(), |run| {
            run.ending.system.as_mut().unwrap().monitor_runs = Some(runs);
        });
        let target = verdicts.targets.iter().find(|target| target.id == "A13");
        target.unwrap().verdict
    };
    let told = [4, 5, 10, 20].map(of);
    let expected = [
        Reached::NotExercised,
        Reached::Missed,
        Reached::Met,
        Reached::Missed,
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_failover_in_time_is_only_part_of_the_claim_about_aurora() {
    let of = |verdicts: &Verdicts| {
        let target = verdicts.targets.iter().find(|target| target.id == "A12");
        target.unwrap().clone()
    };
    let verdicts = judged(good_plan(), |run| {
        // No user notices anything.
        for operation in &mut run.tally.operations {
            operation.failed.clear();
        }
        let quiet: Vec<_> = run.series.ticks().to_vec();
        run.series = tiketi_measure::series::Series::default();
        for (second, mut tick) in quiet.into_iter().enumerate() {
            tick.calls_ok += std::mem::take(&mut tick.calls_failed);
            run.series.absorb(second as u64, &tick);
        }
    });
    let target = of(&verdicts);
    assert_eq!(target.verdict, Reached::PartlyMet, "{}", target.measured);
    assert!(
        target
            .measured
            .contains("not measured: replication lag, the time of the first successful write")
    );
    // In the unchanged example a third of the requests fail during the failover, which users notice.
    assert_eq!(of(&judged(good_plan(), |_| ())).verdict, Reached::Missed);
}

#[test]
fn subnets_that_overlap_or_are_too_small_miss_the_claim() {
    let verdict = |change: fn(&mut Plan)| {
        let mut plan = good_plan();
        change(&mut plan);
        let verdicts = judged(plan, |_| ());
        let target = verdicts.targets.iter().find(|target| target.id == "B2");
        target.unwrap().verdict
    };
    assert_eq!(verdict(|_| ()), Reached::PartlyMet);
    let grows = |plan: &mut Plan| {
        plan.scaling.scheduled = vec![ScheduledAction {
            name: "opening".to_owned(),
            at: SimTime::ZERO,
            late: None,
            min: None,
            max: Some(251),
            desired: None,
        }];
    };
    assert_eq!(verdict(grows), Reached::Missed);
    let overlaps = |plan: &mut Plan| plan.topology.zones[1].data = "10.0.0.0/22".parse().unwrap();
    assert_eq!(verdict(overlaps), Reached::Missed);
    let elsewhere = |plan: &mut Plan| plan.topology.vpc = "10.0.0.0/15".parse().unwrap();
    assert_eq!(verdict(elsewhere), Reached::NotExercised);
}

/// The verdict on a claim after a change of the example's network.
fn network_claim(id: &str, change: fn(&mut Topology)) -> Reached {
    let mut plan = good_plan();
    change(&mut plan.topology);
    let verdicts = judged(plan, |_| ());
    let target = verdicts.targets.iter().find(|target| target.id == id);
    target.unwrap().verdict
}

#[test]
fn a_second_way_in_misses_the_claim_of_the_only_one() {
    assert_eq!(network_claim("A3", |_| ()), Reached::PartlyMet);
    let open = |topology: &mut Topology| {
        topology.security_groups.redis.push(Source::Internet);
        topology.zones[1].routes.private = DefaultRoute::InternetGateway;
    };
    assert_eq!(network_claim("A3", open), Reached::Missed);
}

#[test]
fn instances_that_are_reached_or_leave_another_way_miss_the_claim_of_three_tiers() {
    assert_eq!(network_claim("A6", |_| ()), Reached::PartlyMet);
    let lateral = |topology: &mut Topology| topology.security_groups.instances.push(Source::Redis);
    assert_eq!(network_claim("A6", lateral), Reached::Missed);
    let public = |topology: &mut Topology| {
        topology.zones[0].routes.private = DefaultRoute::InternetGateway;
    };
    assert_eq!(network_claim("A6", public), Reached::Missed);
    let closed = |topology: &mut Topology| topology.zones[0].routes.private = DefaultRoute::None;
    assert_eq!(network_claim("A6", closed), Reached::Missed);
}

/// The verdict on a claim of a run that has tried to reach these parts from outside.
fn probed_claim(id: &str, probes: &[(Kind, ProbeOutcome)]) -> Reached {
    probed(id, probes).0
}

/// The same with what was measured, in words.
fn probed(id: &str, probes: &[(Kind, ProbeOutcome)]) -> (Reached, String) {
    let probe = |&(to, outcome): &(Kind, ProbeOutcome)| Probe {
        from: Kind::Internet,
        to,
        zone: ZoneId(0),
        outcome,
    };
    let probes: Vec<_> = probes.iter().map(probe).collect();
    let verdicts = judged(good_plan(), |run| run.ending.probes = probes);
    let mut targets = verdicts.targets.into_iter();
    let target = targets.find(|target| target.id == id).unwrap();
    (target.verdict, target.measured)
}

#[test]
fn an_attempt_that_gets_through_misses_the_claims_of_a_closed_network() {
    let refused = [
        (Kind::Instance, ProbeOutcome::Refused),
        (Kind::Database, ProbeOutcome::Refused),
    ];
    assert_eq!(probed_claim("A20", &refused), Reached::Met);
    assert_eq!(
        probed_claim("A3", &refused),
        Reached::PartlyMet,
        "Redis was not tried"
    );
    assert_eq!(probed_claim("A6", &refused), Reached::PartlyMet);
    for (id, open) in [
        ("A3", Kind::Instance),
        ("A6", Kind::Instance),
        ("A3", Kind::Redis),
        ("A6", Kind::Redis),
        ("A20", Kind::Database),
    ] {
        let through = [(open, ProbeOutcome::Answered)];
        assert_eq!(probed_claim(id, &through), Reached::Missed, "{id}");
    }
}

#[test]
fn redis_refuses_strangers_by_password_unless_one_of_its_nodes_answers_them() {
    let mut probes = vec![
        (Kind::Instance, ProbeOutcome::Refused),
        (Kind::Redis, ProbeOutcome::RefusedByPassword),
        (Kind::Redis, ProbeOutcome::Refused),
        (Kind::Database, ProbeOutcome::Refused),
    ];
    let (verdict, measured) = probed("A3", &probes);
    assert_eq!(verdict, Reached::Met);
    let said = "Redis refused by password (it cannot tell addresses apart)";
    assert!(measured.contains(said), "{measured}");
    let (verdict, _) = probed("A6", &probes);
    assert_eq!(verdict, Reached::PartlyMet, "the way out was not tried");
    probes.insert(1, (Kind::Redis, ProbeOutcome::Answered));
    for id in ["A3", "A6"] {
        let (verdict, measured) = probed(id, &probes);
        assert_eq!(verdict, Reached::Missed, "{id}");
        assert!(measured.contains("Redis got through"), "{measured}");
    }
}

#[test]
fn a_lost_gateway_is_not_replaced_by_the_other_one() {
    // The documents say that the other one can be used; no route table does that by itself.
    assert_eq!(network_claim("A18", |_| ()), Reached::Missed);
    let one = |topology: &mut Topology| topology.zones[1].nat_gateway = false;
    assert_eq!(network_claim("A18", one), Reached::NotExercised);
}

#[test]
fn a_database_open_to_the_internet_misses_the_claim() {
    assert_eq!(network_claim("A20", |_| ()), Reached::PartlyMet);
    let open = |topology: &mut Topology| {
        topology.security_groups.database.push(Source::Internet);
        topology.zones[0].routes.data = DefaultRoute::InternetGateway;
    };
    assert_eq!(network_claim("A20", open), Reached::Missed);
}

#[test]
fn private_subnets_that_use_another_zone_miss_the_claim_of_routes() {
    assert_eq!(network_claim("B3", |_| ()), Reached::PartlyMet);
    let detour = |topology: &mut Topology| {
        topology.zones[1].routes.private = DefaultRoute::NatGateway(ZoneId(0));
    };
    assert_eq!(network_claim("B3", detour), Reached::Missed);
}

#[test]
fn a_claim_is_missed_if_the_numbers_disagree() {
    let verdicts = judged(good_plan(), |run| {
        run.ending.system.as_mut().unwrap().targets[0].requests *= 3;
    });
    let of = |id: &str| {
        let target = verdicts.targets.iter().find(|target| target.id == id);
        target.unwrap()
    };
    assert_eq!(of("A4").verdict, Reached::Missed);
    // The documented "optimized" total is not the sum of its parts.
    assert_eq!(of("A24").verdict, Reached::Missed);
    assert!(of("A24").measured.contains("₩194,500"));
    assert_eq!(of("A19").verdict, Reached::Met);
}
