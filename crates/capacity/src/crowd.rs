//! Largest audience: finds the largest number of buyers with which a configuration passes.
//!
//! 1. **Bracket.** Doubles the number until one fails.
//! 2. **Bisect.** Halves the gap between the largest number that passed and the smallest that failed, until it is as small
//!    as was asked for (`within`).
//! 3. **Confirm.** Re-tests the result with fresh seeds, and if it fails, smaller numbers.
//!
//! Bisection assumes that more buyers never make a system pass that fails with fewer. Noise, or a policy that scales out
//! only under more load, can break that assumption; such pairs are reported as `not_monotone`.

use std::collections::BTreeMap;

use super::confirmation::{self, Confirmation};
use super::figures::Measure;
use super::findings::{Break, Closest, CrowdStep, LargestCrowd, Mean, MissCount};
use super::miss::Miss;
use super::question::{CrowdRange, Search};
use super::replication::{self, Seeds, first_miss, held, mean, mean_at_least, missing, runs};
use super::statistics::CONFIRMATIONS_MAX;
use super::{Evaluate, Sample, SearchState, Stopped};
use tiketi_verdict::cause::tier::{self, TierUse};
use tiketi_verdict::figure::grouped;

/// Searches the range for the largest number of buyers.
pub(super) fn search(
    range: &CrowdRange,
    search: &Search,
    bench: &dyn Evaluate,
) -> Result<LargestCrowd, Stopped> {
    let mut progress = CrowdSearch {
        range,
        search,
        seeds: Seeds::new(search),
        bench,
        played: BTreeMap::new(),
    };
    let bracket = progress.bracket()?;
    let bracket = progress.bisect(bracket)?;
    let mut confirmations = Vec::new();
    let mut confirmed = None;
    if let Some(passes) = bracket.passes {
        confirmed = progress.confirm(passes, &mut confirmations)?;
    }
    progress.play_asked()?;
    Ok(progress.result(confirmed.as_ref(), confirmations))
}

/// The largest number of buyers known to pass, and the smallest known to fail.
#[derive(Clone, Copy)]
struct Bracket {
    passes: Option<u32>,
    fails: Option<u32>,
}

/// The search in progress.
struct CrowdSearch<'a> {
    range: &'a CrowdRange,
    search: &'a Search,
    seeds: Seeds,
    bench: &'a dyn Evaluate,
    /// All runs so far, by number of buyers.
    played: BTreeMap<u32, Vec<Sample>>,
}

/// A confirmed number of buyers, and the runs that confirmed it.
struct Confirmed {
    crowd: u32,
    samples: Vec<Sample>,
}

