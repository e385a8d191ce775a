//! Why a live run could not be made.

use std::time::Duration;

use tiketi_testbed::TestbedError;

/// Why a live run could not be made, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The testbed did not start, or could not do what it was told.
    #[error(transparent)]
    Testbed(#[from] TestbedError),
    /// The load workers could not be started.
    #[error("the load workers could not be started: {0}")]
    Workers(#[source] std::io::Error),
    /// A load worker failed.
    #[error("load worker {worker}: {reason}")]
    Worker {
        /// Which one.
        worker: u32,
        /// Why.
        reason: String,
    },
    /// The load workers did not end in time.
    #[error("the load workers did not end in time")]
    WorkersLate,
    /// The user ended the run before it began.
    #[error("interrupted before the load began: nothing was measured")]
    Interrupted,
    /// The initial instances did not pass their health checks.
    #[error("the fleet did not become healthy within {} s", .waited.as_secs())]
    FleetNotReady {
        /// Wall time waited.
        waited: Duration,
    },
}

impl LiveError {
    /// What the user can do about it; `None` if the message says all there is.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Testbed(error) => error.hint(),
            Self::Worker { .. } | Self::Interrupted => None,
            Self::Workers(_) => {
                Some("the program starts itself: it must be executable where it lies")
            }
            Self::WorkersLate => {
                Some("the machine may be too busy: lower `clock.speed` or the number of buyers")
            }
            Self::FleetNotReady { .. } => Some(
                "the machine may be too busy: lower `clock.speed`, or look at `topology.alb.health_check`",
            ),
        }
    }
}
