//! How far buyers came, and how their visits ended.

use super::document::Document;
use super::events;
use crate::chart::{Bar, BarChart};
use crate::number::Number;
use crate::page::{Cell, ColumnKind, Section, Table};
use crate::wording::capitalized;
use tiketi_measure::tally::Dropped;

/// The funnel and the ends of visits.
pub(super) fn section(document: &Document) -> Section {
    let bars = document.funnel.iter().map(|step| Bar {
        name: capitalized(events::stage(step.stage)),
        value: Number::count(step.buyers),
        note: step
            .share
            .map_or_else(String::new, |share| Number::share(share).to_string()),
    });
    let ends = document.left.iter().map(|left| {
        vec![
            Cell::text(capitalized(events::reason(left.reason))),
            Cell::count(left.buyers),
        ]
    });
    let section = Section::new("Buyer funnel").with(BarChart {
        title: "Buyers who reached each stage".to_owned(),
        bars: bars.collect(),
    });
    let section = if document.dropped == Dropped::default() {
        section
    } else {
        section.with(dropped(document))
    };
    section.with(
        Table::pairs(ColumnKind::Number)
            .titled("How visits ended")
            .with_rows(ends),
    )
}

/// Buyers who lost their place in the queue, by what they did next. The funnel does not count them as admitted.
fn dropped(document: &Document) -> Table {
    let dropped = document.dropped;
    let rows = [
        (
            "bypassed the waiting room: went on to the seats without an admission",
            dropped.entered,
        ),
        ("joined the queue again", dropped.rejoined),
        (
            "went on to the seats without a message about an admission: dropped, or admitted before the socket was open",
            dropped.unannounced,
        ),
    ];
    let rows = rows.into_iter().filter(|(_, buyers)| *buyers > 0);
    Table::pairs(ColumnKind::Number)
        .titled("Buyers dropped from the queue, who are not counted as admitted")
        .with_rows(
            rows.map(|(what, buyers)| vec![Cell::text(capitalized(what)), Cell::count(buyers)]),
        )
}
