//! Architecture claims: what counts as met, partly met, missed and not exercised.

use super::{good_plan, judged};
use crate::Verdicts;
use crate::targets::Reached;
use tiketi_core::units::SimTime;
use tiketi_measure::ending::{FinalState, SystemFigures};
use tiketi_scenario::Plan;
use tiketi_scenario::scaling::ScheduledAction;

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
    // Broadcast latency and the size of the fleet were still measured, and the scenario has its subnets. The queue crossed its
    // threshold, and without a timeline no alarm fired.
    assert_eq!(ids, ["A11", "A14", "A16", "B2", "B4"]);
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
