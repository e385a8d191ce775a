//! Turns the measurements of either engine into the report and the exit code.

use std::io;

use super::args::ScenarioArguments;
use super::exit::{Exit, complain};
use super::folder::{Folder, RUN_FILES};
use super::prices::ChosenBook;
use super::summary;
use tiketi_measure::Measurements;
use tiketi_report::json;
use tiketi_report::page::{Headline, Page, Status};
use tiketi_report::run::{document, page};
use tiketi_scenario::Plan;
use tiketi_verdict::judge;

/// What is missing if the report is there but its summary could not be printed.
pub(super) const UNPRINTED: &str = "the summary could not be printed";

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

/// Writes the report and prints its summary. Both state the exit code of the process, whatever cannot be written.
pub(super) fn report(run: &Measurements, run_again: &str, folder: &Folder, quiet: bool) -> Exit {
    let mut document = document(run, judge(run), run_again);
    let mut page = page(&document, run);
    let troubles = document.verdicts.troubles();
    let found = troubles.first().copied().map_or(Exit::Success, Exit::from);
    let written = folder.write(&document, run);
    let saved = written.is_ok().then(|| folder.path());
    let stated = match &written {
        Ok(()) => found,
        Err(error) => unwritten(&mut page, found, error),
    };
    if quiet {
        return stated;
    }
    let printed = summary::print(&page, saved);
    let exit = stated.max(printed.err().unwrap_or(Exit::Success));
    if exit != stated {
        qualify(&mut page, exit, UNPRINTED);
        document.ok = false;
        document.exit_code = exit.code();
        document.answer = page.headline.sentences();
        let (html, summary) = RUN_FILES;
        folder.restate((html, &page), (summary, json(&document)));
    }
    exit
}

/// Prints why a report could not be written. Returns how the command ends, which the page then states.
pub(super) fn unwritten(page: &mut Page, found: Exit, error: &io::Error) -> Exit {
    complain(
        format_args!("cannot write the report: {error}"),
        Some("free disk space or choose another folder with --out, then run again"),
    );
    let exit = found.max(Exit::Inconclusive);
    qualify(page, exit, "the report could not be written");
    exit
}

/// Puts what is missing in front of the answer, and states the exit code.
pub(super) fn qualify(page: &mut Page, exit: Exit, lack: &str) {
    let Headline {
        status,
        answer,
        details,
    } = &mut page.headline;
    *status = Status::Unknown;
    let answer_without_lack = std::mem::replace(answer, format!("Inconclusive: {lack}."));
    details.insert(0, answer_without_lack);
    page.exit_code = Some(exit.code());
}
