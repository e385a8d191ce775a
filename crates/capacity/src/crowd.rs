//! The largest crowd that a set-up holds: doubling until one breaks it, then bisection, then a test with fresh seeds.

use std::collections::BTreeMap;

use super::confirmation::{self, Confirmation};
use super::figures::Measure;
use super::findings::{Break, Closest, CrowdStep, LargestCrowd, Mean, MissCount};
use super::miss::Miss;
use super::question::{CrowdRange, Search};
use super::replication::{self, Seeds, first_miss, held, mean, runs};
use super::statistics::CONFIRMATIONS_MAX;
use super::tier_use::{self, TierUse};
use super::{Evaluate, Sample, State, Stopped};
use tiketi_verdict::figure::grouped;

/// Searches the range.
pub(super) fn search(
    range: &CrowdRange,
    search: &Search,
    bench: &dyn Evaluate,
) -> Result<LargestCrowd, Stopped> {
    let mut hunt = Hunt {
        range,
        search,
        seeds: Seeds::new(search),
        bench,
        played: BTreeMap::new(),
    };
    let bracket = hunt.bracket()?;
    let bracket = hunt.bisect(bracket)?;
    let mut confirmations = Vec::new();
    let mut confirmed = None;
    if let Some(holds) = bracket.holds {
        confirmed = hunt.confirm(holds, &mut confirmations)?;
    }
    hunt.play_asked()?;
    Ok(hunt.result(confirmed.as_ref(), confirmations))
}

/// The largest crowd that is known to hold, and the smallest that is known not to.
#[derive(Clone, Copy)]
struct Bracket {
    holds: Option<u32>,
    fails: Option<u32>,
}

/// The search while it goes on.
struct Hunt<'a> {
    range: &'a CrowdRange,
    search: &'a Search,
    seeds: Seeds,
    bench: &'a dyn Evaluate,
    played: BTreeMap<u32, Vec<Sample>>,
}

/// A crowd that was confirmed, and the runs that did it.
struct Confirmed {
    crowd: u32,
    samples: Vec<Sample>,
}

