//! The latency of each operation, found with the model in the loop.

use std::collections::BTreeMap;
use std::time::Duration;

use tiketi_station::{Latency, Profile};

use super::residual::{self, Residual};
use super::{Calibration, with};
use tiketi_measure::Measurements;
use tiketi_model::work_of;
use tiketi_scenario::Plan;
use tiketi_scenario::operation::Operation;

/// Times the model is played at most; each takes seconds.
const ROUNDS_MAX: u32 = 8;
/// The error of medians and 95th percentiles at which there is nothing left to gain: the histograms keep three digits,
/// and two seeds differ by more.
const GOOD: f64 = 0.015;
/// Rounds in which no operation came closer after which it ends.
const PATIENCE: u32 = 2;
/// The 95th percentile of a normal distribution, in standard deviations.
const Z_95: f64 = 1.645;
/// Shortest median: a spread needs something to spread.
const MEDIAN_MIN_MS: f64 = 0.01;
/// Widest spread: beyond it single draws are minutes.
const SIGMA_MAX: f64 = 3.0;

/// The best latency of an operation so far, and the error it leaves; `None` if none is best.
type Best = BTreeMap<Operation, (f64, Option<Latency>)>;

/// Finds median and spread of the latency of every operation that was called often enough; the others keep the base's.
pub(super) fn fit(
    run: &Measurements,
    base: &Profile,
    simulate: &mut dyn FnMut(&Plan) -> Option<Measurements>,
) -> Option<Calibration> {
    let mut profile = base.clone();
    let mut best = Best::new();
    let (mut rounds, mut since_better) = (0, 0);
    while rounds < ROUNDS_MAX && since_better < PATIENCE {
        rounds += 1;
        let played = simulate(&with(run, &profile))?;
        let residuals = residual::of(run, &played);
        since_better = if note(&mut best, &residuals, &profile) {
            0
        } else {
            since_better + 1
        };
        if residuals.iter().all(is_good) {
            break;
        }
        improve(&mut profile.latency, &residuals);
    }
    for (operation, (_, latency)) in best {
        set(&mut profile.latency, operation, latency);
    }
    let played = simulate(&with(run, &profile))?;
    Some(Calibration {
        profile,
        residuals: residual::of(run, &played),
        method: format!(
            "Processor times are those of {}; latency fitted with the model in the loop, {rounds} rounds",
            base.name
        ),
    })
}

/// Keeps the latency of each operation that has never been better; `true` if there was one.
fn note(best: &mut Best, residuals: &[Residual], profile: &Profile) -> bool {
    let mut is_better = false;
    for residual in residuals {
        let error = residual.worst().unwrap_or(f64::INFINITY);
        let least = best.get(&residual.operation);
        if least.is_none_or(|(least, _)| error < *least) {
            let work = work_of(residual.operation).name();
            let latency = profile.latency.get(work).copied();
            best.insert(residual.operation, (error, latency));
            is_better = true;
        }
    }
    is_better
}

fn is_good(residual: &Residual) -> bool {
    residual.worst().is_some_and(|worst| worst <= GOOD)
}

/// Moves each latency by what its operation is off.
fn improve(latency: &mut BTreeMap<String, Latency>, residuals: &[Residual]) {
    for residual in residuals.iter().filter(|residual| !is_good(residual)) {
        let now = latency.get(work_of(residual.operation).name()).copied();
        if let Some(moved) = moved(now, residual) {
            set(latency, residual.operation, Some(moved));
        }
    }
}

fn set(table: &mut BTreeMap<String, Latency>, operation: Operation, latency: Option<Latency>) {
    let work = work_of(operation).name();
    match latency {
        Some(latency) => table.insert(work.to_owned(), latency),
        None => table.remove(work),
    };
}

/// The latency with both percentiles moved by what the answer's are off; `None` without calls in the model.
fn moved(now: Option<Latency>, residual: &Residual) -> Option<Latency> {
    let now = now.unwrap_or(Latency {
        median_ms: 0.0,
        sigma: 0.0,
    });
    let missing = |(live, model): (Duration, Option<Duration>)| Some(ms(live) - ms(model?));
    let p95 = now.median_ms * (Z_95 * now.sigma).exp() + missing(residual.p95)?;
    let median_ms = (now.median_ms + missing(residual.p50)?).max(MEDIAN_MIN_MS);
    let sigma = (p95.max(median_ms) / median_ms).ln() / Z_95;
    Some(Latency {
        median_ms,
        sigma: sigma.min(SIGMA_MAX),
    })
}

fn ms(length: Duration) -> f64 {
    length.as_secs_f64() * 1e3
}
