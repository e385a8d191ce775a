//! The verdicts on a whole run: each kind of trouble on its own, and the exit code it leads to.

use std::time::Duration;

use super::audit::Audit;
use super::figure::Figure;
use super::targets::Reached;
use super::*;
use tiketi_measure::ending::{Ending, FinalState};
use tiketi_measure::histogram::Histogram;
use tiketi_measure::{Engine, Measurements, example};
use tiketi_scenario::Plan;
use tiketi_scenario::objective::{Gate, GateMetric, Relation, Statistic};
use tiketi_scenario::operation::Operation;

/// Returns the example with gates that pass, so that nothing is wrong until a test breaks it.
fn good_plan() -> Plan {
    let mut plan = example::plan();
    plan.gates
        .retain(|gate| gate.metric == GateMetric::RecoveryTime);
    plan
}

fn judged(plan: Plan, change: impl FnOnce(&mut Measurements)) -> Verdicts {
    let mut run = example::run_with(plan, example::ending());
    change(&mut run);
    judge(&run)
}

fn facts(ending: &mut Ending) -> &mut tiketi_measure::ending::AuditFacts {
    match &mut ending.state {
        FinalState::Read(facts) => facts,
        FinalState::Unread { reason } => panic!("{reason}"),
    }
}

fn verdict_of(verdicts: &Verdicts, audit: Audit) -> &Finding {
    let found = verdicts
        .audits
        .iter()
        .find(|verdict| verdict.audit == audit);
    &found.unwrap().finding
}

fn gate_verdict(gate: Gate) -> GateVerdict {
    let mut plan = example::plan();
    plan.gates = vec![gate];
    judged(plan, |_| ()).gates.remove(0)
}

#[test]
fn a_run_without_trouble_exits_with_0() {
    let verdicts = judged(good_plan(), |_| ());
    assert_eq!(verdicts.troubles(), []);
    assert_eq!(verdicts.exit_code(), 0);
}

#[test]
fn a_failed_gate_exits_with_99() {
    let verdicts = judged(example::plan(), |_| ());
    assert_eq!(verdicts.troubles(), [Trouble::GateFailed]);
    assert_eq!(verdicts.exit_code(), 99);
}

#[test]
fn a_failed_audit_exits_with_90() {
    let verdicts = judged(good_plan(), |run| {
        facts(&mut run.ending).seats_paid_twice = vec![("R-1-7".to_owned(), 2)];
    });
    assert_eq!(verdicts.troubles(), [Trouble::AuditViolated]);
    assert_eq!(verdicts.exit_code(), 90);
    let Finding::Violated { evidence } = verdict_of(&verdicts, Audit::NoDoubleSale) else {
        panic!("a seat was sold twice");
    };
    assert!(evidence.contains("R-1-7 (2 orders)"), "{evidence}");
}

#[test]
fn each_audit_fails_for_its_own_reason_only() {
    type Break = fn(&mut tiketi_measure::ending::AuditFacts);
    let breaks: [(Audit, Break); 7] = [
        (Audit::NoOversell, |facts| facts.seats_sold += 1),
        (Audit::NoDoubleSale, |facts| {
            facts.seats_paid_twice = vec![("R-1-1".to_owned(), 2)];
        }),
        (Audit::NothingLost, |facts| facts.lost_orders.count = 1),
        (Audit::Ledger, |facts| facts.captures += 1),
        (Audit::AdmissionsConserved, |facts| {
            facts.admissions.as_mut().unwrap().admitted -= 1;
        }),
        (Audit::AdmissionsConserved, |facts| {
            facts.admissions.as_mut().unwrap().admitted_twice = 1;
        }),
        (Audit::AdmissionsConserved, |facts| {
            facts.admissions.as_mut().unwrap().astray = 1;
        }),
    ];
    for (broken, break_it) in breaks {
        let verdicts = judged(good_plan(), |run| break_it(facts(&mut run.ending)));
        for verdict in &verdicts.audits {
            let violated = matches!(verdict.finding, Finding::Violated { .. });
            assert_eq!(violated, verdict.audit == broken, "{:?}", verdict.audit);
        }
    }
}

#[test]
fn without_a_final_state_audits_neither_pass_nor_fail() {
    let mut plan = good_plan();
    plan.gates.push(example::gate(
        GateMetric::LostOrders,
        Statistic::Count,
        0.0,
        "count == 0",
    ));
    let verdicts = judged(plan, |run| {
        run.ending.state = FinalState::Unread {
            reason: "no database access to this target".to_owned(),
        };
    });
    for verdict in &verdicts.audits {
        assert!(matches!(verdict.finding, Finding::CouldNotCheck { .. }));
    }
    // A gate on something that could not be checked fails all the same.
    assert_eq!(verdicts.exit_code(), 99);
    let reason = verdicts.gates[1].reason.as_deref();
    assert_eq!(
        reason,
        Some("not checked: no database access to this target")
    );
}

