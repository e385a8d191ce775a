//! The load balancer: a node in each zone with its own routing table and its own health checks, behind one DNS name.

use std::collections::BTreeMap;

use tiketi_cloud::address_rotation::AddressRotation;
use tiketi_cloud::health_votes::HealthVotes;
use tiketi_cloud::routing::{Cookie, Route, Router, Stickiness};
use tiketi_cloud::target_health::TargetHealth;
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_scenario::topology::Alb;

/// The load balancer.
#[derive(Debug)]
pub(super) struct Front {
    alb: Alb,
    nodes: Vec<Node>,
    votes: HealthVotes,
    /// Zones whose address is in the DNS record.
    record: Vec<ZoneId>,
    /// What clients know of the record, until when.
    names: AddressRotation<ZoneId>,
    known_until: SimTime,
    stickiness: Stickiness,
}

#[derive(Debug)]
struct Node {
    is_up: bool,
    router: Router,
    health: BTreeMap<InstanceId, TargetHealth>,
}

impl Front {
    /// Builds a load balancer whose nodes are all up and have no targets.
    pub(super) fn new(alb: &Alb, zones: usize) -> Self {
        let node = || Node {
            is_up: true,
            router: Router::new(alb.stickiness),
            health: BTreeMap::new(),
        };
        Self {
            alb: alb.clone(),
            nodes: std::iter::repeat_with(node).take(zones).collect(),
            votes: HealthVotes::default(),
            record: (0..).map(ZoneId).take(zones).collect(),
            names: AddressRotation::default(),
            known_until: SimTime::ZERO,
            stickiness: Stickiness::default(),
        }
    }

    /// Returns the zones whose node is up.
    pub(super) fn nodes_up(&self) -> impl Iterator<Item = ZoneId> + use<'_> {
        let numbered = (0..).zip(&self.nodes);
        numbered.filter_map(|(zone, node)| node.is_up.then_some(ZoneId(zone)))
    }

    /// Returns the node that a client connects to: those in the DNS record take turns, except for those that refused a
    /// connection. `None` if no address answers.
    pub(super) fn node(&mut self, now: SimTime) -> Option<ZoneId> {
        if now >= self.known_until {
            self.names.renew(self.record.iter().copied());
            self.known_until = now + self.alb.dns_ttl;
        }
        let mut zone = self.names.pick()?;
        while !self.nodes[zone.index()].is_up {
            zone = self.names.handle_failure(zone)?;
        }
        Some(zone)
    }

    /// Chooses the target of a request; `None` (503) if no target is registered.
    pub(super) fn route(
        &mut self,
        now: SimTime,
        node: ZoneId,
        cookie: Option<Cookie>,
    ) -> Option<Route> {
        let router = &mut self.nodes[node.index()].router;
        let route = router.route(now, cookie)?;
        if let Some(fate) = route.fate {
            self.stickiness.handle_fate(fate);
        }
        Some(route)
    }

    /// Adds a target to the nodes that are up.
    pub(super) fn register(&mut self, instance: InstanceId) {
        self.votes.register(instance);
        for node in self.nodes.iter_mut().filter(|node| node.is_up) {
            node.add(instance, &self.alb);
        }
    }

    /// Removes a target.
    pub(super) fn deregister(&mut self, instance: InstanceId) {
        self.votes.deregister(instance);
        for node in &mut self.nodes {
            node.router.deregister(instance);
            node.health.remove(&instance);
        }
    }

    /// Returns whether a node checks this target.
    pub(super) fn checks(&self, node: ZoneId, instance: InstanceId) -> bool {
        let node = &self.nodes[node.index()];
        node.is_up && node.health.contains_key(&instance)
    }

    /// Processes the result of a health check. Returns whether the target is healthy for the load balancer as a whole, if
    /// that has changed.
    pub(super) fn handle_check(
        &mut self,
        zone: ZoneId,
        instance: InstanceId,
        passed: bool,
    ) -> Option<bool> {
        let node = &mut self.nodes[zone.index()];
        let health = node.health.get_mut(&instance)?;
        let healthy = health.handle_check(passed)?;
        node.router.set_health(instance, healthy);
        self.votes.handle_vote(instance, zone, healthy)
    }

    /// Takes a node down. Returns the targets whose health has changed because of that.
    pub(super) fn lose_node(&mut self, zone: ZoneId) -> Vec<(InstanceId, bool)> {
        let node = &mut self.nodes[zone.index()];
        node.is_up = false;
        node.health.clear();
        node.router = Router::new(self.alb.stickiness);
        self.votes.handle_node_lost(zone)
    }

    /// Removes the address of a lost node from the DNS record, unless the node is up again.
    pub(super) fn evict(&mut self, zone: ZoneId) {
        if !self.nodes[zone.index()].is_up {
            self.record.retain(|known| *known != zone);
        }
    }

    /// Starts a node again: it knows all targets, but none of them as healthy yet.
    pub(super) fn restore_node(&mut self, zone: ZoneId) {
        let node = &mut self.nodes[zone.index()];
        node.is_up = true;
        for instance in self.votes.targets() {
            node.add(instance, &self.alb);
        }
        if !self.record.contains(&zone) {
            self.record.push(zone);
        }
    }

    /// Returns all registered targets.
    pub(super) fn targets(&self) -> impl Iterator<Item = InstanceId> + use<'_> {
        self.votes.targets()
    }

    /// Returns how many requests with a cookie stayed on their instance.
    pub(super) const fn stickiness(&self) -> Stickiness {
        self.stickiness
    }
}

impl Node {
    fn add(&mut self, instance: InstanceId, alb: &Alb) {
        self.router.register(instance);
        let health = TargetHealth::new(alb.health_check);
        self.health.insert(instance, health);
    }
}
