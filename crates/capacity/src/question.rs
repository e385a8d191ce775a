//! What a plan file asks, resolved: every set-up is a [`Plan`] that is valid by construction.

use serde::{Deserialize, Serialize};

use super::change::Base;
use tiketi_core::units::Share;
use tiketi_scenario::Plan;

/// One question about capacity.
#[derive(Clone, Debug)]
pub struct Question {
    /// Short kebab-case name; also names the report's folder.
    pub name: String,
    /// The question in words: the first comment of the plan file. Empty if there is none.
    pub asked: String,
    /// The scenario that is varied, as the plan file names it.
    pub scenario: String,
    /// How sure the answer must be.
    pub search: Search,
    /// What is looked for.
    pub kind: Kind,
}

/// How sure the answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// Runs of each set-up while searching; all must hold.
    pub replications: u32,
    /// Runs with fresh seeds that confirm the answer.
    pub confirm: u32,
    /// Confidence of the answer and of every interval.
    pub confidence: Share,
    /// Part of all on-sales of this kind that must hold.
    pub holds_in: Share,
    /// Seed from which the seeds of all runs are drawn.
    pub seed: u64,
}

/// What is looked for.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The largest crowd that one set-up holds.
    LargestCrowd(CrowdRange),
    /// The cheapest set-up that holds one crowd.
    CheapestSetup(Grid),
    /// How several set-ups differ under the same crowd.
    Compare(Contest),
}

impl Kind {
    /// The word in plan files.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::LargestCrowd(_) => "largest-crowd",
            Self::CheapestSetup(_) => "cheapest-setup",
            Self::Compare(_) => "compare",
        }
    }
}

/// Crowds to search.
#[derive(Clone, Debug)]
pub struct CrowdRange {
    /// The set-up.
    pub(super) base: Base,
    /// Smallest crowd, in buyers.
    pub from: u32,
    /// Largest crowd, in buyers.
    pub to: u32,
    /// How near the answer must be to the crowd that breaks it, a part of the answer.
    pub within: Share,
    /// The crowd of the scenario as it is written.
    pub asked: u32,
}

impl CrowdRange {
    /// The scenario with this many buyers.
    pub fn plan(&self, buyers: u32) -> Plan {
        self.base
            .with_buyers(buyers)
            .expect("both ends of the range were resolved, and the total lies between theirs")
    }
}

/// Set-ups to search.
#[derive(Clone, Debug)]
pub struct Grid {
    /// What varies, in the order of the plan file.
    pub axes: Vec<Axis>,
    /// Every combination that is a legal scenario.
    pub setups: Vec<Setup>,
    /// Combinations that are none.
    pub left_out: Vec<LeftOut>,
    /// Which cost counts.
    pub minimize: Bill,
    /// How far to look.
    pub explore: Explore,
}

/// One key that varies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The key as scenarios spell it.
    pub key: String,
    /// Its values as written.
    pub values: Vec<String>,
    /// Whether each value is at least as strong as the ones before it; the author says so.
    pub is_ascending: bool,
}

/// One set-up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What tells it from the others.
    pub name: String,
    /// The value of each axis by its place; empty outside grids.
    pub places: Vec<usize>,
    /// The scenario as it is run; the seed is set run by run.
    pub plan: Plan,
}

/// A combination of values that is no legal scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its values.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Which cost counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bill {
    /// A month: the smallest fleet throughout, and `cost.onsales_per_month` on-sales.
    Month,
    /// One on-sale.
    Run,
}

/// How far to look in a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Explore {
    /// Until nothing cheaper can be left.
    Cheapest,
    /// Every set-up that can hold, for the whole frontier of cost against waiting time.
    Frontier,
}

/// Set-ups to compare.
#[derive(Clone, Debug)]
pub struct Contest {
    /// The set-ups in the order of the plan file; the scenario as written comes first if nothing else is `against`.
    pub setups: Vec<Setup>,
    /// The set-up that the others are compared with.
    pub against: usize,
}
