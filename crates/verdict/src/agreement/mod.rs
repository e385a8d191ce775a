//! Comparison of two runs: how far the metrics of one are from those of the other, and whether that is within tolerance.
//!
//! It answers one of two questions. *Agreement*: does the simulation reproduce what was measured live? An error in either
//! direction counts. *Regression*: is the new run worse than the baseline? Only a change for the worse counts.
//!
//! What matters most comes first: exit codes, then errors and refusals, audits, gates, validity ([`Outcome`]), and only then
//! the metrics, which are of successful work: the response times of requests that succeeded, and their number. In a
//! regression check nothing counts as better if something that matters more got worse. So a run in which nothing works never
//! looks better than one that works.
//!
//! Each metric gets three numbers: its relative error, the tolerance for its kind, and the sampling noise, which is the
//! error that two runs of the same thing stay below in 95 of 100 cases. If the noise alone is larger than the tolerance,
//! there are too few samples to say, and that is never a pass.

mod levels;
mod outcome;
mod rows;
mod scatter;

use std::collections::BTreeMap;

use serde::Serialize;

pub use outcome::{Outcome, Subject};

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
    /// Failed requests, as a share of all.
    Errors,
    /// Requests that were rejected for a business reason, as a share of all.
    Refusals,
    /// Successful requests, buyers who came to the end of their visit, and tickets per second.
    Throughput,
    /// Median and 95th percentile of the waiting time.
    WaitingTime,
    /// Median of the response time of successful requests.
    ResponseTimeP50,
    /// 95th percentile of the response time of successful requests.
    ResponseTimeP95,
    /// 99th percentile of the response time of successful requests.
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
    pub const ALL: [Self; 10] = [
        Self::Errors,
        Self::Refusals,
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
            Self::Errors => "errors",
            Self::Refusals => "refusals",
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

    /// Returns its place among outcomes and metrics; the lower, the more important. [`Subject::rank`] has the other places.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Errors => 1,
            Self::Refusals => 2,
            Self::Throughput
            | Self::WaitingTime
            | Self::ResponseTimeP50
            | Self::ResponseTimeP95
            | Self::ResponseTimeP99
            | Self::Abandonment
            | Self::Instances
            | Self::Cost => 6,
        }
    }

    /// Returns whether the difference of two values is stated in percentage points rather than as a share of the first,
    /// which is often 0.
    pub const fn is_in_points(self) -> bool {
        match self {
            Self::Errors | Self::Refusals => true,
            Self::Throughput
            | Self::WaitingTime
            | Self::ResponseTimeP50
            | Self::ResponseTimeP95
            | Self::ResponseTimeP99
            | Self::Abandonment
            | Self::Instances
            | Self::Cost => false,
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

/// The tolerances: how far apart two values may be, as a share of the first, or in points (see
/// [`Measure::is_in_points`]). A kind without one is shown but not judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Bars(BTreeMap<Measure, f64>);

impl Bars {
    /// Returns the default tolerances: those of this project's own validation for throughput and waiting time (5 %) and for
    /// the 95th percentile of the response time (15 %).
    ///
    /// Assumptions: of 1,000 requests, one more may fail and ten more may be rejected than in the baseline, which is less
    /// than the gates of the preset allow. A simulation may be ten times farther from a live run.
    pub fn of(question: Question) -> Self {
        let (errors, refusals) = match question {
            Question::Regression => (0.001, 0.01),
            Question::Agreement => (0.01, 0.1),
        };
        Self(BTreeMap::from([
            (Measure::Errors, errors),
            (Measure::Refusals, refusals),
            (Measure::Throughput, 0.05),
            (Measure::WaitingTime, 0.05),
            (Measure::ResponseTimeP95, 0.15),
        ]))
    }

    /// Sets the tolerance of one kind, as a share: 0.05 is 5 %.
    pub fn set(&mut self, measure: Measure, share: f64) {
        self.0.insert(measure, share);
    }

    /// Returns the tolerance of one kind; `None` if the kind is not judged.
    pub fn get(&self, measure: Measure) -> Option<f64> {
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
    /// Better than the baseline, but something that matters more got worse.
    Outweighed,
    /// Too few samples: noise alone may move the metric beyond tolerance.
    TooFew,
    /// Only a lower bound of one of the values is known.
    Incomplete,
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
    /// Lower bounds of values that are not known because something has no price or was not metered; `None` for each value that
    /// is known.
    pub at_least: [Option<f64>; 2],
    /// Samples behind each value; `None` for a metric that is not computed from samples.
    pub samples: Option<[u64; 2]>,
    /// Second value minus first, as a share of the first, or in points (see [`Measure::is_in_points`]); for levels over time,
    /// their mean difference without its sign. `None` if either value is missing.
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

/// Draws the conclusion from everything that was compared. `doubts` are reasons not to trust one of the runs; any doubt makes
/// the comparison inconclusive.
pub fn conclude(compared: &Compared, doubts: &[String]) -> Conclusion {
    // A single metric beyond tolerance decides, however many are within: the tolerances hold for each metric.
    let any = |verdict| {
        compared.rows.iter().any(|row| row.verdict == verdict)
            || compared.outcomes.iter().any(|one| one.verdict == verdict)
    };
    let is_measured = compared
        .rows
        .iter()
        .any(|row| matches!(row.verdict, RowVerdict::Within | RowVerdict::Better));
    if !doubts.is_empty() {
        Conclusion::Inconclusive
    } else if any(RowVerdict::Beyond) {
        Conclusion::Beyond
    } else if is_measured {
        Conclusion::Within
    } else {
        Conclusion::Inconclusive
    }
}

/// Returns the reasons not to trust a run: it ended early, or its measurement is not valid. Empty for a good run.
pub fn doubts(run: &Measurements) -> Vec<String> {
    // What is compared are metrics, not gates, so none of these can be excused.
    let failed = validity::judge(run, &[]);
    let failed = failed.into_iter().filter(|check| !check.ok);
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
    /// Lower bounds of values that are unknown.
    at_least: [Option<f64>; 2],
    /// Takes the place of the difference of the values, as a share of the first; `None` if that difference counts.
    distance: Option<f64>,
    scatter: Scatter,
}

/// Everything that was compared, each part with the most important first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compared {
    /// How the runs turned out.
    pub outcomes: Vec<Outcome>,
    /// Every metric that either run has.
    pub rows: Vec<Row>,
}

/// Compares two runs.
pub fn compare(
    base: &Measurements,
    new: &Measurements,
    question: Question,
    bars: &Bars,
) -> Compared {
    let verdicts = [base, new].map(crate::judge);
    let readings = rows::readings(base, new).into_iter();
    let mut compared = Compared {
        outcomes: outcome::outcomes(verdicts.each_ref(), question),
        rows: readings
            .map(|reading| judged(reading, question, bars))
            .collect(),
    };
    if question == Question::Regression {
        outcome::weigh(&mut compared.outcomes, &mut compared.rows);
    }
    compared
}

fn judged(reading: Reading, question: Question, bars: &Bars) -> Row {
    // A simulation must also get right what is neither better nor worse, so agreement judges every row.
    let bar = match (question, reading.worse) {
        (Question::Regression, Worse::Neither) => None,
        (Question::Agreement | Question::Regression, _) => bars.get(reading.measure),
    };
    let [base, new] = reading.figures;
    let error = reading.distance.or_else(|| relative(base?, new?));
    let mut row = Row {
        measure: reading.measure,
        name: reading.name,
        unit: reading.unit,
        base,
        new,
        at_least: reading.at_least,
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
    if let Some(verdict) = of_lower_bounds(row, bar) {
        return verdict;
    }
    let Some(error) = row.error else {
        let most = row.samples.map_or(0, |[base, new]| base.max(new));
        return if most >= SOME_AGAINST_NONE_MIN {
            RowVerdict::Beyond
        } else {
            RowVerdict::TooFew
        };
    };
    match scatter {
        Scatter::OfDifference(_) if error.abs() <= bar => RowVerdict::Within,
        Scatter::OfDifference(noise) if error.abs() > noise => RowVerdict::Beyond,
        Scatter::OfDifference(_) => RowVerdict::TooFew,
        // Few samples can still prove a gross error: it is beyond tolerance even if noise accounts for its full share.
        Scatter::Within(share) if error.abs() > bar + share => RowVerdict::Beyond,
        // The noise hides an error of the size of the tolerance, so a small error here proves nothing.
        Scatter::Within(share) if share > bar => RowVerdict::TooFew,
        Scatter::Unknown => RowVerdict::TooFew,
        Scatter::Within(_) | Scatter::None if error.abs() > bar => RowVerdict::Beyond,
        Scatter::Within(_) | Scatter::None => RowVerdict::Within,
    }
}

/// Returns the verdict on values of which a lower bound is known; `None` if both are known.
///
/// A bound proves one thing: if the new value is at least so much that it is beyond the tolerance, it is.
fn of_lower_bounds(row: &Row, bar: f64) -> Option<RowVerdict> {
    let [base, new] = row.at_least;
    base.or(new)?;
    let is_beyond = row
        .base
        .zip(new)
        .is_some_and(|(base, new)| new > base * (1.0 + bar));
    Some(if is_beyond {
        RowVerdict::Beyond
    } else {
        RowVerdict::Incomplete
    })
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
