//! The part of `summary.json` that the table of claims needs.

use serde::Deserialize;

use tiketi_measure::Engine;
use tiketi_verdict::Trouble;
use tiketi_verdict::targets::Reached;
use tiketi_verdict::targets::architecture::Described;

/// The summary of a run.
#[derive(Clone, Debug, Deserialize)]
pub struct RunSummary {
    /// What was run.
    pub run: RunNamed,
    /// The exit code of the run.
    pub exit_code: u8,
    /// Its verdicts on the claims.
    pub targets: Vec<Judged>,
}

/// What was run.
#[derive(Clone, Debug, Deserialize)]
pub struct RunNamed {
    /// Name of the scenario.
    pub scenario: String,
    /// The engine that ran it.
    pub engine: Engine,
}

/// The verdict on one claim.
#[derive(Clone, Debug, Deserialize)]
pub struct Judged {
    /// Number of the claim.
    pub id: String,
    /// The verdict.
    pub verdict: Reached,
    /// What was measured, or why the run does not exercise the claim.
    pub measured: String,
}

/// Why a summary cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("not the summary of a run ({0})")]
pub struct SummaryError(#[from] serde_json::Error);

impl RunSummary {
    /// Reads a `summary.json`.
    ///
    /// # Errors
    ///
    /// If the text is not the summary of a run.
    pub fn read(text: &str) -> Result<Self, SummaryError> {
        Ok(serde_json::from_str(text)?)
    }

    /// Returns why the run shows nothing of any claim, as a sentence fragment; `None` if it may.
    pub(super) fn objection(&self, described: &Described) -> Option<String> {
        let unreliable = [Trouble::Interrupted, Trouble::Inconclusive];
        if unreliable
            .iter()
            .any(|one| one.exit_code() == self.exit_code)
        {
            return Some(format!(
                "its measurement is not valid (exit code {})",
                self.exit_code
            ));
        }
        described.reason()
    }
}
