//! Plays a scenario in both engines: live by the program's binary on the testbed, and simulated in this process.

use std::sync::{Mutex, PoisonError};

use tiketi_measure::{Engine, Measurements, archive};
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::{Overrides, load};

use crate::command::Workplace;

/// Runs the scenario live. Runs of one test program take turns.
pub(crate) fn live(text: &str) -> Measurements {
    static MACHINE: Mutex<()> = Mutex::new(());
    let _turn = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let workplace = Workplace::new();
    workplace.write("sale.toml", text);
    let ended = workplace.run(&["run", "sale.toml"]);
    let reports = std::fs::read_dir(workplace.path("reports"));
    let mut reports = reports.unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
    let report = reports.next().expect("there is a report");
    let report = report.expect("the folder can be listed").path();
    let packed = std::fs::read(report.join("measurements.json.gz")).expect("it was written");
    let run = archive::unpack(&packed).expect("it is an archive");
    assert_eq!(run.ending.engine, Engine::Live);
    run
}

/// Simulates the scenario.
pub(crate) fn simulated(text: &str) -> Measurements {
    let plan = load("sale.toml", text, &Overrides::default());
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
    simulate(&plan, &mut Unwatched)
}
