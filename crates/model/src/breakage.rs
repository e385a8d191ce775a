//! Starts and ends the faults of the catalog.

use std::time::Duration;

use super::buyers::is_idempotent;
use super::calls::{Call, CallRef, Reply};
use super::entry::Entry;
use super::front::NODE_EVICTION;
use super::world::World;
use tiketi_buyer::observation::Failure;
use tiketi_cloud::notice::{Notice, What};
use tiketi_cloud::order::Input;
use tiketi_core::fault::catalog::{Action, Fault};
use tiketi_core::fault::{Strike, StrikeKind};
use tiketi_core::units::{DataTierPart, InstanceId, SimTime, ZoneId};
use tiketi_scenario::topology::DatabaseKind;

impl World<'_> {
    pub(super) fn handle_fault(&mut self, now: SimTime) {
        while let Some(strike) = self.cloud.schedule.poll_due(now) {
            self.strike(now, strike);
        }
        if let Some(at) = self.cloud.schedule.poll_timeout() {
            self.calendar.enter(at, Entry::Fault);
        }
    }

    fn strike(&mut self, now: SimTime, strike: Strike) {
        let action = strike.fault.action;
        let what = match strike.kind {
            StrikeKind::Struck => What::struck(action),
            StrikeKind::Healed => What::healed(action),
        };
        self.cloud.notices.push_back(Notice { at: now, what });
        match strike.kind {
            StrikeKind::Struck => self.break_by(now, action),
            StrikeKind::Healed => self.heal(now, action),
        }
    }

    fn break_by(&mut self, now: SimTime, action: Action) {
        match action {
            Action::AzPowerInterruption { zone } => {
                self.lose_zone(now, zone);
                self.tell_control(now, Input::ZoneLost { zone });
            }
            Action::TerminateInstances { zone, count } => {
                let lost: Vec<_> = self.fleet.in_zone(zone);
                for instance in lost.into_iter().take(count as usize) {
                    self.end_instance(now, instance, Failure::Status(502));
                    let instance = InstanceId(instance);
                    self.tell_control(now, Input::InstanceLost { instance });
                }
                self.handle_database(now);
            }
            Action::LoseAlbNode { zone } => {
                self.cloud.is_node_lost[zone.index()] = true;
                self.lose_node(now, zone);
            }
            Action::LosePrimary { part } => {
                self.lose_primary(now, part);
                self.handle_database(now);
                self.tell_control(now, Input::PrimaryLost { part });
            }
            Action::PauseInstances { zone, count } => {
                let answering = self.fleet.answering_in(now, zone);
                for instance in answering.into_iter().take(count as usize) {
                    self.pause_instance(now, InstanceId(instance));
                }
            }
            Action::PausePrimary { part } => self.pause_primary(now, part),
            Action::DelayReplica { part, lag } => self.delay_replica(now, part, Some(lag)),
            Action::FillRedisMemory { share } => self.redis.handle_filled(now, share),
            Action::HoldDatabaseConnections { count } => self.hold_connections(now, count),
        }
    }

    fn heal(&mut self, now: SimTime, action: Action) {
        match action {
            Action::AzPowerInterruption { zone } => {
                self.cloud.is_zone_lost[zone.index()] = false;
                self.restore_node(now, zone);
                self.tell_control(now, Input::ZoneRestored { zone });
            }
            Action::LoseAlbNode { zone } => {
                self.cloud.is_node_lost[zone.index()] = false;
                self.restore_node(now, zone);
            }
            Action::LosePrimary { part } => {
                self.tell_control(now, Input::MemberRestored { part });
            }
            Action::PauseInstances { zone, .. } => {
                for instance in self.fleet.in_zone(zone) {
                    self.resume_instance(now, InstanceId(instance));
                }
            }
            Action::PausePrimary { part } => self.resume_primary(now, part),
            Action::DelayReplica { part, .. } => self.delay_replica(now, part, None),
            Action::FillRedisMemory { .. } => self.redis.handle_unfilled(),
            Action::HoldDatabaseConnections { .. } => self.release_connections(now),
            // What was terminated stays so: the group has replaced it.
            Action::TerminateInstances { .. } => {}
        }
    }

    /// Pauses the process of an instance: it accepts connections and never responds.
    fn pause_instance(&mut self, now: SimTime, instance: InstanceId) {
        let zone = self.fleet.of(instance.0).zone;
        let until = self.heals_at(
            now,
            |action| matches!(action, Action::PauseInstances { zone: of, .. } if of == zone),
        );
        self.fleet.pause(instance.0, until);
    }

    /// Resumes the process of an instance, if it is paused.
    fn resume_instance(&mut self, now: SimTime, instance: InstanceId) {
        self.fleet.resume(now, instance.0);
    }

    /// Pauses the primary of a part: connections stay open, and nothing responds. AWS sees no failure, so nothing is
    /// promoted.
    fn pause_primary(&mut self, now: SimTime, part: DataTierPart) {
        match part {
            DataTierPart::Redis => {
                let until = self.heals_at(now, |action| action == Action::PausePrimary { part });
                self.redis.handle_paused(until);
            }
            DataTierPart::Database => {
                self.database.handle_paused(now);
                self.handle_database(now);
            }
        }
    }

    /// Resumes the primary of a part.
    fn resume_primary(&mut self, now: SimTime, part: DataTierPart) {
        match part {
            DataTierPart::Redis => self.redis.handle_resumed(now),
            DataTierPart::Database => {
                self.database.handle_resumed(now);
                self.handle_database(now);
            }
        }
    }

    /// Delays the link to the replica of a part by `lag`; `None` restores its usual delay. A commit of RDS Multi-AZ waits
    /// for the standby, so it takes longer; one of Aurora does not wait for the reader.
    fn delay_replica(&mut self, now: SimTime, part: DataTierPart, lag: Option<Duration>) {
        match part {
            DataTierPart::Redis => self.redis.handle_link(now, lag),
            DataTierPart::Database => {
                self.cloud.lags.database_delay = lag;
                let database = &self.plan.topology.database;
                let waits_for_standby = match database.kind {
                    DatabaseKind::Aurora => false,
                    DatabaseKind::RdsMultiAz => database.standby.is_some(),
                };
                if waits_for_standby {
                    self.database.handle_commit_delay(lag);
                }
            }
        }
    }

    /// Opens up to `count` connections of the database for a foreign client.
    fn hold_connections(&mut self, now: SimTime, count: u32) {
        self.database.handle_connections_held(now, count);
        self.handle_database(now);
    }

    /// Closes all connections of the foreign client.
    fn release_connections(&mut self, now: SimTime) {
        self.database.handle_connections_released();
        self.handle_database(now);
    }

    /// Returns when the last active fault that matches `is_meant` ends; `now` if there is none.
    fn heals_at(&self, now: SimTime, is_meant: impl Fn(Action) -> bool) -> SimTime {
        let faults = self.plan.faults.iter();
        let under_way = faults.filter(|fault| fault.at <= now && is_meant(fault.action));
        let ends = under_way.map(Fault::heal_at).max();
        ends.map_or(now, |end| end.max(now))
    }

    /// Everything in the zone is gone at once: instances, the load balancer's node, primaries of the data tier, NAT.
    /// Servers that existed before the run are in no zone.
    fn lose_zone(&mut self, now: SimTime, zone: ZoneId) {
        self.cloud.is_zone_lost[zone.index()] = true;
        if self.plan.topology.data_tier.is_of_the_run() {
            if self.cloud.redis_zone == zone {
                self.lose_primary(now, DataTierPart::Redis);
            }
            if self.cloud.database_zone == zone {
                self.lose_primary(now, DataTierPart::Database);
            }
        }
        let changed = self.front.lose_node(zone);
        self.calendar
            .enter(now + NODE_EVICTION, Entry::NodeEviction(zone.0));
        for instance in self.fleet.in_zone(zone) {
            self.end_instance(now, instance, Failure::Status(502));
        }
        self.cut_node(now, zone);
        self.tell_health(now, changed);
        self.handle_database(now);
    }

    /// The primary is gone until another member is promoted; nothing happens if there is none to lose.
    fn lose_primary(&mut self, now: SimTime, part: DataTierPart) {
        let is_up = match part {
            DataTierPart::Redis => self.redis.is_up(),
            DataTierPart::Database => self.database.is_up(),
        };
        if !is_up {
            return;
        }
        self.cloud.note_loss(now, part);
        match part {
            DataTierPart::Redis => self.redis.handle_lost(now),
            DataTierPart::Database => self.database.handle_lost(now),
        }
    }

    /// The load balancer's node is gone; its address stays in the record until the record's health checks have failed.
    fn lose_node(&mut self, now: SimTime, zone: ZoneId) {
        let changed = self.front.lose_node(zone);
        self.calendar
            .enter(now + NODE_EVICTION, Entry::NodeEviction(zone.0));
        self.cut_node(now, zone);
        self.tell_health(now, changed);
    }

    fn tell_health(&mut self, now: SimTime, changed: Vec<(InstanceId, bool)>) {
        for (instance, healthy) in changed {
            self.tell_control(now, Input::TargetHealth { instance, healthy });
        }
    }

    /// What went through the lost node is cut, whichever instance it was for.
    fn cut_node(&mut self, now: SimTime, zone: ZoneId) {
        let through = |call: &Call| call.node == zone.0 && !call.is_abandoned;
        for call in self.calls.matching(through) {
            self.cut_from_buyer(now, call);
        }
        let sockets = self.crowd.sockets(|browser| browser.line_node == zone.0);
        for buyer in sockets {
            self.cut_line(now, buyer);
        }
    }

    /// The connection breaks between the buyer and the load balancer; the system goes on with the call. A request that
    /// may be repeated is, on a fresh connection, as browsers do it.
    fn cut_from_buyer(&mut self, now: SimTime, call: CallRef) {
        let Some(open) = self.calls.find(call) else {
            return;
        };
        open.is_abandoned = true;
        let mut cut = *open;
        cut.is_abandoned = false;
        if is_idempotent(cut.operation) {
            return self.send(now, cut.buyer, (cut.operation, cut.subject), cut.intended);
        }
        cut.reply = Reply::Failed(Failure::Reset);
        self.deliver(now, &cut);
    }

    /// The load balancer's node in a zone starts again, unless another fault still keeps it down.
    fn restore_node(&mut self, now: SimTime, zone: ZoneId) {
        if self.cloud.is_zone_lost[zone.index()] || self.cloud.is_node_lost[zone.index()] {
            return;
        }
        self.front.restore_node(zone);
        let targets: Vec<_> = self.front.targets().collect();
        for instance in targets {
            self.start_checks(now, zone, instance);
        }
    }

    pub(super) fn handle_eviction(&mut self, zone: u8) {
        self.front.evict(ZoneId(zone));
    }
}
