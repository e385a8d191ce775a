//! Bills: each line is quantity times price, and a total is the sum of its lines, or says that something is missing.

use serde_json::Value;

use super::{Files, Findings, count, list, number, word};

pub(super) fn check(files: &Files, found: &mut Findings) {
    let cost = &files.summary["cost"];
    if cost.is_null() {
        return;
    }
    for bill in ["run", "month"] {
        lines(bill, &cost[bill], found);
    }
    let started = count(&files.summary, "/arrivals/started");
    found.must(count(cost, "/sales/buyers") <= started, || {
        "the bill counts buyers who did not start".to_owned()
    });
    let tickets = count(cost, "/sales/tickets");
    let run = known(&cost["run"]["total"]);
    match (tickets, run, known(&cost["per_ticket"])) {
        (0, _, None) => {}
        (1.., Some(run), Some(each)) => {
            #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
            let sum = each * tickets as f64;
            found.close(
                "cost of the run, and cost per ticket times tickets",
                run,
                sum,
            );
        }
        (_, _, each) => found.add(format!("{tickets} tickets, and {each:?} per ticket")),
    }
}

fn lines(name: &str, bill: &Value, found: &mut Findings) {
    let mut sum = 0.0;
    let mut unknown = Vec::new();
    for line in list(bill, "/lines") {
        let title = word(line, "/title");
        let [quantity, price, amount] =
            ["quantity", "unit_price", "amount"].map(|key| line[key].as_f64());
        if let (Some(quantity), Some(price)) = (quantity, price) {
            let what = format!("{name}: amount of {title}, and quantity times price");
            found.close(&what, amount.unwrap_or(-1.0), quantity * price);
        }
        sum += amount.unwrap_or(0.0);
        if amount.is_none() {
            unknown.push(title);
        }
    }
    let total = &bill["total"];
    found.close(
        &format!("{name}: total, and the sum of its lines"),
        known(total).unwrap_or(-1.0),
        sum,
    );
    let named: Vec<_> = list(total, "/missing")
        .map(|one| one.as_str().unwrap_or(""))
        .collect();
    for title in &unknown {
        found.must(named.iter().any(|one| one.starts_with(title)), || {
            format!("{name}: the total does not name {title}, whose amount is unknown")
        });
    }
    found.must(named.is_empty() == unknown.is_empty(), || {
        format!("{name}: the total misses {named:?}, the lines {unknown:?}")
    });
}

/// The known part of an amount: a number, or what the total is at least.
fn known(amount: &Value) -> Option<f64> {
    amount
        .as_f64()
        .or_else(|| amount.get("at_least").map(|_| number(amount, "/at_least")))
}