#[test]
fn a_simulated_run_must_account_for_every_buyer() {
    let model = |change: fn(&mut Measurements)| {
        judged(good_plan(), |run| {
            run.ending.engine = Engine::Model;
            run.ending.generator.workers.clear();
            run.tally.send_lag = Histogram::default();
            change(run);
        })
    };
    let verdicts = model(|_| ());
    assert_eq!(verdicts.troubles(), []);
    let checked = verdicts.validity.iter().map(|check| check.name);
    let kept = [
        "arrivals add up",
        "all planned arrivals started",
        "all buyers accounted for",
    ];
    assert!(checked.eq(kept));
    for lost in [
        model(|run| run.tally.left[0] -= 1),
        model(|run| run.ending.generator.planned += 1),
    ] {
        assert_eq!(lost.troubles(), [Trouble::Inconclusive]);
    }
}

#[test]
fn each_failed_validity_check_makes_the_run_inconclusive() {
    type Cause = fn(&mut Measurements);
    let doubts: [(&str, Cause); 7] = [
        ("scheduling delay", |run| {
            run.plan.self_check.send_lag_p99_max = Duration::from_micros(10);
        }),
        ("arrivals add up", |run| {
            run.ending.generator.planned += 1;
        }),
        ("arrivals add up", |run| {
            run.tally.arrivals.due += 1;
            run.ending.generator.planned += 1;
        }),
        ("all planned arrivals started", |run| {
            run.tally.arrivals.shed = 1;
            run.tally.arrivals.due += 1;
            run.ending.generator.planned += 1;
        }),
        ("all buyers accounted for", |run| {
            run.tally.left[0] -= 1;
        }),
        ("load worker CPU", |run| {
            run.ending.generator.workers[0].cpu = run.ending.wall;
        }),
        ("open files", |run| {
            run.ending.generator.workers[0].files_refused = 1;
        }),
    ];
    for (name, cause) in doubts {
        let verdicts = judged(good_plan(), cause);
        let failed = verdicts.validity.iter().filter(|check| !check.ok);
        let failed: Vec<_> = failed.map(|check| check.name).collect();
        assert_eq!(failed, [name]);
        assert_eq!(verdicts.exit_code(), 91, "{name}");
    }
}

#[test]
fn a_run_that_sent_nothing_is_inconclusive() {
    let plan = good_plan();
    let nothing = tiketi_measure::Assembly::new(plan).finish(example::ending());
    let verdicts = judge(&nothing);
    assert_eq!(verdicts.exit_code(), 91);
    assert_eq!(verdicts.validity[0].name, "scheduling delay");
    assert!(!verdicts.validity[0].ok);
}

#[test]
fn an_interrupted_run_need_not_reach_its_planned_arrivals() {
    let verdicts = judged(good_plan(), |run| {
        run.ending.interrupted = true;
        run.ending.generator.planned += 500;
    });
    assert_eq!(verdicts.troubles(), [Trouble::Interrupted]);
    assert_eq!(verdicts.exit_code(), 105);
}

#[test]
fn a_run_that_broke_off_is_inconclusive_and_says_why() {
    let verdicts = judged(good_plan(), |run| {
        run.ending.failure = Some("load worker 1: ended before its share was done".to_owned());
        run.ending.ended_at = tiketi_core::units::SimTime::from_secs(540);
        run.ending.generator.planned += 500;
    });
    let failed: Vec<_> = verdicts.validity.iter().filter(|check| !check.ok).collect();
    assert_eq!(failed.len(), 1, "only what went wrong: {failed:?}");
    assert_eq!(failed[0].name, "run completed");
    let evidence = &failed[0].evidence;
    assert!(
        evidence.contains("after 9m00s of 10m00s: load worker 1"),
        "{evidence}"
    );
    assert_eq!(verdicts.troubles(), [Trouble::Inconclusive]);
}

#[test]
fn the_most_serious_trouble_sets_the_exit_code_and_all_are_listed() {
    let verdicts = judged(example::plan(), |run| {
        run.ending.interrupted = true;
        run.tally.arrivals.shed = 1;
        facts(&mut run.ending).lost_orders.count = 1;
    });
    let codes: Vec<_> = verdicts
        .troubles()
        .into_iter()
        .map(Trouble::exit_code)
        .collect();
    assert_eq!(codes, [105, 91, 90, 99]);
    assert_eq!(verdicts.exit_code(), 105);
}

