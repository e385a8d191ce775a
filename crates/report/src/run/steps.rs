//! Requests of an API mapping that have no operation of their own: each counts as a part of one.

use serde::Serialize;
use tiketi_measure::Measurements;
use tiketi_scenario::operation::Operation;

use crate::number::Number;
use crate::page::{Cell, Column, Table};

/// One of them.
#[derive(Clone, Debug, Serialize)]
pub struct StepRow {
    /// Its name in the mapping.
    pub step: String,
    /// The operation that it counts as.
    pub operation: Operation,
    /// How many there were in the whole run.
    pub calls: u64,
    /// Of these, the ones that failed.
    pub failed: u64,
    /// The mean response time in seconds.
    pub mean_seconds: f64,
    /// The longest response time in seconds.
    pub max_seconds: f64,
}

/// The steps of a run on a target; none on the testbed.
#[expect(
    clippy::cast_precision_loss,
    reason = "no run has as many requests as a double has digits"
)]
pub(super) fn steps(run: &Measurements) -> Vec<StepRow> {
    let target = run.ending.target.as_ref();
    let steps = target.into_iter().flat_map(|target| &target.witness.steps);
    let row = |(name, step): (&String, &tiketi_measure::witness::StepFigures)| StepRow {
        step: name.clone(),
        operation: step.operation,
        calls: step.calls,
        failed: step.failed,
        mean_seconds: step.total.as_secs_f64() / step.calls.max(1) as f64,
        max_seconds: step.longest.as_secs_f64(),
    };
    steps.map(row).collect()
}

/// The steps as a table.
pub(super) fn table(steps: &[StepRow]) -> Table {
    let columns = vec![
        Column::label("Step"),
        Column::label("Counts as"),
        Column::number("Requests"),
        Column::number("Failed"),
        Column::number("mean"),
        Column::number("max"),
    ];
    let rows = steps.iter().map(|step| {
        vec![
            Cell::code(&step.step),
            Cell::code(step.operation.name()),
            Cell::count(step.calls),
            Cell::count(step.failed),
            Cell::number(Number::seconds(step.mean_seconds)),
            Cell::number(Number::seconds(step.max_seconds)),
        ]
    });
    Table::new(columns)
        .titled("Steps of the API mapping, in the whole run")
        .with_rows(rows)
}
