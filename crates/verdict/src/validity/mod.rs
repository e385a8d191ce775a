//! Validity: whether the system under test was the bottleneck, or the load generator.

use std::time::Duration;

use serde::Serialize;

use super::figure::{grouped, in_words, percent};
use tiketi_measure::ending::WorkerFigures;
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

/// Share of its one CPU above which a load worker counts as saturated (assumption): its timers fire late beyond that.
const CPU_SHARE_MAX: f64 = 0.9;

/// Checks everything that could have made the generator the bottleneck. In virtual time nothing can be late, so only the
/// accounting is checked.
pub(super) fn judge(run: &Measurements) -> Vec<ValidityCheck> {
    let mut checks: Vec<_> = completed(run).into_iter().collect();
    checks.extend(credentials(run));
    match run.ending.engine {
        Engine::Live => checks.push(send_lag(run)),
        // Virtual time waits for the sender.
        Engine::Model => {}
    }
    checks.extend([
        arrivals_add_up(run),
        none_shed(run),
        buyers_accounted_for(run),
    ]);
    if !run.ending.generator.workers.is_empty() {
        checks.push(cpu(run));
        checks.push(open_files(run));
    }
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
            in_words(run.plan.clock.duration)
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

fn send_lag(run: &Measurements) -> ValidityCheck {
    let limit = run.plan.self_check.send_lag_p99_max;
    let p99 = run.tally.send_lag.percentile(99.0);
    ValidityCheck {
        name: "scheduling delay",
        // No sample is no proof that the generator kept up.
        ok: p99.is_some_and(|lag| lag <= limit),
        evidence: match p99 {
            Some(lag) => format!("p(99) {} (limit {})", in_words(lag), in_words(limit)),
            None => "no request was sent after the warm-up".to_owned(),
        },
    }
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

fn cpu(run: &Measurements) -> ValidityCheck {
    // A run that was interrupted at once has no length; it must not divide by zero.
    let wall = run.ending.wall.max(Duration::from_millis(1));
    let share = |worker: &WorkerFigures| worker.cpu.div_duration_f64(wall);
    let busiest = run.ending.generator.workers.iter().map(share);
    let busiest = busiest.fold(0.0, f64::max);
    ValidityCheck {
        name: "load worker CPU",
        ok: busiest < CPU_SHARE_MAX,
        evidence: format!(
            "the busiest load worker used {} of its CPU (limit {})",
            percent(busiest),
            percent(CPU_SHARE_MAX)
        ),
    }
}

fn open_files(run: &Measurements) -> ValidityCheck {
    let workers = &run.ending.generator.workers;
    let refused: u64 = workers.iter().map(|worker| worker.files_refused).sum();
    // The worker closest to its own limit: workers may have different limits.
    let fullest = workers
        .iter()
        .min_by_key(|worker| worker.files_limit.saturating_sub(worker.files_peak));
    let full = fullest.is_some_and(|worker| worker.files_peak >= worker.files_limit);
    let (peak, limit) = fullest.map_or((0, 0), |worker| (worker.files_peak, worker.files_limit));
    ValidityCheck {
        name: "open files",
        ok: refused == 0 && !full,
        evidence: format!(
            "at most {} of {} in a load worker, {} refused",
            grouped(peak),
            grouped(limit),
            grouped(refused)
        ),
    }
}
