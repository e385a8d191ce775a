//! The comparison as a table: aligned for the terminal, and as Markdown.

use std::fmt::Write as _;
use std::time::Duration;

use super::document::{Comparison, Section, Side};
use crate::words;
use tiketi_measure::Engine;
use tiketi_verdict::agreement::{Row, RowVerdict, Unit};
use tiketi_verdict::figure::{grouped, in_words, percent};

/// Renders the table for the terminal.
pub(super) fn text(comparison: &Comparison) -> String {
    let mut text = String::new();
    for section in &comparison.sections {
        put(&mut text, &format!("█ {}", title(section)));
        for line in preface(section) {
            put(&mut text, &format!("  {line}"));
        }
        let [base, new] = section.sides.each_ref().map(|side| side.title);
        put(
            &mut text,
            &format!(
                "    {:<42}{base:>12}{new:>12}{:>10}{:>10}{:>8}  {:<16}samples",
                "", "error", "chance", "bar", ""
            ),
        );
        for row in &section.rows {
            put(&mut text, &text_row(row, section));
        }
        put(&mut text, &format!("  {}\n", counts(section)));
    }
    put(
        &mut text,
        &format!(
            "█ {} (exit code {})",
            comparison.answer, comparison.exit_code
        ),
    );
    text
}

fn text_row(row: &Row, section: &Section) -> String {
    let cells = Cells::of(row, section);
    format!(
        "  {} {:<42}{:>12}{:>12}{:>10}{:>10}{:>8}  {:<16}{}",
        cells.mark,
        row.name,
        cells.base,
        cells.new,
        cells.error,
        cells.scatter,
        cells.bar,
        cells.verdict,
        cells.samples
    )
}

/// Renders the comparison as Markdown.
pub(super) fn markdown(comparison: &Comparison) -> String {
    let mut text = String::new();
    put(&mut text, "# Comparison of runs\n");
    put(&mut text, &format!("**{}**\n", comparison.answer));
    put(&mut text, &format!("{}\n", how_to_read()));
    for section in &comparison.sections {
        put(&mut text, &format!("## {}\n", title(section)));
        for line in preface(section) {
            put(&mut text, &format!("- {line}"));
        }
        let [base, new] = section.sides.each_ref().map(|side| side.title);
        put(
            &mut text,
            &format!("\n| | figure | {base} | {new} | error | chance | bar | verdict | samples |"),
        );
        put(&mut text, "|---|---|--:|--:|--:|--:|--:|---|--:|");
        for row in &section.rows {
            put(&mut text, &markdown_row(row, section));
        }
        put(&mut text, &format!("\n{}\n", counts(section)));
    }
    text
}

fn markdown_row(row: &Row, section: &Section) -> String {
    let cells = Cells::of(row, section);
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        cells.mark,
        row.name,
        cells.base,
        cells.new,
        cells.error,
        cells.scatter,
        cells.bar,
        cells.verdict,
        cells.samples
    )
}

/// What the columns mean.
pub(super) const fn how_to_read() -> &'static str {
    "Error: second minus first, as a part of the first; of instances their mean distance over time. Chance: what sampling \
     alone stays below in 95 of 100 cases, if samples are independent; where it is more than the bar there are too few to \
     say. All times are scenario time."
}

/// One row in words.
pub(super) struct Cells {
    pub(super) mark: &'static str,
    pub(super) base: String,
    pub(super) new: String,
    pub(super) error: String,
    pub(super) scatter: String,
    pub(super) bar: String,
    pub(super) verdict: &'static str,
    pub(super) samples: String,
}

impl Cells {
    /// Puts a row into words.
    pub(super) fn of(row: &Row, section: &Section) -> Self {
        let figure = |figure: Option<f64>| {
            figure.map_or_else(|| "-".to_owned(), |figure| in_unit(figure, row, section))
        };
        let part = |share: Option<f64>| {
            share.map_or_else(|| "-".to_owned(), |share| format!("{:.1}%", share * 100.0))
        };
        let error = row
            .error
            .map(|error| format!("{:+.1}%", error * 100.0 + 0.0));
        Self {
            mark: mark(row.verdict),
            base: figure(row.base),
            new: figure(row.new),
            error: error.unwrap_or_else(|| "-".to_owned()),
            scatter: part(row.scatter),
            bar: part(row.bar),
            verdict: verdict(row.verdict),
            samples: row.samples.map_or_else(String::new, |[base, new]| {
                format!("{} / {}", grouped(base), grouped(new))
            }),
        }
    }
}

fn in_unit(figure: f64, row: &Row, section: &Section) -> String {
    match (row.unit, section.currency) {
        (Unit::PerSecond | Unit::Instances, _) | (Unit::Money, None) => format!("{figure:.2}"),
        (Unit::Seconds, _) => in_words(Duration::from_secs_f64(figure)),
        (Unit::Share, _) => percent(figure),
        (Unit::Money, Some(currency)) => words::money(figure, currency),
    }
}

const fn mark(verdict: RowVerdict) -> &'static str {
    match verdict {
        RowVerdict::Within => "✓",
        RowVerdict::Beyond => "✗",
        RowVerdict::Better => "+",
        RowVerdict::TooFew => "?",
        RowVerdict::NotJudged => " ",
    }
}

const fn verdict(verdict: RowVerdict) -> &'static str {
    match verdict {
        RowVerdict::Within => "within",
        RowVerdict::Beyond => "BEYOND",
        RowVerdict::Better => "better",
        RowVerdict::TooFew => "too few to say",
        RowVerdict::NotJudged => "not judged",
    }
}

/// The heading of a section.
pub(super) fn title(section: &Section) -> String {
    if section.asks.is_empty() {
        section.scenario.clone()
    } else {
        format!("{}: {}", section.scenario, section.asks)
    }
}

/// Both runs, what to know, and what is in doubt.
pub(super) fn preface(section: &Section) -> Vec<String> {
    let sides = section.sides.iter().map(side);
    let notes = section.notes.iter().map(|note| format!("note: {note}"));
    let doubts = section
        .doubts
        .iter()
        .map(|doubt| format!("INCONCLUSIVE: {doubt}"));
    sides.chain(notes).chain(doubts).collect()
}

fn side(side: &Side) -> String {
    let time = in_words(Duration::from_secs_f64(side.scenario_seconds));
    let wall = in_words(Duration::from_secs_f64(side.wall_seconds));
    let engine = match side.engine {
        Engine::Live => format!("live at speed {}", side.speed),
        Engine::Model => "model".to_owned(),
    };
    format!(
        "{}: {} ({engine}; {} buyers, {time} in {wall} of wall time; seed {}; profile {}: {})",
        side.title,
        side.name,
        grouped(side.buyers),
        side.seed,
        side.profile,
        side.profile_source
    )
}

/// How many rows each verdict has.
pub(super) fn counts(section: &Section) -> String {
    let counted = [
        (RowVerdict::Within, "within"),
        (RowVerdict::Beyond, "beyond"),
        (RowVerdict::Better, "better"),
        (RowVerdict::TooFew, "too few to say"),
        (RowVerdict::NotJudged, "not judged"),
    ];
    let counted = counted.map(|(verdict, name)| format!("{} {name}", section.count(verdict)));
    counted.join(", ")
}

fn put(text: &mut String, line: &str) {
    writeln!(text, "{}", line.trim_end_matches(' ')).expect("a String takes everything");
}
