//! Gates: metrics, conditions, and what they do without samples.

use super::good_plan;
use super::judged;
use crate::figure::Figure;
use crate::{GateVerdict, judge};
use tiketi_measure::ending::FinalState;
use tiketi_measure::example;
use tiketi_scenario::objective::{Gate, GateMetric, Relation, Statistic};
use tiketi_scenario::operation::Operation;

fn gate_verdict(gate: Gate) -> GateVerdict {
    let mut plan = example::plan();
    plan.gates = vec![gate];
    judged(plan, |_| ()).gates.remove(0)
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
