//! The load balancer: a node in each zone with its own routing table and its own health checks, behind one DNS name.

use std::collections::{BTreeMap, BTreeSet};

use tiketi_cloud::driver::Shift;
use tiketi_cloud::health_votes::HealthVotes;
use tiketi_cloud::resolver::{LookupEnd, NameFigures};
use tiketi_cloud::routing::{Cookie, Route, Router, Stickiness};
use tiketi_cloud::target_health::TargetHealth;
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_scenario::topology::Alb;

use super::names::Client;

/// The load balancer.
#[derive(Debug)]
pub(super) struct Front {
    alb: Alb,
    nodes: Vec<Node>,
    votes: HealthVotes,
    /// Zones whose address is in the DNS record.
    record: Vec<ZoneId>,
    /// What the edge knows of the record.
    names: Client<ZoneId>,
    stickiness: Stickiness,
    /// The zone of each target.
    zones: BTreeMap<InstanceId, ZoneId>,
    /// Zones that a zonal shift keeps traffic away from.
    shifted: BTreeSet<ZoneId>,
}

#[derive(Debug)]
struct Node {
    state: State,
    router: Router,
    health: BTreeMap<InstanceId, TargetHealth>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    /// Its host refuses connections.
    Down,
    /// It has lost power. The edge keeps `stale` connections to it, and does not know that they lead nowhere.
    Silent {
        stale: u32,
    },
}

/// Where a connection to one of the addresses ends up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// At the node of this zone.
    Node(ZoneId),
    /// Nowhere: nothing answers at the address of this zone's node.
    Silence(ZoneId),
    /// Nowhere yet: the name is being looked up.
    Nothing {
        /// When the lookup ends.
        until: SimTime,
    },
}

impl Node {
    fn is_up(&self) -> bool {
        self.state == State::Up
    }
}

impl Front {
    /// Builds a load balancer whose nodes are all up and have no targets.
    pub(super) fn new(alb: &Alb, zones: usize) -> Self {
        let node = || Node {
            state: State::Up,
            router: Router::new(alb.stickiness),
            health: BTreeMap::new(),
        };
        Self {
            alb: alb.clone(),
            nodes: std::iter::repeat_with(node).take(zones).collect(),
            votes: HealthVotes::default(),
            record: (0..).map(ZoneId).take(zones).collect(),
            names: Client::default(),
            stickiness: Stickiness::default(),
            zones: BTreeMap::new(),
            shifted: BTreeSet::new(),
        }
    }

