//! Every case, and the questions of the suite.

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

use super::case::{Case, Question};
use super::parameter::{Legal, Parameter};
use tiketi_scenario::distribution::Distribution;

/// All cases, in the order in which they are shown.
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

/// Values of a second question to the same case, by parameter.
type Variant = (&'static Case, &'static [(&'static str, f64)]);

/// What the suite asks beyond the defaults of each case.
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

/// The case with this name, or `None`.
pub fn named(name: &str) -> Option<&'static Case> {
    CASES.into_iter().find(|case| case.name == name)
}

/// The questions of the whole suite: every case with its defaults, some with other values as well.
pub fn questions() -> Vec<Question> {
    let mut questions = Vec::new();
    for case in CASES {
        questions.push(ask(case, &[]));
        let variants = VARIANTS.iter().filter(|(of, _)| of.name == case.name);
        questions.extend(variants.map(|(case, values)| ask(case, values)));
    }
    questions
}

fn ask(case: &'static Case, values: &[(&str, f64)]) -> Question {
    case.ask(|name| {
        let value = values.iter().find(|(of, _)| *of == name);
        value.map(|(_, value)| vec![*value])
    })
    .expect("the suite's own values are legal")
}

/// Laws of the service time with the same mean, for figures that do not depend on the law.
fn laws(mean: f64, sigma: f64) -> [(&'static str, Distribution); 3] {
    [
        ("constant", Distribution::Constant { value: mean }),
        ("exponential", Distribution::Exponential { mean }),
        ("lognormal", lognormal(mean, sigma)),
    ]
}

/// The lognormal law with this mean; `sigma` is the standard deviation of the logarithm.
fn lognormal(mean: f64, sigma: f64) -> Distribution {
    Distribution::Lognormal {
        median: mean * (-sigma * sigma / 2.0).exp(),
        sigma,
    }
}

/// The mean of each figure over several runs.
fn mean_of<const N: usize>(runs: u64, run: impl Fn(u64) -> [f64; N]) -> Vec<f64> {
    let mut totals = [0.0; N];
    for number in 0..runs {
        for (total, figure) in totals.iter_mut().zip(run(number)) {
            *total += figure;
        }
    }
    totals.iter().map(|total| total / runs as f64).collect()
}

/// How large a fluid limit is simulated, by the values asked for: every rate and number is so many times as large, and the
/// figures are divided by it again.
const fn scale(default: &'static [f64]) -> Parameter {
    let legal = Legal::Number {
        from: 0.01,
        to: 100.0,
    };
    Parameter::new(
        "scale",
        "size of what is simulated, by that of the question: the error of one run shrinks with its root",
        default,
        legal,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_found_by_its_name_and_its_defaults_are_legal() {
        for case in CASES {
            let found = named(case.name).expect("it is in the list");
            assert_eq!(found.title, case.title, "two cases have one name");
        }
        assert_eq!(questions().len(), CASES.len() + VARIANTS.len());
    }

    #[test]
    fn variants_name_parameters_that_exist() {
        for (case, values) in VARIANTS {
            for (name, _) in values {
                let mut names = case.parameters.iter().map(|parameter| parameter.name);
                assert!(names.any(|known| known == *name), "{} {name}", case.name);
            }
        }
    }
}
