//! The statement: the cost of a run, of a month of such runs, per buyer and per ticket.

use serde::{Deserialize, Serialize};

use super::amount::Amount;
use super::comparison::{self, Comparison};
use super::edge_plan::{Beyond, EdgePlan, divided};
use super::item::{Heading, Item};
use super::price_book::{Basis, Currency, Exchange, HOURS_PER_MONTH, Per, Price, PriceBook};
use super::quantity::{Quantity, base_hours_per_month, quantities};
use super::usage::Usage;
use tiketi_scenario::Plan;

/// The cost of a run, and what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// Name of the price book.
    pub price_book: String,
    /// Date of its prices.
    pub price_date: String,
    /// Currency of all amounts except those in `documented`.
    pub currency: Currency,
    /// Exchange rate to won.
    pub exchange: Exchange,
    /// The usage of the run.
    pub usage: Usage,
    /// Numbers of buyers and tickets, for the unit costs.
    pub sales: Sales,
    /// The bill of this run.
    pub run: Bill,
    /// The bill of a month: the smallest fleet throughout, plus `onsales_per_month` runs like this one.
    pub month: Bill,
    /// Sales in that month.
    pub onsales_per_month: u32,
    /// Cost of this run per 1,000 buyers; `None` without buyers.
    pub per_thousand_buyers: Option<Amount>,
    /// Cost of this run per ticket sold; `None` without tickets.
    pub per_ticket: Option<Amount>,
    /// Possible savings of that month.
    pub savings: Savings,
    /// The month compared with the reference bill, in won.
    pub documented: Comparison,
}

/// Possible savings of a month; `None` if the book has no price for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Savings {
    /// Saved without NAT: the gateways, their addresses and the traffic through them.
    pub nat: Option<Amount>,
    /// Saved if the smallest fleet is reserved instead of on demand.
    pub reserved: Option<f64>,
    /// Cost of the month after both savings.
    pub optimized: Option<Amount>,
}

/// Billed items and their sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bill {
    /// The billed items.
    pub lines: Vec<BillLine>,
    /// Sum of the lines. It is a lower bound if one of them has no amount.
    pub total: Amount,
}

/// One billed item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BillLine {
    /// The item.
    pub item: Item,
    /// The heading it belongs to.
    pub heading: Heading,
    /// Title for reports.
    pub title: String,
    /// Quantity in `unit`; `None` if the engine does not meter it.
    pub quantity: Option<f64>,
    /// The unit, such as `instance-hour`.
    pub unit: String,
    /// Price per unit; `None` if it is unknown.
    pub unit_price: Option<f64>,
    /// Quantity times price; `None` if one of them is unknown and the other is not 0.
    pub amount: Option<f64>,
    /// How reliable the price is.
    pub basis: Basis,
    /// Source of the price.
    pub source: String,
}

/// What the cost of a run is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sales {
    /// Buyers who arrived.
    pub buyers: u64,
    /// Tickets sold.
    pub tickets: u64,
}

impl Statement {
    /// Prices `usage` with `book`.
    pub fn new(plan: &Plan, usage: Usage, sales: Sales, book: &PriceBook) -> Self {
        let quantities = quantities(plan, &usage);
        let run = bill(book, &quantities, Span::run(plan, &usage));
        let month = bill(book, &quantities, Span::MONTH);
        let documented =
            PriceBook::built_in("documented-krw").expect("the documented book is built in");
        let savings = savings(plan, &month, book);
        let share =
            |parts: u64| (parts > 0).then(|| run.total.times(1.0 / super::meter::count(parts)));
        Self {
            price_book: book.name.clone(),
            price_date: book.date.clone(),
            currency: book.currency,
            exchange: book.exchange.clone(),
            per_thousand_buyers: share(sales.buyers).map(|each| each.times(1_000.0)),
            per_ticket: share(sales.tickets),
            documented: comparison::compare(
                &documented.figures,
                &month,
                &savings,
                book.exchange.won_per_unit,
            ),
            onsales_per_month: plan.cost.onsales_per_month,
            usage,
            sales,
            savings,
            run,
            month,
        }
    }

    /// Returns the statement of the same usage at the prices of another book; `plan` is the one that was run.
    pub fn at_prices_of(&self, plan: &Plan, book: &PriceBook) -> Self {
        Self::new(plan, self.usage.clone(), self.sales, book)
    }
}

