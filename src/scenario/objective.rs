//! Gates: objectives that decide the exit code, in k6's threshold grammar.
//!
//! A gate is a metric, perhaps narrowed to one operation, and a condition:
//! `"response_time{operation:queue_check}" = ["p(99) < 500ms"]`.

use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::diagnostic::nearest;
use super::length;
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
    /// Arrivals the generator could not start.
    Shed,
}

/// What kind of number a metric is, and so which statistics it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Many lengths of time: `p(N)`, `avg`, `min`, `med`, `max`.
    Trend,
    /// A part of a whole: `rate`.
    Rate,
    /// A number of things: `count`.
    Count,
}

impl MetricKind {
    /// The statistics it has, as an error message lists them.
    const fn statistics(self) -> &'static str {
        match self {
            Self::Trend => "p(N), avg, min, med, max",
            Self::Rate => "rate",
            Self::Count => "count",
        }
    }
}

impl GateMetric {
    /// All metrics, in the order of the documentation.
    pub const ALL: [Self; 15] = [
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
            Self::Errors | Self::Abandoned => MetricKind::Rate,
            Self::Calls
            | Self::TicketsSold
            | Self::OversoldSeats
            | Self::DoubleSales
            | Self::LostOrders
            | Self::LostAdmissions
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

/// Why a gate could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// What is wrong.
    pub message: String,
    /// The bytes of the text it is about.
    pub part: Range<usize>,
    /// The legal values in words; empty if they cannot be listed.
    pub legal: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Misread {
    fn new(message: impl Into<String>, part: Range<usize>, legal: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            part,
            legal: legal.into(),
            help: None,
        }
    }

    fn suggesting(mut self, written: &str, known: impl IntoIterator<Item = &'static str>) -> Self {
        self.help = nearest(written, known).map(|word| format!("did you mean `{word}`?"));
        self
    }
}

/// Reads what a gate looks at: `errors`, or `response_time{operation:queue_check}`.
pub fn parse_selector(text: &str) -> Result<(GateMetric, Option<Operation>), Misread> {
    let (name, filter) = match text.split_once('{') {
        Some((name, filter)) => (name, Some(filter)),
        None => (text, None),
    };
    let name = name.trim();
    let Some(metric) = GateMetric::from_name(name) else {
        let names = GateMetric::ALL.map(GateMetric::name);
        let message = format!("unknown metric `{name}`");
        let misread = Misread::new(message, 0..name.len(), names.join(", "));
        return Err(misread.suggesting(name, names));
    };
    let Some(filter) = filter else {
        return Ok((metric, None));
    };
    let part = text.len() - filter.len()..text.len();
    if !metric.has_operations() {
        let message = format!("`{name}` cannot be narrowed to an operation");
        return Err(Misread::new(message, part, name));
    }
    let operation = filter
        .strip_suffix('}')
        .and_then(|inner| inner.trim().strip_prefix("operation:"));
    let Some(operation) = operation.map(str::trim) else {
        let legal = format!("{name}{{operation:NAME}}");
        return Err(Misread::new("unreadable filter", part, legal));
    };
    match Operation::from_name(operation) {
        Some(operation) => Ok((metric, Some(operation))),
        None => {
            let names = Operation::ALL.map(Operation::name);
            let message = format!("unknown operation `{operation}`");
            let misread = Misread::new(message, part, names.join(", "));
            Err(misread.suggesting(operation, names))
        }
    }
}

/// Reads a condition on a metric, such as `p(99) < 500ms`, `rate < 1%`, or `count == 0`.
pub fn parse_condition(
    metric: GateMetric,
    text: &str,
) -> Result<(Statistic, Relation, f64), Misread> {
    /// Two characters before one, so that `<=` is not read as `<`.
    const RELATIONS: [(&str, Relation); 5] = [
        ("<=", Relation::AtMost),
        (">=", Relation::AtLeast),
        ("==", Relation::Equal),
        ("<", Relation::Less),
        (">", Relation::Greater),
    ];
    let found = text.find(['<', '>', '=']).and_then(|at| {
        let (sign, relation) = RELATIONS
            .into_iter()
            .find(|(sign, _)| text[at..].starts_with(sign))?;
        Some((at, sign, relation))
    });
    let Some((at, sign, relation)) = found else {
        let legal = "STATISTIC < BOUND, with <, <=, >, >=, ==";
        let mut misread = Misread::new("no comparison", 0..text.len(), legal);
        misread.help = text.contains('=').then(|| "equality is `==`".to_owned());
        return Err(misread);
    };
    let bound_start = at + sign.len();
    let statistic = parse_statistic(metric, text, 0..at)?;
    let bound = parse_bound(metric.kind(), text, bound_start..text.len())?;
    Ok((statistic, relation, bound))
}

fn parse_statistic(
    metric: GateMetric,
    text: &str,
    part: Range<usize>,
) -> Result<Statistic, Misread> {
    let kind = metric.kind();
    let part = trimmed(text, part);
    let word = &text[part.clone()];
    let percentile = word
        .strip_prefix("p(")
        .and_then(|rest| rest.strip_suffix(')'));
    let statistic = match (word, percentile) {
        (_, Some(number)) => {
            let number = number.trim().parse().ok();
            let number = number.filter(|number| (0.0..=100.0).contains(number));
            let Some(number) = number else {
                let message = format!("`{word}` is no percentile");
                return Err(Misread::new(message, part, "p(0) to p(100)"));
            };
            Statistic::Percentile(number)
        }
        ("avg", None) => Statistic::Mean,
        ("min", None) => Statistic::Min,
        ("med", None) => Statistic::Median,
        ("max", None) => Statistic::Max,
        ("rate", None) => Statistic::Rate,
        ("count", None) => Statistic::Count,
        _ => {
            let message = format!("unknown statistic `{word}`");
            let misread = Misread::new(message, part, kind.statistics());
            let words = ["avg", "min", "med", "max", "rate", "count"];
            return Err(misread.suggesting(word, words));
        }
    };
    if statistic.kind() == kind {
        return Ok(statistic);
    }
    let message = format!("`{}` has no `{word}`", metric.name());
    Err(Misread::new(message, part, kind.statistics()))
}

impl Statistic {
    /// The kind of metric that has this statistic.
    const fn kind(self) -> MetricKind {
        match self {
            Self::Percentile(_) | Self::Mean | Self::Min | Self::Median | Self::Max => {
                MetricKind::Trend
            }
            Self::Rate => MetricKind::Rate,
            Self::Count => MetricKind::Count,
        }
    }
}

fn parse_bound(kind: MetricKind, text: &str, part: Range<usize>) -> Result<f64, Misread> {
    let part = trimmed(text, part);
    let word = &text[part.clone()];
    let (bound, legal) = match kind {
        MetricKind::Trend => (
            length::parse(word).ok().map(nanos),
            "a length of time such as 500ms or 60s",
        ),
        MetricKind::Rate => {
            let percent = word.strip_suffix('%').map(str::trim);
            let share = match percent {
                Some(number) => number.parse().ok().map(|percent: f64| percent / 100.0),
                None => word.parse().ok(),
            };
            let share = share.filter(|share| (0.0..=1.0).contains(share));
            (share, "0% to 100%, or 0 to 1")
        }
        MetricKind::Count => {
            let number = word.replace('_', "").parse::<u32>().ok();
            (number.map(f64::from), "a whole number, 0 or more")
        }
    };
    bound.ok_or_else(|| Misread::new(format!("`{word}` is no bound here"), part, legal))
}

/// The part without white space at its ends.
fn trimmed(text: &str, part: Range<usize>) -> Range<usize> {
    let word = &text[part.clone()];
    let start = part.start + (word.len() - word.trim_start().len());
    start..start + word.trim().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_k6_writes_them() {
        let read = |metric, text| parse_condition(metric, text).expect("a legal condition");
        assert_eq!(
            read(GateMetric::ResponseTime, "p(99.9) < 500ms"),
            (Statistic::Percentile(99.9), Relation::Less, 5e8)
        );
        assert_eq!(
            read(GateMetric::ResponseTime, "avg<1s"),
            (Statistic::Mean, Relation::Less, 1e9)
        );
        assert_eq!(
            read(GateMetric::Errors, "rate <= 1%"),
            (Statistic::Rate, Relation::AtMost, 0.01)
        );
        assert_eq!(
            read(GateMetric::Errors, "rate < 0.01"),
            (Statistic::Rate, Relation::Less, 0.01)
        );
        assert_eq!(
            read(GateMetric::LostOrders, "count == 0"),
            (Statistic::Count, Relation::Equal, 0.0)
        );
        assert_eq!(
            read(GateMetric::RecoveryTime, " max  >=  1m30s "),
            (Statistic::Max, Relation::AtLeast, 9e10)
        );
    }

    #[test]
    fn conditions_point_at_the_part_that_is_wrong() {
        let wrong = |metric, text| {
            let misread = parse_condition(metric, text).expect_err("an illegal condition");
            text[misread.part].to_owned()
        };
        assert_eq!(wrong(GateMetric::ResponseTime, "p(101) < 5s"), "p(101)");
        assert_eq!(wrong(GateMetric::ResponseTime, "rate < 1%"), "rate");
        assert_eq!(wrong(GateMetric::ResponseTime, "avg < 500"), "500");
        assert_eq!(wrong(GateMetric::Errors, "rate < 101%"), "101%");
        assert_eq!(wrong(GateMetric::Errors, "rate < NaN"), "NaN");
        assert_eq!(wrong(GateMetric::LostOrders, "count = 0"), "count = 0");
        assert_eq!(wrong(GateMetric::LostOrders, "count < -1"), "-1");
        assert_eq!(wrong(GateMetric::LostOrders, ""), "");
    }

    #[test]
    fn selectors_name_a_metric_and_perhaps_an_operation() {
        assert_eq!(
            parse_selector("response_time{operation:queue_check}"),
            Ok((GateMetric::ResponseTime, Some(Operation::QueueCheck)))
        );
        assert_eq!(parse_selector("errors"), Ok((GateMetric::Errors, None)));
        for wrong in [
            "respons_time",
            "lost_orders{operation:queue_check}",
            "errors{operation:queue_chek}",
            "errors{op:queue_check}",
            "errors{operation:queue_check",
        ] {
            assert!(parse_selector(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_metric_can_be_selected_by_its_own_name() {
        for metric in GateMetric::ALL {
            assert_eq!(parse_selector(metric.name()), Ok((metric, None)));
        }
    }
}
