//! The grammar of gates, which is that of k6's thresholds: selectors and conditions.

use std::ops::Range;

use super::diagnostic::nearest;
use super::duration;
use super::objective::{GateMetric, MetricKind, Relation, Statistic, nanos};
use super::operation::Operation;

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
    if statistic.is_of(kind) {
        return Ok(statistic);
    }
    let message = format!("`{}` has no `{word}`", metric.name());
    Err(Misread::new(message, part, kind.statistics()))
}

fn parse_bound(kind: MetricKind, text: &str, part: Range<usize>) -> Result<f64, Misread> {
    let part = trimmed(text, part);
    let word = &text[part.clone()];
    let (bound, legal) = match kind {
        MetricKind::Trend | MetricKind::Lag => (
            duration::parse(word).ok().map(nanos),
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
            read(GateMetric::DatabaseLag, "p(99) < 1s"),
            (Statistic::Percentile(99.0), Relation::Less, 1e9)
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
        assert_eq!(wrong(GateMetric::RedisLag, "p(95) < 1s"), "p(95)");
        assert_eq!(wrong(GateMetric::DatabaseLag, "avg < 1s"), "avg");
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
