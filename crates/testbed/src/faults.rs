//! What a planned fault does to the testbed, and what the control plane is told of it.

use std::io::ErrorKind;

use super::data_tier::Strain;
use super::{Testbed, TestbedError};
use tiketi_cloud::order::Input;
use tiketi_core::fault::catalog::Action;
use tiketi_core::units::{InstanceId, SimTime, ZoneId};

impl Testbed {
    /// A fault strikes. Returns what the control plane sees of it at once.
    pub fn strike(&mut self, now: SimTime, action: Action) -> Result<Vec<Input>, TestbedError> {
        let told = match action {
            Action::AzPowerInterruption { zone } => {
                self.lose_zone(now, zone);
                vec![Input::ZoneLost { zone }]
            }
            Action::TerminateInstances { zone, count } => {
                // The fleet tells of each loss itself, as of a crash.
                for instance in self.first_in(zone, count) {
                    self.fleet.kill(instance);
                }
                Vec::new()
            }
            Action::PauseInstances { zone, count } => {
                for instance in self.first_in(zone, count) {
                    let paused = self.fleet.pause(instance);
                    paused.map_err(|source| TestbedError::Instance { instance, source })?;
                    self.paused.insert((zone, instance));
                }
                Vec::new()
            }
            Action::LoseAlbNode { zone } => {
                self.lose_node(zone);
                Vec::new()
            }
            Action::LosePrimary { part } => {
                self.data_tier.strain(now, Strain::LosePrimary(part));
                vec![Input::PrimaryLost { part }]
            }
            Action::PausePrimary { .. }
            | Action::DelayReplica { .. }
            | Action::FillRedisMemory { .. }
            | Action::HoldDatabaseConnections { .. } => {
                if let Some(strain) = strain(action) {
                    self.data_tier.strain(now, strain);
                }
                Vec::new()
            }
        };
        Ok(told)
    }

    /// A fault heals. Returns what the control plane sees of it at once.
    pub fn heal(&mut self, now: SimTime, action: Action) -> Result<Vec<Input>, TestbedError> {
        let told = match action {
            Action::AzPowerInterruption { zone } => {
                self.restore_zone(now, zone)?;
                vec![Input::ZoneRestored { zone }]
            }
            Action::LoseAlbNode { zone } => {
                if !self.lost_zones.contains(&zone) {
                    self.restore_node(now, zone)?;
                }
                Vec::new()
            }
            Action::PauseInstances { zone, .. } => {
                for (_, instance) in self.paused.extract_if(.., |(of, _)| *of == zone) {
                    match self.fleet.resume(instance) {
                        Ok(()) => {}
                        // The group has replaced it meanwhile.
                        Err(error) if error.kind() == ErrorKind::NotFound => {}
                        Err(source) => return Err(TestbedError::Instance { instance, source }),
                    }
                }
                Vec::new()
            }
            // What was terminated stays so: the group has replaced it.
            Action::TerminateInstances { .. } => Vec::new(),
            Action::LosePrimary { part } => {
                self.data_tier.relieve(Strain::LosePrimary(part));
                vec![Input::MemberRestored { part }]
            }
            Action::PausePrimary { .. }
            | Action::DelayReplica { .. }
            | Action::FillRedisMemory { .. }
            | Action::HoldDatabaseConnections { .. } => {
                if let Some(strain) = strain(action) {
                    self.data_tier.relieve(strain);
                }
                Vec::new()
            }
        };
        Ok(told)
    }

    /// The first `count` instances of a zone that answer.
    fn first_in(&self, zone: ZoneId, count: u32) -> impl Iterator<Item = InstanceId> + use<> {
        let instances = self.fleet.in_zone(zone);
        instances.into_iter().take(count as usize)
    }
}

/// What a fault does to the data tier; `None` if it is about something else.
const fn strain(action: Action) -> Option<Strain> {
    match action {
        Action::LosePrimary { part } => Some(Strain::LosePrimary(part)),
        Action::PausePrimary { part } => Some(Strain::PausePrimary(part)),
        Action::DelayReplica { part, lag } => Some(Strain::DelayReplica(part, lag)),
        Action::FillRedisMemory { share } => Some(Strain::FillRedisMemory(share)),
        Action::HoldDatabaseConnections { count } => Some(Strain::HoldDatabaseConnections(count)),
        Action::AzPowerInterruption { .. }
        | Action::TerminateInstances { .. }
        | Action::PauseInstances { .. }
        | Action::LoseAlbNode { .. } => None,
    }
}
