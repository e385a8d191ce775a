//! The model as an engine of the control plane: carries out its orders, and reports what happens.

use std::convert::Infallible;
use std::time::Duration;

use rand::RngExt;

use super::calls::{CallRef, Step};
use super::entry::Entry;
use super::tier::{self, SHOW};
use super::world::World;
use tiketi_buyer::observation::Failure;
use tiketi_cloud::credits::CreditAccount;
use tiketi_cloud::driver::{
    self, CpuTime, Driven, Driver, Engine, Launch, Primaries, Promotion, ShowLevels,
};
use tiketi_cloud::gauges::PartReadings;
use tiketi_cloud::order::Input;
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::{BuyerId, DataTierPart, InstanceId, SimTime, ZoneId};
use tiketi_cost::{EdgeSample, LoadSample, Scope, TrafficSample};
use tiketi_edge::Room;
use tiketi_measure::ending::{FailoverFigures, Loss};
use tiketi_measure::replica_lag::ReplicaLags;
use tiketi_network::Lost;
use tiketi_scenario::Plan;

/// The control plane's driver, and what faults and failovers have done to the infrastructure.
#[derive(Debug)]
pub(super) struct Cloud {
    pub(super) driver: Driver,
    /// Each loss of a primary, in order of time.
    pub(super) failovers: Vec<FailoverFigures>,
    /// How far the replicas are behind.
    pub(super) lags: ReplicaLags,
    pub(super) primaries: Primaries,
    /// What of the network does not work.
    pub(super) lost: Lost,
    check_phase: Stream,
    control_due: Option<SimTime>,
}

impl Cloud {
    /// Builds the control plane of `plan`; nothing has been ordered yet.
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            driver: Driver::new(plan, Scope::Everything),
            failovers: Vec::new(),
            lags: ReplicaLags::new(plan),
            primaries: Primaries::new(&plan.topology),
            lost: Lost::default(),
            check_phase: Streams::new(plan.seed).named("check-phase"),
            control_due: None,
        }
    }

    /// Records that a primary is lost.
    pub(super) fn note_loss(&mut self, now: SimTime, part: DataTierPart) {
        self.failovers.push(FailoverFigures {
            part,
            lost_at: now,
            lost_zone: self.primaries.zone(part),
            promoted_at: None,
            promoted_zone: None,
            writes_failed_for: None,
            loss: Loss::default(),
        });
    }

    /// Records that a member accepts writes. Clients of the model follow it at once, so writes succeed again from then on.
    fn note_promotion(&mut self, now: SimTime, (part, zone): (DataTierPart, ZoneId), loss: Loss) {
        let is_open = |one: &&mut FailoverFigures| one.part == part && one.promoted_at.is_none();
        if let Some(failover) = self.failovers.iter_mut().find(is_open) {
            failover.promoted_at = Some(now);
            failover.promoted_zone = Some(zone);
            failover.writes_failed_for = Some(now - failover.lost_at);
            failover.loss = loss;
        }
    }
}

impl Driven for World<'_> {
    type Engine = Self;

    fn driver(&mut self) -> &mut Driver {
        &mut self.cloud.driver
    }

    fn engine(&mut self) -> &mut Self {
        self
    }

    /// Notices go to the timeline, and the calendar gets an entry for the driver's next timeout.
    fn handle_settled(&mut self, now: SimTime) {
        while let Some(notice) = self.cloud.driver.poll_notice() {
            self.assembly.handle_notice(notice);
        }
        if let Some(due) = self.cloud.driver.control_due()
            && self.cloud.control_due.is_none_or(|entered| due < entered)
        {
            self.cloud.control_due = Some(due);
            self.calendar.enter(due.max(now), Entry::Control);
        }
    }
}

