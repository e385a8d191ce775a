//! Cheapest configuration: finds the cheapest one of a grid that passes.
//!
//! Simulating every configuration with every seed would take too long. Three rules leave runs out without changing the
//! answer:
//!
//! - **Cost order.** A lower bound of a configuration's cost is known before it runs: its fixed costs and its smallest fleet.
//!   Configurations run in the order of this bound, and the search ends once the bound is no lower than the cost of the
//!   best one so far.
//! - **Dominance.** The author may declare keys to be ascending: a larger value never makes a configuration fail. If one
//!   fails, all that are weaker along those keys are skipped. The strongest ones therefore run first.
//! - **Early exit.** A configuration is dropped when one of its first runs fails (see `replication`).
//!
//! A configuration with something that has no price cannot be the cheapest: only a lower bound of its cost is known. It runs
//! like any other, and the report names it.
//!
//! The cheapest one is then re-tested with fresh seeds (see `confirmation`). If it fails the test, the search continues
//! with the next.

use serde::Serialize;

use super::confirmation::{self, Confirmation};
use super::crowd::{highest, means};
use super::figures::Measure;
use super::findings::{CheapestSetup, Closest, SetupResult};
use super::question::{Bill, Explore, Grid, Search, Setup};
use super::replication::{self, Seeds, first_miss, held, mean, mean_at_least, missing, runs};
use super::{Evaluate, Sample, SearchState, Stopped};
use tiketi_cost::{Amount, PriceBook, Sales, Statement, Usage};
use tiketi_scenario::{Plan, arrival_times};

/// Configurations that run as one batch.
///
/// Enough to keep several threads busy, and few enough not to waste many runs on configurations that the first of the
/// batch rules out. It is a constant because a number that depended on the machine would make the report depend on it.
const WAVE: usize = 4;

/// Size of a group along ascending keys from which its strongest configuration runs first. In a smaller group that run is
/// likely to cost more than it saves.
const GROUP_MIN: usize = 3;

/// The state of a configuration after the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum SetupState {
    /// Every run of the search passed.
    Held,
    /// Not every run passed.
    Failed,
    /// It passed every run of the search, but not enough runs with fresh seeds.
    Unconfirmed,
    /// Skipped: a configuration that is declared to be stronger failed.
    Doomed {
        /// Index of that configuration.
        by: usize,
    },
    /// Skipped: it costs at least as much as the answer.
    TooDear,
    /// Skipped: the search ended before.
    NotPlayed,
}

/// Searches the grid for the cheapest configuration that passes.
pub(super) fn search(
    grid: &Grid,
    search: &Search,
    bench: &dyn Evaluate,
) -> Result<CheapestSetup, Stopped> {
    let mut progress = GridSearch::new(grid, search, bench);
    // If the strongest of a group fails, the whole group is done after one configuration.
    let strongest = progress.strongest();
    for wave in strongest.chunks(WAVE) {
        progress.play(wave)?;
    }
    let mut confirmations = Vec::new();
    let mut answer = None;
    for seeds in &progress.seeds.fresh.clone() {
        // Rejecting the best makes configurations worth running that were too expensive before.
        progress.explore()?;
        let Some(best) = progress.best() else { break };
        let setup = &grid.setups[best];
        let (confirmation, samples) =
            confirmation::confirm(&setup.name, &setup.plan, seeds, search, bench)?;
        let is_confirmed = confirmation.confirmed;
        confirmations.push(confirmation);
        if is_confirmed {
            answer = Some((best, samples));
            break;
        }
        progress.candidates[best].is_refuted = true;
    }
    Ok(progress.result(answer.as_ref(), confirmations))
}

/// One configuration during the search.
struct Candidate {
    /// Lower bound of its cost.
    at_least: f64,
    /// Its runs; empty until it has run.
    samples: Vec<Sample>,
    /// Index of a stronger configuration that failed.
    doomed_by: Option<usize>,
    /// Whether it failed the test with fresh seeds.
    is_refuted: bool,
}

/// The search in progress.
struct GridSearch<'a> {
    grid: &'a Grid,
    search: &'a Search,
    seeds: Seeds,
    bench: &'a dyn Evaluate,
    candidates: Vec<Candidate>,
    /// Indices of the configurations, those with the lowest cost bound first.
    order: Vec<usize>,
}

impl<'a> GridSearch<'a> {
    fn new(grid: &'a Grid, search: &'a Search, bench: &'a dyn Evaluate) -> Self {
        let candidates = grid.setups.iter().map(|setup| Candidate {
            at_least: cost_at_least(&setup.plan, grid.minimize),
            samples: Vec::new(),
            doomed_by: None,
            is_refuted: false,
        });
        let candidates: Vec<_> = candidates.collect();
        let mut order: Vec<_> = (0..candidates.len()).collect();
        order.sort_by(|a, b| candidates[*a].at_least.total_cmp(&candidates[*b].at_least));
        Self {
            grid,
            search,
            seeds: Seeds::new(search),
            bench,
            candidates,
            order,
        }
    }

