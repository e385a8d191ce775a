//! The report folder of a run, and the files in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tiketi_station::Profile;

use super::draft::{self, Drafts};

use tiketi_measure::{Measurements, archive};
use tiketi_report::page::Page;
use tiketi_report::plan::{self, PlanDocument};
use tiketi_report::run::{self, Document};
use tiketi_report::{html, json, markdown};
use tiketi_scenario::data_tier::DataTier;
use tiketi_scenario::{self as scenario, Plan};

/// The price book of a run that was priced with a file.
const PRICES: &str = "prices.toml";
/// Subfolder for logs.
const LOGS: &str = "logs";
/// The files of a run that state the exit code: for people, and for programs.
pub(super) const RUN_FILES: (&str, &str) = ("report.html", "summary.json");
/// The files of a search that state the exit code: for people, and for programs.
pub(super) const PLAN_FILES: (&str, &str) = ("plan.html", "plan.json");
/// Runs of the same scenario within one second whose folders get a number to differ.
const SAME_SECOND_MAX: u32 = 100;

/// The report folder of a run.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Parent folders that were created with it, innermost first.
    created_parents: Vec<PathBuf>,
}

impl Folder {
    /// Creates `<out>/<scenario>-<UTC time>/`. Called before the run, so that a run never ends without a place to write.
    pub(super) fn create(out: &Path, scenario: &str) -> io::Result<Self> {
        let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let created_parents = out.ancestors().take_while(is_missing);
        let created_parents = created_parents.map(Path::to_owned).collect();
        fs::create_dir_all(out)?;
        let name = format!("{scenario}-{}", now().strftime("%Y%m%dT%H%M%SZ"));
        for number in 1..=SAME_SECOND_MAX {
            let path = match number {
                1 => out.join(&name),
                _ => out.join(format!("{name}-{number}")),
            };
            match fs::create_dir(&path) {
                Ok(()) => {
                    return Ok(Self {
                        path,
                        created_parents,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    /// Returns its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the folder for the logs of child processes; `None` on the embedded data tier, which has none.
    pub(super) fn logs(&self, plan: &Plan) -> io::Result<Option<PathBuf>> {
        if plan.topology.data_tier == DataTier::Embedded {
            return Ok(None);
        }
        let logs = self.path.join(LOGS);
        fs::create_dir(&logs)?;
        Ok(Some(logs))
    }

    /// Writes the files of the report. A profile that is not built in gets its own file.
    ///
    /// The two files that state the exit code come last and together: without them, a folder is not a report.
    pub(super) fn write(&self, document: &Document, run: &Measurements) -> io::Result<()> {
        // It was there before the run. Somebody may have tidied up since, and the measurements should not be lost for that.
        fs::create_dir_all(&self.path)?;
        self.file("scenario.toml", run.plan.to_toml())?;
        let profile = &run.plan.topology.instances.profile;
        if Profile::named(&profile.name).as_ref() != Some(profile) {
            self.file("profile.toml", scenario::profile::to_toml(profile))?;
        }
        self.file(archive::FILE_NAME, archive::pack(run))?;
        self.file("timeseries.csv", run::timeseries(run))?;
        let page = html::render(&run::page(document, run));
        self.result([(RUN_FILES.0, page), (RUN_FILES.1, json(document))])
    }

    /// Keeps the text of a price book with the run, and returns the path of its file. Prices change, and the file that they were
    /// read from may be gone when the run is repeated.
    pub(super) fn keep_prices(&self, text: &str) -> io::Result<PathBuf> {
        self.file(PRICES, text)?;
        Ok(self.path.join(PRICES))
    }

    /// Writes the files of a search's report; those that state the exit code come last and together.
    pub(super) fn write_plan(&self, document: &PlanDocument) -> io::Result<()> {
        let page = plan::page(document);
        self.file("plan.csv", plan::csv(document))?;
        self.file("plan.md", markdown::render(&page))?;
        let html = html::render(&page);
        self.result([(PLAN_FILES.0, html), (PLAN_FILES.1, json(document))])
    }

    /// Replaces the two files of a report that state the exit code. If that fails, removes them: neither may state another
    /// code than the process.
    pub(super) fn restate(&self, page: (&str, &Page), document: (&str, String)) {
        let names = [page.0, document.0];
        let html = html::render(page.1);
        if self.result([(page.0, html), document]).is_err() {
            for name in names {
                let _gone = fs::remove_file(self.path.join(name));
            }
        }
    }

    fn result(&self, files: [(&str, String); 2]) -> io::Result<()> {
        let mut drafts = Drafts::default();
        for (name, content) in files {
            drafts.add(&self.path.join(name), content)?;
        }
        drafts.commit()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> io::Result<()> {
        draft::write(&self.path.join(name), content)
    }

    /// Removes the folder, and the parents created with it, after a run that failed and has nothing to report.
    pub(super) fn discard(self) {
        let logs = self.path.join(LOGS);
        for path in [logs, self.path].iter().chain(&self.created_parents) {
            // A folder with something in it stays: `remove_dir` fails.
            let _not_empty = fs::remove_dir(path);
        }
    }
}

/// Returns the current time in UTC as RFC 3339, to the second.
pub(super) fn utc_now() -> String {
    now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn now() -> Timestamp {
    let nanos = i128::from(tiketi_live::clock::unix_now_ns());
    Timestamp::from_nanosecond(nanos).expect("64 bits of nanoseconds end within jiff's range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_within_one_second_get_different_folders() {
        let top = tempfile::tempdir().unwrap();
        let folders = [(); 3].map(|()| Folder::create(top.path(), "rush").unwrap());
        let [one, two, three] = folders.map(|folder| folder.path().to_owned());
        assert!(one != two && two != three && one != three);
        assert!(one.is_dir() && two.is_dir() && three.is_dir());
    }

    #[test]
    fn discard_removes_only_what_it_created() {
        let top = tempfile::tempdir().unwrap();
        let out = top.path().join("a/b");
        Folder::create(&out, "rush").unwrap().discard();
        assert!(!top.path().join("a").exists());
        fs::create_dir(top.path().join("a")).unwrap();
        Folder::create(&out, "rush").unwrap().discard();
        assert!(top.path().join("a").is_dir() && !out.exists());
        let kept = Folder::create(&out, "rush").unwrap();
        Folder::create(&out, "rush").unwrap().discard();
        assert!(kept.path().is_dir(), "another run's folder was removed");
    }
}
