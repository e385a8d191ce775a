//! How far buyers came, and how their visits ended.

use super::admissions;
use super::document::Document;
use super::events;
use crate::chart::{Bar, BarChart};
use crate::number::Number;
use crate::page::{Cell, Column, ColumnKind, Section, Table};
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
    let section = admissions::explain(document.admissions.as_ref(), section);
    let section = if document.dropped == Dropped::default() {
        section
    } else {
        section.with(dropped(document))
    };
    let section = section.with(
        Table::pairs(ColumnKind::Number)
            .titled("How visits ended")
            .with_rows(ends),
    );
    match habits(document) {
        Some(table) => section.with(table),
        None => section,
    }
}

/// Programs among the buyers, and reloads of the page; `None` if there were neither.
fn habits(document: &Document) -> Option<Table> {
    let row = |what: &str, count, share: Option<f64>| {
        let share = Cell::number(share.map(Number::share));
        vec![Cell::text(what), Cell::count(count), share]
    };
    let bots = document.bots.into_iter().flat_map(|bots| {
        [
            row("Bots, of all buyers", bots.arrived, bots.share_of_buyers),
            row(
                "Tickets sold to bots, of all tickets",
                bots.tickets,
                bots.share_of_tickets,
            ),
        ]
    });
    let reloads = (document.reloads > 0).then(|| {
        row(
            "Reloads of the page by waiting buyers",
            document.reloads,
            None,
        )
    });
    let rows: Vec<_> = bots.chain(reloads).collect();
    let columns = vec![
        Column::label(""),
        Column::number("Count"),
        Column::number("Share"),
    ];
    (!rows.is_empty()).then(|| {
        Table::new(columns)
            .titled("Bots and reloads")
            .with_rows(rows)
    })
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
