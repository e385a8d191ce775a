//! The cheapest set-up that holds: from the cheapest up, leaving out what cannot be the answer.
//!
//! Two things save runs. What a set-up costs at least is known before it runs (its standing parts and its smallest
//! fleet), so that the search ends when nothing cheaper can be left. And along keys that the author declares to be
//! ascending, a set-up fails if a stronger one did; the strongest are therefore played first.

use serde::Serialize;

use super::confirmation::{self, Confirmation};
use super::crowd::{highest, means};
use super::figures::Measure;
use super::findings::{CheapestSetup, Closest, SetupResult};
use super::question::{Bill, Explore, Grid, Search, Setup};
use super::replication::{self, Seeds, first_miss, held, mean, runs};
use super::{Evaluate, Sample, State, Stopped};
use tiketi_cost::{PriceBook, Sales, Statement, Usage};
use tiketi_scenario::{Plan, arrival_times};

/// Set-ups that are played side by side.
///
/// Enough to keep several threads busy, few enough not to play many that the first of them rules out. A number that
/// hung on the machine would make the report hang on it.
const WAVE: usize = 4;

/// A group of set-ups along ascending keys is worth a look at its strongest from this size on.
const GROUP_MIN: usize = 3;

/// What became of a set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum SetupState {
    /// Every run with the seeds of the search held.
    Held,
    /// Not every run held.
    Failed,
    /// It held with the seeds of the search, but not often enough with fresh ones.
    Unconfirmed,
    /// Not played: a set-up that is stronger by the author's word failed.
    Doomed {
        /// Its place among the set-ups.
        by: usize,
    },
    /// Not played: it costs at least as much as the answer.
    TooDear,
    /// Not played: the search had ended before.
    NotPlayed,
}

/// Searches the grid.
pub(super) fn search(
    grid: &Grid,
    search: &Search,
    bench: &dyn Evaluate,
) -> Result<CheapestSetup, Stopped> {
    let mut hunt = Hunt::new(grid, search, bench);
    let strongest = hunt.strongest();
    for wave in strongest.chunks(WAVE) {
        hunt.play(wave)?;
    }
    let mut confirmations = Vec::new();
    let mut answer = None;
    for seeds in &hunt.seeds.fresh.clone() {
        hunt.explore()?;
        let Some(best) = hunt.best() else { break };
        let setup = &grid.setups[best];
        let (confirmation, samples) =
            confirmation::confirm(&setup.name, &setup.plan, seeds, search, bench)?;
        let is_confirmed = confirmation.confirmed;
        confirmations.push(confirmation);
        if is_confirmed {
            answer = Some((best, samples));
            break;
        }
        hunt.entries[best].is_refuted = true;
    }
    Ok(hunt.result(answer.as_ref(), confirmations))
}

/// One set-up while the search goes on.
struct Entry {
    at_least: f64,
    samples: Vec<Sample>,
    doomed_by: Option<usize>,
    /// Whether fresh seeds have not confirmed it.
    is_refuted: bool,
}

/// The search while it goes on.
struct Hunt<'a> {
    grid: &'a Grid,
    search: &'a Search,
    seeds: Seeds,
    bench: &'a dyn Evaluate,
    entries: Vec<Entry>,
    /// Places of the set-ups, what can be cheapest first.
    order: Vec<usize>,
}

impl<'a> Hunt<'a> {
    fn new(grid: &'a Grid, search: &'a Search, bench: &'a dyn Evaluate) -> Self {
        let entries = grid.setups.iter().map(|setup| Entry {
            at_least: cost_at_least(&setup.plan, grid.minimize),
            samples: Vec::new(),
            doomed_by: None,
            is_refuted: false,
        });
        let entries: Vec<_> = entries.collect();
        let mut order: Vec<_> = (0..entries.len()).collect();
        order.sort_by(|a, b| entries[*a].at_least.total_cmp(&entries[*b].at_least));
        Self {
            grid,
            search,
            seeds: Seeds::new(search),
            bench,
            entries,
            order,
        }
    }

    /// The set-ups to which none is stronger, of groups that are large enough.
    fn strongest(&self) -> Vec<usize> {
        let stronger = |one: usize, than: usize| self.is_stronger(one, than);
        let all = 0..self.entries.len();
        let tops = all
            .clone()
            .filter(|top| !all.clone().any(|other| stronger(other, *top)));
        let below = |top: usize| all.clone().filter(|other| stronger(top, *other)).count();
        tops.filter(|top| below(*top) + 1 >= GROUP_MIN).collect()
    }

    /// Whether one set-up has at least as much as another along every ascending key and is the same along all others.
    fn is_stronger(&self, one: usize, than: usize) -> bool {
        let places = |index: usize| &self.grid.setups[index].places;
        let mut axes = self.grid.axes.iter().zip(places(one)).zip(places(than));
        one != than
            && axes.all(|((axis, one), than)| match axis.is_ascending {
                true => one >= than,
                false => one == than,
            })
    }

    /// Plays set-ups until nothing that can be left would be the answer.
    fn explore(&mut self) -> Result<(), Stopped> {
        loop {
            let wave: Vec<_> = self.open().into_iter().take(WAVE).collect();
            if wave.is_empty() {
                return Ok(());
            }
            self.play(&wave)?;
        }
    }

