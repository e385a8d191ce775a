//! Comparison of two runs: how far the metrics of one are from those of the other, and whether that is within tolerance.
//!
//! It answers one of two questions. *Agreement*: does the simulation reproduce what was measured live? An error in either
//! direction counts. *Regression*: is the new run worse than the baseline? Only a change for the worse counts.
//!
//! Each metric gets three numbers: its relative error, the tolerance for its kind, and the sampling noise, which is the
//! error that two runs of the same thing stay below in 95 of 100 cases. If the noise alone is larger than the tolerance,
//! there are too few samples to say, and that is never a pass.

mod levels;
mod rows;
mod scatter;

use std::collections::BTreeMap;

use serde::Serialize;

use super::figure::in_words;
use super::validity;
use scatter::Scatter;
use tiketi_measure::Measurements;

/// The question that a comparison answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Whether the second run, which is simulated, agrees with the first, which is live: too much is as wrong as too
    /// little.
    Agreement,
    /// Whether the second run is worse than the first, its baseline.
    Regression,
}

/// A kind of metric. All metrics of a kind have the same tolerance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "&'static str")]
pub enum Measure {
    /// Requests, finished buyers and tickets per second.
    Throughput,
    /// Median and 95th percentile of the waiting time.
    WaitingTime,
    /// Median of the response time.
    ResponseTimeP50,
    /// 95th percentile of the response time.
    ResponseTimeP95,
    /// 99th percentile of the response time.
    ResponseTimeP99,
    /// Share of the buyers who gave up waiting.
    Abandonment,
    /// Number of instances over time.
    Instances,
    /// Cost of the sale.
    Cost,
}

impl Measure {
    /// All kinds, in the order of reports.
    pub const ALL: [Self; 8] = [
        Self::Throughput,
        Self::WaitingTime,
        Self::ResponseTimeP50,
        Self::ResponseTimeP95,
        Self::ResponseTimeP99,
        Self::Abandonment,
        Self::Instances,
        Self::Cost,
    ];

    /// Returns the name on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::WaitingTime => "waiting_time",
            Self::ResponseTimeP50 => "response_time_p50",
            Self::ResponseTimeP95 => "response_time_p95",
            Self::ResponseTimeP99 => "response_time_p99",
            Self::Abandonment => "abandonment",
            Self::Instances => "instances",
            Self::Cost => "cost",
        }
    }

    /// Returns the kind with this name; `None` if there is none.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl From<Measure> for &'static str {
    fn from(measure: Measure) -> Self {
        measure.name()
    }
}

/// The tolerances: how far apart two values may be, as a share of the first. A kind without one is shown but not judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Bars(BTreeMap<Measure, f64>);

impl Default for Bars {
    /// Returns the tolerances of this project's own validation: 5 % for throughput and waiting time, 15 % for the 95th
    /// percentile of the response time.
    fn default() -> Self {
        Self(BTreeMap::from([
            (Measure::Throughput, 0.05),
            (Measure::WaitingTime, 0.05),
            (Measure::ResponseTimeP95, 0.15),
        ]))
    }
}

impl Bars {
    /// Sets the tolerance of one kind, as a share: 0.05 is 5 %.
    pub fn set(&mut self, measure: Measure, share: f64) {
        self.0.insert(measure, share);
    }

    /// Returns the tolerance of one kind, as a share of the first value; `None` if the kind is not judged.
    pub fn of(&self, measure: Measure) -> Option<f64> {
        self.0.get(&measure).copied()
    }
}

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Per second of scenario time.
    PerSecond,
    /// Seconds of scenario time.
    Seconds,
    /// A share, 0 to 1.
    Share,
    /// Number of instances, as a mean over time.
    Instances,
    /// Money in the currency of the first run's price book.
    Money,
}

/// The verdict on one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowVerdict {
    /// Within tolerance.
    Within,
    /// Beyond tolerance; in a regression check, worse than the baseline.
    Beyond,
    /// Beyond tolerance and better than the baseline.
    Better,
    /// Too few samples: noise alone may move the metric beyond tolerance.
    TooFew,
    /// There is no tolerance, or neither direction would be worse.
    NotJudged,
}

/// One metric of both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The kind of metric.
    pub measure: Measure,
    /// The name in reports, such as `requests/s: seat_list`.
    pub name: String,
    /// The unit of both values.
    pub unit: Unit,
    /// The value of the first run; `None` without samples.
    pub base: Option<f64>,
    /// The value of the second run; `None` without samples.
    pub new: Option<f64>,
    /// Samples behind each value; `None` for a metric that is not computed from samples.
    pub samples: Option<[u64; 2]>,
    /// Second value minus first, as a share of the first; for levels over time, their mean difference without its sign.
    /// `None` if either value is missing.
    pub error: Option<f64>,
    /// Sampling noise (95 %), as a share of the first value; `None` if it is unknown or there is none.
    pub scatter: Option<f64>,
    /// Tolerance, as a share of the first value; `None` if the row is not judged.
    pub bar: Option<f64>,
    /// The verdict.
    pub verdict: RowVerdict,
}

/// The conclusion of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Nothing is beyond tolerance, and something was judged.
    Within,
    /// Something is beyond tolerance: worse than the baseline, or simulated wrongly.
    Beyond,
    /// Nothing could be judged, or one of the runs cannot be trusted.
    Inconclusive,
}

