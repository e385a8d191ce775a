//! Frees the shared memory of servers that were killed, where the kernel does not do so.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::containment::Namespaces;

/// Start of the names that PostgreSQL gives its POSIX shared memory.
const POSIX_PREFIX: &str = "/dev/shm/PostgreSQL.";

/// How to find and remove a System V shared-memory segment.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct SharedMemory {
    /// PostgreSQL's lock file. Its seventh line has the key and id of the segment.
    pub(crate) lock_file: PathBuf,
    /// The program that removes a segment.
    pub(crate) ipcrm: PathBuf,
}

impl SharedMemory {
    /// Removes the segment and the lock file that names it: a later process with the same id must not make it look valid.
    ///
    /// In namespaces of its own, the kernel has freed the segment, and its id may be that of somebody else's out here.
    ///
    /// `ids` are the user and group of the server: only the owner of a segment may always remove it.
    pub(crate) fn free(&self, namespaces: Namespaces, ids: Option<(u32, u32)>) {
        let Ok(text) = fs::read_to_string(&self.lock_file) else {
            return;
        };
        let segment = text
            .lines()
            .nth(6)
            .and_then(|line| line.split_whitespace().nth(1));
        match (segment, namespaces) {
            (Some(id), Namespaces::Shared) => {
                let mut ipcrm = Command::new(&self.ipcrm);
                ipcrm
                    .args(["-m", id])
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null());
                if let Some((user, group)) = ids {
                    ipcrm.uid(user).gid(group);
                }
                // Fails for a server that shut down normally and removed the segment itself.
                drop(ipcrm.status());
            }
            (Some(_) | None, Namespaces::Own) | (None, Namespaces::Shared) => {}
        }
        drop(fs::remove_file(&self.lock_file));
    }
}

/// Returns the files of PostgreSQL's POSIX shared memory that these stopped processes have open or mapped.
///
/// `initdb` uses it whatever the configuration says, and PostgreSQL does not write down its name.
pub(crate) fn posix_of(processes: &[Pid]) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for pid in processes {
        let process = Path::new("/proc").join(pid.to_string());
        let maps = fs::read_to_string(process.join("maps")).unwrap_or_default();
        let mapped = maps
            .lines()
            .filter_map(|line| line.find(POSIX_PREFIX).map(|at| &line[at..]));
        files.extend(mapped.filter_map(named));
        let open = fs::read_dir(process.join("fd")).into_iter().flatten();
        let open = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        files.extend(open.filter_map(|path| named(path.to_str()?)));
    }
    files
}

/// Returns the file of a shared-memory segment; `None` for another file or one that was removed.
fn named(path: &str) -> Option<PathBuf> {
    let number = path.strip_prefix(POSIX_PREFIX)?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_existing_segments_of_postgresql_are_named() {
        let segment = "/dev/shm/PostgreSQL.3141592653";
        assert_eq!(named(segment), Some(PathBuf::from(segment)));
        for other in [
            "/dev/shm/PostgreSQL.3141592653 (deleted)",
            "/dev/shm/PostgreSQL.",
            "/dev/shm/PostgreSQL.1/../x",
            "/dev/shm/other",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
    }

    #[test]
    fn an_open_segment_of_a_process_is_found() {
        let path = format!("{POSIX_PREFIX}{}", u64::MAX - u64::from(std::process::id()));
        let path = PathBuf::from(path);
        let _file = fs::File::create(&path).unwrap();
        let found = posix_of(&[nix::unistd::getpid()]);
        fs::remove_file(&path).unwrap();
        assert!(found.contains(&path), "{found:?}");
    }
}
