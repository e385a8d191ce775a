//! Why a run failed: how much of each tier was used, minute by minute.

use tiketi_verdict::cause::{Cause, Minute, SATURATED, Saturation, WINDOW};
use tiketi_verdict::figure::share;

use crate::number::Number;
use crate::page::{Block, Cell, Column, Details, List, Prose, Section, Status, Table};
use crate::wording::capitalized;

/// The section, beside the sentence in the headline; `None` if no tier was read.
pub(super) fn section(cause: &Cause) -> Option<Section> {
    let first = cause.minutes.first()?;
    let mut columns = vec![
        Column::label("From"),
        Column::number("Arrivals"),
        Column::number("Requests"),
        Column::number("Failed"),
    ];
    let tiers = first.used.iter().map(|used| used.tier);
    columns.extend(tiers.map(|tier| Column::number(capitalized(tier.title()))));
    let rows = cause.minutes.iter().map(|minute| row(minute, cause));
    let note = format!(
        "Mean use by minute, of the busiest instance and the fullest pool where there are several. A tier is saturated while at \
         least {} of it is used over {} s (an assumption).",
        Number::share(SATURATED),
        WINDOW.as_secs()
    );
    let blocks: Vec<Block> = vec![
        Prose::muted(note).into(),
        Table::new(columns).with_rows(rows).into(),
        List::titled("Saturated, the first one first", saturated(cause)).into(),
    ];
    let details = Details::closed("Use of each tier by minute", blocks);
    Some(Section::new("Why it failed").with(details))
}

fn row(minute: &Minute, cause: &Cause) -> Vec<Cell> {
    let failed = share(minute.failed, minute.requests);
    let mut cells = vec![
        Cell::text(Number::instant(minute.from).to_string()),
        Cell::count(minute.arrived),
        Cell::count(minute.requests),
        Cell::number(failed.map(Number::share)),
    ];
    // Each row has the tiers of the first one: a tier that was not read in this minute has an empty cell.
    let tiers = cause
        .minutes
        .first()
        .into_iter()
        .flat_map(|first| &first.used);
    cells.extend(tiers.map(|of| {
        let used = minute.used.iter().find(|used| used.tier == of.tier);
        let cell = Cell::number(used.map(|used| Number::share(used.share)));
        match used {
            Some(used) if used.share >= SATURATED => cell.colored(Status::Fail),
            Some(_) | None => cell,
        }
    }));
    cells
}

fn saturated(cause: &Cause) -> Vec<String> {
    let all = cause.bottleneck.iter().chain(&cause.others);
    let mut all: Vec<&Saturation> = all.collect();
    all.sort_by_key(|one| one.since());
    if all.is_empty() {
        return vec!["None.".to_owned()];
    }
    let told = all.into_iter().map(|one| {
        let spells: Vec<_> = one.spells.iter().collect();
        let spells = spells.iter().map(|spell| {
            let [from, until] = [spell.from, spell.until].map(Number::instant);
            format!("{from} to {until}")
        });
        let spells: Vec<_> = spells.collect();
        format!("{}: {}.", capitalized(one.tier.title()), spells.join(", "))
    });
    told.collect()
}
