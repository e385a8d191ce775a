//! Two runs side by side: how far the figures of one are from the other's, and whether that is further than it may be.
//!
//! Two questions are asked of two runs. *Agreement*: does the model give what was measured live, in either direction?
//! *Regression*: is the new run worse than the one before?

mod levels;
mod rows;
mod scatter;

use std::collections::BTreeMap;

use serde::Serialize;

use super::figure::in_words;
use super::validity;
use scatter::Scatter;
use tiketi_measure::Measurements;

/// What two runs are compared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Whether the second, the model's, agrees with the first, the live one: too much is as wrong as too little.
    Agreement,
    /// Whether the second is worse than the first, its baseline.
    Regression,
}

/// A kind of figure that has one bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Calls, journeys and tickets a second.
    Throughput,
    /// Median and 95th percentile of the waiting time.
    WaitingTime,
    /// Median of the response time.
    ResponseTimeP50,
    /// 95th percentile of the response time.
    ResponseTimeP95,
    /// 99th percentile of the response time.
    ResponseTimeP99,
    /// Part of the buyers who ran out of patience.
    Abandonment,
    /// Instances over time.
    Instances,
    /// Cost of the on-sale.
    Cost,
}

impl Measure {
    /// All kinds, in the order of the table.
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

    /// The name on the command line and in files.
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

    /// The kind with this name, or `None`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How far apart two figures may be, as a part of the first; a kind without a bar is shown and not judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Bars(BTreeMap<Measure, f64>);

impl Default for Bars {
    /// The bars of the project's validation: 5 % for throughput and waiting time, 15 % for the response time's tail.
    fn default() -> Self {
        Self(BTreeMap::from([
            (Measure::Throughput, 0.05),
            (Measure::WaitingTime, 0.05),
            (Measure::ResponseTimeP95, 0.15),
        ]))
    }
}

impl Bars {
    /// Sets the bar of one kind.
    pub fn set(&mut self, measure: Measure, share: f64) {
        self.0.insert(measure, share);
    }

    /// The bar of one kind, a part of the first figure; `None` if it is not judged.
    pub fn of(&self, measure: Measure) -> Option<f64> {
        self.0.get(&measure).copied()
    }
}

/// What a figure is a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Things a second of scenario time.
    PerSecond,
    /// Seconds of scenario time.
    Seconds,
    /// A part of a whole, 0 to 1.
    Share,
    /// Instances, a mean over time.
    Instances,
    /// Money in the currency of the first run's price book.
    Money,
}

/// What is thought of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowVerdict {
    /// Within the bar.
    Within,
    /// Beyond the bar; for a regression: worse than the baseline.
    Beyond,
    /// Beyond the bar and better than the baseline.
    Better,
    /// Chance alone may move the figures further than the bar.
    TooFew,
    /// There is no bar, or no direction in which it would be worse.
    NotJudged,
}

/// One figure of both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its kind.
    pub measure: Measure,
    /// What it is, such as `calls a second: seat_list`.
    pub name: String,
    /// The unit of both figures.
    pub unit: Unit,
    /// The first run's; `None` without samples.
    pub base: Option<f64>,
    /// The second run's; `None` without samples.
    pub new: Option<f64>,
    /// Samples behind each; `None` for what is not counted.
    pub samples: Option<[u64; 2]>,
    /// Second minus first, as a part of the first; of levels over time their mean distance. `None` if either is missing.
    pub error: Option<f64>,
    /// The error that chance alone stays below in 95 of 100 cases, as a part of the first; `None` if nobody can tell.
    pub scatter: Option<f64>,
    /// The error that is allowed; `None` if the row is not judged.
    pub bar: Option<f64>,
    /// What is thought of it.
    pub verdict: RowVerdict,
}

/// What comes of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Nothing is beyond its bar, and something is within.
    Within,
    /// Something is beyond its bar: worse than the baseline, or the model is wrong.
    Beyond,
    /// Nothing could be told, or one of the runs cannot be trusted.
    Inconclusive,
}

impl Conclusion {
    /// The exit code that stands for it.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Within => 0,
            Self::Beyond => 93,
            Self::Inconclusive => 91,
        }
    }
}

/// Concludes from the rows; `doubts` are reasons not to trust one of the runs.
pub fn conclude(rows: &[Row], doubts: &[String]) -> Conclusion {
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

/// Why a run is nothing to compare with: it ended early, or its measurement cannot be trusted.
pub fn doubts(run: &Measurements) -> Vec<String> {
    let failed = validity::judge(run).into_iter().filter(|check| !check.ok);
    let failed = failed.map(|check| format!("{} ({})", check.name, check.evidence));
    let interrupted = run.ending.interrupted.then(|| {
        let ended = in_words(run.ending.ended_at.since_start());
        format!("it was interrupted after {ended}")
    });
    interrupted.into_iter().chain(failed).collect()
}

/// Which way is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worse {
    More,
    Less,
    /// Neither: it follows from other things, as polls follow from waiting.
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
    /// In place of the difference of the figures, as a part of the first.
    distance: Option<f64>,
    scatter: Scatter,
}

/// Compares every figure that either run has.
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

/// Samples of one run from which it means something that the other has none.
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
        // Too far apart for chance, however few there are.
        Scatter::Within(share) if error.abs() > bar + share => RowVerdict::Beyond,
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

/// `new` minus `base` as a part of `base`; of nothing at all against nothing at all that is nothing.
fn relative(base: f64, new: f64) -> Option<f64> {
    if base.abs() > f64::EPSILON {
        return Some((new - base) / base);
    }
    (new.abs() <= f64::EPSILON).then_some(0.0)
}

#[cfg(test)]
mod tests;
