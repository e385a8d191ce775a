//! The journal of a search: its finished runs as JSON lines, so that an interrupted search can resume.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use tiketi_capacity::Sample;
use tiketi_scenario::Plan;

/// One line of the file.
#[derive(Serialize, Deserialize)]
struct FinishedRun {
    key: Uuid,
    sample: Sample,
}

/// The runs finished before, and the file to which new ones are appended.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    /// Digest of the program: another build may give other results.
    program: Uuid,
    known: BTreeMap<Uuid, Sample>,
    file: Mutex<File>,
    /// Finished runs that could not be written.
    lost: AtomicUsize,
}

impl Journal {
    /// Opens or creates `<out>/<name>.journal.jsonl`; `fresh` empties it.
    pub(super) fn open(out: &Path, name: &str, program: &[u8], fresh: bool) -> io::Result<Self> {
        let path = out.join(format!("{name}.journal.jsonl"));
        let text = if fresh { String::new() } else { read(&path)? };
        // A run whose line cannot be read is repeated: the program may have been killed while writing the line.
        let runs = text
            .lines()
            .filter_map(|line| serde_json::from_str::<FinishedRun>(line).ok());
        let known = runs.map(|run| (run.key, run.sample)).collect();
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(!fresh)
            .truncate(fresh)
            .open(&path)?;
        if !text.is_empty() && !text.ends_with('\n') {
            writeln!(file)?;
        }
        Ok(Self {
            path,
            program: Uuid::new_v5(&Uuid::NAMESPACE_OID, program),
            known,
            file: Mutex::new(file),
            lost: AtomicUsize::new(0),
        })
    }

    /// Returns the path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the digest of a run: of the program and of the resolved plan, which includes the seed.
    pub(super) fn key(&self, plan: &Plan) -> Uuid {
        let plan = serde_json::to_vec(plan).expect("every plan can be written as JSON");
        Uuid::new_v5(&self.program, &plan)
    }

    /// Returns the result of a run that finished before, or `None`.
    pub(super) fn find(&self, key: &Uuid) -> Option<&Sample> {
        self.known.get(key)
    }

    /// Returns the number of finished runs that could not be written.
    pub(super) fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }

    /// Appends a finished run. A run that cannot be written, because the disk is full, counts as lost: the search goes on.
    pub(super) fn keep(&self, key: Uuid, sample: &Sample) {
        if self.append(key, sample).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn append(&self, key: Uuid, sample: &Sample) -> io::Result<()> {
        let run = FinishedRun {
            key,
            sample: sample.clone(),
        };
        let mut line = serde_json::to_string(&run)?;
        line.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let length = file.metadata()?.len();
        // One write per line, so that a concurrent reader never sees half of one.
        file.write_all(line.as_bytes()).inspect_err(|_| {
            // The next line must not continue half a line.
            let _still_full = file.set_len(length);
        })
    }
}

/// Returns the text of a file, or an empty string if the file does not exist.
fn read(path: &Path) -> io::Result<String> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::example;

    fn open(out: &Path, program: &str, fresh: bool) -> Journal {
        Journal::open(out, "rush", program.as_bytes(), fresh).unwrap()
    }

    #[test]
    fn a_finished_run_is_found_by_the_same_program_only() {
        let out = tempfile::tempdir().unwrap();
        let run = example::run();
        let sample = Sample::of(&run);
        let journal = open(out.path(), "one", false);
        journal.keep(journal.key(&run.plan), &sample);
        let again = open(out.path(), "one", false);
        assert_eq!(again.find(&again.key(&run.plan)), Some(&sample));
        let mut other_seed = run.plan.clone();
        other_seed.seed += 1;
        assert_eq!(again.find(&again.key(&other_seed)), None);
        let other = open(out.path(), "two", false);
        assert_eq!(other.find(&other.key(&run.plan)), None);
    }

    #[test]
    fn a_truncated_line_loses_only_its_own_run() {
        let out = tempfile::tempdir().unwrap();
        let run = example::run();
        let sample = Sample::of(&run);
        let journal = open(out.path(), "one", false);
        journal.keep(journal.key(&run.plan), &sample);
        let path = journal.path().to_owned();
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{whole}{}", &whole[..whole.len() / 2])).unwrap();
        let again = open(out.path(), "one", false);
        assert_eq!(again.known.len(), 1);
        again.keep(Uuid::nil(), &sample);
        assert_eq!(open(out.path(), "one", false).known.len(), 2);
    }

    #[test]
    fn a_fresh_journal_is_empty() {
        let out = tempfile::tempdir().unwrap();
        let run = example::run();
        let journal = open(out.path(), "one", false);
        journal.keep(Uuid::nil(), &Sample::of(&run));
        assert!(open(out.path(), "one", true).known.is_empty());
        assert!(open(out.path(), "one", false).known.is_empty());
    }
}
