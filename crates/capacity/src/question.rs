//! Resolved plan files. Every configuration in them is a [`Plan`], which is valid by construction.

use serde::{Deserialize, Serialize};

use super::change::Base;
use tiketi_core::names;
use tiketi_core::units::Share;
use tiketi_scenario::Plan;

/// One question about capacity.
#[derive(Clone, Debug)]
pub struct Question {
    /// Short kebab-case name; also the name of the report's folder.
    pub name: String,
    /// The question in words: the first comment of the plan file. Empty if there is none.
    pub asked: String,
    /// The scenario that is varied, as the plan file names it.
    pub scenario: String,
    /// The settings of the search.
    pub search: Search,
    /// What is searched for.
    pub kind: Kind,
}

/// The settings of a search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// Runs of each configuration in the search; all must pass.
    pub replications: u32,
    /// Runs with fresh seeds that confirm the answer.
    pub confirm: u32,
    /// Confidence of the answer and of every interval.
    pub confidence: Share,
    /// Share of all sales of this kind that must pass.
    pub holds_in: Share,
    /// Seed from which the seeds of all runs are drawn.
    pub seed: u64,
}

/// What is searched for.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The largest audience with which one configuration passes.
    LargestCrowd(CrowdRange),
    /// The cheapest configuration that passes with one audience.
    CheapestSetup(Grid),
    /// How several configurations differ with the same audience.
    Compare(Contest),
}

/// The kinds of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KindName {
    LargestCrowd,
    CheapestSetup,
    Compare,
}

names!(KindName {
    LargestCrowd = "largest-crowd",
    CheapestSetup = "cheapest-setup",
    Compare = "compare",
});

impl Kind {
    /// Returns the name in plan files.
    pub const fn name(&self) -> &'static str {
        let kind = match self {
            Self::LargestCrowd(_) => KindName::LargestCrowd,
            Self::CheapestSetup(_) => KindName::CheapestSetup,
            Self::Compare(_) => KindName::Compare,
        };
        kind.name()
    }
}

/// A range of audience sizes to search.
#[derive(Clone, Debug)]
pub struct CrowdRange {
    /// The configuration.
    pub(super) base: Base,
    /// Smallest audience, in buyers.
    pub from: u32,
    /// Largest audience, in buyers.
    pub to: u32,
    /// Precision: the gap between the answer and an audience that fails, as a share of the answer.
    pub within: Share,
    /// Number of buyers of the scenario as it is written.
    pub asked: u32,
}

impl CrowdRange {
    /// Returns the scenario with this many buyers, which must lie within the range.
    pub fn plan(&self, buyers: u32) -> Plan {
        self.base
            .with_buyers(buyers)
            .expect("both ends of the range were resolved, and this number lies between them")
    }
}

/// Configurations to search.
#[derive(Clone, Debug)]
pub struct Grid {
    /// What varies, in the order of the plan file.
    pub axes: Vec<Axis>,
    /// Every combination that is a valid scenario.
    pub setups: Vec<Setup>,
    /// Combinations that are not.
    pub left_out: Vec<LeftOut>,
    /// Which cost counts.
    pub minimize: Bill,
    /// How far to search.
    pub explore: Explore,
}

/// One key that varies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The key as scenarios spell it.
    pub key: String,
    /// Its values as written.
    pub values: Vec<String>,
    /// Whether the author declares that each value is at least as strong as those before it.
    pub is_ascending: bool,
}

/// One configuration.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The values or the name that distinguish it.
    pub name: String,
    /// Index of its value on each axis; empty outside grids.
    pub places: Vec<usize>,
    /// The plan; each run sets its own seed.
    pub plan: Plan,
}

/// A combination of values that is not a valid scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its values.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Which cost counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bill {
    /// A month: the smallest fleet throughout, and `cost.onsales_per_month` sales.
    Month,
    /// One sale.
    Run,
}

names!(Bill {
    Month = "month",
    Run = "run",
});

/// How far to search a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explore {
    /// Until none of those left can be cheaper.
    Cheapest,
    /// Every configuration that may pass, to find the whole frontier of cost and waiting time.
    Frontier,
}

names!(Explore {
    Cheapest = "cheapest",
    Frontier = "frontier",
});

/// Configurations to compare.
#[derive(Clone, Debug)]
pub struct Contest {
    /// The configurations in the order of the plan file. Unless one of them is the baseline, the unchanged scenario is, and
    /// comes first.
    pub setups: Vec<Setup>,
    /// Index of the baseline that the others are compared with.
    pub against: usize,
}
