//! The answer to a question about capacity.

use tiketi_capacity::Findings;
use tiketi_capacity::figures::Measure;
use tiketi_capacity::findings::{
    Answer, Break, CheapestSetup, Closest, Comparison, Confirmation, LargestCrowd, Variant,
};
use tiketi_capacity::question::{Bill, Search};
use tiketi_capacity::statistics::Estimate;
use tiketi_cost::price_book::Currency;
use tiketi_scenario::operation::Operation;

use super::wording::{self, buyers, confidence, miss};
use crate::number::Number;
use crate::page::{Headline, Status};
use crate::wording::{capitalized, listed};

/// The answer with its confidence.
pub(super) fn headline(findings: &Findings) -> Headline {
    let search = &findings.search;
    let (answer, details) = match &findings.answer {
        Answer::LargestCrowd(found) => largest_crowd(found, search),
        Answer::CheapestSetup(found) => cheapest_setup(found, search),
        Answer::Compare(found) => comparison(found),
    };
    let status = match &findings.answer {
        Answer::Compare(_) => Status::Neutral,
        Answer::LargestCrowd(_) | Answer::CheapestSetup(_) => Status::of(findings.is_found()),
    };
    Headline {
        status,
        answer,
        details,
    }
}

fn largest_crowd(found: &LargestCrowd, search: &Search) -> (String, Vec<String>) {
    let (Some(crowd), Some(last)) = (found.crowd, found.confirmations.last()) else {
        let nothing = format!(
            "No audience of {} to {} passes",
            Number::count(found.from.into()),
            buyers(found.to)
        );
        return no_answer(
            &nothing,
            &found.confirmations,
            found.closest.as_ref(),
            search,
        );
    };
    let answer = if found.is_beyond {
        format!("At least {} pass, the end of the range.", buyers(crowd))
    } else {
        format!("Up to {} pass.", buyers(crowd))
    };
    let breaks = found.breaks.as_ref().map(what_breaks);
    let details = [confirmed(last, search)].into_iter().chain(breaks);
    (answer, details.collect())
}

fn what_breaks(breaks: &Break) -> String {
    let first = breaks.counts.first();
    let first = first.map_or_else(String::new, |count| miss(&count.miss));
    format!(
        "With {}, the first to fail is {first}.",
        buyers(breaks.crowd)
    )
}

fn cheapest_setup(found: &CheapestSetup, search: &Search) -> (String, Vec<String>) {
    let audience = buyers(found.crowd);
    let (Some(best), Some(last)) = (found.cheapest, found.confirmations.last()) else {
        if !found.cost_unknown.is_empty() {
            let answer = format!("No configuration that passes with {audience} has a known cost.");
            return (answer, cost_unknown(found));
        }
        let nothing = format!("No configuration in this grid passes with {audience}");
        return no_answer(
            &nothing,
            &found.confirmations,
            found.closest.as_ref(),
            search,
        );
    };
    let setup = &found.setups[best];
    let each = each(found.minimize);
    let cost = setup.cost.as_ref().map_or_else(String::new, |cost| {
        let cost = wording::amount(cost, found.currency);
        format!(", at {cost} {each}")
    });
    let answer = format!(
        "The cheapest configuration that passes with {audience} is {}{cost}.",
        setup.name
    );
    let details = [confirmed(last, search)]
        .into_iter()
        .chain(cost_unknown(found));
    (answer, details.collect())
}

const fn each(bill: Bill) -> &'static str {
    match bill {
        Bill::Month => "per month",
        Bill::Run => "per sale",
    }
}

/// The configurations that passed and cannot be compared by cost, one sentence each.
fn cost_unknown(found: &CheapestSetup) -> Vec<String> {
    let each = each(found.minimize);
    let setups = found.cost_unknown.iter().map(|place| &found.setups[*place]);
    let told = setups.filter_map(|setup| {
        let cost = setup.cost.as_ref()?;
        Some(format!(
            "{} passed, but its cost is unknown: {} {each}, without {}.",
            setup.name,
            wording::amount(cost, found.currency),
            listed(cost.missing())
        ))
    });
    told.collect()
}

