//! Why the testbed cannot start or go on.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tiketi_server::SetupError;
use tiketi_stores::StoresError;

use super::budget::TooFewFiles;
use super::{NAME_SERVER_IP, START_TIMEOUT};
use tiketi_core::units::{InstanceId, ZoneId};

/// Why the testbed cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    /// The limit on open files is too low.
    #[error(transparent)]
    TooFewFiles(#[from] TooFewFiles),
    /// The limit on open files cannot be read or raised.
    #[error("cannot raise the limit on open files: {0}")]
    Limit(std::io::Error),
    /// The name server cannot listen.
    #[error("the name server cannot listen on {NAME_SERVER_IP}: {0}")]
    NameServer(std::io::Error),
    /// No port is free on the addresses of all load-balancer nodes.
    #[error("no port is free on {addresses:?}: {source}")]
    NoPort {
        /// The nodes' addresses.
        addresses: Vec<Ipv4Addr>,
        /// What the last try met.
        source: std::io::Error,
    },
    /// A load-balancer node cannot be started.
    #[error("the load-balancer node of zone {} cannot be started: {source}", zone.0)]
    Node {
        /// Its zone.
        zone: ZoneId,
        /// Why.
        source: std::io::Error,
    },
    /// A load-balancer process ended unbidden, and no fault of the scenario took it.
    #[error("a load-balancer process of zone {} ended unbidden", zone.0)]
    NodeEnded {
        /// Its zone.
        zone: ZoneId,
    },
    /// The load balancer did not come up.
    #[error("the load balancer did not listen within {} s", START_TIMEOUT.as_secs())]
    StartTimeout,
    /// A server of the data tier failed.
    #[error("the data tier: {0}")]
    Server(Arc<StoresError>),
    /// The data tier could not be prepared.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// An instance cannot be started, or not be told what to do.
    #[error("{instance} cannot be started: {source}")]
    Instance {
        /// The instance.
        instance: InstanceId,
        /// Why.
        source: std::io::Error,
    },
}

impl From<StoresError> for TestbedError {
    fn from(error: StoresError) -> Self {
        Self::Server(Arc::new(error))
    }
}

impl TestbedError {
    /// What the user can do about it; `None` if the message says all there is.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Server(error) => error.hint(),
            Self::Setup(error) => error.hint(),
            _ => None,
        }
    }

    /// Whether servers that exist already hold what is not the run's, so that it kept its hands off them.
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Setup(
                SetupError::ForeignTables { .. }
                    | SetupError::ForeignKeys { .. }
                    | SetupError::SchemaInUse { .. }
                    | SetupError::PrefixInUse { .. }
            )
        )
    }

    /// Whether the scenario asks for what this machine does not have.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Server(error) => matches!(
                **error,
                StoresError::MissingPrograms(_) | StoresError::WrongVersion { .. }
            ),
            _ => false,
        }
    }
}
