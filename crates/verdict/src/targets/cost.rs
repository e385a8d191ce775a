//! The rows about money: the documented month against the computed one, and what the S3 endpoint saves.

use super::{Evidence, Found, Reading, Row};
use tiketi_core::units::Won;
use tiketi_cost::comparison;
use tiketi_cost::item::Item;

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

/// A17: what a month of such on-sales would pay NAT for the bytes that go to S3.
pub(super) fn endpoint(row: &Row, evidence: &Evidence<'_>) -> Reading {
    let statement = evidence.run.ending.statement.as_ref();
    let statement = statement.ok_or("the run has no statement of cost")?;
    let traffic = statement.usage.traffic.as_ref();
    let traffic = traffic.ok_or("this engine does not meter what goes to S3")?;
    if traffic.s3_gb <= 0.0 {
        return Err("nothing in this run talks to S3".to_owned());
    }
    let mut lines = statement.month.lines.iter();
    let through_nat = lines.find(|line| line.item == Item::NatTraffic);
    let price = through_nat.and_then(|line| line.unit_price);
    let price = price.ok_or_else(|| {
        let book = &statement.price_book;
        format!("{book} has no price of its own for a gigabyte through NAT")
    })?;
    let month = traffic.s3_gb * f64::from(statement.onsales_per_month);
    let saved = month * price * statement.exchange.won_per_unit;
    let measured = format!(
        "{month:.1} GB a month go to S3, for which NAT would take {} at the prices of {}",
        in_won(saved),
        statement.price_book
    );
    Ok(Found::new(row.admits(saved), measured))
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

#[cfg(test)]
mod tests {
    use crate::judge;
    use crate::targets::Reached;
    use tiketi_cost::{PriceBook, Statement, Traffic, Usage};
    use tiketi_measure::example;

    /// The verdict on A17 when a run sends this to S3, at the prices of a book.
    fn endpoint(s3_gb: Option<f64>, book: &str) -> (Reached, String) {
        let mut run = example::run();
        let statement = run.ending.statement.take().unwrap();
        let usage = Usage {
            traffic: s3_gb.map(|s3_gb| Traffic {
                s3_gb,
                ..Traffic::default()
            }),
            ..statement.usage
        };
        let book = PriceBook::built_in(book).unwrap();
        run.ending.statement = Some(Statement::new(&run.plan, usage, statement.sales, &book));
        let targets = judge(&run).targets;
        let row = targets.into_iter().find(|row| row.id == "A17").unwrap();
        (row.verdict, row.measured)
    }

    #[test]
    fn the_endpoint_saves_what_the_bytes_to_s3_would_cost_through_nat() {
        let list = "aws-ap-northeast-2";
        // Four on-sales a month: 400 GB at 0.059 dollars are 31,624 won, 800 GB twice that.
        let (verdict, measured) = endpoint(Some(100.0), list);
        assert_eq!(verdict, Reached::Missed);
        assert!(measured.starts_with("400.0 GB a month") && measured.contains("₩31,624"));
        assert_eq!(endpoint(Some(200.0), list).0, Reached::Met);
    }

    #[test]
    fn what_cannot_be_said_of_the_endpoint_is_not_said() {
        for (s3_gb, book) in [
            (None, "aws-ap-northeast-2"),
            (Some(0.0), "aws-ap-northeast-2"),
            (Some(100.0), "documented-krw"),
        ] {
            assert_eq!(endpoint(s3_gb, book).0, Reached::NotExercised);
        }
    }
}
