//! What a comparison shows in each format.

use tiketi_measure::{Engine, Measurements, example};
use tiketi_verdict::agreement::{Bars, Conclusion, Question};

use super::*;
use crate::testing::{assert_self_contained, assert_well_formed, show};
use crate::text::Color;
use crate::{html, json, markdown, text};

fn model_run() -> Measurements {
    let mut run = example::run();
    run.ending.engine = Engine::Model;
    run.ending.generator.workers.clear();
    run
}

fn compared(runs: [&Measurements; 2], question: Question) -> RunComparison {
    let pair = Pair {
        names: ["reports/example", "the same scenario"],
        runs,
    };
    comparison(&[pair, pair], question, &Bars::of(question))
}

#[test]
fn every_format_shows_the_same_verdicts() {
    let (live, model) = (example::run(), model_run());
    let agreement = compared([&live, &model], Question::Agreement);
    assert_eq!(agreement.conclusion, Conclusion::Within);
    assert_eq!(agreement.sections.len(), 2);
    let page = page(&agreement, &[[&live, &model]; 2], "tiketi-sim compare");
    let shown = text::render(&page, Color::Plain, None);
    assert!(shown.contains("✓  Waiting time p50"), "{shown}");
    assert!(shown.contains("too few samples"), "{shown}");
    assert!(
        shown.contains("The model agrees with the live runs: "),
        "{shown}"
    );
    assert!(shown.contains("(exit code 0)"), "{shown}");
    assert!(shown.contains("live, speed 5"), "{shown}");
    let shown = markdown::render(&page);
    assert!(shown.contains("| ✓ | Waiting time p50 |"), "{shown}");
    let read: serde_json::Value = serde_json::from_str(&json(&agreement)).unwrap();
    assert_eq!(read["sections"][0]["rows"][0]["error"], 0.0);
    assert_eq!(read["bars"]["waiting_time"], 0.05);
    let shown = html::render(&page);
    show("agreement.html", &shown);
    assert_eq!(shown.matches("<svg").count(), 8);
    assert_self_contained(&shown);
    assert_well_formed(&shown);
}

#[test]
fn a_regression_counts_what_changed() {
    let (base, new) = (example::run(), example::run());
    let regression = compared([&base, &new], Question::Regression);
    let answer = &regression.answer;
    assert!(
        answer.starts_with("No. 0 metrics got worse, 0 improved, "),
        "{answer}"
    );
    assert!(
        answer.contains(" unchanged (within tolerance)."),
        "{answer}"
    );
}

#[test]
fn a_run_that_cannot_be_trusted_makes_the_comparison_inconclusive() {
    let (mut live, model) = (example::run(), model_run());
    live.ending.failure = Some("the workers died".to_owned());
    let agreement = compared([&live, &model], Question::Agreement);
    assert_eq!(agreement.exit_code, 91);
    let page = page(&agreement, &[[&live, &model]; 2], "tiketi-sim compare");
    let shown = text::render(&page, Color::Plain, None);
    assert!(shown.contains("⚠ Inconclusive: live run: "), "{shown}");
    assert!(shown.contains("the workers died"), "{shown}");
}

#[test]
fn different_scenarios_are_told_by_key() {
    let (live, mut model) = (example::run(), model_run());
    model.plan.clock.speed = 1.0;
    model.plan.topology.instances.profile.name = "calibrated".to_owned();
    let notes = |model: &Measurements| {
        let compared = compared([&live, model], Question::Agreement);
        compared.sections[0].notes.clone()
    };
    assert!(notes(&model).is_empty());
    let before = model.plan.waiting_room.active_max;
    model.plan.waiting_room.active_max += 1;
    model.plan.faults.clear();
    let told = format!(
        "Different scenarios: faults differs; waiting_room.active_max {before} → {}.",
        before + 1
    );
    assert_eq!(notes(&model), [told]);
}