    /// The set-ups that are worth playing, what can be cheapest first.
    fn open(&self) -> Vec<usize> {
        let dearest = match self.grid.explore {
            Explore::Cheapest => self.best().map(|best| self.cost(best)),
            Explore::Frontier => None,
        };
        let is_open = |index: &usize| {
            let entry = &self.entries[*index];
            entry.samples.is_empty()
                && entry.doomed_by.is_none()
                && dearest.is_none_or(|dearest| entry.at_least < dearest)
        };
        self.order.iter().copied().filter(is_open).collect()
    }

    fn play(&mut self, wave: &[usize]) -> Result<(), Stopped> {
        let later = self.open().len().saturating_sub(wave.len()) * self.seeds.search.len();
        let state = State {
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
            let fails = !samples.iter().all(Sample::holds);
            self.entries[*index].samples = samples;
            if fails {
                self.doom_weaker_than(*index);
            }
        }
        Ok(())
    }

    fn doom_weaker_than(&mut self, failed: usize) {
        for index in 0..self.entries.len() {
            let is_open = self.entries[index].samples.is_empty();
            if is_open && self.entries[index].doomed_by.is_none() && self.is_stronger(failed, index)
            {
                self.entries[index].doomed_by = Some(failed);
            }
        }
    }

    /// The cheapest set-up of which every run held; the first of the grid among equals.
    fn best(&self) -> Option<usize> {
        let held = (0..self.entries.len()).filter(|index| self.holds(*index));
        held.min_by(|a, b| self.cost(*a).total_cmp(&self.cost(*b)))
    }

    fn holds(&self, index: usize) -> bool {
        let entry = &self.entries[index];
        !entry.is_refuted && !entry.samples.is_empty() && entry.samples.iter().all(Sample::holds)
    }

    /// What a set-up that was played costs on average.
    fn cost(&self, index: usize) -> f64 {
        let entry = &self.entries[index];
        mean(&entry.samples, measure(self.grid.minimize)).unwrap_or(entry.at_least)
    }

    fn result(
        self,
        answer: Option<&(usize, Vec<Sample>)>,
        confirmations: Vec<Confirmation>,
    ) -> CheapestSetup {
        let cheapest = answer.map(|(best, _)| *best);
        let runs_of_answer = answer.into_iter().flat_map(|(best, fresh)| {
            let searched = self.entries[*best].samples.iter();
            searched.chain(fresh)
        });
        let tiers = highest(runs_of_answer);
        let setups = self.grid.setups.iter().enumerate();
        let results = setups.map(|(index, setup)| self.result_of(index, setup, cheapest));
        let mut all = self.entries.iter().flat_map(|entry| &entry.samples);
        let ascending = self.grid.axes.iter().filter(|axis| axis.is_ascending);
        CheapestSetup {
            cheapest,
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
        let entry = &self.entries[index];
        SetupResult {
            name: setup.name.clone(),
            state: self.state(index, cheapest),
            held: held(&entry.samples),
            runs: runs(&entry.samples),
            cost_at_least: entry.at_least,
            cost: mean(&entry.samples, measure(self.grid.minimize)),
            means: means(&entry.samples),
            miss: first_miss(&entry.samples),
        }
    }

    fn state(&self, index: usize, cheapest: Option<usize>) -> SetupState {
        let entry = &self.entries[index];
        if let Some(by) = entry.doomed_by {
            return SetupState::Doomed { by };
        }
        match (entry.samples.is_empty(), self.holds(index), cheapest) {
            (true, _, Some(best)) if entry.at_least >= self.cost(best) => SetupState::TooDear,
            (true, _, _) => SetupState::NotPlayed,
            (false, true, _) => SetupState::Held,
            (false, false, _) if entry.is_refuted => SetupState::Unconfirmed,
            (false, false, _) => SetupState::Failed,
        }
    }

    /// The set-ups that hold and to which none is both cheaper and quicker, by cost.
    fn frontier(&self) -> Vec<usize> {
        // Where nobody waits, nobody waits long.
        let waiting =
            |index: usize| mean(&self.entries[index].samples, Measure::WaitingP95).unwrap_or(0.0);
        let mut holding: Vec<_> = (0..self.entries.len())
            .filter(|one| self.holds(*one))
            .collect();
        holding.sort_by(|a, b| {
            let by_cost = self.cost(*a).total_cmp(&self.cost(*b));
            by_cost.then(waiting(*a).total_cmp(&waiting(*b)))
        });
        let mut quickest = f64::INFINITY;
        holding.retain(|index| {
            let is_quicker = waiting(*index) < quickest;
            quickest = quickest.min(waiting(*index));
            is_quicker
        });
        holding
    }

    fn closest(&self) -> Option<Closest> {
        let misses = self.entries.iter().zip(&self.grid.setups);
        let misses = misses.filter_map(|(entry, setup)| {
            let miss = first_miss(&entry.samples)?;
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

/// What a set-up costs even if nobody comes and no instance runs longer than it must.
fn cost_at_least(plan: &Plan, bill: Bill) -> f64 {
    let usage = Usage {
        hours: plan.clock.duration.as_secs_f64() / 3_600.0,
        ..Usage::default()
    };
    let sales = Sales {
        buyers: 0,
        tickets: 0,
    };
    let book =
        PriceBook::built_in(&plan.cost.prices).expect("a plan names a book that is built in");
    let statement = Statement::new(plan, usage, sales, &book);
    match bill {
        Bill::Month => statement.month.total,
        Bill::Run => statement.run.total,
    }
}

fn crowd(plan: &Plan) -> u32 {
    u32::try_from(arrival_times(plan).len()).unwrap_or(u32::MAX)
}
