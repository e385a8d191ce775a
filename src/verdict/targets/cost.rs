//! The row about money: the documented month against the computed one.

use super::{Evidence, Found, Reading, Row};
use crate::cost::comparison;
use crate::units::Won;

/// Lines told one by one; the statement of cost has all of them.
const SHOWN_MAX: usize = 3;

/// A24: line by line, and whether the documented sums are the sums of their parts.
///
/// What differs because more or less is used than the documents assume is told, and refutes nothing.
pub(super) fn month(row: &Row, evidence: &Evidence<'_>) -> Reading {
    let statement = evidence.run.ending.statement.as_ref();
    let statement = statement.ok_or("the run has no statement of cost")?;
    let rows = &statement.documented.rows;
    let priced = |line: &comparison::Row| {
        let amount = line.computed_at_documented_use?;
        let hangs_on_use = line.used.is_some();
        (!hangs_on_use).then_some((amount - line.documented).abs() / line.documented.abs().max(1.0))
    };
    let compared: Vec<_> = rows
        .iter()
        .filter_map(|line| Some((line, priced(line)?)))
        .collect();
    if rows.iter().all(|line| line.computed.is_none()) {
        return Err("the price book has none of the documented lines".to_owned());
    }
    let off = compared
        .iter()
        .filter(|(_, difference)| !row.admits(*difference));
    let off: Vec<_> = off.map(|(line, _)| line).collect();
    let mut told = vec![format!(
        "at the documented use {} of {} lines come to what is documented",
        compared.len() - off.len(),
        compared.len()
    )];
    told.extend(statement.documented.wrong_sums().map(|line| {
        format!(
            "{} is stated as {}, its parts add up to {}",
            line.title,
            in_won(line.documented),
            line.added_up.map_or_else(String::new, in_won)
        )
    }));
    told.extend(off.iter().take(SHOWN_MAX).map(|line| {
        let amount = line
            .computed_at_documented_use
            .map_or_else(String::new, in_won);
        format!("{} {amount} for {}", line.title, in_won(line.documented))
    }));
    if off.len() > SHOWN_MAX {
        told.push(format!("and {} more", off.len() - SHOWN_MAX));
    }
    told.extend(rows.iter().filter_map(other_use));
    let adds_up = statement.documented.wrong_sums().next().is_none();
    Ok(Found::new(off.is_empty() && adds_up, told.join("; ")))
}

/// A line for more or less than the documents assume.
fn other_use(line: &comparison::Row) -> Option<String> {
    let (used, computed) = (line.used.as_ref()?, line.computed?);
    Some(format!(
        "used differently: {} is {} for {used}, not {}",
        line.title,
        in_won(computed),
        in_won(line.documented)
    ))
}

fn in_won(amount: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a month stays far below 2^63 won"
    )]
    let whole = amount.round() as i64;
    Won(whole).to_string()
}
