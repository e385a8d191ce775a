//! The folder of one run, and the files in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tiketi_station::Profile;

use tiketi_measure::{Measurements, archive};
use tiketi_report::plan::{self, PlanDocument};
use tiketi_report::run::{self, Document};
use tiketi_report::{html, json, markdown};
use tiketi_scenario::data_tier::DataTier;
use tiketi_scenario::{self as scenario, Plan};

/// Folder of the logs within a run's.
const LOGS: &str = "logs";
/// Folders of the same scenario and second that are told apart by a number.
const SAME_SECOND_MAX: u32 = 100;

/// The folder of one run.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// The folders above it that were made for it, the innermost first.
    made_for_it: Vec<PathBuf>,
}

impl Folder {
    /// Makes `<out>/<scenario>-<UTC time>/`, so that a run that cannot be written never starts.
    pub(super) fn create(out: &Path, scenario: &str) -> io::Result<Self> {
        let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let made_for_it = out.ancestors().take_while(is_missing);
        let made_for_it = made_for_it.map(Path::to_owned).collect();
        fs::create_dir_all(out)?;
        let name = format!("{scenario}-{}", now().strftime("%Y%m%dT%H%M%SZ"));
        for number in 1..=SAME_SECOND_MAX {
            let path = match number {
                1 => out.join(&name),
                _ => out.join(format!("{name}-{number}")),
            };
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, made_for_it }),
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

    /// Makes the folder for what child processes say; `None` where the supervisor says it all, without servers.
    pub(super) fn logs(&self, plan: &Plan) -> io::Result<Option<PathBuf>> {
        if plan.topology.data_tier == DataTier::Embedded {
            return Ok(None);
        }
        let logs = self.path.join(LOGS);
        fs::create_dir(&logs)?;
        Ok(Some(logs))
    }

    /// Writes every file of the report; the service times have one of their own if they did not come with the program.
    pub(super) fn write(&self, document: &Document, run: &Measurements) -> io::Result<()> {
        self.file("scenario.toml", run.plan.to_toml())?;
        let profile = &run.plan.topology.instances.profile;
        if Profile::named(&profile.name).as_ref() != Some(profile) {
            self.file("profile.toml", scenario::profile::to_toml(profile))?;
        }
        self.file("summary.json", json(document))?;
        self.file(archive::FILE_NAME, archive::pack(run))?;
        self.file("timeseries.csv", run::timeseries(run))?;
        self.file("report.html", html::render(&run::page(document, run)))
    }

    /// Writes every file of the report of a search.
    pub(super) fn write_plan(&self, document: &PlanDocument) -> io::Result<()> {
        let page = plan::page(document);
        self.file("plan.json", json(document))?;
        self.file("plan.csv", plan::csv(document))?;
        self.file("plan.md", markdown::render(&page))?;
        self.file("plan.html", html::render(&page))
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> io::Result<()> {
        let path = self.path.join(name);
        fs::write(&path, content)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    /// Takes the folder away again, and those made for it: the run could not be made, and there is nothing to report.
    pub(super) fn discard(self) {
        let logs = self.path.join(LOGS);
        for path in [logs, self.path].iter().chain(&self.made_for_it) {
            // A folder that somebody has put something in stays.
            let _not_empty = fs::remove_dir(path);
        }
    }
}

/// The present time, RFC 3339 in UTC, to the second.
pub(super) fn utc_now() -> String {
    now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn now() -> Timestamp {
    let nanos = i128::from(tiketi_live::clock::unix_now_ns());
    Timestamp::from_nanosecond(nanos).expect("64 bits of nanoseconds end before the calendar does")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_the_same_second_get_folders_of_their_own() {
        let top = tempfile::tempdir().unwrap();
        let folders = [(); 3].map(|()| Folder::create(top.path(), "rush").unwrap());
        let [one, two, three] = folders.map(|folder| folder.path().to_owned());
        assert!(one != two && two != three && one != three);
        assert!(one.is_dir() && two.is_dir() && three.is_dir());
    }

    #[test]
    fn a_discarded_folder_leaves_what_was_there_before() {
        let top = tempfile::tempdir().unwrap();
        let out = top.path().join("a/b");
        Folder::create(&out, "rush").unwrap().discard();
        assert!(!top.path().join("a").exists());
        fs::create_dir(top.path().join("a")).unwrap();
        Folder::create(&out, "rush").unwrap().discard();
        assert!(top.path().join("a").is_dir() && !out.exists());
        let kept = Folder::create(&out, "rush").unwrap();
        Folder::create(&out, "rush").unwrap().discard();
        assert!(kept.path().is_dir(), "another run's folder stays");
    }
}