impl Bill {
    /// Returns the sum of the lines under a heading, or `None` if none of them has an amount.
    pub fn under(&self, heading: Heading) -> Option<Amount> {
        let under = || {
            self.lines
                .iter()
                .filter(move |line| line.heading == heading)
        };
        let is_known = under().any(|line| line.amount.is_some());
        is_known.then(|| sum(under()))
    }

    /// Returns the lines whose amount is unknown although they have a price: the engine does not meter their quantity.
    pub fn not_metered(&self) -> impl Iterator<Item = &BillLine> {
        let unknown = self.lines.iter().filter(|line| line.amount.is_none());
        unknown.filter(|line| line.basis != Basis::NotFound)
    }

    /// Returns the lines whose amount is unknown because they have no price.
    pub fn not_priced(&self) -> impl Iterator<Item = &BillLine> {
        let unknown = self.lines.iter().filter(|line| line.amount.is_none());
        unknown.filter(|line| line.basis == Basis::NotFound)
    }
}

impl BillLine {
    /// Returns what is missing, and why: `Surplus credits (not metered)`. `None` if the amount is known.
    pub fn missing(&self) -> Option<String> {
        let why = match self.basis {
            Basis::NotFound => "no price",
            Basis::Documented | Basis::Reported | Basis::Assumption => "not metered",
        };
        self.amount
            .is_none()
            .then(|| format!("{} ({why})", self.title))
    }
}

/// Returns the sum of lines: a lower bound if one of them has no amount.
pub(super) fn sum<'l>(lines: impl Iterator<Item = &'l BillLine> + Clone) -> Amount {
    let known = lines.clone().filter_map(|line| line.amount).sum();
    Amount::new(known, lines.filter_map(BillLine::missing).collect())
}

/// What a bill is for.
#[derive(Clone, Copy, Debug)]
struct Span {
    hours: f64,
    /// Part of a month's allowances of the edge that belongs to it.
    allowance: f64,
    used: fn(&Quantity) -> Option<f64>,
}

impl Span {
    const MONTH: Self = Self {
        hours: HOURS_PER_MONTH,
        allowance: 1.0,
        used: |quantity| quantity.month,
    };

    /// One of the month's sales. If the month has none, it is the only one.
    fn run(plan: &Plan, usage: &Usage) -> Self {
        Self {
            hours: usage.hours,
            allowance: 1.0 / f64::from(plan.cost.onsales_per_month.max(1)),
            used: |quantity| quantity.run,
        }
    }
}

fn bill(book: &PriceBook, quantities: &[Quantity], span: Span) -> Bill {
    let lines = quantities
        .iter()
        .flat_map(|quantity| lines(book, quantities, quantity, span));
    let lines: Vec<BillLine> = lines.collect();
    let total = sum(lines.iter());
    Bill { lines, total }
}

/// Returns the lines of one quantity: usually one, and none if the price of another item includes it.
fn lines(
    book: &PriceBook,
    quantities: &[Quantity],
    quantity: &Quantity,
    span: Span,
) -> Vec<BillLine> {
    let used = (span.used)(quantity);
    let plan = book.edge_plan.as_ref();
    if quantity.item == Item::EdgePlan {
        return plan
            .map(|plan| fee(plan, quantity, used))
            .into_iter()
            .collect();
    }
    let price = book.price(quantity.item, quantity.kind, quantity.class.as_deref());
    if let Some((plan, allowance)) =
        plan.and_then(|plan| Some((plan, plan.allowance(quantity.item)?)))
    {
        return under_plan(plan, quantity, price, allowance, span);
    }
    match price {
        Some(price) => vec![priced(quantity, price, used, span.hours)],
        // The price of another item under this heading includes this one.
        None if book.by_heading && is_priced(book, quantities, quantity.heading) => Vec::new(),
        None => vec![unpriced(quantity, used)],
    }
}

fn is_priced(book: &PriceBook, quantities: &[Quantity], heading: Heading) -> bool {
    quantities
        .iter()
        .filter(|other| other.heading == heading)
        .any(|other| {
            let price = book.price(other.item, other.kind, other.class.as_deref());
            price.is_some()
        })
}

