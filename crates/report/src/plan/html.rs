//! `plan.html`: one self-contained page, the question and its answer first.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::PlanDocument;
use super::charts;
use super::tables::Table;
use crate::chart::{Chart, bars};
use tiketi_capacity::findings::{Answer, Break};

/// Looks of the page, those of the report of a run.
const STYLE: &str = include_str!("../report.css");

/// Renders the page.
pub fn render(document: &PlanDocument) -> String {
    let findings = &document.findings;
    let verdict = if document.found { "good" } else { "bad" };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (findings.name) " · tiketi-sim" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        p.eyebrow { "Plan " (findings.name) " · scenario " (findings.scenario) " · model" }
                        h1 {
                            @if findings.asked.is_empty() { (findings.name) }
                            @else { (findings.asked) }
                        }
                        p.answer.(verdict) { (document.answer) }
                    }
                    section {
                        h2 { "What stands behind it" }
                        ul { @for fact in &document.facts { li { (fact) } } }
                    }
                    (figures(&findings.answer))
                    @for one in &document.tables { (table(one)) }
                    (footer(document))
                }
            }
        }
    };
    page.into_string()
}

fn figures(answer: &Answer) -> Markup {
    html! {
        @match answer {
            Answer::LargestCrowd(found) => {
                section {
                    h2 { "What a crowd waits and costs" }
                    p.muted { "Means over the runs with the seeds of the search." }
                    (figure(&charts::waiting(found)))
                    (figure(&charts::cost(found)))
                }
                @if let Some(breaks) = &found.breaks { (what_breaks(breaks)) }
            }
            Answer::CheapestSetup(found) => {
                section {
                    h2 { "Cost against waiting time" }
                    p.muted { "Set-ups of which every run of the search held." }
                    (figure(&charts::frontier(found)))
                }
            }
            Answer::Compare(_) => {}
        }
    }
}

fn what_breaks(breaks: &Break) -> Markup {
    html! {
        section {
            h2 { "What breaks first" }
            p.muted { "Runs that missed each objective, of " (breaks.runs) " at the first crowd that does not hold." }
            figure { (PreEscaped(bars("Runs that missed each objective", &charts::missed(&breaks.counts)))) }
        }
    }
}

fn figure(chart: &Chart) -> Markup {
    html! {
        figure {
            figcaption {
                strong { (chart.title) }
                @for (index, line) in chart.lines.iter().enumerate() {
                    span.key { i.{ "line-" (index + 1) } {} (line.name) }
                }
            }
            @if chart.is_empty() { p.muted { "nothing was measured" } }
            @else { (PreEscaped(chart.svg())) }
        }
    }
}

fn table(table: &Table) -> Markup {
    html! {
        section {
            h2 { (table.title) }
            p.muted { (table.note) }
            div.wide {
                table {
                    thead { tr { @for head in &table.head { th { (head) } } } }
                    tbody {
                        @for row in &table.rows {
                            tr { @for cell in row { td { (cell) } } }
                        }
                    }
                }
            }
        }
    }
}

fn footer(document: &PlanDocument) -> Markup {
    let search = &document.findings.search;
    html! {
        footer {
            @for assumption in &document.assumptions {
                p { span.tag { "assumption" } " " (assumption) }
            }
            p.muted {
                "Seeds of the search, drawn from " (search.seed) ": "
                @for (index, seed) in document.findings.seeds.iter().enumerate() {
                    @if index > 0 { ", " }
                    (seed)
                }
                "."
            }
            p { "Run again: " code { (document.run_again) } }
            p.muted { (document.findings.program) " · exit code " (document.exit_code) }
        }
    }
}
