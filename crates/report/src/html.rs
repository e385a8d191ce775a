//! `report.html`: one self-contained page, the question and its answer first.

use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart::{Bar, Chart, bars};
use super::document::{CallRow, Document, Statistics};
use super::{figures, html_cost, html_data_tier, words};
use tiketi_measure::{Engine, Measurements};
use tiketi_verdict::audit::Finding;
use tiketi_verdict::figure::{grouped, in_words, percent};
use tiketi_verdict::targets::{BoundSource, Reached, TargetVerdict};

/// Looks of the page; no file, font or script beside it.
pub(super) const STYLE: &str = include_str!("report.css");

/// Renders the page.
pub fn render(document: &Document, run: &Measurements) -> String {
    let title = format!("{} · tiketi-sim", document.run.scenario);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (header(document))
                    (cards(document))
                    (gates(document))
                    (over_time(run))
                    (recovery(document, run))
                    (html_data_tier::data_tier(document))
                    (funnel(document))
                    (latency(document, run))
                    (html_cost::cost(document))
                    (promises(document))
                    (targets(document))
                    (footer(document, run))
                }
            }
        }
    };
    page.into_string()
}

fn header(document: &Document) -> Markup {
    let verdict = if document.ok { "good" } else { "bad" };
    html! {
        header {
            p.eyebrow {
                "Scenario " (document.run.scenario) " · " (words::engine(document.run.engine))
                @if let Some(tier) = document.run.data_tier { " · data tier: " (words::data_tier(tier)) }
                " · " (document.run.began)
            }
            h1 {
                @if document.run.question.is_empty() { (document.run.scenario) }
                @else { (document.run.question) }
            }
            p.answer.(verdict) { (document.answer) }
            p.muted { (words::both_times(&document.run)) ". All times below are scenario time." }
        }
    }
}

fn cards(document: &Document) -> Markup {
    let all = document.calls.last();
    let p99 = all.and_then(|row| row.response_time.p99);
    let failed = all.map_or(0, |row| row.failed);
    let paid = document.funnel.last().map_or(0, |step| step.buyers);
    let card = |name: &str, value: String, more: String| {
        html! {
            div.card { p.name { (name) } p.value { (value) } p.muted { (more) } }
        }
    };
    html! {
        section.cards aria-label="Key figures" {
            (card("Buyers", grouped(document.arrivals.started), format!("{} paid", grouped(paid))))
            (card("Response time p(99)", seconds(p99), "what buyers waited".to_owned()))
            (card("Failed calls", grouped(failed), format!("of {}", grouped(all.map_or(0, |row| row.calls)))))
            (card("Sockets at once", grouped(document.sockets.peak), format!("{} lost on the way", grouped(document.sockets.counts.lost))))
            (card("Calls a second", rounded(document.calls_per_second), format!("{} useful", rounded(document.useful_calls_per_second))))
            @if let Some(statement) = &document.cost {
                @let money = |amount| words::money(amount, statement.currency);
                @let each = statement.per_thousand_buyers.map_or_else(|| "no buyers".to_owned(), money);
                (card("Cost of this on-sale", money(statement.run.total), format!("{each} for each 1,000 buyers")))
            }
        }
    }
}