    /// Returns the configurations that none is stronger than, of groups that are large enough.
    fn strongest(&self) -> Vec<usize> {
        let stronger = |one: usize, than: usize| self.is_stronger(one, than);
        let all = 0..self.candidates.len();
        let tops = all
            .clone()
            .filter(|top| !all.clone().any(|other| stronger(other, *top)));
        let below = |top: usize| all.clone().filter(|other| stronger(top, *other)).count();
        tops.filter(|top| below(*top) + 1 >= GROUP_MIN).collect()
    }

    /// Returns whether one configuration dominates another: its value is at least as large along every ascending key, and the
    /// same along all other keys.
    fn is_stronger(&self, one: usize, than: usize) -> bool {
        let places = |index: usize| &self.grid.setups[index].places;
        let mut axes = self.grid.axes.iter().zip(places(one)).zip(places(than));
        one != than
            && axes.all(|((axis, one), than)| match axis.is_ascending {
                true => one >= than,
                false => one == than,
            })
    }

    /// Runs configurations until none of those left can be the answer.
    fn explore(&mut self) -> Result<(), Stopped> {
        loop {
            let wave: Vec<_> = self.open().into_iter().take(WAVE).collect();
            if wave.is_empty() {
                return Ok(());
            }
            self.play(&wave)?;
        }
    }

    /// Returns the configurations that still have to run, those with the lowest cost bound first.
    fn open(&self) -> Vec<usize> {
        // A configuration whose lower bound is no lower than the cost of the best cannot be cheaper.
        let cost_max = match self.grid.explore {
            Explore::Cheapest => self.best().map(|best| self.cost(best)),
            Explore::Frontier => None,
        };
        let is_open = |index: &usize| {
            let candidate = &self.candidates[*index];
            candidate.samples.is_empty()
                && candidate.doomed_by.is_none()
                && cost_max.is_none_or(|cost_max| candidate.at_least < cost_max)
        };
        self.order.iter().copied().filter(is_open).collect()
    }

    fn play(&mut self, wave: &[usize]) -> Result<(), Stopped> {
        // An upper bound for the progress display: most of the open configurations will never run.
        let later = self.open().len().saturating_sub(wave.len()) * self.seeds.search.len();
        let state = SearchState {
            runs_next: 0,
            runs_later: later + self.search.confirm as usize,
            best: self.best().map(|best| self.grid.setups[best].name.clone()),
        };
        let plans: Vec<_> = wave
            .iter()
            .map(|index| &self.grid.setups[*index].plan)
            .collect();
        let played = replication::race(&plans, &self.seeds.search, self.bench, &state)?;
        for (index, samples) in wave.iter().zip(played) {
            let fails = !samples.iter().all(Sample::passes);
            self.candidates[*index].samples = samples;
            if fails {
                self.doom_weaker_than(*index);
            }
        }
        Ok(())
    }

    fn doom_weaker_than(&mut self, failed: usize) {
        for index in 0..self.candidates.len() {
            let is_open = self.candidates[index].samples.is_empty();
            if is_open
                && self.candidates[index].doomed_by.is_none()
                && self.is_stronger(failed, index)
            {
                self.candidates[index].doomed_by = Some(failed);
            }
        }
    }

    /// Returns the cheapest configuration of which every run passed and whose cost is known, the first of the grid among
    /// equals.
    fn best(&self) -> Option<usize> {
        let held = (0..self.candidates.len()).filter(|index| self.passes(*index));
        let known = held.filter(|index| self.has_known_cost(*index));
        known.min_by(|a, b| self.cost(*a).total_cmp(&self.cost(*b)))
    }

    fn passes(&self, index: usize) -> bool {
        let candidate = &self.candidates[index];
        !candidate.is_refuted
            && !candidate.samples.is_empty()
            && candidate.samples.iter().all(Sample::passes)
    }

    fn has_known_cost(&self, index: usize) -> bool {
        mean(&self.candidates[index].samples, measure(self.grid.minimize)).is_some()
    }

    /// Returns the mean cost of a configuration that has run, or the lower bound from before its runs if it is unknown.
    fn cost(&self, index: usize) -> f64 {
        let candidate = &self.candidates[index];
        mean(&candidate.samples, measure(self.grid.minimize)).unwrap_or(candidate.at_least)
    }

    /// Returns the mean cost of a configuration, or what is known of it; `None` if it has not run.
    fn amount(&self, index: usize) -> Option<Amount> {
        let samples = &self.candidates[index].samples;
        let measure = measure(self.grid.minimize);
        let exact = mean(samples, measure).map(Amount::Exact);
        let bound = || {
            Some(Amount::new(
                mean_at_least(samples, measure)?,
                missing(samples),
            ))
        };
        exact.or_else(bound)
    }

