//! The embedded data tier: where its primaries are, and what the loss of a zone does to them.

use tiketi_server::{Census, EmbeddedTier, FinalState};

use super::Endpoints;
use tiketi_core::units::{DataTierPart, ZoneId};
use tiketi_scenario::topology::Topology;

/// The stores in this process, and their endpoints.
pub(crate) struct Embedded {
    tier: EmbeddedTier,
    endpoints: Endpoints,
    redis: Primary,
    database: Primary,
}

/// The primary of one part.
#[derive(Clone, Copy, Debug)]
struct Primary {
    zone: ZoneId,
    lost: bool,
}

impl Primary {
    const fn new(zone: ZoneId) -> Self {
        Self { zone, lost: false }
    }

    /// Notes the loss; whether the primary was there until now.
    const fn lose(&mut self) -> bool {
        let was_there = !self.lost;
        self.lost = true;
        was_there
    }
}

impl Embedded {
    /// Puts the primaries where the topology has them.
    pub(crate) const fn new(tier: EmbeddedTier, topology: &Topology, endpoints: Endpoints) -> Self {
        Self {
            tier,
            endpoints,
            redis: Primary::new(topology.redis.primary),
            database: Primary::new(topology.database.primary),
        }
    }

    /// Takes the primaries that are in `zone`: each is out until one is promoted.
    pub(super) fn lose_zone(&mut self, zone: ZoneId) {
        for part in [DataTierPart::Redis, DataTierPart::Database] {
            if self.primary(part).zone == zone {
                self.lose(part);
            }
        }
    }

    /// Takes the primary of a part.
    pub(super) fn lose(&mut self, part: DataTierPart) {
        if !self.primary(part).lose() {
            return;
        }
        match part {
            DataTierPart::Redis => self.tier.lose_redis(),
            DataTierPart::Database => self.tier.lose_database(),
        }
    }

    /// Makes the member in `zone` the primary. Where a lost Redis primary itself comes back, because there was no replica,
    /// it is empty; a database's storage outlives it.
    pub(super) fn promote(&mut self, part: DataTierPart, zone: ZoneId) {
        let before = std::mem::replace(self.primary(part), Primary::new(zone));
        match part {
            DataTierPart::Redis if before.zone == zone => self.tier.restore_redis_empty(),
            DataTierPart::Redis => self.tier.promote_redis(),
            DataTierPart::Database => self.tier.promote_database(),
        }
        self.endpoints.point(part, zone);
    }

    /// Buyers in the waiting room; `None` while Redis is out.
    pub(super) fn queue_size(&self) -> Option<u64> {
        self.tier.queue_size()
    }

    /// Counts of the moment.
    pub(super) fn census(&self) -> Census {
        self.tier.census()
    }

    /// Everything an audit needs.
    pub(super) fn final_state(&self) -> FinalState {
        self.tier.final_state()
    }

    const fn primary(&mut self, part: DataTierPart) -> &mut Primary {
        match part {
            DataTierPart::Redis => &mut self.redis,
            DataTierPart::Database => &mut self.database,
        }
    }
}
