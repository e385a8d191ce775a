//! The place where servers run.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::{Account, Programs, StoresError};

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
            .prefix("tiketi-stores-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(failed)?;
        give(root.path(), account).map_err(failed)?;
        let logs = logs.map(std::path::absolute).transpose().map_err(failed)?;
        Ok(Self {
            inner: Arc::new(Inner {
                programs,
                account,
                guard,
                root,
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

fn give(path: &Path, account: Account) -> std::io::Result<()> {
    match account.ids() {
        Some((user, group)) => chown(path, Some(user), Some(group)),
        None => Ok(()),
    }
}
