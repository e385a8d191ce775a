//! Statements: the documented prices give the reference bill, and its wrong sum is found.

use crate::common::{documented_plan, secs};
use tiketi_core::instance_class::InstanceClass;
use tiketi_cost::edge_plan::Beyond;
use tiketi_cost::item::{DatabaseOffer, Heading, Item};
use tiketi_cost::price_book::{Basis, Currency};
use tiketi_cost::statement::BillLine;
use tiketi_cost::{Amount, LcuHour, PriceBook, Sales, Statement, Traffic, Usage};
use tiketi_scenario::Plan;
use tiketi_scenario::topology::DatabaseKind;

/// One hour with the smallest fleet plus eight instances, and a twentieth of the documented traffic.
fn peak_hour() -> Usage {
    Usage {
        hours: 1.0,
        instance_hours: 10.0,
        lambda_runs: 60,
        load_balancer: vec![LcuHour {
            new_connections: 2.0,
            active_connections: 1.5,
            ..LcuHour::default()
        }],
        requests: Some(1_000_000),
        data_out_gb: 25.0,
        ..Usage::default()
    }
}

const SALES: Sales = Sales {
    buyers: 20_000,
    tickets: 2_000,
};

fn statement(plan: &Plan, book: &str) -> Statement {
    let book = PriceBook::built_in(book).expect("is built in");
    Statement::new(plan, peak_hour(), SALES, &book)
}

fn assert_close(value: f64, expected: f64) {
    assert!(
        (value - expected).abs() < 1e-6 * expected.abs().max(1.0),
        "{value} instead of {expected}"
    );
}

fn line(statement: &Statement, item: Item, heading: Heading) -> &BillLine {
    statement
        .month
        .lines
        .iter()
        .find(|line| line.item == item && line.heading == heading)
        .expect("is on the bill")
}

fn assert_quantity(statement: &Statement, item: Item, heading: Heading, expected: f64) {
    let quantity = line(statement, item, heading).quantity;
    assert_close(quantity.expect("is metered"), expected);
}

/// The amount of an item in the run's bill, summed over its lines.
fn amount(statement: &Statement, item: Item) -> f64 {
    let lines = statement.run.lines.iter().filter(|line| line.item == item);
    lines.map(|line| line.amount.expect("is metered")).sum()
}

fn row(statement: &Statement, name: &str) -> (f64, Option<f64>, Option<f64>) {
    let row = statement
        .documented
        .rows
        .iter()
        .find(|row| row.name == name)
        .expect("is documented");
    let computed = row.computed.as_ref().map(Amount::at_least);
    (row.documented, row.added_up, computed)
}

#[test]
fn documented_prices_give_the_reference_bill() {
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
    // 20 sales of one hour with eight more instances: 160 hours at 40,000 / 730 are 8,767, stated as 9,000.
    let (stated, _, computed) = row(&statement, "peak");
    assert_close(computed.expect("is computed"), 160.0 * 40_000.0 / 730.0);
    assert_close(stated, 9_000.0);
    assert_close(
        statement.month.total.at_least(),
        259_000.0 + 160.0 * 40_000.0 / 730.0,
    );
}

#[test]
fn wrong_sums_in_the_documents_are_found() {
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
    // Without NAT, and with two instances at 24,000 instead of 40,000.
    let all = 259_000.0 + 160.0 * 40_000.0 / 730.0;
    assert_close(computed.expect("is a sum"), all - 36_500.0 - 32_000.0);
    assert_close(
        statement
            .savings
            .optimized
            .as_ref()
            .expect("has its prices")
            .at_least(),
        all - 36_500.0 - 32_000.0,
    );
    let (total, added_up, _) = row(&statement, "all");
    assert_close(added_up.expect("is a sum"), total);
}

#[test]
fn different_usage_is_distinguished_from_different_prices() {
    let book = PriceBook::built_in("documented-krw").expect("is built in");
    let little = Usage {
        instance_hours: 2.0,
        data_out_gb: 0.7,
        ..peak_hour()
    };
    let statement = Statement::new(&documented_plan(), little, SALES, &book);
    let (_, _, transfer) = row(&statement, "transfer");
    assert_close(transfer.expect("is computed"), 20.0 * 0.7 * 10.0);
    let rows = &statement.documented.rows;
    let used: Vec<_> = rows.iter().filter_map(|row| row.used.as_deref()).collect();
    assert_eq!(used, ["14.0 GB", "0.0 instance-hours"]);
    for row in rows {
        let expected = match row.name.as_str() {
            // The documents subtract the whole network cost. The traffic to buyers remains without NAT.
            "saving-nat" => 36_500.0,
            "optimized" => 268_000.0 - 36_500.0 - 32_000.0,
            _ => row.documented,
        };
        assert_close(
            row.computed_at_documented_use
                .as_ref()
                .expect("has its prices")
                .at_least(),
            expected,
        );
    }
}

