//! Failures and their messages. Most programs here are scripts instead of the real ones.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::{self, SITES, postgres, redis};
use tempfile::TempDir;
use tiketi_stores::{
    Guard, Host, MissingProgram, PostgresKind, PostgresPair, Programs, RedisPair, StoresError,
};

const REDIS: &str = "Redis server v=7.0.15 sha=00000000:0";
const POSTGRES: &str = "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)";

/// A folder of scripts, each with the version it reports and with what it does otherwise.
struct Fakes(TempDir);

impl Fakes {
    fn new() -> Self {
        let permissions = Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(permissions).tempdir();
        let fakes = Self(folder.unwrap());
        fakes.put("redis-server", REDIS, "sleep 60");
        fakes.put("postgres", POSTGRES, "sleep 60");
        for program in ["initdb", "pg_basebackup", "ipcrm"] {
            fakes.put(program, "", "true");
        }
        fakes
    }

    fn put(&self, program: &str, version: &str, does: &str) {
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = --version ]; then echo '{version}'; exit; fi\n{does}\n"
        );
        // Written by a separate process: a file that this process or a child just forked has open cannot be executed.
        let written = Command::new("sh")
            .args(["-c", "printf %s \"$1\" > \"$2\" && chmod 755 \"$2\"", "sh"])
            .args([&script, self.0.path().join(program).to_str().unwrap()])
            .status();
        assert!(written.unwrap().success());
    }

    fn remove(&self, program: &str) {
        fs::remove_file(self.0.path().join(program)).unwrap();
    }

    fn find(&self) -> Result<Programs, StoresError> {
        Programs::find_in(&[PathBuf::from("/no/such/folder"), self.0.path().to_owned()])
    }

    fn host(&self) -> Host {
        Host::with(
            self.find().unwrap(),
            Guard::Bare,
            None,
            &std::env::temp_dir(),
        )
        .unwrap()
    }

    async fn redis(&self) -> StoresError {
        let host = self.host();
        let started = RedisPair::start(&host, redis(&SITES[..1], Duration::ZERO)).await;
        let error = started.err().unwrap();
        assert_eq!(fs::read_dir(host.root()).unwrap().count(), 0);
        error
    }

    async fn postgres(&self) -> StoresError {
        let host = self.host();
        let settings = postgres(&SITES[..1], PostgresKind::Aurora, Duration::ZERO);
        let error = PostgresPair::start(&host, settings).await.err().unwrap();
        assert_eq!(fs::read_dir(host.root()).unwrap().count(), 0);
        error
    }
}

#[test]
fn every_missing_program_is_named_with_its_package() {
    let fakes = Fakes::new();
    fakes.remove("redis-server");
    fakes.remove("pg_basebackup");
    let error = fakes.find().unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot find redis-server (package redis-server), \
         pg_basebackup (package postgresql-client-15)"
    );
    assert!(error.hint().unwrap().contains("install"));
    let StoresError::MissingPrograms(missing) = error else {
        panic!("{error}");
    };
    assert_eq!(
        missing[0],
        MissingProgram {
            program: "redis-server",
            package: "redis-server"
        }
    );
}

#[test]
fn an_unsupported_version_is_reported_with_the_supported_ones() {
    for (program, says, found) in [
        ("redis-server", "Redis server v=6.2.14 sha=0", "6.2.14"),
        ("redis-server", "Valkey server v=8.0.1 sha=0", "8.0.1"),
        ("postgres", "postgres (PostgreSQL) 14.11", "14.11"),
        ("postgres", "", "unknown"),
    ] {
        let fakes = Fakes::new();
        fakes.put(program, says, "true");
        match fakes.find() {
            Err(StoresError::WrongVersion {
                program: named,
                found: version,
                ..
            }) => assert_eq!((named.as_str(), version.as_str()), (program, found)),
            other => panic!("{says}: {other:?}"),
        }
    }
    let fakes = Fakes::new();
    fakes.put("redis-server", "Redis server v=7.4.2 sha=0", "true");
    fakes.put("postgres", "postgres (PostgreSQL) 17.2", "true");
    fakes.find().unwrap();
}

#[test]
fn programs_of_one_version_are_taken_from_one_folder() {
    let (first, second) = (Fakes::new(), Fakes::new());
    for program in ["initdb", "pg_basebackup"] {
        first.remove(program);
    }
    let folders = [first.0.path().to_owned(), second.0.path().to_owned()];
    let found = Programs::find_in(&folders);
    assert!(
        matches!(found, Err(StoresError::MissingPrograms(_))),
        "{found:?}"
    );
}

#[tokio::test]
async fn the_error_of_a_failed_start_quotes_the_log() {
    let fakes = Fakes::new();
    fakes.put("redis-server", REDIS, "echo 'Out of luck' >&2; exit 3");
    let error = fakes.redis().await.to_string();
    assert_eq!(
        error,
        "redis-0 failed to start (exited with status 3): Out of luck"
    );
    fakes.put("postgres", POSTGRES, "kill -SEGV $$");
    let error = fakes.postgres().await.to_string();
    assert!(
        error.starts_with("postgres-0 failed to start (ended by SIGSEGV)"),
        "{error}"
    );
}

