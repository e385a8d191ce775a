//! Gates: objectives that decide the exit code.
//!
//! A gate is a metric, optionally limited to one operation, and a condition:
//! `"response_time{operation:queue_check}" = ["p(99) < 500ms"]`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::keys::Form;
use super::operation::Operation;
use tiketi_core::names;

/// One objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The metric.
    pub metric: GateMetric,
    /// The operation that it is limited to; `None` for all operations together.
    pub operation: Option<Operation>,
    /// The statistic of the metric.
    pub statistic: Statistic,
    /// How the statistic is compared with the bound.
    pub relation: Relation,
    /// The bound: nanoseconds for lengths of time, 0 to 1 for rates, a number for counts.
    pub bound: f64,
    /// The condition as written, such as `p(99) < 500ms`.
    pub text: String,
}

impl Gate {
    /// The metric as written in a scenario: `response_time{operation:queue_check}`.
    pub fn selector(&self) -> String {
        match self.operation {
            Some(operation) => format!("{}{{operation:{operation}}}", self.metric.name()),
            None => self.metric.name().to_owned(),
        }
    }
}

/// A metric that gates can check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GateMetric {
    /// From the intended send time to the response, by operation.
    ResponseTime,
    /// From sending to the response, by operation.
    ServiceTime,
    /// Scheduling delay of the load generator: from the intended to the actual send time.
    SendLag,
    /// From joining the queue to admission.
    WaitingTime,
    /// Broadcast latency: from publishing a message to its receipt by a buyer.
    FanOutDelay,
    /// Failed requests as a share of all requests. Business refusals, such as a taken seat, are not failures.
    Errors,
    /// Requests.
    Calls,
    /// From the start of a fault until the system works as well as before it.
    RecoveryTime,
    /// Buyers who paid.
    TicketsSold,
    /// Buyers who ran out of patience, as a share of those who joined the queue.
    Abandoned,
    /// Seats sold or held in excess of those that exist.
    OversoldSeats,
    /// Seats with more than one paid order.
    DoubleSales,
    /// Acknowledged payments that are missing from the final state.
    LostOrders,
    /// Buyers who disappeared from the queue without being admitted.
    LostAdmissions,
    /// Replica lag of Redis.
    RedisLag,
    /// Replica lag of the database.
    DatabaseLag,
    /// Places in the queue that failovers of Redis lost.
    LostPlaces,
    /// Sessions that failovers of Redis lost.
    LostSessions,
    /// Arrivals that the load generator could not start.
    Shed,
}

names!(GateMetric {
    ResponseTime = "response_time",
    ServiceTime = "service_time",
    SendLag = "send_lag",
    WaitingTime = "waiting_time",
    FanOutDelay = "fan_out_delay",
    Errors = "errors",
    Calls = "calls",
    RecoveryTime = "recovery_time",
    TicketsSold = "tickets_sold",
    Abandoned = "abandoned",
    OversoldSeats = "oversold_seats",
    DoubleSales = "double_sales",
    LostOrders = "lost_orders",
    LostAdmissions = "lost_admissions",
    RedisLag = "redis_lag",
    DatabaseLag = "database_lag",
    LostPlaces = "lost_places",
    LostSessions = "lost_sessions",
    Shed = "shed",
});

/// The kind of a metric, which determines its statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Many lengths of time: `p(N)`, `avg`, `min`, `med`, `max`.
    Trend,
    /// Many lengths of time, of which only some statistics are kept: `med`, `p(50)`, `p(99)`, `max`.
    Lag,
    /// A share of a whole: `rate`.
    Rate,
    /// A number of things: `count`.
    Count,
}

impl MetricKind {
    /// The statistics it has, as an error message lists them.
    pub(super) fn statistics(self) -> Form {
        let percentiles: &[&str] = match self {
            Self::Trend => &["p(N)"],
            Self::Lag => &["p(50)", "p(99)"],
            Self::Rate | Self::Count => &[],
        };
        let words = Statistic::WORDS.iter();
        let words = words.filter(|(_, statistic)| statistic.is_of(self));
        let words = words.map(|(word, _)| *word);
        Form::OneOf(percentiles.iter().copied().chain(words).collect())
    }
}

impl GateMetric {
    /// The kind of the metric.
    pub const fn kind(self) -> MetricKind {
        match self {
            Self::ResponseTime
            | Self::ServiceTime
            | Self::SendLag
            | Self::WaitingTime
            | Self::FanOutDelay
            | Self::RecoveryTime => MetricKind::Trend,
            Self::RedisLag | Self::DatabaseLag => MetricKind::Lag,
            Self::Errors | Self::Abandoned => MetricKind::Rate,
            Self::Calls
            | Self::TicketsSold
            | Self::OversoldSeats
            | Self::DoubleSales
            | Self::LostOrders
            | Self::LostAdmissions
            | Self::LostPlaces
            | Self::LostSessions
            | Self::Shed => MetricKind::Count,
        }
    }

    /// Whether the metric can be limited to one operation.
    pub const fn has_operations(self) -> bool {
        matches!(
            self,
            Self::ResponseTime | Self::ServiceTime | Self::Errors | Self::Calls
        )
    }
}

/// A statistic of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// `p(N)`: the N-th percentile, 0 to 100.
    Percentile(f64),
    /// `avg`.
    Mean,
    /// `min`.
    Min,
    /// `med`.
    Median,
    /// `max`.
    Max,
    /// `rate`.
    Rate,
    /// `count`.
    Count,
}

impl Statistic {
    /// All statistics but percentiles, with the words that k6 has for them.
    pub(super) const WORDS: [(&'static str, Self); 6] = [
        ("avg", Self::Mean),
        ("min", Self::Min),
        ("med", Self::Median),
        ("max", Self::Max),
        ("rate", Self::Rate),
        ("count", Self::Count),
    ];

    /// Whether metrics of this kind have this statistic.
    #[expect(clippy::float_cmp, reason = "percentiles are compared as written")]
    pub fn is_of(self, kind: MetricKind) -> bool {
        match self {
            Self::Percentile(percent) => match kind {
                MetricKind::Trend => true,
                MetricKind::Lag => percent == 50.0 || percent == 99.0,
                MetricKind::Rate | MetricKind::Count => false,
            },
            Self::Median | Self::Max => matches!(kind, MetricKind::Trend | MetricKind::Lag),
            Self::Mean | Self::Min => kind == MetricKind::Trend,
            Self::Rate => kind == MetricKind::Rate,
            Self::Count => kind == MetricKind::Count,
        }
    }
}

/// A comparison, by its sign. Longer signs come first, so that `<=` is not read as `<`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
}

names!(Relation {
    AtMost = "<=",
    AtLeast = ">=",
    Equal = "==",
    Less = "<",
    Greater = ">",
});

impl Relation {
    /// Whether `value` has this relation to `bound`.
    #[expect(clippy::float_cmp, reason = "`count == 0` compares whole numbers")]
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::AtMost => value <= bound,
            Self::Greater => value > bound,
            Self::AtLeast => value >= bound,
            Self::Equal => value == bound,
        }
    }
}

/// A length of time in nanoseconds, the unit of gate bounds.
pub fn nanos(length: Duration) -> f64 {
    length.as_secs_f64() * 1e9
}
