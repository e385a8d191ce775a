//! The metrics that searches report and comparisons compare: one number per run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use tiketi_buyer::observation::{LeaveReason, Stage};
use tiketi_cost::{Amount, Statement};
use tiketi_measure::Measurements;
use tiketi_measure::ending::FrontFigures;
use tiketi_scenario::operation::Operation;
use tiketi_verdict::Verdicts;
use tiketi_verdict::figure::share;
use tiketi_verdict::recovery::Outcome;

/// A metric of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Measure {
    /// Median of the time in the queue, in seconds.
    WaitingP50,
    /// 95th percentile of the time in the queue, in seconds.
    WaitingP95,
    /// 95th percentile of an operation's response time, in seconds.
    ResponseP95(Operation),
    /// Failed requests as a share of all.
    Errors,
    /// Buyers who gave up waiting as a share of those who queued.
    Abandoned,
    /// Tickets sold.
    TicketsSold,
    /// When the last seat was sold, in seconds since the start of the run.
    SoldOutAt,
    /// Longest recovery from a fault, in seconds.
    Recovery,
    /// Buyers whose place in the queue Redis evicted for lack of memory.
    QueueEvicted,
    /// Sessions and cached responses that Redis evicted for lack of memory.
    KeysEvicted,
    /// Writes that Redis rejected for lack of memory.
    WritesRefused,
    /// Share of requests for static files that the edge answered from its caches.
    EdgeHits,
    /// Requests of the edge to S3.
    OriginRequests,
    /// The slowest page load.
    PageLoadMax,
    /// Most instances desired at once.
    InstancesPeak,
    /// Hours that instances ran, summed over all instances.
    InstanceHours,
    /// Cost of the sale.
    CostRun,
    /// Cost of a month with such sales.
    CostMonth,
    /// Cost of the sale per 1,000 buyers.
    CostPerThousand,
    /// Cost of the sale per ticket.
    CostPerTicket,
}

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds of scenario time.
    Seconds,
    /// A share, 0 to 1.
    Share,
    /// A count.
    Count,
    /// Money, in the currency of the price book.
    Money,
}

/// The metrics of one run; those that could not be measured are left out.
pub type Figures = BTreeMap<Measure, f64>;

impl Measure {
    /// Returns all metrics, in the order of reports.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::WaitingP50, Self::WaitingP95];
        all.extend(Operation::ALL.map(Self::ResponseP95));
        all.extend([
            Self::Errors,
            Self::Abandoned,
            Self::TicketsSold,
            Self::SoldOutAt,
            Self::Recovery,
            Self::QueueEvicted,
            Self::KeysEvicted,
            Self::WritesRefused,
            Self::EdgeHits,
            Self::OriginRequests,
            Self::PageLoadMax,
            Self::InstancesPeak,
            Self::InstanceHours,
            Self::CostRun,
            Self::CostMonth,
            Self::CostPerThousand,
            Self::CostPerTicket,
        ]);
        all
    }

    /// Returns the name in files, such as `response_p95{operation:seat_reserve}`.
    pub fn name(self) -> String {
        match self {
            Self::WaitingP50 => "waiting_p50".to_owned(),
            Self::WaitingP95 => "waiting_p95".to_owned(),
            Self::ResponseP95(operation) => format!("response_p95{{operation:{operation}}}"),
            Self::Errors => "errors".to_owned(),
            Self::Abandoned => "abandoned".to_owned(),
            Self::TicketsSold => "tickets_sold".to_owned(),
            Self::SoldOutAt => "sold_out_at".to_owned(),
            Self::Recovery => "recovery".to_owned(),
            Self::QueueEvicted => "queue_evicted".to_owned(),
            Self::KeysEvicted => "keys_evicted".to_owned(),
            Self::WritesRefused => "writes_refused".to_owned(),
            Self::EdgeHits => "edge_hits".to_owned(),
            Self::OriginRequests => "origin_requests".to_owned(),
            Self::PageLoadMax => "page_load_max".to_owned(),
            Self::InstancesPeak => "instances_peak".to_owned(),
            Self::InstanceHours => "instance_hours".to_owned(),
            Self::CostRun => "cost_run".to_owned(),
            Self::CostMonth => "cost_month".to_owned(),
            Self::CostPerThousand => "cost_per_thousand_buyers".to_owned(),
            Self::CostPerTicket => "cost_per_ticket".to_owned(),
        }
    }

    /// Returns the name in reports.
    pub fn title(self) -> String {
        match self {
            Self::WaitingP50 => "waiting time p(50)".to_owned(),
            Self::WaitingP95 => "waiting time p(95)".to_owned(),
            Self::ResponseP95(operation) => format!("response time p(95): {operation}"),
            Self::Errors => "failed requests".to_owned(),
            Self::Abandoned => "gave up waiting".to_owned(),
            Self::TicketsSold => "tickets sold".to_owned(),
            Self::SoldOutAt => "sold out after".to_owned(),
            Self::Recovery => "recovery time".to_owned(),
            Self::QueueEvicted => "buyers evicted with the queue".to_owned(),
            Self::KeysEvicted => "sessions and cached responses evicted".to_owned(),
            Self::WritesRefused => "writes rejected by Redis".to_owned(),
            Self::EdgeHits => "static files from the caches of the edge".to_owned(),
            Self::OriginRequests => "requests of the edge to S3".to_owned(),
            Self::PageLoadMax => "slowest page load".to_owned(),
            Self::InstancesPeak => "peak desired instances".to_owned(),
            Self::InstanceHours => "instance hours".to_owned(),
            Self::CostRun => "cost per sale".to_owned(),
            Self::CostMonth => "cost per month".to_owned(),
            Self::CostPerThousand => "cost per 1,000 buyers".to_owned(),
            Self::CostPerTicket => "cost per ticket".to_owned(),
        }
    }

    /// Returns the unit.
    pub const fn unit(self) -> Unit {
        match self {
            Self::WaitingP50
            | Self::WaitingP95
            | Self::ResponseP95(_)
            | Self::SoldOutAt
            | Self::Recovery
            | Self::PageLoadMax => Unit::Seconds,
            Self::Errors | Self::Abandoned | Self::EdgeHits => Unit::Share,
            Self::TicketsSold
            | Self::QueueEvicted
            | Self::KeysEvicted
            | Self::WritesRefused
            | Self::OriginRequests
            | Self::InstancesPeak
            | Self::InstanceHours => Unit::Count,
            Self::CostRun | Self::CostMonth | Self::CostPerThousand | Self::CostPerTicket => {
                Unit::Money
            }
        }
    }
}