impl Conclusion {
    /// Returns the exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Within => 0,
            Self::Beyond => 93,
            Self::Inconclusive => 91,
        }
    }
}

/// Draws the conclusion from all rows. `doubts` are reasons not to trust one of the runs; any doubt makes the comparison
/// inconclusive.
pub fn conclude(rows: &[Row], doubts: &[String]) -> Conclusion {
    // A single metric beyond tolerance decides, however many are within: the tolerances hold for each metric.
    let any = |verdict| rows.iter().any(|row| row.verdict == verdict);
    if !doubts.is_empty() {
        Conclusion::Inconclusive
    } else if any(RowVerdict::Beyond) {
        Conclusion::Beyond
    } else if any(RowVerdict::Within) || any(RowVerdict::Better) {
        Conclusion::Within
    } else {
        Conclusion::Inconclusive
    }
}

/// Returns the reasons not to trust a run: it ended early, or its measurement is not valid. Empty for a good run.
pub fn doubts(run: &Measurements) -> Vec<String> {
    let failed = validity::judge(run).into_iter().filter(|check| !check.ok);
    let failed = failed.map(|check| format!("{} ({})", check.name, check.evidence));
    let interrupted = run.ending.interrupted.then(|| {
        let ended = in_words(run.ending.ended_at.since_start());
        format!("interrupted after {ended}")
    });
    interrupted.into_iter().chain(failed).collect()
}

/// The direction in which a metric gets worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worse {
    More,
    Less,
    /// Neither: it follows from other metrics, as polls follow from waiting.
    Neither,
}

/// A row before it is judged.
#[derive(Debug)]
struct Reading {
    measure: Measure,
    name: String,
    unit: Unit,
    worse: Worse,
    figures: [Option<f64>; 2],
    samples: Option<[u64; 2]>,
    /// Takes the place of the difference of the values, as a share of the first; `None` if that difference counts.
    distance: Option<f64>,
    scatter: Scatter,
}

/// Compares every metric that either run has.
pub fn compare(
    base: &Measurements,
    new: &Measurements,
    question: Question,
    bars: &Bars,
) -> Vec<Row> {
    let readings = rows::readings(base, new).into_iter();
    readings
        .map(|reading| judged(reading, question, bars))
        .collect()
}

fn judged(reading: Reading, question: Question, bars: &Bars) -> Row {
    // A simulation must also get right what is neither better nor worse, so agreement judges every row.
    let bar = match (question, reading.worse) {
        (Question::Regression, Worse::Neither) => None,
        (Question::Agreement | Question::Regression, _) => bars.of(reading.measure),
    };
    let [base, new] = reading.figures;
    let error = reading.distance.or_else(|| relative(base?, new?));
    let mut row = Row {
        measure: reading.measure,
        name: reading.name,
        unit: reading.unit,
        base,
        new,
        samples: reading.samples,
        error,
        scatter: reading.scatter.share(),
        bar,
        verdict: RowVerdict::NotJudged,
    };
    if let Some(bar) = bar {
        row.verdict = verdict(&row, reading.scatter, bar);
        if question == Question::Regression && row.verdict == RowVerdict::Beyond {
            row.verdict = direction(error, reading.worse);
        }
    }
    row
}

/// Samples of one run from which it counts as a difference that the other run has none (assumption). Below that, chance
/// explains it.
const SOME_AGAINST_NONE_MIN: u64 = 100;

fn verdict(row: &Row, scatter: Scatter, bar: f64) -> RowVerdict {
    let Some(error) = row.error else {
        let most = row.samples.map_or(0, |[base, new]| base.max(new));
        return if most >= SOME_AGAINST_NONE_MIN {
            RowVerdict::Beyond
        } else {
            RowVerdict::TooFew
        };
    };
    match scatter {
        // Few samples can still prove a gross error: it is beyond tolerance even if noise accounts for its full share.
        Scatter::Within(share) if error.abs() > bar + share => RowVerdict::Beyond,
        // The noise hides an error of the size of the tolerance, so a small error here proves nothing.
        Scatter::Within(share) if share > bar => RowVerdict::TooFew,
        Scatter::Unknown => RowVerdict::TooFew,
        Scatter::Within(_) | Scatter::None if error.abs() > bar => RowVerdict::Beyond,
        Scatter::Within(_) | Scatter::None => RowVerdict::Within,
    }
}

fn direction(error: Option<f64>, worse: Worse) -> RowVerdict {
    let is_better = match (error, worse) {
        (Some(error), Worse::More) => error < 0.0,
        (Some(error), Worse::Less) => error > 0.0,
        (None, _) | (_, Worse::Neither) => false,
    };
    if is_better {
        RowVerdict::Better
    } else {
        RowVerdict::Beyond
    }
}

/// Returns `new` minus `base` as a share of `base`: 0 if both are 0, `None` if only `base` is.
fn relative(base: f64, new: f64) -> Option<f64> {
    if base.abs() > f64::EPSILON {
        return Some((new - base) / base);
    }
    (new.abs() <= f64::EPSILON).then_some(0.0)
}

#[cfg(test)]
mod tests;