#[tokio::test]
async fn the_error_names_the_step_that_failed_before_the_start() {
    let fakes = Fakes::new();
    fakes.put("initdb", "", "echo 'initdb: cannot do it'; exit 1");
    let error = fakes.postgres().await.to_string();
    assert_eq!(
        error,
        "postgres-0 failed to start (initdb exited with status 1): initdb: cannot do it"
    );
}

#[tokio::test]
async fn a_full_disk_is_recognized() {
    let fakes = Fakes::new();
    let full = "echo 'FATAL: could not write: No space left on device'; exit 1";
    fakes.put("redis-server", REDIS, full);
    fakes.put("initdb", "", full);
    for error in [fakes.redis().await, fakes.postgres().await] {
        assert!(
            matches!(error, StoresError::DirectoryFull { .. }),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("TMPDIR"));
    }
}

#[tokio::test]
async fn a_port_that_is_always_in_use_is_reported() {
    let fakes = Fakes::new();
    let taken = "echo 'Could not create server TCP listening socket: bind: Address already in use'";
    fakes.put("redis-server", REDIS, &format!("{taken}; exit 1"));
    let error = fakes.redis().await;
    assert!(matches!(error, StoresError::PortTaken { .. }), "{error}");
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_reported() {
    let fakes = Fakes::new();
    let host = fakes.host();
    fakes.remove("redis-server");
    let started = RedisPair::start(&host, redis(&SITES[..1], Duration::ZERO)).await;
    let error = started.err().unwrap().to_string();
    assert!(error.contains("cannot start redis-server"), "{error}");
}

#[tokio::test]
async fn servers_that_exit_unexpectedly_are_noticed() {
    let Some(host) = common::host() else {
        return;
    };
    let mut pair = RedisPair::start(&host, redis(&SITES, Duration::ZERO))
        .await
        .unwrap();
    pair.check().unwrap();
    for process in working_below(host.root()) {
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    let started = Instant::now();
    let error = loop {
        if let Err(error) = pair.check() {
            break error;
        }
        assert!(started.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(matches!(error, StoresError::Died { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("exited unexpectedly (ended by SIGKILL)")
    );
    pair.stop().await;
}

#[tokio::test]
async fn a_cancelled_start_leaves_nothing_behind() {
    let Some(host) = common::host() else {
        return;
    };
    let settings = postgres(&SITES, PostgresKind::RdsMultiAz, Duration::ZERO);
    let start = PostgresPair::start(&host, settings);
    let given_up = tokio::time::timeout(Duration::from_millis(300), start).await;
    assert!(given_up.is_err());
    assert_eq!(fs::read_dir(host.root()).unwrap().count(), 0);
    assert!(working_below(host.root()).is_empty());
}

#[tokio::test]
async fn arguments_and_logs_contain_no_passwords() {
    let logs = tempfile::tempdir().unwrap();
    let Some(programs) = common::has_servers().then(|| Programs::find().unwrap()) else {
        return;
    };
    let parent = std::env::temp_dir();
    let host = Host::with(programs, Guard::Bare, Some(logs.path()), &parent).unwrap();
    let settings = postgres(&SITES, PostgresKind::RdsMultiAz, Duration::ZERO);
    let redis_pair = RedisPair::start(&host, redis(&SITES, Duration::ZERO)).await;
    let postgres_pair = PostgresPair::start(&host, settings).await;
    let (redis_pair, postgres_pair) = (redis_pair.unwrap(), postgres_pair.unwrap());

    let mut texts = Vec::new();
    for process in working_below(host.root()) {
        for file in ["cmdline", "environ"] {
            texts.extend(fs::read_to_string(format!("/proc/{process}/{file}")));
        }
    }
    assert!(texts.len() >= 8, "{texts:?}");
    for name in ["redis-0", "redis-1", "postgres-0", "postgres-1"] {
        let log = fs::read_to_string(logs.path().join(format!("{name}.log"))).unwrap();
        assert!(!log.is_empty(), "{name}");
        texts.push(log);
    }
    for text in &texts {
        for password in [redis_pair.password().unwrap(), postgres_pair.password()] {
            assert!(!text.contains(password), "{text}");
        }
    }
    redis_pair.stop().await;
    postgres_pair.stop().await;
}

/// Returns the processes whose working directory is in a folder.
fn working_below(folder: &Path) -> Vec<nix::unistd::Pid> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries
        .filter_map(|entry| {
            let directory = fs::read_link(entry.path().join("cwd")).ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            directory
                .starts_with(folder)
                .then_some(nix::unistd::Pid::from_raw(pid))
        })
        .collect()
}
