//! The model gives the same measurements for the same plan and seed, byte for byte, alone or in parallel.

use tiketi_measure::Measurements;
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::{self as scenario, Overrides, Plan};

/// Shipped scenarios with fewer buyers: faults, scaling, expiring seat holds, lost sockets.
const SCENARIOS: [(&str, u32); 4] = [
    ("scenarios/spike.toml", 1_500),
    ("scenarios/az-loss.toml", 600),
    ("scenarios/steady.toml", 600),
    ("scenarios/smoke.toml", 200),
];

fn plan(file: &str, buyers: u32, seed: u64) -> Plan {
    let text = std::fs::read_to_string(file).expect("tests run in the repository");
    let overrides = Overrides {
        buyers: Some(buyers),
        seed: Some(seed),
        ..Overrides::default()
    };
    scenario::load(file, &text, &overrides).expect("shipped scenarios are valid")
}

fn bytes(run: &Measurements) -> String {
    serde_json::to_string(run).expect("measurements have string keys only")
}

#[test]
fn same_seed_gives_same_bytes_on_any_number_of_threads() {
    for (file, buyers) in SCENARIOS {
        let plan = plan(file, buyers, 7);
        let alone = bytes(&simulate(&plan, &mut Unwatched));
        let beside: Vec<String> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| bytes(&simulate(&plan, &mut Unwatched))))
                .collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        for other in beside {
            assert!(alone == other, "{file} differs from run to run");
        }
    }
}

#[test]
fn different_seeds_give_different_runs() {
    let (file, buyers) = SCENARIOS[0];
    let one = bytes(&simulate(&plan(file, buyers, 7), &mut Unwatched));
    let other = bytes(&simulate(&plan(file, buyers, 8), &mut Unwatched));
    assert!(one != other);
}