impl From<Measure> for String {
    fn from(measure: Measure) -> Self {
        measure.name()
    }
}

/// A name that no metric has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown metric `{0}`")]
pub struct UnknownMeasure(String);

impl TryFrom<String> for Measure {
    type Error = UnknownMeasure;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let found = Self::all()
            .into_iter()
            .find(|measure| measure.name() == name);
        found.ok_or(UnknownMeasure(name))
    }
}

/// Returns the costs of a run that are known only as lower bounds; they are not among its [`figures`].
pub(super) fn lower_bounds(run: &Measurements) -> Figures {
    let costs = Measure::all().into_iter().filter_map(|measure| {
        let amount = cost(measure, run.ending.statement.as_ref()?)?;
        let is_exact = amount.exact().is_some();
        (!is_exact).then(|| (measure, amount.at_least()))
    });
    costs.collect()
}

/// Returns a cost; `None` for a metric that is no cost, and for a cost per buyer or ticket if there are none.
const fn cost(measure: Measure, statement: &Statement) -> Option<&Amount> {
    match measure {
        Measure::CostRun => Some(&statement.run.total),
        Measure::CostMonth => Some(&statement.month.total),
        Measure::CostPerThousand => statement.per_thousand_buyers.as_ref(),
        Measure::CostPerTicket => statement.per_ticket.as_ref(),
        Measure::WaitingP50
        | Measure::WaitingP95
        | Measure::ResponseP95(_)
        | Measure::Errors
        | Measure::Abandoned
        | Measure::TicketsSold
        | Measure::SoldOutAt
        | Measure::Recovery
        | Measure::QueueEvicted
        | Measure::KeysEvicted
        | Measure::WritesRefused
        | Measure::EdgeHits
        | Measure::OriginRequests
        | Measure::PageLoadMax
        | Measure::InstancesPeak
        | Measure::InstanceHours => None,
    }
}

/// Returns the metrics of a run. A cost that is only a lower bound is left out, so that no comparison takes it for the cost.
pub(super) fn figures(run: &Measurements, verdicts: &Verdicts) -> Figures {
    let values = Measure::all().into_iter().map(|measure| {
        let value = value(measure, run, verdicts);
        // JSON has no infinity, and a journal must be readable.
        value
            .filter(|value| value.is_finite())
            .map(|value| (measure, value))
    });
    values.flatten().collect()
}

