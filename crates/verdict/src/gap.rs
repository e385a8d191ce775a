//! Gaps: what a run could not measure although it was asked to. A run with a gap is inconclusive, because nothing in it
//! could have failed.
//!
//! There are four kinds: nobody bought a ticket, so the sale itself did not happen; nobody who waited at a target was admitted; a
//! gate was not measured; an audit could not be made. A target outside the testbed is excused from the last one, because it gives no
//! access to its data: its report says so beside the answer.

use serde::Serialize;

use super::audit::buyers::{STARVED_MIN, admitted_after_waiting, waited};
use super::audit::{Audit, AuditVerdict, Finding};
use super::figure::{counted, grouped};
use super::slo::{GateResult, GateVerdict};
use tiketi_buyer::observation::Stage;
use tiketi_measure::Measurements;
use tiketi_measure::ending::FinalState;

/// Something that the run could not measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// What.
    #[serde(flatten)]
    pub subject: Subject,
    /// Why not, as a sentence fragment: `no ticket was sold`.
    pub reason: String,
}

/// What could not be measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "of")]
pub enum Subject {
    /// The sale: nobody bought a ticket.
    Sale,
    /// The queue: nobody who waited was admitted.
    Queue,
    /// A gate.
    Gate {
        /// Its metric as written.
        metric: String,
        /// Its condition as written.
        condition: String,
    },
    /// An audit.
    Audit {
        /// Which one.
        audit: Audit,
    },
}

/// Finds all gaps of a run: the sale first, then gates in the order of the scenario, then audits.
pub(super) fn judge(
    run: &Measurements,
    gates: &[GateVerdict],
    audits: &[AuditVerdict],
) -> Vec<Gap> {
    let mut gaps: Vec<_> = sale(run).into_iter().chain(queue(run)).collect();
    let unmeasured = gates
        .iter()
        .filter(|gate| gate.result == GateResult::NotMeasured);
    gaps.extend(unmeasured.map(|gate| Gap {
        subject: Subject::Gate {
            metric: gate.metric.clone(),
            condition: gate.condition.clone(),
        },
        reason: gate.reason.clone().unwrap_or_default(),
    }));
    if is_target(run) {
        return gaps;
    }
    gaps.extend(audits.iter().filter_map(|verdict| match &verdict.finding {
        Finding::Held { .. } | Finding::Violated { .. } => None,
        Finding::CouldNotCheck { reason } => Some(Gap {
            subject: Subject::Audit {
                audit: verdict.audit,
            },
            reason: reason.clone(),
        }),
    }));
    gaps
}

/// Returns whether the run was against a system outside the testbed, whose final state nobody can read.
fn is_target(run: &Measurements) -> bool {
    run.ending.system.is_none()
}

/// A run on a target in which buyers waited and none was admitted shows nothing about its queue.
fn queue(run: &Measurements) -> Option<Gap> {
    let witness = &run.ending.target.as_ref()?.witness;
    let is_stuck = waited(witness) >= STARVED_MIN && admitted_after_waiting(witness) == 0;
    let joined = run.tally.reached(Stage::Queued);
    is_stuck.then(|| Gap {
        subject: Subject::Queue,
        reason: format!("{} waited, and none was admitted", counted(joined, "buyer")),
    })
}

/// A run in which nobody bought a ticket shows nothing about a sale, whatever its gates ask.
fn sale(run: &Measurements) -> Option<Gap> {
    let started = run.tally.arrivals.started;
    if run.tally.reached(Stage::Paid) > 0 {
        return None;
    }
    let reason = match (started, &run.ending.state) {
        (0, _) => "no buyer arrived".to_owned(),
        (1, FinalState::Read(facts)) => format!(
            "the only buyer bought no ticket ({} in the show)",
            counted(facts.seats_total, "seat")
        ),
        (_, FinalState::Read(facts)) => format!(
            "none of the {} buyers bought a ticket ({} in the show)",
            grouped(started),
            counted(facts.seats_total, "seat")
        ),
        (_, FinalState::Unread { .. }) => {
            format!("none of the {} bought a ticket", counted(started, "buyer"))
        }
    };
    Some(Gap {
        subject: Subject::Sale,
        reason,
    })
}