impl Hunt<'_> {
    /// Doubles the crowd until one does not hold: small crowds are played fast, and the largest of the range perhaps
    /// never.
    fn bracket(&mut self) -> Result<Bracket, Stopped> {
        let mut bracket = Bracket {
            holds: None,
            fails: None,
        };
        let mut crowd = self.range.from;
        loop {
            if !self.holds(crowd, bracket)? {
                bracket.fails = Some(crowd);
                return Ok(bracket);
            }
            bracket.holds = Some(crowd);
            if crowd == self.range.to {
                return Ok(bracket);
            }
            crowd = crowd.saturating_mul(2).min(self.range.to);
        }
    }

    /// Halves the distance until it is as small as was asked for.
    fn bisect(&mut self, mut bracket: Bracket) -> Result<Bracket, Stopped> {
        while let (Some(holds), Some(fails)) = (bracket.holds, bracket.fails) {
            let distance = fails - holds;
            if distance <= 1 || f64::from(distance) <= self.range.within.get() * f64::from(holds) {
                break;
            }
            let middle = holds + distance / 2;
            if self.holds(middle, bracket)? {
                bracket.holds = Some(middle);
            } else {
                bracket.fails = Some(middle);
            }
        }
        Ok(bracket)
    }

    /// Whether the crowd holds with every seed of the search.
    fn holds(&mut self, crowd: u32, bracket: Bracket) -> Result<bool, Stopped> {
        let steps = self.steps_left(bracket);
        let runs = self.seeds.search.len();
        let state = State {
            runs_next: 0,
            runs_later: steps * runs + self.search.confirm as usize,
            best: bracket
                .holds
                .map(|holds| format!("{} buyers hold", grouped(holds.into()))),
        };
        let plan = self.range.plan(crowd);
        let samples = replication::race(&[&plan], &self.seeds.search, self.bench, &state)?.concat();
        let holds = samples.iter().all(Sample::holds);
        self.played.insert(crowd, samples);
        Ok(holds)
    }

    /// Steps of the search that are left at most, as far as the bracket tells.
    fn steps_left(&self, bracket: Bracket) -> usize {
        let low = f64::from(bracket.holds.unwrap_or(self.range.from));
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

    /// Puts the crowd to the test, and if it fails smaller ones, each farther down.
    fn confirm(
        &self,
        holds: u32,
        confirmations: &mut Vec<Confirmation>,
    ) -> Result<Option<Confirmed>, Stopped> {
        let mut crowd = holds;
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
            if crowd == self.range.from {
                break;
            }
            crowd = self.smaller(crowd, number);
        }
        Ok(None)
    }

    /// The crowd to test after one that was not confirmed: below it by twice the precision, then by four times.
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

    /// Plays the crowd that the scenario asks for, for its buffers; one beyond the range may take too long.
    fn play_asked(&mut self) -> Result<(), Stopped> {
        let asked = self.range.asked;
        let is_in_range = (self.range.from..=self.range.to).contains(&asked);
        if is_in_range && !self.played.contains_key(&asked) {
            let all = Bracket {
                holds: None,
                fails: None,
            };
            self.holds(asked, all)?;
        }
        Ok(())
    }

    fn result(
        self,
        confirmed: Option<&Confirmed>,
        confirmations: Vec<Confirmation>,
    ) -> LargestCrowd {
        let crowd = confirmed.map(|confirmed| confirmed.crowd);
        let held_in_search = |crowd: &u32| self.played[crowd].iter().all(Sample::holds);
        let largest_held = self.played.keys().copied().filter(held_in_search).max();
        let breaks = self.first_break(crowd.or(largest_held));
        let searched = crowd.and_then(|crowd| self.played.get(&crowd));
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
            currency,
        }
    }

    fn first_break(&self, above: Option<u32>) -> Option<Break> {
        let mut larger = self.played.range(above.map_or(0, |above| above + 1)..);
        let fails = |(_, samples): &(&u32, &Vec<Sample>)| !samples.iter().all(Sample::holds);
        let (crowd, samples) = larger.find(fails)?;
        let place = samples.iter().position(|sample| !sample.holds())?;
        Some(Break {
            crowd: *crowd,
            replication: u32::try_from(place + 1).unwrap_or(u32::MAX),
            seed: samples[place].seed,
            misses: samples[place].misses.clone(),
            counts: counts(samples),
            runs: runs(samples),
            tiers: highest(samples),
        })
    }

    /// Of the smallest crowd that did not hold.
    fn closest(&self) -> Option<Closest> {
        let mut misses = self.played.iter().filter_map(|(crowd, samples)| {
            let miss = first_miss(samples)?;
            let what = format!("{} buyers", grouped((*crowd).into()));
            Some(Closest { what, miss })
        });
        misses.next()
    }

    /// Each crowd that did not hold, with the largest that did if that is larger.
    fn not_monotone(&self) -> Vec<(u32, u32)> {
        let held = |samples: &Vec<Sample>| samples.iter().all(Sample::holds);
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
        miss: first_miss(samples),
    }
}

/// The mean of every measure that a run has.
pub(super) fn means(samples: &[Sample]) -> Vec<Mean> {
    let means = Measure::all().into_iter().filter_map(|measure| {
        let mean = mean(samples, measure)?;
        Some(Mean { measure, mean })
    });
    means.collect()
}

/// The highest use of each tier over several runs.
pub(super) fn highest<'s>(samples: impl IntoIterator<Item = &'s Sample>) -> Vec<TierUse> {
    let tiers: Vec<_> = samples
        .into_iter()
        .map(|sample| sample.tiers.as_slice())
        .collect();
    tier_use::highest(&tiers)
}

/// How many runs missed each objective, the most frequent first.
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
