//! The answer to a question about capacity in a sentence or two, and what a reader should know beside it.

use super::words;
use tiketi_capacity::Findings;
use tiketi_capacity::figures::Measure;
use tiketi_capacity::findings::{
    Answer, Break, CheapestSetup, Closest, Comparison, Confirmation, LargestCrowd, Variant,
};
use tiketi_capacity::question::{Bill, Explore, Search};
use tiketi_capacity::statistics::Estimate;
use tiketi_capacity::tier_use::{TierUse, tightest};
use tiketi_cost::price_book::Currency;
use tiketi_scenario::operation::Operation;
use tiketi_verdict::figure::grouped;

/// The answer in one or two sentences.
pub(super) fn answer(findings: &Findings) -> String {
    let search = &findings.search;
    match &findings.answer {
        Answer::LargestCrowd(found) => largest_crowd(found, search),
        Answer::CheapestSetup(found) => cheapest_setup(found, search),
        Answer::Compare(found) => comparison(found, search),
    }
}

fn largest_crowd(found: &LargestCrowd, search: &Search) -> String {
    let range = format!("{} to {} buyers", buyers(found.from), buyers(found.to));
    let (Some(crowd), Some(last)) = (found.crowd, found.confirmations.last()) else {
        let nothing = format!("No crowd of {range} holds");
        return no_answer(
            &nothing,
            &found.confirmations,
            found.closest.as_ref(),
            search,
        );
    };
    let (size, end) = match found.is_beyond {
        true => ("At least", ", the end of the range,"),
        false => ("Up to", ""),
    };
    let holds = format!(
        "{size} {} buyers{end} hold: {}.",
        buyers(crowd),
        confirmed(last, search)
    );
    match &found.breaks {
        Some(breaks) => format!("{holds} {}", what_breaks(breaks)),
        None => holds,
    }
}

fn what_breaks(breaks: &Break) -> String {
    let first = breaks.counts.first();
    let first = first.map_or_else(String::new, |count| words::miss(&count.miss));
    format!(
        "At {} buyers the first to break is {first}.",
        buyers(breaks.crowd)
    )
}

fn cheapest_setup(found: &CheapestSetup, search: &Search) -> String {
    let (Some(best), Some(last)) = (found.cheapest, found.confirmations.last()) else {
        let nothing = format!(
            "No set-up of this grid holds {} buyers",
            buyers(found.crowd)
        );
        return no_answer(
            &nothing,
            &found.confirmations,
            found.closest.as_ref(),
            search,
        );
    };
    let setup = &found.setups[best];
    let measure = match found.minimize {
        Bill::Month => Measure::CostMonth,
        Bill::Run => Measure::CostRun,
    };
    let cost = words::maybe(measure, setup.cost, found.currency);
    let each = match found.minimize {
        Bill::Month => "a month",
        Bill::Run => "an on-sale",
    };
    format!(
        "The cheapest set-up that holds {} buyers is {}, at {cost} {each}: {}.",
        buyers(found.crowd),
        setup.name,
        confirmed(last, search)
    )
}

/// Nothing held, or nothing that held was confirmed.
fn no_answer(
    nothing: &str,
    confirmations: &[Confirmation],
    closest: Option<&Closest>,
    search: &Search,
) -> String {
    if let Some(last) = confirmations.last() {
        return format!(
            "{nothing} as surely as was asked for: {} held in all {} runs of the search, but only in {} of {} with fresh \
             seeds, which does not show that {} of on-sales hold.",
            last.what,
            search.replications,
            last.held,
            last.runs,
            words::whole_percent(search.holds_in.get())
        );
    }
    match closest {
        Some(closest) => format!(
            "{nothing}; the closest, {}, misses {}.",
            closest.what,
            words::miss(&closest.miss)
        ),
        None => format!("{nothing}."),
    }
}

fn confirmed(last: &Confirmation, search: &Search) -> String {
    format!(
        "{} of {} on-sales with fresh seeds held, so with {} confidence at least {:.1} % of all do",
        last.held,
        last.runs,
        words::whole_percent(search.confidence.get()),
        last.share_at_least * 100.0
    )
}

fn comparison(found: &Comparison, search: &Search) -> String {
    let base = &found.variants[found.against];
    let others = found.variants.iter().enumerate();
    let others = others.filter(|(place, _)| *place != found.against);
    let sentences = others.map(|(_, variant)| {
        let differences = HEADLINE
            .into_iter()
            .filter_map(|measure| told_difference(variant, measure, found.currency));
        let differences: Vec<_> = differences.collect();
        format!(
            "{} held in {} of {}, with {}",
            variant.name,
            variant.held,
            found.runs,
            listed(&differences)
        )
    });
    let sentences: Vec<_> = sentences.collect();
    format!(
        "Against {}, which held in {} of {} on-sales: {} (mean differences that are shown by {} intervals).",
        base.name,
        base.held,
        found.runs,
        sentences.join("; "),
        words::whole_percent(search.confidence.get())
    )
}

/// What the answer tells of a variant, where a difference is shown.
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

