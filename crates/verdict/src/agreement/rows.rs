//! The metrics by which two runs are compared.

use std::time::Duration;

use super::levels;
use super::{Measure, Reading, Scatter, Unit, Worse};
use crate::figure;
use tiketi_buyer::observation::{LeaveReason, Stage};
use tiketi_cloud::notice::InstanceState;
use tiketi_cost::Amount;
use tiketi_measure::Measurements;
use tiketi_measure::gauges::Gauges;
use tiketi_measure::histogram::Histogram;
use tiketi_measure::tally::OperationTally;
use tiketi_scenario::operation::Operation;

/// States in which the Auto Scaling group counts an instance as in service.
const IN_SERVICE: [InstanceState; 3] = [
    InstanceState::InService,
    InstanceState::Healthy,
    InstanceState::Unhealthy,
];

/// Returns everything that is compared, in the order of the table.
pub(super) fn readings(base: &Measurements, new: &Measurements) -> Vec<Reading> {
    let runs = [base, new];
    let mut readings = shares(
        runs,
        Measure::Errors,
        "failed requests",
        OperationTally::failures,
    );
    let refused = |tally: &OperationTally| tally.refused;
    readings.extend(shares(
        runs,
        Measure::Refusals,
        "rejected requests",
        refused,
    ));
    readings.extend(throughput(runs));
    readings.extend(waiting(runs));
    readings.extend(response_times(runs));
    readings.push(abandonment(runs));
    readings.extend(instances(runs));
    readings.extend(cost(runs));
    readings
}

/// Returns a part of the requests as a share of them: of all together, and of each operation that has any. Without those of
/// each operation, a thousand polls would hide a payment that failed.
fn shares(
    runs: [&Measurements; 2],
    measure: Measure,
    name: &str,
    part: impl Fn(&OperationTally) -> u64,
) -> Vec<Reading> {
    let of = |operation: Option<Operation>| {
        let tallies = runs.map(|run| run.tally.operation(operation));
        let parts = tallies.each_ref().map(&part);
        let calls = tallies.each_ref().map(OperationTally::calls);
        let name = operation.map_or_else(
            || name.to_owned(),
            |operation| format!("{name}: {operation}"),
        );
        let has_any = operation.is_none() || parts != [0, 0];
        has_any.then(|| share(measure, name, parts, calls))
    };
    let operations = Operation::ALL.into_iter().map(Some);
    let all = [None].into_iter().chain(operations).filter_map(of);
    all.filter(is_exercised).collect()
}

fn share(measure: Measure, name: String, parts: [u64; 2], wholes: [u64; 2]) -> Reading {
    let figures = [0, 1].map(|run| figure::share(parts[run], wholes[run]));
    let [base, new] = figures;
    Reading {
        measure,
        name,
        unit: Unit::Share,
        worse: Worse::More,
        figures,
        at_least: [None; 2],
        samples: Some(wholes),
        distance: base.zip(new).map(|(base, new)| new - base),
        scatter: Scatter::of_shares(parts, wholes),
    }
}

fn throughput(runs: [&Measurements; 2]) -> Vec<Reading> {
    let of_operation = |operation: Operation| {
        let calls = runs.map(|run| run.tally.operation(Some(operation)).ok);
        let name = format!("successful requests/s: {operation}");
        rate(
            name,
            runs.map(Measurements::judged),
            calls,
            worse_by(operation),
        )
    };
    // Buyers and tickets are counted over the whole run, requests only after the warm-up: each is divided by its own time.
    let whole = runs.map(|run| run.ending.ended_at.since_start());
    let finished = runs.map(served);
    let tickets = runs.map(|run| run.tally.reached(Stage::Paid));
    let readings = Operation::ALL.into_iter().map(of_operation).chain([
        rate(
            "buyers served per second".to_owned(),
            whole,
            finished,
            Worse::Less,
        ),
        rate(
            "tickets sold per second".to_owned(),
            whole,
            tickets,
            Worse::Less,
        ),
    ]);
    readings.filter(is_exercised).collect()
}

/// Returns in which direction a change of throughput is worse. Polls, connections and leaving follow from how long buyers
/// wait, so more of them is neither better nor worse.
const fn worse_by(operation: Operation) -> Worse {
    match operation {
        Operation::QueueStatus | Operation::QueueLeave | Operation::SocketConnect => Worse::Neither,
        Operation::PageLoad
        | Operation::ShowList
        | Operation::ShowDetail
        | Operation::QueueCheck
        | Operation::SeatList
        | Operation::SeatReserve
        | Operation::PaymentProcess => Worse::Less,
    }
}

/// Returns the number of buyers who came to the end of their visit, with a ticket or without: not those who gave up on a
/// system that was slow or did not work.
fn served(run: &Measurements) -> u64 {
    let is_served = |reason: &LeaveReason| match reason {
        LeaveReason::Paid
        | LeaveReason::SoldOut
        | LeaveReason::TooManyConflicts
        | LeaveReason::WalkedAway => true,
        LeaveReason::OutOfPatience
        | LeaveReason::HoldExpired
        | LeaveReason::TooManyErrors
        | LeaveReason::Unfinished => false,
    };
    let served = LeaveReason::ALL.into_iter().filter(is_served);
    served.map(|reason| run.tally.left_for(reason)).sum()
}

