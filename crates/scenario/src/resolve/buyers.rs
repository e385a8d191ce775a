//! How buyers behave, and distributions of lengths of time.

use std::time::Duration;

use super::SOME_LENGTH;
use crate::diagnostic::Problem;
use crate::distribution::Distribution;
use crate::document::Section;
use crate::duration::{LENGTH_MAX, Written};
use crate::plan::{Poll, Retry, Temperament};
use crate::value::Value;

/// The shortest pause between two polls or tries: shorter ones are an attack, not a buyer.
const PAUSE_MIN: Duration = Duration::from_millis(1);

pub(super) fn temperament(section: &Section<'_>) -> Option<Temperament> {
    let length = |key| section.value(key).and_then(|value| distribution(&value));
    let browse = length("browse");
    let patience = length("patience");
    let seat_pick = length("seat_pick");
    let seat_repick = length("seat_repick");
    let payment = length("payment");
    let conflicts_max = section.value("conflicts_max");
    let conflicts_max = conflicts_max.and_then(|value| value.whole(1..=10_000));
    let pays = section.value("pays").and_then(|value| value.share());
    let poll = poll(&section.section("poll"));
    let retry_of_calls = retry(&section.section("retry"));
    let reconnect = retry(&section.section("reconnect"));
    let call_timeout = section.value("call_timeout");
    let call_timeout = call_timeout.and_then(|value| value.length(SOME_LENGTH));
    Some(Temperament {
        browse: browse?,
        patience: patience?,
        seat_pick: seat_pick?,
        seat_repick: seat_repick?,
        conflicts_max: conflicts_max?,
        payment: payment?,
        pays: pays?,
        poll: poll?,
        retry: retry_of_calls?,
        reconnect: reconnect?,
        call_timeout: call_timeout?,
    })
}

fn poll(section: &Section<'_>) -> Option<Poll> {
    let pause = |key| {
        let value = section.value(key);
        value.and_then(|value| value.length(PAUSE_MIN..=LENGTH_MAX))
    };
    let connected = pause("connected");
    let disconnected = pause("disconnected");
    let on_update = section.value("on_update").and_then(|value| value.truth());
    Some(Poll {
        connected: connected?,
        disconnected: disconnected?,
        on_update: on_update?,
    })
}

fn retry(section: &Section<'_>) -> Option<Retry> {
    let pause = |key| {
        let value = section.value(key);
        value.and_then(|value| value.length(PAUSE_MIN..=LENGTH_MAX))
    };
    let (first, max) = (pause("first"), pause("max"));
    let jitter = section.value("jitter").and_then(|value| value.share());
    let tries_max = section.value("tries_max");
    let tries_max = tries_max.and_then(|value| value.unless("none", |v| v.whole(0..=1_000_000)));
    if let (Some(first), Some(max)) = (first, max)
        && first > max
    {
        let (first, max) = (Written(first), Written(max));
        let message = format!("the `first` pause of {first} is longer than the longest, {max}");
        let problem = Problem::new(message).help("raise `max` or lower `first`");
        section.complain(&["first", "max"], problem);
    }
    Some(Retry {
        first: first?,
        max: max?,
        jitter: jitter?,
        tries_max: tries_max?,
    })
}

/// A distribution table, or a length of time for one that is constant.
pub(super) fn distribution(value: &Value<'_>) -> Option<Distribution> {
    if !value.is_table() {
        let value = value.length(Duration::ZERO..=LENGTH_MAX)?.as_secs_f64();
        return Some(Distribution::Constant { value });
    }
    let section = value.section()?;
    let Some(kind) = section.value("distribution").and_then(|kind| {
        let kinds = ["constant", "uniform", "exponential", "lognormal", "weibull"];
        kind.word(&kinds)
    }) else {
        section.accept_any_key();
        return None;
    };
    let seconds = |key| {
        let value = section.value(key)?;
        Some(value.length(Duration::ZERO..=LENGTH_MAX)?.as_secs_f64())
    };
    let number = |key, legal: &str, max: f64| {
        let value = section.value(key)?;
        value.number(legal, |number| number > 0.0 && number <= max)
    };
    match kind.as_str() {
        "constant" => Some(Distribution::Constant {
            value: seconds("value")?,
        }),
        "uniform" => {
            let (from, to) = (seconds("from"), seconds("to"));
            let (from, to) = (from?, to?);
            if from > to {
                let message = format!("`from` of {from} s is above `to` of {to} s");
                section.complain(&["from", "to"], Problem::new(message));
                return None;
            }
            Some(Distribution::Uniform { from, to })
        }
        "exponential" => Some(Distribution::Exponential {
            mean: seconds("mean")?,
        }),
        "lognormal" => {
            let median = seconds("median");
            let sigma = number("sigma", "above 0, at most 5", 5.0);
            Some(Distribution::Lognormal {
                median: median?,
                sigma: sigma?,
            })
        }
        _ => {
            let mean = seconds("mean");
            let shape = section.value("shape").and_then(|value| {
                value.number("0.1 to 100", |shape| (0.1..=100.0).contains(&shape))
            });
            Some(Distribution::Weibull {
                shape: shape?,
                mean: mean?,
            })
        }
    }
}
