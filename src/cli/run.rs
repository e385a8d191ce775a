//! `tiketi-sim run`: the live engine, from the file to the report.

use super::again;
use super::args::RunArguments;
use super::exit::{Exit, complain};
use super::folder::Folder;
use super::interrupt;
use super::prices;
use super::progress::Display;
use super::source;
use super::summary;
use super::target;
use crate::live::conductor::{conduct, interrupted};
use crate::live::error::LiveError;
use crate::measure::Measurements;
use crate::report;
use crate::scenario::{Overrides, Plan};
use crate::verdict::judge;

/// Runs a scenario, judges it, writes its report.
pub(super) fn run(flags: &RunArguments) -> Exit {
    carry_out(flags).unwrap_or_else(|exit| exit)
}

fn carry_out(flags: &RunArguments) -> Result<Exit, Exit> {
    let plan = source::load(&flags.scenario, &overrides(flags))?;
    let book = prices::asked_for(&flags.prices)?;
    let folder = Folder::create(&flags.out, &plan.name).map_err(|error| {
        let out = flags.out.display();
        complain(
            format_args!("{out}: no report can be written there: {error}"),
            Some("choose another folder with --out"),
        );
        Exit::BadScenario
    })?;
    match measure(flags, plan) {
        Ok(mut run) => {
            prices::bill_with(book.as_ref(), &mut run);
            Ok(report(flags, &run, &folder))
        }
        Err(exit) => {
            folder.discard();
            Err(exit)
        }
    }
}

/// What the flags change about the file; a target runs in its own time.
fn overrides(flags: &RunArguments) -> Overrides {
    Overrides {
        seed: flags.seed,
        buyers: flags.buyers,
        duration: flags.duration,
        speed: flags.target.is_some().then_some(1.0),
        profile: None,
    }
}

fn measure(flags: &RunArguments, plan: Plan) -> Result<Measurements, Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| could_not_run(&error))?;
    let measured = runtime.block_on(measure_within(flags, plan));
    runtime.shutdown_background();
    measured
}

async fn measure_within(flags: &RunArguments, plan: Plan) -> Result<Measurements, Exit> {
    let executable = std::env::current_exe().map_err(|error| could_not_run(&error))?;
    let mut interrupt = interrupt::listen().map_err(|error| could_not_run(&error))?;
    let sut = tokio::select! {
        sut = target::sut(flags, &plan) => sut?,
        () = interrupted(&mut interrupt) => return Err(not_measured(&LiveError::Interrupted)),
    };
    let mut display = Display::new(flags.quiet, &plan);
    let measured = Box::pin(conduct(plan, sut, &executable, interrupt, &mut display)).await;
    display.finish();
    measured.map_err(|error| not_measured(&error))
}

/// Writes the report and shows its summary.
fn report(flags: &RunArguments, run: &Measurements, folder: &Folder) -> Exit {
    let run_again = again::command_line(flags, run.plan.seed);
    let document = report::document(run, judge(run), &run_again);
    let written = folder.write(&document, run);
    if !flags.quiet {
        summary::print(&document, written.is_ok().then(|| folder.path()));
    }
    let troubles = document.verdicts.troubles();
    let exit = troubles.first().copied().map_or(Exit::Success, Exit::from);
    match written {
        Ok(()) => exit,
        Err(error) => {
            complain(
                format_args!("the report could not be written: {error}"),
                Some("make room, or choose another folder with --out, and run it again"),
            );
            exit.max(Exit::Inconclusive)
        }
    }
}

/// A run of which there is nothing to report.
fn not_measured(error: &LiveError) -> Exit {
    complain(error, error.hint());
    match error {
        LiveError::Interrupted => Exit::Interrupted,
        LiveError::Testbed(_)
        | LiveError::Workers(_)
        | LiveError::Worker { .. }
        | LiveError::WorkersLate
        | LiveError::FleetNotReady { .. } => Exit::Inconclusive,
    }
}

fn could_not_run(error: &std::io::Error) -> Exit {
    complain(error, None);
    Exit::Inconclusive
}