#[test]
fn run_is_billed_for_its_own_hours() {
    let mut plan = documented_plan();
    let with_nat = statement(&plan, "aws-ap-northeast-2");
    assert_eq!(with_nat.currency, Currency::Usd);
    // 10 instances with volumes, ALB, 2 capacity units, 4 addresses, 60 Lambda runs and metric calls, 2 + 2 nodes and
    // database storage, 2 gateways, traffic, the rest.
    let expected = 0.52
        + 10.0 * 8.0 * 0.0912 / 730.0
        + 60.0 * 0.000_01
        + 10.0 * 0.12 / 730.0
        + 0.0225
        + 0.016
        + 4.0 * 0.005
        + 60.0 * 2e-7
        + 60.0 * 0.0125 * 0.000_016_666_7
        + 2.0 * 0.125
        + 2.0 * 0.025
        + 2.0 * 0.059
        + 25.0 * 0.12
        + 1.2
        + (50.0 * 0.025 + 0.5 + 0.4 + 0.3 + 2.0 * 0.1) / 730.0;
    assert_close(with_nat.run.total.at_least(), expected);
    assert_close(
        with_nat
            .per_thousand_buyers
            .expect("buyers came")
            .at_least(),
        expected / 20.0,
    );
    assert_close(
        with_nat.per_ticket.expect("tickets were sold").at_least(),
        expected / 2_000.0,
    );

    for zone in &mut plan.topology.zones {
        zone.nat_gateway = false;
    }
    let (_, _, computed) = row(&statement(&plan, "documented-krw"), "nat");
    assert_eq!(
        computed,
        Some(0.0),
        "a flat price does not apply without gateways"
    );
    let without = statement(&plan, "aws-ap-northeast-2");
    assert_close(
        with_nat.month.total.at_least() - without.month.total.at_least(),
        730.0 * (2.0 * 0.059 + 2.0 * 0.005),
    );
}

#[test]
fn unmetered_items_are_listed_without_amount() {
    let plan = documented_plan();
    let unseen = statement(&plan, "aws-ap-northeast-2");
    let named: Vec<_> = unseen
        .run
        .not_metered()
        .map(|line| (line.title.as_str(), line.amount))
        .collect();
    assert_eq!(
        named,
        [
            ("Surplus credits", None),
            ("Requests of the edge to S3", None),
            ("Traffic through NAT", None),
            ("Uploads to S3", None),
            ("Transfer out from instances", None),
            ("Redis across zones", None),
            ("Database across zones", None),
            ("NAT across zones", None),
            ("Database I/O", None),
        ]
    );
    assert_eq!(unseen.run.not_priced().count(), 0);
    let missing = unseen.run.total.missing();
    assert_eq!(missing.len(), named.len(), "{missing:?}");
    assert_eq!(missing[0], "Surplus credits (not metered)");
    let nothing = Usage {
        surplus_vcpu_hours: Some(0.0),
        origin_requests: Some(0),
        traffic: Some(Traffic::NOTHING),
        ..peak_hour()
    };
    let book = PriceBook::built_in("aws-ap-northeast-2").expect("is built in");
    let seen = Statement::new(&plan, nothing, SALES, &book);
    assert_eq!(seen.run.not_metered().count(), 0);
    assert!(
        seen.run.total.exact().is_some(),
        "what is free or unused costs nothing"
    );
    assert_close(seen.run.total.at_least(), unseen.run.total.at_least());
}

