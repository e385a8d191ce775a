//! What the run and a month cost.

use tiketi_cost::{Amount, Dimension, Statement};

use super::document::Document;
use crate::bill;
use crate::number::Number;
use crate::page::{Cell, Column, ColumnKind, Details, Prose, Section, Table};

/// The cost of the run, of a month, and the reference bill beside it.
pub(super) fn section(statement: &Statement, document: &Document) -> Section {
    let lines = bill::lines(&statement.run, statement.currency);
    Section::new("Cost")
        .with(totals(statement, document))
        .with_all(bill::warnings(&statement.run))
        .with(Prose::muted(format!(
            "Prices: {}, {}. The sale is charged for its own duration; a month is the smallest fleet all month plus what {} \
             such sales add.",
            statement.price_book, statement.price_date, statement.onsales_per_month
        )))
        .with(bill::by_item("Monthly cost by item", &statement.month, statement.currency))
        .with(bill::reference(&[statement]).titled("Reference bill, won per month (A24)"))
        .with(Details::closed(
            "All items of this run, with the source of each price",
            vec![lines.into()],
        ))
        .with(capacity_units(statement))
}

fn totals(statement: &Statement, document: &Document) -> Table {
    let money = |amount: &Amount| Number::amount(amount, statement.currency);
    let length = Number::seconds(document.run.scenario_seconds);
    let sales = statement.onsales_per_month;
    let row = |name: &str, amount: Option<&Amount>, note: String| {
        vec![
            Cell::text(name),
            Cell::number(amount.map(money)).with_note(note),
        ]
    };
    Table::pairs(ColumnKind::Number).with_rows([
        row(
            "This sale",
            Some(&statement.run.total),
            format!("all infrastructure for {length}"),
        ),
        row(
            "Per 1,000 buyers",
            statement.per_thousand_buyers.as_ref(),
            String::new(),
        ),
        row(
            "Per ticket sold",
            statement.per_ticket.as_ref(),
            String::new(),
        ),
        row(
            "Per month",
            Some(&statement.month.total),
            format!("with {sales} such sales"),
        ),
    ])
}

/// The load balancer's capacity units by hour and dimension.
fn capacity_units(statement: &Statement) -> Details {
    let mut columns = vec![Column::label("Hour")];
    columns.extend(Dimension::ALL.map(|dimension| Column::number(dimension.name())));
    columns.push(Column::label("Billed by"));
    let usage = &statement.usage;
    let rows = usage.load_balancer.iter().map(|hour| {
        let mut cells = vec![Cell::text((hour.hour + 1).to_string())];
        let units =
            Dimension::ALL.map(|dimension| Cell::number(Number::decimal(hour.of(dimension))));
        cells.extend(units);
        cells.push(Cell::text(hour.billed().0.name()));
        cells
    });
    let summary = format!(
        "Load balancer capacity units by hour: {} LCU-hours",
        Number::decimal(usage.lcu_hours())
    );
    Details::closed(summary, vec![Table::new(columns).with_rows(rows).into()])
}
