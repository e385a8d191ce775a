//! Reads the measurements of a finished run from its report folder.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::exit::{Exit, complain};
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
    let shown = path.display();
    let bytes = read_at_most(&path, archive::PACKED_BYTES_MAX).map_err(|error| {
        let hint = "name the report folder of a finished run, such as one in reports/";
        source::cannot_read("run", &path, &error, Some(hint))
    })?;
    let measured = archive::unpack(&bytes).map_err(|error| {
        complain(
            format_args!("{shown}: {error}"),
            Some("repeat the run with this version of tiketi-sim"),
        );
        Exit::BadScenario
    })?;
    let name = folder.display().to_string();
    Ok(FinishedRun {
        name: name.trim_end_matches('/').to_owned(),
        measured,
    })
}

/// Reads a file; fails if it has more than `bytes_max` bytes, as a device that never ends does.
fn read_at_most(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(bytes_max + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let limit = bytes_max >> 20;
        return Err(io::Error::other(format!(
            "larger than {limit} MiB, the limit of an archive"
        )));
    }
    Ok(bytes)
}

/// Returns the measurements file in a folder, or the path itself if it is a file.
fn file_of(folder: &Path) -> PathBuf {
    let is_file = folder.is_file();
    if is_file {
        folder.to_owned()
    } else {
        folder.join(archive::FILE_NAME)
    }
}
