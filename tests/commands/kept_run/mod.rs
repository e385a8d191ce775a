//! The report folder of a finished run with artificial measurements, enough to compare and calibrate.

use std::path::Path;
use std::time::Duration;

use tiketi_buyer::observation::{Call, Learned, LeaveReason, Observation, Outcome, Start};
use tiketi_core::units::SimTime;
use tiketi_measure::ending::{FinalState, GeneratorCheck};
use tiketi_measure::{Assembly, Ending, Engine, Measurements, Recorder, archive};
use tiketi_scenario::operation::Operation;
use tiketi_scenario::{self as scenario, Overrides};

/// Number of buyers in the run.
const BUYERS: u64 = 4_000;

/// A run of 4,000 buyers in which every call takes `factor` times as long as usual.
pub(crate) fn measured(engine: Engine, factor: f64) -> Measurements {
    let text = "# Is this a run?\nname = \"kept\"\n[clock]\nduration = \"5m\"\nwarmup = \"0s\"\n";
    let plan = scenario::load("kept.toml", text, &Overrides::default()).expect("is a scenario");
    let mut recorder = Recorder::new(&plan);
    for buyer in 0..BUYERS {
        for observation in journey(buyer, factor) {
            recorder.observe(&observation);
        }
    }
    let mut assembly = Assembly::new(plan);
    assembly.absorb(recorder.take_frame());
    assembly.finish(ending(engine))
}

fn journey(buyer: u64, factor: f64) -> [Observation; 4] {
    let at = SimTime::from_nanos(buyer * 60_000_000);
    let took = Duration::from_micros(4_000 + buyer * 7_919 % 8_000).mul_f64(factor);
    let waited = Duration::from_millis(20_000 + buyer * 7_919 % 20_000).mul_f64(factor);
    [
        Observation::Arrival {
            intended: at,
            sent: at,
            start: Start::Started,
        },
        Observation::Call(Call {
            operation: Operation::QueueCheck,
            intended: at,
            sent: at,
            answered: at + took,
            outcome: Outcome::Ok,
            bytes: 100,
        }),
        Observation::Admitted {
            at: at + waited,
            waited,
            learned: Learned::Poll,
        },
        Observation::Left {
            at: at + waited,
            reason: LeaveReason::WalkedAway,
            waited: None,
        },
    ]
}

fn ending(engine: Engine) -> Ending {
    Ending {
        engine,
        began: "2026-01-01T00:00:00Z".to_owned(),
        ended_at: SimTime::from_secs(300),
        interrupted: false,
        failure: None,
        wall: Duration::from_secs(300),
        generator: GeneratorCheck {
            planned: BUYERS,
            workers: Vec::new(),
            credential_error: None,
            tool: None,
        },
        state: FinalState::Unread {
            reason: "artificial run".to_owned(),
        },
        system: None,
        statement: None,
        target: None,
        probes: Vec::new(),
        commands: Vec::new(),
        observed: Vec::new(),
    }
}

/// Writes the run to a report folder.
pub(crate) fn keep(run: &Measurements, folder: &Path) {
    std::fs::create_dir_all(folder).expect("the folder can be made");
    let file = folder.join(archive::FILE_NAME);
    std::fs::write(file, archive::pack(run)).expect("the folder can be written");
}
