//! Replications: the same configuration with several seeds, in parallel, with results in the order of the seeds.

use rand::RngExt;
use rayon::prelude::*;

use super::figures::Measure;
use super::miss::Miss;
use super::question::Search;
use super::statistics::CONFIRMATIONS_MAX;
use super::{Evaluate, Sample, SearchState, Stopped};
use tiketi_core::rng::Streams;
use tiketi_scenario::Plan;

/// Runs of a configuration after which it is dropped if one of them failed.
///
/// A configuration that fails usually does so with the first seed, and a second run in parallel takes no longer on two
/// cores. It is a constant because a number that depended on the machine would make the report depend on it.
const FIRST_RUNS: usize = 2;

/// Seeds of all runs of a search.
#[derive(Clone, Debug)]
pub(super) struct Seeds {
    /// Seeds of the search: the same for every configuration.
    pub(super) search: Vec<u64>,
    /// Fresh seeds: one set per confirmation.
    pub(super) fresh: Vec<Vec<u64>>,
}

impl Seeds {
    /// Draws all seeds, all of them different.
    pub(super) fn new(search: &Search) -> Self {
        let mut stream = Streams::new(search.seed).named("capacity");
        let mut drawn = Vec::new();
        let mut take = |count: u32| {
            let start = drawn.len();
            while drawn.len() < start + count as usize {
                // At most nine digits, so that a person can retype them.
                let seed = stream.random_range(0..1_000_000_000);
                if !drawn.contains(&seed) {
                    drawn.push(seed);
                }
            }
            drawn[start..].to_vec()
        };
        Self {
            search: take(search.replications),
            fresh: (0..CONFIRMATIONS_MAX)
                .map(|_| take(search.confirm))
                .collect(),
        }
    }
}

/// Runs every plan with every seed. Returns one list per plan, in the order of the seeds.
pub(super) fn play(
    plans: &[&Plan],
    seeds: &[u64],
    bench: &dyn Evaluate,
) -> Result<Vec<Vec<Sample>>, Stopped> {
    let tasks: Vec<_> = plans
        .iter()
        .flat_map(|plan| seeds.iter().map(move |seed| (*plan, *seed)))
        .collect();
    let samples = tasks.into_par_iter().map(|(plan, seed)| {
        let mut plan = plan.clone();
        plan.seed = seed;
        bench.evaluate(&plan)
    });
    // rayon keeps the order of the tasks, whichever finishes first.
    let samples: Option<Vec<_>> = samples.collect();
    let samples = samples.ok_or(Stopped)?;
    if seeds.is_empty() {
        return Ok(vec![Vec::new(); plans.len()]);
    }
    Ok(samples
        .chunks(seeds.len())
        .map(<[Sample]>::to_vec)
        .collect())
}

/// Runs every plan with every seed, but drops a plan if one of its first runs fails. Such a plan has fewer samples.
pub(super) fn race(
    plans: &[&Plan],
    seeds: &[u64],
    bench: &dyn Evaluate,
    state: &SearchState,
) -> Result<Vec<Vec<Sample>>, Stopped> {
    let (first, rest) = seeds.split_at(FIRST_RUNS.min(seeds.len()));
    bench.handle_progress(&SearchState {
        runs_next: plans.len() * first.len(),
        runs_later: state.runs_later + plans.len() * rest.len(),
        best: state.best.clone(),
    });
    let mut samples = play(plans, first, bench)?;
    let passes = |samples: &Vec<Sample>| samples.iter().all(Sample::passes);
    let survivors: Vec<_> = (0..plans.len())
        .filter(|index| passes(&samples[*index]))
        .collect();
    let surviving: Vec<_> = survivors.iter().map(|index| plans[*index]).collect();
    bench.handle_progress(&SearchState {
        runs_next: surviving.len() * rest.len(),
        runs_later: state.runs_later,
        best: state.best.clone(),
    });
    for (index, more) in survivors.into_iter().zip(play(&surviving, rest, bench)?) {
        samples[index].extend(more);
    }
    Ok(samples)
}

