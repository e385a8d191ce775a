//! The price book chosen on the command line.

use clap::Args;

use super::exit::{Exit, complain};
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

/// Returns the requested price book, or `None` to keep the scenario's.
pub(super) fn asked_for(arguments: &PricesArguments) -> Result<Option<PriceBook>, Exit> {
    arguments.prices.as_deref().map(load).transpose()
}

/// Prices a run with the given book, if any. A run without a statement stays without one.
pub(super) fn bill_with(book: Option<&PriceBook>, run: &mut Measurements) {
    if let (Some(book), Some(statement)) = (book, &run.ending.statement) {
        run.ending.statement = Some(statement.at_prices_of(&run.plan, book));
    }
}

/// Loads a built-in book by its name, or a book from a file.
pub(super) fn load(name: &str) -> Result<PriceBook, Exit> {
    if let Some(book) = PriceBook::built_in(name) {
        return Ok(book);
    }
    let bytes = std::fs::read(name).map_err(|error| {
        let built_in = PriceBook::BUILT_IN.join(", ");
        complain(
            format_args!(
                "cannot read the price book `{name}`: {error} (expected one of {built_in}, or a file)"
            ),
            Some("to write your own price book, start from a copy of a file in scenarios/prices/"),
        );
        Exit::BadScenario
    })?;
    let text = source::decoded(name, &bytes)?;
    PriceBook::read(name, &text).map_err(|problems| source::refused(&problems))
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
        let book = load("aws-ap-northeast-2").unwrap();
        bill_with(Some(&book), &mut run);
        let billed = run.ending.statement.as_ref().unwrap();
        assert_eq!(billed.price_book, "aws-ap-northeast-2");
        assert_eq!(billed.usage, own.usage);
        run.ending.statement = None;
        bill_with(Some(&book), &mut run);
        assert_eq!(run.ending.statement, None);
    }
}