#[test]
fn a_gate_without_samples_fails_whatever_its_condition() {
    for relation in [
        Relation::Less,
        Relation::AtMost,
        Relation::Greater,
        Relation::AtLeast,
        Relation::Equal,
    ] {
        for metric in GateMetric::ALL {
            let statistic = match metric.kind() {
                tiketi_scenario::objective::MetricKind::Trend
                | tiketi_scenario::objective::MetricKind::Lag => Statistic::Max,
                tiketi_scenario::objective::MetricKind::Rate => Statistic::Rate,
                tiketi_scenario::objective::MetricKind::Count => Statistic::Count,
            };
            let mut plan = example::plan();
            plan.gates = vec![Gate {
                metric,
                operation: None,
                statistic,
                relation,
                bound: 0.0,
                text: String::new(),
            }];
            let mut ending = example::ending();
            ending.state = FinalState::Unread {
                reason: "not read".to_owned(),
            };
            let nothing = tiketi_measure::Assembly::new(plan).finish(ending);
            let verdict = judge(&nothing).gates.remove(0);
            assert!(!verdict.passed, "{metric:?} {relation:?}");
            assert!(verdict.reason.is_some(), "{metric:?}");
        }
    }
}

#[test]
fn a_gate_with_an_operation_ignores_the_others() {
    let mut gate = example::gate(
        GateMetric::Calls,
        Statistic::Count,
        2_000.0,
        "count == 2000",
    );
    gate.operation = Some(Operation::PaymentProcess);
    let verdict = gate_verdict(gate);
    assert!(verdict.passed, "{verdict:?}");
    assert_eq!(verdict.metric, "calls{operation:payment_process}");
    assert_eq!(verdict.measured, Some(Figure::Count(2_000)));
}

#[test]
fn a_value_equal_to_the_bound_passes_only_inclusive_conditions() {
    let longest = example::run().tally.waiting_time.max().unwrap();
    let nanos = tiketi_scenario::objective::nanos(longest);
    for (relation, passes) in [
        (Relation::Less, false),
        (Relation::AtMost, true),
        (Relation::AtLeast, true),
        (Relation::Greater, false),
    ] {
        let mut gate = example::gate(GateMetric::WaitingTime, Statistic::Max, nanos, "");
        gate.relation = relation;
        assert_eq!(gate_verdict(gate).passed, passes, "{relation:?}");
    }
}

#[test]
fn a_system_that_never_recovers_fails_every_gate_on_recovery() {
    let mut plan = good_plan();
    let mut at_least = plan.gates[0].clone();
    at_least.relation = Relation::Greater;
    plan.gates.push(at_least);
    let verdicts = judged(plan, |run| {
        for second in 300..600 {
            let failed = tiketi_measure::series::Tick {
                calls_due: 200,
                calls_failed: 200,
                ..Default::default()
            };
            run.series.absorb(second, &failed);
        }
    });
    for gate in &verdicts.gates {
        assert!(!gate.passed);
        assert_eq!(gate.measured, Some(Figure::Never));
    }
}

#[test]
fn recovery_reports_what_reacted_and_when() {
    let verdicts = judged(good_plan(), |_| ());
    let recovery = &verdicts.recoveries[0];
    assert_eq!(recovery.zone.as_deref(), Some("a"));
    assert_eq!(recovery.detected_after, Some(Duration::from_secs(2)));
    assert_eq!(recovery.replaced_after, Some(Duration::from_secs(250)));
    let took: Vec<_> = recovery.failovers.iter().map(|each| each.took).collect();
    assert_eq!(took, [30, 31].map(|secs| Some(Duration::from_secs(secs))));
}

#[test]
fn scaling_is_followed_from_the_crossing_to_the_last_healthy_instance() {
    let verdicts = judged(good_plan(), |_| ());
    let action = &verdicts.scaling[0];
    assert_eq!(action.alarm_delay(), Some(Duration::from_secs(29)));
    assert_eq!(action.in_service_after(), Some(Duration::from_secs(260)));
}

#[test]
fn claims_that_a_run_does_not_touch_are_not_exercised() {
    let mut plan = good_plan();
    plan.faults.clear();
    let verdicts = judged(plan, |run| {
        run.timeline.clear();
        run.ending.system = None;
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
    // Broadcast latency and the size of the fleet were still measured, and the scenario has its subnets.
    assert_eq!(ids, ["A11", "A16", "B2", "B4"]);
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
    assert_eq!(verdict(|plan| plan.scaling.max = 251), Reached::Missed);
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

#[test]
fn buyers_without_a_credential_make_a_run_inconclusive_and_the_reason_is_shown() {
    let mut run = example::run();
    run.tally.arrivals.started -= 1;
    run.tally.arrivals.without_credential = 1;
    run.ending.generator.credential_error = Some("cannot sign it".to_owned());
    let checks = judge(&run).validity;
    let check = checks
        .iter()
        .find(|check| check.name == "credentials created");
    let check = check.expect("it is reported");
    assert!(
        !check.ok && check.evidence.ends_with("cannot sign it"),
        "{check:?}"
    );
    let adds_up = checks.iter().find(|check| check.name == "arrivals add up");
    assert!(
        adds_up.is_some_and(|check| check.ok),
        "they are not lost from the books"
    );
    assert!(
        !judge(&example::run())
            .validity
            .iter()
            .any(|check| check.name == "credentials created")
    );
}
