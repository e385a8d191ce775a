//! What to build: searches with the model for the largest crowd, the cheapest set-up, or the better of several.
//!
//! ```text
//! plan.toml ─▶ file ──Question──▶ crowd │ cheapest │ contest ──Findings──▶ report
//!                                    └─ Evaluate: plays one plan with one seed ─▶ Sample
//! ```
//!
//! A set-up *holds* in a run when all gates passed, no audit was violated, and the measurement is valid. Searches play
//! each set-up with the same seeds (common random numbers), so that differences are due to the set-up; answers are
//! confirmed with seeds that the search has not seen. Results do not depend on the number of threads or on the order
//! in which runs finish.

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
pub mod sample;
pub mod statistics;
pub mod tier_use;

pub use file::{ScenarioFile, is_question, load};
pub use findings::Findings;
pub use question::Question;
pub use sample::Sample;

use findings::Answer;
use question::Kind;
use tiketi_scenario::Plan;

/// Whoever plays runs for a search.
pub trait Evaluate: Sync {
    /// Plays `plan` with its seed and returns what counts of the run; `None` if the search shall end now.
    fn evaluate(&self, plan: &Plan) -> Option<Sample>;

    /// Hears how the search goes, between batches of runs.
    fn hear(&self, state: &State);
}

/// How a search goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Runs of the batch that comes next.
    pub runs_next: usize,
    /// Runs after it that the search expects to make at most, as far as it can tell.
    pub runs_later: usize,
    /// The best so far, in a few words; `None` before anything held.
    pub best: Option<String>,
}

/// The search was ended before it had an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the search was stopped before it had an answer")]
pub struct Stopped;

/// Answers the question with runs of `bench`.
pub fn answer(question: &Question, bench: &dyn Evaluate) -> Result<Findings, Stopped> {
    let search = &question.search;
    let answer = match &question.kind {
        Kind::LargestCrowd(range) => Answer::LargestCrowd(crowd::search(range, search, bench)?),
        Kind::CheapestSetup(grid) => Answer::CheapestSetup(cheapest::search(grid, search, bench)?),
        Kind::Compare(contest) => Answer::Compare(contest::hold(contest, search, bench)?),
    };
    Ok(Findings::new(question, answer))
}

#[cfg(test)]
mod tests;
