//! The documented month (A24) rebuilt from price books, line by line, and the documented hour of CloudMart (B9).
//!
//! Nothing is run for it: what is used is what the documents say is used, as far as they say it.

use serde::{Deserialize, Serialize};

use super::capacity::LcuHour;
use super::item::Item;
use super::meter::count;
use super::price_book::{Currency, Exchange, HOURS_A_MONTH, PriceBook};
use super::statement::{Bill, Sales, Statement};
use super::usage::Usage;
use tiketi_scenario::Plan;

/// Hours of a month with the largest fleet (A24).
pub const PEAK_HOURS: f64 = 20.0;
/// Gigabytes of a month to the internet (A24).
pub const TRANSFER_GB: f64 = 500.0;
/// What an hour of CloudMart costs, in dollars (B9).
pub const CLOUDMART_HOUR: f64 = 0.124;
/// What a month of CloudMart costs, in dollars (B9).
pub const CLOUDMART_MONTH: f64 = 89.28;

/// The items of CloudMart that its documents draw, and so may have added up.
const DRAWN: [Item; 5] = [
    Item::LoadBalancer,
    Item::Instance,
    Item::Database,
    Item::Cache,
    Item::NatGateway,
];

/// What of a topology stands there and is billed whatever passes.
const STANDS: [Item; 8] = [
    Item::LoadBalancer,
    Item::PublicAddresses,
    Item::Instance,
    Item::Volumes,
    Item::Database,
    Item::DatabaseStorage,
    Item::Cache,
    Item::NatGateway,
];

/// One architecture at the prices of several books.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// Name of the scenario whose topology it is.
    pub scenario: String,
    /// Each book's view of the month, in the order in which the books were given; never empty.
    pub months: Vec<Month>,
    /// The hour of CloudMart; `None` if it was not asked for.
    pub hour: Option<Hour>,
}

/// The month at the prices of one book, and what other set-ups would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Month {
    /// The statement; its run is one peak.
    pub statement: Statement,
    /// NAT gateways that stand there.
    pub nat_gateways: u32,
    /// What the month would save with one NAT gateway for all zones (B12), before the traffic that then crosses zones.
    pub saved_by_one_gateway: f64,
    /// What one zone more would cost, with an address of the load balancer and, if the others have one, a NAT gateway;
    /// `None` if the topology has no zone to go by.
    pub another_zone_costs: Option<f64>,
}

/// An hour of what stands there, at the prices of one book.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hour {
    /// Name of the scenario.
    pub scenario: String,
    /// Name of the book.
    pub price_book: String,
    /// Currency of the amounts.
    pub currency: Currency,
    /// What one unit of it is in won.
    pub exchange: Exchange,
    /// What stands there, by title, and what an hour of it costs.
    pub lines: Vec<(String, f64)>,
    /// Their sum.
    pub total: f64,
    /// The items of the drawing that come nearest to the documented hour, and what they come to.
    pub nearest: (Vec<String>, f64),
}

impl Study {
    /// Rebuilds the month of `plan` from each of `books`, and the hour of `cloudmart` from the last of them.
    ///
    /// # Panics
    ///
    /// If there is no book.
    pub fn new(plan: &Plan, books: &[PriceBook], cloudmart: Option<&Plan>) -> Self {
        let last = books.last().expect("a study has a book");
        Self {
            scenario: plan.name.clone(),
            months: books.iter().map(|book| month(plan, book)).collect(),
            hour: cloudmart.map(|plan| hour(plan, last)),
        }
    }
}

/// What one on-sale uses if all of a month use what A24 states: 20 hours with the largest fleet and 500 GB, in equal parts.
///
/// That all of the transfer passes the load balancer, and that bytes are the dimension it is billed by, is an assumption;
/// what A24 does not speak of is not metered.
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
        another_zone_costs: last.map(|_| bill(&wider).month.total - statement.month.total),
        saved_by_one_gateway: statement.month.total - bill(&one_gateway).month.total,
        statement,
    }
}

fn hour(plan: &Plan, book: &PriceBook) -> Hour {
    let statement = Statement::new(plan, Usage::default(), Sales::default(), book);
    let lines = hourly(&statement.month, &STANDS);
    Hour {
        scenario: plan.name.clone(),
        price_book: book.name.clone(),
        currency: book.currency,
        exchange: book.exchange.clone(),
        total: lines.iter().map(|(_, amount)| amount).sum(),
        nearest: nearest(&hourly(&statement.month, &DRAWN), CLOUDMART_HOUR),
        lines,
    }
}

/// The lines of a month that cost anything, by the hour.
fn hourly(month: &Bill, items: &[Item]) -> Vec<(String, f64)> {
    let lines = month.lines.iter();
    let lines = lines.filter(|line| items.contains(&line.item));
    lines
        .filter_map(|line| Some((line.title.clone(), line.amount? / HOURS_A_MONTH)))
        .filter(|(_, amount)| *amount > 0.0)
        .collect()
}

/// Those of `lines` that together come nearest to `wanted`. There are few: every choice is tried.
fn nearest(lines: &[(String, f64)], wanted: f64) -> (Vec<String>, f64) {
    let chosen = |choice: u32| {
        let lines = lines.iter().enumerate();
        lines.filter_map(move |(place, line)| (choice >> place & 1 == 1).then_some(line))
    };
    let sum = |choice| chosen(choice).map(|(_, amount)| amount).sum::<f64>();
    let distance = |choice| (sum(choice) - wanted).abs();
    let best = (0..1_u32 << lines.len())
        .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
        .expect("nothing is a choice, too");
    let titles = chosen(best).map(|(title, _)| title.clone());
    (titles.collect(), sum(best))
}

impl Month {
    /// What an hour of one piece of an item costs, in won, and how many hours of it a month has; `None` if the book
    /// has no price of its own for it.
    pub fn piece(&self, item: Item) -> Option<Piece> {
        let lines = &self.statement.month.lines;
        let line = lines
            .iter()
            .find(|line| line.item == item && line.unit.ends_with("-hour"))?;
        Some(Piece {
            won_an_hour: line.unit_price? * self.won_per_unit(),
            pieces: line.quantity? / HOURS_A_MONTH,
        })
    }

    /// Won for one unit of the book's currency.
    pub const fn won_per_unit(&self) -> f64 {
        self.statement.exchange.won_per_unit
    }

    /// Won for a gigabyte through NAT; `None` if the book has no price for it.
    pub fn won_a_nat_gigabyte(&self) -> Option<f64> {
        let lines = &self.statement.month.lines;
        let line = lines.iter().find(|line| line.item == Item::NatTraffic)?;
        Some(line.unit_price? * self.won_per_unit())
    }

    /// The month in won.
    pub fn total_won(&self) -> f64 {
        self.statement.month.total * self.won_per_unit()
    }

    /// NAT gateways as a number to divide by.
    pub fn gateways(&self) -> f64 {
        count(u64::from(self.nat_gateways))
    }
}

/// A thing that is billed by the hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    /// Won an hour.
    pub won_an_hour: f64,
    /// How many stand there all month.
    pub pieces: f64,
}

impl Piece {
    /// Won a month of one of them.
    pub fn won_a_month(&self) -> f64 {
        self.won_an_hour * HOURS_A_MONTH
    }
}
