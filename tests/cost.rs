//! Statements: the documented month comes out of its own unit prices, and its wrong sum is found.

#[path = "common/mod.rs"]
mod common;

use common::{documented_plan, secs};
use tiketi_sim::cost::item::{Heading, Item};
use tiketi_sim::cost::price_book::{Basis, Currency};
use tiketi_sim::cost::statement::Line;
use tiketi_sim::cost::{PriceBook, Sales, Statement, Usage};
use tiketi_sim::scenario::Plan;

/// One hour with the smallest fleet and eight more instances, and a twentieth of the documented transfer.
const PEAK_HOUR: Usage = Usage {
    hours: 1.0,
    instance_hours: 10.0,
    lambda_runs: 60,
    lcu_hours: 2.0,
    requests: 1_000_000,
    data_out_gb: 25.0,
};

const SALES: Sales = Sales {
    buyers: 20_000,
    tickets: 2_000,
};

fn statement(plan: &Plan, book: &str) -> Statement {
    let book = PriceBook::built_in(book).expect("is built in");
    Statement::new(plan, PEAK_HOUR, SALES, &book)
}

fn assert_close(value: f64, expected: f64) {
    assert!(
        (value - expected).abs() < 1e-6 * expected.abs().max(1.0),
        "{value} instead of {expected}"
    );
}

fn line(statement: &Statement, item: Item, heading: Heading) -> &Line {
    statement
        .month
        .lines
        .iter()
        .find(|line| line.item == item && line.heading == heading)
        .expect("is on the bill")
}

fn row(statement: &Statement, name: &str) -> (f64, Option<f64>, Option<f64>) {
    let row = statement
        .documented
        .rows
        .iter()
        .find(|row| row.name == name)
        .expect("is documented");
    (row.documented, row.added_up, row.computed)
}

#[test]
fn the_documented_month_comes_out_of_the_documented_prices() {
    let statement = statement(&documented_plan(), "documented-krw");
    for name in [
        "instances",
        "load-balancer",
        "lambda",
        "compute",
        "data-tier",
        "network",
        "other",
        "base",
    ] {
        let (documented, _, computed) = row(&statement, name);
        assert_close(computed.expect("is computed"), documented);
    }
    // 20 on-sales of one hour with eight more instances: 160 hours of 40,000 / 730 are 8,767, stated as 9,000.
    let (stated, _, computed) = row(&statement, "peak");
    assert_close(computed.expect("is computed"), 160.0 * 40_000.0 / 730.0);
    assert_close(stated, 9_000.0);
    assert_close(statement.month.total, 259_000.0 + 160.0 * 40_000.0 / 730.0);
}

#[test]
fn the_sums_that_do_not_add_up_are_found() {
    let statement = statement(&documented_plan(), "documented-krw");
    let wrong: Vec<&str> = statement
        .documented
        .wrong_sums()
        .map(|row| row.name.as_str())
        .collect();
    assert_eq!(wrong, ["optimized"]);
    let (documented, added_up, computed) = row(&statement, "optimized");
    assert_close(documented, 154_500.0);
    assert_close(added_up.expect("is a sum"), 194_500.0);
    assert_eq!(computed, None, "nothing was run without NAT");
    let (total, added_up, _) = row(&statement, "all");
    assert_close(added_up.expect("is a sum"), total);
}

#[test]
fn another_use_is_told_apart_from_another_price() {
    let book = PriceBook::built_in("documented-krw").expect("is built in");
    let little = Usage {
        instance_hours: 2.0,
        data_out_gb: 0.7,
        ..PEAK_HOUR
    };
    let statement = Statement::new(&documented_plan(), little, SALES, &book);
    let (_, _, transfer) = row(&statement, "transfer");
    assert_close(transfer.expect("is computed"), 20.0 * 0.7 * 10.0);
    let rows = &statement.documented.rows;
    let used: Vec<_> = rows.iter().filter_map(|row| row.used.as_deref()).collect();
    assert_eq!(used, ["14.0 GB", "0.0 instance-hours"]);
    for row in rows {
        if let Some(amount) = row.computed_at_documented_use {
            assert_close(amount, row.documented);
        }
    }
}

