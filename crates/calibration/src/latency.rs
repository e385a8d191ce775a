//! Fits the latency of each operation with the simulation in the loop.
//!
//! Percentiles of a sum are not the sum of percentiles, so latency cannot be computed from the measured times directly.
//! Instead, the plan is simulated, and each operation's latency is moved by what its median and its 95th percentile are
//! off. Operations share queues, so a change of one shifts the others a little, which the next round corrects.

use std::collections::BTreeMap;
use std::time::Duration;

use tiketi_station::{Latency, Profile};

use super::residual::{self, Residual};
use super::{Calibration, with};
use tiketi_measure::Measurements;
use tiketi_model::latency_of;
use tiketi_scenario::Plan;
use tiketi_scenario::operation::Operation;
use tiketi_verdict::figure::counted;

/// Rounds at most. Each simulates the whole plan, which takes seconds.
const ROUNDS_MAX: u32 = 8;
/// Relative error at which an operation is left alone: the histograms keep three digits, and the same plan with two seeds
/// differs by more.
const GOOD: f64 = 0.015;
/// Rounds without an improvement of any operation after which fitting ends.
const PATIENCE: u32 = 2;
/// The 95th percentile of a normal distribution, in standard deviations.
const Z_95: f64 = 1.645;
/// Shortest median, in milliseconds: a lognormal distribution cannot have one of 0.
const MEDIAN_MIN_MS: f64 = 0.01;
/// Widest spread: beyond it, single draws would be minutes.
const SIGMA_MAX: f64 = 3.0;

/// By operation: the smallest error so far, and the latency that gave it; `None` if that was no latency at all.
type Best = BTreeMap<Operation, (f64, Option<Latency>)>;

/// Fits median and spread of the latency of every operation with enough requests. The others keep the base profile's.
/// Returns `None` if `simulate` does.
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
        // No further round could change anything: operations that are good are left alone.
        if residuals.iter().all(is_good) {
            break;
        }
        improve(&mut profile.latency, &residuals);
    }
    // The last round need not be the best: near the optimum, noise moves each operation back and forth.
    for (operation, (_, latency)) in best {
        set(&mut profile.latency, operation, latency);
    }
    let played = simulate(&with(run, &profile))?;
    Some(Calibration {
        profile,
        residuals: residual::of(run, &played),
        method: format!(
            "CPU times are those of {}; latency was fitted in {} of simulation",
            base.name,
            counted(rounds.into(), "round")
        ),
    })
}

/// Keeps the latency of each operation whose error is its smallest so far; returns whether there was one.
fn note(best: &mut Best, residuals: &[Residual], profile: &Profile) -> bool {
    let mut is_better = false;
    for residual in residuals {
        let error = residual.worst().unwrap_or(f64::INFINITY);
        let least = best.get(&residual.operation);
        if least.is_none_or(|(least, _)| error < *least) {
            let name = latency_of(residual.operation);
            let latency = profile.latency.get(name).copied();
            best.insert(residual.operation, (error, latency));
            is_better = true;
        }
    }
    is_better
}

fn is_good(residual: &Residual) -> bool {
    residual.worst().is_some_and(|worst| worst <= GOOD)
}

/// Moves the latency of each operation by what the operation is off.
fn improve(latency: &mut BTreeMap<String, Latency>, residuals: &[Residual]) {
    for residual in residuals.iter().filter(|residual| !is_good(residual)) {
        let now = latency.get(latency_of(residual.operation)).copied();
        if let Some(moved) = moved(now, residual) {
            set(latency, residual.operation, Some(moved));
        }
    }
}

fn set(table: &mut BTreeMap<String, Latency>, operation: Operation, latency: Option<Latency>) {
    let name = latency_of(operation);
    match latency {
        Some(latency) => table.insert(name.to_owned(), latency),
        None => table.remove(name),
    };
}

/// Returns the latency with its median and 95th percentile moved by what those of the operation are off; `None` without
/// simulated requests.
fn moved(now: Option<Latency>, residual: &Residual) -> Option<Latency> {
    let now = now.unwrap_or(Latency {
        median_ms: 0.0,
        sigma: 0.0,
    });
    // A lognormal distribution is determined by two percentiles: p50 = median, p95 = median · exp(1.645 sigma).
    let missing = |(live, model): (Duration, Option<Duration>)| Some(ms(live) - ms(model?));
    // Moving a percentile by its error is a fixed-point iteration. It converges in a few rounds because latency is
    // added to queueing and work, and hardly changes them.
    let p95 = now.median_ms * (Z_95 * now.sigma).exp() + missing(residual.p95)?;
    let median_ms = (now.median_ms + missing(residual.p50)?).max(MEDIAN_MIN_MS);
    // If work alone already explains the tail, the 95th percentile may come out below the median: then there is no
    // spread.
    let sigma = (p95.max(median_ms) / median_ms).ln() / Z_95;
    Some(Latency {
        median_ms,
        sigma: sigma.min(SIGMA_MAX),
    })
}

fn ms(length: Duration) -> f64 {
    length.as_secs_f64() * 1e3
}
