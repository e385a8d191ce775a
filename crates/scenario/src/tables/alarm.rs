//! CloudWatch alarms: thresholds, periods and datapoints.

use std::time::Duration;

use super::limits;
use crate::diagnostic::Problem;
use crate::keys::kind::{Kind, Length, Number, OneOf};
use crate::keys::{Form, Keys, key};
use crate::page::text;
use crate::scaling::{Alarm, Comparison, Metric};
use crate::value::Value;

/// CloudWatch looks back one day at most: as many periods of a minute.
const EVALUATION_PERIODS_MAX: u32 = 1_440;

pub(super) fn alarm(keys: &mut Keys<'_, '_, Alarm>, metric: Option<Metric>) -> Option<Alarm> {
    keys.fall_back_on("alarm");
    let threshold_if = |side: Comparison| {
        move |alarm: &Alarm| (alarm.comparison == side).then_some(alarm.threshold)
    };
    let above = keys.optional(
        key(
            "above",
            "Threshold of an alarm that is on above it. An alarm has either this or `below`.",
        ),
        Number(limits::THRESHOLD),
        threshold_if(Comparison::Above),
    );
    let below = keys.optional(
        key("below", "Threshold of an alarm that is on below it."),
        Number(limits::THRESHOLD),
        threshold_if(Comparison::Below),
    );
    let threshold = threshold(keys, above, below);
    let period = keys.value(
        key(
            "period",
            "Aggregation period of a datapoint: 10s, 20s, 30s, or whole minutes. The alarm sees it when it is over.",
        ),
        Period,
        |alarm| alarm.period,
    );
    let datapoints = keys.value(
        key(
            "datapoints",
            "Datapoints to alarm: `2 of 3` needs 2 breaching ones among the last 3.",
        ),
        Datapoints,
        |alarm| (alarm.datapoints_to_alarm, alarm.evaluation_periods),
    );
    let missing = keys.value(
        key(
            "missing",
            "What a missing datapoint counts as (CloudWatch's `TreatMissingData`).",
        ),
        OneOf::new(),
        |alarm| alarm.missing,
    );
    let (comparison, threshold) = threshold?;
    let (datapoints_to_alarm, evaluation_periods) = datapoints?;
    Some(Alarm {
        metric: metric?,
        comparison,
        threshold,
        period: period?,
        datapoints_to_alarm,
        evaluation_periods,
        missing: missing?,
    })
}

/// The one threshold of an alarm.
fn threshold(
    keys: &Keys<'_, '_, Alarm>,
    above: Option<Option<f64>>,
    below: Option<Option<f64>>,
) -> Option<(Comparison, f64)> {
    match (above?, below?) {
        (Some(threshold), None) => Some((Comparison::Above, threshold)),
        (None, Some(threshold)) => Some((Comparison::Below, threshold)),
        (Some(_), Some(_)) => {
            let problem = Problem::new("an alarm has one threshold, `above` or `below`");
            let problem = problem.expected("one of above, below");
            keys.complain(&["below"], problem.help("remove one of them"));
            None
        }
        (None, None) => {
            let path = keys.read()?.path();
            let problem = Problem::new(format!("`{path}` has no threshold"));
            let help = "add `alarm = { above = 60 }` or `alarm = { below = 15 }`";
            keys.complain(&[], problem.expected("one of above, below").help(help));
            None
        }
    }
}

/// A period that CloudWatch supports: 10 s, 20 s, 30 s, or whole minutes up to a day.
struct Period;

impl Kind for Period {
    type Value = Duration;

    fn form(&self) -> Form {
        Form::Syntax {
            expected: "10s, 20s, 30s, or whole minutes up to a day",
            hint: "CloudWatch has no other periods; write one in quotes, such as \"60s\"",
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<Duration> {
        let period = value.length(limits::ALARM_PERIOD)?;
        let seconds = period.as_secs();
        let is_whole = period.subsec_nanos() == 0;
        let is_minutes = seconds.is_multiple_of(60) && seconds <= 86_400;
        if is_whole && (matches!(seconds, 10 | 20 | 30) || is_minutes) {
            return Some(period);
        }
        value.reject(&self.form());
        None
    }

    fn write(&self, value: &Duration) -> String {
        Length(limits::ALARM_PERIOD).write(value)
    }
}

/// M of N, such as `2 of 3`.
struct Datapoints;

impl Kind for Datapoints {
    type Value = (u32, u32);

    fn form(&self) -> Form {
        Form::Syntax {
            expected: "M of N with 1 <= M <= N <= 1440, such as \"1 of 1\" or \"2 of 3\"",
            hint: "M breaching datapoints among the last N, which cover one day at most",
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<(u32, u32)> {
        let text = value.text()?;
        let numbers = text.split_once("of").and_then(|(m, n)| {
            let m: u32 = m.trim().parse().ok()?;
            let n: u32 = n.trim().parse().ok()?;
            (1 <= m && m <= n && n <= EVALUATION_PERIODS_MAX).then_some((m, n))
        });
        if numbers.is_none() {
            value.reject(&self.form());
        }
        numbers
    }

    fn write(&self, (m, n): &(u32, u32)) -> String {
        text(&format!("{m} of {n}"))
    }
}
