//! What a reader needs to know beside the answer: how it was found, how much headroom there is, what is assumed.

use tiketi_capacity::Findings;
use tiketi_capacity::findings::{Answer, Break, CheapestSetup, LargestCrowd};
use tiketi_capacity::question::Explore;
use tiketi_cost::Amount;
use tiketi_verdict::cause::tier::{TierUse, tightest};

use super::wording::{self, buyers, confidence, miss, objective};
use crate::number::Number;
use crate::wording::listed;

/// Facts beside the answer, one item each.
pub(super) fn facts(findings: &Findings) -> Vec<String> {
    let mut facts = vec![method(findings)];
    match &findings.answer {
        Answer::LargestCrowd(found) => facts.extend(of_crowd(found)),
        Answer::CheapestSetup(found) => facts.extend(of_setup(found)),
        Answer::Compare(_) => {}
    }
    facts.extend(lower_bounds(&findings.answer));
    facts
}

/// What makes costs lower bounds; `None` if all costs are known.
fn lower_bounds(answer: &Answer) -> Option<String> {
    let mut missing: Vec<String> = match answer {
        Answer::LargestCrowd(found) => found.missing_costs.clone(),
        Answer::CheapestSetup(found) => {
            let costs = found.setups.iter().filter_map(|setup| setup.cost.as_ref());
            costs.flat_map(Amount::missing).cloned().collect()
        }
        Answer::Compare(found) => {
            let variants = found.variants.iter();
            variants
                .flat_map(|variant| &variant.missing_costs)
                .cloned()
                .collect()
        }
    };
    missing.sort_unstable();
    missing.dedup();
    (!missing.is_empty()).then(|| {
        format!(
            "Costs that are marked \"at least\" are lower bounds and are not compared: they lack {}.",
            listed(&missing)
        )
    })
}

fn method(findings: &Findings) -> String {
    let search = &findings.search;
    match &findings.answer {
        Answer::Compare(_) => format!(
            "Each configuration was simulated {} times with the same seeds. A difference is the mean of the run-by-run \
             differences, with its {} confidence interval (Student's t, not corrected for multiple comparisons).",
            search.replications,
            confidence(search)
        ),
        Answer::LargestCrowd(_) | Answer::CheapestSetup(_) => format!(
            "A run passes when every gate passes, no audit fails, the measurement is valid and somebody bought a ticket. In \
             the search, all {} runs must pass; a failure in the first two ends the test. The answer is then re-tested on \
             {} new seeds and accepted if we can be {} confident that at least {} of sales would pass (Clopper–Pearson, corrected for \
             multiple tests).",
            search.replications,
            search.confirm,
            confidence(search),
            Number::share(search.holds_in.get())
        ),
    }
}

fn of_crowd(found: &LargestCrowd) -> Vec<String> {
    let mut facts: Vec<_> = found.breaks.iter().flat_map(of_break).collect();
    let answer = found.crowd.map(buyers);
    let answer = answer.unwrap_or_else(|| "the answer".to_owned());
    facts.extend(bottleneck(&found.tiers, &answer));
    let asked = buyers(found.asked_crowd);
    if found.asked_tiers.is_empty() {
        facts.push(format!(
            "The scenario's own {asked} are outside the range and were not simulated."
        ));
    } else {
        let place = format!("the scenario's own {asked}");
        facts.extend(bottleneck(&found.asked_tiers, &place));
    }
    facts.extend(found.not_monotone.iter().map(|(smaller, larger)| {
        format!(
            "Out of order: {} failed although {} passed.",
            buyers(*smaller),
            buyers(*larger)
        )
    }));
    facts
}

fn of_break(breaks: &Break) -> Vec<String> {
    let missed: Vec<_> = breaks.misses.iter().map(miss).collect();
    let counts = breaks.counts.iter();
    let counts: Vec<_> = counts
        .map(|count| format!("{} in {}", objective(&count.miss), count.runs))
        .collect();
    let audience = buyers(breaks.crowd);
    let mut facts = vec![
        format!(
            "With {audience}, run {} (seed {}) is the first that fails, on {}.",
            breaks.replication,
            breaks.seed,
            missed.join("; ")
        ),
        format!(
            "Failures in {} runs with {audience}: {}.",
            breaks.runs,
            counts.join("; ")
        ),
    ];
    facts.extend(breaks.why.clone());
    facts.extend(bottleneck(&breaks.tiers, &audience));
    facts
}

/// `Bottleneck at 2,625 buyers: instance CPU, 100% used`.
fn bottleneck(tiers: &[TierUse], place: &str) -> Option<String> {
    let tight = tightest(tiers)?;
    let used = wording::used(tight);
    let of = match wording::limit(tight) {
        Some(limit) if !tight.tier.is_share() => format!(" of {limit}"),
        Some(_) | None => String::new(),
    };
    let left = tight.left().map(|left| left.max(0.0));
    let left = left.map_or_else(String::new, |left| {
        format!(", {} headroom", Number::share(left))
    });
    let title = tight.tier.title();
    Some(format!(
        "Bottleneck at {place}: {title}, {used}{of} at peak{left}."
    ))
}

fn of_setup(found: &CheapestSetup) -> Vec<String> {
    let simulated = found.setups.iter().filter(|setup| setup.runs > 0).count();
    let all = found.setups.len();
    let others = match found.explore {
        _ if simulated == all => "",
        Explore::Cheapest => "; the others could not be the answer",
        Explore::Frontier => "; the others could not pass",
    };
    let mut facts = vec![format!(
        "{simulated} of {all} configurations were simulated{others}."
    )];
    facts.extend(bottleneck(&found.tiers, "the answer"));
    if !found.left_out.is_empty() {
        facts.push(format!(
            "{} combinations were left out because they are not valid scenarios.",
            found.left_out.len()
        ));
    }
    facts
}

/// What is assumed and not measured, one item each.
pub(super) fn assumptions(findings: &Findings) -> Vec<String> {
    let mut assumptions = vec![
        "All numbers are simulated, with the service times and buyers of the scenario, whose file states which of them are \
         assumptions."
            .to_owned(),
    ];
    match &findings.answer {
        Answer::LargestCrowd(_) => assumptions.push(
            "If an audience fails, larger ones are assumed to fail too; simulated audiences that contradict this are listed."
                .to_owned(),
        ),
        Answer::CheapestSetup(found) if !found.ascending.is_empty() => assumptions.push(format!(
            "Later values of {} are assumed to be at least as strong as earlier ones, as the plan file states.",
            found.ascending.join(", ")
        )),
        Answer::CheapestSetup(_) | Answer::Compare(_) => {}
    }
    assumptions
}
