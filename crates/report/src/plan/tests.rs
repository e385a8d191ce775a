//! What every report of a search must be, whatever was asked and found.

use tiketi_capacity::example::{COMPARE, CROWD, Fake, GRID, question};

use super::*;
use crate::page::Page;
use crate::testing::{assert_self_contained, assert_well_formed, show};
use crate::text::Color;
use crate::{html, json, markdown, text};

const RUN_AGAIN: &str = "tiketi-sim plan scenarios/plans/example.toml --seed 7";

fn report(text: &str, buyers: u32) -> PlanDocument {
    let fake = Fake::holding_up_to(buyers).with_luck(0.02);
    let findings = tiketi_capacity::answer(&question(text), &fake).expect("nobody stops it");
    document(findings, RUN_AGAIN)
}

/// Reports of every kind of question, with and without an answer.
fn reports() -> Vec<PlanDocument> {
    let frontier = GRID.replace("question =", "explore = \"frontier\"\nquestion =");
    vec![
        report(CROWD, 3_000),
        report(CROWD, 50),
        report(CROWD, 50_000),
        report(GRID, 1_000),
        report(&frontier, 1_300),
        report(GRID, 50),
        report(COMPARE, 1_000),
    ]
}

fn terminal(page: &Page) -> String {
    text::render(page, Color::Plain, None)
}

#[test]
fn every_format_has_the_answer_and_says_how_to_search_again() {
    for document in reports() {
        let page = page(&document);
        let answer = &page.headline.answer;
        assert!(document.answer.starts_with(answer.as_str()));
        assert!(markdown::render(&page).contains(&format!("\n\n**{answer}**\n")));
        assert!(csv(&document).starts_with(&format!("# {}\n", document.answer)));
        let shown = terminal(&page);
        assert!(
            shown.contains(&format!("█ {answer} (exit code ")),
            "{shown}"
        );
        assert!(shown.ends_with(&format!("run again: {RUN_AGAIN}\n")));
        let json: serde_json::Value = serde_json::from_str(&json(&document)).unwrap();
        assert_eq!(json["answer"], document.answer.as_str());
        assert_eq!(json["version"], 1);
        assert!(html::render(&page).contains(RUN_AGAIN));
    }
}

#[test]
fn answers_say_what_passes_and_how_sure_that_is() {
    let answers: Vec<_> = reports()
        .into_iter()
        .map(|document| document.answer)
        .collect();
    let told = [
        (
            0,
            "buyers pass. 20 of 20 re-tests on new seeds passed, so at least 81.5% of sales would pass (95% confidence).",
        ),
        (0, "the first to fail is `errors` rate < 1% (measured "),
        (
            1,
            "No audience of 100 to 20,000 buyers passes. The closest, 100 buyers, fails on `errors` rate < 1% (measured ",
        ),
        (2, "At least 20,000 buyers pass, the end of the range."),
        (
            3,
            "The cheapest configuration that passes with 1,900 buyers is scaling.min = 4, scaling.max = 4, at ₩404,000,000 per \
             month.",
        ),
        (
            5,
            "No configuration in this grid passes with 1,900 buyers. The closest, scaling.min = 5, scaling.max = 6, fails on",
        ),
        (6, "The baseline (as written) passed "),
        (6, "Four passed all 20 simulated sales, "),
        (
            6,
            "Same again passed 8 of 20 simulated sales, without a notable difference.",
        ),
    ];
    for (index, part) in told {
        assert!(
            answers[index].contains(part),
            "{}\n  lacks\n{part}",
            answers[index]
        );
    }
}

#[test]
fn the_exit_code_says_whether_there_is_an_answer() {
    let codes: Vec<_> = reports()
        .iter()
        .map(|document| document.exit_code)
        .collect();
    assert_eq!(codes, [0, 99, 0, 0, 0, 99, 0]);
}

#[test]
fn pages_are_self_contained() {
    for (index, document) in reports().into_iter().enumerate() {
        let shown = html::render(&page(&document));
        show(&format!("plan-{index}.html"), &shown);
        assert_self_contained(&shown);
        assert_well_formed(&shown);
    }
}

#[test]
fn the_page_shows_the_audience_and_the_frontier() {
    let reports = reports();
    let shown = html::render(&page(&reports[0]));
    assert!(shown.contains("aria-label=\"Waiting time by number of buyers\""));
    assert!(shown.contains("Failed runs by objective"));
    let shown = html::render(&page(&reports[4]));
    assert!(shown.contains("aria-label=\"Waiting time p(95) by cost\""));
}

#[test]
fn every_row_of_the_csv_has_a_cell_per_column() {
    for document in reports() {
        let text = csv(&document);
        let mut lines = text.lines().skip(1).map(columns);
        let columns = lines.next().unwrap();
        assert!(lines.clone().count() > 0);
        assert!(lines.all(|line| line == columns), "{text}");
    }
}

/// Cells of a row; commas within quotes separate nothing.
fn columns(line: &str) -> usize {
    let outside = line.split('"').step_by(2);
    1 + outside.map(|part| part.matches(',').count()).sum::<usize>()
}

#[test]
fn assumptions_are_listed() {
    let shown = terminal(&page(&report(GRID, 1_000)));
    assert!(
        shown.contains("█ Assumptions\n")
            && shown.contains("  - Later values of scaling.min, scaling.max are assumed"),
        "{shown}"
    );
}