fn fee(plan: &EdgePlan, quantity: &Quantity, used: Option<f64>) -> BillLine {
    BillLine {
        title: format!("{} {}", quantity.title, plan.name),
        ..at_plan_price(plan, quantity, used, plan.monthly)
    }
}

/// Returns what the plan covers and what is beyond it, both stated even if they are nothing.
fn under_plan(
    plan: &EdgePlan,
    quantity: &Quantity,
    price: Option<&Price>,
    allowance: f64,
    span: Span,
) -> Vec<BillLine> {
    let parts = (span.used)(quantity).map(|used| divided(used, allowance * span.allowance));
    let (covered, rest) = (parts.map(|parts| parts.0), parts.map(|parts| parts.1));
    let covered = BillLine {
        title: format!("{} covered by {}", quantity.title, plan.name),
        ..at_plan_price(plan, quantity, covered, 0.0)
    };
    let rest = match (plan.beyond, price) {
        (Beyond::ListPrice, Some(price)) => priced(quantity, price, rest, span.hours),
        (Beyond::ListPrice, None) => unpriced(quantity, rest),
        (Beyond::NoCharge, _) => at_plan_price(plan, quantity, rest, 0.0),
    };
    let rest = BillLine {
        title: format!("{} beyond {}", quantity.title, plan.name),
        ..rest
    };
    vec![covered, rest]
}

fn at_plan_price(
    plan: &EdgePlan,
    quantity: &Quantity,
    units: Option<f64>,
    unit_price: f64,
) -> BillLine {
    BillLine {
        item: quantity.item,
        heading: quantity.heading,
        title: quantity.title.clone(),
        quantity: units,
        unit: quantity.unit.to_owned(),
        unit_price: Some(unit_price),
        amount: product(units, Some(unit_price)),
        basis: plan.basis,
        source: plan.source.clone(),
    }
}

fn priced(quantity: &Quantity, price: &Price, units: Option<f64>, hours: f64) -> BillLine {
    let (units, unit, unit_price) = match price.per {
        Per::Unit => (units, quantity.unit, price.amount),
        Per::Month => (units, quantity.unit, price.amount / HOURS_PER_MONTH),
        // A flat price covers any quantity, but is not charged for none.
        Per::Flat => {
            let hours = units.map(|units| if units > 0.0 { hours } else { 0.0 });
            (hours, "hour", price.amount / HOURS_PER_MONTH)
        }
    };
    BillLine {
        item: quantity.item,
        heading: quantity.heading,
        title: quantity.title.clone(),
        quantity: units,
        unit: unit.to_owned(),
        unit_price: Some(unit_price),
        amount: product(units, Some(unit_price)),
        basis: price.basis,
        source: price.source.clone(),
    }
}

fn unpriced(quantity: &Quantity, units: Option<f64>) -> BillLine {
    BillLine {
        item: quantity.item,
        heading: quantity.heading,
        title: quantity.title.clone(),
        quantity: units,
        unit: quantity.unit.to_owned(),
        unit_price: None,
        amount: product(units, None),
        basis: Basis::NotFound,
        source: "the price book has no price for it".to_owned(),
    }
}

/// Returns a quantity times a price. None of something costs nothing whatever its price, and something free costs nothing
/// whatever its quantity.
fn product(units: Option<f64>, unit_price: Option<f64>) -> Option<f64> {
    let is_nothing = |factor: Option<f64>| factor.is_some_and(|factor| factor.abs() <= 0.0);
    if is_nothing(units) || is_nothing(unit_price) {
        return Some(0.0);
    }
    Some(units? * unit_price?)
}

/// Returns what the month could save without NAT and with the smallest fleet reserved.
fn savings(plan: &Plan, month: &Bill, book: &PriceBook) -> Savings {
    let nat = month.under(Heading::Nat);
    let class = Some(plan.topology.instances.class.name());
    let an_hour = |item| book.price(item, None, class).map(Price::for_one);
    let reserved = an_hour(Item::Instance)
        .zip(an_hour(Item::InstanceReserved))
        .map(|(on_demand, reserved)| base_hours_per_month(plan) * (on_demand - reserved));
    let optimized = nat.as_ref().zip(reserved).map(|(nat, reserved)| {
        let reserved = Amount::Exact(reserved);
        month.total.without(nat).without(&reserved)
    });
    Savings {
        nat,
        reserved,
        optimized,
    }
}
