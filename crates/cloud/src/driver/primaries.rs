//! Where the primaries of the data tier are, and whether they are up.

use tiketi_core::units::{DataTierPart, ZoneId};
use tiketi_scenario::topology::Topology;

/// The primaries of Redis and of the database, as the engine has them.
///
/// [`Failover`](crate::failover::Failover) decides who is promoted; this is what a promotion finds.
#[derive(Clone, Copy, Debug)]
pub struct Primaries {
    redis: Primary,
    database: Primary,
}

#[derive(Clone, Copy, Debug)]
struct Primary {
    zone: ZoneId,
    is_lost: bool,
}

/// What a promoted member knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promotion {
    /// A replica takes over: it has everything that was replicated.
    Replica,
    /// The lost primary itself comes back, because there was no other member: memory is empty, storage is not.
    LostPrimary,
}

impl Primary {
    const fn up(zone: ZoneId) -> Self {
        Self {
            zone,
            is_lost: false,
        }
    }
}

impl Primaries {
    /// Builds primaries that are up, where the topology has them.
    pub const fn new(topology: &Topology) -> Self {
        Self {
            redis: Primary::up(topology.redis.primary),
            database: Primary::up(topology.database.primary),
        }
    }

    /// Returns the zone of a primary, or where it was when it was lost.
    pub const fn zone(&self, part: DataTierPart) -> ZoneId {
        self.of(part).zone
    }

    /// Whether a primary is up.
    pub const fn is_up(&self, part: DataTierPart) -> bool {
        !self.of(part).is_lost
    }

    /// Returns the parts whose primary is up and in `zone`: what the loss of the zone takes.
    pub fn in_zone(&self, zone: ZoneId) -> impl Iterator<Item = DataTierPart> + use<> {
        let found = [DataTierPart::Redis, DataTierPart::Database]
            .map(|part| (self.zone(part) == zone && self.is_up(part)).then_some(part));
        found.into_iter().flatten()
    }

    /// Notes that a primary is lost. Returns whether it was up until now.
    pub const fn lose(&mut self, part: DataTierPart) -> bool {
        let primary = self.of_mut(part);
        let was_up = !primary.is_lost;
        primary.is_lost = true;
        was_up
    }

    /// Notes that the member in `zone` is the primary now.
    pub fn promote(&mut self, part: DataTierPart, zone: ZoneId) -> Promotion {
        let primary = self.of_mut(part);
        let promotion = if primary.zone == zone {
            Promotion::LostPrimary
        } else {
            Promotion::Replica
        };
        *primary = Primary::up(zone);
        promotion
    }

    const fn of(&self, part: DataTierPart) -> &Primary {
        match part {
            DataTierPart::Redis => &self.redis,
            DataTierPart::Database => &self.database,
        }
    }

    const fn of_mut(&mut self, part: DataTierPart) -> &mut Primary {
        match part {
            DataTierPart::Redis => &mut self.redis,
            DataTierPart::Database => &mut self.database,
        }
    }
}
