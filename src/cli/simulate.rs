//! `tiketi-sim simulate`: the model engine, from the file to the report.

use tokio::sync::watch;

use super::again;
use super::args::{ScenarioArguments, SimulateArguments};
use super::exit::Exit;
use super::folder::utc_now;
use super::interrupt;
use super::model_display::ModelDisplay;
use super::outcome;
use super::source;
use crate::live::clock::wall_now;
use crate::measure::Measurements;
use crate::model;
use crate::scenario::Plan;

/// Plays a scenario in virtual time, judges it, writes its report.
pub(super) fn simulate(flags: &SimulateArguments) -> Exit {
    carry_out(&flags.played).unwrap_or_else(|exit| exit)
}

fn carry_out(flags: &ScenarioArguments) -> Result<Exit, Exit> {
    let plan = source::played(flags, None)?;
    let folder = outcome::folder(flags, &plan)?;
    match measure(flags.quiet, &plan) {
        Ok(run) => {
            let run_again = again::simulate(flags, run.plan.seed);
            Ok(outcome::report(&run, &run_again, &folder, flags.quiet))
        }
        Err(exit) => {
            folder.discard();
            Err(exit)
        }
    }
}

fn measure(quiet: bool, plan: &Plan) -> Result<Measurements, Exit> {
    // The model keeps this thread busy; another one listens for Ctrl-C.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| outcome::could_not_run(&error))?;
    let listening = {
        let _within = runtime.enter();
        interrupt::listen()
    };
    let interrupt = listening.map_err(|error| outcome::could_not_run(&error))?;
    let run = play(plan, interrupt, quiet);
    runtime.shutdown_background();
    Ok(run)
}

/// Plays the plan, and adds what only a clock can tell.
pub(super) fn play(plan: &Plan, interrupt: watch::Receiver<bool>, quiet: bool) -> Measurements {
    let (began, start) = (utc_now(), wall_now());
    let mut display = ModelDisplay::new(quiet, plan, interrupt);
    let mut run = model::simulate(plan, &mut display);
    display.finish();
    run.ending.began = began;
    run.ending.wall = wall_now() - start;
    run
}
