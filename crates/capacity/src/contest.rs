//! The comparison: every variant with the same seeds, and the differences run by run.
//!
//! Under common random numbers both runs of a pair have the same buyers; what they share cancels out, and a small
//! difference shows in few runs.

use super::crowd::highest;
use super::figures::{Measure, Unit};
use super::findings::{Comparison, Row, Variant};
use super::question::{Contest, Search};
use super::replication::{self, Seeds, first_miss, held, values};
use super::statistics::{Estimate, estimate};
use super::{Evaluate, Sample, State, Stopped};
use tiketi_cost::price_book::Currency;

/// Plays all variants and compares them.
pub(super) fn hold(
    contest: &Contest,
    search: &Search,
    bench: &dyn Evaluate,
) -> Result<Comparison, Stopped> {
    let seeds = Seeds::new(search).search;
    let plans: Vec<_> = contest.setups.iter().map(|setup| &setup.plan).collect();
    bench.hear(&State {
        runs_next: plans.len() * seeds.len(),
        runs_later: 0,
        best: None,
    });
    let played = replication::play(&plans, &seeds, bench)?;
    let confidence = search.confidence.get();
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
        estimate: estimate(&values(samples, measure), confidence),
        difference: difference(measure),
    });
    rows.collect()
}

/// The mean of the differences of the pairs in which both runs have the measure.
fn difference(
    samples: &[Sample],
    base: &[Sample],
    measure: Measure,
    confidence: f64,
) -> Option<Estimate> {
    let pairs = samples.iter().zip(base);
    let differences = pairs
        .filter_map(|(one, other)| Some(one.figures.get(&measure)? - other.figures.get(&measure)?));
    let differences: Vec<_> = differences.collect();
    estimate(&differences, confidence)
}

/// The currency of all runs; `None` if they have several, whose amounts cannot be compared.
fn one_currency(played: &[Vec<Sample>]) -> Option<Currency> {
    let mut currencies = played.iter().flatten().map(|sample| sample.currency);
    let first = currencies.next().flatten()?;
    currencies
        .all(|other| other == Some(first))
        .then_some(first)
}
