//! Searches on a fake system with known limits.

use std::sync::atomic::Ordering;

use super::example::{COMPARE, CROWD, Fake, GRID, question, read};
use super::figures::Measure;
use super::findings::{
    Answer, CheapestSetup, Comparison, Findings, LargestCrowd, SetupState, mean_of,
};
use super::{ScenarioFile, Stopped, answer, is_question, load};
use tiketi_scenario::Diagnostics;

fn findings(text: &str, fake: &Fake) -> Findings {
    answer(&question(text), fake).expect("the search is not stopped")
}

fn crowd(text: &str, fake: &Fake) -> LargestCrowd {
    match findings(text, fake).answer {
        Answer::LargestCrowd(found) => found,
        other => panic!("{other:?}"),
    }
}

fn cheapest(text: &str, fake: &Fake) -> CheapestSetup {
    match findings(text, fake).answer {
        Answer::CheapestSetup(found) => found,
        other => panic!("{other:?}"),
    }
}

fn comparison(text: &str, fake: &Fake) -> Comparison {
    match findings(text, fake).answer {
        Answer::Compare(found) => found,
        other => panic!("{other:?}"),
    }
}

fn wrong(text: &str) -> Diagnostics {
    load("question.toml", text, read).expect_err("the plan file is invalid")
}

#[test]
fn the_largest_audience_is_found_with_the_precision_asked_for() {
    let found = crowd(CROWD, &Fake::holding_up_to(3_333));
    let crowd = found.crowd.unwrap();
    assert!((3_300..=3_333).contains(&crowd), "{crowd}");
    assert_eq!(found.confirmations.len(), 1);
    let breaks = found.breaks.unwrap();
    assert!(breaks.crowd > 3_333 && breaks.crowd <= 3_367, "{breaks:?}");
    assert_eq!(breaks.counts[0].miss.what, "errors");
    assert!(found.not_monotone.is_empty());
    assert_eq!(found.asked_crowd, 1_000);
    assert!(found.asked_tiers[0].left().unwrap() > 0.6);
}

#[test]
fn with_noise_the_answer_passes_as_often_as_was_asked_for() {
    // The limit varies by ±20 %: 80 % of all sales pass at its 20th percentile, which is 12 % below the mean.
    let found = crowd(CROWD, &Fake::holding_up_to(3_000).with_luck(0.2));
    let last = found.confirmations.last().unwrap();
    assert!(last.confirmed && last.share_at_least >= 0.8, "{last:?}");
    let crowd = found.crowd.unwrap();
    assert!((2_300..=2_700).contains(&crowd), "{crowd}");
}

#[test]
fn if_nothing_in_the_range_passes_the_closest_is_reported() {
    let found = crowd(CROWD, &Fake::holding_up_to(90));
    assert_eq!((found.crowd, found.confirmations.len()), (None, 0));
    let closest = found.closest.unwrap();
    assert_eq!(
        (closest.what.as_str(), closest.miss.what.as_str()),
        ("100 buyers", "errors")
    );
}

#[test]
fn if_everything_in_the_range_passes_the_limit_is_beyond_it() {
    let found = crowd(CROWD, &Fake::holding_up_to(50_000));
    assert_eq!((found.crowd, found.is_beyond), (Some(20_000), true));
    assert_eq!(found.breaks, None);
}

#[test]
fn the_cheapest_configuration_is_found() {
    // 500 buyers per instance: 1,900 need four, and the smaller maximum is cheaper.
    let fake = Fake::holding_up_to(1_000);
    let found = cheapest(GRID, &fake);
    let best = &found.setups[found.cheapest.unwrap()];
    assert_eq!(best.name, "scaling.min = 4, scaling.max = 4");
    assert_eq!(
        found.left_out.len(),
        1,
        "a minimum of 5 with a maximum of 4 is invalid"
    );
    assert_eq!(found.confirmations.len(), 1);
}

#[test]
fn configurations_weaker_than_one_that_failed_are_skipped() {
    let none = Fake::holding_up_to(100);
    let found = cheapest(GRID, &none);
    assert_eq!(found.cheapest, None);
    // Only the strongest one ran, and only with the first two seeds.
    assert_eq!(none.runs.load(Ordering::Relaxed), 2);
    let doomed = found
        .setups
        .iter()
        .filter(|setup| matches!(setup.state, SetupState::Doomed { .. }));
    assert_eq!(doomed.count(), found.setups.len() - 1);
    assert_eq!(
        found.closest.unwrap().what,
        "scaling.min = 5, scaling.max = 6"
    );
}

#[test]
fn without_ascending_keys_every_configuration_that_may_be_cheaper_runs() {
    let text = GRID.replace("ascending = [\"scaling.min\", \"scaling.max\"]\n", "");
    let fake = Fake::holding_up_to(100);
    let found = cheapest(&text, &fake);
    assert!(
        found
            .setups
            .iter()
            .all(|setup| setup.state == SetupState::Failed)
    );
    assert_eq!(fake.runs.load(Ordering::Relaxed), 2 * found.setups.len());
}

