//! The page's section on cost.

use maud::{Markup, PreEscaped, html};

use super::chart::{Bar, bars};
use super::document::Document;
use super::words;
use tiketi_cost::{Dimension, Statement};

/// What the run and a month cost, and whether the documented month adds up.
pub(super) fn cost(document: &Document) -> Markup {
    let Some(statement) = &document.cost else {
        return html! {};
    };
    let money = |amount| words::money(amount, statement.currency);
    let maybe = |amount: Option<f64>| amount.map_or_else(|| "–".to_owned(), money);
    let bars_of_month: Vec<_> = statement
        .month
        .lines
        .iter()
        .filter_map(|line| {
            line.amount.map(|amount| Bar {
                name: line.title.clone(),
                value: amount,
                label: money(amount),
            })
        })
        .collect();
    html! {
        section {
            h2 { "Cost" }
            p {
                "This on-sale " strong { (money(statement.run.total)) } " · each 1,000 buyers "
                strong { (maybe(statement.per_thousand_buyers)) } " · each ticket sold "
                strong { (maybe(statement.per_ticket)) } " · a month with " (statement.onsales_per_month)
                " such on-sales " strong { (money(statement.month.total)) }
            }
            p.muted {
                "Prices: " (statement.price_book) ", " (statement.price_date) ". The on-sale is billed for its own length of all "
                "that stands there; the month for the smallest fleet throughout and what the on-sales use on top."
            }
            @for left_out in words::left_out(&statement.run) { p.muted { "Counted as nothing, " (left_out) "." } }
            h3 { "A month, item by item" }
            figure { (PreEscaped(bars("Cost of a month by item", &bars_of_month))) }
            (capacity(statement))
            (bill(statement))
            (documented_month(statement))
        }
    }
}

fn bill(statement: &Statement) -> Markup {
    let money = |amount: Option<f64>| {
        amount.map_or_else(
            || "–".to_owned(),
            |amount| words::money(amount, statement.currency),
        )
    };
    html! {
        details {
            summary { "Every line of this run, with the source of its price" }
            div.wide {
                table {
                    thead {
                        tr { th { "Item" } th.number { "Quantity" } th { "Unit" } th.number { "Price" } th.number { "Amount" } th { "Source" } }
                    }
                    tbody {
                        @for line in &statement.run.lines {
                            tr {
                                td { (line.title) }
                                td.number { (line.quantity.map_or_else(|| "not metered".to_owned(), |quantity| format!("{quantity:.3}"))) }
                                td { (line.unit) }
                                td.number { (money(line.unit_price)) }
                                td.number { (money(line.amount)) }
                                td.muted { span.tag { (words::basis(line.basis)) } " " (line.source) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The load balancer's capacity units, hour by hour and by dimension.
fn capacity(statement: &Statement) -> Markup {
    let usage = &statement.usage;
    html! {
        details {
            summary { "Capacity units of the load balancer: " (format!("{:.3}", usage.lcu_hours())) " LCU-hours, hour by hour" }
            table {
                thead {
                    tr {
                        th { "Hour" }
                        @for dimension in Dimension::ALL { th.number { (dimension.name()) } }
                        th { "Billed" }
                    }
                }
                tbody {
                    @for hour in &usage.load_balancer {
                        tr {
                            td { (hour.hour + 1) }
                            @for dimension in Dimension::ALL { td.number { (format!("{:.4}", hour.of(dimension))) } }
                            td { (hour.billed().0.name()) }
                        }
                    }
                }
            }
        }
    }
}

fn documented_month(statement: &Statement) -> Markup {
    let maybe = |amount: Option<f64>| amount.map_or_else(|| "–".to_owned(), words::won);
    html! {
        h3 { "The documented month (A24), added up" }
        table {
            thead { tr { th { "Won a month" } th.number { "Documented" } th.number { "Its parts add up to" } th.number { "Computed here" } } }
            tbody {
                @for row in &statement.documented.rows {
                    tr {
                        td {
                            (row.title)
                            @if row.adds_up() == Some(false) { " " span.wrong { "does not add up" } }
                        }
                        td.number { (words::won(row.documented)) }
                        td.number { (maybe(row.added_up)) }
                        td.number {
                            (maybe(row.computed))
                            @if let Some(used) = &row.used { br; span.muted { "for " (used) } }
                        }
                    }
                }
            }
        }
    }
}
