//! `tiketi-sim cost`: estimates the monthly bill of an architecture with one or more price books, without a run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::again::quoted;
use super::draft::Drafts;
use super::exit::{Exit, complain};
use super::{prices, source, summary};
use tiketi_cost::price_book::{Basis, Currency, Exchange, PriceBook};
use tiketi_cost::study::Study;
use tiketi_report::cost_study::{self, CostStudy};
use tiketi_report::page::Page;
use tiketi_report::{html, json, markdown};
use tiketi_scenario::{self as scenario, Overrides, Plan};

/// The documented architecture: every value is the default.
const DOCUMENTED: &str = "name = \"documented\"\n";
/// The topology of the CloudMart architecture.
const CLOUDMART: &str = include_str!("../../scenarios/studies/cloudmart.toml");

/// Flags of `cost`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CostArguments {
    /// Scenario whose topology is priced [default: the documented architecture, and CloudMart's cost per hour].
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub scenario: Option<PathBuf>,
    /// Price book, built in or a file; can be repeated [default: all built-in books].
    #[arg(long, value_name = "BOOK|FILE")]
    pub prices: Vec<String>,
    /// Exchange rate, in won per dollar (overrides the price books).
    #[arg(long, value_name = "NUMBER", value_parser = parse_rate)]
    pub won_per_dollar: Option<f64>,
    /// Also write `cost-table.md`, `cost-table.html` and `cost-table.json` to this folder.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  tiketi-sim cost
  tiketi-sim cost scenarios/spike.toml --prices aws-ap-northeast-2 --won-per-dollar 1450
  tiketi-sim cost --prices documented-krw --prices my-prices.toml --out reports/cost

Compares the estimate with the documented bill, line by line. Usage is taken from the documents: 20
hours per month with the largest fleet, and 500 GB of traffic. The table goes to stdout.

Exit codes: 0 done, whatever the result · 104 invalid scenario or price book";

/// Prints the study, and writes it to the folder if there is one.
pub(super) fn cost(flags: &CostArguments) -> Exit {
    carry_out(flags).unwrap_or_else(|exit| exit)
}

fn carry_out(flags: &CostArguments) -> Result<Exit, Exit> {
    let (plan, cloudmart) = match &flags.scenario {
        Some(path) => (source::load(path, &Overrides::default())?, None),
        None => (
            shipped("documented.toml", DOCUMENTED),
            Some(shipped("cloudmart.toml", CLOUDMART)),
        ),
    };
    let books = books(flags)?;
    let study = Study::new(&plan, &books, cloudmart.as_ref());
    let document = cost_study::document(study, &command_line(flags));
    let page = cost_study::page(&document);
    let folder = flags.out.as_deref();
    let written = folder.map_or(Ok(()), |folder| write(folder, &document, &page));
    let printed = summary::print(&page, folder.filter(|_| written.is_ok()));
    written.map_err(|error| {
        complain(
            format_args!("cannot write the cost table: {error}"),
            Some("choose another folder with --out"),
        );
        Exit::BadScenario
    })?;
    printed.map(|()| Exit::Success)
}

fn shipped(name: &str, text: &str) -> Plan {
    scenario::load(name, text, &Overrides::default())
        .expect("a test loads every scenario in the program")
}

/// Loads the requested price books and applies the requested exchange rate.
fn books(flags: &CostArguments) -> Result<Vec<PriceBook>, Exit> {
    let names: Vec<&str> = if flags.prices.is_empty() {
        PriceBook::BUILT_IN.to_vec()
    } else {
        flags.prices.iter().map(String::as_str).collect()
    };
    let mut books: Vec<_> = names
        .into_iter()
        .map(prices::load)
        .collect::<Result<_, _>>()?;
    if let Some(won_per_unit) = flags.won_per_dollar {
        let in_dollars = |book: &&mut PriceBook| book.currency == Currency::Usd;
        for book in books.iter_mut().filter(in_dollars) {
            book.exchange = Exchange {
                won_per_unit,
                basis: Basis::Assumption,
                source: "set with --won-per-dollar".to_owned(),
            };
        }
    }
    Ok(books)
}

fn write(folder: &Path, document: &CostStudy, page: &Page) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut drafts = Drafts::default();
    drafts.add(&folder.join("cost-table.md"), markdown::render(page))?;
    drafts.add(&folder.join("cost-table.html"), html::render(page))?;
    drafts.add(&folder.join("cost-table.json"), json(document))?;
    drafts.commit()
}

/// Returns the command that repeats the study.
fn command_line(flags: &CostArguments) -> String {
    let path = |path: &PathBuf| quoted(&path.display().to_string());
    let mut words = vec!["tiketi-sim".to_owned(), "cost".to_owned()];
    words.extend(flags.scenario.as_ref().map(path));
    for book in &flags.prices {
        words.extend(["--prices".to_owned(), quoted(book)]);
    }
    if let Some(rate) = flags.won_per_dollar {
        words.extend(["--won-per-dollar".to_owned(), rate.to_string()]);
    }
    if let Some(folder) = &flags.out {
        words.extend(["--out".to_owned(), path(folder)]);
    }
    words.join(" ")
}

/// The value of `--won-per-dollar` is not an exchange rate.
#[derive(Debug, thiserror::Error)]
#[error("invalid exchange rate (expected a number from 0.01 to 1000000, such as 1450)")]
struct InvalidRate;

/// Reads an exchange rate.
fn parse_rate(text: &str) -> Result<f64, InvalidRate> {
    let rate: f64 = text.parse().map_err(|_| InvalidRate)?;
    if (0.01..=1e6).contains(&rate) {
        Ok(rate)
    } else {
        Err(InvalidRate)
    }
}
