//! The folder of one run, and the files in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::measure::Measurements;
use crate::report::{self, Document};

/// Folders of the same scenario and second that are told apart by a number.
const SAME_SECOND_MAX: u32 = 100;

/// The folder of one run.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes `<out>/<scenario>-<UTC time>/`, so that a run that cannot be written never starts.
    pub(super) fn create(out: &Path, scenario: &str) -> io::Result<Self> {
        fs::create_dir_all(out)?;
        let now = jiff::Timestamp::from_nanosecond(i128::from(crate::live::clock::unix_now_ns()))
            .map_err(io::Error::other)?;
        let name = format!("{scenario}-{}", now.strftime("%Y%m%dT%H%M%SZ"));
        for number in 1..=SAME_SECOND_MAX {
            let path = match number {
                1 => out.join(&name),
                _ => out.join(format!("{name}-{number}")),
            };
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes every file of the report.
    pub(super) fn write(&self, document: &Document, run: &Measurements) -> io::Result<()> {
        fs::write(self.path.join("scenario.toml"), run.plan.to_toml())?;
        fs::write(
            self.path.join("summary.json"),
            report::json::render(document),
        )?;
        fs::write(self.path.join("timeseries.csv"), report::csv::render(run))?;
        fs::write(
            self.path.join("report.html"),
            report::html::render(document, run),
        )
    }

    /// Takes the folder away again: the run could not be made, and there is nothing to report.
    pub(super) fn discard(self) {
        // A folder that somebody has put something in stays.
        let _not_empty = fs::remove_dir(self.path);
    }
}
