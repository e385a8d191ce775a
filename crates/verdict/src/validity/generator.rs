//! Whether the load workers had what they needed, and sent what was due.

use std::time::Duration;

use super::{CPU_SHARE_MAX, ValidityCheck};
use crate::figure::{Figure, grouped, in_words, percent, share};
use tiketi_buyer::observation::Polls;
use tiketi_measure::Measurements;
use tiketi_measure::ending::WorkerFigures;
use tiketi_scenario::objective;

/// Share of the polls that should have been sent that may be missed (assumption): as many as may be late by more than the limit of the scheduling
/// delay, which is a 99th percentile.
const MISSED_MAX: f64 = 0.01;

pub(super) fn send_lag(run: &Measurements) -> ValidityCheck {
    let limit = run.plan.self_check.send_lag_p99_max;
    let p99 = run.tally.send_lag.percentile(99.0);
    ValidityCheck {
        name: "scheduling delay",
        // No sample is no proof that the generator kept up.
        ok: p99.is_some_and(|lag| lag <= limit),
        evidence: match p99 {
            Some(lag) => {
                let shown = Figure::Length(lag).beside(objective::nanos(limit));
                format!("p(99) {shown} (limit {})", in_words(limit))
            }
            None => "no request was sent after the warm-up".to_owned(),
        },
    }
}

/// Checks the polls of waiting buyers; `None` if nobody had to poll. A late generator sends one poll where a browser would
/// have sent several, so the scheduling delay alone hides the others.
pub(super) fn polls(run: &Measurements) -> Option<ValidityCheck> {
    let polls = run.tally.polls;
    if polls == Polls::default() {
        return None;
    }
    // Cancelled polls had no time at which they should have been sent.
    let missed = share(polls.missed, polls.sent + polls.missed).unwrap_or(0.0);
    Some(ValidityCheck {
        name: "polls sent when due",
        ok: polls.add_up() && missed <= MISSED_MAX,
        evidence: format!(
            "{} due = {} sent + {} cancelled + {} missed (limit {})",
            grouped(polls.due),
            grouped(polls.sent),
            grouped(polls.cancelled),
            grouped(polls.missed),
            percent(MISSED_MAX)
        ),
    })
}

/// Checks that the busiest worker had CPU to spare. What it waited for counts like what it used: a worker that shares its
/// core with something else is as late as one that fills a core alone.
pub(super) fn cpu(run: &Measurements) -> ValidityCheck {
    // A run that was interrupted at once has no length; it must not divide by zero.
    let wall = run.ending.wall.max(Duration::from_millis(1));
    let demand = |worker: &&WorkerFigures| worker.cpu + worker.waited.unwrap_or_default();
    let busiest = run.ending.generator.workers.iter().max_by_key(demand);
    let part = |time: Duration| time.div_duration_f64(wall);
    let (used, waited) = busiest.map_or((0.0, None), |worker| {
        (part(worker.cpu), worker.waited.map(part))
    });
    ValidityCheck {
        name: "load worker CPU",
        ok: used + waited.unwrap_or(0.0) < CPU_SHARE_MAX,
        evidence: match waited {
            Some(waited) => format!(
                "the busiest load worker used {} of a CPU and waited for one {} of the time (limit {} together)",
                percent(used),
                percent(waited),
                percent(CPU_SHARE_MAX)
            ),
            None => format!(
                "the busiest load worker used {} of its CPU (limit {})",
                percent(used),
                percent(CPU_SHARE_MAX)
            ),
        },
    }
}

pub(super) fn open_files(run: &Measurements) -> ValidityCheck {
    let workers = &run.ending.generator.workers;
    let refused: u64 = workers.iter().map(|worker| worker.files_refused).sum();
    // The worker closest to its own limit: workers may have different limits.
    let fullest = workers
        .iter()
        .min_by_key(|worker| worker.files_limit.saturating_sub(worker.files_peak));
    let full = fullest.is_some_and(|worker| worker.files_peak >= worker.files_limit);
    let (peak, limit) = fullest.map_or((0, 0), |worker| (worker.files_peak, worker.files_limit));
    // On the testbed, the process that runs the instances has a limit, too.
    let system = run.ending.system.as_ref();
    let unaccepted = system
        .and_then(|system| system.out_of_files)
        .unwrap_or_default();
    let mut evidence = format!(
        "at most {} of {} in a load worker, {} refused",
        grouped(peak),
        grouped(limit),
        grouped(refused)
    );
    if unaccepted > 0 {
        evidence += "; instances of the testbed could not accept connections, because their process had too many open files";
    }
    ValidityCheck {
        name: "open files",
        ok: refused == 0 && unaccepted == 0 && !full,
        evidence,
    }
}
