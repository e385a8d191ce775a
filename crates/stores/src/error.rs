//! Why a store cannot start or go on.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Why a store cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum StoresError {
    /// Programs are not on the search path.
    #[error("cannot find {}", list(.0))]
    MissingPrograms(Vec<MissingProgram>),
    /// A program is not of a version that these stores are made for.
    #[error("{program} is version {found}, but {wanted} is needed")]
    WrongVersion {
        /// The program.
        program: String,
        /// What it says of itself.
        found: String,
        /// The versions that work.
        wanted: &'static str,
    },
    /// This process is root's and no unprivileged user exists.
    #[error("servers do not run as root, and neither user `postgres` nor `nobody` exists")]
    NoAccount,
    /// No port is free on all addresses.
    #[error("no port is free on {addresses:?} after {tries} tries")]
    NoFreePort {
        /// The sites.
        addresses: Vec<Ipv4Addr>,
        /// How many ports were tried.
        tries: u32,
    },
    /// Something else listens where a server should.
    #[error("the port of {server} is taken: {log_tail}")]
    PortTaken {
        /// The server.
        server: String,
        /// The end of its log.
        log_tail: String,
    },
    /// There is no room left for a server's files.
    #[error("no room is left for {server}: {detail}")]
    DirectoryFull {
        /// The server.
        server: String,
        /// What failed, or the end of its log.
        detail: String,
    },
    /// A server, or a program that prepares its files, ended before it was ready.
    #[error("{server} died at start ({how}): {log_tail}")]
    DiedAtStart {
        /// The server.
        server: String,
        /// How it ended.
        how: String,
        /// The end of its log.
        log_tail: String,
    },
    /// A server lives, but was not ready in time.
    #[error("{server} was not ready within {} s: {log_tail}", waited.as_secs())]
    StartTimeout {
        /// The server.
        server: String,
        /// How long it had.
        waited: Duration,
        /// The end of its log.
        log_tail: String,
    },
    /// A server ended that nobody had ended.
    #[error("{server} died unbidden ({how}): {log_tail}")]
    Died {
        /// The server.
        server: String,
        /// How it ended.
        how: String,
        /// The end of its log.
        log_tail: String,
    },
    /// A replica does not take over.
    #[error("{server} was not promoted: {reason}; {log_tail}")]
    PromotionFailed {
        /// The replica.
        server: String,
        /// Why.
        reason: String,
        /// The end of its log.
        log_tail: String,
    },
    /// A replica does not follow its primary.
    #[error("{server} did not catch up with its primary within {} s: {log_tail}", waited.as_secs())]
    NeverCaughtUp {
        /// The replica.
        server: String,
        /// How long it had.
        waited: Duration,
        /// The end of its log.
        log_tail: String,
    },
    /// There is nobody to ask: the primary is lost, and no replica was promoted.
    #[error("there is no primary")]
    NoPrimary,
    /// A server does not answer.
    #[error("{server} does not answer: {reason}")]
    Unreachable {
        /// The server.
        server: String,
        /// Why.
        reason: String,
    },
    /// The certificate of a run cannot be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The machine refused a file, a pipe, a process or a socket.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

/// A program that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingProgram {
    /// Its name.
    pub program: &'static str,
    /// The package of Debian and Ubuntu that brings it.
    pub package: &'static str,
}

impl StoresError {
    /// Returns what a user can do about it; `None` means that the message says all there is.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::MissingPrograms(_) => {
                Some("install the packages named, or add the folder of the programs to PATH")
            }
            Self::WrongVersion { .. } => {
                Some("put the wanted version first on PATH: redis-server 7, PostgreSQL 15 or later")
            }
            Self::NoAccount => Some("run as an ordinary user"),
            Self::NoFreePort { .. } | Self::PortTaken { .. } => {
                Some("end what listens on the loopback addresses, or try again")
            }
            Self::DirectoryFull { .. } => {
                Some("free some room, or set TMPDIR to a folder that has it")
            }
            Self::DiedAtStart { .. } | Self::StartTimeout { .. } | Self::Died { .. } => {
                Some("the server's log says why; memory and open files are the usual reasons")
            }
            Self::PromotionFailed { .. } | Self::NeverCaughtUp { .. } => {
                Some("give the machine less load, or the replica more time")
            }
            Self::NoPrimary => Some("promote the replica, or restore the site"),
            Self::Unreachable { .. } | Self::Certificate(_) | Self::Io { .. } => None,
        }
    }

    /// Says what was tried when the machine refused.
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
