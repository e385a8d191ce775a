//! The study as Markdown: for the terminal, a pull request, a repository.

use std::fmt::Write as _;

use super::CostStudy;
use crate::words::{self, money, won};
use tiketi_cost::comparison::Row;
use tiketi_cost::study::{CLOUDMART_HOUR, Hour, Month, PEAK_HOURS, TRANSFER_GB};

/// Renders the study; the answer is the first line.
pub fn render(document: &CostStudy) -> String {
    let mut page = Page::default();
    page.line(&document.answer);
    page.line("");
    page.line(&format!("# {}", document.question));
    page.line("");
    for finding in &document.findings {
        page.line(&format!("- {finding}"));
    }
    page.documented_month(&document.study.months);
    if let Some(hour) = &document.study.hour {
        page.hour(hour);
    }
    for month in &document.study.months {
        page.bill(month);
    }
    page.line("");
    page.line(&format!("Run again: `{}`", document.run_again));
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").expect("writing to a string cannot fail");
    }

    fn heading(&mut self, title: &str) {
        self.line("");
        self.line(&format!("## {title}"));
        self.line("");
    }

    /// A row of a table.
    fn cells(&mut self, cells: &[String]) {
        self.line(&format!("| {} |", cells.join(" | ")));
    }

    fn header(&mut self, titles: &[String], numbers_from: usize) {
        self.cells(titles);
        let places = 0..titles.len();
        let rules: Vec<_> = places
            .map(|place| if place < numbers_from { "---" } else { "---:" }.to_owned())
            .collect();
        self.cells(&rules);
    }

    fn documented_month(&mut self, months: &[Month]) {
        self.heading("The documented month, line by line");
        self.line(&use_of_the_month());
        self.line("");
        let mut titles = vec![
            "Won a month".to_owned(),
            "Documented".to_owned(),
            "Its parts".to_owned(),
        ];
        let book = |month: &Month| format!("At {}", month.statement.price_book);
        titles.extend(months.iter().map(book));
        self.header(&titles, 1);
        let Some(first) = months.first() else { return };
        for (place, row) in first.statement.documented.rows.iter().enumerate() {
            let mut cells = vec![title(row), won(row.documented), maybe(row.added_up)];
            let of = |month: &Month| maybe(month.statement.documented.rows[place].computed);
            cells.extend(months.iter().map(of));
            self.cells(&cells);
        }
        for month in months {
            let statement = &month.statement;
            self.line("");
            self.line(&format!("{}: {}.", statement.price_book, book_line(month)));
            for left_out in words::left_out(&statement.month) {
                self.line(&format!("Counted as nothing, {left_out}."));
            }
        }
    }

    fn hour(&mut self, hour: &Hour) {
        self.heading("CloudMart's hour (B9)");
        let shown = |amount| money(amount, hour.currency);
        let titles = ["What stands there", "An hour"].map(str::to_owned);
        self.header(&titles, 1);
        for (title, amount) in &hour.lines {
            self.cells(&[title.clone(), shown(*amount)]);
        }
        self.cells(&["In all".to_owned(), shown(hour.total)]);
        let documented = money(CLOUDMART_HOUR, tiketi_cost::price_book::Currency::Usd);
        self.cells(&["Documented".to_owned(), documented]);
        self.line("");
        self.line(&format!(
            "At {}, topology of `{}`.",
            hour.price_book, hour.scenario
        ));
    }

    fn bill(&mut self, month: &Month) {
        let statement = &month.statement;
        let shown = |amount: Option<f64>| {
            amount.map_or_else(|| "–".to_owned(), |some| money(some, statement.currency))
        };
        self.heading(&format!("Every line at {}", statement.price_book));
        let titles = ["Item", "Unit", "Price from", "Quantity", "Price", "A month"];
        self.header(&titles.map(str::to_owned), 3);
        for line in &statement.month.lines {
            let quantity = line
                .quantity
                .map_or_else(|| "not metered".to_owned(), |some| format!("{some:.2}"));
            let source = format!("{}: {}", words::basis(line.basis), line.source);
            self.cells(&[
                line.title.clone(),
                line.unit.clone(),
                source,
                quantity,
                shown(line.unit_price),
                shown(line.amount),
            ]);
        }
        let mut sum = vec![String::new(); titles.len()];
        "In all".clone_into(&mut sum[0]);
        sum[titles.len() - 1] = shown(Some(statement.month.total));
        self.cells(&sum);
    }
}

/// What the months of the study use.
pub(super) fn use_of_the_month() -> String {
    format!(
        "The smallest fleet all month, the largest for {PEAK_HOURS} hours, {TRANSFER_GB} GB to the internet (A24); that all of it \
         passes the load balancer is an assumption."
    )
}

/// Where the prices of a month come from, and what a unit is in won.
pub(super) fn book_line(month: &Month) -> String {
    let statement = &month.statement;
    let exchange = &statement.exchange;
    format!(
        "prices {}; one unit is {} ({}: {})",
        statement.price_date,
        won(exchange.won_per_unit),
        words::basis(exchange.basis),
        exchange.source,
    )
}

fn title(row: &Row) -> String {
    match row.adds_up() {
        Some(false) => format!("**{}: does not add up**", row.title),
        Some(true) => format!("**{}**", row.title),
        None => row.title.clone(),
    }
}

fn maybe(amount: Option<f64>) -> String {
    amount.map_or_else(|| "–".to_owned(), won)
}
