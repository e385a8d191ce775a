//! Validity: whether the system under test was the bottleneck, or the tool.
//!
//! `generator` asks whether the load workers sent what was due, `stalls` whether every part of the tool ran all the time, and
//! `host` whether the machine gave them its CPUs, and `cpus` whether these were full when it mattered. The accounts of buyers are
//! here. `commands` asks whether the faults took place that the user's own commands carry out.

mod commands;
mod cpus;
mod generator;
mod host;
mod stalls;

use serde::Serialize;

use super::figure::{grouped, in_words};
use super::slo::GateVerdict;
use tiketi_measure::stall::DEMAND_MAX;
use tiketi_measure::{Engine, Measurements};

/// One condition that must be met for the measurement to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValidityCheck {
    /// What is checked.
    pub name: &'static str,
    /// Whether it is met; if not, the run is inconclusive.
    pub ok: bool,
    /// The numbers behind it.
    pub evidence: String,
}

/// Share of a CPU above which it counts as full (assumption): timers fire late beyond that.
const CPU_SHARE_MAX: f64 = DEMAND_MAX;

/// Checks everything that could have made the tool the bottleneck. In virtual time nothing can be late, so only the
/// accounting is checked.
pub(super) fn judge(run: &Measurements, gates: &[GateVerdict]) -> Vec<ValidityCheck> {
    let mut checks: Vec<_> = completed(run).into_iter().collect();
    checks.extend(credentials(run));
    checks.extend(commands::judge(run));
    match run.ending.engine {
        Engine::Live => {
            checks.push(generator::send_lag(run));
            checks.extend(generator::polls(run));
            checks.extend(stalls::judge(run));
        }
        // Virtual time waits for the sender.
        Engine::Model => {}
    }
    checks.extend([
        arrivals_add_up(run),
        none_shed(run),
        buyers_accounted_for(run),
    ]);
    if !run.ending.generator.workers.is_empty() {
        checks.push(generator::cpu(run));
        checks.push(generator::open_files(run));
    }
    checks.extend(host::judge(run));
    checks.extend(cpus::judge(run, gates));
    checks
}

/// Fails a run that broke off; a run that completed needs no line that says so.
fn completed(run: &Measurements) -> Option<ValidityCheck> {
    let reason = run.ending.failure.as_ref()?;
    Some(ValidityCheck {
        name: "run completed",
        ok: false,
        evidence: format!(
            "the run broke off after {} of {}: {reason}",
            in_words(run.ending.ended_at.since_start()),
            in_words(run.plan.ends_at().since_start())
        ),
    })
}

/// Fails a run in which buyers got no credential; a run in which all did needs no line that says so.
fn credentials(run: &Measurements) -> Option<ValidityCheck> {
    let missing = run.tally.arrivals.without_credential;
    let reason = run.ending.generator.credential_error.as_deref();
    (missing > 0).then(|| ValidityCheck {
        name: "credentials created",
        ok: false,
        evidence: format!(
            "{} of {} buyers could not be started: {}",
            grouped(missing),
            grouped(run.tally.arrivals.due),
            reason.unwrap_or("unknown error")
        ),
    })
}

fn arrivals_add_up(run: &Measurements) -> ValidityCheck {
    let arrivals = run.tally.arrivals;
    let planned = run.ending.generator.planned;
    // A run that ended early cannot reach its plan, and its report says that it ended early. What was due until then
    // must still add up.
    let due_enough = if run.ending.interrupted || run.ending.failure.is_some() {
        arrivals.due <= planned
    } else {
        arrivals.due == planned
    };
    ValidityCheck {
        name: "arrivals add up",
        ok: due_enough
            && arrivals.due == arrivals.started + arrivals.shed + arrivals.without_credential,
        evidence: format!(
            "{} planned, {} due = {} started + {} shed",
            grouped(planned),
            grouped(arrivals.due),
            grouped(arrivals.started),
            grouped(arrivals.shed)
        ),
    }
}

fn none_shed(run: &Measurements) -> ValidityCheck {
    let arrivals = run.tally.arrivals;
    ValidityCheck {
        name: "all planned arrivals started",
        ok: arrivals.shed == 0,
        evidence: match arrivals.shed {
            0 => format!("{} started, none shed", grouped(arrivals.started)),
            shed => format!(
                "{} of {} could not be started",
                grouped(shed),
                grouped(arrivals.due)
            ),
        },
    }
}

fn buyers_accounted_for(run: &Measurements) -> ValidityCheck {
    let started = run.tally.arrivals.started;
    let ended: u64 = run.tally.left.iter().sum();
    ValidityCheck {
        name: "all buyers accounted for",
        ok: started == ended,
        evidence: format!(
            "{} started, {} finished or still active at the end",
            grouped(started),
            grouped(ended)
        ),
    }
}