fn gates(document: &Document) -> Markup {
    html! {
        section {
            h2 { "Gates" }
            p.muted { "Objectives of the scenario. Each decides whether the run passes; without samples a gate fails." }
            table {
                thead { tr { th { "" } th { "Metric" } th { "Must be" } th.number { "Measured" } } }
                tbody {
                    @for gate in &document.verdicts.gates {
                        tr {
                            td { (mark(Some(gate.passed))) }
                            td { code { (gate.metric) } }
                            td { code { (gate.condition) } }
                            td.number {
                                @if let Some(figure) = &gate.measured { (figure) }
                                @else { (gate.reason.as_deref().unwrap_or("nothing measured")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn over_time(run: &Measurements) -> Markup {
    html! {
        section {
            h2 { "Over time" }
            p.muted {
                "Shaded: a fault lasts. Vertical lines: alarms, changes of the fleet's desired size, the fault and its healing."
            }
            (figure(&figures::queue(run)))
            (figure(&figures::instances(run)))
            (figure(&figures::throughput(run)))
            (figure(&figures::sockets(run)))
            (figure(&figures::latency(run)))
        }
    }
}

/// One chart with its legend.
pub(super) fn figure(chart: &Chart) -> Markup {
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

fn recovery(document: &Document, run: &Measurements) -> Markup {
    let recoveries = &document.verdicts.recoveries;
    let scaling = &document.verdicts.scaling;
    html! {
        @if !recoveries.is_empty() || !scaling.is_empty() {
            section {
                h2 { "Recovery and scaling" }
                @for recovery in recoveries {
                    h3 { (recovery.fault()) " at " (in_words(recovery.struck_at.since_start())) }
                    table {
                        tbody {
                            @for (name, told) in words::recovery(recovery) {
                                tr { td { (name) } td { (told) } }
                            }
                        }
                    }
                }
                @if !recoveries.is_empty() {
                    p.muted {
                        "Successful work is back when, over 5 s, the part of successful calls is at least 95 % of what it was in the "
                        "minute before the fault, their number a second at least 95 % of what it was then (or of what was due, if "
                        "that was less; answers may be 5 s late), and both stay there."
                    }
                }
                @if !scaling.is_empty() {
                    h3 { "Scaling actions" }
                    ul { @for action in scaling { li { (words::scaling(action)) } } }
                }
                (timeline(document, run))
            }
        }
    }
}

fn timeline(document: &Document, run: &Measurements) -> Markup {
    html! {
        h3 { "What happened" }
        table {
            tbody {
                @for line in &document.highlights {
                    tr {
                        td.number.when { (in_words(Duration::from_secs_f64(line.at_seconds))) }
                        td { (line.told) }
                    }
                }
            }
        }
        details {
            summary { "Everything the control plane announced" }
            table {
                tbody {
                    @for notice in &run.timeline {
                        tr {
                            td.number.when { (in_words(notice.at.since_start())) }
                            td { (words::notice(&notice.what, &run.plan.topology)) }
                        }
                    }
                }
            }
        }
    }
}

fn funnel(document: &Document) -> Markup {
    let steps: Vec<_> = document
        .funnel
        .iter()
        .map(|step| bar(words::stage(step.stage), step.buyers, step.share))
        .collect();
    html! {
        section {
            h2 { "How far buyers came" }
            figure { (PreEscaped(bars("Buyers who reached each stage", &steps))) }
            h3 { "Why journeys ended" }
            table {
                tbody {
                    @for left in &document.left {
                        tr { td { (words::reason(left.reason)) } td.number { (grouped(left.buyers)) } }
                    }
                }
            }
        }
    }
}

fn bar(name: &str, value: u64, share: Option<f64>) -> Bar {
    let share = share.map_or_else(String::new, |share| format!(" ({})", percent(share)));
    #[expect(clippy::cast_precision_loss, reason = "the length of a bar")]
    let length = value as f64;
    Bar {
        name: name.to_owned(),
        value: length,
        label: format!("{}{share}", grouped(value)),
    }
}

fn latency(document: &Document, run: &Measurements) -> Markup {
    html! {
        section {
            h2 { "Latency" }
            p.muted {
                "Response time counts from the instant a call should have left (what the buyer waited), service time from "
                "the instant it did. Failed calls are included. Judged after a warm-up of "
                (in_words(run.plan.clock.warmup)) "."
            }
            (figure(&figures::percentiles(run)))
            div.wide {
                table {
                    thead {
                        tr {
                            th { "Response time" }
                            @for name in ["calls", "failed", "p(50)", "p(90)", "p(95)", "p(99)", "p(99.9)", "max"] {
                                th.number { (name) }
                            }
                        }
                    }
                    tbody {
                        @for row in &document.calls { (call_row(row)) }
                        @for metric in document.metrics.iter().filter(|metric| metric.statistics.count > 0) {
                            tr.other {
                                td { code { (metric.name) } }
                                td.number { (grouped(metric.statistics.count)) }
                                td {}
                                (percentile_cells(&metric.statistics))
                            }
                        }
                    }
                }
            }
            @if !document.errors.is_empty() {
                h3 { "Failed calls by kind" }
                table {
                    tbody {
                        @for error in &document.errors {
                            tr {
                                td { code { (error.operation.name()) } }
                                td { (error.kind) }
                                td.number { (grouped(error.calls)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn call_row(row: &CallRow) -> Markup {
    html! {
        tr {
            td { code { (row.operation) } }
            td.number { (grouped(row.calls)) }
            td.number { (grouped(row.failed)) }
            (percentile_cells(&row.response_time))
        }
    }
}

fn percentile_cells(statistics: &Statistics) -> Markup {
    let cells = [
        statistics.p50,
        statistics.p90,
        statistics.p95,
        statistics.p99,
        statistics.p99_9,
        statistics.max,
    ];
    html! { @for cell in cells { td.number { (seconds(cell)) } } }
}

fn promises(document: &Document) -> Markup {
    html! {
        section {
            h2 { "Promises of the system" }
            table {
                tbody {
                    @for audit in &document.verdicts.audits {
                        @let (held, verdict, evidence) = finding(&audit.finding);
                        tr {
                            td { (mark(held)) }
                            td { (audit.audit.name()) }
                            td { strong { (verdict) } ": " (evidence) }
                        }
                    }
                }
            }
            h2 { "Validity of the measurement" }
            p.muted {
                @if let Some(told) = words::no_generator(document.run.engine) {
                    "If one of these fails, buyers got lost on the way and the run is inconclusive. In " (told) "."
                } @else {
                    "If one of these fails, the load generator and not the system may have set the pace: the run is inconclusive."
                }
            }
            table {
                tbody {
                    @for check in &document.verdicts.validity {
                        tr { td { (mark(Some(check.ok))) } td { (check.name) } td { (check.evidence) } }
                    }
                }
            }
        }
    }
}

fn finding(finding: &Finding) -> (Option<bool>, &'static str, &str) {
    match finding {
        Finding::Held { evidence } => (Some(true), "held", evidence),
        Finding::Violated { evidence } => (Some(false), "violated", evidence),
        Finding::CouldNotCheck { reason } => (None, "could not check", reason),
    }
}

fn targets(document: &Document) -> Markup {
    let exercised = |target: &&TargetVerdict| target.verdict != Reached::NotExercised;
    let (shown, others): (Vec<_>, Vec<_>) = document.verdicts.targets.iter().partition(exercised);
    html! {
        section {
            h2 { "Documented targets" }
            p.muted {
                "What the architecture documents claim, and what this run measured of it. ✓ as documented · ~ as documented as "
                "far as it was measured · ✗ not as documented."
            }
            table {
                thead { tr { th { "" } th { "Row" } th { "Documented" } th { "Measured" } } }
                tbody {
                    @for target in &shown {
                        tr {
                            td { (reached(target.verdict)) }
                            td { (target.id) br; span.muted { (target.system) } }
                            td { (target.documented) }
                            td { (target.measured) (bound(target)) }
                        }
                    }
                }
            }
            details {
                summary { (others.len()) " claims that this run does not exercise" }
                table {
                    tbody {
                        @for target in &others {
                            tr {
                                td { (target.id) br; span.muted { (target.system) } }
                                td { (target.documented) }
                                td.muted { (target.measured) br; "To check it: " (target.check) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn bound(target: &TargetVerdict) -> Markup {
    let Some(bound) = &target.bound else {
        return html! {};
    };
    let source = match bound.source {
        BoundSource::Documented => "documented",
        BoundSource::Assumption => "assumption",
    };
    let limits = match (target.low, target.high) {
        (Some(low), Some(high)) => format!("{low} to {high}: "),
        (Some(low), None) => format!("at least {low}: "),
        (None, Some(high)) => format!("at most {high}: "),
        (None, None) => String::new(),
    };
    html! { br; span.muted { span.tag { (source) } " " (limits) (bound.reads) } }
}

fn footer(document: &Document, run: &Measurements) -> Markup {
    let figures = match document.run.engine {
        Engine::Live => "measured in this run",
        Engine::Model => "computed by the model",
    };
    html! {
        footer {
            p { (words::emulation(run)) " Figures on this page are " (figures) " unless they say otherwise." }
            p { "Run again: " code { (document.run.run_again) } }
            p.muted { (document.program) " · exit code " (document.exit_code) }
        }
    }
}

fn reached(verdict: Reached) -> Markup {
    match verdict {
        Reached::Met => mark(Some(true)),
        Reached::PartlyMet => html! { span.mark.unknown title="met in part" { "~" } },
        Reached::Missed => mark(Some(false)),
        Reached::NotExercised => mark(None),
    }
}

/// The mark of what held, did not, or is unknown.
pub(super) fn mark(held: Option<bool>) -> Markup {
    match held {
        Some(true) => html! { span.mark.good title="good" { "✓" } },
        Some(false) => html! { span.mark.bad title="bad" { "✗" } },
        None => html! { span.mark.unknown title="unknown" { "?" } },
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "calls a second are not negative and far below 2^64"
)]
fn rounded(rate: f64) -> String {
    grouped(rate.round() as u64)
}

fn seconds(figure: Option<f64>) -> String {
    figure.map_or_else(
        || "–".to_owned(),
        |seconds| in_words(Duration::from_secs_f64(seconds)),
    )
}
