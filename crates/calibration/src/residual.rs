//! How far the model's service times are from the live ones.

use std::fmt;
use std::time::Duration;

use tiketi_measure::Measurements;
use tiketi_measure::histogram::Histogram;
use tiketi_scenario::operation::Operation;
use tiketi_verdict::figure::{grouped, in_words};

/// Live calls of an operation below which its latency is not fitted: the 95th percentile would be chance.
pub(super) const CALLS_MIN: u64 = 200;

/// Service time of one operation, live and in the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Residual {
    /// The operation.
    pub operation: Operation,
    /// Live calls.
    pub calls: u64,
    /// Median: live, model; `None` without calls in the model.
    pub p50: (Duration, Option<Duration>),
    /// 95th percentile: live, model.
    pub p95: (Duration, Option<Duration>),
}

impl Residual {
    /// The greater of the two relative errors, without its sign; `None` without calls in the model.
    pub fn worst(&self) -> Option<f64> {
        Some(error(self.p50)?.abs().max(error(self.p95)?.abs()))
    }
}

/// Model minus live, as a part of live.
fn error((live, model): (Duration, Option<Duration>)) -> Option<f64> {
    let live = live.as_secs_f64().max(1e-9);
    Some(model?.as_secs_f64() / live - 1.0)
}

/// The residuals of every operation that was called often enough, except what the edge answers.
pub(super) fn of(live: &Measurements, model: &Measurements) -> Vec<Residual> {
    let each = Operation::ALL.into_iter().filter_map(|operation| {
        let lengths = service_times(live, operation)?;
        let played = &model.tally.operations[operation.index()].service_time;
        Some(Residual {
            operation,
            calls: lengths.count(),
            p50: (lengths.percentile(50.0)?, played.percentile(50.0)),
            p95: (lengths.percentile(95.0)?, played.percentile(95.0)),
        })
    });
    each.collect()
}

/// The service times of an operation that can be fitted.
pub(super) fn service_times(run: &Measurements, operation: Operation) -> Option<&Histogram> {
    let lengths = &run.tally.operations[operation.index()].service_time;
    let is_of_an_instance = operation != Operation::PageLoad;
    (is_of_an_instance && lengths.count() >= CALLS_MIN).then_some(lengths)
}

/// Prints `queue_check (4,000 calls): p50 3.10ms, model -0.4%; p95 8.20ms, model +1.1%`.
impl fmt::Display for Residual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |pair: (Duration, Option<Duration>)| {
            let error = error(pair).map_or_else(
                || "without calls".to_owned(),
                |error| format!("{:+.1}%", error * 100.0),
            );
            format!("{}, model {error}", in_words(pair.0))
        };
        write!(
            f,
            "{} ({} calls): p50 {}; p95 {}",
            self.operation,
            grouped(self.calls),
            told(self.p50),
            told(self.p95)
        )
    }
}
