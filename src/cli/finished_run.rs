//! Reads the measurements of a finished run from its report folder.

use std::path::{Path, PathBuf};

use super::exit::{Exit, complain};
use super::input::{self, Kind};
use super::source;
use tiketi_measure::{Measurements, archive};

/// A finished run.
#[derive(Debug)]
pub(super) struct FinishedRun {
    /// Its name in reports: the path given on the command line.
    pub(super) name: String,
    /// The measurements.
    pub(super) measured: Measurements,
}

/// Reads the run in `folder`, or prints why it cannot be read.
pub(super) fn read(folder: &Path) -> Result<FinishedRun, Exit> {
    let path = file_of(folder);
    let shown = input::shown(&path);
    let bytes = input::bytes(Kind::Run, &path)
        .map_err(|error| source::cannot_read(Kind::Run, &path, &error))?;
    let measured = archive::unpack(&bytes).map_err(|error| {
        complain(
            format_args!("{shown}: {error}"),
            Some("repeat the run with this version of tiketi-sim"),
        );
        Exit::BadScenario
    })?;
    let name = input::shown(folder);
    Ok(FinishedRun {
        name: name.trim_end_matches('/').to_owned(),
        measured,
    })
}

/// Returns the measurements file in a folder, or the path itself if it is not a folder.
fn file_of(folder: &Path) -> PathBuf {
    let is_other = input::is_stdin(folder) || (folder.exists() && !folder.is_dir());
    if is_other {
        folder.to_owned()
    } else {
        folder.join(archive::FILE_NAME)
    }
}
