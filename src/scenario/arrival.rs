//! How buyers appear over time: an open workload with a closed-form cumulative.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{Rate, Share, SimTime};

/// One phase of arrivals; phases add up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArrivalPhase {
    /// The shape and its parameters.
    pub shape: Shape,
    /// Whether the planned number comes exactly, or as a Poisson draw around it.
    pub count: Count,
}

/// How many come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    /// Exactly the planned number.
    Exact,
    /// A Poisson draw with the planned number as mean.
    Poisson,
}

/// The shape of one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "shape")]
pub enum Shape {
    /// A constant rate.
    Poisson {
        /// Buyers a second.
        rate: Rate,
        /// First instant.
        from: SimTime,
        /// Last instant.
        until: SimTime,
    },
    /// Constant rates one after another.
    Step {
        /// First instant.
        from: SimTime,
        /// Rate and length of each level.
        levels: Vec<Level>,
    },
    /// A rate that grows or falls linearly.
    Ramp {
        /// First instant.
        from: SimTime,
        /// Last instant.
        until: SimTime,
        /// Rate at `from`.
        start_rate: Rate,
        /// Rate at `until`.
        end_rate: Rate,
    },
    /// A linear rise, then an exponential decay towards a base rate; scaled to a number of buyers.
    Flash {
        /// Buyers in the whole flash, the base included.
        buyers: u32,
        /// Start of the rise.
        from: SimTime,
        /// Length of the rise.
        rise: Duration,
        /// Time constant of the decay.
        decay: Duration,
        /// Rate that stays.
        base: Rate,
        /// Last instant.
        until: SimTime,
    },
    /// A crowd that waits for the opening, then an exponential decay.
    Onsale {
        /// Buyers in the whole opening.
        buyers: u32,
        /// The opening.
        opens_at: SimTime,
        /// Part of the crowd that is there before the opening and released with it.
        waiting_before: Share,
        /// How far the released crowd is spread after the opening (people do not click in the same millisecond).
        jitter: Duration,
        /// Time constant of the decay.
        decay: Duration,
        /// Last instant.
        until: SimTime,
    },
}

/// One level of [`Shape::Step`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Buyers a second.
    pub rate: Rate,
    /// Length of the level.
    pub lasts: Duration,
}
