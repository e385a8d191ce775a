//! Claims about money: the reference bill compared with the computed one, and what the S3 endpoint saves.

use super::{Checked, Claim, Evidence, Found};
use crate::figure::significant;
use tiketi_core::units::Won;
use tiketi_cost::item::Item;
use tiketi_cost::{PriceBook, Statement, Traffic, Usage, comparison};

/// Lines that are listed; the statement of cost has all of them.
const SHOWN_MAX: usize = 3;

/// A24: the reference bill line by line, and whether its sums are the sums of their parts.
///
/// A line that differs because this sale uses more or less than the documents assume is reported, but does not refute the
/// claim: the claim is about prices.
pub(super) fn month(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let statement = evidence.run.ending.statement.as_ref();
    let statement = statement.ok_or("this run has no bill")?;
    let rows = &statement.documented.rows;
    let difference = |line: &comparison::Row| {
        // A lower bound agrees with a documented amount only by chance.
        let amount = line.computed_at_documented_use.as_ref()?.exact()?;
        let depends_on_use = line.used.is_some();
        // Relative to at least 1 won: a line that is documented as free must not divide by zero.
        (!depends_on_use)
            .then_some((amount - line.documented).abs() / line.documented.abs().max(1.0))
    };
    let compared: Vec<_> = rows
        .iter()
        .filter_map(|line| Some((line, difference(line)?)))
        .collect();
    if rows.iter().all(|line| line.computed.is_none()) {
        return Err("the price book has none of the lines of the reference bill".into());
    }
    let off = compared
        .iter()
        .filter(|(_, difference)| !claim.admits(*difference));
    let off: Vec<_> = off.map(|(line, _)| line).collect();
    let mut parts = vec![format!(
        "at the documented usage {} of {} lines match the reference bill",
        compared.len() - off.len(),
        compared.len()
    )];
    parts.extend(statement.documented.wrong_sums().map(|line| {
        format!(
            "{}: {} stated, but the parts sum to {}",
            line.title,
            in_won(line.documented),
            line.added_up.map_or_else(String::new, in_won)
        )
    }));
    parts.extend(off.iter().take(SHOWN_MAX).map(|line| {
        let amount = line.computed_at_documented_use.as_ref();
        let amount = amount.map_or_else(String::new, |amount| in_won(amount.at_least()));
        format!(
            "{}: {amount} instead of {}",
            line.title,
            in_won(line.documented)
        )
    }));
    if off.len() > SHOWN_MAX {
        parts.push(format!("and {} more", off.len() - SHOWN_MAX));
    }
    parts.extend(rows.iter().filter_map(other_use));
    let adds_up = statement.documented.wrong_sums().next().is_none();
    Ok(Found::new(off.is_empty() && adds_up, parts.join("; ")))
}

/// A17: the bill of a month of such sales with the traffic to S3 through the endpoint, and with the same traffic through NAT.
pub(super) fn endpoint(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let statement = evidence.run.ending.statement.as_ref();
    let statement = statement.ok_or("this run has no bill")?;
    let traffic = statement.usage.traffic.as_ref();
    let traffic = traffic.ok_or("traffic to S3 is not metered in this run")?;
    if traffic.s3_gb <= 0.0 {
        return Err("no traffic to S3 in this run".into());
    }
    let month = |s3_nat_gb: f64| {
        let traffic = Traffic {
            s3_nat_gb,
            ..*traffic
        };
        let usage = Usage {
            traffic: Some(traffic),
            ..statement.usage.clone()
        };
        let book = PriceBook::built_in(&statement.price_book)?;
        Some(Statement::new(&evidence.run.plan, usage, statement.sales, &book).month)
    };
    let bills = month(0.0).zip(month(traffic.s3_gb));
    let (by_endpoint, by_nat) = bills.ok_or("the price book is not a built-in one")?;
    let mut lines = by_nat.lines.iter();
    let through_nat = lines.find(|line| line.item == Item::NatTraffic);
    if through_nat.and_then(|line| line.unit_price).is_none() {
        let book = &statement.price_book;
        return Err(format!("the price book {book} has no separate price for NAT traffic").into());
    }
    // What is not metered is missing from both bills.
    let saved = by_nat.total.at_least() - by_endpoint.total.at_least();
    let saved = saved * statement.exchange.won_per_unit;
    let measured = format!(
        "{} GB per month go to S3; through NAT instead of the endpoint the bill of the month is {} higher at the prices of {}",
        significant(traffic.s3_gb * f64::from(statement.onsales_per_month)),
        in_won(saved),
        statement.price_book
    );
    Ok(Found::new(claim.admits(saved), measured))
}

/// Describes a line with another usage than the documents assume; `None` if its usage is the same.
fn other_use(line: &comparison::Row) -> Option<String> {
    let (used, computed) = (line.used.as_ref()?, line.computed.as_ref()?.exact()?);
    Some(format!(
        "different usage: {} is {} for {used}, not {}",
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

    /// Returns the verdict on A17 for a run that sends this many GB to S3, at the prices of `book`.
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
        let claim = targets.into_iter().find(|claim| claim.id == "A17").unwrap();
        (claim.verdict, claim.measured)
    }

    #[test]
    fn the_endpoint_saves_what_the_bytes_to_s3_would_cost_through_nat() {
        let list = "aws-ap-northeast-2";
        // Four sales per month: 400 GB at 0.059 dollars are 31,624 won, 800 GB twice that.
        let (verdict, measured) = endpoint(Some(100.0), list);
        assert_eq!(verdict, Reached::Missed);
        assert!(measured.starts_with("400 GB per month") && measured.contains("₩31,624"));
        assert_eq!(endpoint(Some(200.0), list).0, Reached::Met);
    }

    #[test]
    fn without_metered_s3_traffic_or_a_nat_price_the_endpoint_is_not_exercised() {
        for (s3_gb, book) in [
            (None, "aws-ap-northeast-2"),
            (Some(0.0), "aws-ap-northeast-2"),
            (Some(100.0), "documented-krw"),
        ] {
            assert_eq!(endpoint(s3_gb, book).0, Reached::NotExercised);
        }
    }
}
