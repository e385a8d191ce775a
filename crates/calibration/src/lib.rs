//! Calibration: from a live run to a service-time profile with which the simulation answers as the system did.
//!
//! On the testbed, the virtual CPU of an instance takes the times of the run's own profile. So the part of a response that
//! neither queueing nor work explains is *latency*: network, load balancer, the host. It is fitted with the simulation in
//! the loop: the same plan is simulated, the service times of each operation are compared, and median and spread of its
//! latency are moved until both agree.
//!
//! The CPU time of an external target is unknown. It is inferred from the response times, and labeled as an assumption.

mod latency;
mod residual;
mod target;

use std::fmt::Write as _;

use tiketi_station::Profile;

pub use residual::Residual;
use tiketi_measure::Measurements;
use tiketi_scenario::{Plan, profile};
use tiketi_verdict::figure::in_words;

/// A calibrated profile, and how well the simulation reproduces the run with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// The profile.
    pub profile: Profile,
    /// How it was found, as a sentence without a period.
    pub method: String,
    /// Remaining errors of the simulation with this profile, by operation.
    pub residuals: Vec<Residual>,
}

/// Calibrates `base` with a live run. `simulate` simulates a plan, or returns `None` if the user interrupts; then so does
/// this function.
pub fn calibrate(
    run: &Measurements,
    base: &Profile,
    simulate: &mut dyn FnMut(&Plan) -> Option<Measurements>,
) -> Option<Calibration> {
    if run.ending.system.is_some() {
        latency::fit(run, base, simulate)
    } else {
        let profile = target::assumed(run, base);
        let played = simulate(&with(run, &profile))?;
        Some(Calibration {
            residuals: residual::of(run, &played),
            profile,
            method: "Service times of the target are inferred from its response times (assumption): CPU time is the mean \
                     of the percentiles 5 to 50, its spread the distance from p50 to p95"
                .to_owned(),
        })
    }
}

/// Returns the plan of a run with another profile.
fn with(run: &Measurements, profile: &Profile) -> Plan {
    let mut plan = run.plan.clone();
    plan.topology.instances.profile = profile.clone();
    plan
}

/// Formats the profile as a file whose header says where it comes from and how large the remaining errors are.
pub fn to_toml(calibration: &Calibration, run: &Measurements, name: &str) -> String {
    let mut text = String::new();
    let mut put = |line: String| {
        writeln!(text, "# {line}").expect("writing to a String cannot fail");
    };
    let plan = &run.plan;
    put(format!(
        "Service times calibrated from {name}: scenario {}, seed {}, {} at speed {}, started {}.",
        plan.name,
        plan.seed,
        in_words(run.ending.ended_at.since_start()),
        plan.clock.speed,
        run.ending.began
    ));
    put(format!("{}.", calibration.method));
    put("Valid only for the machine and speed of that run: host overhead does not scale with the speed.".to_owned());
    put("Remaining error of the simulation (service time):".to_owned());
    for residual in &calibration.residuals {
        put(format!("  {residual}"));
    }
    text.push('\n');
    text + &profile::to_toml(&calibration.profile)
}

#[cfg(test)]
mod tests;
