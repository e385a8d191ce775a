//! Runs cases: replications on all CPUs, confidence intervals, and longer runs if an interval is too wide.

use rand::RngExt;
use rayon::prelude::*;
use serde::Serialize;

use super::case::{CaseSetup, Figure, Limit};
use super::interval::{Estimate, Precision, Verdict};
use tiketi_core::rng::Streams;

/// The probability that any metric of a correct simulator is outside its interval: 1 % for all metrics together.
const LEVEL: f64 = 0.01;
/// Maximum number of rounds. The first length is a guess and the second follows from its result; the others are for bad
/// guesses, each closer than the one before. The growth is limited all the same.
const ROUNDS_MAX: u64 = 8;
/// Maximum growth of a run over all rounds: at most a minute where the suite takes seconds.
const GROWTH_MAX: f64 = 60.0;
/// Extra length beyond what the width of the interval requires, because that width is an estimate too.
const GROWTH_MARGIN: f64 = 1.3;

/// SuiteSettings of a run of the suite.
#[derive(Clone, Copy, Debug)]
pub struct SuiteSettings {
    /// Random seed.
    pub seed: u64,
    /// Independent replications per case, at least two.
    pub replications: u32,
}

/// The results of a case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseResult {
    /// Name of the case.
    pub case: &'static str,
    /// One-line description of the case.
    pub title: &'static str,
    /// The parameter values.
    pub parameters: Vec<(&'static str, Vec<f64>)>,
    /// Final length of each replication, in the unit of the case.
    pub length: u64,
    /// The metrics.
    pub figures: Vec<Compared>,
}

/// The exact and simulated value of a metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Name of the metric, with its unit.
    pub figure: String,
    /// The exact value; for a limit, the limit and its bias at the size that is simulated.
    pub exact: f64,
    /// Mean over the replications.
    pub simulated: f64,
    /// (simulated - exact) / exact; `None` where the exact value is 0.
    pub relative_error: Option<f64>,
    /// Half-width of the confidence interval.
    pub half_width: f64,
    /// The required precision.
    pub precision: Precision,
    /// The limit that `exact` is made from; `None` if `exact` holds at any size of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// The verdict.
    pub verdict: Verdict,
}

impl CaseResult {
    /// Returns whether all metrics pass.
    pub fn passes(&self) -> bool {
        self.figures
            .iter()
            .all(|figure| figure.verdict == Verdict::Holds)
    }
}

/// Runs all `setups`; `watch` gets the number of finished replications and their total. The result depends only on the
/// setups and the settings, not on the number of threads.
pub fn run(
    setups: &[CaseSetup],
    settings: SuiteSettings,
    watch: &(dyn Fn(u64, u64) + Sync),
) -> Vec<CaseResult> {
    let figures: usize = setups
        .iter()
        .map(|setup| setup.experiment.figures.len())
        .sum();
    let level = LEVEL / figures as f64;
    let mut runs: Vec<Run<'_>> = setups.iter().map(Run::first).collect();
    for round in 0..ROUNDS_MAX {
        replicate(&mut runs, settings, round, watch);
        for run in &mut runs {
            run.judge(level);
        }
    }
    runs.into_iter().map(Run::outcome).collect()
}

/// A case in progress.
struct Run<'a> {
    setup: &'a CaseSetup,
    /// Length of the next round; `None` if no further round is needed.
    next_length: Option<u64>,
    length: u64,
    /// The estimates of all metrics, by replication.
    samples: Vec<Vec<f64>>,
    compared: Vec<Compared>,
}

