//! The shipped scenario of each architecture claim: it exists, it is valid, and it exercises the claim when it is simulated.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use tiketi_measure::Measurements;
use tiketi_model::{Unwatched, simulate};
use tiketi_report::targets::{ClaimVerdict, CostTable, PlanStudy, Source, Study, claim_table};
use tiketi_scenario::{Overrides, load};
use tiketi_verdict::judge;
use tiketi_verdict::targets::{Reached, TargetVerdict, claims};

fn path(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

fn text(of: &str) -> String {
    std::fs::read_to_string(path(of)).unwrap_or_else(|error| panic!("{of}: {error}"))
}

fn play(scenario: &str) -> Measurements {
    let plan = load(scenario, &text(scenario), &Overrides::default());
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
    simulate(&plan, &mut Unwatched)
}

fn claim_of(run: &Measurements, id: &str) -> TargetVerdict {
    let targets = judge(run).targets;
    let found = targets.into_iter().find(|target| target.id == id);
    found.unwrap_or_else(|| panic!("{id} is no claim"))
}

#[test]
fn every_claim_has_a_shipped_scenario_that_exercises_it() {
    let mut by_scenario: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for claim in claims() {
        assert!(
            claim.scenario.is_none() || claim.study.is_none(),
            "{}",
            claim.id
        );
        if let Some(scenario) = claim.scenario {
            by_scenario.entry(scenario).or_default().push(claim.id);
        }
    }
    let failures: Vec<String> = by_scenario
        .par_iter()
        .flat_map_iter(|(scenario, ids)| {
            let targets = judge(&play(scenario)).targets;
            let missing = targets.into_iter().filter(|target| {
                ids.contains(&target.id) && target.verdict == Reached::NotExercised
            });
            let told = missing.map(|target| {
                format!(
                    "{}: {scenario} does not exercise it: {}",
                    target.id, target.measured
                )
            });
            told.collect::<Vec<_>>()
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_claim_has_a_scenario_or_a_study() {
    for claim in claims() {
        assert!(
            claim.scenario.is_some() || claim.study.is_some(),
            "{} has neither",
            claim.id
        );
    }
}

/// The committed study of each plan shows its claim, and the plan is there.
#[test]
fn every_claim_of_a_study_is_shown_by_the_committed_one() {
    for claim in claims() {
        let Some(study) = &claim.study else { continue };
        assert!(path(study).is_file(), "{study}");
        let name = Path::new(study).file_stem().expect("it is a file");
        let name = name.to_string_lossy();
        let source = if claim.id == "B9" {
            let table = text("reports/studies/cost-table/cost-table.json");
            let table: CostTable = serde_json::from_str(&table).expect("it is a cost table");
            Study::Cost(table)
        } else {
            let plan = text(&format!("reports/studies/{name}/plan.json"));
            let plan: PlanStudy = serde_json::from_str(&plan).expect("it is a plan");
            Study::Plan(plan)
        };
        let table = claim_table(
            &[(study.clone(), Source::Study(source))],
            Vec::new(),
            "again",
        );
        let row = table.claims.iter().find(|row| row.id == claim.id);
        let row = row.expect("it is a claim");
        assert_ne!(row.verdict, ClaimVerdict::NotShown, "{}", claim.id);
        assert!(
            row.not_live.is_some(),
            "{} says why it is not live",
            claim.id
        );
        assert_eq!(row.scenario.as_deref(), Some(study.as_str()));
    }
}

#[test]
fn a_queue_makes_the_fleet_grow_to_ten_and_shrink_again() {
    let run = play("scenarios/claims/scaling.toml");
    for id in ["A14", "A16", "B4"] {
        let claim = claim_of(&run, id);
        assert_eq!(claim.verdict, Reached::Met, "{id}: {}", claim.measured);
    }
    let added = claim_of(&run, "A15");
    assert!(
        added.measured.contains("drained within"),
        "{}",
        added.measured
    );
    assert!(
        !added.measured.contains("not measured"),
        "{}",
        added.measured
    );
}

#[test]
fn one_zone_stops_altogether_and_two_zones_go_on() {
    let [one, two] =
        ["one-zone", "two-zones"].map(|name| play(&format!("scenarios/claims/{name}.toml")));
    for run in [&one, &two] {
        let claim = claim_of(run, "B11");
        assert_eq!(claim.verdict, Reached::PartlyMet, "{}", claim.measured);
    }
    let year = |run: &Measurements| judge(run).availability.year.expect("a zone was lost");
    let hours = |run: &Measurements| year(run).down.as_secs() / 3_600;
    // Four hours for the zone, and one for the maintenance without a standby.
    assert_eq!(hours(&one), 5);
    assert_eq!(hours(&two), 0);
    assert!(year(&two).share() > 0.9999, "{:?}", year(&two));
}

#[test]
fn the_two_sales_that_compare_zones_are_the_same() {
    let sale = |name: &str| {
        let plan = load(name, &text(name), &Overrides::default());
        let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
        tiketi_verdict::targets::pair::Sale::of(&plan)
    };
    assert_eq!(
        sale("scenarios/claims/one-zone.toml"),
        sale("scenarios/claims/two-zones.toml")
    );
}
