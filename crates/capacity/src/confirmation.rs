//! Confirmation: re-tests the answer of a search with seeds that the search has not used.
//!
//! A search picks what looked best with its seeds, and part of looking best was luck: of many configurations near the limit,
//! some pass every run of the search by chance, and those are the ones that a search finds. Runs with fresh seeds are free
//! of this selection bias.
//!
//! Each fresh run passes or fails, so the number that pass is binomial, and the lower bound of Clopper and Pearson says which
//! share of all sales would pass, with the confidence that was asked for. The answer is confirmed if that bound reaches
//! `holds_in`.

use serde::Serialize;

use super::question::Search;
use super::replication::{self, held, runs};
use super::statistics::{confidence_each, share_at_least};
use super::{Evaluate, Sample, SearchState, Stopped};
use tiketi_scenario::Plan;

/// The result of one test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confirmation {
    /// What was tested.
    pub what: String,
    /// Runs that passed.
    pub held: u32,
    /// Runs.
    pub runs: u32,
    /// At least this share of all sales passes, with the confidence of this test.
    pub share_at_least: f64,
    /// Confidence of this test. It is higher than what was asked for, so that all tests of the search together have that.
    pub confidence: f64,
    /// Whether that share is as large as was asked for.
    pub confirmed: bool,
}

/// Tests `plan` with `seeds`. Also returns the runs.
pub(super) fn confirm(
    what: &str,
    plan: &Plan,
    seeds: &[u64],
    search: &Search,
    bench: &dyn Evaluate,
) -> Result<(Confirmation, Vec<Sample>), Stopped> {
    bench.handle_progress(&SearchState {
        runs_next: seeds.len(),
        runs_later: 0,
        best: Some(format!("{what}, not yet confirmed")),
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
