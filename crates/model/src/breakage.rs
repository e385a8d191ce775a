//! What faults do to the model, and how it recovers.

use std::convert::Infallible;
use std::time::Duration;

use super::buyers::{is_idempotent, is_read};
use super::calls::{Call, CallRef, NOWHERE, Reply, Step};
use super::entry::Entry;
use super::world::World;
use tiketi_buyer::observation::Failure;
use tiketi_cloud::driver::{self, FaultTarget, NODE_EVICTION, Shift, Strain};
use tiketi_cloud::order::Input;
use tiketi_cloud::resolver::NameServerState;
use tiketi_core::fault::catalog::{Action, Connections, Disruption, Fault};
use tiketi_core::impairment::Impairments;
use tiketi_core::units::{DataTierPart, InstanceId, Share, SimTime, ZoneId};
use tiketi_scenario::topology::{DatabaseKind, Way};

impl FaultTarget for World<'_> {
    fn instances_in(&self, zone: ZoneId) -> Vec<InstanceId> {
        let here = self.fleet.in_zone(zone).into_iter();
        here.map(InstanceId).collect()
    }

    fn kill_instances(&mut self, now: SimTime, instances: &[InstanceId]) {
        for instance in instances {
            self.end_instance(now, instance.0, Failure::Status(502));
        }
        self.handle_database(now);
    }

    fn answering_in(&self, now: SimTime, zone: ZoneId) -> Vec<InstanceId> {
        let answering = self.fleet.answering_in(now, zone).into_iter();
        answering.map(InstanceId).collect()
    }

    fn pause_instance(&mut self, now: SimTime, instance: InstanceId) -> Result<(), Infallible> {
        let zone = self.fleet.of(instance.0).zone;
        let until = self.heals_at(
            now,
            |action| matches!(action, Action::PauseInstances { zone: of, .. } if *of == zone),
        );
        self.fleet.pause(instance.0, until);
        Ok(())
    }

    fn resume_instance(&mut self, now: SimTime, instance: InstanceId) -> Result<(), Infallible> {
        self.fleet.resume(now, instance.0);
        Ok(())
    }

    fn stress_instance(&mut self, _now: SimTime, instance: InstanceId, load: Share) {
        self.fleet.stress(instance.0, load);
    }

    fn impair(&mut self, _now: SimTime, impairments: &Impairments) {
        self.paths.set(impairments);
    }

    fn lose_zone(&mut self, now: SimTime, zone: ZoneId, connections: Connections) {
        self.cloud.lost.zones.insert(zone);
        // Existing servers are in no zone.
        if self.plan.topology.data_tier.is_of_the_run() {
            for part in self.cloud.primaries.in_zone(zone) {
                self.lose_primary(now, part, connections);
            }
        }
        let was_up = self.front.is_up(zone);
        let changed = self.front.lose_node(zone);
        self.calendar
            .enter(now + NODE_EVICTION, Entry::NodeEviction);
        let instances = self.fleet.in_zone(zone);
        match connections {
            Connections::Silent => {
                // A node that another fault has taken before has no connections, and its host goes on refusing.
                if was_up {
                    self.silence_node(now, zone);
                }
                for instance in instances {
                    self.silence_instance(now, instance);
                }
            }
            Connections::Reset => {
                for instance in instances {
                    self.end_instance(now, instance, Failure::Status(502));
                }
                self.cut_node(now, zone);
            }
        }
        self.tell_health(now, changed);
        self.handle_database(now);
    }

    fn restore_zone(&mut self, now: SimTime, zone: ZoneId) -> Result<(), Infallible> {
        self.cloud.lost.zones.remove(&zone);
        // Replicas need no action here: who is primary is up to the control plane's failover.
        self.end_silence(now, zone);
        Ok(())
    }

    fn lose_node(&mut self, now: SimTime, zone: ZoneId) {
        let changed = self.front.lose_node(zone);
        self.calendar
            .enter(now + NODE_EVICTION, Entry::NodeEviction);
        self.cut_node(now, zone);
        self.tell_health(now, changed);
    }

    fn shift_zone(&mut self, _now: SimTime, zone: ZoneId, shift: Shift) {
        self.front.shift(zone, shift);
    }

    fn evict_node(&mut self, zone: ZoneId) {
        self.front.evict(zone);
    }

    fn restore_node(&mut self, now: SimTime, zone: ZoneId) -> Result<(), Infallible> {
        self.front.restore_node(zone);
        let targets: Vec<_> = self.front.targets().collect();
        for instance in targets {
            self.start_checks(now, zone, instance);
        }
        Ok(())
    }

    fn set_name_server(&mut self, _now: SimTime, state: NameServerState) {
        self.names.server = state;
    }

    fn strain(&mut self, now: SimTime, strain: Strain) {
        match strain {
            Strain::LosePrimary(part) => {
                self.lose_primary(now, part, Connections::Reset);
                self.handle_database(now);
            }
            Strain::PausePrimary(part) => self.pause_primary(now, part),
            Strain::DelayReplica(part, lag) => self.delay_replica(now, part, Some(lag)),
            Strain::FillRedisMemory(share) => self.redis.handle_filled(now, share),
            Strain::HoldDatabaseConnections(count) => self.hold_connections(now, count),
        }
    }

    fn relieve(&mut self, now: SimTime, strain: Strain) {
        match strain {
            // The member comes back as a replica, which needs no action here.
            Strain::LosePrimary(_) => {}
            Strain::PausePrimary(part) => self.resume_primary(now, part),
            Strain::DelayReplica(part, _) => self.delay_replica(now, part, None),
            Strain::FillRedisMemory(_) => self.redis.handle_unfilled(),
            Strain::HoldDatabaseConnections(_) => self.release_connections(now),
        }
    }

    fn disrupt(&mut self, _now: SimTime, disruption: Disruption) {
        self.cloud.lost.handle_disruption(disruption);
        self.provider.handle_disruption(disruption);
    }

    fn repair(&mut self, _now: SimTime, disruption: Disruption) {
        self.cloud.lost.handle_repair(disruption);
        self.provider.handle_repair(disruption);
    }
}

