//! The place where servers run.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::{Account, Programs, StoresError};

/// Start of the names of all hosts' directories.
const PREFIX: &str = "tiketi-stores-";
/// Age of a directory without a lock that nobody will lock any more: a host locks its own within milliseconds.
const LEFT_OVER_AGE: Duration = Duration::from_secs(60);

/// How the lifetime of a server is tied to that of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// A binary and its hidden subcommand that calls [`guard::main`](crate::guard::main). Each server gets a guard process,
    /// which cleans up even if this process is killed.
    Binary(PathBuf, &'static str),
    /// A thread of this process, for tests and benchmarks. It cleans up when the pair is dropped, but not if this process is
    /// killed.
    Bare,
}

/// The place where servers run: programs, account, guard, and a temporary directory that is removed at the end.
#[derive(Clone, Debug)]
pub struct Host {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    programs: Programs,
    account: Account,
    guard: Guard,
    root: TempDir,
    /// The directory itself, locked for as long as this process lives: without the lock, it is left over.
    _lock: File,
    logs: Option<PathBuf>,
    /// Number of directories so far: each server that starts empty gets a new one.
    directories: AtomicU32,
}

impl Host {
    /// Opens a host with the programs and the account of this machine.
    ///
    /// `logs` is an existing directory for the log files of the sites (`redis-0.log`, `postgres-1.log`, …). `None` puts the
    /// logs next to the data, and removes them with it.
    pub fn open(guard: Guard, logs: Option<&Path>) -> Result<Self, StoresError> {
        Self::with(Programs::find()?, guard, logs, &std::env::temp_dir())
    }

    /// Opens a host with other programs and with its data in a new directory in `parent`.
    ///
    /// The account that servers run as must be able to traverse `parent`.
    pub fn with(
        programs: Programs,
        guard: Guard,
        logs: Option<&Path>,
        parent: &Path,
    ) -> Result<Self, StoresError> {
        let account = Account::find()?;
        let failed = |source| {
            StoresError::io(
                format!("cannot create a directory in {}", parent.display()),
                source,
            )
        };
        let root = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(failed)?;
        let lock = File::open(root.path()).map_err(failed)?;
        lock.lock().map_err(failed)?;
        if let Ok(now) = lock.metadata().and_then(|it| it.modified()) {
            remove_left_over(parent, now);
        }
        give(root.path(), account).map_err(failed)?;
        let logs = logs.map(std::path::absolute).transpose().map_err(failed)?;
        Ok(Self {
            inner: Arc::new(Inner {
                programs,
                account,
                guard,
                root,
                _lock: lock,
                logs,
                directories: AtomicU32::new(0),
            }),
        })
    }

    /// Returns the directory that contains everything of this host.
    pub fn root(&self) -> &Path {
        self.inner.root.path()
    }

    pub(crate) fn programs(&self) -> &Programs {
        &self.inner.programs
    }

    pub(crate) fn account(&self) -> Account {
        self.inner.account
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.inner.guard
    }

    /// Returns the path of a new directory for the server with this name (`redis-0`).
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let number = self.inner.directories.fetch_add(1, Ordering::Relaxed);
        self.root().join(format!("{name}.{number}"))
    }

    /// Creates a directory that only the servers' account can access.
    pub(crate) fn make(&self, directory: &Path) -> Result<(), StoresError> {
        fs::DirBuilder::new()
            .mode(0o700)
            .create(directory)
            .and_then(|()| give(directory, self.account()))
            .map_err(|source| {
                StoresError::io(format!("cannot make {}", directory.display()), source)
            })
    }

    /// Returns the log file of a server.
    pub(crate) fn log(&self, name: &str, directory: &Path) -> PathBuf {
        match &self.inner.logs {
            Some(logs) => logs.join(format!("{name}.log")),
            None => directory.join("log"),
        }
    }

    /// Writes or replaces a file that only the servers' account can read.
    ///
    /// The replacement is atomic, because a server may read the file at any time.
    pub(crate) fn write(&self, path: &Path, text: &str) -> Result<(), StoresError> {
        let draft = path.with_extension("draft");
        File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| give(&draft, self.account()))
            .and_then(|()| fs::rename(&draft, path))
            .map_err(|source| StoresError::io(format!("cannot write {}", path.display()), source))
    }
}

/// Removes directories of hosts whose process and guards were all killed. `now` is the time of a new file.
fn remove_left_over(parent: &Path, now: SystemTime) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_old = |metadata: fs::Metadata| {
            let changed = metadata.modified().ok();
            let age = changed.and_then(|changed| now.duration_since(changed).ok());
            metadata.is_dir() && age.is_some_and(|age| age >= LEFT_OVER_AGE)
        };
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !is_ours || !entry.metadata().is_ok_and(is_old) {
            continue;
        }
        let lock = File::open(entry.path());
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            // Fails for the directory of another user.
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

fn give(path: &Path, account: Account) -> std::io::Result<()> {
    match account.ids() {
        Some((user, group)) => chown(path, Some(user), Some(group)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;

    use super::*;

    #[test]
    fn only_old_directories_without_a_lock_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let make = |name: &str, age: Duration| {
            let path = parent.path().join(name);
            fs::create_dir_all(path.join("postgres-0.1/data")).unwrap();
            let directory = File::open(&path).unwrap();
            let times = FileTimes::new().set_modified(now - age);
            directory.set_times(times).unwrap();
            (path, directory)
        };
        let (left_over, _) = make("tiketi-stores-old", LEFT_OVER_AGE);
        let (locked, lock) = make("tiketi-stores-locked", LEFT_OVER_AGE);
        lock.lock().unwrap();
        let (other, _) = make("other", LEFT_OVER_AGE);
        let (new, _) = make("tiketi-stores-new", Duration::from_secs(1));
        remove_left_over(parent.path(), now);
        assert!(!left_over.exists());
        assert!(locked.is_dir() && other.is_dir() && new.is_dir());
    }
}
