//! Service times of an external target, inferred from its response times because its CPU time is unknown.

use tiketi_station::Profile;

use super::residual::service_times;
use tiketi_measure::Measurements;
use tiketi_measure::histogram::Histogram;
use tiketi_model::work_of;
use tiketi_scenario::operation::Operation;

/// The 95th percentile of a normal distribution, in standard deviations.
const Z_95: f64 = 1.645;
/// Widest spread that is attributed to work; a wider one is attributed to queueing (assumption).
const SIGMA_MAX: f64 = 1.0;
/// Percentiles that contain little queueing (assumption): the faster half, without the few fastest.
const UNDISTURBED: [f64; 10] = [5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0];

/// Returns the base profile with the inferred times of every operation that has enough requests.
///
/// The responses came from the instance type of the run's scenario, so its times hold on that type.
pub(super) fn assumed(run: &Measurements, base: &Profile) -> Profile {
    let mut instances = run.plan.topology.instances.clone();
    instances.profile = base.clone();
    let mut profile = instances.class_profile();
    profile.class = instances.class.name().to_owned();
    for operation in Operation::ALL {
        let Some(lengths) = service_times(run, operation) else {
            continue;
        };
        let work = work_of(operation).name().to_owned();
        if operation == Operation::SeatList {
            // The measured time already includes the work per seat.
            profile.seat_us = 0.0;
        }
        // The response time includes the latency, and cannot be split: adding one would count it twice.
        profile.latency.remove(&work);
        profile.work_sigma.insert(work.clone(), sigma(lengths));
        profile.work_ms.insert(work, undisturbed_ms(lengths));
    }
    profile
}

/// Returns the mean of the undisturbed percentiles, in milliseconds.
fn undisturbed_ms(lengths: &Histogram) -> f64 {
    let each = UNDISTURBED.iter().filter_map(|percent| {
        let length = lengths.percentile(*percent)?;
        Some(length.as_secs_f64() * 1e3)
    });
    #[expect(clippy::cast_precision_loss, reason = "ten")]
    let count = UNDISTURBED.len() as f64;
    each.sum::<f64>() / count
}

/// Returns the sigma of the lognormal distribution with this median and 95th percentile.
fn sigma(lengths: &Histogram) -> f64 {
    let at = |percent: f64| {
        lengths
            .percentile(percent)
            .map(|length| length.as_secs_f64())
    };
    match (at(50.0), at(95.0)) {
        (Some(p50), Some(p95)) if p50 > 0.0 => ((p95 / p50).ln() / Z_95).clamp(0.0, SIGMA_MAX),
        (_, _) => 0.0,
    }
}
