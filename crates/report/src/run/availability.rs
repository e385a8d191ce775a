//! Availability: of the run by requests and by time, and of a year with the faults that are expected in it.

use tiketi_verdict::availability::{Availability, Year, YearlyDowntime};
use tiketi_verdict::figure::significant;

use super::page::pairs;
use crate::number::Number;
use crate::page::{Cell, Column, Prose, Section, Table};

/// What the numbers mean.
const NOTE: &str = "A second is up if the requests that ended in it meet the condition. The year counts, for each kind of fault, the \
                    seconds that were not up after its worst one in this run, as often as `availability.faults` states. What the \
                    scenario does not state is expected once (assumption).";

/// The section; `None` if nobody asked for anything.
pub(super) fn section(availability: &Availability) -> Option<Section> {
    let by_requests = availability.by_requests()?;
    let of_run = [
        (
            "Successful requests",
            format!(
                "{} of {} ({})",
                Number::count(availability.successful),
                Number::count(availability.attempts),
                exact(by_requests)
            ),
        ),
        (
            "Seconds up",
            format!(
                "{} of {} ({}), with `{}`",
                Number::count(availability.seconds_up),
                Number::count(availability.seconds),
                availability.by_time().map_or_else(String::new, exact),
                availability.condition
            ),
        ),
    ];
    let of_run = of_run.map(|(name, told)| (name.to_owned(), told));
    let mut section = Section::new("Availability").with(pairs("This run", of_run.into()));
    if let Some(year) = &availability.year {
        section = section.with(table(year)).with(Prose::muted(NOTE));
    }
    Some(section)
}

fn table(year: &Year) -> Table {
    let columns = vec![
        Column::label("Per year"),
        Column::prose("Times"),
        Column::prose("Downtime each"),
    ];
    let faults = year.faults.iter().map(|fault| {
        let assumed = if fault.is_stated { "" } else { " (assumption)" };
        let times = format!("{}{assumed}", significant(fault.per_year));
        vec![
            Cell::text(fault.action.name()),
            Cell::text(times),
            Cell::text(each(fault)),
        ]
    });
    let maintenance = (year.maintenances > 0.0).then(|| {
        vec![
            Cell::text("maintenance of the database"),
            Cell::text(significant(year.maintenances)),
            Cell::text(Number::duration(year.maintenance).to_string()),
        ]
    });
    let at_least = if year.is_whole { "" } else { "at least " };
    let sum = vec![
        Cell::text("all"),
        Cell::text(""),
        Cell::text(format!(
            "{at_least}{} down: {:.4}% available",
            Number::duration(year.down),
            year.share() * 100.0
        )),
    ];
    Table::new(columns)
        .titled("A year")
        .with_rows(faults.chain(maintenance).chain([sum]))
}

fn each(fault: &YearlyDowntime) -> String {
    let mut told = Number::duration(fault.measured).to_string();
    if !fault.is_over {
        told = format!("at least {told}: it had not ended");
    }
    if !fault.longer.is_zero() {
        let longer = Number::duration(fault.longer);
        told = format!("{told}, and {longer} because such a fault lasts longer than in this run");
    }
    if !fault.detection.is_zero() {
        let detection = Number::duration(fault.detection);
        told = format!("{told}, and {detection} until people notice it");
    }
    told
}

/// A share with four decimals of a percent: availability is about the last ones.
fn exact(share: f64) -> String {
    let shown = format!("{:.4}", share * 100.0);
    format!("{}%", shown.trim_end_matches('0').trim_end_matches('.'))
}
