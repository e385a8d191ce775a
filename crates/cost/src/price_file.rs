//! Reads price books from TOML files.

use std::collections::BTreeSet;

use super::item::Item;
use super::price_book::{Basis, Exchange, Figure, Per, Price, PriceBook};
use tiketi_core::names::Named;
use tiketi_scenario::Diagnostics;
use tiketi_scenario::diagnostic::Problem;
use tiketi_scenario::document::{self, Section};
use tiketi_scenario::keys::{Form, Limits};

/// Prices, in the book's currency.
const AMOUNT: Limits<f64> = Limits::new(
    0.0,
    1e9,
    "leave out prices that are unknown: costs are then lower bounds; none is above a billion per unit",
);

/// Amounts of the reference bill, in the book's currency.
const FIGURE: Limits<f64> = Limits::new(-1e12, 1e12, "no monthly bill is above a trillion");

/// Exchange rates to won.
const WON_PER_UNIT: Limits<f64> = Limits::new(
    0.000_001,
    1_000_000.0,
    "a book in won has `won_per_unit = 1`, and one dollar is about 1,400 won",
);

/// Prices of a book.
const PRICES: Limits<usize> = Limits::new(0, 1_000, "a book has one price per item and class");

/// Amounts of the reference bill.
const FIGURES: Limits<usize> = Limits::new(0, 1_000, "a bill has some dozen lines");

/// Parts of a sum.
const PARTS: Limits<usize> = Limits::new(0, 100, "a sum adds up some lines of the bill");

/// Characters of a source.
const SOURCE_MAX: usize = 2_000;

/// Reads a price book, or returns all of its problems.
pub(super) fn read(source_name: &str, text: &str) -> Result<PriceBook, Diagnostics> {
    document::read(source_name, text, book)
}

fn book(root: &Section<'_>) -> Option<PriceBook> {
    let name = text(root, "name");
    let currency = named(root, "currency");
    let date = text(root, "date");
    let source = text(root, "source");
    let exchange = exchange(&root.section("exchange"));
    let by_heading = flag(root, "by_heading");
    let prices = match root.find("prices") {
        Some(_) => root
            .elements("prices", PRICES, None)
            .and_then(|all| prices(&all)),
        None => Some(Vec::new()),
    };
    let figures = match root.find("figures") {
        Some(_) => root
            .elements("figures", FIGURES, None)
            .and_then(|all| figures(&all)),
        None => Some(Vec::new()),
    };
    Some(PriceBook {
        name: name?,
        currency: currency?,
        date: date?,
        source: source?,
        exchange: exchange?,
        by_heading: by_heading?,
        prices: prices?,
        figures: figures?,
    })
}

fn exchange(section: &Section<'_>) -> Option<Exchange> {
    let won_per_unit = number(section, "won_per_unit", WON_PER_UNIT);
    let basis = named(section, "basis");
    let source = text(section, "source");
    Some(Exchange {
        won_per_unit: won_per_unit?,
        basis: basis?,
        source: source?,
    })
}

fn prices(sections: &[Section<'_>]) -> Option<Vec<Price>> {
    let read: Vec<_> = sections.iter().map(price).collect();
    for (place, price) in read.iter().enumerate() {
        let earlier = read[..place].iter().flatten();
        if let Some(price) = price {
            report_hidden(&sections[place], price, earlier);
        }
    }
    read.into_iter().collect()
}

fn price(section: &Section<'_>) -> Option<Price> {
    let item: Option<Item> = named(section, "item");
    let class = match section.find("class") {
        Some(class) => class.text().map(|class| Some(class.to_owned())),
        None => Some(None),
    };
    let amount = number(section, "amount", AMOUNT);
    let per: Option<Per> = named(section, "per");
    let basis: Option<Basis> = named(section, "basis");
    let source = text(section, "source");
    Some(Price {
        item: item?,
        class: class?,
        amount: amount?,
        per: per?,
        basis: basis?,
        source: source?,
    })
}

/// Reports a price that is never used because an earlier one covers it.
fn report_hidden<'p>(
    section: &Section<'_>,
    price: &Price,
    mut earlier: impl Iterator<Item = &'p Price>,
) {
    let hides = |other: &Price| {
        other.item == price.item && (other.class.is_none() || other.class == price.class)
    };
    if earlier.any(hides) {
        let message = format!(
            "the price of `{}` is never used: an earlier one covers the same item and class",
            price.item.name()
        );
        let problem = Problem::new(message).expected("one price per item and class");
        let help = "a price without `class` applies to every class: put it last";
        section.complain(&["item"], problem.help(help));
    }
}