    /// Returns the zones whose node is up.
    pub(super) fn nodes_up(&self) -> impl Iterator<Item = ZoneId> + use<'_> {
        let numbered = (0..).zip(&self.nodes);
        numbered.filter_map(|(zone, node)| node.is_up().then_some(ZoneId(zone)))
    }

    /// Returns what a client reaches: the addresses in the DNS record take turns, except for those whose connections failed.
    /// `None` if all addresses refuse.
    pub(super) fn node(&mut self, now: SimTime) -> Option<Reached> {
        if let Some(until) = self.names.waits_until() {
            return Some(Reached::Nothing { until });
        }
        let zone = self.names.resolver.pick(now)?;
        self.reached(now, zone)
    }

    /// Returns whether the name must be looked up before the next request.
    pub(super) fn needs_lookup(&self, now: SimTime) -> bool {
        self.names.needs_lookup(now)
    }

    /// Begins a lookup of the load balancer's name. Returns when it ends; `None` if it has ended.
    pub(super) fn begin_lookup(&mut self, now: SimTime, end: LookupEnd) -> Option<SimTime> {
        let until = self.names.begin(now, end);
        if until.is_none() {
            self.end_lookup(now);
        }
        until
    }

    /// Ends the lookup of the load balancer's name.
    pub(super) fn end_lookup(&mut self, now: SimTime) {
        self.names
            .end(now, self.record.iter().copied(), self.alb.dns_ttl);
    }

    /// Whether the lookup that ended at `now` got no answer.
    pub(super) fn has_no_answer(&self, now: SimTime) -> bool {
        self.names.has_no_answer(now)
    }

    /// Returns how the load balancer's name was looked up.
    pub(super) const fn name_figures(&self) -> &NameFigures {
        self.names.resolver.figures()
    }

    /// The address of a node did not accept a connection in time. Returns what another address leads to; `None` if there is
    /// none.
    pub(super) fn handle_connect_failure(&mut self, now: SimTime, zone: ZoneId) -> Option<Reached> {
        let resolver = &mut self.names.resolver;
        let next = resolver
            .handle_failure(now, zone)
            .filter(|next| *next != zone)?;
        self.reached(now, next)
    }

    /// What a connection to the address of a zone leads to. One that is refused leads to the next address at once.
    fn reached(&mut self, now: SimTime, mut zone: ZoneId) -> Option<Reached> {
        loop {
            match self.nodes[zone.index()].state {
                State::Up => return Some(Reached::Node(zone)),
                State::Silent { .. } => return Some(Reached::Silence(zone)),
                State::Down => zone = self.names.resolver.handle_failure(now, zone)?,
            }
        }
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
    pub(super) fn register(&mut self, instance: InstanceId, zone: ZoneId) {
        self.votes.register(instance);
        self.zones.insert(instance, zone);
        let is_shifted = self.shifted.contains(&zone);
        for node in self.nodes.iter_mut().filter(|node| node.is_up()) {
            node.add(instance, &self.alb);
            node.router.set_shifted(instance, is_shifted);
        }
    }

    /// Shifts traffic away from a zone, or back. The last address stays in the DNS record.
    pub(super) fn shift(&mut self, zone: ZoneId, shift: Shift) {
        match shift {
            Shift::Away => {
                self.shifted.insert(zone);
                if self.record.iter().any(|known| *known != zone) {
                    self.record.retain(|known| *known != zone);
                }
            }
            Shift::Back => {
                self.shifted.remove(&zone);
                if self.nodes[zone.index()].is_up() {
                    self.enter_record(zone);
                }
            }
        }
        let here = self.zones.iter().filter(|(_, of)| **of == zone);
        for (instance, _) in here {
            for node in &mut self.nodes {
                node.router.set_shifted(*instance, shift == Shift::Away);
            }
        }
    }

    fn enter_record(&mut self, zone: ZoneId) {
        if !self.record.contains(&zone) && !self.shifted.contains(&zone) {
            self.record.push(zone);
        }
    }

    /// Removes a target.
    pub(super) fn deregister(&mut self, instance: InstanceId) {
        self.votes.deregister(instance);
        self.zones.remove(&instance);
        for node in &mut self.nodes {
            node.router.deregister(instance);
            node.health.remove(&instance);
        }
    }

    /// Returns whether a node checks this target.
    pub(super) fn checks(&self, node: ZoneId, instance: InstanceId) -> bool {
        let node = &self.nodes[node.index()];
        node.is_up() && node.health.contains_key(&instance)
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

    /// Takes a node down; one that is silent stays so. Returns the targets whose health has changed because of that.
    pub(super) fn lose_node(&mut self, zone: ZoneId) -> Vec<(InstanceId, bool)> {
        let node = &mut self.nodes[zone.index()];
        if node.is_up() {
            node.state = State::Down;
        }
        node.health.clear();
        node.router = Router::new(self.alb.stickiness);
        self.votes.handle_node_lost(zone)
    }

    /// The host of a node drops what arrives from now on. The edge keeps `stale` connections to it.
    pub(super) fn silence_node(&mut self, zone: ZoneId, stale: u32) {
        self.nodes[zone.index()].state = State::Silent { stale };
    }

    /// Whether the node of a zone is up.
    pub(super) fn is_up(&self, zone: ZoneId) -> bool {
        self.nodes[zone.index()].is_up()
    }

    /// Whether the host of a node drops what arrives.
    pub(super) fn is_silent(&self, zone: ZoneId) -> bool {
        matches!(self.nodes[zone.index()].state, State::Silent { .. })
    }

    /// Returns the zones whose node is silent.
    pub(super) fn silent_nodes(&self) -> impl Iterator<Item = ZoneId> + use<'_> {
        let zones = (0..).map(ZoneId).take(self.nodes.len());
        zones.filter(|zone| self.is_silent(*zone))
    }

    /// Uses up a kept connection to a silent node; whether there was one.
    pub(super) fn use_stale(&mut self, zone: ZoneId) -> bool {
        match &mut self.nodes[zone.index()].state {
            State::Silent { stale } if *stale > 0 => {
                *stale -= 1;
                true
            }
            State::Silent { .. } | State::Up | State::Down => false,
        }
    }

    /// The host of a silent node answers again: connections are refused until the node is up.
    pub(super) fn end_silence(&mut self, zone: ZoneId) {
        if self.is_silent(zone) {
            self.nodes[zone.index()].state = State::Down;
        }
    }

    /// Removes the address of a lost node from the DNS record, unless the node is up again.
    pub(super) fn evict(&mut self, zone: ZoneId) {
        if !self.nodes[zone.index()].is_up() {
            self.record.retain(|known| *known != zone);
        }
    }

    /// Starts a node again: it knows all targets, but none of them as healthy yet.
    pub(super) fn restore_node(&mut self, zone: ZoneId) {
        let node = &mut self.nodes[zone.index()];
        node.state = State::Up;
        for instance in self.votes.targets() {
            node.add(instance, &self.alb);
            let of = self.zones.get(&instance);
            let is_shifted = of.is_some_and(|of| self.shifted.contains(of));
            node.router.set_shifted(instance, is_shifted);
        }
        self.enter_record(zone);
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

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_scenario::{Overrides, load};

    const A: ZoneId = ZoneId(0);
    const B: ZoneId = ZoneId(1);

    /// As `each_node_judges_targets_by_its_own_checks` of the testbed.
    #[test]
    fn each_node_judges_targets_by_its_own_checks() {
        let plan = load("x.toml", "preset = \"tiketi\"", &Overrides::default());
        let mut alb = plan.expect("the preset is a valid scenario").topology.alb;
        alb.stickiness = None;
        let mut front = Front::new(&alb, 2);
        let targets = [(InstanceId(0), A), (InstanceId(1), B)];
        for (instance, zone) in targets {
            front.register(instance, zone);
        }
        for node in [A, B] {
            for (instance, _) in targets {
                front.handle_check(node, instance, true);
            }
        }
        let routed = |front: &mut Front, node| {
            let route = || front.route(SimTime::ZERO, node, None);
            let routes = std::iter::repeat_with(route).take(4).flatten();
            routes.map(|route| route.instance).collect::<BTreeSet<_>>()
        };
        let both = BTreeSet::from([InstanceId(0), InstanceId(1)]);
        assert_eq!(routed(&mut front, A), both);
        // The path between the zones loses everything, but no check within a zone.
        let mut whole = Vec::new();
        for _ in 0..alb.health_check.unhealthy_count {
            whole.extend(front.handle_check(A, InstanceId(1), false));
        }
        assert_eq!(whole, [false], "the load balancer as a whole reports it");
        assert_eq!(routed(&mut front, A), BTreeSet::from([InstanceId(0)]));
        assert_eq!(routed(&mut front, B), both, "this node still reaches it");
        for _ in 0..alb.health_check.unhealthy_count {
            front.handle_check(B, InstanceId(0), false);
        }
        assert_eq!(routed(&mut front, A), BTreeSet::from([InstanceId(0)]));
        assert_eq!(routed(&mut front, B), BTreeSet::from([InstanceId(1)]));
    }
}