/// Returns how many of the runs passed.
pub(super) fn held(samples: &[Sample]) -> u32 {
    let held = samples.iter().filter(|sample| sample.passes()).count();
    u32::try_from(held).unwrap_or(u32::MAX)
}

/// Returns the number of runs.
pub(super) fn runs(samples: &[Sample]) -> u32 {
    u32::try_from(samples.len()).unwrap_or(u32::MAX)
}

/// Returns the values of a metric, of the runs that have it.
pub(super) fn values(samples: &[Sample], measure: Measure) -> Vec<f64> {
    let values = samples
        .iter()
        .filter_map(|sample| sample.figures.get(&measure));
    values.copied().collect()
}

/// Returns the mean of a metric; `None` if no run has it, or if a run knows only a lower bound of it.
pub(super) fn mean(samples: &[Sample], measure: Measure) -> Option<f64> {
    if samples
        .iter()
        .any(|sample| sample.at_least.contains_key(&measure))
    {
        return None;
    }
    let values = values(samples, measure);
    let count = f64::from(u32::try_from(values.len()).ok()?);
    (count > 0.0).then(|| values.iter().sum::<f64>() / count)
}

/// Returns the mean of a cost over runs of which at least one knows only a lower bound of it, which makes the mean a lower
/// bound too; `None` if all runs know the cost, or none has one.
pub(super) fn mean_at_least(samples: &[Sample], measure: Measure) -> Option<f64> {
    let is_bound = samples
        .iter()
        .any(|sample| sample.at_least.contains_key(&measure));
    let known = |sample: &Sample| {
        let exact = sample.figures.get(&measure);
        exact.or_else(|| sample.at_least.get(&measure)).copied()
    };
    let values: Vec<_> = samples.iter().filter_map(known).collect();
    let count = f64::from(u32::try_from(values.len()).ok()?);
    is_bound.then(|| values.iter().sum::<f64>() / count)
}

/// Returns what is missing from the costs of any of the runs; empty if all costs are known.
pub(super) fn missing<'s>(samples: impl IntoIterator<Item = &'s Sample>) -> Vec<String> {
    let samples = samples.into_iter();
    let mut missing: Vec<_> = samples
        .flat_map(|sample| &sample.missing)
        .cloned()
        .collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

/// Returns the largest miss of the first run that failed; `None` if all passed.
pub(super) fn first_miss(samples: &[Sample]) -> Option<Miss> {
    let failed = samples.iter().find(|sample| !sample.passes())?;
    failed.misses.iter().max_by(|a, b| a.compare(b)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{Fake, plan, search};

    #[test]
    fn no_seed_is_used_twice() {
        let seeds = Seeds::new(&search());
        let mut all: Vec<_> = seeds.fresh.concat();
        all.extend(&seeds.search);
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn samples_are_in_the_order_of_the_seeds_whatever_the_number_of_threads() {
        let (first, second) = (plan(100), plan(200));
        let seeds: Vec<u64> = (0..40).collect();
        let fake = Fake::holding_up_to(150);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| play(&[&first, &second], &seeds, &fake))
                .unwrap()
        };
        let one = run(1);
        assert_eq!(one, run(4));
        let order: Vec<_> = one[1].iter().map(|sample| sample.seed).collect();
        assert_eq!(order, seeds);
        assert_eq!((held(&one[0]), held(&one[1])), (40, 0));
    }

    #[test]
    fn a_configuration_that_fails_early_is_dropped() {
        let (good, bad) = (plan(100), plan(200));
        let fake = Fake::holding_up_to(150);
        let state = SearchState {
            runs_next: 0,
            runs_later: 0,
            best: None,
        };
        let samples = race(&[&good, &bad], &[1, 2, 3, 4, 5], &fake, &state).unwrap();
        assert_eq!((samples[0].len(), samples[1].len()), (5, 2));
    }
}
