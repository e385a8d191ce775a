//! The commands of the user that carried out faults.

use serde::Serialize;

use tiketi_core::fault::catalog::FaultKind;
use tiketi_measure::Measurements;
use tiketi_measure::command::{CommandOutcome, CommandRun, Purpose};

use crate::number::Number;
use crate::page::{Cell, Column, Prose, Section, Status, Table};
use crate::wording::capitalized;

/// One command, for programs.
#[derive(Clone, Debug, Serialize)]
pub struct CommandRow {
    /// The kind of fault.
    pub action: FaultKind,
    /// The name of the fault.
    pub fault: String,
    /// Whether it starts the fault or ends it.
    pub purpose: Purpose,
    /// When it had ended, in seconds since the start of the run.
    pub at_seconds: f64,
    /// How long it took, in seconds of real time.
    pub took_seconds: f64,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: CommandOutcome,
    /// Whether it did what it is for.
    pub ok: bool,
    /// The last line that it wrote; `None` if it wrote nothing.
    pub last_line: Option<String>,
    /// The file with the beginning and the end of its output, in the folder of the run; `None` if there is none.
    pub output: Option<String>,
}

/// Returns the commands as data.
pub(super) fn rows(run: &Measurements) -> Vec<CommandRow> {
    let row = |command: &CommandRun| CommandRow {
        action: command.action,
        fault: command.fault.clone(),
        purpose: command.purpose,
        at_seconds: command.at.as_secs_f64(),
        took_seconds: command.took.as_secs_f64(),
        outcome: command.outcome.clone(),
        ok: !command.outcome.is_failure(),
        last_line: command.last_line.clone(),
        output: command.output.clone(),
    };
    run.ending.commands.iter().map(row).collect()
}

/// The section; `None` without commands.
pub(super) fn section(run: &Measurements) -> Option<Section> {
    let commands = &run.ending.commands;
    if commands.is_empty() {
        return None;
    }
    let row = |command: &CommandRun| {
        let ended = Cell::text(capitalized(&command.ended()));
        let ended = match &command.last_line {
            Some(line) => ended.with_note(line),
            None => ended,
        };
        vec![
            Cell::status(Status::of(!command.outcome.is_failure())),
            Cell::text(format!("{} \"{}\"", command.action, command.fault)),
            Cell::code(command.purpose.name()),
            Cell::number(Number::instant(command.at)),
            ended,
            match &command.output {
                Some(file) => Cell::code(file),
                None => Cell::text("none"),
            },
        ]
    };
    let columns = vec![
        Column::status(),
        Column::label("Fault"),
        Column::label("Command"),
        Column::number("Ended at"),
        Column::prose("Result"),
        Column::label("Output"),
    ];
    let note = "Programs of the scenario that start (`run`) and end (`end`) faults. If one fails, the fault may not have taken place or \
                may not be over, so that the run is inconclusive. Files are in the folder of the run.";
    let table = Table::new(columns).with_rows(commands.iter().map(row));
    let section = Section::new("Faults carried out by commands");
    Some(section.with(Prose::muted(note)).with(table))
}