/// Nothing passed, or nothing that passed was confirmed.
fn no_answer(
    nothing: &str,
    confirmations: &[Confirmation],
    closest: Option<&Closest>,
    search: &Search,
) -> (String, Vec<String>) {
    if let Some(last) = confirmations.last() {
        let detail = format!(
            "{} passed all {} runs of the search, but only {} re-tests on new seeds, which does not show that {} of sales \
             would pass.",
            last.what,
            search.replications,
            wording::of(last.held, last.runs),
            Number::share(search.holds_in.get())
        );
        return (format!("{nothing} reliably."), vec![detail]);
    }
    let detail = closest.map(|closest| {
        let (what, missed) = (&closest.what, miss(&closest.miss));
        format!("The closest, {what}, fails on {missed}.")
    });
    (format!("{nothing}."), detail.into_iter().collect())
}

fn confirmed(last: &Confirmation, search: &Search) -> String {
    format!(
        "{} re-tests on new seeds passed, so at least {:.1}% of sales would pass ({} confidence).",
        wording::of(last.held, last.runs),
        last.share_at_least * 100.0,
        confidence(search)
    )
}

fn comparison(found: &Comparison) -> (String, Vec<String>) {
    let base = &found.variants[found.against];
    let answer = format!(
        "The baseline ({}) {}.",
        base.name,
        wording::outcome(base.held, found.runs)
    );
    let others = found.variants.iter().enumerate();
    let others = others.filter(|(place, _)| *place != found.against);
    let details = others.map(|(_, variant)| compared(variant, found));
    (answer, details.collect())
}

fn compared(variant: &Variant, found: &Comparison) -> String {
    let name = capitalized(&variant.name);
    let outcome = wording::outcome(variant.held, found.runs);
    let differences = HEADLINE.into_iter();
    let differences: Vec<_> = differences
        .filter_map(|measure| difference(variant, measure, found.currency))
        .collect();
    if differences.is_empty() {
        return format!("{name} {outcome}, without a notable difference.");
    }
    let parts: Vec<_> = [outcome].into_iter().chain(differences).collect();
    format!("{name} {}.", listed(&parts))
}

/// What the answer tells of a variant, where a difference is significant.
const HEADLINE: [Measure; 8] = [
    Measure::TicketsSold,
    Measure::WaitingP95,
    Measure::ResponseP95(Operation::QueueCheck),
    Measure::Errors,
    Measure::Recovery,
    Measure::QueueEvicted,
    Measure::WritesRefused,
    Measure::CostMonth,
];

/// The smallest difference that the answer tells, in the measure's own unit (assumption): no buyer notices ten milliseconds, and no
/// owner of a sale asks for half a ticket or a twentieth of a percent of the requests. The table shows all of them.
const fn notable(measure: Measure) -> f64 {
    match measure {
        Measure::Errors => 0.000_5,
        Measure::WaitingP95 | Measure::ResponseP95(_) | Measure::Recovery => 0.01,
        Measure::TicketsSold | Measure::QueueEvicted | Measure::WritesRefused => 0.5,
        _ => 0.0,
    }
}

/// A significant and notable difference, as what the variant did: `sold 5 fewer tickets`; `None` if it is neither.
fn difference(variant: &Variant, measure: Measure, currency: Option<Currency>) -> Option<String> {
    let row = variant.rows.iter().find(|row| row.measure == measure)?;
    let difference = row.difference.filter(Estimate::is_shown)?;
    if difference.mean.abs() < notable(measure) {
        return None;
    }
    let number = wording::number(measure, difference.mean.abs(), currency);
    let size = match measure {
        Measure::Errors => number.signed().trim_start_matches('+').to_owned(),
        _ => number.to_string(),
    };
    let choose = |less, more| if difference.mean < 0.0 { less } else { more };
    let fewer = choose("fewer", "more");
    let shorter = choose("shorter", "longer");
    Some(match measure {
        Measure::TicketsSold => format!("sold {size} {fewer} tickets"),
        Measure::WaitingP95 => format!("had a p(95) waiting time {size} {shorter}"),
        Measure::ResponseP95(operation) => {
            format!("had a p(95) response time of `{operation}` {size} {shorter}")
        }
        Measure::Errors => {
            let lower = choose("lower", "higher");
            format!("had a failure rate {size} {lower}")
        }
        Measure::Recovery => format!("recovered {size} {}", choose("sooner", "later")),
        Measure::QueueEvicted => format!("had {size} {fewer} buyers evicted with the queue"),
        Measure::WritesRefused => format!("had {size} {fewer} writes refused by Redis"),
        Measure::CostMonth => format!("cost {size} {} per month", choose("less", "more")),
        other => format!("differed in {} by {}", other.title(), number.signed()),
    })
}
