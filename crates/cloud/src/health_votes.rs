//! Whether the load balancer as a whole considers a target healthy, from what its nodes found.
//!
//! Each node checks each target itself ([`target_health`](super::target_health)). A target is healthy when every node
//! that has reached a verdict says so: a node that has just started has no say until its first verdict, or its start would
//! make the whole fleet unhealthy.

use std::collections::BTreeMap;

use tiketi_core::units::{InstanceId, ZoneId};

/// The verdicts of all nodes on all registered targets.
#[derive(Clone, Debug, Default)]
pub struct HealthVotes {
    targets: BTreeMap<InstanceId, Votes>,
}

#[derive(Clone, Debug, Default)]
struct Votes {
    /// The verdict of each running node that has one.
    by_node: BTreeMap<ZoneId, bool>,
    /// The verdict reported last.
    reported: Option<bool>,
}

impl HealthVotes {
    /// Adds a target, without a verdict.
    pub fn register(&mut self, instance: InstanceId) {
        self.targets.entry(instance).or_default();
    }

    /// Removes a target.
    pub fn deregister(&mut self, instance: InstanceId) {
        self.targets.remove(&instance);
    }

    /// Returns all registered targets, lowest number first.
    pub fn targets(&self) -> impl Iterator<Item = InstanceId> + use<'_> {
        self.targets.keys().copied()
    }

    /// Notes the verdict of the node in `zone`. Returns the verdict of the load balancer if it has changed, the first one
    /// included.
    pub fn handle_vote(
        &mut self,
        instance: InstanceId,
        zone: ZoneId,
        healthy: bool,
    ) -> Option<bool> {
        let votes = self.targets.get_mut(&instance)?;
        votes.by_node.insert(zone, healthy);
        votes.changed()
    }

    /// Drops the verdicts of a lost node. Returns the targets whose verdict has changed because of that.
    pub fn handle_node_lost(&mut self, zone: ZoneId) -> Vec<(InstanceId, bool)> {
        let changed = |(&instance, votes): (&InstanceId, &mut Votes)| {
            votes.by_node.remove(&zone);
            Some((instance, votes.changed()?))
        };
        self.targets.iter_mut().filter_map(changed).collect()
    }

    /// Returns the number of nodes that have a verdict on a target.
    pub fn count(&self, instance: InstanceId) -> usize {
        let votes = self.targets.get(&instance);
        votes.map_or(0, |votes| votes.by_node.len())
    }
}

impl Votes {
    fn changed(&mut self) -> Option<bool> {
        let healthy = self.by_node.values().all(|&vote| vote);
        if self.by_node.is_empty() || self.reported == Some(healthy) {
            return None;
        }
        self.reported = Some(healthy);
        Some(healthy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: InstanceId = InstanceId(0);
    const ZONE_A: ZoneId = ZoneId(0);
    const ZONE_B: ZoneId = ZoneId(1);

    fn votes() -> HealthVotes {
        let mut votes = HealthVotes::default();
        votes.register(TARGET);
        votes
    }

    #[test]
    fn the_first_verdict_of_any_node_is_reported() {
        let mut votes = votes();
        assert_eq!(votes.handle_vote(TARGET, ZONE_A, true), Some(true));
        assert_eq!(votes.handle_vote(TARGET, ZONE_B, true), None);
    }

    #[test]
    fn one_node_that_disagrees_makes_a_target_unhealthy() {
        let mut votes = votes();
        votes.handle_vote(TARGET, ZONE_A, true);
        assert_eq!(votes.handle_vote(TARGET, ZONE_B, false), Some(false));
        assert_eq!(votes.handle_vote(TARGET, ZONE_A, false), None);
    }

    #[test]
    fn a_lost_node_takes_its_verdict_with_it() {
        let mut votes = votes();
        votes.handle_vote(TARGET, ZONE_A, true);
        votes.handle_vote(TARGET, ZONE_B, false);
        assert_eq!(votes.handle_node_lost(ZONE_B), [(TARGET, true)]);
        assert_eq!(votes.handle_node_lost(ZONE_A), [], "nobody is left to say");
        assert_eq!(votes.count(TARGET), 0);
    }

    #[test]
    fn a_target_that_is_not_registered_has_no_verdict() {
        let mut votes = votes();
        votes.deregister(TARGET);
        assert_eq!(votes.handle_vote(TARGET, ZONE_A, true), None);
    }
}
