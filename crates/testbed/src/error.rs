//! Errors of the testbed.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tiketi_server::SetupError;
use tiketi_stores::StoresError;

use super::budget::TooFewFiles;
use super::{NAME_SERVER_IP, START_TIMEOUT};
use tiketi_core::units::InstanceId;

/// Why the testbed cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    /// The limit on open files is too low.
    #[error(transparent)]
    TooFewFiles(#[from] TooFewFiles),
    /// The limit on open files cannot be read or raised.
    #[error("cannot read or raise the limit on open files: {0}")]
    Limit(std::io::Error),
    /// The name server cannot listen.
    #[error("the name server cannot listen on {NAME_SERVER_IP}: {0}")]
    NameServer(std::io::Error),
    /// The edge cannot start.
    #[error("the edge cannot start: {0}")]
    Edge(std::io::Error),
    /// The payment provider, S3 or a router cannot listen.
    #[error("cannot start the payment provider, S3 and the routers: {0}")]
    Outside(std::io::Error),
    /// No port is free on the addresses of all load-balancer nodes.
    #[error("no port is free on all of {addresses:?}: {source}")]
    NoPort {
        /// The nodes' addresses.
        addresses: Vec<Ipv4Addr>,
        /// The error of the last attempt.
        source: std::io::Error,
    },
    /// A load-balancer node cannot be started.
    #[error("cannot start the load-balancer node of zone {zone}: {source}")]
    Node {
        /// Name of its zone.
        zone: String,
        /// Why.
        source: std::io::Error,
    },
    /// A load-balancer process ended, and no fault of the scenario explains it.
    #[error("a load-balancer process of zone {zone} ended unexpectedly")]
    NodeEnded {
        /// Name of its zone.
        zone: String,
    },
    /// The load balancer did not start in time.
    #[error("the load balancer did not listen within {} s", START_TIMEOUT.as_secs())]
    StartTimeout,
    /// A server of the data tier failed.
    #[error("data tier: {0}")]
    Server(Arc<StoresError>),
    /// The tables or keys of the run could not be prepared.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// An instance cannot be started, paused or resumed.
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
    /// Returns what the user can do about it; `None` if the message says it all.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Server(error) => error.hint(),
            Self::Setup(error) => error.hint(),
            _ => None,
        }
    }

    /// Whether existing servers contain other data, so that the run did not touch them.
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

    /// Whether the scenario needs something that this machine does not have, or has an invalid URL.
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
