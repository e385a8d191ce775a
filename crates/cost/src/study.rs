//! Recalculates the reference bill (A24) from price books, line by line, and the documented hourly cost of CloudMart (B9).
//!
//! It needs no run: the usage is taken from the documents, as far as they state it.

use serde::{Deserialize, Serialize};

use super::amount::Amount;
use super::capacity::LcuHour;
use super::edge_plan::{EdgePlan, PAY_AS_YOU_GO};
use super::item::Item;
use super::meter::count;
use super::price_book::{Currency, Exchange, HOURS_PER_MONTH, PriceBook};
use super::statement::{Bill, BillLine, Sales, Statement, sum};
use super::usage::Usage;
use tiketi_scenario::Plan;

/// Hours per month with the largest fleet (A24).
pub const PEAK_HOURS: f64 = 20.0;
/// Gigabytes per month to the internet (A24).
pub const TRANSFER_GB: f64 = 500.0;
/// Documented cost of CloudMart per hour, in dollars (B9).
pub const CLOUDMART_HOUR: f64 = 0.124;
/// Documented cost of CloudMart per month, in dollars (B9).
pub const CLOUDMART_MONTH: f64 = 89.28;

/// The items in CloudMart's architecture diagram, which its documented cost may be the sum of.
const DRAWN: [Item; 5] = [
    Item::LoadBalancer,
    Item::Instance,
    Item::Database,
    Item::Cache,
    Item::NatGateway,
];

/// What a plan for the edge changes the price of.
const EDGE: [Item; 3] = [Item::DataOut, Item::EdgeRequests, Item::EdgePlan];

/// The fixed infrastructure of a topology, which is billed regardless of load.
const FIXED: [Item; 8] = [
    Item::LoadBalancer,
    Item::PublicAddresses,
    Item::Instance,
    Item::Volumes,
    Item::Database,
    Item::DatabaseStorage,
    Item::Cache,
    Item::NatGateway,
];

/// An architecture at the prices of several books.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// Name of the scenario that defines the topology.
    pub scenario: String,
    /// The month at the prices of each book, in the given order; never empty.
    pub months: Vec<Month>,
    /// CloudMart's hourly cost; `None` if it was not requested.
    pub hour: Option<Hour>,
}

/// The month at the prices of one book, and the cost of other configurations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Month {
    /// The statement; its run is one peak.
    pub statement: Statement,
    /// Number of NAT gateways.
    pub nat_gateways: u32,
    /// Savings per month with one NAT gateway for all zones (B12), before the resulting cross-zone traffic.
    pub saved_by_one_gateway: Amount,
    /// Cost per month of an additional zone, with an address of the load balancer and a NAT gateway if the last zone has
    /// one; `None` if the topology has no zone.
    pub another_zone_costs: Option<Amount>,
    /// What the edge costs without a plan and with each plan of the book; empty if the book has no plans.
    pub edge_choices: Vec<EdgeChoice>,
}

/// The edge's month under one plan, or under none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EdgeChoice {
    /// Name of the plan; [`PAY_AS_YOU_GO`] for none.
    pub plan: String,
    /// Cost of the month's transfer, requests and fee.
    pub costs: Amount,
    /// Gigabytes of the month beyond the allowance; `None` without a plan.
    pub beyond_gb: Option<f64>,
}

/// The hourly cost of the fixed infrastructure, at the prices of one book.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hour {
    /// Name of the scenario.
    pub scenario: String,
    /// Name of the book.
    pub price_book: String,
    /// Currency of the amounts.
    pub currency: Currency,
    /// Exchange rate to won.
    pub exchange: Exchange,
    /// Title and hourly cost of each item.
    pub lines: Vec<(String, f64)>,
    /// Sum of the lines; a lower bound if an item has no price.
    pub total: Amount,
    /// The items of the diagram whose sum is closest to the documented hourly cost, and that sum.
    pub nearest: (Vec<String>, f64),
}

impl Study {
    /// Prices the month of `plan` with each of `books`, and an hour of `cloudmart` with the last of them.
    ///
    /// # Panics
    ///
    /// Panics if `books` is empty.
    pub fn new(plan: &Plan, books: &[PriceBook], cloudmart: Option<&Plan>) -> Self {
        let last = books.last().expect("a study has a book");
        Self {
            scenario: plan.name.clone(),
            months: books.iter().map(|book| month(plan, book)).collect(),
            hour: cloudmart.map(|plan| hour(plan, last)),
        }
    }
}

/// Returns the usage of one sale if all sales of a month together use what A24 states: 20 hours with the largest fleet and
/// 500 GB, in equal parts.
///
/// Assumptions: all traffic goes through the load balancer, and it is billed by bytes. Usage that A24 doesn't mention is not
/// metered.
pub fn documented_use(plan: &Plan) -> Usage {
    if plan.cost.onsales_per_month == 0 {
        return Usage::default();
    }
    let part = 1.0 / f64::from(plan.cost.onsales_per_month);
    let hours = PEAK_HOURS * part;
    Usage {
        hours,
        instance_hours: f64::from(plan.scaling.max) * hours,
        load_balancer: vec![LcuHour {
            processed_bytes: TRANSFER_GB * part,
            ..LcuHour::default()
        }],
        data_out_gb: TRANSFER_GB * part,
        ..Usage::default()
    }
}

