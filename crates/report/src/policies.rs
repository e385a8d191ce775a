//! What scaling policies do once the queue has passed its threshold: a table as Markdown, and a page with a chart.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::html::STYLE;
use super::policy_chart;
use tiketi_cloud::policy_timeline::{PolicyTimeline, Spread, naive};

const QUESTION: &str =
    "How many instances are of use, minutes after the queue has passed its threshold?";

/// Minutes after the crossing that the table shows.
const SHOWN: [u64; 5] = [0, 2, 5, 10, 15];

/// What the figures mean, and what is not in them.
const NOTES: [&str; 4] = [
    "Time begins when the queue passes the threshold; sizes are medians over the seeds, with least and most in \
     parentheses where they differ. Each seed draws the phases of the Lambda and of the alarm, the boot of each \
     instance, and how late scheduled actions are.",
    "Of use is an instance that has passed its first health check and gets requests. In service, in AWS's sense, it is \
     minutes earlier: as soon as its machine runs and is registered, unless a launch hook holds it back.",
    "The queue stays above the threshold throughout: what more instances do to it is not simulated here, nor are buyers \
     and servers. These delays are the control plane's own, and no tuning of the application removes them.",
    "Naive is not AWS: two instances more every minute from the first second, each of use at once.",
];

/// Renders the answer and the table as Markdown.
pub fn markdown(policies: &[PolicyTimeline], run_again: &str) -> String {
    let mut text = format!("{}\n\n", answer(policies));
    let mut line = |cells: &[String]| {
        writeln!(text, "| {} |", cells.join(" | ")).expect("writing to a string cannot fail");
    };
    let head = head();
    line(&head);
    line(&vec!["---".to_owned(); head.len()]);
    for row in rows(policies) {
        line(&row);
    }
    for note in NOTES {
        write!(text, "\n{note}\n").expect("writing to a string cannot fail");
    }
    write!(text, "\nRun again: `{run_again}`\n").expect("writing to a string cannot fail");
    text
}

/// Renders answer, chart, and table as one self-contained page.
pub fn page(policies: &[PolicyTimeline], run_again: &str) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Scaling policies · tiketi-sim" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        p.eyebrow { "Control plane · " (seeds(policies)) " seeds" }
                        h1 { (QUESTION) }
                        p.answer.good { (answer(policies)) }
                    }
                    section {
                        h2 { "Over fifteen minutes" }
                        (legend())
                        (PreEscaped(policy_chart::svg(policies)))
                    }
                    section { h2 { "In figures" } (table(policies)) }
                    section {
                        h2 { "How to read this" }
                        @for note in NOTES { p { (note) } }
                    }
                    footer { p.muted { "Run again: " code { (run_again) } } }
                }
            }
        }
    };
    page.into_string()
}

/// The sizes after five and after ten minutes, the largest first.
fn answer(policies: &[PolicyTimeline]) -> String {
    let after = |minutes: u64| {
        let mut by_size: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        for policy in policies {
            let size = policy.useful(Duration::from_secs(minutes * 60)).median;
            by_size.entry(size).or_default().push(&policy.name);
        }
        let parts = by_size.into_iter().rev();
        let parts = parts.map(|(size, names)| format!("{size} with {}", joined(&names)));
        parts.collect::<Vec<_>>().join("; ")
    };
    format!(
        "Five minutes after the queue has passed its threshold, instances of use: {}. After ten minutes: {} (medians of {} \
         seeds).",
        after(5),
        after(10),
        seeds(policies)
    )
}

/// Names in quotes, as they have commas of their own.
fn joined(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}

fn seeds(policies: &[PolicyTimeline]) -> usize {
    policies.first().map_or(0, PolicyTimeline::seeds)
}

fn head() -> Vec<String> {
    let mut head = vec!["policy".to_owned(), "first grows after".to_owned()];
    head.push("wants most after".to_owned());
    head.extend(SHOWN.map(|minutes| format!("of use after {minutes} min")));
    head.push("in service after 10 min".to_owned());
    head
}

/// A row a policy, and one for the fleet that AWS does not give.
fn rows(policies: &[PolicyTimeline]) -> Vec<Vec<String>> {
    let mut rows: Vec<_> = policies.iter().map(row).collect();
    let most = policies.iter().map(|policy| policy.fleet_max).max();
    let most = most.unwrap_or_default();
    let at = |minutes: u64| naive(Duration::from_secs(minutes * 60), most).to_string();
    let mut reference = vec!["naive (not AWS)".to_owned(), "0.0 min".to_owned()];
    let full = (0..60).find(|minutes| naive(Duration::from_secs(minutes * 60), most) == most);
    reference.push(full.map_or_else(|| "never".to_owned(), |minutes| format!("{minutes}.0 min")));
    reference.extend(SHOWN.map(at));
    reference.push(at(10));
    rows.push(reference);
    rows
}

fn row(policy: &PolicyTimeline) -> Vec<String> {
    let mut row = vec![
        policy.name.clone(),
        times(policy.grows()),
        times(policy.wants(policy.fleet_max)),
    ];
    let useful = |minutes: u64| sizes(policy.useful(Duration::from_secs(minutes * 60)));
    row.extend(SHOWN.map(useful));
    row.push(sizes(policy.in_service(Duration::from_secs(600))));
    row
}

fn sizes(spread: Spread<u32>) -> String {
    let Spread { min, median, max } = spread;
    if min == max {
        median.to_string()
    } else {
        format!("{median} ({min} to {max})")
    }
}

fn times(spread: Option<Spread<Duration>>) -> String {
    let Some(Spread { min, median, max }) = spread else {
        return "not in every seed".to_owned();
    };
    if max == Duration::ZERO {
        return "before".to_owned();
    }
    let minutes = |time: Duration| time.as_secs_f64() / 60.0;
    format!(
        "{:.1} min ({:.1} to {:.1})",
        minutes(median),
        minutes(min),
        minutes(max)
    )
}

fn table(policies: &[PolicyTimeline]) -> Markup {
    html! {
        div.wide {
            table {
                thead { tr { @for cell in head() { th { (cell) } } } }
                tbody {
                    @for row in rows(policies) {
                        tr { @for cell in row { td { (cell) } } }
                    }
                }
            }
        }
    }
}

fn legend() -> Markup {
    let entries = [
        ("--line-1", "of use: median, and the range of all seeds"),
        ("--line-2", "wanted: median"),
        ("--mark", "naive, not AWS"),
    ];
    html! {
        p.muted {
            "Instances over minutes. "
            @for (color, name) in entries {
                span style=(format!("color: var({color})")) { "■ " } (name) " "
            }
        }
    }
}
