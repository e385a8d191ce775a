//! All cases, and the setups of the suite.

mod batch;
mod burst;
mod chance;
mod fifo;
mod limits;
mod little;
mod markov;
mod network;
mod paths;
mod priority;
mod sharing;
mod spike;
mod steps;

use super::case::{Case, CaseSetup};
use super::parameter::{Parameter, Range};
use tiketi_scenario::distribution::Distribution;

/// All cases, in display order.
pub static CASES: [&Case; 21] = [
    &markov::MM1,
    &markov::MMC,
    &limits::ERLANG_B,
    &limits::MMCK,
    &limits::ERLANG_A,
    &fifo::MD1,
    &fifo::MG1,
    &sharing::SHARING,
    &priority::PRIORITY,
    &network::TANDEM,
    &network::CLOSED,
    &batch::BATCH,
    &paths::FROM_EMPTY,
    &paths::FLASH_CROWD,
    &paths::SESSIONS,
    &chance::SEAT_COLLISION,
    &chance::RETRY,
    &little::LITTLE,
    &spike::SPIKE,
    &burst::BURST,
    &steps::STEPS,
];

/// Parameter values of an additional setup of a case.
type Variant = (&'static Case, &'static [(&'static str, f64)]);

/// Setups of the suite in addition to each case's defaults.
const VARIANTS: [Variant; 2] = [
    (
        &markov::MMC,
        &[
            ("arrival-rate", 1.5),
            ("service-rate", 1.0),
            ("servers", 2.0),
        ],
    ),
    (
        &limits::MMCK,
        &[
            ("arrival-rate", 6.0),
            ("service-rate", 1.0),
            ("servers", 5.0),
            ("limit", 8.0),
        ],
    ),
];

/// Returns the case with this name, or `None` if there is none.
pub fn named(name: &str) -> Option<&'static Case> {
    CASES.into_iter().find(|case| case.name == name)
}

/// Returns the setups of the whole suite: every case with its defaults, and some with other values too.
pub fn setups() -> Vec<CaseSetup> {
    let mut setups = Vec::new();
    for case in CASES {
        setups.push(ask(case, &[]));
        let variants = VARIANTS.iter().filter(|(of, _)| of.name == case.name);
        setups.extend(variants.map(|(case, values)| ask(case, values)));
    }
    setups
}

fn ask(case: &'static Case, values: &[(&str, f64)]) -> CaseSetup {
    case.setup(|name| {
        let value = values.iter().find(|(of, _)| *of == name);
        value.map(|(_, value)| vec![*value])
    })
    .expect("the suite's own values are valid")
}

/// Service-time distributions with the same mean, for metrics that do not depend on the distribution.
fn laws(mean: f64, sigma: f64) -> [(&'static str, Distribution); 3] {
    [
        ("constant", Distribution::Constant { value: mean }),
        ("exponential", Distribution::Exponential { mean }),
        ("lognormal", lognormal(mean, sigma)),
    ]
}

/// Returns the lognormal distribution with this mean; `sigma` is the standard deviation of the logarithm.
fn lognormal(mean: f64, sigma: f64) -> Distribution {
    Distribution::Lognormal {
        median: mean * (-sigma * sigma / 2.0).exp(),
        sigma,
    }
}

/// Returns the mean of each metric over several runs.
fn mean_of<const N: usize>(runs: u64, run: impl Fn(u64) -> [f64; N]) -> Vec<f64> {
    let mut totals = [0.0; N];
    for number in 0..runs {
        for (total, figure) in totals.iter_mut().zip(run(number)) {
            *total += figure;
        }
    }
    totals.iter().map(|total| total / runs as f64).collect()
}

/// The scale at which a fluid limit is simulated: rates and numbers are multiplied by it, and results divided by it.
const fn scale(default: &'static [f64]) -> Parameter {
    let range = Range::Number {
        from: 0.01,
        to: 100.0,
    };
    Parameter::new(
        "scale",
        "scale of the simulation; the error of one run shrinks with its square root",
        default,
        range,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_have_unique_names_and_valid_defaults() {
        for case in CASES {
            let found = named(case.name).expect("it is in the list");
            assert_eq!(found.title, case.title, "two cases have the same name");
        }
        assert_eq!(setups().len(), CASES.len() + VARIANTS.len());
    }

    #[test]
    fn variants_use_existing_parameters() {
        for (case, values) in VARIANTS {
            for (name, _) in values {
                let mut names = case.parameters.iter().map(|parameter| parameter.name);
                assert!(names.any(|known| known == *name), "{} {name}", case.name);
            }
        }
    }
}
