//! Redis and the database of the embedded tier: where their primaries are, and what the loss of a zone does to them.

use tiketi_server::{Census, EmbeddedTier, FinalState};

use crate::scenario::topology::Topology;
use crate::units::ZoneId;

/// The data tier.
#[expect(
    missing_debug_implementations,
    reason = "the stores hold every seat and user"
)]
pub struct DataTier {
    tier: EmbeddedTier,
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
    /// Whether the loss of `zone` takes the primary, which is then lost.
    fn falls_with(&mut self, zone: ZoneId) -> bool {
        let falls = self.zone == zone && !self.lost;
        self.lost |= falls;
        falls
    }
}

impl DataTier {
    /// Puts the primaries where the topology has them.
    pub const fn new(tier: EmbeddedTier, topology: &Topology) -> Self {
        Self {
            tier,
            redis: Primary {
                zone: topology.redis.primary,
                lost: false,
            },
            database: Primary {
                zone: topology.database.primary,
                lost: false,
            },
        }
    }

    /// Takes the primaries that are in `zone`: each is out until one is promoted.
    pub fn lose_zone(&mut self, zone: ZoneId) {
        if self.redis.falls_with(zone) {
            self.tier.lose_redis();
        }
        if self.database.falls_with(zone) {
            self.tier.lose_database();
        }
    }

    /// Makes the Redis node in `zone` the primary. Where the lost primary itself comes back, because there was no
    /// replica, it is empty.
    pub fn promote_redis(&mut self, zone: ZoneId) {
        if self.redis.zone == zone {
            self.tier.restore_redis_empty();
        } else {
            self.tier.promote_redis();
        }
        self.redis = Primary { zone, lost: false };
    }

    /// Makes the database instance in `zone` the writer.
    pub fn promote_database(&mut self, zone: ZoneId) {
        self.database = Primary { zone, lost: false };
        self.tier.promote_database();
    }

    /// Buyers in the waiting room; `None` while Redis is out.
    pub fn queue_size(&self) -> Option<u64> {
        self.tier.queue_size()
    }

    /// Counts of the moment.
    pub fn census(&self) -> Census {
        self.tier.census()
    }

    /// Everything an audit needs.
    pub fn final_state(&self) -> FinalState {
        self.tier.final_state()
    }
}
