//! What every report of a search must be, whatever was asked and found.

use super::*;
use tiketi_capacity::example::{COMPARE, CROWD, Fake, GRID, question};
use tiketi_capacity::{self as capacity};

const RUN_AGAIN: &str = "tiketi-sim plan scenarios/plans/example.toml --seed 7";

fn report(text: &str, buyers: u32) -> PlanDocument {
    let fake = Fake::holding_up_to(buyers).with_luck(0.02);
    let findings = capacity::answer(&question(text), &fake).expect("nobody stops it");
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

#[test]
fn every_form_begins_with_the_answer_and_says_how_to_search_again() {
    for document in reports() {
        let answer = &document.answer;
        assert!(markdown::render(&document).starts_with(&format!("**{answer}**\n")));
        assert!(csv::render(&document).starts_with(&format!("# {answer}\n")));
        assert!(text::render(&document, None).starts_with(answer));
        assert!(text::render(&document, None).ends_with(&format!("run again: {RUN_AGAIN}\n")));
        let json: serde_json::Value = serde_json::from_str(&json::render(&document)).unwrap();
        assert_eq!(json["answer"], answer.as_str());
        assert_eq!(json["version"], 1);
        assert!(html::render(&document).contains(RUN_AGAIN));
    }
}

#[test]
fn answers_say_what_holds_and_how_sure_that_is() {
    let answers: Vec<_> = reports()
        .into_iter()
        .map(|document| document.answer)
        .collect();
    let told = [
        (
            0,
            "buyers hold: 20 of 20 on-sales with fresh seeds held, so with 95 % confidence at least 81.5 % of all do.",
        ),
        (0, "the first to break is errors rate < 1% by"),
        (
            1,
            "No crowd of 100 to 20,000 buyers holds; the closest, 100 buyers, misses errors rate < 1% by",
        ),
        (2, "At least 20,000 buyers, the end of the range, hold"),
        (
            3,
            "The cheapest set-up that holds 1,900 buyers is scaling.min = 4, scaling.max = 4, at ₩404,000,000 a month",
        ),
        (
            5,
            "No set-up of this grid holds 1,900 buyers; the closest, scaling.min = 5, scaling.max = 6, misses",
        ),
        (6, "Against as written, which held in"),
        (6, "four held in 20 of 20, with waiting time p(95) −"),
        (6, "same again held in 8 of 20, with no difference shown"),
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
fn the_exit_code_tells_whether_there_is_an_answer() {
    let codes: Vec<_> = reports()
        .iter()
        .map(|document| document.exit_code)
        .collect();
    assert_eq!(codes, [0, 99, 0, 0, 0, 99, 0]);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "`SHOW=folder` writes the pages for a look at them"
)]
fn pages_stand_alone() {
    for (index, document) in reports().into_iter().enumerate() {
        let page = html::render(&document);
        if let Some(folder) = std::env::var_os("SHOW") {
            let name = format!("plan-{index}.html");
            std::fs::write(std::path::Path::new(&folder).join(name), &page).unwrap();
        }
        for outside in [
            "http://", "https://", "<script", "<link", "<img", "@import", "url(",
        ] {
            assert!(!page.contains(outside), "the page refers to {outside}");
        }
    }
}

#[test]
fn the_page_shows_the_crowd_and_the_frontier() {
    let reports = reports();
    assert!(html::render(&reports[0]).contains("aria-label=\"Waiting time over the crowd\""));
    assert!(html::render(&reports[0]).contains("aria-label=\"Runs that missed each objective\""));
    assert!(html::render(&reports[4]).contains("aria-label=\"Waiting time, p(95), over cost\""));
}

#[test]
fn every_line_of_the_table_has_a_cell_for_every_column() {
    for document in reports() {
        let text = csv::render(&document);
        let mut lines = text.lines().skip(1).map(columns);
        let columns = lines.next().unwrap();
        assert!(lines.clone().count() > 0);
        assert!(lines.all(|line| line == columns), "{text}");
    }
}

/// Cells of a line, commas within quotes aside.
fn columns(line: &str) -> usize {
    let outside = line.split('"').step_by(2);
    1 + outside.map(|part| part.matches(',').count()).sum::<usize>()
}

#[test]
fn what_is_assumed_is_said_to_be() {
    let shown = text::render(&report(GRID, 1_000), None);
    assert!(shown.contains("assumption: Later values of scaling.min, scaling.max are taken"));
}