impl CrowdSearch<'_> {
    /// Doubles the number of buyers until one fails.
    ///
    /// A run takes time in proportion to its buyers. Doubling from below takes at most about twice the time of the largest
    /// run that is needed, while a bisection of the whole range would start in its middle, far above most answers.
    fn bracket(&mut self) -> Result<Bracket, Stopped> {
        let mut bracket = Bracket {
            passes: None,
            fails: None,
        };
        let mut crowd = self.range.from;
        loop {
            if !self.passes(crowd, bracket)? {
                bracket.fails = Some(crowd);
                return Ok(bracket);
            }
            bracket.passes = Some(crowd);
            // Even the end of the range passes: there is nothing to bisect.
            if crowd == self.range.to {
                return Ok(bracket);
            }
            crowd = crowd.saturating_mul(2).min(self.range.to);
        }
    }

    /// Halves the gap until it is as small as was asked for.
    fn bisect(&mut self, mut bracket: Bracket) -> Result<Bracket, Stopped> {
        while let (Some(passes), Some(fails)) = (bracket.passes, bracket.fails) {
            let distance = fails - passes;
            // The precision is relative to what passes, because that is what is reported.
            if distance <= 1 || f64::from(distance) <= self.range.within.get() * f64::from(passes) {
                break;
            }
            let middle = passes + distance / 2;
            if self.passes(middle, bracket)? {
                bracket.passes = Some(middle);
            } else {
                bracket.fails = Some(middle);
            }
        }
        Ok(bracket)
    }

    /// Runs this many buyers, and returns whether every run passes.
    fn passes(&mut self, crowd: u32, bracket: Bracket) -> Result<bool, Stopped> {
        let steps = self.steps_left(bracket);
        let runs = self.seeds.search.len();
        let state = SearchState {
            runs_next: 0,
            runs_later: steps * runs + self.search.confirm as usize,
            best: bracket
                .passes
                .map(|passes| format!("{} buyers", grouped(passes.into()))),
        };
        // Always with the same seeds, so that two numbers of buyers differ in nothing but their buyers.
        let plan = self.range.plan(crowd);
        let samples = replication::race(&[&plan], &self.seeds.search, self.bench, &state)?.concat();
        let passes = samples.iter().all(Sample::passes);
        self.played.insert(crowd, samples);
        Ok(passes)
    }

    /// Returns how many more steps a bisection of the bracket takes at most, for the progress display.
    fn steps_left(&self, bracket: Bracket) -> usize {
        let low = f64::from(bracket.passes.unwrap_or(self.range.from));
        let high = f64::from(bracket.fails.unwrap_or(self.range.to));
        let width = self.range.within.get() * low;
        let halvings = ((high - low).max(1.0) / width.max(1.0))
            .log2()
            .ceil()
            .max(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a logarithm of a number of buyers"
        )]
        let halvings = halvings as usize;
        halvings
    }

    /// Tests the number of buyers with fresh seeds, and if it fails, smaller numbers with other fresh seeds.
    fn confirm(
        &self,
        passes: u32,
        confirmations: &mut Vec<Confirmation>,
    ) -> Result<Option<Confirmed>, Stopped> {
        // Each test uses seeds of its own: a number that failed one test must not be judged by the seeds that chose it.
        let mut crowd = passes;
        for (number, seeds) in (0..CONFIRMATIONS_MAX).zip(&self.seeds.fresh) {
            let plan = self.range.plan(crowd);
            let what = format!("{} buyers", grouped(crowd.into()));
            let (confirmation, samples) =
                confirmation::confirm(&what, &plan, seeds, self.search, self.bench)?;
            let is_confirmed = confirmation.confirmed;
            confirmations.push(confirmation);
            if is_confirmed {
                return Ok(Some(Confirmed { crowd, samples }));
            }
            // There is nothing smaller in the range to test.
            if crowd == self.range.from {
                break;
            }
            crowd = self.smaller(crowd, number);
        }
        Ok(None)
    }

    /// Returns the number of buyers to test after one that was not confirmed.
    ///
    /// It is smaller by twice the precision of the search, then by four times: the search passed at `crowd`, so the limit is
    /// probably close below it, and there are only a few tests.
    fn smaller(&self, crowd: u32, number: u32) -> u32 {
        let below = (self.range.within.get() * f64::from(2_u32 << number)).min(0.5);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of a number of buyers"
        )]
        let smaller = (f64::from(crowd) * (1.0 - below)).floor() as u32;
        smaller.max(self.range.from)
    }

    /// Runs the number of buyers of the scenario as it is written, to report its headroom. Skipped if it lies outside the
    /// range: a number beyond it may take too long.
    fn play_asked(&mut self) -> Result<(), Stopped> {
        let asked = self.range.asked;
        let is_in_range = (self.range.from..=self.range.to).contains(&asked);
        if is_in_range && !self.played.contains_key(&asked) {
            let all = Bracket {
                passes: None,
                fails: None,
            };
            self.passes(asked, all)?;
        }
        Ok(())
    }

    fn result(
        self,
        confirmed: Option<&Confirmed>,
        confirmations: Vec<Confirmation>,
    ) -> LargestCrowd {
        let crowd = confirmed.map(|confirmed| confirmed.crowd);
        let held_in_search = |crowd: &u32| self.played[crowd].iter().all(Sample::passes);
        let largest_held = self.played.keys().copied().filter(held_in_search).max();
        // Without a confirmed answer, what breaks is reported from the largest number that passed the search.
        let breaks = self.first_break(crowd.or(largest_held));
        let searched = crowd.and_then(|crowd| self.played.get(&crowd));
        // Headroom is reported over all runs at the answer, those of the search included: peaks are rare, and each run
        // may show a higher one.
        let tested = confirmed
            .into_iter()
            .flat_map(|confirmed| &confirmed.samples);
        let at_answer: Vec<_> = searched.into_iter().flatten().chain(tested).collect();
        let currency = self
            .played
            .values()
            .flatten()
            .find_map(|sample| sample.currency);
        LargestCrowd {
            crowd,
            from: self.range.from,
            to: self.range.to,
            is_beyond: crowd == Some(self.range.to),
            confirmations,
            steps: self
                .played
                .iter()
                .map(|(crowd, samples)| step(*crowd, samples))
                .collect(),
            closest: crowd.is_none().then(|| self.closest()).flatten(),
            breaks,
            tiers: highest(at_answer),
            asked_crowd: self.range.asked,
            asked_tiers: highest(self.played.get(&self.range.asked).into_iter().flatten()),
            not_monotone: self.not_monotone(),
            missing_costs: missing(self.played.values().flatten()),
            currency,
        }
    }

    /// Returns what fails first above a number of buyers; `None` if nothing failed there.
    fn first_break(&self, above: Option<u32>) -> Option<Break> {
        let mut larger = self.played.range(above.map_or(0, |above| above + 1)..);
        let fails = |(_, samples): &(&u32, &Vec<Sample>)| !samples.iter().all(Sample::passes);
        let (crowd, samples) = larger.find(fails)?;
        // The first run that failed is reported with its seed, so that it can be repeated and inspected.
        let place = samples.iter().position(|sample| !sample.passes())?;
        Some(Break {
            crowd: *crowd,
            replication: u32::try_from(place + 1).unwrap_or(u32::MAX),
            seed: samples[place].seed,
            misses: samples[place].misses.clone(),
            why: samples[place].why.clone(),
            counts: counts(samples),
            runs: runs(samples),
            tiers: highest(samples),
        })
    }

    /// Returns the miss of the smallest number of buyers that failed; `None` if none did.
    fn closest(&self) -> Option<Closest> {
        let mut misses = self.played.iter().filter_map(|(crowd, samples)| {
            let miss = first_miss(samples)?;
            let what = format!("{} buyers", grouped((*crowd).into()));
            Some(Closest { what, miss })
        });
        misses.next()
    }

    /// Returns each number of buyers that failed although the largest one that passed is larger.
    fn not_monotone(&self) -> Vec<(u32, u32)> {
        let held = |samples: &Vec<Sample>| samples.iter().all(Sample::passes);
        let holding = self.played.iter().filter(|(_, samples)| held(samples));
        let Some(largest) = holding.map(|(crowd, _)| *crowd).max() else {
            return Vec::new();
        };
        let below = self
            .played
            .range(..largest)
            .filter(|(_, samples)| !held(samples));
        below.map(|(crowd, _)| (*crowd, largest)).collect()
    }
}

