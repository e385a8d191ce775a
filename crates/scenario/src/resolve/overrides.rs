//! What the command line changes about a scenario.

use std::time::Duration;

use tiketi_station::Profile;

use crate::data_tier::DataTier;

/// Values that win over the file's; `None` leaves the file's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Seed of every random stream.
    pub seed: Option<u64>,
    /// Buyers in all: every phase of arrivals is scaled by the same factor.
    pub buyers: Option<u32>,
    /// Length of the run; arrivals that were to end later end with it.
    pub duration: Option<Duration>,
    /// Scenario seconds in a second of wall time; the caller has checked that it is above zero.
    pub speed: Option<f64>,
    /// Service times of the instances; the caller has read them from a file.
    pub profile: Option<Profile>,
    /// What keeps the data of a live run.
    pub data_tier: Option<DataTier>,
}
