//! `tiketi-sim run`: runs a scenario with real traffic and writes its report.

use std::path::Path;

use super::again;
use super::args::RunArguments;
use super::commands;
use super::data_tier;
use super::exit::{Exit, complain};
use super::interrupt::Interrupt;
use super::outcome;
use super::prices;
use super::progress::Display;
use super::source;
use super::target::{self, Target};
use tiketi_live::conductor::{Places, conduct, interrupted};
use tiketi_live::error::LiveError;
use tiketi_measure::Measurements;
use tiketi_scenario::Plan;

/// Runs a scenario, evaluates it and writes its report.
pub(super) fn run(flags: &RunArguments) -> Exit {
    carry_out(flags).unwrap_or_else(|exit| exit)
}

fn carry_out(flags: &RunArguments) -> Result<Exit, Exit> {
    // A target cannot be sped up.
    let speed = flags.target.is_some().then_some(1.0);
    let api = flags.buyers_of_target.mapping()?;
    let plan = source::scenario(&flags.common, speed, flags.data.asked_for()?, api)?;
    match flags.target {
        Some(_) => data_tier::admit_target(&plan)?,
        None => data_tier::admit_live(&plan)?,
    }
    commands::admit(&plan, flags.allow_exec)?;
    let book = prices::asked_for(&flags.common.prices)?;
    let target = target::asked_for(flags, &plan)?;
    let interrupt = Interrupt::listen()?;
    let folder = outcome::folder(&flags.common, &plan)?;
    let logs = folder.logs(&plan).map_err(|error| could_not_run(&error))?;
    let site = Where {
        target,
        logs: logs.as_deref(),
        folder: folder.path(),
    };
    match measure(flags.common.quiet, plan, site, &interrupt) {
        Ok(mut run) => {
            prices::bill_with(book.as_ref(), &mut run);
            let kept = outcome::keep_prices(&flags.common, book.as_ref(), &folder);
            let run_again = again::run(flags, run.plan.seed, kept);
            Ok(outcome::report(
                &run,
                &run_again,
                &folder,
                flags.common.quiet,
            ))
        }
        Err(exit) => {
            folder.discard();
            Err(exit)
        }
    }
}

/// Where a run takes place.
struct Where<'a> {
    /// An existing system; `None` for the testbed.
    target: Option<Target>,
    /// Folder for the logs of child processes.
    logs: Option<&'a Path>,
    /// Folder of the report.
    folder: &'a Path,
}

fn measure(
    quiet: bool,
    plan: Plan,
    site: Where<'_>,
    interrupt: &Interrupt,
) -> Result<Measurements, Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| could_not_run(&error))?;
    let measured = runtime.block_on(measure_within(quiet, plan, site, interrupt));
    runtime.shutdown_background();
    measured
}

async fn measure_within(
    quiet: bool,
    plan: Plan,
    site: Where<'_>,
    interrupt: &Interrupt,
) -> Result<Measurements, Exit> {
    let executable = std::env::current_exe().map_err(|error| could_not_run(&error))?;
    let mut requested = interrupt.requested();
    let sut = tokio::select! {
        sut = target::sut(site.target, &plan) => sut?,
        () = interrupted(&mut requested) => return Err(not_measured(&LiveError::Interrupted)),
    };
    let mut display = Display::new(quiet, &plan);
    let places = Places {
        executable: &executable,
        logs: site.logs,
        folder: site.folder,
    };
    let measured = Box::pin(conduct(plan, sut, places, requested, &mut display)).await;
    display.finish();
    measured.map_err(|error| not_measured(&error))
}

/// Prints why a run could not be made; there is nothing to report.
fn not_measured(error: &LiveError) -> Exit {
    complain(error, error.hint());
    match error {
        LiveError::Interrupted => Exit::Interrupted,
        LiveError::Testbed(error) if error.is_refusal() => Exit::TargetRefused,
        LiveError::Testbed(error) if error.is_configuration() => Exit::BadScenario,
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
