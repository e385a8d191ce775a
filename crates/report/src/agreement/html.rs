//! `agreement.html`: one self-contained page.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::charts::charts;
use super::document::{Comparison, Section};
use super::table::{Cells, counts, how_to_read, preface, title};
use crate::html::{STYLE, figure, mark};
use tiketi_measure::Measurements;
use tiketi_verdict::agreement::{Conclusion, Question, RowVerdict};

/// Renders the page.
pub(super) fn render(comparison: &Comparison, runs: &[[&Measurements; 2]]) -> String {
    let heading = match comparison.question {
        Question::Agreement => "How far does the model agree with live runs?",
        Question::Regression => "Is the new run worse than its baseline?",
    };
    let class = match comparison.conclusion {
        Conclusion::Within => "good",
        Conclusion::Beyond | Conclusion::Inconclusive => "bad",
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (heading) " · tiketi-sim" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        h1 { (heading) }
                        p.answer.(class) { (comparison.answer) }
                        p.muted { (how_to_read()) }
                    }
                    @for (section, runs) in comparison.sections.iter().zip(runs) {
                        (pair(section, *runs))
                    }
                    footer {
                        p.muted { (comparison.program) " · exit code " (comparison.exit_code) }
                    }
                }
            }
        }
    };
    page.into_string()
}

fn pair(section: &Section, runs: [&Measurements; 2]) -> Markup {
    let titles = section.sides.each_ref().map(|side| side.title);
    html! {
        section {
            h2 { (title(section)) }
            ul { @for line in preface(section) { li { (line) } } }
            @for chart in charts(runs, titles) { (figure(&chart)) }
            div.wide { (table(section)) }
            p.muted { (counts(section)) }
        }
    }
}

fn table(section: &Section) -> Markup {
    let [base, new] = section.sides.each_ref().map(|side| side.title);
    html! {
        table {
            thead {
                tr {
                    th { "" } th { "Figure" }
                    @for name in [base, new, "error", "chance", "bar"] { th.number { (name) } }
                    th { "verdict" } th.number { "samples" }
                }
            }
            tbody {
                @for row in &section.rows {
                    @let cells = Cells::of(row, section);
                    tr {
                        td { (verdict_mark(row.verdict)) }
                        td { (row.name) }
                        td.number { (cells.base) }
                        td.number { (cells.new) }
                        td.number { (cells.error) }
                        td.number { (cells.scatter) }
                        td.number { (cells.bar) }
                        td { (cells.verdict) }
                        td.number { (cells.samples) }
                    }
                }
            }
        }
    }
}

fn verdict_mark(verdict: RowVerdict) -> Markup {
    match verdict {
        RowVerdict::Within | RowVerdict::Better => mark(Some(true)),
        RowVerdict::Beyond => mark(Some(false)),
        RowVerdict::TooFew => mark(None),
        RowVerdict::NotJudged => html! {},
    }
}