fn value(measure: Measure, run: &Measurements, verdicts: &Verdicts) -> Option<f64> {
    let tally = &run.tally;
    let statement = run.ending.statement.as_ref();
    let data_tier = run
        .ending
        .system
        .as_ref()
        .and_then(|system| system.data_tier.as_ref());
    let seconds = |length: Option<Duration>| length.map(|length| length.as_secs_f64());
    match measure {
        Measure::WaitingP50 => seconds(tally.waiting_time.percentile(50.0)),
        Measure::WaitingP95 => seconds(tally.waiting_time.percentile(95.0)),
        Measure::ResponseP95(operation) => seconds(
            tally
                .operation(Some(operation))
                .response_time
                .percentile(95.0),
        ),
        Measure::Errors => {
            let (calls, failed) = tally.calls();
            share(failed, calls)
        }
        Measure::Abandoned => share(
            tally.left_for(LeaveReason::OutOfPatience),
            tally.reached(Stage::Queued),
        ),
        Measure::TicketsSold => Some(count(tally.reached(Stage::Paid))),
        Measure::SoldOutAt => sold_out_at(run),
        Measure::Recovery => recovery(verdicts),
        Measure::QueueEvicted => Some(count(data_tier?.redis_waiting_evicted)),
        Measure::KeysEvicted => Some(count(data_tier?.redis_keys_evicted)),
        Measure::WritesRefused => Some(count(data_tier?.redis_writes_refused)),
        Measure::EdgeHits => front(run)?.files.hit_ratio(),
        Measure::OriginRequests => Some(count(front(run)?.files.origin_requests)),
        Measure::PageLoadMax => {
            let loads = tally.operation(Some(Operation::PageLoad));
            seconds(loads.response_time.max())
        }
        Measure::InstancesPeak => instances_peak(run),
        Measure::InstanceHours => statement.map(|statement| statement.usage.instance_hours),
        Measure::CostRun
        | Measure::CostMonth
        | Measure::CostPerThousand
        | Measure::CostPerTicket => cost(measure, statement?)?.exact(),
    }
}

/// Returns what the edge served; `None` if nothing was counted there.
fn front(run: &Measurements) -> Option<&FrontFigures> {
    run.ending.system.as_ref()?.edge.as_ref()
}

/// Returns when every seat was sold, in seconds and to the width of a tick; `None` if seats were left.
fn sold_out_at(run: &Measurements) -> Option<f64> {
    let seats = u64::from(run.plan.show.seats_total());
    let mut gauges = run
        .series
        .ticks()
        .iter()
        .filter_map(|tick| tick.gauges.as_ref());
    let sold_out = gauges.find(|gauges| gauges.seats_sold >= seats)?;
    Some(sold_out.at.as_secs_f64())
}

/// Returns the longest recovery time, in seconds; `None` without a fault, or if the system did not recover from one.
fn recovery(verdicts: &Verdicts) -> Option<f64> {
    let lengths = verdicts
        .recoveries
        .iter()
        .map(|recovery| match recovery.outcome {
            Outcome::Recovered { after } => Some(after.as_secs_f64()),
            Outcome::NotRecovered | Outcome::Metastable { .. } | Outcome::CouldNotTell { .. } => {
                None
            }
        });
    // One missing recovery makes the longest unknown: the longest of the others would flatter.
    let lengths = lengths.collect::<Option<Vec<_>>>()?;
    lengths.into_iter().reduce(f64::max)
}

fn instances_peak(run: &Measurements) -> Option<f64> {
    let gauges = run
        .series
        .ticks()
        .iter()
        .filter_map(|tick| tick.gauges.as_ref());
    gauges
        .map(|gauges| f64::from(gauges.desired_instances))
        .reduce(f64::max)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a run stay far below 2^53"
)]
pub(super) const fn count(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::example;
    use tiketi_verdict::judge;

    #[test]
    fn every_metric_has_a_name_that_leads_back_to_it() {
        for measure in Measure::all() {
            assert_eq!(Measure::try_from(measure.name()), Ok(measure));
        }
        assert!(Measure::try_from("speed".to_owned()).is_err());
    }

    #[test]
    fn metrics_are_those_of_the_run() {
        let run = example::run();
        let figures = figures(&run, &judge(&run));
        let p95 = run
            .tally
            .waiting_time
            .percentile(95.0)
            .unwrap()
            .as_secs_f64();
        assert_eq!(figures.get(&Measure::WaitingP95), Some(&p95));
        assert_eq!(figures.get(&Measure::TicketsSold), Some(&500.0));
        let month = run
            .ending
            .statement
            .as_ref()
            .unwrap()
            .month
            .total
            .at_least();
        assert_eq!(figures.get(&Measure::CostMonth), Some(&month));
        assert_eq!(figures.get(&Measure::SoldOutAt), None, "seats were left");
    }

    #[test]
    fn a_cost_without_all_prices_is_no_metric_but_a_lower_bound() {
        let mut run = example::run();
        assert!(lower_bounds(&run).is_empty());
        let statement = run.ending.statement.as_mut().unwrap();
        statement.month.total = Amount::new(100.0, vec!["x (no price)".to_owned()]);
        let figures = figures(&run, &judge(&run));
        assert_eq!(figures.get(&Measure::CostMonth), None);
        assert!(figures.contains_key(&Measure::CostRun));
        assert_eq!(
            lower_bounds(&run),
            Figures::from([(Measure::CostMonth, 100.0)])
        );
    }

    #[test]
    fn metrics_survive_serialization() {
        let run = example::run();
        let figures = figures(&run, &judge(&run));
        let text = serde_json::to_string(&figures).unwrap();
        assert_eq!(serde_json::from_str::<Figures>(&text).unwrap(), figures);
    }
}
