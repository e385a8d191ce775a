//! Finds the programs of a data tier and checks their versions.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::StoresError;
use crate::error::MissingProgram;

/// Where Debian and Ubuntu install PostgreSQL: one folder per version, none of them on the PATH.
const DEBIAN_POSTGRES: &str = "/usr/lib/postgresql";
/// Minimum version of PostgreSQL: the documents name version 15.
const POSTGRES_MIN: u32 = 15;
/// The major version of Redis that the documents name.
const REDIS_MAJOR: u32 = 7;

/// The full paths of the programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    pub(crate) redis_server: PathBuf,
    pub(crate) postgres: PathBuf,
    pub(crate) initdb: PathBuf,
    pub(crate) pg_basebackup: PathBuf,
    pub(crate) ipcrm: PathBuf,
}

impl Programs {
    /// Finds the programs on the PATH and in Debian's folders of PostgreSQL.
    ///
    /// [`StoresError::MissingPrograms`] names all missing programs, [`StoresError::WrongVersion`] an unsupported one.
    pub fn find() -> Result<Self, StoresError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        folders.extend(debian_folders(Path::new(DEBIAN_POSTGRES)));
        Self::find_in(&folders)
    }

    /// Finds the programs in these folders; the first that has one wins.
    ///
    /// The programs of PostgreSQL come from the folder of `postgres`, so that versions are not mixed.
    pub fn find_in(folders: &[PathBuf]) -> Result<Self, StoresError> {
        let mut missing = Vec::new();
        let redis_server = wanted(folders, "redis-server", "redis-server", &mut missing);
        let ipcrm = wanted(folders, "ipcrm", "util-linux", &mut missing);
        let postgres = wanted(folders, "postgres", "postgresql-15", &mut missing);
        let beside = match postgres.canonicalize() {
            Ok(real) => real
                .ancestors()
                .skip(1)
                .take(1)
                .map(Path::to_owned)
                .collect(),
            Err(_) => folders.to_vec(),
        };
        let initdb = wanted(&beside, "initdb", "postgresql-15", &mut missing);
        let pg_basebackup = wanted(
            &beside,
            "pg_basebackup",
            "postgresql-client-15",
            &mut missing,
        );
        if !missing.is_empty() {
            return Err(StoresError::MissingPrograms(missing));
        }
        check(&redis_server, "7.0 or later of version 7", |major| {
            major == REDIS_MAJOR
        })?;
        check(&postgres, "15 or later", |major| major >= POSTGRES_MIN)?;
        Ok(Self {
            redis_server,
            postgres,
            initdb,
            pg_basebackup,
            ipcrm,
        })
    }
}

/// Returns the folders of all supported PostgreSQL versions, the oldest first.
fn debian_folders(root: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<u32> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|version| *version >= POSTGRES_MIN)
        .collect();
    versions.sort_unstable();
    versions
        .into_iter()
        .map(|version| root.join(version.to_string()).join("bin"))
        .collect()
}

/// Returns the path of a program. If none of the folders contains it, returns an empty path and adds it to `missing`.
///
/// Doesn't resolve symbolic links: `redis-server` may be a link to a program that acts on the name it is called by.
fn wanted(
    folders: &[PathBuf],
    program: &'static str,
    package: &'static str,
    missing: &mut Vec<MissingProgram>,
) -> PathBuf {
    let found = folders
        .iter()
        .map(|folder| folder.join(program))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| {
        missing.push(MissingProgram { program, package });
        PathBuf::new()
    })
}

fn check(
    program: &Path,
    wanted: &'static str,
    is_right: impl Fn(u32) -> bool,
) -> Result<(), StoresError> {
    let said = Command::new(program)
        .arg("--version")
        .output()
        .map_err(|source| StoresError::io(format!("cannot run {}", program.display()), source))?;
    let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    match major(&said) {
        Some(major) if is_right(major) => Ok(()),
        Some(_) | None => Err(StoresError::WrongVersion {
            program: name(program),
            found: if said.is_empty() {
                "unknown".to_owned()
            } else {
                version(&said).unwrap_or(&said).to_owned()
            },
            wanted,
        }),
    }
}

/// Returns the major version in the first word with a version: `v=7.0.15` for Redis, `15.7` for PostgreSQL.
fn version(said: &str) -> Option<&str> {
    said.split_whitespace()
        .map(|word| word.trim_start_matches("v="))
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
}

fn major(said: &str) -> Option<u32> {
    let digits = version(said)?;
    let end = digits
        .find(|digit: char| !digit.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse().ok()
}

fn name(program: &Path) -> String {
    program
        .file_name()
        .map(OsStr::to_string_lossy)
        .unwrap_or_default()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_both_programs_are_parsed() {
        let redis = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64";
        assert_eq!(major(redis), Some(7));
        assert_eq!(
            major("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)"),
            Some(15)
        );
        assert_eq!(major("postgres (PostgreSQL) 17beta1"), Some(17));
        assert_eq!(major("usage"), None);
    }
}
