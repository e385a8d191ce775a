//! How far buyers came, and how their visits ended.

use super::document::Document;
use super::events;
use crate::chart::{Bar, BarChart};
use crate::number::Number;
use crate::page::{Cell, ColumnKind, Section, Table};
use crate::wording::capitalized;

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
    Section::new("Buyer funnel")
        .with(BarChart {
            title: "Buyers who reached each stage".to_owned(),
            bars: bars.collect(),
        })
        .with(
            Table::pairs(ColumnKind::Number)
                .titled("How visits ended")
                .with_rows(ends),
        )
}
