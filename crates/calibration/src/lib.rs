//! From a live run to a profile of service times: what the model needs to answer as the system did.
//!
//! On the testbed an instance's virtual processor works at the times of the run's own profile, so what an answer takes
//! beyond queueing and work is *latency*: network, load balancer, the machine. It is found with the model in the loop:
//! the same plan is played, service times are compared by operation, and median and spread of the latency are moved until
//! they agree. Of a system that was there already nobody knows the processor: its times are read off the answers, which
//! is an assumption and is labelled as one.

mod latency;
mod residual;
mod target;

use std::fmt::Write as _;

use tiketi_station::Profile;

pub use residual::Residual;
use tiketi_measure::Measurements;
use tiketi_scenario::{Plan, profile};
use tiketi_verdict::figure::in_words;

/// A profile, and how well the model answers with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// The profile.
    pub profile: Profile,
    /// How the latency was found, or that service times are assumed.
    pub method: String,
    /// How far the model is off with this profile, by operation.
    pub residuals: Vec<Residual>,
}

/// Calibrates `base` with a live run; `simulate` plays a plan in the model, and gives `None` when the user has enough.
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
            method: "service times of the target read off its answers (assumption): processor time is the mean of the \
                     percentiles 5 to 50, its spread the distance from p50 to p95"
                .to_owned(),
        })
    }
}

/// The plan of a run with another profile.
fn with(run: &Measurements, profile: &Profile) -> Plan {
    let mut plan = run.plan.clone();
    plan.topology.instances.profile = profile.clone();
    plan
}

/// The profile as a file: where it comes from, how far the model is off with it, and the times.
pub fn to_toml(calibration: &Calibration, run: &Measurements, name: &str) -> String {
    let mut text = String::new();
    let mut put = |line: String| {
        writeln!(text, "# {line}").expect("a String takes everything");
    };
    let plan = &run.plan;
    put(format!(
        "Service times calibrated from {name}: scenario {}, seed {}, {} at speed {}, begun {}.",
        plan.name,
        plan.seed,
        in_words(run.ending.ended_at.since_start()),
        plan.clock.speed,
        run.ending.began
    ));
    put(format!("{}.", calibration.method));
    put("Valid for the machine and the speed of that run: overhead of a machine is not compressed with its time.".to_owned());
    put("What is left, model against live (service time):".to_owned());
    for residual in &calibration.residuals {
        put(format!("  {residual}"));
    }
    text.push('\n');
    text + &profile::to_toml(&calibration.profile)
}

#[cfg(test)]
mod tests;
