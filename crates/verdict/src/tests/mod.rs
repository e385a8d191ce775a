//! The verdicts on a whole run: each kind of trouble on its own, and the exit code it leads to.

use std::time::Duration;

use super::audit::Audit;
use super::targets::Reached;
use super::*;
use tiketi_cloud::notice::{InstanceState, What};
use tiketi_measure::ending::{AuditFacts, ChargeFacts, Ending, FinalState};
use tiketi_measure::histogram::Histogram;
use tiketi_measure::{Engine, Measurements, example};
use tiketi_scenario::Plan;
use tiketi_scenario::objective::{GateMetric, Statistic};

mod claims;
mod data_tier;
mod gates;
mod planted;
mod target;
mod validity;

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

fn facts(ending: &mut Ending) -> &mut AuditFacts {
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
    type Break = fn(&mut AuditFacts);
    let breaks: [(Audit, Break); 10] = [
        (Audit::NoOversell, |facts| facts.seats_sold += 1),
        (Audit::NoDoubleSale, |facts| {
            facts.seats_paid_twice = vec![("R-1-1".to_owned(), 2)];
        }),
        (Audit::NothingLost, |facts| facts.lost_orders.count = 1),
        (Audit::Ledger, |facts| facts.captures += 1),
        (Audit::Ledger, |facts| charges(facts).without_order = 1),
        (Audit::Ledger, |facts| {
            charges(facts).orders_without_charge = 1;
        }),
        (Audit::Ledger, |facts| charges(facts).charged_twice = 1),
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

/// Returns the provider's ledger of a run in which each paid order was charged once.
fn charges(facts: &mut AuditFacts) -> &mut ChargeFacts {
    facts.charges.insert(ChargeFacts {
        charges: facts.captures,
        ..ChargeFacts::default()
    })
}

#[test]
fn a_ledger_in_which_each_order_was_charged_once_passes() {
    let verdicts = judged(good_plan(), |run| {
        charges(facts(&mut run.ending)).settled = 2;
    });
    let finding = verdict_of(&verdicts, Audit::Ledger);
    assert!(matches!(finding, Finding::Held { .. }), "{finding:?}");
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
    // Neither does a gate on something that could not be checked.
    assert_eq!(verdicts.troubles(), [Trouble::NotMeasured]);
    assert_eq!(verdicts.exit_code(), 91);
    let gate = &verdicts.gates[1];
    assert_eq!(gate.result, GateResult::NotMeasured);
    assert_eq!(
        gate.reason.as_deref(),
        Some("no database access to this target")
    );
}

#[test]
fn a_target_without_database_access_can_pass_and_the_testbed_cannot() {
    let unread = |run: &mut Measurements| {
        run.ending.state = FinalState::Unread {
            reason: "no database access to this target".to_owned(),
        };
    };
    let mut plan = good_plan();
    plan.gates = vec![example::gate(
        GateMetric::TicketsSold,
        Statistic::Count,
        500.0,
        "count == 500",
    )];
    let target = judged(plan.clone(), |run| {
        unread(run);
        run.ending.system = None;
    });
    assert_eq!(target.exit_code(), 0, "{:?}", target.gaps);
    let testbed = judged(plan, unread);
    assert_eq!(testbed.troubles(), [Trouble::NotMeasured]);
    assert_eq!(testbed.gaps.len(), 5, "every audit");
}

#[test]
fn a_run_in_which_nobody_buys_is_inconclusive_whatever_its_gates_say() {
    let mut plan = good_plan();
    plan.gates.clear();
    let verdicts = judged(plan, |run| {
        run.tally.stages[tiketi_buyer::observation::Stage::Paid as usize] = 0;
    });
    assert_eq!(verdicts.troubles(), [Trouble::NotMeasured]);
    assert_eq!(verdicts.exit_code(), 91);
    let [gap] = &verdicts.gaps[..] else {
        panic!("one gap: {:?}", verdicts.gaps);
    };
    assert_eq!(gap.subject, gap::Subject::Sale);
    assert_eq!(
        gap.reason,
        "none of the 2,000 buyers bought a ticket (500 seats in the show)"
    );
}

#[test]
fn an_audit_with_nothing_to_check_neither_passes_nor_hides_a_defect() {
    let empty = |change: fn(&mut AuditFacts)| {
        judged(good_plan(), |run| {
            *facts(&mut run.ending) = AuditFacts {
                seats_total: 500,
                seats_free: 500,
                admissions: Some(tiketi_measure::ending::AdmissionFacts::default()),
                ..Default::default()
            };
            change(facts(&mut run.ending));
        })
    };
    for verdict in &empty(|_| ()).audits {
        let is_open = matches!(verdict.finding, Finding::CouldNotCheck { .. });
        assert!(is_open, "{verdict:?}");
    }
    // A seat that vanished from an unsold show is still a defect.
    let verdicts = empty(|facts| facts.seats_free = 499);
    let finding = verdict_of(&verdicts, Audit::NoOversell);
    assert!(matches!(finding, Finding::Violated { .. }), "{finding:?}");
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
    let doubts: [(&str, Cause); 8] = [
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
        ("open files", |run| {
            let system = run.ending.system.as_mut().unwrap();
            system.out_of_files = Some(1);
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
        facts(&mut run.ending).admissions = None;
    });
    let codes: Vec<_> = verdicts
        .troubles()
        .into_iter()
        .map(Trouble::exit_code)
        .collect();
    assert_eq!(codes, [105, 91, 90, 99, 91]);
    assert_eq!(verdicts.exit_code(), 105);
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
fn an_instance_that_a_fault_takes_while_it_boots_is_not_late() {
    let lost = |numbers: &'static [u32]| {
        judged(good_plan(), move |run| {
            for notice in &mut run.timeline {
                if let What::Instance {
                    instance, state, ..
                } = &mut notice.what
                    && *state == InstanceState::Healthy
                    && numbers.contains(&instance.0)
                {
                    *state = InstanceState::Lost;
                }
            }
        })
    };
    let of_claim = |verdicts: &Verdicts| {
        let mut targets = verdicts.targets.iter();
        let claim = targets.find(|target| target.id == "A15");
        claim.expect("it is judged").clone()
    };
    let one = lost(&[3]);
    let action = &one.scaling[0];
    assert_eq!(action.lost, 1);
    assert!(action.in_service_after() < Some(Duration::from_secs(260)));
    let claim = of_claim(&one);
    assert_ne!(claim.verdict, Reached::Missed, "{}", claim.measured);
    assert!(
        claim.measured.contains("1 lost to a fault"),
        "{}",
        claim.measured
    );
    let both = lost(&[2, 3]);
    assert_eq!(both.scaling[0].in_service_after(), None);
    assert_ne!(of_claim(&both).verdict, Reached::Missed);
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