#[test]
fn each_traffic_path_has_its_price() {
    let plan = documented_plan();
    let usage = |s3_nat_gb| Usage {
        surplus_vcpu_hours: Some(2.0),
        traffic: Some(Traffic {
            nat_gb: 10.0,
            internet_gb: 4.0,
            s3_gb: 100.0,
            s3_nat_gb,
            s3_puts: 2_000_000,
            detour_gb: 3.0,
            load_balancer_cross_zone_gb: Some(50.0),
            redis_cross_zone_gb: Some(20.0),
            database_cross_zone_gb: Some(7.0),
            replication_gb: Some(5.0),
            database_io: Some(3_000_000),
        }),
        ..peak_hour()
    };
    let book = PriceBook::built_in("aws-ap-northeast-2").expect("is built in");
    let by_endpoint = Statement::new(&plan, usage(0.0), SALES, &book);
    assert_close(amount(&by_endpoint, Item::Surplus), 2.0 * 0.05);
    assert_close(amount(&by_endpoint, Item::NatTraffic), 10.0 * 0.059);
    assert_close(amount(&by_endpoint, Item::EndpointTraffic), 0.0);
    assert_close(amount(&by_endpoint, Item::ObjectUploads), 9.0);
    assert_close(amount(&by_endpoint, Item::DataOutNat), 4.0 * 0.126);
    // Redis, database and the detour to the gateway of another zone: one cent per side.
    assert_close(
        amount(&by_endpoint, Item::CrossZone),
        (20.0 + 7.0 + 3.0) * 2.0 * 0.01,
    );
    assert_close(amount(&by_endpoint, Item::CrossZoneLoadBalancer), 0.0);
    assert_close(amount(&by_endpoint, Item::CrossZoneReplication), 0.0);
    assert_close(amount(&by_endpoint, Item::DatabaseIo), 3.0 * 0.24);
    assert_quantity(&by_endpoint, Item::Surplus, Heading::Peak, 40.0);

    // Without the endpoint, traffic to S3 goes through NAT (A17).
    let by_nat = Statement::new(&plan, usage(100.0), SALES, &book);
    assert_close(amount(&by_nat, Item::NatTraffic), 110.0 * 0.059);
    assert_close(
        by_nat.run.total.at_least() - by_endpoint.run.total.at_least(),
        100.0 * 0.059,
    );
}

#[test]
fn lines_add_up_to_the_total() {
    for name in PriceBook::BUILT_IN {
        let statement = statement(&documented_plan(), name);
        for bill in [&statement.run, &statement.month] {
            let mut sum = 0.0;
            for line in &bill.lines {
                match line.quantity.zip(line.unit_price) {
                    Some((quantity, price)) => {
                        assert_close(line.amount.expect("both are known"), quantity * price);
                    }
                    None => assert!(line.amount.unwrap_or(0.0).abs() <= 0.0, "{}", line.title),
                }
                sum += line.amount.unwrap_or(0.0);
            }
            assert_close(bill.total.at_least(), sum);
        }
    }
}

#[test]
fn usage_can_be_repriced() {
    let plan = documented_plan();
    let documented = statement(&plan, "documented-krw");
    let listed = PriceBook::built_in("aws-ap-northeast-2").expect("is built in");
    assert_eq!(
        documented.at_prices_of(&plan, &listed),
        statement(&plan, "aws-ap-northeast-2")
    );
}

#[test]
fn database_storage_price_depends_on_its_kind() {
    let mut plan = documented_plan();
    let storage = |plan: &Plan| {
        let statement = statement(plan, "aws-ap-northeast-2");
        line(&statement, Item::DatabaseStorage, Heading::Database)
            .amount
            .expect("has a price")
    };
    assert_close(storage(&plan), 10.0 * 0.12);
    plan.topology.database.kind = DatabaseKind::RdsMultiAz;
    assert_close(storage(&plan), 20.0 * 0.262);
    plan.topology.database.standby = None;
    assert_close(storage(&plan), 20.0 * 0.131);
}

#[test]
fn database_nodes_are_billed_at_the_price_of_their_kind() {
    let mut plan = documented_plan();
    plan.topology.database.class = "db.t3.medium".to_owned();
    let nodes = |plan: &Plan| {
        let statement = statement(plan, "aws-ap-northeast-2");
        line(&statement, Item::Database, Heading::Database)
            .amount
            .expect("has a price")
    };
    assert_close(nodes(&plan), 2.0 * 730.0 * 0.125);
    // Aurora without a reader is one node at the same price.
    let standby = plan.topology.database.standby.take();
    assert_close(nodes(&plan), 730.0 * 0.125);
    plan.topology.database.kind = DatabaseKind::RdsMultiAz;
    assert_close(nodes(&plan), 730.0 * 0.112);
    plan.topology.database.standby = standby;
    assert_close(nodes(&plan), 2.0 * 730.0 * 0.112);
    // The price of both nodes of the documented RDS deployment, which AWS lists as 0.056 per hour.
    plan.topology.database.class = "db.t3.micro".to_owned();
    assert_close(nodes(&plan), 730.0 * 0.056);
    // T4g in one zone is cheaper per node than in two.
    plan.topology.database.class = "db.t4g.micro".to_owned();
    assert_close(nodes(&plan), 730.0 * 0.051);
    plan.topology.database.standby = None;
    assert_close(nodes(&plan), 730.0 * 0.025);
    assert_eq!(
        DatabaseOffer::of(&plan.topology.database),
        DatabaseOffer::RdsSingleAz
    );
}