impl Engine for World<'_> {
    type Error = Infallible;

    fn queue_size(&mut self, now: SimTime) -> Option<u64> {
        self.queue_is_readable(now).then(|| self.waiting())
    }

    fn cpu_times(&mut self, now: SimTime) -> Vec<CpuTime> {
        self.fleet.cpu_times(now)
    }

    fn launch(&mut self, now: SimTime, launch: Launch) -> Result<(), Infallible> {
        let Launch {
            instance,
            zone,
            answers_at,
        } = launch;
        let kind = &self.plan.topology.instances;
        let account = if now == SimTime::ZERO {
            CreditAccount::initial(kind)
        } else {
            CreditAccount::launched(kind, answers_at)
        };
        self.fleet.launch(instance, zone, (answers_at, account));
        self.database.handle_instance(instance);
        Ok(())
    }

    fn register(&mut self, now: SimTime, instance: InstanceId) {
        let launched = self.fleet.find(instance.0);
        let Some(launched) = launched.filter(|launched| !launched.is_gone()) else {
            return;
        };
        let zone = launched.zone;
        self.front.register(instance, zone);
        let nodes: Vec<_> = self.front.nodes_up().collect();
        for node in nodes {
            self.start_checks(now, node, instance);
        }
    }

    fn deregister(&mut self, now: SimTime, instance: InstanceId, until: SimTime) -> bool {
        self.front.deregister(instance);
        let Some(draining) = self.fleet.find(instance.0) else {
            return false;
        };
        if draining.is_gone() || draining.is_idle() {
            return true;
        }
        draining.is_draining = true;
        self.calendar
            .enter(until.max(now), Entry::DrainEnd(instance.0));
        false
    }

    fn terminate(&mut self, now: SimTime, instance: InstanceId) {
        self.front.deregister(instance);
        self.end_instance(now, instance.0, Failure::Status(502));
        // The load balancer closes what is open to a target that is gone, also if the target said nothing.
        let silent_nodes: Vec<_> = self.front.silent_nodes().collect();
        self.cut_silent_lines(now, |browser| {
            let is_its = browser.line_instance == instance.0;
            is_its && !silent_nodes.contains(&ZoneId(browser.line_node))
        });
    }

    fn promote(&mut self, now: SimTime, part: DataTierPart, zone: ZoneId) {
        let promotion = self.cloud.primaries.promote(part, zone);
        let loss = match (part, promotion) {
            (DataTierPart::Redis, Promotion::Replica) => tier::loss(self.redis.handle_promoted()),
            (DataTierPart::Redis, Promotion::LostPrimary) => {
                tier::loss(self.redis.handle_restored_empty())
            }
            // What was committed is in the other zone as well, or still on the disk of the same one.
            (DataTierPart::Database, _) => {
                self.database.handle_promoted(now);
                Loss::default()
            }
        };
        self.cloud.note_promotion(now, (part, zone), loss);
        if part == DataTierPart::Database {
            self.handle_database(now);
        }
    }

    fn show_levels(&mut self, now: SimTime) -> ShowLevels {
        let answers = self.queue_is_readable(now);
        let active = self.room.as_ref().map(Room::active);
        let active = active.unwrap_or_else(|| self.redis.active(SHOW));
        ShowLevels {
            waiting: answers.then(|| self.waiting()),
            active: answers.then(|| u64::from(active)),
            seats_held: u64::from(self.seats.locked()),
            seats_sold: u64::from(self.seats.sold()),
        }
    }

    fn part_readings(&mut self, now: SimTime) -> PartReadings {
        let (redis, database) = (self.redis.figures(), self.database.figures());
        let pools = self.fleet.all().filter(|(_, one)| !one.is_gone());
        let in_use = pools.map(|(instance, _)| self.database.pool_figures(instance).in_use);
        PartReadings {
            broadcast_busy: Some(self.fleet.broadcast_busy()),
            redis_busy: Some(self.redis.busy_until(now)),
            redis_memory: Some(redis.memory_used),
            redis_refused: Some(redis.writes_refused),
            database_busy: Some(self.database.busy_until(now)),
            connections: Some(database.connections_open),
            connections_refused: Some(database.connections_refused),
            pool_in_use: in_use.max(),
            ..PartReadings::default()
        }
    }

    fn take_load(&mut self) -> LoadSample {
        self.traffic.take_load(self.calls.len())
    }

    fn take_edge(&mut self) -> EdgeSample {
        let room = self.room.as_ref().map(|room| *room.figures());
        self.edge.take_sample(room.unwrap_or_default())
    }

    fn take_traffic(&mut self) -> TrafficSample {
        let out = self.outbound.take_traffic();
        self.traffic.take_paths(&out)
    }
}

