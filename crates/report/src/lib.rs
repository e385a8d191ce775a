//! What is shown: one [`Document`] is made of measurements and verdicts, and rendered in several ways.
//!
//! All functions are pure: they return text, and the command line writes it.

pub mod agreement;
mod answer;
mod chart;
pub mod cost_study;
pub mod csv;
pub mod data_tier;
pub mod document;
mod figures;
pub mod highlights;
pub mod html;
mod html_cost;
mod html_data_tier;
pub mod json;
pub mod plan;
pub mod policies;
mod policy_chart;
pub mod text;
mod words;

pub use document::{Document, document};

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use tiketi_cloud::policy_timeline::{CROSSING, PolicyTimeline, built_in};
    use tiketi_measure::{Engine, example};
    use tiketi_verdict::judge;

    const RUN_AGAIN: &str = "tiketi-sim run scenarios/example.toml --seed 7";

    fn example() -> Document {
        let run = example::run();
        document(&run, judge(&run), RUN_AGAIN)
    }

    /// Compares with a file; `BLESS=1` accepts what is there now.
    #[expect(clippy::disallowed_methods, reason = "snapshots are files")]
    fn assert_snapshot(name: &str, text: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/snapshots")
            .join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == text,
            "{name} has changed; if that is meant, run the test with BLESS=1\n{text}"
        );
    }

    #[test]
    fn text_is_as_kept() {
        assert_snapshot("summary.txt", &text::render(&example(), text::Color::Plain));
    }

    #[test]
    fn json_is_as_kept() {
        assert_snapshot("summary.json", &json::render(&example()));
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "`SHOW=folder` writes the page for a look at it"
    )]
    fn page_is_well_formed_and_stands_alone() {
        let run = example::run();
        let page = html::render(&document(&run, judge(&run), RUN_AGAIN), &run);
        if let Some(folder) = std::env::var_os("SHOW") {
            std::fs::write(Path::new(&folder).join("report.html"), &page).unwrap();
        }
        for outside in [
            "http://", "https://", "<script", "<link", "<img", "@import", "url(",
        ] {
            assert!(!page.contains(outside), "the page refers to {outside}");
        }
        assert_well_formed(&page);
    }

    /// Every element is closed in the order in which it was opened.
    fn assert_well_formed(page: &str) {
        const VOID: [&str; 3] = ["meta", "br", "hr"];
        let mut open = Vec::new();
        for part in page.split('<').skip(1) {
            let (tag, _) = part.split_once('>').expect("a tag ends");
            let name = tag.split([' ', '\n', '/']).find(|name| !name.is_empty());
            let name = name.expect("a tag has a name");
            if tag.starts_with('!') || tag.ends_with('/') || VOID.contains(&name) {
                continue;
            }
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "closed out of order");
            } else {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "never closed: {open:?}");
    }

    #[test]
    fn the_timeline_of_policies_answers_first_and_its_page_stands_alone() {
        let follow = |(name, plan): (String, _)| PolicyTimeline::new(&name, &plan, CROSSING, 5);
        let timelines: Vec<_> = built_in().into_iter().filter_map(follow).collect();
        assert_eq!(timelines.len(), 5);
        let table = policies::markdown(&timelines, "tiketi-sim timeline");
        let answer = table.lines().next().expect("there is a first line");
        let early = "instances of use: 10 with \"scheduled, 15 min before\"; 3";
        assert!(
            answer.contains(early) || answer.contains(&early.replace("; 3", "; 2")),
            "{answer}"
        );
        assert!(table.contains("| naive (not AWS) | 0.0 min | 4.0 min | 2 | 6 | 10 | 10 | 10 |"));
        let page = policies::page(&timelines, "tiketi-sim timeline");
        assert!(!page.contains("http://") && !page.contains("=\"#"));
        assert_well_formed(&page);
    }

    #[test]
    fn a_model_run_says_so_and_says_nothing_of_a_generator() {
        let mut run = example::run();
        run.ending.engine = Engine::Model;
        run.ending.generator.workers.clear();
        run.ending.wall = Duration::from_millis(500);
        let document = document(
            &run,
            judge(&run),
            "tiketi-sim simulate example.toml --seed 7",
        );
        let shown = text::render(&document, text::Color::Plain);
        assert!(shown.contains("there is no load generator that could be late"));
        assert!(shown.contains("10m00s of virtual time in 500ms of wall time (1200 scenario"));
        assert!(!shown.contains("send lag  ") && !shown.contains("load process"));
        assert!(json::render(&document).contains("\"engine\": \"model\""));
        let page = html::render(&document, &run);
        assert!(page.contains("Nothing was sent anywhere"));
        assert!(!page.contains("on loopback addresses"));
        assert_well_formed(&page);
    }

    #[test]
    fn summary_begins_with_the_gates_and_ends_with_how_to_run_again() {
        let shown = text::render(&example(), text::Color::Plain);
        assert!(shown.starts_with("█ GATES\n"));
        assert!(shown.ends_with(&format!("run again: {RUN_AGAIN}\n")));
        assert!(!shown.contains('\u{1b}'));
    }
}
