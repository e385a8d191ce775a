//! Whether full CPUs of this machine can be why a gate failed.
//!
//! Requests that end while the CPUs are full have waited for the tool's own processes, and a staging system elsewhere would not
//! have made them wait. That makes responses later, never earlier: a gate that passed has passed all the same.

use std::time::Duration;

use super::ValidityCheck;
use crate::figure::{count, in_words, percent};
use crate::slo::{GateResult, GateVerdict};
use tiketi_core::units::SimTime;
use tiketi_measure::Measurements;
use tiketi_measure::ending::FullCpus;
use tiketi_measure::histogram::Histogram;
use tiketi_scenario::objective::{Gate, GateMetric, Statistic};

/// Share of the requests above which a mean is not trusted (assumption): as many as may be late by more than the limit of the
/// scheduling delay.
const MEAN_SHARE_MAX: f64 = 0.01;

/// Fails if each gate that failed could have passed without the requests that ended while the CPUs were full; `None` if the CPUs
/// were not watched.
pub(super) fn judge(run: &Measurements, gates: &[GateVerdict]) -> Option<ValidityCheck> {
    let full = &run.ending.generator.tool.as_ref()?.cpus_full;
    let lasted: Duration = full
        .iter()
        .map(|full| full.until.saturating_since(full.from))
        .sum();
    let share = share_of_requests(run, full);
    let gates = run.plan.gates.iter().zip(gates);
    let failed = gates.filter(|(_, verdict)| verdict.result == GateResult::Failed);
    let (excused, proven): (Vec<_>, Vec<_>) =
        failed.partition(|(gate, _)| could_pass(gate, run, share));
    let names = excused
        .iter()
        .map(|(gate, _)| format!("`{} {}`", gate.selector(), gate.text));
    let names = names.collect::<Vec<_>>().join(", ");
    let mut evidence = match lasted {
        Duration::ZERO => "the CPUs of this machine were never full".to_owned(),
        lasted => format!(
            "the CPUs of this machine were full for {} of scenario time, in which {} of the requests ended",
            in_words(lasted),
            percent(share)
        ),
    };
    if !excused.is_empty() {
        let rest = if proven.is_empty() {
            "; use a lower `clock.speed`, or a larger or quieter machine"
        } else {
            ", but not what else failed"
        };
        evidence = format!("{evidence}, enough to fail {names}{rest}");
    }
    Some(ValidityCheck {
        name: "CPUs not full",
        // What failed anyway is enough for the answer.
        ok: excused.is_empty() || !proven.is_empty(),
        evidence,
    })
}

/// Returns the share of the requests after the warm-up that ended while the CPUs were full. Within a tick, requests count as
/// evenly spread.
fn share_of_requests(run: &Measurements, full: &[FullCpus]) -> f64 {
    let warm = SimTime::ZERO + run.plan.clock.warmup;
    let (mut all, mut late) = (0.0, 0.0);
    for (index, tick) in run.series.ticks().iter().enumerate() {
        let from = SimTime::from_secs(run.series.start_secs(index));
        let length = run.tick_length(index);
        if from < warm || length.is_zero() {
            continue;
        }
        let until = from + length;
        let overlap: Duration = full
            .iter()
            .map(|full| {
                let (first, last) = (full.from.max(from), full.until.min(until));
                last.saturating_since(first)
            })
            .sum();
        let ended = count(tick.calls_ok + tick.calls_refused + tick.calls_failed);
        all += ended;
        late += ended * overlap.div_duration_f64(length);
    }
    if all > 0.0 { late / all } else { 0.0 }
}

/// Whether the gate passes if the worst `share` of its requests, which is the most that full CPUs can have spoiled, is left out.
/// Counts of buyers and tickets, and times that buyers wait in the queue, are not made of single responses.
fn could_pass(gate: &Gate, run: &Measurements, share: f64) -> bool {
    if share <= 0.0 {
        return false;
    }
    let rest = 1.0 - share;
    let meets = |value: f64| gate.relation.holds(value, gate.bound);
    let length = |histogram: &Histogram| {
        let percent = match gate.statistic {
            Statistic::Percentile(percent) => percent,
            Statistic::Median => 50.0,
            Statistic::Max => 100.0,
            Statistic::Mean => return share > MEAN_SHARE_MAX,
            Statistic::Min | Statistic::Rate | Statistic::Count => return false,
        };
        let best = histogram.percentile(percent * rest);
        best.is_some_and(|best| meets(tiketi_scenario::objective::nanos(best)))
    };
    let tally = &run.tally;
    let operation = tally.operation(gate.operation);
    match gate.metric {
        GateMetric::ResponseTime => length(&operation.response_time),
        GateMetric::ServiceTime => length(&operation.service_time),
        GateMetric::FanOutDelay => length(&tally.fan_out_delay),
        GateMetric::Errors => {
            let (failed, calls) = (count(operation.failures()), count(operation.calls()));
            rest <= 0.0 || meets(((failed / calls - share) / rest).max(0.0))
        }
        GateMetric::SendLag
        | GateMetric::WaitingTime
        | GateMetric::RecoveryTime
        | GateMetric::Abandoned
        | GateMetric::Calls
        | GateMetric::TicketsSold
        | GateMetric::Shed
        | GateMetric::OversoldSeats
        | GateMetric::DoubleSales
        | GateMetric::LostOrders
        | GateMetric::LostAdmissions
        | GateMetric::LostPlaces
        | GateMetric::LostSessions
        | GateMetric::RedisLag
        | GateMetric::DatabaseLag => false,
    }
}