fn rate(name: String, lengths: [Duration; 2], counts: [u64; 2], worse: Worse) -> Reading {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let per_second = |run: usize| counts[run] as f64 / lengths[run].as_secs_f64().max(1e-9);
    Reading {
        measure: Measure::Throughput,
        name,
        unit: Unit::PerSecond,
        worse,
        figures: [Some(per_second(0)), Some(per_second(1))],
        at_least: [None; 2],
        samples: Some(counts),
        distance: None,
        scatter: Scatter::of_count(counts[0]),
    }
}

/// Returns whether either run has samples: a row of zeros on both sides would count as agreement.
fn is_exercised(reading: &Reading) -> bool {
    reading.samples.is_none_or(|[base, new]| base + new > 0)
}

fn waiting(runs: [&Measurements; 2]) -> Vec<Reading> {
    let histograms = runs.map(|run| &run.tally.waiting_time);
    let reading = |percent: u8| {
        let name = format!("waiting time p{percent}");
        percentile(Measure::WaitingTime, name, histograms, percent)
    };
    let readings = [50, 95].map(reading).into_iter();
    readings.filter(is_exercised).collect()
}

fn response_times(runs: [&Measurements; 2]) -> Vec<Reading> {
    let of = |operation: Operation| {
        let histograms = runs.map(|run| run.tally.operation(Some(operation)).successful());
        let kinds = [
            (Measure::ResponseTimeP50, 50),
            (Measure::ResponseTimeP95, 95),
            (Measure::ResponseTimeP99, 99),
        ];
        kinds.map(|(measure, percent)| {
            let name = format!("response time p{percent}: {operation}");
            percentile(measure, name, histograms.each_ref(), percent)
        })
    };
    let readings = Operation::ALL.into_iter().flat_map(of);
    readings.filter(is_exercised).collect()
}

fn percentile(measure: Measure, name: String, histograms: [&Histogram; 2], percent: u8) -> Reading {
    let percent = f64::from(percent);
    let seconds = |histogram: &Histogram| {
        let length = histogram.percentile(percent);
        length.map(|length| length.as_secs_f64())
    };
    Reading {
        measure,
        name,
        unit: Unit::Seconds,
        worse: Worse::More,
        figures: histograms.map(seconds),
        at_least: [None; 2],
        samples: Some(histograms.map(Histogram::count)),
        distance: None,
        scatter: Scatter::of_percentile(histograms, percent),
    }
}

fn abandonment(runs: [&Measurements; 2]) -> Reading {
    // Of all buyers and not of those who queued: whether a buyer has to queue is part of what is compared.
    let gone = runs.map(|run| run.tally.left_for(LeaveReason::OutOfPatience));
    let started = runs.map(|run| run.tally.arrivals.started);
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let part = |run: usize| (started[run] > 0).then(|| gone[run] as f64 / started[run] as f64);
    Reading {
        measure: Measure::Abandonment,
        name: "buyers who gave up waiting".to_owned(),
        unit: Unit::Share,
        worse: Worse::More,
        figures: [part(0), part(1)],
        at_least: [None; 2],
        samples: Some(gone),
        distance: None,
        scatter: Scatter::of_count(gone[0]),
    }
}

fn instances(runs: [&Measurements; 2]) -> Vec<Reading> {
    // The group counts an unhealthy instance as in service until it replaces it.
    let in_service = |gauges: &Gauges| gauges.instances_in(&IN_SERVICE);
    let desired = |gauges: &Gauges| gauges.desired_instances;
    let compared = [
        ("instances in service", levels::compare(runs, in_service)),
        ("desired instances", levels::compare(runs, desired)),
    ];
    let reading = |(name, levels): (&str, Option<levels::Levels>)| {
        let levels = levels?;
        Some(Reading {
            measure: Measure::Instances,
            name: format!("{name}, mean difference"),
            unit: Unit::Instances,
            worse: Worse::Neither,
            figures: levels.means.map(Some),
            at_least: [None; 2],
            samples: None,
            distance: (levels.means[0] > 0.0).then(|| levels.distance / levels.means[0]),
            scatter: Scatter::None,
        })
    };
    compared.into_iter().filter_map(reading).collect()
}

/// Returns the cost of the sale; `None` if either run has none, or if they are in different currencies.
fn cost(runs: [&Measurements; 2]) -> Option<Reading> {
    let statements = runs.map(|run| run.ending.statement.as_ref());
    let [Some(base), Some(new)] = statements else {
        return None;
    };
    let totals = [&base.run.total, &new.run.total];
    (base.currency == new.currency).then(|| Reading {
        measure: Measure::Cost,
        name: "cost of this sale".to_owned(),
        unit: Unit::Money,
        worse: Worse::More,
        figures: totals.map(Amount::exact),
        at_least: totals.map(|total| match total {
            Amount::Exact(_) => None,
            Amount::AtLeast { at_least, .. } => Some(*at_least),
        }),
        samples: None,
        distance: None,
        scatter: Scatter::None,
    })
}