/// Simulates `settings.replications` replications of each unfinished run.
fn replicate(
    runs: &mut [Run<'_>],
    settings: SuiteSettings,
    round: u64,
    watch: &(dyn Fn(u64, u64) + Sync),
) {
    let due: Vec<(usize, u64, u64)> = runs
        .iter()
        .enumerate()
        .filter_map(|(index, run)| Some((index, run.next_length?)))
        .flat_map(|(index, length)| {
            (0..u64::from(settings.replications)).map(move |number| (index, length, number))
        })
        .collect();
    let done = std::sync::atomic::AtomicU64::new(0);
    let samples: Vec<(usize, Vec<f64>)> = due
        .par_iter()
        .with_max_len(1)
        .map(|&(index, length, number)| {
            let setup = runs[index].setup;
            let streams = streams_of(setup, settings.seed, round, number);
            let sample = (setup.experiment.replicate)(streams, length);
            let done = 1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            watch(done, due.len() as u64);
            (index, sample)
        })
        .collect();
    for run in runs.iter_mut() {
        if let Some(length) = run.next_length {
            run.length = length;
            run.samples.clear();
        }
    }
    for (index, sample) in samples {
        runs[index].samples.push(sample);
    }
}

/// Returns the streams of a replication. A longer run gets new streams, so that it is independent of the shorter run.
fn streams_of(setup: &CaseSetup, seed: u64, round: u64, number: u64) -> Streams {
    let mut seeds = Streams::new(seed).numbered(setup.case.name, (round << 32) + number);
    Streams::new(seeds.random())
}

impl<'a> Run<'a> {
    fn first(setup: &'a CaseSetup) -> Self {
        Self {
            setup,
            next_length: Some(setup.experiment.length),
            length: 0,
            samples: Vec::new(),
            compared: Vec::new(),
        }
    }

    /// Evaluates the last round, and schedules a longer run if an interval is too wide. Only the width decides that, never
    /// whether the exact value is inside: extending failed runs until they pass would invalidate the confidence level.
    fn judge(&mut self, level: f64) {
        if self.next_length.take().is_none() {
            return;
        }
        self.compared.clear();
        let mut widest = 0.0_f64;
        for (index, figure) in self.setup.experiment.figures.iter().enumerate() {
            let samples: Vec<f64> = self.samples.iter().map(|sample| sample[index]).collect();
            let estimate = Estimate::new(&samples, level);
            widest = widest.max(estimate.excess(figure.exact, figure.precision));
            self.compared.push(Compared::new(figure, estimate));
        }
        if widest > 1.0 {
            self.next_length = self.longer(widest);
        }
    }

    /// Returns the length of the next run, or `None` at the maximum. The width of an interval shrinks with the square root
    /// of the length.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between two lengths that are far from the range's end"
    )]
    fn longer(&self, excess: f64) -> Option<u64> {
        let length_max = self.setup.experiment.length as f64 * GROWTH_MAX;
        let length = self.length as f64 * excess * excess * GROWTH_MARGIN;
        // Rounded up: a case of a single run must be able to become one of two.
        let length = length.min(length_max).ceil() as u64;
        (length > self.length).then_some(length)
    }

    fn outcome(self) -> CaseResult {
        let values = self.setup.values.iter();
        CaseResult {
            case: self.setup.case.name,
            title: self.setup.case.title,
            parameters: values.map(|(name, list)| (name, list.to_vec())).collect(),
            length: self.length,
            figures: self.compared,
        }
    }
}

impl Compared {
    fn new(figure: &Figure, estimate: Estimate) -> Self {
        let error = (estimate.mean - figure.exact) / figure.exact;
        Self {
            figure: figure.name.clone(),
            exact: figure.exact,
            simulated: estimate.mean,
            relative_error: error.is_finite().then_some(error),
            half_width: estimate.half_width,
            precision: figure.precision,
            limit: figure.limit,
            verdict: estimate.verdict(
                figure.exact,
                figure.precision,
                figure.limit.map_or(0.0, |limit| limit.within),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::{Case, Experiment};
    use super::*;
    use tiketi_scenario::distribution::Distribution;

    /// Means of exponential draws with true mean 1, claimed to have the mean `exact`.
    fn draws(exact: f64, length: u64) -> Experiment {
        Experiment::new(
            vec![Figure::mean("mean", exact)],
            length,
            |streams, length| {
                let mut stream = streams.named("draws");
                let law = Distribution::Exponential { mean: 1.0 };
                let sum: f64 = (0..length)
                    .map(|_| law.sample(&mut stream).as_secs_f64())
                    .sum();
                vec![sum / length as f64]
            },
        )
    }

    static RIGHT: Case = Case {
        name: "right",
        title: "a mean that is correct",
        parameters: &[],
        prepare: |_| Ok(draws(1.0, 10_000)),
    };

    static WRONG: Case = Case {
        name: "wrong",
        title: "a mean that is 2 % off",
        parameters: &[],
        prepare: |_| Ok(draws(1.02, 10_000)),
    };

    static VAGUE: Case = Case {
        name: "vague",
        title: "a mean of too few draws",
        parameters: &[],
        prepare: |_| Ok(draws(1.0, 2)),
    };

    const SETTINGS: SuiteSettings = SuiteSettings {
        seed: 1,
        replications: 20,
    };

    fn verdict(case: &'static Case) -> CaseResult {
        let setup = case.setup(|_| None).expect("it has no parameters");
        run(&[setup], SETTINGS, &|_, _| {}).remove(0)
    }

    #[test]
    fn correct_value_passes_and_wrong_value_fails() {
        assert_eq!(verdict(&RIGHT).figures[0].verdict, Verdict::Holds);
        assert_eq!(verdict(&WRONG).figures[0].verdict, Verdict::Differs);
        assert!(!verdict(&WRONG).passes());
    }

    #[test]
    fn run_that_stays_too_short_is_inconclusive() {
        let vague = verdict(&VAGUE);
        assert_eq!(vague.figures[0].verdict, Verdict::TooWide);
        assert_eq!(vague.length, 120, "not extended up to the limit");
    }

    #[test]
    fn a_single_run_that_is_slightly_too_short_is_extended() {
        let setup = RIGHT.setup(|_| None).expect("it has no parameters");
        let mut run = Run::first(&setup);
        run.length = 1;
        assert_eq!(run.longer(1.01), Some(2));
    }

    #[test]
    fn result_does_not_depend_on_the_number_of_threads() {
        let with_threads = |count| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build();
            pool.expect("threads can be started")
                .install(|| verdict(&RIGHT))
        };
        assert_eq!(with_threads(1), with_threads(3));
    }
}
