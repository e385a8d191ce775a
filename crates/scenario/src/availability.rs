//! What a year brings: how often each fault of the scenario is expected, and planned maintenance. With the downtime that a
//! run measures for each fault, this makes an availability per year.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use tiketi_core::fault::catalog::FaultKind;

/// The expected interruptions of a year. An archive that was written without them states none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Availability {
    /// Times per year that maintenance interrupts the database.
    pub maintenances_per_year: f64,
    /// How long one of them takes if the database has no standby. With one, it takes a failover.
    pub maintenance: Duration,
    /// How often each kind of fault is expected. Kinds that the list leaves out are expected once a year.
    pub faults: Vec<YearlyFault>,
}

/// How often faults of one kind are expected, and what the run does not show of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct YearlyFault {
    /// The kind of fault; the scenario has at least one.
    pub action: FaultKind,
    /// Times per year.
    pub per_year: f64,
    /// How long such a fault really lasts; `None` if as long as in the run. It matters only if the sale is still down when
    /// the fault ends.
    pub lasts: Option<Duration>,
    /// How long people take to notice it, which is added to the downtime. Zero if nobody needs to.
    pub detection: Duration,
}

impl Availability {
    /// Returns what is stated about faults of a kind; `None` if nothing is.
    pub fn of(&self, action: FaultKind) -> Option<&YearlyFault> {
        self.faults.iter().find(|fault| fault.action == action)
    }
}
