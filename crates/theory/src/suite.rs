//! Runs questions: replications on all processors, intervals, longer runs where an interval is too wide.

use rand::RngExt;
use rayon::prelude::*;
use serde::Serialize;

use super::case::{Figure, Question};
use super::interval::{Estimate, Precision, Verdict};
use tiketi_core::rng::Streams;

/// The probability that any figure of a correct engine is outside its interval: 1 %, all figures together.
const LEVEL: f64 = 0.01;
/// How often runs are made longer. The first length is a guess, the second follows from its result; the third is for a
/// bad guess.
const ROUNDS_MAX: u64 = 3;
/// Runs grow by this much at most, all rounds together: a minute where the suite takes seconds.
const GROWTH_MAX: f64 = 60.0;
/// Longer than the width of the interval asks for, since that width is an estimate too.
const GROWTH_MARGIN: f64 = 1.3;

/// How questions are run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Seed of every random stream.
    pub seed: u64,
    /// Independent replications of each question, at least two.
    pub replications: u32,
}

/// What came out for one question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The case's name.
    pub case: &'static str,
    /// The case in a line.
    pub title: &'static str,
    /// The values of its parameters.
    pub parameters: Vec<(&'static str, Vec<f64>)>,
    /// Length of each replication in the end, in what the case counts.
    pub length: u64,
    /// Each figure.
    pub figures: Vec<Compared>,
}

/// One figure, exact and simulated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// What it is, with its unit.
    pub figure: String,
    /// What theory says.
    pub exact: f64,
    /// Mean over the replications.
    pub simulated: f64,
    /// (simulated - exact) / exact; `None` where the exact value is 0.
    pub relative_error: Option<f64>,
    /// Half of the confidence interval's width.
    pub half_width: f64,
    /// How closely it must be known.
    pub precision: Precision,
    /// What is concluded.
    pub verdict: Verdict,
}

impl Outcome {
    /// Whether every figure holds.
    pub fn holds(&self) -> bool {
        self.figures
            .iter()
            .all(|figure| figure.verdict == Verdict::Holds)
    }
}

/// Runs all `questions`; `watch` hears how many replications of how many are done. The result depends on the questions
/// and the settings alone, not on the number of threads.
pub fn run(
    questions: &[Question],
    settings: Settings,
    watch: &(dyn Fn(u64, u64) + Sync),
) -> Vec<Outcome> {
    let figures: usize = questions
        .iter()
        .map(|question| question.experiment.figures.len())
        .sum();
    let level = LEVEL / figures as f64;
    let mut runs: Vec<Run<'_>> = questions.iter().map(Run::first).collect();
    for round in 0..ROUNDS_MAX {
        replicate(&mut runs, settings, round, watch);
        for run in &mut runs {
            run.judge(level);
        }
    }
    runs.into_iter().map(Run::outcome).collect()
}

/// One question on its way.
struct Run<'a> {
    question: &'a Question,
    /// `None` when it is finished.
    next_length: Option<u64>,
    length: u64,
    /// An estimate of each figure, by replication.
    samples: Vec<Vec<f64>>,
    compared: Vec<Compared>,
}

/// Makes a replication of every unfinished run, `settings.replications` times.
fn replicate(
    runs: &mut [Run<'_>],
    settings: Settings,
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
            let question = runs[index].question;
            let streams = streams_of(question, settings.seed, round, number);
            let sample = (question.experiment.replicate)(streams, length);
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

/// The streams of one replication. A longer run starts afresh, so that nothing of the run which asked for it is in it.
fn streams_of(question: &Question, seed: u64, round: u64, number: u64) -> Streams {
    let mut seeds = Streams::new(seed).numbered(question.case.name, (round << 32) + number);
    Streams::new(seeds.random())
}

impl<'a> Run<'a> {
    fn first(question: &'a Question) -> Self {
        Self {
            question,
            next_length: Some(question.experiment.length),
            length: 0,
            samples: Vec::new(),
            compared: Vec::new(),
        }
    }

    /// Compares what the last round brought, and asks for longer runs if an interval is too wide. Only the width decides
    /// on that, never whether the value is inside.
    fn judge(&mut self, level: f64) {
        if self.next_length.take().is_none() {
            return;
        }
        self.compared.clear();
        let mut widest = 0.0_f64;
        for (index, figure) in self.question.experiment.figures.iter().enumerate() {
            let samples: Vec<f64> = self.samples.iter().map(|sample| sample[index]).collect();
            let estimate = Estimate::new(&samples, level);
            widest = widest.max(estimate.excess(figure.exact, figure.precision));
            self.compared.push(Compared::new(figure, estimate));
        }
        if widest > 1.0 {
            self.next_length = self.longer(widest);
        }
    }

    /// The width of an interval shrinks with the square root of the length.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between two lengths that are far from the range's end"
    )]
    fn longer(&self, excess: f64) -> Option<u64> {
        let length_max = self.question.experiment.length as f64 * GROWTH_MAX;
        let length = self.length as f64 * excess * excess * GROWTH_MARGIN;
        let length = length.min(length_max) as u64;
        (length > self.length).then_some(length)
    }

    fn outcome(self) -> Outcome {
        let values = self.question.values.iter();
        Outcome {
            case: self.question.case.name,
            title: self.question.case.title,
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
            verdict: estimate.verdict(figure.exact, figure.precision),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::{Case, Experiment};
    use super::*;
    use tiketi_scenario::distribution::Distribution;

    /// Means of exponential draws, said to be 1 each and `EXACT` in truth or not.
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
        title: "a mean that is as said",
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
        title: "a mean of far too few draws",
        parameters: &[],
        prepare: |_| Ok(draws(1.0, 2)),
    };

    const SETTINGS: Settings = Settings {
        seed: 1,
        replications: 20,
    };

    fn verdict(case: &'static Case) -> Outcome {
        let question = case.ask(|_| None).expect("it has no parameters");
        run(&[question], SETTINGS, &|_, _| {}).remove(0)
    }

    #[test]
    fn a_value_that_is_right_holds_and_one_that_is_off_does_not() {
        assert_eq!(verdict(&RIGHT).figures[0].verdict, Verdict::Holds);
        assert_eq!(verdict(&WRONG).figures[0].verdict, Verdict::Differs);
        assert!(!verdict(&WRONG).holds());
    }

    #[test]
    fn a_run_that_stays_too_short_proves_nothing() {
        let vague = verdict(&VAGUE);
        assert_eq!(vague.figures[0].verdict, Verdict::TooWide);
        assert_eq!(vague.length, 120, "it was made longer, up to the limit");
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let with_threads = |count| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build();
            pool.expect("threads can be started")
                .install(|| verdict(&RIGHT))
        };
        assert_eq!(with_threads(1), with_threads(3));
    }
}
