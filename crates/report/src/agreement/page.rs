//! A comparison as a page.

use tiketi_measure::{Engine, Measurements};
use tiketi_verdict::agreement::{Outcome, Question, Row, RowVerdict, Unit};
use tiketi_verdict::figure::{percent, percent_apart, significant};

use super::charts::charts;
use super::document::{ComparedRun, PairComparison, RunComparison, headline};
use crate::number::Number;
use crate::page::{Cell, Column, Page, Prose, Section, Status, Table};
use crate::wording::capitalized;

/// What a live response time contains that a simulated one does not.
const OWN_TIME: &str = "A live response time includes the machine's own time; a simulated one does not, unless its profile was \
    calibrated. Timers work in steps of a millisecond: a request leaves up to 2 ms of real time late, 1 ms on average, and \
    an emulated instance is up to 1.5 ms late. Sending, receiving and load balancing take time as well.";

/// Makes the page of a comparison; `runs` are the pairs that `comparison` was made of.
pub fn page(comparison: &RunComparison, runs: &[[&Measurements; 2]], run_again: &str) -> Page {
    let question = comparison.question;
    let title = match question {
        Question::Agreement => "How well does the model agree with live runs?",
        Question::Regression => "Is the new run worse than its baseline?",
    };
    let mut closing = vec![
        "What matters most comes first; what is better counts only if nothing above it got worse. Response times and \
         throughput are those of successful requests. Difference: the second run's value compared with the first, for \
         errors and refusals in percentage points; for instances, their mean distance over time. Sampling noise: what \
         chance alone stays below in 95 of 100 cases, if samples are independent; where it exceeds the tolerance, there \
         are too few samples to tell. All times are scenario time."
            .to_owned(),
    ];
    match question {
        Question::Agreement => closing.push(OWN_TIME.to_owned()),
        Question::Regression => {}
    }
    closing.push(comparison.program.clone());
    let pairs = comparison.sections.iter().zip(runs);
    let sections = pairs.map(|(section, runs)| pair(section, *runs, question));
    Page {
        title: title.to_owned(),
        context: String::new(),
        headline: headline(question, comparison.conclusion, &comparison.sections),
        sections: sections.collect(),
        closing,
        run_again: run_again.to_owned(),
        exit_code: Some(comparison.exit_code),
    }
}

fn pair(section: &PairComparison, runs: [&Measurements; 2], question: Question) -> Section {
    let titles = section.sides.each_ref().map(|side| side.title);
    let title = if section.asks.is_empty() {
        section.scenario.clone()
    } else {
        format!("{}: {}", section.scenario, section.asks)
    };
    let doubts = section.doubts.iter();
    let doubts = doubts.map(|doubt| Prose::warning(format!("Inconclusive: {doubt}.")));
    Section::new(title)
        .with_all(doubts)
        .with_all(section.notes.iter().map(Prose::warning))
        .with(sides(section))
        .with(charts(runs, titles))
        .with(metrics(section, question))
        .with(Prose::new(counts(section, question)))
}

fn sides(section: &PairComparison) -> Table {
    let columns = vec![
        Column::label("Run"),
        Column::label("Folder"),
        Column::label("Engine"),
        Column::number("Buyers"),
        Column::number("Scenario time"),
        Column::number("Real time"),
        Column::number("Seed"),
        Column::prose("Service times"),
    ];
    Table::new(columns).with_rows(section.sides.iter().map(side))
}

fn side(side: &ComparedRun) -> Vec<Cell> {
    let engine = match side.engine {
        Engine::Live => format!("live, speed {}", Number::decimal(side.speed)),
        Engine::Model => "simulated".to_owned(),
    };
    vec![
        Cell::text(capitalized(side.title)),
        Cell::text(&side.name),
        Cell::text(engine),
        Cell::count(side.buyers),
        Cell::number(Number::seconds(side.scenario_seconds)),
        Cell::number(Number::seconds(side.wall_seconds)),
        Cell::text(side.seed.to_string()),
        Cell::text(&side.profile).with_note(&side.profile_source),
    ]
}

fn metrics(section: &PairComparison, question: Question) -> Table {
    let [base, new] = section.sides.each_ref().map(|side| side.title);
    let columns = vec![
        Column::status(),
        Column::label("Metric"),
        Column::number(capitalized(base)),
        Column::number(capitalized(new)),
        Column::number("Difference"),
        Column::number("Noise (95%)"),
        Column::number("Tolerance"),
        Column::label("Verdict"),
        Column::number("Samples"),
    ];
    // What matters most comes first, whether it is an outcome or a metric. The sort is stable.
    let outcomes = section.outcomes.iter();
    let outcomes = outcomes.map(|one| (one.subject.rank(), outcome(one, question)));
    let rows = section.rows.iter();
    let rows = rows.map(|row| (row.measure.rank(), metric(row, section, question)));
    let mut rows: Vec<_> = outcomes.chain(rows).collect();
    rows.sort_by_key(|(rank, _)| *rank);
    Table::new(columns).with_rows(rows.into_iter().map(|(_, cells)| cells))
}