#[test]
fn class_that_a_kind_does_not_have_has_no_price() {
    let mut plan = documented_plan();
    plan.topology.database.class = "db.t3.micro".to_owned();
    let aurora = statement(&plan, "aws-ap-northeast-2");
    let node = line(&aurora, Item::Database, Heading::Database);
    assert_eq!((node.basis, node.amount), (Basis::NotFound, None));
    assert_eq!(aurora.month.total.exact(), None);
}

/// The month's lines of the edge, as title, quantity and amount.
fn edge_lines(statement: &Statement, of_run: bool) -> Vec<(&str, f64, f64)> {
    let bill = if of_run {
        &statement.run
    } else {
        &statement.month
    };
    let lines = bill
        .lines
        .iter()
        .filter(|line| [Item::DataOut, Item::EdgeRequests, Item::EdgePlan].contains(&line.item));
    lines
        .map(|line| {
            let quantity = line.quantity.expect("is metered");
            (
                line.title.as_str(),
                quantity,
                line.amount.expect("is known"),
            )
        })
        .collect()
}

/// The peak hour at list prices, with a plan for the edge.
fn under_edge_plan(plan: &Plan, name: &str) -> Statement {
    let mut book = PriceBook::built_in("aws-ap-northeast-2").expect("is built in");
    let mut plans = book.edge_plans.iter();
    book.edge_plan = plans.find(|plan| plan.name == name).cloned();
    assert!(book.edge_plan.is_some(), "the book has no plan {name}");
    Statement::new(plan, peak_hour(), SALES, &book)
}

fn assert_lines(lines: &[(&str, f64, f64)], expected: &[(&str, f64, f64)]) {
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert_eq!(line.0, expected.0);
        assert_close(line.1, expected.1);
        assert_close(line.2, expected.2);
    }
}

#[test]
fn free_tier_of_the_edge_is_deducted_once_per_month() {
    let mut plan = documented_plan();
    // 20 sales of 25 GB and 1,000,000 requests: 500 GB are free, and half of the requests.
    let free = under_edge_plan(&plan, "free-tier");
    assert_lines(
        &edge_lines(&free, false),
        &[
            ("Transfer to the internet covered by free-tier", 500.0, 0.0),
            ("Transfer to the internet beyond free-tier", 0.0, 0.0),
            ("Requests at the edge covered by free-tier", 1e7, 0.0),
            ("Requests at the edge beyond free-tier", 1e7, 12.0),
            ("Edge plan free-tier", 1.0, 0.0),
        ],
    );
    // Each sale has a twentieth of the allowance, so that a month of sales costs as much as its sales together.
    assert_lines(
        &edge_lines(&free, true),
        &[
            ("Transfer to the internet covered by free-tier", 25.0, 0.0),
            ("Transfer to the internet beyond free-tier", 0.0, 0.0),
            ("Requests at the edge covered by free-tier", 5e5, 0.0),
            ("Requests at the edge beyond free-tier", 5e5, 0.6),
            ("Edge plan free-tier", 1.0 / 730.0, 0.0),
        ],
    );
    let listed = statement(&plan, "aws-ap-northeast-2");
    assert_close(
        listed.month.total.at_least() - free.month.total.at_least(),
        500.0 * 0.12 + 12.0,
    );
    // 60 sales are 1,500 GB: 476 of them are beyond a terabyte.
    plan.cost.onsales_per_month = 60;
    let more = under_edge_plan(&plan, "free-tier");
    assert_close(edge_lines(&more, false)[1].2, 476.0 * 0.12);
    assert_close(edge_lines(&more, true)[1].2, 476.0 * 0.12 / 60.0);
}

#[test]
fn flat_plan_of_the_edge_has_its_fee_and_states_what_is_beyond_it() {
    let plan = documented_plan();
    let flat = under_edge_plan(&plan, "flat-pro");
    assert_lines(
        &edge_lines(&flat, false),
        &[
            ("Transfer to the internet covered by flat-pro", 500.0, 0.0),
            ("Transfer to the internet beyond flat-pro", 0.0, 0.0),
            ("Requests at the edge covered by flat-pro", 1e7, 0.0),
            ("Requests at the edge beyond flat-pro", 1e7, 0.0),
            ("Edge plan flat-pro", 1.0, 15.0),
        ],
    );
    // The fee of one hour.
    assert_close(edge_lines(&flat, true)[4].2, 15.0 / 730.0);
    let listed = statement(&plan, "aws-ap-northeast-2");
    assert_close(
        listed.month.total.at_least() - flat.month.total.at_least(),
        500.0 * 0.12 + 2e7 * 0.000_001_2 - 15.0,
    );
    let free = under_edge_plan(&plan, "flat-free");
    assert_close(edge_lines(&free, false)[1].1, 400.0);
    let (_, _, transfer) = row(&free, "transfer");
    assert_close(transfer.expect("is computed"), 0.0);
    let used = free.documented.rows.iter().find_map(|row| row.used.clone());
    assert_eq!(
        used.as_deref(),
        Some("500.0 GB, 20000000.0 requests"),
        "covered or not, it is the same usage"
    );
}

