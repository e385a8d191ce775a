//! What the report of a run shows in each format.

use std::time::Duration;

use tiketi_measure::{Engine, Measurements, example};
use tiketi_verdict::judge;

use super::{Document, document, page};
use crate::testing::{assert_self_contained, assert_snapshot, assert_well_formed, show};
use crate::text::Color;
use crate::{html, json, markdown, text};

const RUN_AGAIN: &str = "tiketi-sim run scenarios/example.toml --seed 7";

fn report(run: &Measurements) -> Document {
    document(run, judge(run), RUN_AGAIN)
}

#[test]
fn terminal_summary_is_as_kept() {
    let run = example::run();
    let page = page(&report(&run), &run);
    assert_snapshot("summary.txt", &text::render(&page, Color::Plain, None));
}

#[test]
fn markdown_is_as_kept() {
    let run = example::run();
    assert_snapshot("summary.md", &markdown::render(&page(&report(&run), &run)));
}

#[test]
fn json_is_as_kept() {
    assert_snapshot("summary.json", &json(&report(&example::run())));
}

#[test]
fn html_page_is_well_formed_and_self_contained() {
    let run = example::run();
    let shown = html::render(&page(&report(&run), &run));
    show("report.html", &shown);
    assert_self_contained(&shown);
    assert_well_formed(&shown);
    assert_eq!(shown.matches("<svg").count(), 6);
}

#[test]
fn a_simulated_run_says_so_and_has_no_load_generator() {
    let mut run = example::run();
    run.ending.engine = Engine::Model;
    run.ending.generator.workers.clear();
    run.ending.wall = Duration::from_millis(500);
    let document = report(&run);
    let page = page(&document, &run);
    let shown = text::render(&page, Color::Plain, None);
    assert!(
        shown.contains("10m00s of scenario time simulated in 500ms (1,200× real time)"),
        "{shown}"
    );
    assert!(!shown.contains("Load worker"), "{shown}");
    assert!(json(&document).contains("\"engine\": \"model\""));
    let shown = html::render(&page);
    assert!(shown.contains("no traffic was sent"));
    assert!(!shown.contains("on loopback addresses"));
    assert_well_formed(&shown);
}

#[test]
fn terminal_summary_ends_with_the_answer_and_how_to_run_again() {
    let run = example::run();
    let page = page(&report(&run), &run);
    let shown = text::render(&page, Color::Plain, Some("reports/example"));
    let end = format!("  report: reports/example\n  run again: {RUN_AGAIN}\n");
    assert!(shown.ends_with(&end), "{shown}");
    let (_, closing) = shown.rsplit_once("█ ").expect("there is an answer");
    assert!(
        closing.starts_with("No. 2.54% of requests failed"),
        "{closing}"
    );
    assert!(!shown.contains('\u{1b}'));
    assert!(text::render(&page, Color::Ansi, None).contains("\u{1b}[31m✗\u{1b}[0m"));
}
