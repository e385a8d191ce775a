//! Response times by operation, other durations, and failed requests.

use tiketi_measure::Measurements;

use super::access;
use super::charts;
use super::document::{CallRow, Document, NamedStatistics, Statistics};
use super::steps;
use crate::chart::ChartGroup;
use crate::number::Number;
use crate::page::{Cell, Column, Prose, Section, Table};

/// Statistics in the order of the columns.
const STATISTICS: [&str; 6] = ["p(50)", "p(90)", "p(95)", "p(99)", "p(99.9)", "max"];

/// Latency and failures.
pub(super) fn section(document: &Document, run: &Measurements) -> Section {
    let note = format!(
        "Response time is measured from when the request was scheduled (what the buyer experienced); service time from when \
         it was actually sent. Failed requests are included, the warm-up of {} is not.",
        Number::duration(run.plan.clock.warmup)
    );
    let note = match access::in_response_times(run) {
        Some(network) => format!("{note} {network}"),
        None => note,
    };
    let mut section = Section::new("Latency")
        .with(Prose::muted(note))
        .with(ChartGroup::stacked(vec![charts::percentiles(run)]))
        .with(durations(document));
    if !document.steps.is_empty() {
        section = section.with(steps::table(&document.steps));
    }
    if !document.errors.is_empty() {
        section = section.with(failures(document));
    }
    section
}

fn durations(document: &Document) -> Table {
    let mut columns = vec![
        Column::label("Response time"),
        Column::number("Requests"),
        Column::number("Failed"),
    ];
    columns.extend(STATISTICS.map(Column::number));
    let mut table = Table::new(columns).with_rows(document.calls.iter().map(by_operation));
    if let Some(all) = document.calls.last() {
        let name = Cell::text("Service time of all operations");
        let cells = [name, Cell::empty(), Cell::empty()].into_iter();
        table.push(cells.chain(statistics(&all.service_time)).collect());
    }
    let others = document.metrics.iter();
    let others = others.filter(|metric| metric.statistics.count > 0);
    table.with_rows(others.map(other))
}

fn by_operation(row: &CallRow) -> Vec<Cell> {
    let name = match row.operation.as_str() {
        "all" => Cell::text("All operations"),
        operation => Cell::code(operation),
    };
    let cells = [name, Cell::count(row.calls), Cell::count(row.failed)];
    let times = statistics(&row.response_time);
    cells.into_iter().chain(times).collect()
}

fn other(metric: &NamedStatistics) -> Vec<Cell> {
    let title = match metric.name.as_str() {
        "waiting_time" => "Time in the queue",
        "waited_at_abandonment" => "Time in the queue before giving up",
        "fan_out_delay" => "Broadcast latency",
        "send_lag" => "Scheduling delay of the generator",
        other => other,
    };
    let samples = metric.statistics.count;
    let cells = [Cell::text(title), Cell::count(samples), Cell::empty()];
    let times = statistics(&metric.statistics);
    cells.into_iter().chain(times).collect()
}

fn statistics(statistics: &Statistics) -> [Cell; 6] {
    [
        statistics.p50,
        statistics.p90,
        statistics.p95,
        statistics.p99,
        statistics.p99_9,
        statistics.max,
    ]
    .map(|seconds| Cell::number(seconds.map(Number::seconds)))
}

fn failures(document: &Document) -> Table {
    let columns = vec![
        Column::label("Operation"),
        Column::label("Reason"),
        Column::number("Requests"),
    ];
    let rows = document.errors.iter().map(|error| {
        vec![
            Cell::code(error.operation.name()),
            Cell::text(&error.kind),
            Cell::count(error.calls),
        ]
    });
    Table::new(columns)
        .titled("Failed requests by reason")
        .with_rows(rows)
}
