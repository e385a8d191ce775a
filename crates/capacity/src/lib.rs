//! Capacity searches: how many buyers a configuration can serve, which configuration is the cheapest that can serve them,
//! and how several configurations differ.
//!
//! ```text
//! plan.toml ─▶ file ──Question──▶ crowd │ cheapest │ contest ──Findings──▶ report
//!                                    └─ Evaluate: one plan, one seed ─▶ Sample
//! ```
//!
//! A run *passes* when all gates pass, no audit fails, the measurement is valid and complete, and somebody bought a ticket. A
//! configuration passes a search when all of its runs do. All configurations run with the same seeds (common random numbers), so
//! that differences are due to the configuration, and answers are confirmed with seeds that the search has not used. Results
//! depend neither on the number of threads nor on the order in which runs finish.

mod change;
mod cheapest;
mod confirmation;
mod contest;
mod crowd;
#[cfg(any(test, feature = "example"))]
pub mod example;
pub mod figures;
mod file;
pub mod findings;
mod grid;
pub mod miss;
pub mod question;
mod replication;
mod sample;
pub mod statistics;

pub use file::{ScenarioFile, ScenarioFileError, is_question, load};
pub use findings::Findings;
pub use question::Question;
pub use sample::Sample;

use findings::Answer;
use question::Kind;
use tiketi_scenario::Plan;

/// Executes the runs of a search.
pub trait Evaluate: Sync {
    /// Runs `plan` with its seed, and returns what the search needs of the run; `None` stops the search.
    fn evaluate(&self, plan: &Plan) -> Option<Sample>;

    /// Receives the progress of the search before each batch of runs.
    fn handle_progress(&self, state: &SearchState);
}

/// The progress of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchState {
    /// Runs in the next batch.
    pub runs_next: usize,
    /// Runs after that, at most, as far as the search can tell.
    pub runs_later: usize,
    /// The best so far, in a few words; `None` before anything has passed.
    pub best: Option<String>,
}

/// The search was stopped before it had an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the search was stopped before it had an answer")]
pub struct Stopped;

/// Answers the question with runs that `bench` executes.
pub fn answer(question: &Question, bench: &dyn Evaluate) -> Result<Findings, Stopped> {
    let search = &question.search;
    let answer = match &question.kind {
        Kind::LargestCrowd(range) => Answer::LargestCrowd(crowd::search(range, search, bench)?),
        Kind::CheapestSetup(grid) => Answer::CheapestSetup(cheapest::search(grid, search, bench)?),
        Kind::Compare(contest) => Answer::Compare(contest::compare(contest, search, bench)?),
    };
    Ok(Findings::new(question, answer))
}

#[cfg(test)]
mod tests;
