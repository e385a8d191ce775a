//! The report of a search for capacity: one [`PlanDocument`] is made of the findings, and rendered in several ways.

mod answer;
mod charts;
pub mod csv;
pub mod html;
pub mod json;
pub mod markdown;
mod tables;
#[cfg(test)]
mod tests;
pub mod text;
mod words;

use serde::Serialize;

use tables::Table;
use tiketi_capacity::Findings;
use tiketi_capacity::findings::Answer;

/// The report of a search, for every renderer.
#[derive(Clone, Debug, Serialize)]
pub struct PlanDocument {
    /// The answer in one or two sentences, with its confidence.
    pub answer: String,
    /// Whether there is one.
    pub found: bool,
    /// The exit code of the search.
    pub exit_code: u8,
    /// What else a reader should know, a sentence each.
    pub facts: Vec<String>,
    /// What is assumed and not measured, a sentence each.
    pub assumptions: Vec<String>,
    /// The command that searches again.
    pub run_again: String,
    /// What was found.
    #[serde(flatten)]
    pub findings: Findings,
    #[serde(skip)]
    tables: Vec<Table>,
}

/// Makes the report of what was found; `run_again` is the command that searches again.
pub fn document(findings: Findings, run_again: &str) -> PlanDocument {
    let tables = match &findings.answer {
        Answer::LargestCrowd(found) => tables::of_crowds(found),
        Answer::CheapestSetup(found) => tables::of_setups(found),
        Answer::Compare(found) => tables::of_comparison(found),
    };
    let found = findings.is_found();
    PlanDocument {
        answer: answer::answer(&findings),
        found,
        exit_code: if found { 0 } else { NOTHING_HOLDS },
        facts: answer::facts(&findings),
        assumptions: answer::assumptions(&findings),
        run_again: run_again.to_owned(),
        tables,
        findings,
    }
}

/// Exit code of a search that found nothing: no set-up passes its gates.
const NOTHING_HOLDS: u8 = 99;
