//! The journal of a search: every run that was played, as JSON lines, so that a search can go on where it was stopped.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use tiketi_capacity::Sample;
use tiketi_scenario::Plan;

/// One line.
#[derive(Serialize, Deserialize)]
struct Entry {
    key: Uuid,
    sample: Sample,
}

/// Runs that were played before, and the file to which new ones go.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    /// Digest of the program: a run of another program may come out differently.
    program: Uuid,
    known: BTreeMap<Uuid, Sample>,
    file: Mutex<File>,
}

impl Journal {
    /// Opens `<out>/<name>.journal.jsonl`, or begins it anew.
    pub(super) fn open(out: &Path, name: &str, program: &[u8], fresh: bool) -> io::Result<Self> {
        let path = out.join(format!("{name}.journal.jsonl"));
        let text = if fresh { String::new() } else { read(&path)? };
        // What cannot be read is played again: a line may have been cut when the program was ended.
        let entries = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Entry>(line).ok());
        let known = entries.map(|entry| (entry.key, entry.sample)).collect();
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
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The digest of a run: of the resolved plan with its seed, and of the program.
    pub(super) fn key(&self, plan: &Plan) -> Uuid {
        let plan = serde_json::to_vec(plan).expect("a plan is sent as JSON to load workers");
        Uuid::new_v5(&self.program, &plan)
    }

    /// The run, if it was played before.
    pub(super) fn find(&self, key: &Uuid) -> Option<&Sample> {
        self.known.get(key)
    }

    /// Keeps a run that was played now.
    pub(super) fn keep(&self, key: Uuid, sample: &Sample) -> io::Result<()> {
        let entry = Entry {
            key,
            sample: sample.clone(),
        };
        let mut line = serde_json::to_string(&entry)?;
        line.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // One write a line, so that a line is whole or not there.
        file.write_all(line.as_bytes())
    }
}

/// The text of a file; nothing if there is none.
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
    fn what_was_kept_is_found_again_by_the_same_program_only() {
        let out = tempfile::tempdir().unwrap();
        let run = example::run();
        let sample = Sample::of(&run);
        let journal = open(out.path(), "one", false);
        journal.keep(journal.key(&run.plan), &sample).unwrap();
        let again = open(out.path(), "one", false);
        assert_eq!(again.find(&again.key(&run.plan)), Some(&sample));
        let mut other_seed = run.plan.clone();
        other_seed.seed += 1;
        assert_eq!(again.find(&again.key(&other_seed)), None);
        let other = open(out.path(), "two", false);
        assert_eq!(other.find(&other.key(&run.plan)), None);
    }

    #[test]
    fn a_line_that_was_cut_costs_only_its_own_run() {
        let out = tempfile::tempdir().unwrap();
        let run = example::run();
        let sample = Sample::of(&run);
        let journal = open(out.path(), "one", false);
        journal.keep(journal.key(&run.plan), &sample).unwrap();
        let path = journal.path().to_owned();
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{whole}{}", &whole[..whole.len() / 2])).unwrap();
        let again = open(out.path(), "one", false);
        assert_eq!(again.known.len(), 1);
        again.keep(Uuid::nil(), &sample).unwrap();
        assert_eq!(open(out.path(), "one", false).known.len(), 2);
    }

    #[test]
    fn a_fresh_journal_knows_nothing() {
        let out = tempfile::tempdir().unwrap();
        let run = example::run();
        let journal = open(out.path(), "one", false);
        journal.keep(Uuid::nil(), &Sample::of(&run)).unwrap();
        assert!(open(out.path(), "one", true).known.is_empty());
        assert!(open(out.path(), "one", false).known.is_empty());
    }
}
