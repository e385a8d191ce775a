//! Redis and the database: where their primaries are, and what faults do to them.
//!
//! ```text
//! faults, orders ─▶ DataTier ─┬─ Embedded   stores in memory: lost and promoted at once
//!                             ├─ Servers    redis-server and PostgreSQL: processes killed, stopped, promoted, followed by probes
//!                             └─ External   servers that exist already: watched, never touched
//! ```

mod embedded;
mod external;
mod probe;
mod record;
mod servers;

use std::net::Ipv4Addr;

use tiketi_server::{Census, FinalState};

use super::dns::SharedNames;
use super::{DATABASE_NAME, REDIS_NAME, TestbedError, lock};
pub(super) use embedded::{Embedded, embedded_limits};
pub(super) use external::External;
pub use servers::{GUARD_SUBCOMMAND, guard};
pub(super) use servers::{Premises, Servers};
use tiketi_core::units::{DataTierPart, Share, SimTime, ZoneId};
use tiketi_measure::ending::DataTierFigures;

/// The data tier of a testbed.
pub(super) enum DataTier {
    /// In memory, in this process.
    Embedded(Embedded),
    /// Real servers that the testbed has started.
    Servers(Box<Servers>),
    /// Real servers that exist already.
    External(Box<External>),
}

/// What a fault does to the data tier beyond a lost zone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strain {
    /// The primary is gone; its process comes back as a replica when the fault heals.
    LosePrimary(DataTierPart),
    /// The primary is stopped: it accepts and never answers.
    PausePrimary(DataTierPart),
    /// The replica is this far behind, in scenario time.
    DelayReplica(DataTierPart, std::time::Duration),
    /// Somebody else fills this share of Redis' memory.
    FillRedisMemory(Share),
    /// Somebody else takes this many connections of the database.
    HoldDatabaseConnections(u32),
}

/// The records that lead to the primaries, and the addresses they may point at.
#[derive(Clone)]
pub(super) struct Endpoints {
    names: SharedNames,
    /// Address of Redis in each zone.
    pub(super) redis: Vec<Ipv4Addr>,
    /// Address of the database in each zone.
    pub(super) database: Vec<Ipv4Addr>,
}

impl Endpoints {
    pub(super) const fn new(
        names: SharedNames,
        redis: Vec<Ipv4Addr>,
        database: Vec<Ipv4Addr>,
    ) -> Self {
        Self {
            names,
            redis,
            database,
        }
    }

    /// Points the record of a part at its member in `zone`.
    pub(super) fn point(&self, part: DataTierPart, zone: ZoneId) {
        let (name, addresses) = match part {
            DataTierPart::Redis => (REDIS_NAME, &self.redis),
            DataTierPart::Database => (DATABASE_NAME, &self.database),
        };
        lock(&self.names).point(name, addresses[zone.index()]);
    }
}

impl DataTier {
    /// Takes everything of the data tier that is in `zone`.
    pub(super) fn lose_zone(&mut self, now: SimTime, zone: ZoneId) {
        match self {
            Self::Embedded(tier) => tier.lose_zone(now, zone),
            Self::Servers(tier) => tier.lose_zone(now, zone),
            Self::External(_) => {}
        }
    }

    /// A zone has power again: what was in it comes back as replica.
    pub(super) fn restore_zone(&mut self, zone: ZoneId) {
        match self {
            // The embedded stores have their replicas whether or not the zone is there.
            Self::Embedded(_) | Self::External(_) => {}
            Self::Servers(tier) => tier.restore_zone(zone),
        }
    }

    /// Makes the member in `zone` the primary, and points the record at it.
    pub(super) fn promote(&mut self, part: DataTierPart, zone: ZoneId) {
        match self {
            Self::Embedded(tier) => tier.promote(part, zone),
            Self::Servers(tier) => tier.promote(part, zone),
            Self::External(_) => {}
        }
    }

    /// Begins a strain. Plans are checked: one that the tier cannot bear was refused before the run.
    pub(super) fn strain(&mut self, now: SimTime, strain: Strain) {
        match (self, strain) {
            (Self::Embedded(tier), strain) => tier.strain(now, strain),
            (Self::External(_), _) => {
                tracing::error!(?strain, "this data tier cannot be strained so");
            }
            (Self::Servers(tier), strain) => tier.strain(now, strain),
        }
    }

    /// Ends a strain.
    pub(super) fn relieve(&mut self, strain: Strain) {
        match self {
            Self::Embedded(tier) => tier.relieve(strain),
            Self::Servers(tier) => tier.relieve(strain),
            Self::External(_) => {}
        }
    }

    /// Buyers in the waiting room; `None` while Redis cannot be read.
    pub(super) fn queue_size(&self) -> Option<u64> {
        match self {
            Self::Embedded(tier) => tier.queue_size(),
            Self::Servers(tier) => tier.watch().waiting(),
            Self::External(tier) => tier.watch().waiting(),
        }
    }

    /// Counts of the moment; of servers what can be read from outside the instances.
    pub(super) fn census(&self) -> Census {
        match self {
            Self::Embedded(tier) => tier.census(),
            Self::Servers(tier) => tier.watch().census(),
            Self::External(tier) => tier.watch().census(),
        }
    }

    /// Everything an audit needs; `Err` says why it could not be read.
    pub(super) async fn final_state(&self) -> Result<FinalState, String> {
        match self {
            Self::Embedded(tier) => Ok(tier.final_state()),
            Self::Servers(tier) => tier.watch().final_state().await,
            Self::External(tier) => tier.watch().final_state().await,
        }
    }

    /// What was measured.
    pub(super) fn figures(&self) -> Option<DataTierFigures> {
        match self {
            Self::Embedded(tier) => Some(tier.figures()),
            Self::Servers(tier) => Some(tier.watch().figures()),
            Self::External(tier) => Some(tier.watch().figures()),
        }
    }

    /// Whether the data tier is what the plan says it is.
    pub(super) fn soundness(&self) -> Result<(), TestbedError> {
        match self {
            Self::Embedded(_) | Self::External(_) => Ok(()),
            Self::Servers(tier) => tier.soundness(),
        }
    }

    /// Ends what the testbed has started, and takes away what it has made.
    pub(super) async fn stop(self) {
        match self {
            Self::Embedded(_) => {}
            Self::Servers(tier) => Box::pin(tier.stop()).await,
            Self::External(tier) => tier.stop().await,
        }
    }
}
