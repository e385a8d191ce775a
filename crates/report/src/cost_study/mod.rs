//! The study of cost as a document: the answer, the findings, the tables; and how it is rendered.
//!
//! Every sentence is made of the study's figures: other prices make other sentences.

mod findings;
mod html;
mod markdown;

use serde::Serialize;

use tiketi_cost::Study;

pub use html::render as html;
pub use markdown::render as markdown;

/// Version of the JSON document; a change that breaks readers raises it.
const VERSION: u32 = 1;

/// The study of cost, ready to be shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostStudy {
    /// Version of this document.
    pub version: u32,
    /// The question.
    pub question: String,
    /// The answer in a sentence.
    pub answer: String,
    /// Whether the documented figures hold: every sum, and every line at every book.
    pub ok: bool,
    /// What was found, a sentence or two each, the weightiest first.
    pub findings: Vec<String>,
    /// The figures.
    pub study: Study,
    /// The command that makes the study again.
    pub run_again: String,
}

/// Makes the document of a study.
pub fn document(study: Study, run_again: &str) -> CostStudy {
    let (ok, answer) = findings::answer(&study);
    CostStudy {
        version: VERSION,
        question: format!(
            "What does a month of `{}` cost, and does the documented month (A24) add up?",
            study.scenario
        ),
        answer,
        ok,
        findings: findings::findings(&study),
        study,
        run_again: run_again.to_owned(),
    }
}

/// Renders the document for machines.
pub fn json(document: &CostStudy) -> String {
    let mut text =
        serde_json::to_string_pretty(document).expect("a document holds no maps with odd keys");
    text.push('\n');
    text
}
