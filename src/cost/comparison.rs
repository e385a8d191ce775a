//! The computed month beside the documented one (A24), with the documented sums checked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::price_book::Figure;
use super::statement::Bill;

/// Won by which a documented sum may differ from its parts: figures are whole won.
const TOLERANCE_WON: f64 = 0.5;

/// The documented month against the computed one, in won.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Won for one unit of the statement's currency.
    pub won_per_unit: f64,
    /// One row a documented figure, in the order of the documents.
    pub rows: Vec<Row>,
}

/// One documented figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the figure.
    pub name: String,
    /// Title for reports.
    pub title: String,
    /// What the documents state.
    pub documented: f64,
    /// What the documents' own parts add up to; `None` if the figure is not a sum.
    pub added_up: Option<f64>,
    /// What the month of this statement comes to; `None` if the statement has no such line.
    pub computed: Option<f64>,
}

impl Row {
    /// Whether the documented sum is the sum of its parts; `None` if the figure is not a sum.
    pub fn adds_up(&self) -> Option<bool> {
        self.added_up
            .map(|sum| (sum - self.documented).abs() < TOLERANCE_WON)
    }
}

impl Comparison {
    /// The rows whose documented sum is not the sum of its parts.
    pub fn wrong_sums(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.adds_up() == Some(false))
    }
}

/// Sets `month` beside `figures`; figures that are sums come after their parts.
pub(super) fn compare(figures: &[Figure], month: &Bill, won_per_unit: f64) -> Comparison {
    let mut computed: BTreeMap<&str, f64> = month
        .lines
        .iter()
        .filter_map(|line| {
            let amount = month.under(line.heading)?;
            Some((line.heading.name(), amount * won_per_unit))
        })
        .collect();
    let mut stated: BTreeMap<&str, f64> = BTreeMap::new();
    let mut rows = Vec::new();
    for figure in figures {
        let is_sum = !figure.parts.is_empty();
        let added_up = sum(figure, &stated);
        let of_month = if is_sum {
            sum(figure, &computed)
        } else {
            computed.get(figure.name.as_str()).copied()
        };
        stated.insert(&figure.name, figure.amount);
        if let Some(amount) = of_month {
            computed.insert(&figure.name, amount);
        }
        rows.push(Row {
            name: figure.name.clone(),
            title: figure.title.clone(),
            documented: figure.amount,
            added_up: is_sum.then_some(added_up).flatten(),
            computed: of_month,
        });
    }
    Comparison { won_per_unit, rows }
}

/// The parts of a figure less what it takes off; `None` if one of them is not known.
fn sum(figure: &Figure, known: &BTreeMap<&str, f64>) -> Option<f64> {
    let add = |names: &[String]| -> Option<f64> {
        names
            .iter()
            .map(|name| known.get(name.as_str()).copied())
            .sum()
    };
    Some(add(&figure.parts)? - add(&figure.minus)?)
}
