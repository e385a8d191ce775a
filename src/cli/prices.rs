//! The price book chosen on the command line.

use std::path::Path;

use clap::Args;

use super::exit::{Exit, complain};
use super::input::{self, Kind};
use super::source;
use tiketi_cost::PriceBook;
use tiketi_measure::Measurements;

/// The flag for the price book.
#[derive(Clone, Debug, Default, Args)]
pub struct PricesArguments {
    /// Price book: `documented-krw`, `aws-ap-northeast-2`, or a file (overrides the scenario).
    #[arg(long, env = "TIKETI_SIM_PRICES", value_name = "BOOK|FILE")]
    pub prices: Option<String>,
}

/// A price book and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct ChosenBook {
    /// The book.
    pub(super) book: PriceBook,
    /// The text of its file, which is kept with the run; `None` for a built-in book.
    pub(super) text: Option<String>,
}

/// Returns the requested price book, or `None` to keep the scenario's.
pub(super) fn asked_for(arguments: &PricesArguments) -> Result<Option<ChosenBook>, Exit> {
    arguments.prices.as_deref().map(chosen).transpose()
}

/// Prices a run with the given book, if any. A run without a statement stays without one.
pub(super) fn bill_with(chosen: Option<&ChosenBook>, run: &mut Measurements) {
    if let (Some(chosen), Some(statement)) = (chosen, &run.ending.statement) {
        run.ending.statement = Some(statement.at_prices_of(&run.plan, &chosen.book));
    }
}

/// Loads a built-in book by its name, or a book from a file.
pub(super) fn load(name: &str) -> Result<PriceBook, Exit> {
    chosen(name).map(|chosen| chosen.book)
}

fn chosen(name: &str) -> Result<ChosenBook, Exit> {
    if let Some(book) = PriceBook::built_in(name) {
        return Ok(ChosenBook { book, text: None });
    }
    let path = Path::new(name);
    let bytes = input::bytes(Kind::PriceBook, path).map_err(|error| {
        if !error.is_not_found() {
            return source::cannot_read(Kind::PriceBook, path, &error);
        }
        let built_in = PriceBook::BUILT_IN.join(", ");
        complain(
            format_args!(
                "cannot read the price book `{name}`: {error} (expected one of {built_in}, or a file)"
            ),
            Some("to write your own price book, start from a copy of a file in scenarios/prices/"),
        );
        Exit::BadScenario
    })?;
    let text = source::decoded(path, &bytes)?;
    let book = PriceBook::read(&input::shown(path), &text);
    let book = book.map_err(|problems| source::refused(&problems))?;
    Ok(ChosenBook {
        book,
        text: Some(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::example;

    #[test]
    fn requested_prices_replace_those_of_the_run() {
        let mut run = example::run();
        let own = run.ending.statement.clone().unwrap();
        bill_with(None, &mut run);
        assert_eq!(run.ending.statement.as_ref(), Some(&own));
        let book = chosen("aws-ap-northeast-2").unwrap();
        bill_with(Some(&book), &mut run);
        let billed = run.ending.statement.as_ref().unwrap();
        assert_eq!(billed.price_book, "aws-ap-northeast-2");
        assert_eq!(billed.usage, own.usage);
        run.ending.statement = None;
        bill_with(Some(&book), &mut run);
        assert_eq!(run.ending.statement, None);
    }
}
