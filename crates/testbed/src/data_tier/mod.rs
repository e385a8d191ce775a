//! Redis and the database: where their primaries are, and how faults affect them.
//!
//! ```text
//! faults, orders ─▶ DataTier ─┬─ Embedded   stores in memory: lost and promoted at once
//!                             ├─ Servers    redis-server and PostgreSQL: processes killed, stopped, promoted, watched by probes
//!                             └─ External   existing servers: watched, never targeted by faults
//! ```

mod embedded;
mod external;
mod probe;
mod record;
mod servers;

use std::net::{Ipv4Addr, SocketAddr};

use tiketi_server::{Census, FinalState, SetupError};

use super::dns::SharedNames;
use super::{DATABASE_NAME, REDIS_NAME, TestbedError, lock};
pub(super) use embedded::{Embedded, embedded_limits};
pub(super) use external::External;
pub use servers::{GUARD_SUBCOMMAND, guard};
pub(super) use servers::{Premises, Servers};
use tiketi_cloud::driver::Strain;
use tiketi_cloud::gauges::PartReadings;
use tiketi_core::fault::catalog::Connections;
use tiketi_core::units::{DataTierPart, SimTime, ZoneId};
use tiketi_measure::ending::DataTierFigures;
use tiketi_measure::stall::Book;

/// The data tier of a testbed.
pub(super) enum DataTier {
    /// In memory, in this process.
    Embedded(Embedded),
    /// Real servers that the testbed has started.
    Servers(Box<Servers>),
    /// Existing servers.
    External(Box<External>),
}

/// The DNS records of the primaries, and the addresses they may point at.
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
    pub(super) fn lose_zone(&mut self, now: SimTime, zone: ZoneId, connections: Connections) {
        match self {
            Self::Embedded(tier) => tier.lose_zone(now, zone, connections),
            Self::Servers(tier) => tier.lose_zone(now, zone, connections),
            Self::External(_) => {}
        }
    }

    /// Restores a zone: what was in it comes back as a replica.
    pub(super) fn restore_zone(&mut self, zone: ZoneId) {
        match self {
            // The embedded stores have their replicas whether or not the zone is there.
            Self::Embedded(_) | Self::External(_) => {}
            Self::Servers(tier) => tier.restore_zone(zone),
        }
    }

    /// Makes the member in `zone` the primary, and points the DNS record at it.
    pub(super) fn promote(&mut self, part: DataTierPart, zone: ZoneId) {
        match self {
            Self::Embedded(tier) => tier.promote(part, zone),
            Self::Servers(tier) => tier.promote(part, zone),
            Self::External(_) => {}
        }
    }

    /// Returns the zone of the primary of a part; `None` while there is none, and for servers that existed before the run.
    pub(super) fn primary(&self, part: DataTierPart) -> Option<ZoneId> {
        match self {
            Self::Embedded(tier) => Some(tier.primary(part)),
            Self::Servers(tier) => tier.primary(part),
            Self::External(_) => None,
        }
    }

    /// Starts a fault. Plans are checked: one with a fault that the tier does not support is rejected before the run.
    pub(super) fn strain(&mut self, now: SimTime, strain: Strain) {
        match (self, strain) {
            (Self::Embedded(tier), strain) => tier.strain(now, strain),
            (Self::External(_), _) => {
                tracing::error!(?strain, "this data tier does not support the fault");
            }
            (Self::Servers(tier), strain) => tier.strain(now, strain),
        }
    }

    /// Ends a fault.
    pub(super) fn relieve(&mut self, strain: Strain) {
        match self {
            Self::Embedded(tier) => tier.relieve(strain),
            Self::Servers(tier) => tier.relieve(strain),
            Self::External(_) => {}
        }
    }

    /// Returns the zone of each Redis server that the testbed has started, and its address without TLS.
    pub(super) fn redis_servers(&self) -> Vec<(ZoneId, SocketAddr)> {
        match self {
            Self::Servers(tier) => tier.redis_servers(),
            Self::Embedded(_) | Self::External(_) => Vec::new(),
        }
    }

    /// Returns the zone and the address of each database server that the testbed has started.
    pub(super) fn database_servers(&self) -> Vec<(ZoneId, SocketAddr)> {
        match self {
            Self::Servers(tier) => tier.database_servers(),
            Self::Embedded(_) | Self::External(_) => Vec::new(),
        }
    }

    /// Returns the buyers in the waiting room; `None` while Redis cannot be read.
    pub(super) fn queue_size(&self) -> Option<u64> {
        match self {
            Self::Embedded(tier) => tier.queue_size(),
            Self::Servers(tier) => tier.watch().waiting(),
            Self::External(tier) => tier.watch().waiting(),
        }
    }

    /// Returns the current counters; for servers only what can be read from outside the instances.
    pub(super) fn census(&self) -> Census {
        match self {
            Self::Embedded(tier) => tier.census(),
            Self::Servers(tier) => tier.watch().census(),
            Self::External(tier) => tier.watch().census(),
        }
    }

    /// Returns what Redis and the database are doing, as far as it can be read. The CPU time of servers is that of this machine,
    /// and says nothing about the emulated nodes.
    pub(super) fn readings(&self) -> PartReadings {
        match self {
            Self::Embedded(tier) => tier.readings(),
            Self::Servers(tier) => tier.watch().readings(),
            Self::External(tier) => tier.watch().readings(),
        }
    }

    /// Returns everything an audit needs.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub(super) async fn final_state(&self) -> Result<FinalState, SetupError> {
        match self {
            Self::Embedded(tier) => Ok(tier.final_state()),
            Self::Servers(tier) => tier.watch().final_state().await,
            Self::External(tier) => tier.watch().final_state().await,
        }
    }

    /// Returns what was measured; `None` if nothing was.
    pub(super) fn figures(&self) -> Option<DataTierFigures> {
        match self {
            Self::Embedded(tier) => Some(tier.figures()),
            Self::Servers(tier) => Some(tier.watch().figures()),
            Self::External(tier) => Some(tier.watch().figures()),
        }
    }

    /// Returns when servers did not answer probes, and forgets it. The embedded stores stall with the supervisor.
    pub(super) fn take_stalls(&self, now_unix_ns: u64) -> Book {
        match self {
            Self::Embedded(_) => Book::default(),
            Self::Servers(tier) => tier.watch().take_stalls(now_unix_ns),
            Self::External(tier) => tier.watch().take_stalls(now_unix_ns),
        }
    }

    /// Checks that the data tier is in the state that the plan describes.
    pub(super) fn soundness(&self) -> Result<(), TestbedError> {
        match self {
            Self::Embedded(_) | Self::External(_) => Ok(()),
            Self::Servers(tier) => tier.soundness(),
        }
    }

    /// Stops what the testbed has started, and deletes what it has created.
    pub(super) async fn stop(self) {
        match self {
            Self::Embedded(_) => {}
            Self::Servers(tier) => Box::pin(tier.stop()).await,
            Self::External(tier) => tier.stop().await,
        }
    }
}
