//! The syntax of gates, which is that of k6's thresholds: selectors and conditions.

use std::fmt::Display;
use std::ops::Range;

use super::diagnostic::nearest;
use super::duration;
use super::keys::Form;
use super::objective::{GateMetric, MetricKind, Relation, Statistic, nanos};
use super::operation::Operation;
use tiketi_core::names::Named as _;

/// Why a gate could not be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// What is wrong.
    pub message: String,
    /// The bytes of the text it is about.
    pub part: Range<usize>,
    /// The expected values in words.
    pub expected: String,
    /// How to fix it; `None` if there is no hint.
    pub help: Option<String>,
}

impl Misread {
    fn new(message: impl Into<String>, part: Range<usize>, expected: impl Display) -> Self {
        Self {
            message: message.into(),
            part,
            expected: expected.to_string(),
            help: None,
        }
    }

    fn suggesting(mut self, written: &str, known: impl IntoIterator<Item = &'static str>) -> Self {
        self.help = nearest(written, known).map(|word| format!("did you mean `{word}`?"));
        self
    }
}

/// Parses what a gate checks: `errors`, or `response_time{operation:queue_check}`.
pub fn parse_selector(text: &str) -> Result<(GateMetric, Option<Operation>), Misread> {
    let (name, filter) = match text.split_once('{') {
        Some((name, filter)) => (name, Some(filter)),
        None => (text, None),
    };
    let name = name.trim();
    let Some(metric) = GateMetric::from_name(name) else {
        let names = GateMetric::all_names();
        let message = format!("unknown metric `{name}`");
        let misread = Misread::new(message, 0..name.len(), Form::OneOf(names.clone()));
        return Err(misread.suggesting(name, names));
    };
    let Some(filter) = filter else {
        return Ok((metric, None));
    };
    let part = text.len() - filter.len()..text.len();
    if !metric.has_operations() {
        let message = format!("`{name}` cannot be limited to an operation");
        return Err(Misread::new(message, part, format_args!("`{name}` alone")));
    }
    let operation = filter
        .strip_suffix('}')
        .and_then(|inner| inner.trim().strip_prefix("operation:"));
    let Some(operation) = operation.map(str::trim) else {
        let expected = format!("{name}{{operation:NAME}}");
        return Err(Misread::new("invalid filter", part, expected));
    };
    match Operation::from_name(operation) {
        Some(operation) => Ok((metric, Some(operation))),
        None => {
            let names = Operation::all_names();
            let message = format!("unknown operation `{operation}`");
            let misread = Misread::new(message, part, Form::OneOf(names.clone()));
            Err(misread.suggesting(operation, names))
        }
    }
}

/// Parses a condition on a metric, such as `p(99) < 500ms`, `rate < 1%`, or `count == 0`.
pub fn parse_condition(
    metric: GateMetric,
    text: &str,
) -> Result<(Statistic, Relation, f64), Misread> {
    let found = text.find(['<', '>', '=']).and_then(|at| {
        let relation = Relation::ALL
            .into_iter()
            .find(|relation| text[at..].starts_with(relation.name()))?;
        Some((at, relation))
    });
    let Some((at, relation)) = found else {
        let signs = Relation::all_names().join(", ");
        let expected = format!("STATISTIC < BOUND, with one of {signs}");
        let mut misread = Misread::new("no comparison", 0..text.len(), expected);
        misread.help = text
            .contains('=')
            .then(|| "write `==` for equality".to_owned());
        return Err(misread);
    };
    let bound_start = at + relation.name().len();
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
    let statistic = match percentile {
        Some(number) => {
            let number = number.trim().parse().ok();
            let number = number.filter(|number| (0.0..=100.0).contains(number));
            let Some(number) = number else {
                let message = format!("`{word}` is not a percentile");
                return Err(Misread::new(message, part, "p(0) to p(100)"));
            };
            Statistic::Percentile(number)
        }
        None => {
            let known = Statistic::WORDS.iter().find(|(known, _)| *known == word);
            let Some((_, statistic)) = known else {
                let message = format!("unknown statistic `{word}`");
                let misread = Misread::new(message, part, kind.statistics());
                return Err(misread.suggesting(word, Statistic::WORDS.map(|(word, _)| word)));
            };
            *statistic
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
    let (bound, expected) = match kind {
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
    bound.ok_or_else(|| Misread::new(format!("invalid bound `{word}`"), part, expected))
}

/// The part without leading and trailing white space.
fn trimmed(text: &str, part: Range<usize>) -> Range<usize> {
    let word = &text[part.clone()];
    let start = part.start + (word.len() - word.trim_start().len());
    start..start + word.trim().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_have_the_syntax_of_k6() {
        let read = |metric, text| parse_condition(metric, text).expect("a valid condition");
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
    fn errors_point_at_the_invalid_part() {
        let wrong = |metric, text| {
            let misread = parse_condition(metric, text).expect_err("an invalid condition");
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
    fn selectors_name_a_metric_and_optionally_an_operation() {
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
