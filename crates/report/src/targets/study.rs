//! Claims that no single run can show: they need a search, a comparison or a bill.

use serde::Deserialize;

use super::{ClaimVerdict, Shown};
use crate::number::Number;

/// Buyers that "tens of thousands" means at least (assumption, A23).
const TENS_OF_THOUSANDS: u32 = 10_000;
/// Won per month that serve them (documented, A23: "about"; up to 10 % more is an assumption).
const MONTH_MAX: f64 = 150_000.0 * 1.1;
/// Dollars per hour (documented, B9; 5 % more is an assumption).
const HOUR_MAX: f64 = 0.124 * 1.05;

/// A study that shows a claim.
#[derive(Clone, Debug)]
pub enum Study {
    /// A search or a comparison: `plan.json`.
    Plan(PlanStudy),
    /// The cost table: `cost-table.json`.
    Cost(CostTable),
}

/// The part of `plan.json` that the table of claims needs.
#[derive(Clone, Debug, Deserialize)]
pub struct PlanStudy {
    /// Name of the plan file.
    name: String,
    findings: Findings,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "question")]
enum Findings {
    LargestCrowd {
        crowd: Option<u32>,
        steps: Vec<Step>,
    },
    CheapestSetup {},
    Compare {
        against: usize,
        runs: u32,
        variants: Vec<Variant>,
    },
}

#[derive(Clone, Debug, Deserialize)]
struct Step {
    crowd: u32,
    means: Vec<Mean>,
}

#[derive(Clone, Debug, Deserialize)]
struct Mean {
    measure: String,
    mean: f64,
}

#[derive(Clone, Debug, Deserialize)]
struct Variant {
    name: String,
    held: u32,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, Deserialize)]
struct Row {
    measure: String,
    estimate: Option<Estimate>,
    difference: Option<Estimate>,
}

#[derive(Clone, Debug, Deserialize)]
struct Estimate {
    mean: f64,
    interval: Option<[f64; 2]>,
}

/// The part of `cost-table.json` that the table of claims needs.
#[derive(Clone, Debug, Deserialize)]
pub struct CostTable {
    study: Bill,
}

#[derive(Clone, Debug, Deserialize)]
struct Bill {
    hour: Option<Hour>,
}

#[derive(Clone, Debug, Deserialize)]
struct Hour {
    price_book: String,
    /// A lower bound is an object, and agrees with a documented amount only by chance.
    total: serde_json::Value,
}

impl Study {
    /// Returns the claims that the study shows.
    pub(super) fn shown(&self, name: &str) -> Vec<(String, Shown)> {
        let found = match self {
            Self::Plan(plan) => plan.shown(),
            Self::Cost(table) => table.shown().into_iter().collect(),
        };
        let shown = found.into_iter().map(|(id, verdict, measured)| {
            let source = name.to_owned();
            let shown = Shown {
                verdict,
                measured,
                source,
            };
            (id.to_owned(), shown)
        });
        shown.collect()
    }
}

