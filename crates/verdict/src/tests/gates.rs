//! Gates: metrics, conditions, and what they do without samples.

use super::facts;
use super::good_plan;
use super::judged;
use crate::figure::Figure;
use crate::slo::GateResult;
use crate::{GateVerdict, judge};
use tiketi_measure::ending::{AdmissionFacts, AuditFacts, DataTierFigures, FinalState};
use tiketi_measure::{Measurements, example};
use tiketi_scenario::objective::{Gate, GateMetric, MetricKind, Relation, Statistic};
use tiketi_scenario::operation::Operation;

fn gate_verdict(gate: Gate) -> GateVerdict {
    let mut plan = example::plan();
    plan.gates = vec![gate];
    judged(plan, |_| ()).gates.remove(0)
}

#[test]
fn a_gate_without_samples_is_not_measured_whatever_its_condition() {
    for relation in Relation::ALL {
        for metric in GateMetric::ALL {
            for state in [unread(), FinalState::Read(AuditFacts::default())] {
                let mut plan = example::plan();
                plan.gates = vec![any_gate(metric, relation)];
                let mut ending = example::ending();
                ending.state = state;
                let nothing = tiketi_measure::Assembly::new(plan).finish(ending);
                let verdict = judge(&nothing).gates.remove(0);
                assert_eq!(verdict.result, GateResult::NotMeasured, "{metric:?}");
                assert!(verdict.reason.is_some(), "{metric:?}");
            }
        }
    }
}

fn unread() -> FinalState {
    FinalState::Unread {
        reason: "not read".to_owned(),
    }
}

fn any_gate(metric: GateMetric, relation: Relation) -> Gate {
    let statistic = match metric.kind() {
        MetricKind::Trend | MetricKind::Lag => Statistic::Max,
        MetricKind::Rate => Statistic::Rate,
        MetricKind::Count => Statistic::Count,
    };
    Gate {
        metric,
        operation: None,
        statistic,
        relation,
        bound: 0.0,
        text: String::new(),
    }
}

#[test]
fn a_count_of_defects_needs_something_that_could_be_defect() {
    type Without = fn(&mut Measurements);
    let without: [(GateMetric, Without, &str); 6] = [
        (
            GateMetric::OversoldSeats,
            |run| {
                facts(&mut run.ending).seats_sold = 0;
                facts(&mut run.ending).seats_free = 500;
            },
            "no seat was held or sold",
        ),
        (
            GateMetric::DoubleSales,
            |run| {
                let facts = facts(&mut run.ending);
                (facts.paid_orders, facts.captures) = (0, 0);
            },
            "no ticket was sold",
        ),
        (
            GateMetric::LostOrders,
            |run| facts(&mut run.ending).acknowledged = 0,
            "no payment was confirmed to a buyer",
        ),
        (
            GateMetric::LostAdmissions,
            |run| facts(&mut run.ending).admissions = Some(AdmissionFacts::default()),
            "nobody joined the queue",
        ),
        (
            GateMetric::LostPlaces,
            without_failover,
            "no failover of Redis finished",
        ),
        (
            GateMetric::LostSessions,
            without_failover,
            "no failover of Redis finished",
        ),
    ];
    for (metric, change, reason) in without {
        let mut plan = good_plan();
        plan.gates.push(any_gate(metric, Relation::Equal));
        let verdicts = judged(plan, change);
        let gate = verdicts.gates.last().unwrap();
        assert_eq!(gate.result, GateResult::NotMeasured, "{metric:?}");
        assert_eq!(gate.reason.as_deref(), Some(reason));
        assert_eq!(verdicts.exit_code(), 91, "{metric:?}");
    }
}

fn without_failover(run: &mut Measurements) {
    run.timeline.clear();
    run.plan.gates.remove(0);
    let system = run.ending.system.as_mut().unwrap();
    system.data_tier = Some(DataTierFigures::default());
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
    assert_eq!(verdict.result, GateResult::Passed, "{verdict:?}");
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
        let passed = gate_verdict(gate).result == GateResult::Passed;
        assert_eq!(passed, passes, "{relation:?}");
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
        assert_eq!(gate.result, GateResult::Failed);
        assert_eq!(gate.measured, Some(Figure::Never));
    }
}
