//! Errors of the stores.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Why a store failed to start or to continue.
#[derive(Debug, thiserror::Error)]
pub enum StoresError {
    /// Programs are not installed, or not on the search path.
    #[error("cannot find {}", list(.0))]
    MissingPrograms(Vec<MissingProgram>),
    /// The version of a program is not supported.
    #[error("{program} is version {found}, but {wanted} is required")]
    WrongVersion {
        /// The program.
        program: String,
        /// Its version.
        found: String,
        /// The supported versions.
        wanted: &'static str,
    },
    /// This process runs as root, and there is no unprivileged user to switch to.
    #[error("servers cannot run as root, and neither user `postgres` nor `nobody` exists")]
    NoAccount,
    /// No port is free on all addresses.
    #[error("no free port on {addresses:?} after {tries} tries")]
    NoFreePort {
        /// The sites.
        addresses: Vec<Ipv4Addr>,
        /// Number of ports tried.
        tries: u32,
    },
    /// Another process listens on the port of a server.
    #[error("the port of {server} is in use: {log_tail}")]
    PortTaken {
        /// The server.
        server: String,
        /// The end of its log.
        log_tail: String,
    },
    /// The disk is full.
    #[error("no disk space left for {server}: {detail}")]
    DirectoryFull {
        /// The server.
        server: String,
        /// The error, or the end of the log.
        detail: String,
    },
    /// A server, or a program that prepares its files, exited before the server was ready.
    #[error("{server} failed to start ({how}): {log_tail}")]
    DiedAtStart {
        /// The server.
        server: String,
        /// How it exited.
        how: String,
        /// The end of its log.
        log_tail: String,
    },
    /// A server is running but was not ready in time.
    #[error("{server} was not ready within {} s: {log_tail}", waited.as_secs())]
    StartTimeout {
        /// The server.
        server: String,
        /// The timeout.
        waited: Duration,
        /// The end of its log.
        log_tail: String,
    },
    /// A server exited unexpectedly.
    #[error("{server} exited unexpectedly ({how}): {log_tail}")]
    Died {
        /// The server.
        server: String,
        /// How it exited.
        how: String,
        /// The end of its log.
        log_tail: String,
    },
    /// The promotion of a replica failed.
    #[error("cannot promote {server}: {reason}; {log_tail}")]
    PromotionFailed {
        /// The replica.
        server: String,
        /// The reason.
        reason: String,
        /// The end of its log.
        log_tail: String,
    },
    /// A replica doesn't follow its primary.
    #[error("{server} did not catch up with its primary within {} s: {log_tail}", waited.as_secs())]
    NeverCaughtUp {
        /// The replica.
        server: String,
        /// The timeout.
        waited: Duration,
        /// The end of its log.
        log_tail: String,
    },
    /// The primary is lost and no replica was promoted.
    #[error("no primary")]
    NoPrimary,
    /// A server doesn't respond.
    #[error("{server} does not respond: {reason}")]
    Unreachable {
        /// The server.
        server: String,
        /// The reason.
        reason: String,
    },
    /// A certificate cannot be created.
    #[error("cannot create a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// An operation on a file, a pipe, a process or a socket failed.
    #[error("{what}: {source}")]
    Io {
        /// The failed operation.
        what: String,
        /// The cause.
        source: io::Error,
    },
}

/// A program that is not installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingProgram {
    /// Its name.
    pub program: &'static str,
    /// The package of Debian and Ubuntu that contains it.
    pub package: &'static str,
}

impl StoresError {
    /// Returns what a user can do about it; `None` if the message is sufficient.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::MissingPrograms(_) => {
                Some("install these packages, or add the folder of the programs to PATH")
            }
            Self::WrongVersion { .. } => Some(
                "put a supported version first on PATH: redis-server 7, PostgreSQL 15 or later",
            ),
            Self::NoAccount => Some("run as a regular user"),
            Self::NoFreePort { .. } | Self::PortTaken { .. } => {
                Some("stop the process that listens on the loopback address, or try again")
            }
            Self::DirectoryFull { .. } => {
                Some("free some disk space, or set TMPDIR to a folder on a larger disk")
            }
            Self::DiedAtStart { .. } | Self::StartTimeout { .. } | Self::Died { .. } => Some(
                "see the server's log; the usual causes are too little memory and too few open files",
            ),
            Self::PromotionFailed { .. } | Self::NeverCaughtUp { .. } => {
                Some("reduce the load on this machine")
            }
            Self::NoPrimary => Some("promote the replica, or restore the site"),
            Self::Unreachable { .. } | Self::Certificate(_) | Self::Io { .. } => None,
        }
    }

    /// Creates an error of a failed operation.
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        let what = what.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DirectoryFull {
                server: what,
                detail: source.to_string(),
            },
            _ => Self::Io { what, source },
        }
    }
}

fn list(missing: &[MissingProgram]) -> String {
    let names: Vec<_> = missing
        .iter()
        .map(|MissingProgram { program, package }| format!("{program} (package {package})"))
        .collect();
    names.join(", ")
}
