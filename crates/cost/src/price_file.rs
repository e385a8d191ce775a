//! Reads price books from TOML files.

use serde::Deserialize;
use toml::Spanned;

use super::item::Item;
use super::price_book::{
    AMOUNT_MAX, Basis, Currency, Exchange, Figure, Per, Price, PriceBook, RATE_MIN,
};
use tiketi_scenario::Diagnostics;
use tiketi_scenario::diagnostic::Problem;

/// A price book as written in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBook {
    name: String,
    currency: Currency,
    date: String,
    source: String,
    exchange: RawExchange,
    #[serde(default)]
    by_heading: bool,
    prices: Vec<RawPrice>,
    #[serde(default)]
    figures: Vec<Spanned<Figure>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExchange {
    won_per_unit: Spanned<f64>,
    basis: Basis,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrice {
    item: Spanned<Item>,
    class: Option<String>,
    amount: Spanned<f64>,
    per: Per,
    basis: Basis,
    source: String,
}

/// Reads a price book, or returns its problems: the first syntax error, or else all invalid values.
pub(super) fn read(source_name: &str, text: &str) -> Result<PriceBook, Diagnostics> {
    let refuse = |problems| Diagnostics::new(source_name, text, problems);
    let raw: RawBook =
        toml::from_str(text).map_err(|error| refuse(vec![syntax_problem(&error)]))?;
    let mut problems = Vec::new();
    problems.extend(rate(&raw.exchange));
    problems.extend(raw.prices.iter().filter_map(amount));
    problems.extend(duplicates(&raw.prices));
    problems.extend(raw.figures.iter().filter_map(figure_amount));
    problems.extend(unknown_parts(&raw.figures));
    if !problems.is_empty() {
        return Err(refuse(problems));
    }
    Ok(PriceBook {
        name: raw.name,
        currency: raw.currency,
        date: raw.date,
        source: raw.source,
        exchange: Exchange {
            won_per_unit: raw.exchange.won_per_unit.into_inner(),
            basis: raw.exchange.basis,
            source: raw.exchange.source,
        },
        by_heading: raw.by_heading,
        prices: raw.prices.into_iter().map(price).collect(),
        figures: raw.figures.into_iter().map(Spanned::into_inner).collect(),
    })
}

fn price(raw: RawPrice) -> Price {
    Price {
        item: raw.item.into_inner(),
        class: raw.class,
        amount: raw.amount.into_inner(),
        per: raw.per,
        basis: raw.basis,
        source: raw.source,
    }
}

fn syntax_problem(error: &toml::de::Error) -> Problem {
    Problem::new(error.message().trim())
        .at(error.span().unwrap_or(0..0))
        .help("start from a copy of a file in scenarios/prices/")
}

fn rate(exchange: &RawExchange) -> Option<Problem> {
    let (place, rate) = (&exchange.won_per_unit, *exchange.won_per_unit.get_ref());
    (!(RATE_MIN..=AMOUNT_MAX).contains(&rate)).then(|| {
        Problem::new(format!("`won_per_unit` is {rate}"))
            .at(place.span())
            .expected("a number above 0, up to 1000000000")
            .help("a book in won has `won_per_unit = 1`")
    })
}

fn amount(price: &RawPrice) -> Option<Problem> {
    let amount = *price.amount.get_ref();
    (!(0.0..=AMOUNT_MAX).contains(&amount)).then(|| {
        Problem::new(format!("`amount` is {amount}"))
            .at(price.amount.span())
            .expected("a number from 0 to 1000000000")
            .help("leave out prices that are unknown; costs are then stated as lower bounds")
    })
}

/// Returns a problem for each price that is never used because an earlier one covers it.
fn duplicates(prices: &[RawPrice]) -> impl Iterator<Item = Problem> {
    prices.iter().enumerate().filter_map(|(place, price)| {
        let is_hidden = prices[..place].iter().any(|earlier| {
            let covers = earlier.class.is_none() || earlier.class == price.class;
            earlier.item.get_ref() == price.item.get_ref() && covers
        });
        is_hidden.then(|| {
            Problem::new("duplicate price: an earlier one covers the same item and class")
                .at(price.item.span())
                .expected("one price per item and class")
                .help("a price without `class` applies to every class: put it last")
        })
    })
}

/// Returns a problem for a documented amount that is no amount of money.
fn figure_amount(figure: &Spanned<Figure>) -> Option<Problem> {
    let (name, amount) = (&figure.get_ref().name, figure.get_ref().amount);
    (!(0.0..=AMOUNT_MAX).contains(&amount)).then(|| {
        Problem::new(format!("the `amount` of `{name}` is {amount}"))
            .at(figure.span())
            .expected("a number from 0 to 1000000000")
            .help("write the documented amount in the currency of the book")
    })
}

/// Returns a problem for each sum whose parts are not defined before it.
fn unknown_parts(figures: &[Spanned<Figure>]) -> impl Iterator<Item = Problem> {
    figures.iter().enumerate().flat_map(|(place, figure)| {
        let stated: Vec<_> = figures[..place]
            .iter()
            .map(|earlier| earlier.get_ref().name.as_str())
            .collect();
        let sum = figure.get_ref();
        let parts = sum.parts.iter().chain(&sum.minus);
        let unknown: Vec<_> = parts
            .filter(|part| !stated.contains(&part.as_str()))
            .map(|part| {
                let message = format!(
                    "`{}` is a sum of `{part}`, which is not defined before it",
                    sum.name
                );
                Problem::new(message)
                    .at(figure.span())
                    .expected(if stated.is_empty() {
                        "nothing is defined yet".to_owned()
                    } else {
                        stated.join(", ")
                    })
                    .help("define the parts of a sum before the sum")
            })
            .collect();
        unknown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "\
name     = 'x'
currency = 'KRW'
date     = 'd'
source   = 's'
exchange = { won_per_unit = 1, basis = 'documented', source = 's' }
";

    fn cache(amount: &str) -> String {
        format!(
            "[[prices]]\nitem = 'cache'\namount = {amount}\nper = 'unit'\nbasis = 'reported'\nsource = 's'\n"
        )
    }

    fn refusal(text: &str) -> String {
        read("mine.toml", text)
            .expect_err("the book is invalid")
            .to_string()
    }

    #[test]
    fn a_minimal_book_is_valid() {
        let book = read("mine.toml", &(HEAD.to_owned() + &cache("1.5"))).expect("a valid book");
        assert_eq!((book.name.as_str(), book.prices.len()), ("x", 1));
        assert!(!book.by_heading && book.figures.is_empty());
    }

    #[test]
    fn problems_have_a_position_and_expected_values() {
        let bad =
            HEAD.replace("won_per_unit = 1", "won_per_unit = 0") + &cache("-1") + &cache("nan");
        let shown = refusal(&bad);
        let lines: Vec<_> = shown.lines().collect();
        assert!(
            lines[0].starts_with(
                "mine.toml:5:29: `won_per_unit` is 0 (expected a number above 0, up to 1000000000)"
            ),
            "{shown}"
        );
        assert!(
            lines[1].starts_with(
                "mine.toml:8:10: `amount` is -1 (expected a number from 0 to 1000000000)"
            ),
            "{shown}"
        );
        assert!(
            lines[2].starts_with("mine.toml:13:8: duplicate price"),
            "{shown}"
        );
        assert!(
            lines[3].starts_with("mine.toml:14:10: `amount` is NaN"),
            "{shown}"
        );
    }

    #[test]
    fn infinite_and_absurd_amounts_are_refused() {
        for amount in ["inf", "1e10", "1.8446744073709552e19"] {
            let shown = refusal(&(HEAD.to_owned() + &cache(amount)));
            assert!(
                shown.contains("(expected a number from 0 to 1000000000)"),
                "{shown}"
            );
            let shown = refusal(
                &HEAD
                    .replace("won_per_unit = 1", &format!("won_per_unit = {amount}"))
                    .replace("exchange", "prices = []\nexchange"),
            );
            assert!(shown.contains("`won_per_unit` is "), "{shown}");
            let figure = format!("[[figures]]\nname = 'sum'\ntitle = 'Sum'\namount = {amount}\n");
            let shown = refusal(&(HEAD.to_owned() + &cache("1") + &figure));
            assert!(shown.contains("the `amount` of `sum` is "), "{shown}");
        }
    }

    #[test]
    fn unknown_items_and_keys_are_refused() {
        let shown = refusal(&(HEAD.to_owned() + &cache("1").replace("'cache'", "'cash'")));
        assert!(
            shown.starts_with("mine.toml:7:8: unknown variant `cash`, expected one of `instance`"),
            "{shown}"
        );
        let shown = refusal(&(HEAD.to_owned() + &cache("1") + "colour = 'red'\n"));
        assert!(
            shown.starts_with("mine.toml:12:1: unknown field `colour`, expected one of `item`"),
            "{shown}"
        );
        assert!(refusal("name = ").starts_with("mine.toml:1:"));
    }

    #[test]
    fn a_sum_of_undefined_parts_is_refused() {
        let figure = "[[figures]]\nname = 'sum'\ntitle = 'Sum'\namount = 1\nparts = ['missing']\n";
        let shown = refusal(&(HEAD.to_owned() + &cache("1") + figure));
        assert!(
            shown.contains("`sum` is a sum of `missing`, which is not defined before it"),
            "{shown}"
        );
    }
}
