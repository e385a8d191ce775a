//! The report of a cost study: [`CostStudy`] for programs, [`page`] for people.
//!
//! Every sentence is made from the study's numbers: other prices make other sentences.

mod findings;
mod page;

use serde::Serialize;
use tiketi_cost::Study;

use crate::page::Status;

pub use page::page;

/// Version of the layout; raised when readers of the previous one would misread it.
const VERSION: u32 = 1;

/// The report of a cost study.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostStudy {
    /// Version of this layout.
    pub version: u32,
    /// The question.
    pub question: String,
    /// The answer.
    pub answer: String,
    /// Whether the documented numbers are right: every sum, and every total at every price book.
    pub ok: bool,
    /// What was found, the most important first.
    pub findings: Vec<String>,
    /// The numbers.
    pub study: Study,
    /// The command that reproduces the study.
    pub run_again: String,
}

/// Makes the report of a study; `run_again` is the command that reproduces it.
pub fn document(study: Study, run_again: &str) -> CostStudy {
    let headline = findings::headline(&study);
    CostStudy {
        version: VERSION,
        question: format!(
            "What does `{}` cost per month, and is the reference bill (A24) right?",
            study.scenario
        ),
        answer: headline.sentences(),
        ok: headline.status == Status::Pass,
        findings: findings::findings(&study),
        study,
        run_again: run_again.to_owned(),
    }
}
