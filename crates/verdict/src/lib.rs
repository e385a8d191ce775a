//! What it means: the judge holds [`Measurements`] against gates, promises, documented targets, and its own validity.
//!
//! One entry: [`judge`]. Nothing here reads anything but the measurements.

pub mod agreement;
pub mod audit;
pub mod figure;
pub mod recovery;
pub mod scale;
pub mod slo;
pub mod targets;
pub mod validity;

use serde::Serialize;

use audit::{AuditVerdict, Finding};
use recovery::Recovery;
use scale::ScaleAction;
use slo::GateVerdict;
use targets::TargetVerdict;
use tiketi_measure::Measurements;
use validity::ValidityCheck;

/// Everything that was decided about one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdicts {
    /// Objectives of the scenario.
    pub gates: Vec<GateVerdict>,
    /// Promises of the system under test.
    pub audits: Vec<AuditVerdict>,
    /// Whether the numbers mean anything.
    pub validity: Vec<ValidityCheck>,
    /// Claims of the documents.
    pub targets: Vec<TargetVerdict>,
    /// The way back from each fault.
    pub recoveries: Vec<Recovery>,
    /// Each change of the fleet's desired size.
    pub scaling: Vec<ScaleAction>,
    /// Whether the run was interrupted.
    pub interrupted: bool,
}

/// Decides about one run.
pub fn judge(run: &Measurements) -> Verdicts {
    let recoveries = recovery::judge(run);
    let scaling = scale::judge(run);
    let audits = audit::judge(run);
    Verdicts {
        gates: slo::judge(run, &recoveries),
        validity: validity::judge(run),
        targets: targets::judge(run, &recoveries, &scaling, &audits),
        audits,
        recoveries,
        scaling,
        interrupted: run.ending.interrupted,
    }
}

/// Why a run did not end well; the most serious first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Somebody stopped it.
    Interrupted,
    /// The generator, not the system, may have set the pace.
    Inconclusive,
    /// The system broke a promise.
    AuditViolated,
    /// An objective was missed.
    GateFailed,
}

impl Trouble {
    /// The exit code that stands for it.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Interrupted => 105,
            Self::Inconclusive => 91,
            Self::AuditViolated => 90,
            Self::GateFailed => 99,
        }
    }

    /// What it is, in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Inconclusive => "inconclusive",
            Self::AuditViolated => "an audit was violated",
            Self::GateFailed => "a gate failed",
        }
    }
}

impl Verdicts {
    /// Everything that went wrong, the most serious first.
    pub fn troubles(&self) -> Vec<Trouble> {
        let violated = |audit: &AuditVerdict| matches!(audit.finding, Finding::Violated { .. });
        let found = [
            (Trouble::Interrupted, self.interrupted),
            (
                Trouble::Inconclusive,
                self.validity.iter().any(|check| !check.ok),
            ),
            (Trouble::AuditViolated, self.audits.iter().any(violated)),
            (
                Trouble::GateFailed,
                self.gates.iter().any(|gate| !gate.passed),
            ),
        ];
        let present = found.into_iter().filter(|(_, present)| *present);
        present.map(|(trouble, _)| trouble).collect()
    }

    /// The exit code of the most serious trouble; 0 without any.
    pub fn exit_code(&self) -> u8 {
        self.troubles()
            .first()
            .map_or(0, |trouble| trouble.exit_code())
    }
}

#[cfg(test)]
mod data_tier_tests;
#[cfg(test)]
mod tests;
