//! Comparison: runs every variant with the same seeds, and estimates the differences run by run.
//!
//! With common random numbers, both runs of a pair have the same buyers, who arrive at the same times with the same
//! patience. Most of the noise is the same in both and cancels out of their difference, so a small difference shows in few
//! runs. The interval is computed over the differences, not over the two means.

use super::crowd::highest;
use super::figures::{Measure, Unit};
use super::findings::{Comparison, Row, Variant};
use super::question::{Contest, Search};
use super::replication::{self, Seeds, first_miss, held, mean_at_least, missing, values};
use super::statistics::{Estimate, estimate};
use super::{Evaluate, Sample, SearchState, Stopped};
use tiketi_cost::price_book::Currency;

/// Runs all variants and compares them.
pub(super) fn compare(
    contest: &Contest,
    search: &Search,
    bench: &dyn Evaluate,
) -> Result<Comparison, Stopped> {
    let seeds = Seeds::new(search).search;
    let plans: Vec<_> = contest.setups.iter().map(|setup| &setup.plan).collect();
    bench.handle_progress(&SearchState {
        runs_next: plans.len() * seeds.len(),
        runs_later: 0,
        best: None,
    });
    let played = replication::play(&plans, &seeds, bench)?;
    let confidence = search.confidence.get();
    // The same seeds in the same order: sample `i` of every variant has the same buyers.
    let base = &played[contest.against];
    let currency = one_currency(&played);
    let is_comparable = |measure: Measure| currency.is_some() || measure.unit() != Unit::Money;
    let variants = contest.setups.iter().zip(&played).enumerate();
    let variants = variants.map(|(place, (setup, samples))| Variant {
        name: setup.name.clone(),
        held: held(samples),
        rows: rows(samples, confidence, |measure| {
            let is_other = place != contest.against && is_comparable(measure);
            is_other
                .then(|| difference(samples, base, measure, confidence))
                .flatten()
        }),
        missing_costs: missing(samples),
        miss: first_miss(samples),
        tiers: highest(samples),
    });
    Ok(Comparison {
        against: contest.against,
        variants: variants.collect(),
        runs: search.replications,
        currency,
    })
}

fn rows(
    samples: &[Sample],
    confidence: f64,
    difference: impl Fn(Measure) -> Option<Estimate>,
) -> Vec<Row> {
    let rows = Measure::all().into_iter().map(|measure| Row {
        measure,
        // A mean over the runs that know the cost would be another lower bound.
        estimate: match mean_at_least(samples, measure) {
            Some(_) => None,
            None => estimate(&values(samples, measure), confidence),
        },
        at_least: mean_at_least(samples, measure),
        difference: difference(measure),
    });
    rows.collect()
}

/// Returns the mean difference over the pairs of runs in which both have the metric; `None` without such a pair.
fn difference(
    samples: &[Sample],
    base: &[Sample],
    measure: Measure,
    confidence: f64,
) -> Option<Estimate> {
    let pairs = samples.iter().zip(base);
    let differences = pairs
        // A run without the metric, such as one that never sold out, takes its pair out. A difference from a made-up
        // value would bias the mean.
        .filter_map(|(one, other)| Some(one.figures.get(&measure)? - other.figures.get(&measure)?));
    let differences: Vec<_> = differences.collect();
    estimate(&differences, confidence)
}

/// Returns the currency of all runs; `None` if there are several, whose amounts cannot be compared, or none.
fn one_currency(played: &[Vec<Sample>]) -> Option<Currency> {
    let mut currencies = played.iter().flatten().map(|sample| sample.currency);
    let first = currencies.next().flatten()?;
    currencies
        .all(|other| other == Some(first))
        .then_some(first)
}
