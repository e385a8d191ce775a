//! The row about money: the documented month against the computed one.

use super::{Evidence, Reading, Row};
use crate::cost::comparison;
use crate::units::Won;

/// A24: line by line, and whether the documented sums are the sums of their parts.
pub(super) fn month(row: &Row, evidence: &Evidence<'_>) -> Reading {
    let statement = evidence.run.ending.statement.as_ref();
    let statement = statement.ok_or("the run has no statement of cost")?;
    let rows = &statement.documented.rows;
    let compared: Vec<_> = rows.iter().filter(|line| line.computed.is_some()).collect();
    if compared.is_empty() {
        return Err("the price book has none of the documented lines".to_owned());
    }
    let off = compared.iter().filter(|line| !is_near(line, row));
    let off: Vec<_> = off
        .map(|line| {
            let computed = line.computed.map_or_else(String::new, in_won);
            format!("{} {computed} for {}", line.title, in_won(line.documented))
        })
        .collect();
    let wrong: Vec<_> = statement
        .documented
        .wrong_sums()
        .map(|line| {
            let sum = line.added_up.map_or_else(String::new, in_won);
            format!(
                "{} is stated as {}, its parts add up to {sum}",
                line.title,
                in_won(line.documented)
            )
        })
        .collect();
    let mut measured = format!(
        "{} of {} documented lines as computed",
        compared.len() - off.len(),
        compared.len()
    );
    for finding in off.iter().chain(&wrong) {
        measured = format!("{measured}; {finding}");
    }
    Ok((off.is_empty() && wrong.is_empty(), measured))
}

fn is_near(line: &comparison::Row, row: &Row) -> bool {
    let difference = line
        .computed
        .map_or(0.0, |computed| (computed - line.documented).abs());
    row.admits(difference / line.documented.abs().max(1.0))
}

fn in_won(amount: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a month stays far below 2^63 won"
    )]
    let whole = amount.round() as i64;
    Won(whole).to_string()
}
