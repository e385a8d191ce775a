//! The answer to the scenario's question, in one or two sentences, before anything else is shown.

use tiketi_measure::Measurements;
use tiketi_verdict::audit::Finding;
use tiketi_verdict::figure::in_words;
use tiketi_verdict::slo::GateVerdict;
use tiketi_verdict::{Trouble, Verdicts};

/// Says how the run went, the most serious trouble first.
pub(super) fn answer(run: &Measurements, verdicts: &Verdicts) -> String {
    let troubles = verdicts.troubles();
    if troubles.is_empty() {
        return all_well(verdicts);
    }
    let sentences: Vec<_> = troubles
        .into_iter()
        .map(|trouble| sentence(trouble, run, verdicts))
        .collect();
    sentences.join(" ")
}

fn all_well(verdicts: &Verdicts) -> String {
    let gates = match verdicts.gates.len() {
        0 => "the scenario has no gates".to_owned(),
        1 => "its gate held".to_owned(),
        count => format!("all {count} gates held"),
    };
    let unchecked = verdicts
        .audits
        .iter()
        .filter(|audit| matches!(audit.finding, Finding::CouldNotCheck { .. }))
        .count();
    let audits = match unchecked {
        0 => "every promise was kept".to_owned(),
        _ => format!("no promise was found broken ({unchecked} could not be checked)"),
    };
    format!("Yes: {gates}, {audits}, and the measurement is valid.")
}

fn sentence(trouble: Trouble, run: &Measurements, verdicts: &Verdicts) -> String {
    match trouble {
        Trouble::Interrupted => format!(
            "Interrupted after {} of {}.",
            in_words(run.ending.ended_at.since_start()),
            in_words(run.plan.clock.duration)
        ),
        Trouble::Inconclusive => {
            let doubts = verdicts.validity.iter().filter(|check| !check.ok);
            let doubts: Vec<_> = doubts
                .map(|check| format!("{} ({})", check.name, check.evidence))
                .collect();
            format!(
                "Inconclusive: the measurement cannot be trusted: {}.",
                doubts.join("; ")
            )
        }
        Trouble::AuditViolated => {
            let broken: Vec<_> = verdicts
                .audits
                .iter()
                .filter_map(|audit| match &audit.finding {
                    Finding::Violated { evidence } => {
                        Some(format!("{} ({evidence})", audit.audit.name()))
                    }
                    Finding::Held { .. } | Finding::CouldNotCheck { .. } => None,
                })
                .collect();
            format!("No: the system broke a promise: {}.", broken.join("; "))
        }
        Trouble::GateFailed => {
            let failed = verdicts.gates.iter().filter(|gate| !gate.passed);
            let failed: Vec<_> = failed.map(gate_in_words).collect();
            // What may be the generator's doing, or only half of the run, is no answer to the question.
            let troubles = verdicts.troubles();
            let in_doubt = [Trouble::Interrupted, Trouble::Inconclusive];
            let is_answer = !in_doubt.iter().any(|doubt| troubles.contains(doubt));
            format!(
                "{}{} of {} gates failed: {}.",
                if is_answer { "No: " } else { "As measured, " },
                failed.len(),
                verdicts.gates.len(),
                failed.join("; ")
            )
        }
    }
}

fn gate_in_words(gate: &GateVerdict) -> String {
    let measured = match (&gate.measured, &gate.reason) {
        (Some(figure), _) => figure.to_string(),
        (None, Some(reason)) => reason.clone(),
        (None, None) => "nothing measured".to_owned(),
    };
    format!("{} {} ({measured})", gate.metric, gate.condition)
}
