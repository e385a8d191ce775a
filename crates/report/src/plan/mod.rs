//! The report of a search for capacity: [`PlanDocument`] for programs, [`page`] for people, [`csv`] for spreadsheets.

mod answer;
mod charts;
mod csv;
mod facts;
mod page;
mod tables;
#[cfg(test)]
mod tests;
mod wording;

use serde::Serialize;
use tiketi_capacity::Findings;

pub use csv::csv;
pub use page::page;

/// Exit code of a search that found nothing: no configuration passes.
const NOTHING_PASSES: u8 = 99;

/// The report of a search.
#[derive(Clone, Debug, Serialize)]
pub struct PlanDocument {
    /// The answer in a few sentences, with its confidence.
    pub answer: String,
    /// Whether there is an answer.
    pub found: bool,
    /// The exit code of the search.
    pub exit_code: u8,
    /// What else a reader needs to know, one item per fact.
    pub facts: Vec<String>,
    /// What is assumed and not measured, one item per assumption.
    pub assumptions: Vec<String>,
    /// The command that reproduces the search.
    pub run_again: String,
    /// What was found.
    #[serde(flatten)]
    pub findings: Findings,
}

/// Makes the report of a search; `run_again` is the command that reproduces it.
pub fn document(findings: Findings, run_again: &str) -> PlanDocument {
    let found = findings.is_found();
    PlanDocument {
        answer: answer::headline(&findings).sentences(),
        found,
        exit_code: if found { 0 } else { NOTHING_PASSES },
        facts: facts::facts(&findings),
        assumptions: facts::assumptions(&findings),
        run_again: run_again.to_owned(),
        findings,
    }
}
