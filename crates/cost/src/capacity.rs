//! Capacity units of the load balancer (LCU), hour by hour and by their four dimensions.

use serde::{Deserialize, Serialize};

/// What one capacity unit covers, each dimension for itself (AWS's page on the prices of Elastic Load Balancing).
pub(super) const NEW_CONNECTIONS_A_SECOND: f64 = 25.0;
pub(super) const ACTIVE_CONNECTIONS: f64 = 3_000.0;
pub(super) const GB_AN_HOUR: f64 = 1.0;
pub(super) const RULE_EVALUATIONS_A_SECOND: f64 = 1_000.0;

/// Use of the load balancer in one hour of the run, each dimension in unit-hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LcuHour {
    /// Which hour: 0 is the first.
    pub hour: u64,
    /// New connections: 25 a second are one unit.
    pub new_connections: f64,
    /// Connections held: 3,000 are one unit.
    pub active_connections: f64,
    /// Bytes, both ways: a gigabyte is one unit-hour.
    pub processed_bytes: f64,
    /// Evaluations of rules: 1,000 a second are one unit.
    pub rule_evaluations: f64,
}

/// One of the four dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dimension {
    /// New connections.
    NewConnections,
    /// Connections held.
    ActiveConnections,
    /// Bytes.
    ProcessedBytes,
    /// Evaluations of rules.
    RuleEvaluations,
}

impl Dimension {
    /// All of them, in the order in which AWS lists them.
    pub const ALL: [Self; 4] = [
        Self::NewConnections,
        Self::ActiveConnections,
        Self::ProcessedBytes,
        Self::RuleEvaluations,
    ];

    /// The name in reports.
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
    /// Unit-hours in one dimension.
    pub const fn of(&self, dimension: Dimension) -> f64 {
        match dimension {
            Dimension::NewConnections => self.new_connections,
            Dimension::ActiveConnections => self.active_connections,
            Dimension::ProcessedBytes => self.processed_bytes,
            Dimension::RuleEvaluations => self.rule_evaluations,
        }
    }

    /// The dimension that is billed, which is the one used most, and its unit-hours; of equals the first.
    pub fn billed(&self) -> (Dimension, f64) {
        Dimension::ALL
            .into_iter()
            .map(|dimension| (dimension, self.of(dimension)))
            .reduce(|most, next| if next.1 > most.1 { next } else { most })
            .expect("there are four dimensions")
    }
}
