//! Numbers and objectives of a search in words.

use tiketi_capacity::figures::{Measure, Unit};
use tiketi_capacity::miss::Miss;
use tiketi_capacity::question::Search;
use tiketi_cost::Amount;
use tiketi_cost::price_book::Currency;
use tiketi_verdict::cause::tier::TierUse;

use crate::number::{Number, NumberKind};

/// The unit of a measure.
pub(super) fn kind(measure: Measure, currency: Option<Currency>) -> NumberKind {
    match (measure.unit(), currency) {
        (Unit::Seconds, _) => NumberKind::Duration,
        (Unit::Share, _) => NumberKind::Share,
        (Unit::Money, Some(currency)) => NumberKind::Money(currency),
        (Unit::Count, _) | (Unit::Money, None) => NumberKind::Decimal,
    }
}

/// A cost of which only a lower bound may be known, in the currency of the search.
pub(super) fn amount(amount: &Amount, currency: Option<Currency>) -> Number {
    number(Measure::CostMonth, amount.at_least(), currency).as_sure_as(amount)
}

/// The value of a measure.
pub(super) fn number(measure: Measure, value: f64, currency: Option<Currency>) -> Number {
    Number::new(value, kind(measure, currency))
}

/// A number of buyers: `2,362 buyers`.
pub(super) fn buyers(count: u32) -> String {
    format!("{} buyers", Number::count(count.into()))
}

/// What was missed: `errors rate < 1% (measured 1.92%)`.
pub(super) fn miss(miss: &Miss) -> String {
    let Miss {
        what,
        wanted,
        found,
        ..
    } = miss;
    if is_gate(miss) {
        format!("`{what}` {wanted} (measured {found})")
    } else {
        format!("{what} ({found})")
    }
}

/// The objective that was missed: `errors rate < 1%`.
pub(super) fn objective(miss: &Miss) -> String {
    if is_gate(miss) {
        format!("`{}` {}", miss.what, miss.wanted)
    } else {
        miss.what.clone()
    }
}

/// Gates require a condition, audits and validity checks one word.
fn is_gate(miss: &Miss) -> bool {
    miss.wanted.contains(' ')
}

/// `passed all 20 simulated sales`, `failed all 20 simulated sales`, `passed 8 of 20 simulated sales`.
pub(super) fn outcome(passed: u32, runs: u32) -> String {
    match passed {
        0 => format!("failed all {runs} simulated sales"),
        _ if passed == runs => format!("passed all {runs} simulated sales"),
        _ => format!("passed {passed} of {runs} simulated sales"),
    }
}

/// Re-tests as a count: `20 of 20`.
pub(super) fn of(part: u32, whole: u32) -> String {
    format!("{part} of {whole}")
}

/// The confidence that is required of an answer.
pub(super) fn confidence(search: &Search) -> Number {
    Number::share(search.confidence.get())
}

/// How much of a tier is used.
pub(super) fn used(tier: &TierUse) -> Number {
    level(tier, tier.used)
}

/// How much of a tier there is; `None` without a limit.
pub(super) fn limit(tier: &TierUse) -> Option<Number> {
    tier.limit.map(|limit| level(tier, limit))
}

fn level(tier: &TierUse, value: f64) -> Number {
    if tier.tier.is_share() {
        Number::share(value)
    } else {
        Number::decimal(value)
    }
}