impl World<'_> {
    /// Brings up the initial fleet: it is healthy when the run starts.
    pub(super) fn start_cloud(&mut self) {
        let now = SimTime::ZERO;
        let Ok(()) = driver::carry_out(self, now);
        let targets: Vec<_> = self.front.targets().collect();
        for instance in targets {
            let nodes: Vec<_> = self.front.nodes_up().collect();
            for node in nodes {
                if let Some(healthy) = self.front.handle_check(node, instance, true) {
                    self.tell_control(now, Input::TargetHealth { instance, healthy });
                }
            }
        }
        if let Some(at) = self.cloud.driver.fault_due() {
            self.calendar.enter(at, Entry::Fault);
        }
    }

    pub(super) fn handle_control(&mut self, now: SimTime) {
        if self.cloud.control_due.is_some_and(|due| due <= now) {
            self.cloud.control_due = None;
        }
        let Ok(()) = driver::handle_timeout(self, now);
    }

    /// Tells the control plane what happened, and carries out what it orders.
    pub(super) fn tell_control(&mut self, now: SimTime, input: Input) {
        let Ok(()) = driver::tell(self, now, input);
    }

    /// Starts the health checks of a target by a node: at once, but at a random time within the interval for the initial
    /// fleet.
    pub(super) fn start_checks(&mut self, now: SimTime, node: ZoneId, instance: InstanceId) {
        let interval = self.plan.topology.alb.health_check.interval;
        let pause = if now == SimTime::ZERO {
            interval.mul_f64(self.cloud.check_phase.random::<f64>())
        } else {
            Duration::ZERO
        };
        let (node, instance) = (node.0, instance.0);
        self.calendar
            .enter(now + pause, Entry::Check { node, instance });
    }

    pub(super) fn handle_check(&mut self, now: SimTime, node: u8, instance: u32) {
        if !self.front.checks(ZoneId(node), InstanceId(instance)) {
            return;
        }
        let check = self.plan.topology.alb.health_check;
        let time = self.service.check();
        let checked = self.fleet.of(instance);
        let late = self.paths.of_check(ZoneId(node), checked.zone);
        let (passed, at) = if checked.answers(now) {
            let done_at = checked.book(now, time) + late;
            let gives_up_at = now + check.timeout;
            (done_at <= gives_up_at, done_at.min(gives_up_at))
        } else if checked.is_gone() || checked.listens(now) {
            // The host of a lost instance drops packets, a paused process accepts connections: either way nothing answers.
            (false, now + check.timeout)
        } else {
            (false, now)
        };
        let result = Entry::Checked {
            node,
            passed,
            instance,
        };
        self.calendar.enter(at, result);
        self.calendar
            .enter(now + check.interval, Entry::Check { node, instance });
    }

    pub(super) fn handle_checked(
        &mut self,
        now: SimTime,
        node: u8,
        (instance, passed): (u32, bool),
    ) {
        let instance = InstanceId(instance);
        if let Some(healthy) = self.front.handle_check(ZoneId(node), instance, passed) {
            self.tell_control(now, Input::TargetHealth { instance, healthy });
        }
    }

    pub(super) fn handle_drain_end(&mut self, now: SimTime, instance: u32) {
        if std::mem::take(&mut self.fleet.of(instance).is_draining) {
            self.handle_drained(now, InstanceId(instance));
        }
    }

    /// A draining target has no connection left, or its deregistration delay is over.
    pub(super) fn handle_drained(&mut self, now: SimTime, instance: InstanceId) {
        self.tell_control(now, Input::Drained { instance });
    }

    /// An instance ends with everything on it, and all its peers hear of it.
    pub(super) fn end_instance(&mut self, now: SimTime, instance: u32, failure: Failure) {
        let Some((calls, sockets)) = self.take_down(now, instance) else {
            return;
        };
        for call in calls {
            self.cut_call(now, call, failure);
        }
        for buyer in sockets {
            self.cut_line(now, buyer);
        }
    }

    /// Ends an instance. Returns the requests and sockets on it, which are still to be ended; `None` if it is gone already.
    pub(super) fn take_down(
        &mut self,
        now: SimTime,
        instance: u32,
    ) -> Option<(Vec<CallRef>, Vec<BuyerId>)> {
        if self
            .fleet
            .find(instance)
            .is_none_or(|ended| ended.is_gone())
        {
            return None;
        }
        let has_sockets = self.fleet.of(instance).sockets > 0;
        let sockets = if has_sockets {
            self.crowd
                .sockets(|browser| browser.line_instance == instance)
        } else {
            Vec::new() // Most instances are drained when they end: no need to search all buyers.
        };
        let calls = self
            .calls
            .matching(|call| call.instance == instance && call.step != Step::Home);
        self.settle_messages(instance, now);
        let surplus = self.fleet.end(now, instance);
        self.cloud.driver.billing_mut().handle_surplus(surplus);
        self.database
            .handle_instance_gone(now, InstanceId(instance));
        Some((calls, sockets))
    }

    /// Returns the number of buyers in the queue.
    pub(super) fn waiting(&self) -> u64 {
        let at_edge = self.room.as_ref().map(Room::waiting);
        u64::from(at_edge.unwrap_or_else(|| self.redis.waiting(SHOW)))
    }

    /// Whether the queue can be read: Redis can be down, the store of a waiting room at the edge cannot.
    fn queue_is_readable(&self, now: SimTime) -> bool {
        self.room.is_some() || self.redis.answers(now)
    }

    /// Reads the gauges, each second, and the load balancer's counters for the bill.
    pub(super) fn read_levels(&mut self, now: SimTime) {
        let redis_lag = self.redis.answers(now).then(|| self.redis.replica_lag(now));
        self.cloud.lags.sample(redis_lag, self.database.answers());
        let gauges = driver::read_gauges(self, now);
        self.assembly.handle_gauges(gauges);
    }
}
