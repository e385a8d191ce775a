//! Compares the computed month with the reference bill (A24), and checks the sums of the reference bill.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::amount::Amount;
use super::item::Item;
use super::price_book::Figure;
use super::statement::{Bill, Savings};

/// Won by which a documented sum may differ from its parts; documented amounts are whole won.
const TOLERANCE_WON: f64 = 0.5;

/// The reference bill compared with the computed month, in won.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Won per unit of the statement's currency.
    pub won_per_unit: f64,
    /// One row per documented amount, in the order of the documents.
    pub rows: Vec<Row>,
}

/// A documented amount and the computed one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the amount.
    pub name: String,
    /// Title for reports.
    pub title: String,
    /// The documented amount.
    pub documented: f64,
    /// The sum of the documented parts; `None` if the amount is not a sum.
    pub added_up: Option<f64>,
    /// The amount in the statement's month; `None` if the statement has no such line.
    pub computed: Option<Amount>,
    /// The computed amount at the documented usage, to separate differences in price from differences in usage.
    pub computed_at_documented_use: Option<Amount>,
    /// The usage behind the computed amount, such as `14.7 GB`; `None` if the amount does not depend on usage.
    pub used: Option<String>,
}

impl Row {
    /// Returns whether the documented amount is the sum of its parts, or `None` if it is not a sum.
    pub fn adds_up(&self) -> Option<bool> {
        self.added_up
            .map(|sum| (sum - self.documented).abs() < TOLERANCE_WON)
    }
}

impl Comparison {
    /// Returns the rows whose documented amount is not the sum of its parts.
    pub fn wrong_sums(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.adds_up() == Some(false))
    }
}

/// Compares `month` with `figures`. Figures that are sums must come after their parts.
pub(super) fn compare(
    figures: &[Figure],
    month: &Bill,
    savings: &Savings,
    won_per_unit: f64,
) -> Comparison {
    let lines = month.lines.iter().map(|line| {
        let heading = line.heading;
        (heading.name(), month.under(heading))
    });
    let saved = [
        ("saving-nat", savings.nat.clone()),
        ("saving-reserved", savings.reserved.map(Amount::Exact)),
    ];
    let mut computed: BTreeMap<&str, Amount> = lines
        .chain(saved)
        .filter_map(|(name, amount)| Some((name, amount?.times(won_per_unit))))
        .collect();
    let mut at_documented_use = computed.clone();
    let mut stated: BTreeMap<&str, Amount> = BTreeMap::new();
    let mut rows = Vec::new();
    for figure in figures {
        let is_sum = !figure.parts.is_empty();
        let added_up = is_sum.then(|| sum(figure, &stated)).flatten();
        stated.insert(&figure.name, Amount::Exact(figure.amount));
        if is_sum {
            for amounts in [&mut computed, &mut at_documented_use] {
                if let Some(amount) = sum(figure, amounts) {
                    amounts.insert(&figure.name, amount);
                }
            }
        } else if figure.by_use {
            at_documented_use.insert(&figure.name, Amount::Exact(figure.amount));
        }
        let of = |amounts: &BTreeMap<&str, Amount>| amounts.get(figure.name.as_str()).cloned();
        rows.push(Row {
            name: figure.name.clone(),
            title: figure.title.clone(),
            documented: figure.amount,
            added_up: added_up.and_then(|sum| sum.exact()),
            computed: of(&computed),
            computed_at_documented_use: of(&at_documented_use),
            used: figure.by_use.then(|| used(month, &figure.name)),
        });
    }
    Comparison { won_per_unit, rows }
}

/// Returns the month's usage under a heading, summed over lines of the same unit; what has no usage has only a fee.
fn used(month: &Bill, heading: &str) -> String {
    let mut by_unit: Vec<(&str, f64)> = Vec::new();
    let lines = month.lines.iter();
    let lines = lines.filter(|line| line.heading.name() == heading && line.item != Item::EdgePlan);
    for line in lines.filter(|line| line.amount.is_some()) {
        let Some(quantity) = line.quantity else {
            continue;
        };
        match by_unit.iter_mut().find(|(unit, _)| *unit == line.unit) {
            Some((_, sum)) => *sum += quantity,
            None => by_unit.push((&line.unit, quantity)),
        }
    }
    let quantities: Vec<_> = by_unit
        .into_iter()
        .map(|(unit, sum)| {
            let plural = if unit.starts_with("GB") { "" } else { "s" };
            format!("{sum:.1} {unit}{plural}")
        })
        .collect();
    quantities.join(", ")
}

/// Returns the sum of a figure's parts minus its deductions, or `None` if one of them is unknown.
fn sum(figure: &Figure, known: &BTreeMap<&str, Amount>) -> Option<Amount> {
    let add = |names: &[String]| {
        let mut amounts = names.iter().map(|name| known.get(name.as_str()));
        amounts.try_fold(Amount::Exact(0.0), |sum, amount| Some(sum.plus(amount?)))
    };
    Some(add(&figure.parts)?.without(&add(&figure.minus)?))
}
