//! Reads price books from TOML files.

use std::collections::BTreeSet;

use super::edge_plan::{EdgePlan, PAY_AS_YOU_GO};
use super::item::{DatabaseOffer, Item};
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
const PRICES: Limits<usize> =
    Limits::new(0, 1_000, "a book has one price per item, kind and class");

/// Plans for the edge.
const EDGE_PLANS: Limits<usize> = Limits::new(0, 100, "CloudFront has five, with its free tier");

/// Gigabytes or requests per month that a plan covers.
const ALLOWANCE: Limits<f64> = Limits::new(
    0.0,
    1e12,
    "the largest plan of CloudFront covers 500 million requests per month",
);

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
    let edge = edge(root);
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
    let (edge_plan, edge_plans) = edge?;
    Some(PriceBook {
        name: name?,
        currency: currency?,
        date: date?,
        source: source?,
        exchange: exchange?,
        by_heading: by_heading?,
        edge_plan,
        edge_plans,
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
    let kind = kind(section, item, class.as_ref().and_then(Option::as_deref));
    let amount = number(section, "amount", AMOUNT);
    let per: Option<Per> = named(section, "per");
    let basis: Option<Basis> = named(section, "basis");
    let source = text(section, "source");
    if item == Some(Item::EdgePlan) {
        let problem = Problem::new("the fee of a plan for the edge is stated with the plan");
        let problem = problem.expected("`monthly` in a table `[[edge_plans]]`");
        section.complain(&["item"], problem.help("remove this price"));
        return None;
    }
    Some(Price {
        item: item?,
        kind: kind?,
        class: class?,
        amount: amount?,
        per: per?,
        basis: basis?,
        source: source?,
    })
}

/// The kind of database of a price: required for items that have kinds, and rejected for all others. The outer `None` is a
/// problem.
fn kind(
    section: &Section<'_>,
    item: Option<Item>,
    class: Option<&str>,
) -> Option<Option<DatabaseOffer>> {
    let stated = section.find("kind");
    let Some(item) = item else {
        return Some(None);
    };
    match (item.has_kinds(), stated) {
        (true, Some(kind)) => kind.named().map(Some),
        (false, None) => Some(None),
        (true, None) => {
            let instead = class.and_then(DatabaseOffer::from_name);
            let help = match instead {
                Some(kind) => format!("write `kind = \"{}\"` in place of `class`", kind.name()),
                None => "Aurora and RDS have different prices for the same class: add a line such as `kind = \"aurora\"`"
                    .to_owned(),
            };
            let message = format!("the price of `{}` has no `kind`", item.name());
            let kinds = DatabaseOffer::all_names().join(", ");
            let problem = Problem::new(message).expected(format!("one of {kinds}"));
            section.complain(&["item"], problem.help(help));
            None
        }
        (false, Some(_)) => {
            let message = format!("`{}` has no kinds", item.name());
            let with: Vec<_> = Item::ALL
                .into_iter()
                .filter(|item| item.has_kinds())
                .collect();
            let with: Vec<_> = with.into_iter().map(Item::name).collect();
            let problem = Problem::new(message);
            let problem = problem.expected(format!("`kind` only for {}", with.join(", ")));
            section.complain(&["kind"], problem.help("remove `kind`"));
            None
        }
    }
}

/// Reports a price that is never used because an earlier one covers it.
fn report_hidden<'p>(
    section: &Section<'_>,
    price: &Price,
    mut earlier: impl Iterator<Item = &'p Price>,
) {
    let hides = |other: &Price| {
        other.item == price.item
            && other.kind == price.kind
            && (other.class.is_none() || other.class == price.class)
    };
    if earlier.any(hides) {
        let message = format!(
            "the price of `{}` is never used: an earlier one covers the same item, kind and class",
            price.item.name()
        );
        let problem = Problem::new(message).expected("one price per item, kind and class");
        let help = "a price without `class` applies to every class: put it last";
        section.complain(&["item"], problem.help(help));
    }
}

/// The plans for the edge, and the one that applies; `None` is a problem.
fn edge(root: &Section<'_>) -> Option<(Option<EdgePlan>, Vec<EdgePlan>)> {
    let plans = match root.find("edge_plans") {
        Some(_) => root
            .elements("edge_plans", EDGE_PLANS, None)
            .and_then(|all| edge_plans(&all)),
        None => Some(Vec::new()),
    };
    let chosen = match root.find("edge_plan") {
        Some(name) => name.text(),
        None => Some(PAY_AS_YOU_GO),
    };
    let (plans, chosen) = (plans?, chosen?);
    if chosen == PAY_AS_YOU_GO {
        return Some((None, plans));
    }
    let found = plans.iter().find(|plan| plan.name == chosen).cloned();
    if found.is_none() {
        let names = plans.iter().map(|plan| plan.name.as_str());
        let names: Vec<_> = std::iter::once(PAY_AS_YOU_GO).chain(names).collect();
        let problem = Problem::new(format!("the book has no edge plan `{chosen}`"));
        let problem = problem.expected(format!("one of {}", names.join(", ")));
        let help = "add its fee and allowance as a table `[[edge_plans]]`";
        let problem = problem.did_you_mean_or(chosen, names, help);
        root.complain(&["edge_plan"], problem);
        return None;
    }
    Some((found, plans))
}

