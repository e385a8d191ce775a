//! Validity: whether the system set the pace, or the generator did.

use std::time::Duration;

use serde::Serialize;

use super::figure::{grouped, in_words, percent};
use tiketi_measure::ending::WorkerFigures;
use tiketi_measure::{Engine, Measurements};

/// One condition under which the numbers mean something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValidityCheck {
    /// What is checked.
    pub name: &'static str,
    /// Whether the measurement stands it; if not, the run is inconclusive.
    pub ok: bool,
    /// The numbers.
    pub evidence: String,
}

/// Part of its one CPU from which a load process counts as saturated: beyond it, timers fire late.
const CPU_SHARE_MAX: f64 = 0.9;

/// Checks everything that could have made the generator the bottleneck; in virtual time, that nobody got lost.
pub(super) fn judge(run: &Measurements) -> Vec<ValidityCheck> {
    let mut checks: Vec<_> = carried_through(run).into_iter().collect();
    match run.ending.engine {
        Engine::Live => checks.push(send_lag(run)),
        // Nothing can be sent late where time waits for the sender.
        Engine::Model => {}
    }
    checks.extend([planned_reached(run), none_shed(run), journeys_balance(run)]);
    if !run.ending.generator.workers.is_empty() {
        checks.push(cpu(run));
        checks.push(open_files(run));
    }
    checks
}

/// Fails a run that could not go on; one that could needs no line of its own.
fn carried_through(run: &Measurements) -> Option<ValidityCheck> {
    let reason = run.ending.failure.as_ref()?;
    Some(ValidityCheck {
        name: "carried through",
        ok: false,
        evidence: format!(
            "the run could not go on after {} of {}: {reason}",
            in_words(run.ending.ended_at.since_start()),
            in_words(run.plan.clock.duration)
        ),
    })
}

fn send_lag(run: &Measurements) -> ValidityCheck {
    let limit = run.plan.self_check.send_lag_p99_max;
    let p99 = run.tally.send_lag.percentile(99.0);
    ValidityCheck {
        name: "send lag",
        ok: p99.is_some_and(|lag| lag <= limit),
        evidence: match p99 {
            Some(lag) => format!("p(99)={} (limit {})", in_words(lag), in_words(limit)),
            None => "nothing was sent after the warm-up".to_owned(),
        },
    }
}

fn planned_reached(run: &Measurements) -> ValidityCheck {
    let arrivals = run.tally.arrivals;
    let planned = run.ending.generator.planned;
    // Of a run that ended early everyone knows that it did; what was due must still be accounted for.
    let due_enough = if run.ending.interrupted || run.ending.failure.is_some() {
        arrivals.due <= planned
    } else {
        arrivals.due == planned
    };
    ValidityCheck {
        name: "planned = started + shed",
        ok: due_enough && arrivals.due == arrivals.started + arrivals.shed,
        evidence: format!(
            "{} planned, {} due, {} started + {} shed",
            grouped(planned),
            grouped(arrivals.due),
            grouped(arrivals.started),
            grouped(arrivals.shed)
        ),
    }
}

fn none_shed(run: &Measurements) -> ValidityCheck {
    let shed = run.tally.arrivals.shed;
    ValidityCheck {
        name: "shed",
        ok: shed == 0,
        evidence: format!("{} arrivals could not be started", grouped(shed)),
    }
}

fn journeys_balance(run: &Measurements) -> ValidityCheck {
    let started = run.tally.arrivals.started;
    let ended: u64 = run.tally.left.iter().sum();
    ValidityCheck {
        name: "started = finished + unfinished",
        ok: started == ended,
        evidence: format!(
            "{} started, {} told how they ended",
            grouped(started),
            grouped(ended)
        ),
    }
}

fn cpu(run: &Measurements) -> ValidityCheck {
    let wall = run.ending.wall.max(Duration::from_millis(1));
    let share = |worker: &WorkerFigures| worker.cpu.div_duration_f64(wall);
    let busiest = run.ending.generator.workers.iter().map(share);
    let busiest = busiest.fold(0.0, f64::max);
    ValidityCheck {
        name: "generator CPU",
        ok: busiest < CPU_SHARE_MAX,
        evidence: format!(
            "the busiest load process used {} of its CPU (limit {})",
            percent(busiest),
            percent(CPU_SHARE_MAX)
        ),
    }
}

fn open_files(run: &Measurements) -> ValidityCheck {
    let workers = &run.ending.generator.workers;
    let refused: u64 = workers.iter().map(|worker| worker.files_refused).sum();
    let fullest = workers
        .iter()
        .min_by_key(|worker| worker.files_limit.saturating_sub(worker.files_peak));
    let full = fullest.is_some_and(|worker| worker.files_peak >= worker.files_limit);
    let (peak, limit) = fullest.map_or((0, 0), |worker| (worker.files_peak, worker.files_limit));
    ValidityCheck {
        name: "open files",
        ok: refused == 0 && !full,
        evidence: format!(
            "{} of {} open in the fullest load process, {} refused",
            grouped(peak),
            grouped(limit),
            grouped(refused)
        ),
    }
}
