//! Gates: objectives that decide the exit code.
//!
//! A gate is a metric, perhaps narrowed to one operation, and a condition:
//! `"response_time{operation:queue_check}" = ["p(99) < 500ms"]`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::operation::Operation;

/// One objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// What is measured.
    pub metric: GateMetric,
    /// The only operation looked at; `None` is all of them together.
    pub operation: Option<Operation>,
    /// Which statistic of the metric.
    pub statistic: Statistic,
    /// How the statistic is compared with the bound.
    pub relation: Relation,
    /// The bound: nanoseconds for lengths of time, a part of 1 for rates, a plain number for counts.
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

/// What a gate can look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateMetric {
    /// Answered minus intended, by operation.
    ResponseTime,
    /// Answered minus sent, by operation.
    ServiceTime,
    /// Sent minus intended.
    SendLag,
    /// From joining the queue to admission.
    WaitingTime,
    /// From a message's publication to its receipt by a buyer.
    FanOutDelay,
    /// Failed calls as a part of all calls (business refusals such as a taken seat are not failures).
    Errors,
    /// Calls.
    Calls,
    /// From a fault to the return of successful work.
    RecoveryTime,
    /// Buyers who paid.
    TicketsSold,
    /// Buyers who gave up for lack of patience, as a part of those who joined the queue.
    Abandoned,
    /// Seats sold or held beyond those that exist.
    OversoldSeats,
    /// Seats with more than one paid order.
    DoubleSales,
    /// Acknowledged payments missing from the final state.
    LostOrders,
    /// Buyers who vanished from the queue without being admitted.
    LostAdmissions,
    /// How far the replica of Redis is behind.
    RedisLag,
    /// How far the replica of the database is behind.
    DatabaseLag,
    /// Places in the queue that failovers of Redis lost.
    LostPlaces,
    /// Sessions that failovers of Redis lost.
    LostSessions,
    /// Arrivals the generator could not start.
    Shed,
}

/// What kind of number a metric is, and so which statistics it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Many lengths of time: `p(N)`, `avg`, `min`, `med`, `max`.
    Trend,
    /// Many lengths of time of which only these are kept: `med`, `p(50)`, `p(99)`, `max`.
    Lag,
    /// A part of a whole: `rate`.
    Rate,
    /// A number of things: `count`.
    Count,
}

impl MetricKind {
    /// The statistics it has, as an error message lists them.
    pub(super) const fn statistics(self) -> &'static str {
        match self {
            Self::Trend => "p(N), avg, min, med, max",
            Self::Lag => "p(50), p(99), med, max",
            Self::Rate => "rate",
            Self::Count => "count",
        }
    }
}

impl GateMetric {
    /// All metrics, in the order of the documentation.
    pub const ALL: [Self; 19] = [
        Self::ResponseTime,
        Self::ServiceTime,
        Self::SendLag,
        Self::WaitingTime,
        Self::FanOutDelay,
        Self::Errors,
        Self::Calls,
        Self::RecoveryTime,
        Self::TicketsSold,
        Self::Abandoned,
        Self::OversoldSeats,
        Self::DoubleSales,
        Self::LostOrders,
        Self::LostAdmissions,
        Self::RedisLag,
        Self::DatabaseLag,
        Self::LostPlaces,
        Self::LostSessions,
        Self::Shed,
    ];

    /// The metric with this name, or `None`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// The name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ResponseTime => "response_time",
            Self::ServiceTime => "service_time",
            Self::SendLag => "send_lag",
            Self::WaitingTime => "waiting_time",
            Self::FanOutDelay => "fan_out_delay",
            Self::Errors => "errors",
            Self::Calls => "calls",
            Self::RecoveryTime => "recovery_time",
            Self::TicketsSold => "tickets_sold",
            Self::Abandoned => "abandoned",
            Self::OversoldSeats => "oversold_seats",
            Self::DoubleSales => "double_sales",
            Self::LostOrders => "lost_orders",
            Self::LostAdmissions => "lost_admissions",
            Self::RedisLag => "redis_lag",
            Self::DatabaseLag => "database_lag",
            Self::LostPlaces => "lost_places",
            Self::LostSessions => "lost_sessions",
            Self::Shed => "shed",
        }
    }

    /// The kind of number it is.
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

    /// Whether the metric can be narrowed to one operation.
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
    /// Whether metrics of this kind have this statistic.
    #[expect(
        clippy::float_cmp,
        reason = "percentiles are compared as they were written"
    )]
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

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Relation {
    /// `<`
    #[serde(rename = "<")]
    Less,
    /// `<=`
    #[serde(rename = "<=")]
    AtMost,
    /// `>`
    #[serde(rename = ">")]
    Greater,
    /// `>=`
    #[serde(rename = ">=")]
    AtLeast,
    /// `==`
    #[serde(rename = "==")]
    Equal,
}

impl Relation {
    /// Whether `value` stands in this relation to `bound`.
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

/// Nanoseconds of a length of time, as gate bounds count them.
pub fn nanos(length: Duration) -> f64 {
    length.as_secs_f64() * 1e9
}
