//! Load balancer capacity units (LCU), per hour and dimension.

use serde::{Deserialize, Serialize};

/// What one capacity unit covers in each dimension (source: AWS's Elastic Load Balancing pricing page).
pub(super) const NEW_CONNECTIONS_PER_SECOND: f64 = 25.0;
pub(super) const ACTIVE_CONNECTIONS: f64 = 3_000.0;
pub(super) const GB_PER_HOUR: f64 = 1.0;
pub(super) const RULE_EVALUATIONS_PER_SECOND: f64 = 1_000.0;

/// Load balancer usage in one hour of the run, in unit-hours per dimension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LcuHour {
    /// The hour, counted from 0.
    pub hour: u64,
    /// New connections; 25 per second are one unit.
    pub new_connections: f64,
    /// Active connections; 3,000 are one unit.
    pub active_connections: f64,
    /// Bytes in both directions; one gigabyte is one unit-hour.
    pub processed_bytes: f64,
    /// Rule evaluations; 1,000 per second are one unit.
    pub rule_evaluations: f64,
}

/// A dimension of load balancer usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dimension {
    /// New connections.
    NewConnections,
    /// Active connections.
    ActiveConnections,
    /// Bytes.
    ProcessedBytes,
    /// Rule evaluations.
    RuleEvaluations,
}

impl Dimension {
    /// All dimensions, in the order of AWS's documentation.
    pub const ALL: [Self; 4] = [
        Self::NewConnections,
        Self::ActiveConnections,
        Self::ProcessedBytes,
        Self::RuleEvaluations,
    ];

    /// Returns the name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NewConnections => "new connections",
            Self::ActiveConnections => "active connections",
            Self::ProcessedBytes => "processed bytes",
            Self::RuleEvaluations => "rule evaluations",
        }
    }
}

impl LcuHour {
    /// Returns the unit-hours in one dimension.
    pub const fn of(&self, dimension: Dimension) -> f64 {
        match dimension {
            Dimension::NewConnections => self.new_connections,
            Dimension::ActiveConnections => self.active_connections,
            Dimension::ProcessedBytes => self.processed_bytes,
            Dimension::RuleEvaluations => self.rule_evaluations,
        }
    }

    /// Returns the billed dimension, which is the one used most, and its unit-hours. The first one wins a tie.
    pub fn billed(&self) -> (Dimension, f64) {
        Dimension::ALL
            .into_iter()
            .map(|dimension| (dimension, self.of(dimension)))
            .reduce(|most, next| if next.1 > most.1 { next } else { most })
            .expect("there are four dimensions")
    }
}