#[test]
fn skipping_runs_does_not_change_the_answer() {
    for limit in [600, 800, 1_000, 1_200] {
        let with = cheapest(GRID, &Fake::holding_up_to(limit));
        let text = GRID.replace("ascending = [\"scaling.min\", \"scaling.max\"]\n", "");
        let all = text.replace("question =", "explore = \"frontier\"\nquestion =");
        let without = cheapest(&all, &Fake::holding_up_to(limit));
        assert_eq!(with.cheapest, without.cheapest, "limit {limit}");
    }
}

#[test]
fn no_configuration_beats_one_on_the_frontier() {
    let text = GRID.replace("question =", "explore = \"frontier\"\nquestion =");
    let found = cheapest(&text, &Fake::holding_up_to(1_900));
    let points: Vec<_> = found
        .frontier
        .iter()
        .map(|place| {
            let setup = &found.setups[*place];
            (
                setup.cost.as_ref().unwrap().exact().unwrap(),
                mean_of(&setup.means, Measure::WaitingP95).unwrap(),
            )
        })
        .collect();
    assert_eq!(points.len(), 4, "one for each minimum");
    assert!(
        points.is_sorted_by(|a, b| a.0 < b.0 && a.1 > b.1),
        "{points:?}"
    );
}

#[test]
fn a_lucky_configuration_fails_with_fresh_seeds() {
    // The limit varies by ±50 % around a value just above the audience: about half of the runs pass.
    let text = GRID.replace("[crowd]", "[search]\nreplications = 1\nseed = 4\n\n[crowd]");
    let found = cheapest(&text, &Fake::holding_up_to(1_000).with_luck(0.5));
    assert!(
        found.confirmations.iter().any(|one| !one.confirmed),
        "{:?}",
        found.confirmations
    );
    if let Some(best) = found.cheapest {
        assert!(found.confirmations.last().unwrap().confirmed);
        assert_eq!(found.setups[best].state, SetupState::Held);
    }
    let refuted = found
        .setups
        .iter()
        .filter(|setup| setup.state == SetupState::Unconfirmed);
    assert!(refuted.count() > 0);
}

#[test]
fn common_random_numbers_cancel_common_noise() {
    let found = comparison(COMPARE, &Fake::holding_up_to(2_000).with_luck(0.3));
    assert_eq!(found.variants[found.against].name, "as written");
    let row = |variant: usize| {
        let rows = &found.variants[variant].rows;
        rows.iter()
            .find(|row| row.measure == Measure::WaitingP95)
            .unwrap()
            .clone()
    };
    let four = row(1).difference.unwrap();
    assert!(
        four.is_shown() && four.mean < 0.0,
        "buyers wait less with twice the fleet: {four:?}"
    );
    let same = row(2).difference.unwrap();
    assert_eq!(
        (same.mean, same.interval),
        (0.0, Some((0.0, 0.0))),
        "the same configuration with the same seeds"
    );
    assert_eq!(row(0).difference, None);
}

#[test]
fn answers_do_not_depend_on_the_number_of_threads() {
    for text in [CROWD, GRID, COMPARE] {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let fake = Fake::holding_up_to(1_000).with_luck(0.2);
            let findings = pool.install(|| findings(text, &fake));
            (
                serde_json::to_string(&findings).unwrap(),
                fake.runs.into_inner(),
            )
        };
        assert!(run(1) == run(3), "{text}");
    }
}

#[test]
fn a_stopped_search_has_no_answer() {
    for text in [CROWD, GRID, COMPARE] {
        let mut fake = Fake::holding_up_to(1_000);
        fake.stops_after = 4;
        assert_eq!(answer(&question(text), &fake), Err(Stopped));
    }
}

#[test]
fn findings_are_tagged_with_the_name_of_their_question() {
    for text in [CROWD, GRID, COMPARE] {
        let findings = findings(text, &Fake::holding_up_to(1_000));
        let json = serde_json::to_value(&findings).unwrap();
        assert_eq!(json["findings"]["question"], question(text).kind.name());
    }
}

#[test]
fn a_plan_file_is_distinguished_from_a_scenario() {
    assert!(is_question(CROWD) && is_question(COMPARE));
    assert!(!is_question(super::example::SCENARIO));
}

