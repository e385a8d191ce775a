//! The scenarios that come with the program, and what a scenario gets without asking.

use std::time::Duration;

use tiketi_sim::scenario::topology::DatabaseKind;
use tiketi_sim::scenario::{Diagnostics, Overrides, Plan, arrival_times, load};
use tiketi_sim::units::ZoneId;

fn plan(text: &str) -> Result<Plan, Diagnostics> {
    load("test.toml", text, &Overrides::default())
}

fn legal(text: &str) -> Plan {
    plan(text).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

fn shipped() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let mut scenarios: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    scenarios.sort();
    scenarios
}

#[test]
fn every_shipped_scenario_loads_and_asks_a_question() {
    let scenarios = shipped();
    assert!(!scenarios.is_empty());
    for (name, text) in scenarios {
        let plan = load(&name, &text, &Overrides::default())
            .unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        assert!(plan.question.contains('?'), "{name}: {:?}", plan.question);
        assert_eq!(format!("{}.toml", plan.name), name);
        assert!(!plan.gates.is_empty(), "{name} judges nothing");
        assert!(!arrival_times(&plan).is_empty());
    }
}

#[test]
fn a_five_line_scenario_gets_the_documented_architecture() {
    let plan = legal("[[arrivals]]\nshape = \"poisson\"\nrate = 5\n[clock]\nduration = \"2m\"\n");
    assert_eq!(plan.name, "test");
    assert_eq!((plan.scaling.min, plan.scaling.max), (2, 10));
    assert_eq!(plan.topology.instances.initial, [1, 1]);
    assert_eq!(plan.topology.zones.len(), 2);
    let private = plan.topology.zones[1].private;
    assert_eq!(private.to_string(), "10.0.12.0/24");
    assert_eq!(plan.topology.database.kind, DatabaseKind::Aurora);
    assert_eq!(plan.topology.database.failover, Duration::from_secs(30));
    assert_eq!(plan.topology.database.connections_max, 420);
    assert_eq!(plan.topology.redis.replica, Some(ZoneId(1)));
    assert_eq!(plan.scaling.policies.len(), 2);
    assert_eq!(plan.show.seats_total(), 2_000);
    assert!(plan.faults.is_empty());
}

#[test]
fn an_empty_scenario_is_the_preset_itself() {
    assert!(plan("").is_ok(), "{:?}", plan(""));
}
