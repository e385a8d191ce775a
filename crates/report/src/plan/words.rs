//! Numbers of a search in words.

use std::time::Duration;

use crate::words::money;
use tiketi_capacity::figures::{Measure, Unit};
use tiketi_capacity::miss::Miss;
use tiketi_capacity::statistics::Estimate;
use tiketi_capacity::tier_use::{Tier, TierUse};
use tiketi_cost::price_book::Currency;
use tiketi_verdict::figure::{grouped, in_words, percent};

/// What stands where nothing was measured.
pub(super) const NOTHING: &str = "–";

/// The value of a measure.
pub(super) fn value(measure: Measure, value: f64, currency: Option<Currency>) -> String {
    match (measure.unit(), currency) {
        (Unit::Seconds, _) => length(value),
        (Unit::Share, _) => percent(value),
        (Unit::Money, Some(currency)) => money(value, currency),
        (Unit::Count, _) | (Unit::Money, None) => number(value),
    }
}

/// The value of a measure, or a dash.
pub(super) fn maybe(measure: Measure, known: Option<f64>, currency: Option<Currency>) -> String {
    known.map_or_else(
        || NOTHING.to_owned(),
        |known| value(measure, known, currency),
    )
}

/// A difference with its sign and its interval: `-41.20s (-52.01s to -30.22s)`.
pub(super) fn difference(
    measure: Measure,
    difference: &Estimate,
    currency: Option<Currency>,
) -> String {
    let signed = |amount: f64| signed(measure, amount, currency);
    let mean = signed(difference.mean);
    match difference.interval {
        Some((low, high)) => format!("{mean} ({} to {})", signed(low), signed(high)),
        None => mean,
    }
}

/// A value with its sign; parts of a whole differ by points.
pub(super) fn signed(measure: Measure, amount: f64, currency: Option<Currency>) -> String {
    let sign = match amount {
        0.0 => "",
        _ if amount < 0.0 => "−",
        _ => "+",
    };
    let size = match measure.unit() {
        Unit::Share => format!("{:.2} points", amount.abs() * 100.0),
        Unit::Seconds | Unit::Count | Unit::Money => value(measure, amount.abs(), currency),
    };
    format!("{sign}{size}")
}

/// A number of things; small means keep a fraction.
pub(super) fn number(value: f64) -> String {
    if value < 100.0 && value.fract() > 0.0 {
        return format!("{value:.2}");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts are not negative and stay far below 2^64"
    )]
    let whole = value.round() as u64;
    grouped(whole)
}

fn length(seconds: f64) -> String {
    in_words(Duration::from_secs_f64(seconds.max(0.0)))
}

/// A miss: `errors rate < 1% by 0.92 points (1.92%)`.
pub(super) fn miss(miss: &Miss) -> String {
    let Miss {
        what,
        wanted,
        found,
        ..
    } = miss;
    match &miss.by {
        Some(by) => format!("{what} {wanted} by {by} ({found})"),
        None => format!("{what} {wanted} ({found})"),
    }
}

/// A part of a whole without needless digits: `95 %`.
pub(super) fn whole_percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// How much of a tier is used.
pub(super) fn used(tier_use: &TierUse) -> String {
    level(tier_use.tier, tier_use.used)
}

/// How much of a tier there is.
pub(super) fn limit(tier_use: &TierUse) -> String {
    let limit = tier_use.limit.map(|limit| level(tier_use.tier, limit));
    limit.unwrap_or_else(|| NOTHING.to_owned())
}

/// How much of a tier is left.
pub(super) fn left(tier_use: &TierUse) -> String {
    let left = tier_use.left().map(|left| percent(left.max(0.0)));
    left.unwrap_or_else(|| NOTHING.to_owned())
}

fn level(tier: Tier, value: f64) -> String {
    if tier.is_share() {
        percent(value)
    } else {
        number(value)
    }
}