    fn result(
        self,
        answer: Option<&(usize, Vec<Sample>)>,
        confirmations: Vec<Confirmation>,
    ) -> CheapestSetup {
        let cheapest = answer.map(|(best, _)| *best);
        let runs_of_answer = answer.into_iter().flat_map(|(best, fresh)| {
            let searched = self.candidates[*best].samples.iter();
            searched.chain(fresh)
        });
        let tiers = highest(runs_of_answer);
        let setups = self.grid.setups.iter().enumerate();
        let results = setups.map(|(index, setup)| self.result_of(index, setup, cheapest));
        let mut all = self
            .candidates
            .iter()
            .flat_map(|candidate| &candidate.samples);
        let ascending = self.grid.axes.iter().filter(|axis| axis.is_ascending);
        let passing = (0..self.candidates.len()).filter(|index| self.passes(*index));
        CheapestSetup {
            cheapest,
            cost_unknown: passing
                .filter(|index| !self.has_known_cost(*index))
                .collect(),
            minimize: self.grid.minimize,
            explore: self.grid.explore,
            crowd: self
                .grid
                .setups
                .first()
                .map_or(0, |setup| crowd(&setup.plan)),
            confirmations,
            setups: results.collect(),
            frontier: self.frontier(),
            left_out: self.grid.left_out.clone(),
            ascending: ascending.map(|axis| axis.key.clone()).collect(),
            closest: cheapest.is_none().then(|| self.closest()).flatten(),
            tiers,
            currency: all.find_map(|sample| sample.currency),
        }
    }

    fn result_of(&self, index: usize, setup: &Setup, cheapest: Option<usize>) -> SetupResult {
        let candidate = &self.candidates[index];
        SetupResult {
            name: setup.name.clone(),
            state: self.state(index, cheapest),
            held: held(&candidate.samples),
            runs: runs(&candidate.samples),
            cost_at_least: candidate.at_least,
            cost: self.amount(index),
            means: means(&candidate.samples),
            miss: first_miss(&candidate.samples),
        }
    }

    fn state(&self, index: usize, cheapest: Option<usize>) -> SetupState {
        let candidate = &self.candidates[index];
        if let Some(by) = candidate.doomed_by {
            return SetupState::Doomed { by };
        }
        match (candidate.samples.is_empty(), self.passes(index), cheapest) {
            (true, _, Some(best)) if candidate.at_least >= self.cost(best) => SetupState::TooDear,
            (true, _, _) => SetupState::NotPlayed,
            (false, true, _) => SetupState::Held,
            (false, false, _) if candidate.is_refuted => SetupState::Unconfirmed,
            (false, false, _) => SetupState::Failed,
        }
    }

    /// Returns the Pareto frontier, by cost: the configurations that pass, have a known cost, and that none beats in both cost
    /// and waiting time.
    fn frontier(&self) -> Vec<usize> {
        // Without a single waiting buyer there is no percentile, and the wait is as short as it can be.
        let waiting = |index: usize| {
            mean(&self.candidates[index].samples, Measure::WaitingP95).unwrap_or(0.0)
        };
        let mut holding: Vec<_> = (0..self.candidates.len())
            .filter(|one| self.passes(*one) && self.has_known_cost(*one))
            .collect();
        holding.sort_by(|a, b| {
            let by_cost = self.cost(*a).total_cmp(&self.cost(*b));
            by_cost.then(waiting(*a).total_cmp(&waiting(*b)))
        });
        // By ascending cost, a configuration is on the frontier exactly if buyers wait less than with every cheaper one.
        let mut quickest = f64::INFINITY;
        holding.retain(|index| {
            let is_quicker = waiting(*index) < quickest;
            quickest = quickest.min(waiting(*index));
            is_quicker
        });
        holding
    }

    fn closest(&self) -> Option<Closest> {
        let misses = self.candidates.iter().zip(&self.grid.setups);
        let misses = misses.filter_map(|(candidate, setup)| {
            let miss = first_miss(&candidate.samples)?;
            let what = setup.name.clone();
            Some(Closest { what, miss })
        });
        misses.min_by(|a, b| a.miss.compare(&b.miss))
    }
}

const fn measure(bill: Bill) -> Measure {
    match bill {
        Bill::Month => Measure::CostMonth,
        Bill::Run => Measure::CostRun,
    }
}

/// Returns a lower bound of a configuration's cost: what it costs if nobody comes and no instance runs longer than it has
/// to.
fn cost_at_least(plan: &Plan, bill: Bill) -> f64 {
    let usage = Usage {
        hours: plan.clock.duration.as_secs_f64() / 3_600.0,
        ..Usage::default()
    };
    let sales = Sales {
        buyers: 0,
        tickets: 0,
    };
    let book = PriceBook::built_in(&plan.cost.prices).expect("a plan names a built-in price book");
    let statement = Statement::new(plan, usage, sales, &book);
    match bill {
        Bill::Month => statement.month.total.at_least(),
        Bill::Run => statement.run.total.at_least(),
    }
}

fn crowd(plan: &Plan) -> u32 {
    u32::try_from(arrival_times(plan).len()).unwrap_or(u32::MAX)
}