fn figures(sections: &[Section<'_>]) -> Option<Vec<Figure>> {
    let mut stated = BTreeSet::new();
    let figures = sections.iter().map(|section| {
        let figure = figure(section)?;
        report_undefined(section, &figure, &stated);
        stated.insert(figure.name.clone());
        Some(figure)
    });
    // All figures are read, so that one with a problem does not hide those of others.
    let figures: Vec<_> = figures.collect();
    figures.into_iter().collect()
}

fn figure(section: &Section<'_>) -> Option<Figure> {
    let name = text(section, "name");
    let title = text(section, "title");
    let amount = number(section, "amount", FIGURE);
    let by_use = flag(section, "by_use");
    let parts = names(section, "parts");
    let minus = names(section, "minus");
    Some(Figure {
        name: name?,
        title: title?,
        amount: amount?,
        by_use: by_use?,
        parts: parts?,
        minus: minus?,
    })
}

/// Reports the parts of a sum that are not defined before it.
fn report_undefined(section: &Section<'_>, sum: &Figure, stated: &BTreeSet<String>) {
    for (key, parts) in [("parts", &sum.parts), ("minus", &sum.minus)] {
        for part in parts.iter().filter(|part| !stated.contains(*part)) {
            let name = &sum.name;
            let message = format!("`{name}` is a sum of `{part}`, which is not defined before it");
            let known: Vec<_> = stated.iter().map(String::as_str).collect();
            let problem = Problem::new(message).expected(match known.as_slice() {
                [] => "a sum of nothing, because nothing is defined yet".to_owned(),
                known => format!("one of {}", known.join(", ")),
            });
            let help = "define the parts of a sum before the sum";
            section.complain(&[key], problem.did_you_mean_or(part, known, help));
        }
    }
}

fn text(section: &Section<'_>, key: &'static str) -> Option<String> {
    let chars_max = SOURCE_MAX;
    let value = section.value(key, Form::Text { chars_max })?;
    value.text_up_to(chars_max).map(str::to_owned)
}

fn named<N: Named>(section: &Section<'_>, key: &'static str) -> Option<N> {
    section.value(key, Form::OneOf(N::all_names()))?.named()
}

fn number(section: &Section<'_>, key: &'static str, limits: Limits<f64>) -> Option<f64> {
    section.value(key, Form::Number(limits))?.number(limits)
}

/// A flag that is off unless the file says otherwise.
fn flag(section: &Section<'_>, key: &'static str) -> Option<bool> {
    section.find(key).map_or(Some(false), |value| value.truth())
}

/// A list of names, empty unless the file has it.
fn names(section: &Section<'_>, key: &'static str) -> Option<Vec<String>> {
    let Some(list) = section.find(key) else {
        return Some(Vec::new());
    };
    let names = list.elements(PARTS)?;
    let names = names.iter().map(|name| name.text().map(str::to_owned));
    names.collect()
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
                "mine.toml:5:29: `exchange.won_per_unit` is 0 (expected a number from 0.000001"
            ),
            "{shown}"
        );
        assert!(
            lines[1].starts_with(
                "mine.toml:8:10: `prices[0].amount` is -1 (expected a number from 0 to 1000000000)"
            ),
            "{shown}"
        );
        assert!(
            lines[2].starts_with("mine.toml:14:10: `prices[1].amount` is nan"),
            "{shown}"
        );
    }

    #[test]
    fn absurd_amounts_are_rejected() {
        for amount in [
            "18446744073709551615",
            "1e308",
            "inf",
            "1_000_000_001",
            "-0.01",
            "'1'",
        ] {
            let shown = refusal(&(HEAD.to_owned() + &cache(amount)));
            assert!(
                shown.starts_with("mine.toml:8:10: `prices[0].amount` is "),
                "{shown}"
            );
            assert!(
                shown.contains("(expected a number from 0 to 1000000000); help: "),
                "{shown}"
            );
        }
        let rate = HEAD.replace("won_per_unit = 1", "won_per_unit = 1e300");
        assert!(refusal(&rate).starts_with("mine.toml:5:29: "));
    }

    #[test]
    fn a_price_behind_one_that_covers_it_is_rejected() {
        let shown = refusal(&(HEAD.to_owned() + &cache("1") + &cache("2")));
        assert!(
            shown.starts_with("mine.toml:13:8: the price of `cache` is never used"),
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
            assert!(shown.contains("`exchange.won_per_unit` is "), "{shown}");
            let figure = format!("[[figures]]\nname = 'sum'\ntitle = 'Sum'\namount = {amount}\n");
            let read = PriceBook::read("mine.toml", &(HEAD.to_owned() + &cache("1") + &figure));
            let shown = read
                .err()
                .map_or_else(String::new, |problems| problems.to_string());
            // Half a trillion is a bill; it is only no price.
            assert_eq!(
                shown.contains("`figures[0].amount` is "),
                amount != "1e10",
                "{shown}"
            );
        }
    }

    #[test]
    fn unknown_items_and_keys_are_refused() {
        let shown = refusal(&(HEAD.to_owned() + &cache("1").replace("'cache'", "'cash'")));
        assert!(
            shown.starts_with(
                "mine.toml:7:8: `prices[0].item` is 'cash' (expected one of instance, "
            ),
            "{shown}"
        );
        let shown = refusal(&(HEAD.to_owned() + &cache("1") + "colour = 'red'\n"));
        assert!(
            shown.starts_with(
                "mine.toml:12:1: unknown key `colour` in `prices[0]` (expected one of amount, basis"
            ),
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