fn step(crowd: u32, samples: &[Sample]) -> CrowdStep {
    CrowdStep {
        crowd,
        held: held(samples),
        runs: runs(samples),
        means: means(samples),
        costs_at_least: costs_at_least(samples),
        miss: first_miss(samples),
    }
}

/// Returns the mean of every cost of which some run knows only a lower bound.
pub(super) fn costs_at_least(samples: &[Sample]) -> Vec<Mean> {
    let means = Measure::all().into_iter().filter_map(|measure| {
        let mean = mean_at_least(samples, measure)?;
        Some(Mean { measure, mean })
    });
    means.collect()
}

/// Returns the mean of every metric that at least one run has.
pub(super) fn means(samples: &[Sample]) -> Vec<Mean> {
    let means = Measure::all().into_iter().filter_map(|measure| {
        let mean = mean(samples, measure)?;
        Some(Mean { measure, mean })
    });
    means.collect()
}

/// Returns the peak utilization of each tier over several runs.
pub(super) fn highest<'s>(samples: impl IntoIterator<Item = &'s Sample>) -> Vec<TierUse> {
    let tiers: Vec<_> = samples
        .into_iter()
        .map(|sample| sample.tiers.as_slice())
        .collect();
    tier::highest(&tiers)
}

/// Counts how many runs missed each objective, the most frequent first.
fn counts(samples: &[Sample]) -> Vec<MissCount> {
    let mut counts: Vec<MissCount> = Vec::new();
    for miss in samples.iter().flat_map(|sample| &sample.misses) {
        match counts.iter_mut().find(|known| known.miss.is_like(miss)) {
            Some(known) => {
                known.runs += 1;
                known.miss = farther(&known.miss, miss).clone();
            }
            None => counts.push(MissCount {
                miss: miss.clone(),
                runs: 1,
            }),
        }
    }
    counts.sort_by_key(|count| std::cmp::Reverse(count.runs));
    counts
}

fn farther<'m>(one: &'m Miss, other: &'m Miss) -> &'m Miss {
    if other.compare(one).is_gt() {
        other
    } else {
        one
    }
}
