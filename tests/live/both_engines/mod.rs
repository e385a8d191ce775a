//! Plays a scenario in both engines: live by the program's binary on the testbed, and simulated in this process.

use tiketi_measure::{Engine, Measurements, archive};
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::{Overrides, load};

use crate::command::Workplace;
use crate::machine;

/// Runs the scenario live, on half of the machine.
pub(crate) fn live(text: &str) -> Measurements {
    live_on(machine::half(), text)
}

/// Runs the scenario live, on this share of the machine.
pub(crate) fn live_on(share: machine::Share, text: &str) -> Measurements {
    let workplace = Workplace::new();
    workplace.write("sale.toml", text);
    let ended = workplace.run(&["run", "sale.toml"]);
    drop(share);
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
