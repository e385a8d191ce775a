//! The price book that the command line asks for.

use clap::Args;

use super::exit::{Exit, complain};
use super::source;
use tiketi_cost::PriceBook;
use tiketi_measure::Measurements;

/// Prices other than those the scenario names.
#[derive(Clone, Debug, Default, Args)]
pub struct PricesArguments {
    /// Prices to bill with, in place of the scenario's: `documented-krw`, `aws-ap-northeast-2`, or a file.
    #[arg(long, env = "TIKETI_SIM_PRICES", value_name = "BOOK|FILE")]
    pub prices: Option<String>,
}

/// The book that is asked for; `None` leaves the scenario's.
pub(super) fn asked_for(arguments: &PricesArguments) -> Result<Option<PriceBook>, Exit> {
    arguments.prices.as_deref().map(load).transpose()
}

/// Bills a run at the prices that are asked for; a run without a statement stays without.
pub(super) fn bill_with(book: Option<&PriceBook>, run: &mut Measurements) {
    if let (Some(book), Some(statement)) = (book, &run.ending.statement) {
        run.ending.statement = Some(statement.at_prices_of(&run.plan, book));
    }
}

/// A built-in book by its name, or one from a file.
pub(super) fn load(name: &str) -> Result<PriceBook, Exit> {
    if let Some(book) = PriceBook::built_in(name) {
        return Ok(book);
    }
    let text = std::fs::read_to_string(name).map_err(|error| {
        let built_in = PriceBook::BUILT_IN.join(", ");
        complain(
            format_args!(
                "price book `{name}`: cannot be read: {error} (legal: {built_in}, or a file)"
            ),
            Some("begin with a copy of one of scenarios/prices/*.toml"),
        );
        Exit::BadScenario
    })?;
    PriceBook::read(name, &text).map_err(|problems| source::refused(&problems))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::example;

    #[test]
    fn a_run_is_billed_at_the_prices_that_are_asked_for_and_else_at_its_own() {
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