type Found = (&'static str, ClaimVerdict, String);

impl PlanStudy {
    fn shown(&self) -> Vec<Found> {
        let found = match (self.name.as_str(), &self.findings) {
            ("documented-month", Findings::LargestCrowd { crowd, steps }) => {
                vec![capacity(*crowd, steps)]
            }
            (
                "queue-or-cpu",
                Findings::Compare {
                    against,
                    runs,
                    variants,
                },
            ) => vec![signal(variants, *against, *runs)],
            (
                "zones-and-gateways",
                Findings::Compare {
                    against, variants, ..
                },
            ) => vec![one_zone(variants, *against), zones(variants, *against)],
            (
                "what-to-cache",
                Findings::Compare {
                    against, variants, ..
                },
            ) => vec![cache(variants, *against)],
            (
                _,
                Findings::LargestCrowd { .. }
                | Findings::CheapestSetup {}
                | Findings::Compare { .. },
            ) => Vec::new(),
        };
        found.into_iter().flatten().collect()
    }
}

/// A23: the largest audience that passes, and the bill of the month at it.
fn capacity(crowd: Option<u32>, steps: &[Step]) -> Option<Found> {
    let Some(crowd) = crowd else {
        return Some(("A23", ClaimVerdict::Missed, "no audience passes".to_owned()));
    };
    // The answer may lie between two audiences that were simulated: the next smaller one has nearly the same bill.
    let below = steps.iter().filter(|step| step.crowd <= crowd);
    let step = below.max_by_key(|step| step.crowd)?;
    let month = step.means.iter().find(|one| one.measure == "cost_month")?;
    let measured = format!(
        "up to {} buyers pass, at {} per month",
        Number::count(crowd.into()),
        Number::won(month.mean)
    );
    let agrees = crowd >= TENS_OF_THOUSANDS && month.mean <= MONTH_MAX;
    Some(("A23", verdict(agrees), measured))
}

/// A22: the queue as a signal must pass more sales than the CPU, and cost no more.
fn signal(variants: &[Variant], against: usize, runs: u32) -> Option<Found> {
    let queue = variants.get(against)?;
    let cpu = variants.iter().find(|one| one.name == "follows its CPU")?;
    let saved = cpu.row("cost_month")?.difference.as_ref()?;
    let tickets = cpu.row("tickets_sold")?.difference.as_ref()?;
    let is_cheaper = saved.interval.is_some_and(|[_, high]| high < 0.0);
    let measured = format!(
        "on queue size {} of {runs} sales passed, on CPU {}; scaling on CPU changed the tickets sold by {} and the monthly cost by \
         {}",
        queue.held,
        cpu.held,
        Number::decimal(tickets.mean).signed(),
        Number::decimal(saved.mean).signed()
    );
    let agrees = queue.held > cpu.held && !is_cheaper;
    Some(("A22", verdict(agrees), measured))
}

/// B11: with a single zone, the sale must take at least as long to recover as the zone is away.
fn one_zone(variants: &[Variant], against: usize) -> Option<Found> {
    let two = variants.get(against)?;
    let one = variants.iter().find(|one| one.name == "one zone")?;
    let mean = |variant: &Variant, measure| {
        let row = variant.row(measure)?;
        Some(row.estimate.as_ref()?.mean)
    };
    let [recovery_two, recovery_one] =
        [mean(two, "recovery")?, mean(one, "recovery")?].map(Number::seconds);
    let measured = format!(
        "when zone a fails, {} of requests fail in one zone and {} in two; recovery takes {recovery_one} and {recovery_two}; not \
         measured: whether nothing at all is served meanwhile",
        Number::share(mean(one, "errors")?),
        Number::share(mean(two, "errors")?)
    );
    let agrees = mean(one, "recovery")? > mean(two, "recovery")?;
    let verdict = if agrees {
        ClaimVerdict::PartlyMet
    } else {
        ClaimVerdict::Missed
    };
    Some(("B11", verdict, measured))
}

/// B12: what a third zone and a second NAT gateway are worth.
fn zones(variants: &[Variant], against: usize) -> Option<Found> {
    let change = |name: &str| {
        let variant = variants.iter().find(|one| one.name == name)?;
        let errors = variant.row("errors")?.difference.as_ref()?.mean;
        let cost = variant.row("cost_month")?.difference.as_ref()?.mean;
        Some(format!(
            "failed requests {} points, {} dollars per month",
            Number::decimal(errors * 100.0).signed(),
            Number::decimal(cost).signed()
        ))
    };
    variants.get(against)?;
    let measured = format!(
        "when zone a fails, compared with two zones and two NAT gateways: three zones, {}; one NAT gateway in the zone that fails, {}",
        change("three zones")?,
        change("one NAT gateway, in the zone that fails")?
    );
    Some(("B12", ClaimVerdict::Answered, measured))
}

/// B12: what caching nothing, or the details of a show for longer, changes.
fn cache(variants: &[Variant], against: usize) -> Option<Found> {
    let operation = "response_p95{operation:show_list}";
    let change = |name: &str| {
        let variant = variants.iter().find(|one| one.name == name)?;
        let list = variant.row(operation)?.difference.as_ref()?.mean;
        let tickets = variant.row("tickets_sold")?.difference.as_ref()?.mean;
        Some(format!(
            "p(95) of the show list {} ms, tickets sold {}",
            Number::decimal(list * 1e3).signed(),
            Number::decimal(tickets).signed()
        ))
    };
    variants.get(against)?;
    let measured = format!(
        "compared with the list and the details cached: nothing cached, {}; details cached for five minutes, {}",
        change("nothing cached")?,
        change("details for five minutes")?
    );
    Some(("B12", ClaimVerdict::Answered, measured))
}

impl Variant {
    fn row(&self, measure: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.measure == measure)
    }
}

impl CostTable {
    /// B9: the hour of CloudMart's topology.
    fn shown(&self) -> Option<Found> {
        let hour = self.study.hour.as_ref()?;
        let total = hour.total.as_f64()?;
        let measured = format!(
            "${} per hour at the prices of {}",
            tiketi_verdict::figure::significant(total),
            hour.price_book
        );
        Some(("B9", verdict(total <= HOUR_MAX), measured))
    }
}

const fn verdict(agrees: bool) -> ClaimVerdict {
    if agrees {
        ClaimVerdict::Met
    } else {
        ClaimVerdict::Missed
    }
}
