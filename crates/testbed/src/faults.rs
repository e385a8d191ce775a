//! What faults do to the testbed, and how it recovers.

use std::io::ErrorKind;

use super::clock::unix_now_ns;
use super::{ALB_NAME, Testbed, TestbedError, lock};
use tiketi_cloud::driver::{FaultTarget, Shift, Strain};
use tiketi_cloud::resolver::NameServerState;
use tiketi_core::fault::catalog::{Connections, Disruption};
use tiketi_core::impairment::Impairments;
use tiketi_core::units::{DataTierPart, InstanceId, Share, SimTime, ZoneId};
use tiketi_measure::stall::ToolPart;

impl FaultTarget for Testbed {
    fn instances_in(&self, zone: ZoneId) -> Vec<InstanceId> {
        self.fleet.in_zone(zone)
    }

    fn answering_in(&self, _now: SimTime, zone: ZoneId) -> Vec<InstanceId> {
        self.fleet.answering_in(zone)
    }

    fn kill_instances(&mut self, _now: SimTime, instances: &[InstanceId]) {
        for &instance in instances {
            self.unregistered.remove(&instance);
            self.fleet.terminate(instance);
        }
    }

    fn pause_instance(&mut self, _now: SimTime, instance: InstanceId) -> Result<(), TestbedError> {
        let paused = self.fleet.pause(instance);
        paused.map_err(|source| TestbedError::Instance { instance, source })
    }

    fn resume_instance(&mut self, _now: SimTime, instance: InstanceId) -> Result<(), TestbedError> {
        match self.fleet.resume(instance) {
            Ok(()) => Ok(()),
            // The group has replaced it in the meantime.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(source) => Err(TestbedError::Instance { instance, source }),
        }
    }

    fn stress_instance(&mut self, _now: SimTime, instance: InstanceId, load: Share) {
        self.fleet.stress(instance, load);
    }

    fn impair(&mut self, _now: SimTime, impairments: &Impairments) {
        self.balancer.impair(impairments.clone());
        self.impairments = impairments.clone();
        self.set_paths();
    }

    fn lose_zone(&mut self, now: SimTime, zone: ZoneId, connections: Connections) {
        match connections {
            Connections::Silent => self.fleet.silence_zone(zone),
            Connections::Reset => self.fleet.lose_zone(zone),
        }
        for part in self.data_tier_parts_in(zone) {
            self.faults
                .handle_fault(ToolPart::DataTier(part), unix_now_ns());
        }
        self.outside.lose_zone(zone);
        self.data_tier.lose_zone(now, zone, connections);
        let news = match connections {
            Connections::Silent => self.balancer.silence_node(zone),
            Connections::Reset => self.balancer.kill_node(zone),
        };
        self.take(news);
    }

    fn restore_zone(&mut self, _now: SimTime, zone: ZoneId) -> Result<(), TestbedError> {
        self.outside.restore_zone(zone);
        self.balancer.end_silence(zone);
        self.fleet.end_silence(zone);
        self.data_tier.restore_zone(zone);
        for part in self.data_tier_parts_in(zone) {
            self.faults
                .handle_fault_end(ToolPart::DataTier(part), unix_now_ns());
        }
        Ok(())
    }

    fn lose_node(&mut self, _now: SimTime, zone: ZoneId) {
        let news = self.balancer.kill_node(zone);
        self.take(news);
    }

    fn shift_zone(&mut self, _now: SimTime, zone: ZoneId, shift: Shift) {
        self.balancer.shift(zone, shift);
        match shift {
            Shift::Away => {
                let address = self.node_addresses[zone.index()];
                let names = self.name_server.names();
                let mut names = lock(&names);
                // The last address stays: without any, nobody reaches the sale.
                let is_last = names
                    .lookup(ALB_NAME)
                    .is_none_or(|record| record.addresses.iter().all(|known| *known == address));
                if !is_last {
                    names.remove(ALB_NAME, address);
                }
            }
            Shift::Back if self.balancer.is_up(zone) => self.announce_node(zone),
            // Its address returns to the record when the node listens.
            Shift::Back => {}
        }
    }

    fn evict_node(&mut self, zone: ZoneId) {
        let address = self.node_addresses[zone.index()];
        lock(&self.name_server.names()).remove(ALB_NAME, address);
    }

    fn restore_node(&mut self, now: SimTime, zone: ZoneId) -> Result<(), TestbedError> {
        // The address returns to the record when the node listens.
        self.evict_node(zone);
        let started = self.balancer.start_node(now, zone);
        started.map_err(|source| self.node_error(zone, source))
    }

    fn set_name_server(&mut self, _now: SimTime, state: NameServerState) {
        self.name_server.set_state(state, self.streams.named("dns"));
    }

    fn strain(&mut self, now: SimTime, strain: Strain) {
        self.faults
            .handle_fault(ToolPart::DataTier(part_of(strain)), unix_now_ns());
        self.data_tier.strain(now, strain);
    }

    fn relieve(&mut self, _now: SimTime, strain: Strain) {
        self.data_tier.relieve(strain);
        self.faults
            .handle_fault_end(ToolPart::DataTier(part_of(strain)), unix_now_ns());
    }

    fn disrupt(&mut self, _now: SimTime, disruption: Disruption) {
        self.outside.disrupt(disruption);
    }

    fn repair(&mut self, _now: SimTime, disruption: Disruption) {
        self.outside.repair(disruption);
    }
}

impl Testbed {
    /// Tells the instances of their paths to where the primaries are now.
    pub(super) fn set_paths(&mut self) {
        let here = |zone: ZoneId| {
            let to = |part| {
                let there = self.data_tier.primary(part).unwrap_or(zone);
                self.impairments.between(zone, there)
            };
            (zone, (to(DataTierPart::Redis), to(DataTierPart::Database)))
        };
        let zones = (0..).map(ZoneId).take(self.zone_names.len());
        let paths = zones.map(here).collect();
        self.fleet.set_paths(paths);
    }

    /// Returns the parts of the data tier with a server in `zone`: the primary, or a replica that commits wait for.
    fn data_tier_parts_in(&self, zone: ZoneId) -> Vec<DataTierPart> {
        let here = self.data_tier_zones.iter().filter(|(_, of)| *of == zone);
        here.map(|(part, _)| *part).collect()
    }
}

/// Returns the part that a strain keeps from answering.
const fn part_of(strain: Strain) -> DataTierPart {
    match strain {
        Strain::LosePrimary(part) | Strain::PausePrimary(part) | Strain::DelayReplica(part, _) => {
            part
        }
        Strain::FillRedisMemory(_) => DataTierPart::Redis,
        Strain::HoldDatabaseConnections(_) => DataTierPart::Database,
    }
}
