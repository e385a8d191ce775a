//! A cost study as a page.

use tiketi_cost::Amount;
use tiketi_cost::price_book::Currency;
use tiketi_cost::study::{CLOUDMART_HOUR, Hour, Month, PEAK_HOURS, TRANSFER_GB};

use super::{CostStudy, findings};
use crate::bill;
use crate::chart::{Bar, BarChart};
use crate::number::Number;
use crate::page::{Block, Cell, Column, Details, List, Page, Prose, Section, Table};

/// Makes the page of a study.
pub fn page(document: &CostStudy) -> Page {
    let study = &document.study;
    let mut sections = vec![
        Section::new("Findings").with(List::new(document.findings.clone())),
        reference_bill(&study.months),
    ];
    sections.extend(study.hour.as_ref().map(cloudmart));
    sections.push(Section::new("All items").with_all(study.months.iter().map(items)));
    Page {
        title: document.question.clone(),
        context: "Cost study: nothing is run".to_owned(),
        headline: findings::headline(study),
        sections,
        closing: Vec::new(),
        run_again: document.run_again.clone(),
        exit_code: None,
    }
}

fn reference_bill(months: &[Month]) -> Section {
    let statements: Vec<_> = months.iter().map(|month| &month.statement).collect();
    let mut section = Section::new("Reference bill, won per month (A24)")
        .with(Prose::muted(format!(
            "Usage: the smallest fleet all month, the largest for {PEAK_HOURS} hours, {TRANSFER_GB} GB to the internet (A24). \
             That all of it passes the load balancer is an assumption."
        )))
        .with(bill::reference(&statements));
    for month in months {
        section = section
            .with(Prose::muted(prices(month)))
            .with_all(bill::warnings(&month.statement.month));
    }
    section.with_all(months.iter().skip(1).map(comparison))
}

/// Where the prices of a month come from, and the exchange rate.
fn prices(month: &Month) -> String {
    let statement = &month.statement;
    let exchange = &statement.exchange;
    let source = format!("{}: prices {}", statement.price_book, statement.price_date);
    match statement.currency {
        Currency::Krw => format!("{source}."),
        Currency::Usd => format!(
            "{source}; $1 = {} ({}: {}).",
            Number::won(exchange.won_per_unit),
            bill::basis(exchange.basis),
            exchange.source
        ),
    }
}

/// The documented items beside those at list prices; sums would dwarf them and are left out.
fn comparison(month: &Month) -> BarChart {
    let statement = &month.statement;
    let rows = statement.documented.rows.iter();
    let items = rows.filter(|row| row.added_up.is_none() && !row.name.starts_with("saving-"));
    let bar = |name: String, value: Number| Bar {
        name,
        value,
        note: String::new(),
    };
    let bars = items.flat_map(|row| {
        let documented = bar(row.title.clone(), Number::won(row.documented));
        let name = format!("at {}", statement.price_book);
        let computed = row.computed.as_ref();
        let computed = computed.map(|amount| bar(name, Number::amount(amount, Currency::Krw)));
        [Some(documented), computed]
    });
    BarChart {
        title: format!("Documented, and at {}", statement.price_book),
        bars: bars.flatten().collect(),
    }
}

fn cloudmart(hour: &Hour) -> Section {
    let row = |title: &str, amount: &Amount, currency: Currency| {
        vec![
            Cell::text(title),
            Cell::number(Number::amount(amount, currency)),
        ]
    };
    let columns = vec![
        Column::label(format!("Infrastructure, at {}", hour.price_book)),
        Column::number("Per hour"),
    ];
    let lines = hour.lines.iter();
    let mut table = Table::new(columns)
        .with_rows(lines.map(|(title, amount)| row(title, &Amount::Exact(*amount), hour.currency)));
    table.push(row("Total", &hour.total, hour.currency));
    let documented = Amount::Exact(CLOUDMART_HOUR);
    table.push(row("Documented", &documented, Currency::Usd));
    Section::new("CloudMart's hour (B9)").with(table)
}

fn items(month: &Month) -> Details {
    let statement = &month.statement;
    let total = Number::amount(&statement.month.total, statement.currency);
    let lines: Block = bill::lines(&statement.month, statement.currency).into();
    let summary = format!("{}: {total} per month", statement.price_book);
    Details::closed(summary, vec![lines])
}
