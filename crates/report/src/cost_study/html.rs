//! The study as a page that stands alone.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::CostStudy;
use super::markdown::{book_line, use_of_the_month};
use crate::chart::{Bar, bars};
use crate::words::{self, money, won};
use tiketi_cost::comparison::Row;
use tiketi_cost::price_book::Currency;
use tiketi_cost::study::{CLOUDMART_HOUR, Hour, Month};

/// Looks of the page, those of a run's report.
const STYLE: &str = include_str!("../report.css");

/// Renders the page.
pub fn render(document: &CostStudy) -> String {
    let verdict = if document.ok { "good" } else { "bad" };
    let months = &document.study.months;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Cost of " (document.study.scenario) " · tiketi-sim" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        p.eyebrow { "Study of cost" }
                        h1 { (document.question) }
                        p.answer.(verdict) { (document.answer) }
                    }
                    section {
                        h2 { "What was found" }
                        ul { @for finding in &document.findings { li { (finding) } } }
                    }
                    (documented_month(months))
                    @if let Some(hour) = &document.study.hour { (cloudmart(hour)) }
                    section {
                        h2 { "Every line" }
                        @for month in months { (bill(month)) }
                    }
                    footer { p { "Run again: " code { (document.run_again) } } }
                }
            }
        }
    };
    page.into_string()
}

fn documented_month(months: &[Month]) -> Markup {
    let rows = months.first().map(|month| &month.statement.documented.rows);
    html! {
        section {
            h2 { "The documented month (A24), line by line" }
            p.muted { (use_of_the_month()) }
            div.wide {
                table {
                    thead {
                        tr {
                            th { "Won a month" }
                            th.number { "Documented" }
                            th.number { "Its parts" }
                            @for month in months { th.number { "At " (month.statement.price_book) } }
                        }
                    }
                    tbody {
                        @for (place, row) in rows.into_iter().flatten().enumerate() {
                            tr {
                                td { (title(row)) }
                                td.number { (won(row.documented)) }
                                td.number { (maybe(row.added_up)) }
                                @for month in months {
                                    td.number { (maybe(month.statement.documented.rows[place].computed)) }
                                }
                            }
                        }
                    }
                }
            }
            @for month in months {
                p.muted {
                    (month.statement.price_book) ": " (book_line(month)) "."
                    @for left_out in words::left_out(&month.statement.month) { " Counted as nothing, " (left_out) "." }
                }
            }
            (chart(months))
        }
    }
}

/// The documented lines beside those at list prices; sums are left out, which would dwarf them.
fn chart(months: &[Month]) -> Markup {
    let bar = |name: String, amount: f64| Bar {
        name,
        value: amount,
        label: won(amount),
    };
    html! {
        @for month in months.iter().skip(1) {
            @let rows = &month.statement.documented.rows;
            @let leaves = rows.iter().filter(|row| row.added_up.is_none() && !row.name.starts_with("saving-"));
            @let pairs: Vec<_> = leaves.flat_map(|row| {
                let documented = bar(row.title.clone(), row.documented);
                [Some(documented), row.computed.map(|amount| bar("at list prices".to_owned(), amount))]
            }).flatten().collect();
            h3 { "Documented, and at " (month.statement.price_book) }
            figure { (PreEscaped(bars("Documented lines and list prices", &pairs))) }
        }
    }
}

fn cloudmart(hour: &Hour) -> Markup {
    let shown = |amount| money(amount, hour.currency);
    html! {
        section {
            h2 { "CloudMart's hour (B9)" }
            table {
                thead { tr { th { "What stands there, at " (hour.price_book) } th.number { "An hour" } } }
                tbody {
                    @for (title, amount) in &hour.lines {
                        tr { td { (title) } td.number { (shown(*amount)) } }
                    }
                    tr { td { strong { "In all" } } td.number { strong { (shown(hour.total)) } } }
                    tr { td { "Documented" } td.number { (money(CLOUDMART_HOUR, Currency::Usd)) } }
                }
            }
        }
    }
}

fn bill(month: &Month) -> Markup {
    let statement = &month.statement;
    let shown = |amount: Option<f64>| {
        amount.map_or_else(|| "–".to_owned(), |some| money(some, statement.currency))
    };
    html! {
        details {
            summary { (statement.price_book) ": " (money(statement.month.total, statement.currency)) " a month" }
            div.wide {
                table {
                    thead {
                        tr { th { "Item" } th.number { "Quantity" } th { "Unit" } th.number { "Price" } th.number { "A month" } th { "Source" } }
                    }
                    tbody {
                        @for line in &statement.month.lines {
                            tr {
                                td { (line.title) }
                                td.number { (line.quantity.map_or_else(|| "not metered".to_owned(), |some| format!("{some:.2}"))) }
                                td { (line.unit) }
                                td.number { (shown(line.unit_price)) }
                                td.number { (shown(line.amount)) }
                                td.muted { span.tag { (words::basis(line.basis)) } " " (line.source) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn title(row: &Row) -> Markup {
    html! {
        @match row.adds_up() {
            Some(false) => { strong { (row.title) } " " span.wrong { "does not add up" } }
            Some(true) => strong { (row.title) },
            None => (row.title),
        }
    }
}

fn maybe(amount: Option<f64>) -> String {
    amount.map_or_else(|| "–".to_owned(), won)
}
