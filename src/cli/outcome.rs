//! Turns the measurements of either engine into the report and the exit code.

use super::args::ScenarioArguments;
use super::exit::{Exit, complain};
use super::folder::Folder;
use super::summary;
use tiketi_measure::Measurements;
use tiketi_report::run::{document, page};
use tiketi_scenario::Plan;
use tiketi_verdict::judge;

/// Creates the folder of a run, before anything starts.
pub(super) fn folder(flags: &ScenarioArguments, plan: &Plan) -> Result<Folder, Exit> {
    Folder::create(&flags.out, &plan.name).map_err(|error| {
        let out = flags.out.display();
        complain(
            format_args!("cannot write the report to {out}: {error}"),
            Some("choose another folder with --out"),
        );
        Exit::BadScenario
    })
}

/// Writes the report and prints its summary.
pub(super) fn report(run: &Measurements, run_again: &str, folder: &Folder, quiet: bool) -> Exit {
    let document = document(run, judge(run), run_again);
    let written = folder.write(&document, run);
    if !quiet {
        summary::print(
            &page(&document, run),
            written.is_ok().then(|| folder.path()),
        );
    }
    let troubles = document.verdicts.troubles();
    let exit = troubles.first().copied().map_or(Exit::Success, Exit::from);
    match written {
        Ok(()) => exit,
        Err(error) => {
            complain(
                format_args!("cannot write the report: {error}"),
                Some("free disk space or choose another folder with --out, then run again"),
            );
            exit.max(Exit::Inconclusive)
        }
    }
}
