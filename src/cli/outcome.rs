//! Turns the measurements of either engine into the report and the exit code.

use super::args::ScenarioArguments;
use super::exit::{Exit, complain};
use super::folder::Folder;
use super::prices::ChosenBook;
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

/// Keeps the price book of a run in its folder, and returns what `--prices` has to name to repeat the run: the kept file, or
/// else what it named.
pub(super) fn keep_prices(
    flags: &ScenarioArguments,
    chosen: Option<&ChosenBook>,
    folder: &Folder,
) -> Option<String> {
    let named = flags.prices.prices.clone();
    let Some(text) = chosen.and_then(|chosen| chosen.text.as_deref()) else {
        return named;
    };
    match folder.keep_prices(text) {
        Ok(path) => Some(path.display().to_string()),
        Err(error) => {
            let hint = "the command to run again names the original file";
            complain(
                format_args!("cannot keep the price book: {error}"),
                Some(hint),
            );
            named
        }
    }
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
