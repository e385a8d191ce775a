//! Confirmation: the answer of a search is put to the test with seeds that the search has not seen.
//!
//! Whoever searches picks what looked best, and what looked best was lucky too. Fresh seeds know nothing of that.

use serde::Serialize;

use super::question::Search;
use super::replication::{self, held, runs};
use super::statistics::{confidence_each, share_at_least};
use super::{Evaluate, Sample, State, Stopped};
use tiketi_scenario::Plan;

/// What came of one test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confirmation {
    /// What was tested.
    pub what: String,
    /// Runs that held.
    pub held: u32,
    /// Runs.
    pub runs: u32,
    /// With the test's confidence at least this part of all on-sales hold.
    pub share_at_least: f64,
    /// Confidence of this test; all tests of the search together have the confidence that was asked for.
    pub confidence: f64,
    /// Whether as many on-sales hold as was asked for.
    pub confirmed: bool,
}

/// Tests `plan` with `seeds`; also returns the runs.
pub(super) fn confirm(
    what: &str,
    plan: &Plan,
    seeds: &[u64],
    search: &Search,
    bench: &dyn Evaluate,
) -> Result<(Confirmation, Vec<Sample>), Stopped> {
    bench.hear(&State {
        runs_next: seeds.len(),
        runs_later: 0,
        best: Some(format!("{what}, to be confirmed")),
    });
    let samples = replication::play(&[plan], seeds, bench)?.concat();
    let (held, runs) = (held(&samples), runs(&samples));
    let confidence = confidence_each(search);
    let share_at_least = share_at_least(held, runs, confidence);
    let confirmation = Confirmation {
        what: what.to_owned(),
        held,
        runs,
        share_at_least,
        confidence,
        confirmed: share_at_least >= search.holds_in.get(),
    };
    Ok((confirmation, samples))
}