/// A difference that is shown, in words.
fn told_difference(
    variant: &Variant,
    measure: Measure,
    currency: Option<Currency>,
) -> Option<String> {
    let row = variant.rows.iter().find(|row| row.measure == measure)?;
    let difference = row.difference.filter(Estimate::is_shown)?;
    let (title, told) = (
        measure.title(),
        words::signed(measure, difference.mean, currency),
    );
    Some(format!("{title} {told}"))
}

fn listed(differences: &[String]) -> String {
    match differences {
        [] => "no difference shown".to_owned(),
        _ => differences.join(", "),
    }
}

/// What a reader should know beside the answer.
pub(super) fn facts(findings: &Findings) -> Vec<String> {
    let mut facts = vec![rule(findings)];
    match &findings.answer {
        Answer::LargestCrowd(found) => facts.extend(facts_of_crowd(found)),
        Answer::CheapestSetup(found) => facts.extend(facts_of_setup(found)),
        Answer::Compare(_) => {}
    }
    facts
}

fn rule(findings: &Findings) -> String {
    let search = &findings.search;
    let confidence = words::whole_percent(search.confidence.get());
    match &findings.answer {
        Answer::Compare(_) => format!(
            "Each set-up was played {} times, all with the same seeds; a difference is the mean of the differences run by \
             run, with its {confidence} interval by Student's t, each by itself.",
            search.replications
        ),
        Answer::LargestCrowd(_) | Answer::CheapestSetup(_) => format!(
            "A run holds when all gates pass, no audit is violated, and the measurement is valid. In the search all {} runs \
             must hold (one that fails among the first two ends them); the answer must hold in so many of {} runs with \
             fresh seeds that at least {} of all on-sales do, by the exact bound of Clopper and Pearson, at {confidence} \
             over all tests together.",
            search.replications,
            search.confirm,
            words::whole_percent(search.holds_in.get())
        ),
    }
}

fn facts_of_crowd(found: &LargestCrowd) -> Vec<String> {
    let mut facts: Vec<_> = found.breaks.iter().flat_map(facts_of_break).collect();
    facts.extend(told_tightest(&found.tiers, "at the answer"));
    facts.extend(told_tightest(
        &found.asked_tiers,
        &format!(
            "at the {} buyers of the scenario",
            buyers(found.asked_crowd)
        ),
    ));
    if found.asked_tiers.is_empty() {
        facts.push(format!(
            "The {} buyers of the scenario lie outside the range and were not played.",
            buyers(found.asked_crowd)
        ));
    }
    facts.extend(found.not_monotone.iter().map(|(smaller, larger)| {
        format!(
            "Not in order: {} buyers did not hold although {} did.",
            buyers(*smaller),
            buyers(*larger)
        )
    }));
    facts
}

fn facts_of_break(breaks: &Break) -> Vec<String> {
    let missed: Vec<_> = breaks.misses.iter().map(words::miss).collect();
    let counts = breaks.counts.iter();
    let counts: Vec<_> = counts
        .map(|count| {
            format!(
                "{} {} in {}",
                count.miss.what, count.miss.wanted, count.runs
            )
        })
        .collect();
    let mut facts = vec![
        format!(
            "At {} buyers run {} (seed {}) is the first that does not hold; it misses {}.",
            buyers(breaks.crowd),
            breaks.replication,
            breaks.seed,
            missed.join("; ")
        ),
        format!("Of {} runs there: {}.", breaks.runs, counts.join("; ")),
    ];
    facts.extend(told_tightest(&breaks.tiers, "where it breaks"));
    facts
}

fn told_tightest(tiers: &[TierUse], place: &str) -> Option<String> {
    let tight = tightest(tiers)?;
    let (title, used) = (tight.tier.title(), words::used(tight));
    let left = words::left(tight);
    Some(format!(
        "The tightest tier {place}: {title}, {used} used, {left} left."
    ))
}

fn facts_of_setup(found: &CheapestSetup) -> Vec<String> {
    let played = found.setups.iter().filter(|setup| setup.runs > 0).count();
    let all = found.setups.len();
    let others = match found.explore {
        _ if played == all => "",
        Explore::Cheapest => "; the others could not be the answer",
        Explore::Frontier => "; the others could not hold",
    };
    let mut facts = vec![format!("{played} of {all} set-ups were played{others}.")];
    facts.extend(told_tightest(&found.tiers, "at the answer"));
    if !found.left_out.is_empty() {
        facts.push(format!(
            "Left out, because they are no legal scenario: {} of the combinations.",
            found.left_out.len()
        ));
    }
    facts
}

/// What is assumed and not measured.
pub(super) fn assumptions(findings: &Findings) -> Vec<String> {
    let mut assumptions = vec![
        "Every figure comes from the model, whose service times and buyers are those of the scenario; its file says which \
         of them are assumptions."
            .to_owned(),
    ];
    match &findings.answer {
        Answer::LargestCrowd(_) => assumptions.push(
            "A crowd larger than one that does not hold is taken not to hold either; crowds that were played and \
             contradict it are listed."
                .to_owned(),
        ),
        Answer::CheapestSetup(found) if !found.ascending.is_empty() => assumptions.push(format!(
            "Later values of {} are taken to be at least as strong as earlier ones, by the plan file's word.",
            found.ascending.join(", ")
        )),
        Answer::CheapestSetup(_) | Answer::Compare(_) => {}
    }
    assumptions
}

fn buyers(count: u32) -> String {
    grouped(count.into())
}
