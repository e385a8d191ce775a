//! What the command line changes about a scenario.

use std::time::Duration;

use tiketi_station::Profile;

use crate::data_tier::DataTier;

/// Values that take precedence over the file; `None` keeps the value of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Seed of every random stream.
    pub seed: Option<u64>,
    /// Total number of buyers: every phase of arrivals is scaled by the same factor.
    pub buyers: Option<u32>,
    /// Length of the run; later arrivals are cut off.
    pub duration: Option<Duration>,
    /// Scenario seconds per real second; the caller has checked that it is above zero.
    pub speed: Option<f64>,
    /// Service times of the instances; the caller has read them from a file.
    pub profile: Option<Profile>,
    /// Data tier of a live run.
    pub data_tier: Option<DataTier>,
    /// The API mapping of a target; the caller has read it from a file.
    pub api: Option<tiketi_api::Tree>,
}

impl Overrides {
    /// Changes nothing.
    pub(super) const NONE: Self = Self {
        seed: None,
        buyers: None,
        duration: None,
        speed: None,
        profile: None,
        data_tier: None,
        api: None,
    };
}