fn month(plan: &Plan, book: &PriceBook) -> Month {
    let bill = |plan: &Plan| Statement::new(plan, documented_use(plan), Sales::default(), book);
    let mut one_gateway = plan.clone();
    let zones = one_gateway.topology.zones.iter_mut();
    for zone in zones.filter(|zone| zone.nat_gateway).skip(1) {
        zone.nat_gateway = false;
    }
    let mut wider = plan.clone();
    let last = wider.topology.zones.last().cloned();
    wider.topology.zones.extend(last.clone());
    let statement = bill(plan);
    let zones = plan.topology.zones.iter();
    let gateways = zones.filter(|zone| zone.nat_gateway).count();
    Month {
        nat_gateways: u32::try_from(gateways).unwrap_or(u32::MAX),
        edge_choices: edge_choices(plan, book),
        another_zone_costs: last.map(|_| difference(&bill(&wider).month, &statement.month)),
        saved_by_one_gateway: difference(&statement.month, &bill(&one_gateway).month),
        statement,
    }
}

/// Returns what the edge costs without a plan, and with each plan of the book.
fn edge_choices(plan: &Plan, book: &PriceBook) -> Vec<EdgeChoice> {
    if book.edge_plans.is_empty() {
        return Vec::new();
    }
    let plans = book.edge_plans.iter().map(Some);
    let choice = |edge_plan: Option<&EdgePlan>| {
        let book = PriceBook {
            edge_plan: edge_plan.cloned(),
            ..book.clone()
        };
        let statement = Statement::new(plan, documented_use(plan), Sales::default(), &book);
        let lines = statement.month.lines.iter();
        let lines = lines.filter(|line| EDGE.contains(&line.item));
        let name = edge_plan.map_or(PAY_AS_YOU_GO, |plan| plan.name.as_str());
        EdgeChoice {
            plan: name.to_owned(),
            costs: sum(lines),
            beyond_gb: edge_plan.map(|plan| (TRANSFER_GB - plan.transfer_gb).max(0.0)),
        }
    };
    std::iter::once(None).chain(plans).map(choice).collect()
}

/// Returns by how much one bill is higher than another. It is a lower bound if the bills differ in the quantity of an item
/// without a price; items that neither meters are left out.
fn difference(more: &Bill, less: &Bill) -> Amount {
    let lines = more.lines.iter().zip(&less.lines);
    let differs = |(one, other): &(&BillLine, &BillLine)| one.quantity != other.quantity;
    let missing = lines.filter(differs).filter_map(|(line, _)| line.missing());
    let known = more.total.at_least() - less.total.at_least();
    Amount::new(known, missing.collect())
}

fn hour(plan: &Plan, book: &PriceBook) -> Hour {
    let statement = Statement::new(plan, Usage::default(), Sales::default(), book);
    let lines = hourly(&statement.month, &FIXED);
    let fixed = statement.month.lines.iter();
    let fixed = fixed.filter(|line| FIXED.contains(&line.item));
    Hour {
        scenario: plan.name.clone(),
        price_book: book.name.clone(),
        currency: book.currency,
        exchange: book.exchange.clone(),
        total: sum(fixed).times(1.0 / HOURS_PER_MONTH),
        nearest: nearest(&hourly(&statement.month, &DRAWN), CLOUDMART_HOUR),
        lines,
    }
}

/// Returns the lines of a month that have a cost, per hour.
fn hourly(month: &Bill, items: &[Item]) -> Vec<(String, f64)> {
    let lines = month.lines.iter();
    let lines = lines.filter(|line| items.contains(&line.item));
    lines
        .filter_map(|line| Some((line.title.clone(), line.amount? / HOURS_PER_MONTH)))
        .filter(|(_, amount)| *amount > 0.0)
        .collect()
}

/// Returns the subset of `lines` whose sum is closest to `wanted`. There are few lines, so it tries every subset.
fn nearest(lines: &[(String, f64)], wanted: f64) -> (Vec<String>, f64) {
    let chosen = |choice: u32| {
        let lines = lines.iter().enumerate();
        lines.filter_map(move |(place, line)| (choice >> place & 1 == 1).then_some(line))
    };
    let sum = |choice| chosen(choice).map(|(_, amount)| amount).sum::<f64>();
    let distance = |choice| (sum(choice) - wanted).abs();
    let best = (0..1_u32 << lines.len())
        .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
        .expect("there is at least the empty subset");
    let titles = chosen(best).map(|(title, _)| title.clone());
    (titles.collect(), sum(best))
}

impl Month {
    /// Returns the hourly price of an item in won and how many of it run, or `None` if the book has no hourly price for it.
    pub fn piece(&self, item: Item) -> Option<Piece> {
        let lines = &self.statement.month.lines;
        let line = lines
            .iter()
            .find(|line| line.item == item && line.unit.ends_with("-hour"))?;
        Some(Piece {
            won_per_hour: line.unit_price? * self.won_per_unit(),
            pieces: line.quantity? / HOURS_PER_MONTH,
        })
    }

    /// Returns the won per unit of the book's currency.
    pub const fn won_per_unit(&self) -> f64 {
        self.statement.exchange.won_per_unit
    }

    /// Returns the won per gigabyte through NAT, or `None` if the book has no price for it.
    pub fn won_per_nat_gigabyte(&self) -> Option<f64> {
        let lines = &self.statement.month.lines;
        let line = lines.iter().find(|line| line.item == Item::NatTraffic)?;
        Some(line.unit_price? * self.won_per_unit())
    }

    /// Returns the cost of the month in won.
    pub fn total_won(&self) -> Amount {
        self.statement.month.total.times(self.won_per_unit())
    }

    /// Returns the number of NAT gateways as a float.
    pub fn gateways(&self) -> f64 {
        count(u64::from(self.nat_gateways))
    }
}

/// An item that is billed by the hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    /// Price of one, in won per hour.
    pub won_per_hour: f64,
    /// How many run all month.
    pub pieces: f64,
}

impl Piece {
    /// Returns the price of one, in won per month.
    pub fn won_per_month(&self) -> f64 {
        self.won_per_hour * HOURS_PER_MONTH
    }
}
