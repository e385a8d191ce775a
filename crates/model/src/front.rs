//! The load balancer: one node per zone, each with its own routing table and health checks, behind one DNS name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tiketi_cloud::routing::{Cookie, Fate, Route, Router};
use tiketi_cloud::target_health::TargetHealth;
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_measure::ending::Stickiness;
use tiketi_scenario::topology::Alb;

/// Time from the loss of a node until its address leaves the DNS record: Route 53 removes an address after three failed
/// checks, 10 s apart [assumption].
pub(super) const NODE_EVICTION: Duration = Duration::from_secs(30);

/// The load balancer.
#[derive(Debug)]
pub(super) struct Front {
    alb: Alb,
    nodes: Vec<Node>,
    targets: BTreeSet<InstanceId>,
    told: BTreeMap<InstanceId, bool>,
    /// Zones whose address is in the DNS record.
    record: Vec<usize>,
    names: Names,
    stickiness: Stickiness,
}

#[derive(Debug)]
struct Node {
    is_up: bool,
    router: Router,
    health: BTreeMap<InstanceId, (TargetHealth, Option<bool>)>,
}

/// The DNS record as clients have it cached.
#[derive(Debug, Default)]
struct Names {
    addresses: Vec<usize>,
    until: SimTime,
    failed: Vec<usize>,
    turn: usize,
}

impl Front {
    /// All nodes are up and have no targets.
    pub(super) fn new(alb: &Alb, zones: usize) -> Self {
        let node = || Node {
            is_up: true,
            router: Router::new(alb.stickiness),
            health: BTreeMap::new(),
        };
        Self {
            alb: alb.clone(),
            nodes: std::iter::repeat_with(node).take(zones).collect(),
            targets: BTreeSet::new(),
            told: BTreeMap::new(),
            record: (0..zones).collect(),
            names: Names::default(),
            stickiness: Stickiness {
                kept: 0,
                target_gone: 0,
                broken: 0,
            },
        }
    }

    /// Zones whose node is up.
    pub(super) fn nodes_up(&self) -> impl Iterator<Item = ZoneId> + use<'_> {
        let numbered = (0..).zip(&self.nodes);
        numbered.filter_map(|(zone, node)| node.is_up.then_some(ZoneId(zone)))
    }

    /// Returns the node a client connects to: the addresses of the record in turn, except those that refused a connection.
    /// `None` if no address answers.
    pub(super) fn node(&mut self, now: SimTime) -> Option<ZoneId> {
        if now >= self.names.until {
            self.names.addresses.clone_from(&self.record);
            self.names.failed.clear();
            self.names.until = now + self.alb.dns_ttl;
        }
        loop {
            let zone = self.names.next()?;
            if self.nodes[zone].is_up {
                return u8::try_from(zone).ok().map(ZoneId);
            }
            self.names.failed.push(zone);
            if self.names.failed.len() >= self.names.addresses.len() {
                self.names.failed.clear();
                return None;
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
        if let Some(cookie) = cookie {
            match router.fate(now, cookie, route.instance) {
                Some(Fate::Kept) => self.stickiness.kept += 1,
                Some(Fate::TargetGone) => self.stickiness.target_gone += 1,
                Some(Fate::Broken) => self.stickiness.broken += 1,
                None => {}
            }
        }
        Some(route)
    }

    /// Registers a target; nodes that are up start to check it.
    pub(super) fn register(&mut self, instance: InstanceId) {
        self.targets.insert(instance);
        for node in self.nodes.iter_mut().filter(|node| node.is_up) {
            node.add(instance, &self.alb);
        }
    }

    /// Deregisters a target.
    pub(super) fn deregister(&mut self, instance: InstanceId) {
        self.targets.remove(&instance);
        self.told.remove(&instance);
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

    /// Records the result of a check. Returns the target's health in the load balancer as a whole if it has changed.
    pub(super) fn handle_check(
        &mut self,
        node: ZoneId,
        instance: InstanceId,
        passed: bool,
    ) -> Option<bool> {
        let node = &mut self.nodes[node.index()];
        let (health, vote) = node.health.get_mut(&instance)?;
        let changed = health.handle_check(passed)?;
        *vote = Some(changed);
        node.router.set_health(instance, changed);
        self.verdict(instance)
    }

    /// Loses a node. Returns the targets whose health changed with it.
    pub(super) fn lose_node(&mut self, zone: ZoneId) -> Vec<(InstanceId, bool)> {
        let node = &mut self.nodes[zone.index()];
        node.is_up = false;
        node.health.clear();
        node.router = Router::new(self.alb.stickiness);
        let targets: Vec<_> = self.targets.iter().copied().collect();
        targets
            .into_iter()
            .filter_map(|instance| Some((instance, self.verdict(instance)?)))
            .collect()
    }

    /// Removes the address of a lost node from the DNS record, unless the node is up again.
    pub(super) fn evict(&mut self, zone: ZoneId) {
        if !self.nodes[zone.index()].is_up {
            self.record.retain(|known| *known != zone.index());
        }
    }

    /// Restarts a node: it knows all targets, none of them healthy yet.
    pub(super) fn restore_node(&mut self, zone: ZoneId) {
        let node = &mut self.nodes[zone.index()];
        node.is_up = true;
        for instance in &self.targets {
            node.add(*instance, &self.alb);
        }
        if !self.record.contains(&zone.index()) {
            self.record.push(zone.index());
        }
    }

    /// All registered targets.
    pub(super) fn targets(&self) -> impl Iterator<Item = InstanceId> + use<'_> {
        self.targets.iter().copied()
    }

    /// Returns how well cookies kept buyers on their instance.
    pub(super) const fn stickiness(&self) -> Stickiness {
        self.stickiness
    }

    /// Returns a target's health if it has changed: healthy when every node that has a result says so.
    fn verdict(&mut self, instance: InstanceId) -> Option<bool> {
        let up = self.nodes.iter().filter(|node| node.is_up);
        let votes = up.filter_map(|node| node.health.get(&instance)?.1);
        let healthy = votes.reduce(|all, vote| all && vote)?;
        let before = self.told.insert(instance, healthy);
        (before != Some(healthy)).then_some(healthy)
    }
}

impl Node {
    fn add(&mut self, instance: InstanceId, alb: &Alb) {
        self.router.register(instance);
        let health = TargetHealth::new(alb.health_check);
        self.health.insert(instance, (health, None));
    }
}

impl Names {
    fn next(&mut self) -> Option<usize> {
        let count = self.addresses.len();
        for _ in 0..count {
            let address = self.addresses[self.turn % count];
            self.turn = (self.turn + 1) % count;
            if !self.failed.contains(&address) {
                return Some(address);
            }
        }
        None
    }
}
