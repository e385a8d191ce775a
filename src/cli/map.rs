//! `tiketi-sim map`: drafts an API mapping from a browser recording or an OpenAPI document.

use std::path::Path;

use super::args::MapArguments;
use super::exit::{Exit, complain};
use super::input::{self, Kind};
use super::reading::Reading;
use super::{draft, output, source};
use tiketi_api_draft::{Draft, Recording, RecordingError, from_document, from_recording};
use tiketi_core::shown::on_lines;

/// Drafts a mapping and prints it, or writes it to a file.
pub(super) fn map(flags: &MapArguments) -> Exit {
    match carry_out(flags) {
        Ok(()) => Exit::Success,
        Err(exit) => exit,
    }
}

fn carry_out(flags: &MapArguments) -> Result<(), Exit> {
    if let Some(out) = &flags.out {
        refuse_to_replace(out, flags.force)?;
    }
    let drafted = match (&flags.har, &flags.openapi) {
        (Some(path), _) => from_recording(recording(path, flags.quiet)?, &stem(path)),
        (None, Some(path)) => {
            let document = source::document(path)?;
            let name = document.name().unwrap_or_else(|| stem(path));
            from_document(&document, &name)
        }
        (None, None) => unreachable!("one of the two arguments is required"),
    };
    match &flags.out {
        Some(out) => draft::write(out, &drafted.toml).map_err(|error| {
            complain(
                format_args!("cannot write the API mapping: {error}"),
                Some("choose another file with --out"),
            );
            Exit::BadScenario
        })?,
        // What a recording contains may have escape sequences.
        None => output::print(on_lines(&drafted.toml).as_bytes())?,
    }
    if !flags.quiet {
        super::progress::line(format_args!("{}", said(&drafted)));
    }
    Ok(())
}

fn refuse_to_replace(out: &Path, is_forced: bool) -> Result<(), Exit> {
    let is_file = std::fs::metadata(out).is_ok_and(|found| found.is_file());
    if is_forced || !is_file {
        return Ok(());
    }
    complain(
        format_args!("{} exists already", out.display()),
        Some("choose another file, or replace it with --force"),
    );
    Err(Exit::BadScenario)
}

fn recording(path: &Path, is_quiet: bool) -> Result<Recording, Exit> {
    let pieces = input::pieces(Kind::Recording, path)
        .map_err(|error| source::cannot_read(Kind::Recording, path, &error))?;
    let mut reading = Reading::new(pieces, &input::shown(path), is_quiet);
    let read = Recording::read(&mut reading);
    reading.finish();
    read.map_err(|error| match error {
        RecordingError::Io(error) => source::cannot_read(Kind::Recording, path, &error.into()),
        error => {
            complain(
                format_args!("{}: {error}", input::shown(path)),
                Some(error.hint()),
            );
            Exit::BadScenario
        }
    })
}

/// The name of a file without its ending.
fn stem(path: &Path) -> String {
    let stem = path.file_stem().filter(|_| !input::is_stdin(path));
    stem.map_or_else(
        || "drafted".to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    )
}

fn said(drafted: &Draft) -> String {
    let roles: Vec<_> = drafted.roles.iter().map(|role| role.name()).collect();
    let roles = if roles.is_empty() {
        "no role".to_owned()
    } else {
        roles.join(", ")
    };
    match drafted.questions {
        0 => format!("Recognized {roles}. No open questions."),
        1 => format!("Recognized {roles}. 1 open question: the line with `# ?`."),
        many => format!("Recognized {roles}. {many} open questions: the lines with `# ?`."),
    }
}
