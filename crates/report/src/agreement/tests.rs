//! What a comparison shows in each form.

use super::*;
use tiketi_measure::{Engine, example};
use tiketi_verdict::agreement::{Bars, Conclusion, Question};

fn model_run() -> Measurements {
    let mut run = example::run();
    run.ending.engine = Engine::Model;
    run.ending.generator.workers.clear();
    run
}

fn agreement(runs: [&Measurements; 2]) -> Comparison {
    let pair = Pair {
        names: ["reports/example", "model"],
        runs,
    };
    comparison(&[pair, pair], Question::Agreement, &Bars::default())
}

#[test]
fn every_form_tells_the_same_verdicts() {
    let (live, model) = (example::run(), model_run());
    let agreement = agreement([&live, &model]);
    assert_eq!(agreement.conclusion, Conclusion::Within);
    assert_eq!(agreement.sections.len(), 2);
    let shown = text(&agreement);
    assert!(shown.contains("✓ waiting time p50"), "{shown}");
    assert!(shown.contains("too few to say"), "{shown}");
    assert!(shown.trim_end().ends_with("(exit code 0)"), "{shown}");
    assert!(shown.contains("live: reports/example (live at speed 5; 2,000 buyers"));
    let shown = markdown(&agreement);
    assert!(shown.contains("| ✓ | waiting time p50 |"), "{shown}");
    let read: serde_json::Value = serde_json::from_str(&json(&agreement)).unwrap();
    assert_eq!(read["sections"][0]["rows"][0]["error"], 0.0);
    assert_eq!(read["bars"]["waiting_time"], 0.05);
    let page = html(&agreement, &[[&live, &model]; 2]);
    assert_eq!(page.matches("<svg").count(), 8);
    assert!(!page.contains("http") && !page.contains("<script"));
}

#[test]
fn a_run_that_cannot_be_trusted_makes_the_comparison_inconclusive() {
    let (mut live, model) = (example::run(), model_run());
    live.ending.failure = Some("the workers died".to_owned());
    let agreement = agreement([&live, &model]);
    assert_eq!(agreement.exit_code, 91);
    assert!(text(&agreement).contains("INCONCLUSIVE: the live run: run completed"));
}

#[test]
fn plans_that_differ_are_told() {
    let (live, mut model) = (example::run(), model_run());
    model.plan.clock.speed = 1.0;
    model.plan.topology.instances.profile.name = "calibrated".to_owned();
    assert!(agreement([&live, &model]).sections[0].notes.is_empty());
    model.plan.waiting_room.active_max += 1;
    assert_eq!(agreement([&live, &model]).sections[0].notes.len(), 1);
}
