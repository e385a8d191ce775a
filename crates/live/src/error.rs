//! Errors of a live run.

use std::time::Duration;

use tiketi_testbed::TestbedError;

/// Why a live run could not start, or ended early.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The testbed did not start, or could not carry out an order or a fault.
    #[error(transparent)]
    Testbed(#[from] TestbedError),
    /// The load workers could not be started.
    #[error("cannot start the load workers: {0}")]
    Workers(#[source] std::io::Error),
    /// A load worker failed.
    #[error("load worker {}: {reason}", .worker + 1)]
    Worker {
        /// Which one, counted from zero; people count from one.
        worker: u32,
        /// Why.
        reason: String,
    },
    /// The load workers did not stop in time.
    #[error("the load workers did not stop in time")]
    WorkersLate,
    /// The user interrupted the run before it started.
    #[error("interrupted before the load started: nothing was measured")]
    Interrupted,
    /// The initial instances did not pass their health checks.
    #[error("the fleet did not become healthy within {} s", .waited.as_secs())]
    FleetNotReady {
        /// How long the run waited, in real time.
        waited: Duration,
    },
}

impl LiveError {
    /// Returns what the user can do about it; `None` if the message says it all.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Testbed(error) => error.hint(),
            Self::Worker { .. } | Self::Interrupted => None,
            Self::Workers(_) => {
                Some("workers are started from this program's own file: it must be executable")
            }
            Self::WorkersLate => {
                Some("the machine may be too busy: lower `clock.speed` or the number of buyers")
            }
            Self::FleetNotReady { .. } => Some(
                "the machine may be too busy: lower `clock.speed`, or check `topology.alb.health_check`",
            ),
        }
    }
}
