//! Residuals: how far simulated service times are from live ones.

use std::fmt;
use std::time::Duration;

use tiketi_measure::Measurements;
use tiketi_measure::histogram::Histogram;
use tiketi_scenario::operation::Operation;
use tiketi_verdict::figure::{grouped, in_words};

/// Live requests of an operation below which its latency is not fitted: fewer than ten would lie above the 95th
/// percentile.
pub(super) const CALLS_MIN: u64 = 200;

/// Service time of one operation, live and simulated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Residual {
    /// The operation.
    pub operation: Operation,
    /// Live requests.
    pub calls: u64,
    /// Median: live, simulated; `None` without simulated requests.
    pub p50: (Duration, Option<Duration>),
    /// 95th percentile: live, simulated; `None` without simulated requests.
    pub p95: (Duration, Option<Duration>),
}

impl Residual {
    /// Returns the larger of the two relative errors, without its sign; `None` without simulated requests.
    pub fn worst(&self) -> Option<f64> {
        Some(error(self.p50)?.abs().max(error(self.p95)?.abs()))
    }
}

/// Returns simulated minus live, as a share of live.
fn error((live, model): (Duration, Option<Duration>)) -> Option<f64> {
    let live = live.as_secs_f64().max(1e-9);
    Some(model?.as_secs_f64() / live - 1.0)
}

/// Returns the residuals of every operation with enough live requests.
pub(super) fn of(live: &Measurements, model: &Measurements) -> Vec<Residual> {
    let each = Operation::ALL.into_iter().filter_map(|operation| {
        let lengths = service_times(live, operation)?;
        let played = recorded(model, operation);
        Some(Residual {
            operation,
            calls: lengths.count(),
            p50: (lengths.percentile(50.0)?, played.percentile(50.0)),
            p95: (lengths.percentile(95.0)?, played.percentile(95.0)),
        })
    });
    each.collect()
}

/// Returns the service times of an operation; `None` if it cannot be fitted.
pub(super) fn service_times(run: &Measurements, operation: Operation) -> Option<&Histogram> {
    let lengths = recorded(run, operation);
    // How long the pages of a target take says nothing about the edge of the scenario, nor about its instances.
    let is_ours = operation != Operation::PageLoad || run.ending.system.is_some();
    (is_ours && lengths.count() >= CALLS_MIN).then_some(lengths)
}

fn recorded(run: &Measurements, operation: Operation) -> &Histogram {
    let tally = &run.tally;
    // The edge serves pages; they are no requests to an instance.
    match operation {
        Operation::PageLoad => &tally.page_loads.service_time,
        Operation::ShowList
        | Operation::ShowDetail
        | Operation::QueueCheck
        | Operation::QueueStatus
        | Operation::QueueLeave
        | Operation::SocketConnect
        | Operation::SeatList
        | Operation::SeatReserve
        | Operation::PaymentProcess => &tally.operations[operation.index()].service_time,
    }
}

/// Prints `queue_check (4,000 requests): p50 3.1ms, simulated -0.4%; p95 8.2ms, simulated +1.1%`.
impl fmt::Display for Residual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compared = |pair: (Duration, Option<Duration>)| {
            let error = error(pair).map_or_else(
                || "without requests".to_owned(),
                |error| format!("{:+.1}%", error * 100.0),
            );
            format!("{}, simulated {error}", in_words(pair.0))
        };
        write!(
            f,
            "{} ({} requests): p50 {}; p95 {}",
            self.operation,
            grouped(self.calls),
            compared(self.p50),
            compared(self.p95)
        )
    }
}