fn edge_plans(sections: &[Section<'_>]) -> Option<Vec<EdgePlan>> {
    let plans: Vec<_> = sections.iter().map(edge_plan).collect();
    let mut taken = BTreeSet::from([PAY_AS_YOU_GO]);
    for (section, plan) in sections.iter().zip(&plans) {
        if let Some(plan) = plan
            && !taken.insert(&plan.name)
        {
            let problem = Problem::new(format!("the edge plan `{}` is defined twice", plan.name));
            let problem = problem.expected("a different name for each");
            let help = format!("`{PAY_AS_YOU_GO}` is always defined: list prices without a plan");
            section.complain(&["name"], problem.help(help));
        }
    }
    plans.into_iter().collect()
}

fn edge_plan(section: &Section<'_>) -> Option<EdgePlan> {
    let name = text(section, "name");
    let monthly = number(section, "monthly", AMOUNT);
    let transfer_gb = number(section, "transfer_gb", ALLOWANCE);
    let requests = number(section, "requests", ALLOWANCE);
    let beyond = named(section, "beyond");
    let basis = named(section, "basis");
    let source = text(section, "source");
    Some(EdgePlan {
        name: name?,
        monthly: monthly?,
        transfer_gb: transfer_gb?,
        requests: requests?,
        beyond: beyond?,
        basis: basis?,
        source: source?,
    })
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

    fn database(rest: &str) -> String {
        cache("1").replace("'cache'", &format!("'database'\n{rest}"))
    }

    #[test]
    fn a_database_price_needs_a_kind_that_exists() {
        let shown = refusal(&(HEAD.to_owned() + &database("class = 'db.t3.medium'")));
        assert!(
            shown.starts_with(
                "mine.toml:7:8: the price of `database` has no `kind` (expected one of aurora, rds-multi-az, rds-single-az); \
                 help: Aurora and RDS have different prices for the same class"
            ),
            "{shown}"
        );
        let shown = refusal(&(HEAD.to_owned() + &database("kind = 'auroa'")));
        assert!(
            shown.starts_with(
                "mine.toml:8:8: `prices[0].kind` is 'auroa' (expected one of aurora, "
            ),
            "{shown}"
        );
        let storage = database("class = 'aurora'").replace("'database'", "'database-storage'");
        let shown = refusal(&(HEAD.to_owned() + &storage));
        assert!(
            shown.contains("help: write `kind = \"aurora\"` in place of `class`"),
            "{shown}"
        );
    }

    #[test]
    fn one_class_has_one_price_per_kind() {
        let price = |kind| database(&format!("kind = '{kind}'\nclass = 'db.t3.medium'"));
        let (aurora, rds) = (price("aurora"), price("rds-multi-az"));
        let book = read("mine.toml", &(HEAD.to_owned() + &aurora + &rds)).expect("a valid book");
        assert_eq!(book.prices.len(), 2);
        let shown = refusal(&(HEAD.to_owned() + &aurora + &rds + &aurora));
        assert!(
            shown.starts_with("mine.toml:23:8: the price of `database` is never used"),
            "{shown}"
        );
    }

    #[test]
    fn a_kind_is_rejected_where_there_are_none() {
        let shown = refusal(&(HEAD.to_owned() + &cache("1") + "kind = 'aurora'\n"));
        assert!(
            shown.starts_with(
                "mine.toml:12:8: `cache` has no kinds (expected `kind` only for database, database-storage, database-io)"
            ),
            "{shown}"
        );
    }

    const PLAN: &str = "[[edge_plans]]\nname = 'pro'\nmonthly = 15\ntransfer_gb = 51_200\nrequests = 1e7\n\
                        beyond = 'no-charge'\nbasis = 'reported'\nsource = 's'\n";

    #[test]
    fn a_book_applies_one_of_its_edge_plans_or_none() {
        let chosen = |line: &str| {
            let text = HEAD.to_owned() + line + PLAN + &cache("1");
            read("mine.toml", &text).map(|book| book.edge_plan.map(|plan| plan.name))
        };
        assert_eq!(chosen("").expect("is valid"), None);
        assert_eq!(
            chosen("edge_plan = 'pay-as-you-go'\n").expect("is valid"),
            None
        );
        assert_eq!(
            chosen("edge_plan = 'pro'\n").expect("is valid"),
            Some("pro".to_owned())
        );
        let unknown = chosen("edge_plan = 'bro'\n").expect_err("is unknown");
        assert!(
            unknown.to_string().starts_with(
                "mine.toml:6:13: the book has no edge plan `bro` (expected one of pay-as-you-go, pro)"
            ),
            "{unknown}"
        );
    }

    #[test]
    fn edge_plans_are_checked() {
        let shown = refusal(&(HEAD.to_owned() + PLAN + PLAN));
        assert!(
            shown.contains("the edge plan `pro` is defined twice"),
            "{shown}"
        );
        let shown = refusal(&(HEAD.to_owned() + &PLAN.replace("'pro'", "'pay-as-you-go'")));
        assert!(shown.contains("is defined twice"), "{shown}");
        let shown = refusal(&(HEAD.to_owned() + &PLAN.replace("'no-charge'", "'free'")));
        assert!(
            shown.contains(
                "`edge_plans[0].beyond` is 'free' (expected one of list-price, no-charge)"
            ),
            "{shown}"
        );
        let shown = refusal(&(HEAD.to_owned() + &PLAN.replace("51_200", "-1")));
        assert!(
            shown.contains("`edge_plans[0].transfer_gb` is -1"),
            "{shown}"
        );
        let fee = cache("15").replace("'cache'", "'edge-plan'");
        let shown = refusal(&(HEAD.to_owned() + &fee));
        assert!(
            shown.contains("the fee of a plan for the edge is stated with the plan"),
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
