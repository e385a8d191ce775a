//! Stalls: stretches of time in which a part of the tool did not run, did not answer, or shared its core.
//!
//! ```text
//! each process, each instance thread ─ Watch ─▶ Lapse ─┐
//! probes of Redis and the database ── Silence ─▶ Lapse ─┼─▶ Book ─▶ [Stall], in scenario time, for the verdict
//! load workers ───────────────────── CoreShare ▶ Lapse ─┘    ▲
//!                    faults of the scenario, by the part that they hit
//! ```
//!
//! A stalled tool makes a healthy system look slow, so a stall that no fault explains makes a run inconclusive.

mod book;
mod core_share;
mod silence;
mod watch;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use book::{Book, Noticed, Span};
pub use core_share::{CoreShare, CoreUse, DEMAND_MAX};
pub use silence::Silence;
pub use watch::Watch;

use tiketi_core::units::{DataTierPart, InstanceId, SimTime, ZoneId};

/// Shortest delay that is reported at all, in real time (assumption: what a scheduler does to a process on a busy machine
/// is shorter). Limits of scenarios cannot be below it.
pub const REPORTED_MIN: Duration = Duration::from_millis(100);

/// A part of the tool that must run for a measurement to be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolPart {
    /// The process that conducts the run; it also hosts DNS, and with the embedded data tier the instances.
    Supervisor,
    /// A load worker, by number.
    Worker(u32),
    /// The load-balancer node of a zone.
    Node(ZoneId),
    /// An instance.
    Instance(InstanceId),
    /// The edge of the testbed.
    Edge,
    /// What is outside the VPC of the testbed: the payment provider, S3, and the routers on the way there.
    Outside,
    /// The primary of Redis or of the database.
    DataTier(DataTierPart),
}

/// What kept a part from its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StallKind {
    /// Its timers fired late: it was stopped, or it got no CPU.
    Stopped,
    /// It did not answer probes.
    Silent,
    /// It ran, but something else used its core as well, and no time of that core was left.
    CoreShared,
    /// It ended, although nothing in the scenario ends it.
    Ended,
}

/// A stretch of real time in which a part did not do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lapse {
    /// When it began, in nanoseconds since 1970.
    pub from_unix_ns: u64,
    /// How long it lasted.
    pub lasted: Duration,
}

impl Lapse {
    /// The stretch from one instant to another, both in nanoseconds since 1970.
    pub const fn between(from_unix_ns: u64, until_unix_ns: u64) -> Self {
        Self {
            from_unix_ns,
            lasted: Duration::from_nanos(until_unix_ns.saturating_sub(from_unix_ns)),
        }
    }

    /// Returns its end in nanoseconds since 1970.
    pub fn until_unix_ns(&self) -> u64 {
        let lasted = u64::try_from(self.lasted.as_nanos()).unwrap_or(u64::MAX);
        self.from_unix_ns.saturating_add(lasted)
    }
}

/// A stall that no fault of the scenario explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stall {
    /// What stalled.
    pub part: ToolPart,
    /// How.
    pub kind: StallKind,
    /// When it began, in scenario time.
    pub from: SimTime,
    /// How long it lasted in scenario time; zero for [`StallKind::Ended`].
    pub lasted: Duration,
    /// How long it lasted in real time; zero for [`StallKind::Ended`].
    pub wall: Duration,
}