#[test]
fn a_run_is_billed_for_its_own_hours() {
    let mut plan = documented_plan();
    let with_nat = statement(&plan, "aws-ap-northeast-2");
    assert_eq!(with_nat.currency, Currency::Usd);
    // 10 instances, ALB, 2 capacity units, 4 addresses, 60 runs of the Lambda, 2 + 2 nodes, 2 gateways, transfer, the rest.
    let expected = 0.52
        + 0.0225
        + 0.016
        + 4.0 * 0.005
        + 60.0 * 2e-7
        + 60.0 * 0.0125 * 0.000_016_666_7
        + 2.0 * 0.113
        + 2.0 * 0.024
        + 2.0 * 0.059
        + 25.0 * 0.12
        + 0.9
        + (50.0 * 0.025 + 0.5 + 0.4 + 0.3 + 2.0 * 0.1) / 730.0;
    assert_close(with_nat.run.total, expected);
    assert_close(
        with_nat.per_thousand_buyers.expect("buyers came"),
        expected / 20.0,
    );
    assert_close(
        with_nat.per_ticket.expect("tickets were sold"),
        expected / 2_000.0,
    );

    for zone in &mut plan.topology.zones {
        zone.nat_gateway = false;
    }
    let (_, _, computed) = row(&statement(&plan, "documented-krw"), "nat");
    assert_eq!(computed, Some(0.0), "a flat price is not paid for nothing");
    let without = statement(&plan, "aws-ap-northeast-2");
    assert_close(
        with_nat.month.total - without.month.total,
        730.0 * (2.0 * 0.059 + 2.0 * 0.005),
    );
}

#[test]
fn a_month_has_the_base_fleet_throughout_and_the_extra_hours_of_its_onsales() {
    let mut plan = documented_plan();
    plan.cost.onsales_per_month = 3;
    let statement = statement(&plan, "aws-ap-northeast-2");
    assert_close(
        line(&statement, Item::Instance, Heading::Instances).quantity,
        1_460.0,
    );
    assert_close(
        line(&statement, Item::Instance, Heading::Peak).quantity,
        24.0,
    );
    assert_close(
        line(&statement, Item::LambdaRuns, Heading::Lambda).quantity,
        43_800.0,
    );
    plan.scaling.monitor.period = secs(10);
    let faster = self::statement(&plan, "aws-ap-northeast-2");
    assert_close(
        line(&faster, Item::LambdaRuns, Heading::Lambda).quantity,
        262_800.0,
    );
}

#[test]
fn what_has_no_price_is_shown_as_not_found_and_counts_nothing() {
    let mut plan = documented_plan();
    plan.topology.instances.class = "m5.large".to_owned();
    let statement = statement(&plan, "documented-krw");
    let line = line(&statement, Item::Instance, Heading::Instances);
    assert_eq!((line.basis, line.amount), (Basis::NotFound, None));
    assert_close(statement.month.total, 259_000.0 - 80_000.0);
    assert_eq!(
        row(&statement, "compute").2,
        None,
        "a sum with a gap is none"
    );
}

#[test]
fn without_buyers_or_tickets_nothing_is_divided() {
    let plan = documented_plan();
    let book = PriceBook::built_in("documented-krw").expect("is built in");
    let nobody = Sales {
        buyers: 0,
        tickets: 0,
    };
    let statement = Statement::new(&plan, PEAK_HOUR, nobody, &book);
    assert_eq!(statement.per_thousand_buyers, None);
    assert_eq!(statement.per_ticket, None);
}

#[test]
fn a_statement_survives_json() {
    let statement = statement(&documented_plan(), "documented-krw");
    let json = serde_json::to_string(&statement).expect("is JSON");
    let back: Statement = serde_json::from_str(&json).expect("is a statement");
    assert_eq!(back.documented.rows.len(), statement.documented.rows.len());
    assert_close(back.month.total, statement.month.total);
}