#[test]
fn unmetered_requests_stay_unknown_only_where_they_may_cost_something() {
    let usage = Usage {
        requests: None,
        ..peak_hour()
    };
    let mut book = PriceBook::built_in("aws-ap-northeast-2").expect("is built in");
    for edge_plan in book.edge_plans.clone() {
        let beyond = edge_plan.beyond;
        book.edge_plan = Some(edge_plan);
        let statement = Statement::new(&documented_plan(), usage.clone(), SALES, &book);
        let is_missing = statement
            .month
            .total
            .missing()
            .iter()
            .any(|item| item.starts_with("Requests at the edge"));
        assert_eq!(is_missing, beyond == Beyond::ListPrice);
    }
}

#[test]
fn month_has_base_fleet_plus_extra_hours_of_sales() {
    let mut plan = documented_plan();
    plan.cost.onsales_per_month = 3;
    let statement = statement(&plan, "aws-ap-northeast-2");
    assert_quantity(&statement, Item::Instance, Heading::Instances, 1_460.0);
    assert_quantity(&statement, Item::Instance, Heading::Peak, 24.0);
    assert_quantity(&statement, Item::LambdaRuns, Heading::Lambda, 43_800.0);
    assert_quantity(&statement, Item::MetricCalls, Heading::Monitoring, 43_800.0);
    // 8 GB each: two instances all month, and 24 hours of additional ones.
    assert_quantity(&statement, Item::Volumes, Heading::Instances, 16.0);
    assert_quantity(&statement, Item::Volumes, Heading::Peak, 8.0 * 24.0 / 730.0);
    plan.scaling.monitor.period = secs(10);
    let faster = self::statement(&plan, "aws-ap-northeast-2");
    assert_quantity(&faster, Item::LambdaRuns, Heading::Lambda, 262_800.0);
}

#[test]
fn items_without_price_make_every_sum_a_lower_bound() {
    let mut plan = documented_plan();
    plan.topology.instances.class = InstanceClass::M5Large;
    let statement = statement(&plan, "documented-krw");
    let line = line(&statement, Item::Instance, Heading::Instances);
    assert_eq!((line.basis, line.amount), (Basis::NotFound, None));
    assert_close(statement.month.total.at_least(), 259_000.0 - 80_000.0);
    assert_eq!(
        row(&statement, "compute").2,
        None,
        "a sum with a missing price has no value"
    );
    let whole_fleet = "2 x m5.large, always on (no price)";
    for amount in [&statement.run.total, &statement.month.total] {
        assert_eq!(amount.exact(), None);
        assert!(
            amount.missing().iter().any(|item| item == whole_fleet),
            "{amount:?}"
        );
    }
    for each in [&statement.per_ticket, &statement.per_thousand_buyers] {
        assert_eq!(each.as_ref().expect("there are sales").exact(), None);
    }
    assert_eq!(statement.savings.reserved, None);
    // With its price the same bill is exact.
    let known = self::statement(&documented_plan(), "documented-krw");
    assert!(known.run.total.exact().is_some() && known.month.total.exact().is_some());
}

#[test]
fn no_unit_costs_without_buyers_or_tickets() {
    let plan = documented_plan();
    let book = PriceBook::built_in("documented-krw").expect("is built in");
    let nobody = Sales {
        buyers: 0,
        tickets: 0,
    };
    let statement = Statement::new(&plan, peak_hour(), nobody, &book);
    assert!(statement.run.total.at_least() > 0.0);
    assert_eq!(statement.per_thousand_buyers, None);
    assert_eq!(statement.per_ticket, None);
}

#[test]
fn statement_round_trips_through_json() {
    let statement = statement(&documented_plan(), "documented-krw");
    let json = serde_json::to_string(&statement).expect("is JSON");
    let back: Statement = serde_json::from_str(&json).expect("is a statement");
    assert_eq!(back.documented.rows.len(), statement.documented.rows.len());
    assert_close(
        back.month.total.at_least(),
        statement.month.total.at_least(),
    );
}
