//! Failover of one part of the data tier: which member is primary, which takes over, and when.

use std::time::Duration;

use super::notice::{DataTierPart, What};
use super::order::Order;
use super::outbox::Outbox;
use tiketi_core::units::{SimTime, ZoneId};

/// A primary, and possibly a replica in another zone.
#[derive(Clone, Debug)]
pub struct Failover {
    part: DataTierPart,
    takes: Duration,
    primary: ZoneId,
    replica: Option<ZoneId>,
    zones_down: Vec<ZoneId>,
    /// Zones of members that were lost without their zone and are not back yet, first lost first.
    members_down: Vec<ZoneId>,
    status: Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// The primary accepts writes.
    Up,
    /// The member in `zone` accepts writes from `at`.
    Promoting { zone: ZoneId, at: SimTime },
    /// No member is up.
    Down,
}

impl Failover {
    /// Builds a part whose primary is up; `takes` is the time from its loss to the first write on the new primary.
    pub fn new(
        part: DataTierPart,
        primary: ZoneId,
        replica: Option<ZoneId>,
        takes: Duration,
    ) -> Self {
        Self {
            part,
            takes,
            primary,
            replica,
            zones_down: Vec::new(),
            members_down: Vec::new(),
            status: Status::Up,
        }
    }

    /// Returns which part it is.
    pub const fn part(&self) -> DataTierPart {
        self.part
    }

    /// When a promotion is due; `None` if none is under way.
    pub const fn poll_timeout(&self) -> Option<SimTime> {
        match self.status {
            Status::Promoting { at, .. } => Some(at),
            Status::Up | Status::Down => None,
        }
    }

    /// Completes a promotion that is due; the old primary becomes the replica as soon as its zone is up.
    pub(super) fn handle_timeout(&mut self, now: SimTime, out: &mut Outbox) {
        let Status::Promoting { zone, at } = self.status else {
            return;
        };
        if now < at {
            return;
        }
        if zone != self.primary {
            self.replica = Some(self.primary);
            self.primary = zone;
        }
        self.status = Status::Up;
        out.order(match self.part {
            DataTierPart::Redis => Order::PromoteRedis { zone },
            DataTierPart::Database => Order::PromoteDatabase { zone },
        });
        out.announce(
            now,
            What::Promoted {
                tier: self.part,
                zone,
            },
        );
    }

    /// Handles the loss of a zone: if the primary was in it, the replica takes over.
    pub(super) fn handle_zone_lost(&mut self, now: SimTime, zone: ZoneId, out: &mut Outbox) {
        self.zones_down.push(zone);
        match self.status {
            Status::Up if zone == self.primary => self.lose_primary(now, out),
            Status::Promoting { zone: next, .. } if zone == next => {
                self.status = Status::Down;
            }
            Status::Up | Status::Promoting { .. } | Status::Down => {}
        }
    }

    /// Handles the loss of the primary alone; does nothing if there is no primary to lose.
    pub(super) fn handle_primary_lost(&mut self, now: SimTime, out: &mut Outbox) {
        if self.status == Status::Up {
            self.members_down.push(self.primary);
            self.lose_primary(now, out);
        }
    }

    /// Handles the return of the member that was lost first, as a replica. If no other member is up, it is promoted, which
    /// takes as long as a failover (an assumption, as for a zone).
    pub(super) fn handle_member_restored(&mut self, now: SimTime) {
        if self.members_down.is_empty() {
            return;
        }
        let zone = self.members_down.remove(0);
        if self.status == Status::Down {
            self.promote_survivor(now, Some(zone));
        }
    }

    /// Handles the return of a zone. If no other member is up, the one in this zone starts again, which takes as long as a
    /// failover (an assumption: AWS states only that it is recreated in its zone).
    pub(super) fn handle_zone_restored(&mut self, now: SimTime, zone: ZoneId) {
        self.zones_down.retain(|down| *down != zone);
        if self.status == Status::Down && (zone == self.primary || Some(zone) == self.replica) {
            self.promote_survivor(now, Some(zone));
        }
    }

    fn lose_primary(&mut self, now: SimTime, out: &mut Outbox) {
        out.announce(
            now,
            What::PrimaryLost {
                tier: self.part,
                zone: self.primary,
            },
        );
        self.promote_survivor(now, self.replica);
    }

    fn promote_survivor(&mut self, now: SimTime, survivor: Option<ZoneId>) {
        let is_down =
            |zone: &ZoneId| self.zones_down.contains(zone) || self.members_down.contains(zone);
        self.status = survivor
            .filter(|zone| !is_down(zone))
            .map_or(Status::Down, |zone| Status::Promoting {
                zone,
                at: now + self.takes,
            });
    }
}