fn outcome(outcome: &Outcome, question: Question) -> Vec<Cell> {
    let status = status(outcome.verdict);
    let mut cells = vec![
        Cell::status(status),
        Cell::text(capitalized(&outcome.name)),
        Cell::text(&outcome.base),
        Cell::text(&outcome.new),
    ];
    cells.extend([const { Cell::empty() }; 3]);
    let verdict = match outcome.verdict {
        RowVerdict::Within => "unchanged",
        other => verdict(other, question),
    };
    cells.push(Cell::text(verdict).colored(status));
    cells.push(Cell::empty());
    cells
}

fn metric(row: &Row, section: &PairComparison, question: Question) -> Vec<Cell> {
    let value = |side: usize| {
        let exact = [row.base, row.new][side].map(|value| in_unit(value, row, section));
        let bound = || Some(in_unit(row.at_least[side]?, row, section).or_more());
        Cell::number(exact.or_else(bound))
    };
    let [difference, tolerance] = told_apart(row);
    let samples = row.samples.map(|[base, new]| {
        let [base, new] = [base, new].map(Number::count);
        format!("{base} / {new}")
    });
    let words = |words: Option<String>| words.map_or(Cell::number(None), Cell::text);
    let status = status(row.verdict);
    vec![
        Cell::status(status),
        Cell::text(capitalized(&row.name)),
        value(0),
        value(1),
        words(difference),
        words(row.scatter.map(|scatter| size(scatter, row))),
        words(tolerance),
        Cell::text(verdict(row.verdict, question)).colored(status),
        words(samples),
    ]
}

/// The difference and the tolerance in words, with as many digits as it takes to tell them apart: a difference that is beyond
/// the tolerance must not look like it.
fn told_apart(row: &Row) -> [Option<String>; 2] {
    let error = row.error.map(f64::abs);
    let [error_shown, bar_shown] =
        [error, row.bar].map(|share| share.map(|share| size(share, row)));
    let shown = match (error, row.bar) {
        (Some(error), Some(bar)) if error_shown == bar_shown => {
            in_points(&percent_apart(error, bar), row)
        }
        _ => error_shown.unwrap_or_default(),
    };
    let signed = row.error.map(|error| match error {
        0.0 => shown,
        error if error < 0.0 => format!("−{shown}"),
        _ => format!("+{shown}"),
    });
    [signed, bar_shown]
}

/// A share of a value in percent, or a difference of two shares in percentage points.
fn size(share: f64, row: &Row) -> String {
    if row.measure.is_in_points() {
        in_points(&significant(share * 100.0), row)
    } else {
        percent(share)
    }
}

fn in_points(percent: &str, row: &Row) -> String {
    if row.measure.is_in_points() {
        format!("{} points", percent.trim_end_matches('%'))
    } else {
        percent.to_owned()
    }
}

fn in_unit(value: f64, row: &Row, section: &PairComparison) -> Number {
    match (row.unit, section.currency) {
        (Unit::PerSecond | Unit::Instances, _) | (Unit::Money, None) => Number::decimal(value),
        (Unit::Seconds, _) => Number::seconds(value),
        (Unit::Share, _) => Number::share(value),
        (Unit::Money, Some(currency)) => Number::money(value, currency),
    }
}

const fn status(verdict: RowVerdict) -> Status {
    match verdict {
        RowVerdict::Within => Status::Pass,
        RowVerdict::Beyond => Status::Fail,
        RowVerdict::Better => Status::Better,
        RowVerdict::Outweighed => Status::Neutral,
        RowVerdict::TooFew | RowVerdict::Incomplete => Status::Unknown,
        RowVerdict::NotJudged => Status::Neutral,
    }
}

const fn verdict(verdict: RowVerdict, question: Question) -> &'static str {
    match (verdict, question) {
        (RowVerdict::Within, _) => "within tolerance",
        (RowVerdict::Beyond, Question::Agreement) => "beyond tolerance",
        (RowVerdict::Beyond, Question::Regression) => "worse",
        (RowVerdict::Better, _) => "better",
        (RowVerdict::Outweighed, _) => "better, but outweighed",
        (RowVerdict::TooFew, _) => "too few samples",
        (RowVerdict::Incomplete, _) => "unknown cost",
        (RowVerdict::NotJudged, _) => "not judged",
    }
}

/// How many metrics each verdict has.
fn counts(section: &PairComparison, question: Question) -> String {
    let all = [
        RowVerdict::Within,
        RowVerdict::Beyond,
        RowVerdict::Better,
        RowVerdict::Outweighed,
        RowVerdict::TooFew,
        RowVerdict::Incomplete,
        RowVerdict::NotJudged,
    ];
    let counted = all.map(|each| (section.count(each), verdict(each, question)));
    let present = counted.into_iter().filter(|(count, _)| *count > 0);
    let words: Vec<_> = present
        .map(|(count, verdict)| format!("{count} {verdict}"))
        .collect();
    format!("Metrics: {}.", words.join(", "))
}
