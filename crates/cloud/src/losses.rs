//! What the group does when instances, zones, or capacity for new instances are lost and come back.

use std::time::Duration;

use super::instance_group::{InstanceGroup, announce};
use super::member::{LaunchCause, Member, Phase};
use super::notice::InstanceState;
use super::outbox::Outbox;
use super::zone_balance::ZoneState;
use tiketi_core::units::{InstanceId, SimTime, ZoneId};

/// From the loss of an instance to the order that removes it from the target group: EC2 checks the status of its instances
/// once a minute. Until then the load balancer must notice with its own health checks.
const BURIAL_DELAY: Duration = Duration::from_secs(60);

impl InstanceGroup {
    /// Launches in another zone instead, and in this one only when it has capacity again. AWS tries other zones at once
    /// ("balanced-best-effort", the default), and does not document when it tries the first one again.
    pub(super) fn handle_launch_failed(
        &mut self,
        now: SimTime,
        failed: InstanceId,
        out: &mut Outbox,
    ) {
        let Some(index) = self.position(failed) else {
            return;
        };
        let member = self.members.remove(index);
        announce(&member, now, InstanceState::LaunchFailed, out);
        let zone = &mut self.zones[member.zone.index()];
        if *zone == ZoneState::Up {
            *zone = ZoneState::NoCapacity;
        }
        self.reconcile(now, member.cause, out);
    }

    /// Evens out the zones if launches in this one have failed. That AWS notices at once is an assumption; it documents only
    /// that it rebalances when a zone has capacity again.
    pub(super) fn handle_capacity_restored(
        &mut self,
        now: SimTime,
        zone: ZoneId,
        out: &mut Outbox,
    ) {
        let zone = &mut self.zones[zone.index()];
        if *zone == ZoneState::NoCapacity {
            *zone = ZoneState::Up;
            self.reconcile(now, LaunchCause::Replacement, out);
        }
    }

    /// Replaces a lost instance, regardless of any cooldown.
    pub(super) fn handle_instance_lost(
        &mut self,
        now: SimTime,
        lost: InstanceId,
        out: &mut Outbox,
    ) {
        self.bury(now, out, |member| member.instance == lost);
        self.reconcile(now, LaunchCause::Replacement, out);
    }

    /// Replaces a zone's instances in other zones, and launches nothing in the zone until it is back.
    pub(super) fn handle_zone_lost(&mut self, now: SimTime, zone: ZoneId, out: &mut Outbox) {
        self.zones[zone.index()] = ZoneState::Down;
        self.bury(now, out, |member| member.zone == zone);
        self.reconcile(now, LaunchCause::Replacement, out);
    }

    /// Uses a zone again: the group evens out its zones.
    pub(super) fn handle_zone_restored(&mut self, now: SimTime, zone: ZoneId, out: &mut Outbox) {
        self.zones[zone.index()] = ZoneState::Up;
        self.reconcile(now, LaunchCause::Replacement, out);
    }

    /// Gives up instances that are lost. If the group does not replace such instances, they still count.
    fn bury(&mut self, now: SimTime, out: &mut Outbox, is_lost: impl Fn(&Member) -> bool) {
        let is_replaced = self.notices_failures();
        self.members.retain_mut(|member| {
            if !is_lost(member) || member.phase == Phase::Lost {
                return true;
            }
            announce(member, now, InstanceState::Lost, out);
            // The launch may not have been carried out yet: it must not start an instance that is already lost.
            let was_launched = !out.retract_launch(member.instance);
            if !is_replaced && member.is_active() {
                member.phase = Phase::Lost;
                return true;
            }
            if was_launched {
                self.remains.push((now + BURIAL_DELAY, member.instance));
            }
            false
        });
    }
}
