//! Reads the measurements of a finished run from its folder.

use std::path::{Path, PathBuf};

use super::exit::{Exit, complain};
use tiketi_measure::{Measurements, archive};

/// A finished run.
#[derive(Debug)]
pub(super) struct KeptRun {
    /// What reports call it: the path that the user gave.
    pub(super) name: String,
    /// What was measured.
    pub(super) measured: Measurements,
}

/// Reads the run in `folder`, or tells what is wrong with it.
pub(super) fn read(folder: &Path) -> Result<KeptRun, Exit> {
    let path = file_of(folder);
    let shown = path.display();
    let bytes = std::fs::read(&path).map_err(|error| {
        complain(
            format_args!("{shown}: cannot be read: {error}"),
            Some("name the folder of a run, such as one that `run` has made in reports/"),
        );
        Exit::BadScenario
    })?;
    let measured = archive::unpack(&bytes).map_err(|error| {
        complain(
            format_args!("{shown}: {error}"),
            Some("run it again with this version of tiketi-sim"),
        );
        Exit::BadScenario
    })?;
    let name = folder.display().to_string();
    Ok(KeptRun {
        name: name.trim_end_matches('/').to_owned(),
        measured,
    })
}

/// The file in a folder, or the file itself if that is what was named.
fn file_of(folder: &Path) -> PathBuf {
    let is_file = folder.is_file();
    if is_file {
        folder.to_owned()
    } else {
        folder.join(archive::FILE_NAME)
    }
}
