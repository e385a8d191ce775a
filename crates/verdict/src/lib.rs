//! Judges a run: checks its [`Measurements`] against the gates of the scenario, the audits, the claims of the architecture
//! documents, and the validity of the measurement itself.
//!
//! The only entry point is [`judge`]; [`agreement`] compares two runs. Both are pure functions of the measurements.

pub mod agreement;
pub mod audit;
pub mod availability;
pub mod cause;
pub mod defect;
pub mod deployment;
mod drain;
pub mod figure;
pub mod gap;
pub mod recovery;
pub mod scale;
pub mod slo;
pub mod targets;
pub mod validity;

use serde::Serialize;

use audit::{AuditVerdict, Finding};
use availability::Availability;
use cause::Cause;
use defect::Defect;
use deployment::Deployment;
use gap::Gap;
use recovery::Recovery;
use scale::ScaleAction;
use slo::{GateResult, GateVerdict};
use targets::TargetVerdict;
use targets::architecture::Described;
use tiketi_measure::Measurements;
use validity::ValidityCheck;

/// All verdicts on one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdicts {
    /// Gates: objectives of the scenario.
    pub gates: Vec<GateVerdict>,
    /// Audits: data-integrity checks of the system under test.
    pub audits: Vec<AuditVerdict>,
    /// What could not be measured; a run with an entry here is inconclusive.
    pub gaps: Vec<Gap>,
    /// Whether the measurement can be trusted.
    pub validity: Vec<ValidityCheck>,
    /// The documented architecture that the run describes, or why it describes none. Claims are only judged for the architecture
    /// that they are about.
    #[serde(rename = "architecture")]
    pub described: Described,
    /// Architecture claims: what the documents say, compared with the run. None for a target outside the testbed.
    pub targets: Vec<TargetVerdict>,
    /// Recovery from each fault.
    pub recoveries: Vec<Recovery>,
    /// Each change of the fleet's desired size.
    pub scaling: Vec<ScaleAction>,
    /// Each instance refresh.
    pub deployments: Vec<Deployment>,
    /// Availability of the run, and of a year with its faults.
    pub availability: Availability,
    /// Findings on a target, the worst first; none on the testbed.
    #[serde(rename = "findings", skip_serializing_if = "Vec::is_empty")]
    pub defects: Vec<Defect>,
    /// Why the run failed; `None` if it did not fail, or if its measurement is not valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Whether the run was interrupted.
    pub interrupted: bool,
}

/// Judges one run.
pub fn judge(run: &Measurements) -> Verdicts {
    // Recoveries come first: gates on `recovery_time` and many claims are computed from them.
    let recoveries = recovery::judge(run);
    let scaling = scale::judge(run);
    let deployments = deployment::judge(run, &recoveries);
    let availability = availability::judge(run, &recoveries);
    let audits = audit::judge(run);
    let gates = slo::judge(run, &recoveries);
    let described = targets::architecture::of(run);
    let mut verdicts = Verdicts {
        gaps: gap::judge(run, &gates, &audits),
        defects: defect::judge(run, &audits),
        validity: validity::judge(run, &gates),
        gates,
        targets: targets::judge(
            &described,
            &targets::Evidence {
                run,
                recoveries: &recoveries,
                scaling: &scaling,
                deployments: &deployments,
                availability: &availability,
                audits: &audits,
            },
        ),
        described,
        audits,
        recoveries,
        scaling,
        deployments,
        availability,
        cause: None,
        interrupted: run.ending.interrupted,
    };
    if run.ending.target.is_some() {
        verdicts.targets.clear();
    }
    match verdicts.troubles().first() {
        Some(Trouble::AuditViolated | Trouble::GateFailed) => {
            verdicts.cause = cause::judge(run, &verdicts.gates, &verdicts.audits);
        }
        // What was measured is not valid or shows no failure.
        Some(Trouble::Interrupted | Trouble::Inconclusive | Trouble::NotMeasured) | None => {}
    }
    verdicts
}

/// Why a run is not a success; the most serious reason first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The user stopped it.
    Interrupted,
    /// The measurement is not valid: the tool, not the system, may have been the bottleneck.
    Inconclusive,
    /// An audit found lost, duplicated or inconsistent data.
    AuditViolated,
    /// A gate failed.
    GateFailed,
    /// Nothing failed, but something could not be measured: a gate, an audit, or the whole sale.
    NotMeasured,
}

impl Trouble {
    /// Returns the exit code of a run with this trouble.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Interrupted => 105,
            Self::Inconclusive | Self::NotMeasured => 91,
            Self::AuditViolated => 90,
            Self::GateFailed => 99,
        }
    }

    /// Returns the name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Inconclusive => "inconclusive",
            Self::AuditViolated => "an audit failed",
            Self::GateFailed => "a gate failed",
            Self::NotMeasured => "not measured",
        }
    }
}

impl Verdicts {
    /// Returns everything that went wrong, the most serious first.
    pub fn troubles(&self) -> Vec<Trouble> {
        let violated = |audit: &AuditVerdict| matches!(audit.finding, Finding::Violated { .. });
        // The order is that of severity. An interrupted or invalid run says nothing about the system, so what its
        // audits and gates found comes after that. What could not be measured comes last: it takes nothing from a failure.
        let found = [
            (Trouble::Interrupted, self.interrupted),
            (
                Trouble::Inconclusive,
                self.validity.iter().any(|check| !check.ok),
            ),
            (Trouble::AuditViolated, self.audits.iter().any(violated)),
            (
                Trouble::GateFailed,
                self.gates
                    .iter()
                    .any(|gate| gate.result == GateResult::Failed),
            ),
            (Trouble::NotMeasured, !self.gaps.is_empty()),
        ];
        let present = found.into_iter().filter(|(_, present)| *present);
        present.map(|(trouble, _)| trouble).collect()
    }

    /// Returns the exit code of the most serious trouble; 0 without any.
    pub fn exit_code(&self) -> u8 {
        self.troubles()
            .first()
            .map_or(0, |trouble| trouble.exit_code())
    }
}

#[cfg(test)]
mod tests;