#[test]
fn each_mistake_is_reported_at_its_position() {
    let cases = [
        (
            "to = 20_000",
            "to = 100",
            "question.toml:6:8: `crowd.from` (100) must be less than `crowd.to` (100)",
        ),
        (
            "within =",
            "witin =",
            "question.toml:8:1: unknown key `witin` in `crowd`",
        ),
        (
            "\"largest-crowd\"",
            "\"largest\"",
            "question.toml:2:12: `question` is \"largest\"",
        ),
        (
            "example.toml",
            "absent.toml",
            "question.toml:3:12: `scenario` is \"absent.toml\", which cannot be read: not there",
        ),
        (
            "[crowd]",
            "[search]\nconfirm = 5\n[crowd]",
            "`confirm` is 5, which is too few runs to show that 80 % of sales pass",
        ),
        (
            "[crowd]",
            "[set]\nscaling.mim = 3\n[crowd]",
            "question.toml:6:15: unknown key `mim` in `scaling`",
        ),
        (
            "[crowd]",
            "[set]\n\"clock.warmup\" = \"11m\"\n[crowd]",
            "question.toml:6:18: `warmup` (11m) must be shorter than the run (10m)",
        ),
    ];
    for (from, to, expected) in cases {
        let errors = wrong(&CROWD.replace(from, to)).to_string();
        assert!(
            errors.contains(expected),
            "{errors}\n  instead of\n{expected}"
        );
    }
}

#[test]
fn values_and_keys_that_are_never_valid_are_reported() {
    let errors = wrong(&GRID.replace("[2, 3, 4, 5]", "[2, 7]")).to_string();
    assert!(errors.contains("question.toml:10:19: "), "{errors}");
    let errors = wrong(&GRID.replace("scaling.max = ", "scaling.mx = ")).to_string();
    assert!(
        errors.contains("question.toml:11:9: unknown key `mx` in `scaling`"),
        "{errors}"
    );
    let errors = wrong(&GRID.replace("\"scaling.max\"]", "\"scaling.maxx\"]")).to_string();
    assert!(errors.contains("did you mean `scaling.max`?"), "{errors}");
}

#[test]
fn two_variants_with_the_same_name_are_rejected() {
    let errors = wrong(&COMPARE.replace("same again", "four")).to_string();
    assert!(
        errors.contains("`name` is \"four\", which is already used"),
        "{errors}"
    );
    let text = COMPARE.replace(
        "[[variants]]\nname = \"four\"",
        "against = \"for\"\n[[variants]]\nname = \"four\"",
    );
    let errors = wrong(&text).to_string();
    assert!(errors.contains("did you mean `four`?"), "{errors}");
}

#[test]
fn a_configuration_without_a_price_is_never_the_cheapest() {
    let grid = |classes: &str| {
        let vary = format!("[vary]\ntopology.instances.class = {classes}\n");
        let (head, _) = GRID
            .split_once("[vary]")
            .expect("the example varies something");
        head.replace("ascending = [\"scaling.min\", \"scaling.max\"]\n", "") + &vary
    };
    let find = |classes: &str| {
        let fake = Fake::holding_up_to(2_000);
        let findings = answer(&question(&grid(classes)), &fake).expect("it is not stopped");
        match findings.answer {
            Answer::CheapestSetup(found) => found,
            other => panic!("{other:?}"),
        }
    };
    let both = find("[\"t3.large\", \"t3.medium\"]");
    assert_eq!((both.cheapest, &both.cost_unknown[..]), (Some(1), &[0][..]));
    let unknown = both.setups[0].cost.as_ref().expect("it has run");
    assert_eq!(
        (unknown.exact(), unknown.missing()),
        (None, &["t3.large (no price)".to_owned()][..])
    );
    assert!(
        both.setups[1]
            .cost
            .as_ref()
            .expect("it has run")
            .exact()
            .is_some()
    );
    assert_eq!(both.frontier, [1]);
    let neither = find("[\"t3.large\"]");
    assert_eq!(
        (neither.cheapest, &neither.cost_unknown[..]),
        (None, &[0][..])
    );
}

#[test]
fn a_wrong_number_of_buyers_does_not_make_other_keys_unknown() {
    let text = GRID.replace("buyers = 1_900", "buyers = 0");
    assert_ne!(text, GRID);
    let errors = wrong(&text);
    assert_eq!(errors.problems().len(), 1, "{errors}");
    let shown = errors.to_string();
    assert!(
        shown.contains("`crowd.buyers` is 0 (expected a whole number from 1 to 10000000); help: "),
        "{shown}"
    );
}

/// Searches apply changes to tables whose numbers have a sign; a scenario's seed may be too large for them.
#[test]
fn a_scenario_with_the_largest_seed_is_rejected_with_a_hint() {
    let read = |_: &str| {
        Ok(ScenarioFile {
            name: "large.toml".to_owned(),
            text: "name = \"large\"\nseed = 18446744073709551615\n".to_owned(),
        })
    };
    let errors = load("question.toml", CROWD, read).expect_err("too large");
    let shown = errors.to_string();
    assert!(
        shown.starts_with("large.toml:2:1: `seed` is too large")
            && shown.contains("remove the seed of the scenario"),
        "{shown}"
    );
}

#[test]
fn a_share_that_no_number_of_runs_can_show_has_a_range_the_right_way_round() {
    let text = CROWD.replace(
        "[crowd]",
        "[search]\nconfirm = 10_000\nholds_in = 0.9999999\n[crowd]",
    );
    let shown = wrong(&text).to_string();
    assert!(
        shown.contains("(expected a `holds_in` that 10000 runs can show: this one needs "),
        "{shown}"
    );
}