impl World<'_> {
    pub(super) fn handle_fault(&mut self, now: SimTime) {
        let Ok(()) = driver::handle_faults(self, now);
        if let Some(at) = self.cloud.driver.fault_due() {
            self.calendar.enter(at, Entry::Fault);
        }
    }

    pub(super) fn handle_eviction(&mut self, now: SimTime) {
        driver::handle_evictions(self, now);
    }

    /// Pauses the primary of a part: connections stay open, and nothing responds. AWS sees no failure, so nothing is
    /// promoted.
    fn pause_primary(&mut self, now: SimTime, part: DataTierPart) {
        match part {
            DataTierPart::Redis => {
                let until = self.heals_at(now, |action| *action == Action::PausePrimary { part });
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
    fn heals_at(&self, now: SimTime, is_meant: impl Fn(&Action) -> bool) -> SimTime {
        let faults = self.plan.faults.iter();
        let under_way = faults.filter(|fault| fault.at <= now && is_meant(&fault.action));
        let ends = under_way.map(Fault::heal_at).max();
        ends.map_or(now, |end| end.max(now))
    }

    /// The primary is gone until another member is promoted. Does nothing if it is gone already.
    fn lose_primary(&mut self, now: SimTime, part: DataTierPart, connections: Connections) {
        if !self.cloud.primaries.lose(part) {
            return;
        }
        self.cloud.note_loss(now, part);
        match (part, connections) {
            (DataTierPart::Redis, Connections::Silent) => self.redis.handle_lost_silently(now),
            (DataTierPart::Redis, Connections::Reset) => self.redis.handle_lost(now),
            (DataTierPart::Database, Connections::Silent) => {
                self.database.handle_lost_silently(now);
            }
            (DataTierPart::Database, Connections::Reset) => self.database.handle_lost(now),
        }
    }

    fn tell_health(&mut self, now: SimTime, changed: Vec<(InstanceId, bool)>) {
        for (instance, healthy) in changed {
            self.tell_control(now, Input::TargetHealth { instance, healthy });
        }
    }

    /// Cuts everything that goes through the lost node, whichever instance it is for.
    fn cut_node(&mut self, now: SimTime, zone: ZoneId) {
        // Who waits for the name has no connection yet, and a response that has left is not lost.
        let through = |call: &Call| {
            let is_elsewhere = matches!(call.step, Step::Name | Step::Home);
            call.node == zone.0 && !call.is_abandoned && !is_elsewhere
        };
        for call in self.calls.matching(through) {
            self.cut_from_buyer(now, call);
        }
        let sockets = self.crowd.sockets(|browser| browser.line_node == zone.0);
        for buyer in sockets {
            self.cut_line(now, buyer);
        }
    }

    /// Breaks the connection between the buyer and the load balancer; the system continues with the call. Like a browser,
    /// the buyer repeats an idempotent request on a new connection. If an edge location has passed it on, the location repeats
    /// what only reads, as CloudFront does.
    fn cut_from_buyer(&mut self, now: SimTime, call: CallRef) {
        let Some(open) = self.calls.find(call) else {
            return;
        };
        open.is_abandoned = true;
        let mut cut = *open;
        cut.is_abandoned = false;
        match self.way(cut.operation) {
            Way::Direct if is_idempotent(cut.operation) => {
                // The packets of the buyer are not sent again: the edge has them.
                let about = (cut.operation, cut.subject);
                let again = Call::new(now, cut.buyer, about, cut.intended);
                return self.send_on(now, again);
            }
            Way::Through if is_read(cut.operation) => {
                let again = Call {
                    step: Step::Answer,
                    reply: Reply::Failed(Failure::ConnectRefused),
                    node: NOWHERE,
                    instance: u32::MAX,
                    is_watched: false,
                    ..cut
                };
                return self.send_to_load_balancer(now, again);
            }
            Way::Direct | Way::Through | Way::Room => {}
        }
        cut.reply = Reply::Failed(Failure::Reset);
        self.deliver(now, &cut);
    }
}
