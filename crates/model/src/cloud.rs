//! Drives the control plane: carries out its orders, tells it what happens.

use std::collections::VecDeque;
use std::time::Duration;

use rand::RngExt;

use super::entry::Entry;
use super::tier::{self, SHOW};
use super::world::World;
use tiketi_buyer::observation::Failure;
use tiketi_cloud::ControlPlane;
use tiketi_cloud::credits::CreditAccount;
use tiketi_cloud::notice::{InstanceState, Notice, What};
use tiketi_cloud::order::{Input, Order};
use tiketi_core::fault::Schedule;
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::{DataTierPart, InstanceId, SimTime, ZoneId};
use tiketi_cost::{Meter, Scope};
use tiketi_measure::Gauges;
use tiketi_measure::ending::{FailoverFigures, Loss};
use tiketi_measure::gauges::InstanceCount;
use tiketi_measure::replica_lag::ReplicaLags;
use tiketi_scenario::Plan;

/// The control plane and what its driver keeps beside it.
#[derive(Debug)]
pub(super) struct Cloud {
    pub(super) control: ControlPlane,
    pub(super) schedule: Schedule,
    pub(super) notices: VecDeque<Notice>,
    pub(super) meter: Meter,
    pub(super) monitor_runs: u64,
    /// Each loss of a primary, in order of time.
    pub(super) failovers: Vec<FailoverFigures>,
    /// How far the replicas are behind.
    pub(super) lags: ReplicaLags,
    /// Where the primary of Redis is, or was when it was lost.
    pub(super) redis_zone: ZoneId,
    /// Where the writer of the database is, or was.
    pub(super) database_zone: ZoneId,
    pub(super) is_zone_lost: Vec<bool>,
    /// Zones whose load-balancer node a fault of its own keeps down.
    pub(super) is_node_lost: Vec<bool>,
    has_nat: Vec<bool>,
    check_phase: Stream,
    control_due: Option<SimTime>,
}

impl Cloud {
    /// The control plane of `plan` before anything is ordered.
    pub(super) fn new(plan: &Plan) -> Self {
        let zones = &plan.topology.zones;
        Self {
            control: ControlPlane::new(plan),
            schedule: Schedule::new(&plan.faults),
            notices: VecDeque::new(),
            meter: Meter::new(Scope::Everything),
            monitor_runs: 0,
            failovers: Vec::new(),
            lags: ReplicaLags::new(plan),
            redis_zone: plan.topology.redis.primary,
            database_zone: plan.topology.database.primary,
            is_zone_lost: vec![false; zones.len()],
            is_node_lost: vec![false; zones.len()],
            has_nat: zones.iter().map(|zone| zone.nat_gateway).collect(),
            check_phase: Streams::new(plan.seed).named("check-phase"),
            control_due: None,
        }
    }

    /// Notes that a primary is lost.
    pub(super) fn note_loss(&mut self, now: SimTime, part: DataTierPart) {
        self.failovers.push(FailoverFigures {
            part,
            lost_at: now,
            lost_zone: match part {
                DataTierPart::Redis => self.redis_zone,
                DataTierPart::Database => self.database_zone,
            },
            promoted_at: None,
            promoted_zone: None,
            writes_failed_for: None,
            loss: Loss::default(),
        });
    }

    /// Notes that a member takes writes. Clients of the model follow it at once, so that is when writes succeed again.
    fn note_promotion(&mut self, now: SimTime, (part, zone): (DataTierPart, ZoneId), loss: Loss) {
        let is_open = |one: &&mut FailoverFigures| one.part == part && one.promoted_at.is_none();
        if let Some(failover) = self.failovers.iter_mut().find(is_open) {
            failover.promoted_at = Some(now);
            failover.promoted_zone = Some(zone);
            failover.writes_failed_for = Some(now - failover.lost_at);
            failover.loss = loss;
        }
    }

    /// The zone through whose NAT gateway an instance in `zone` reaches the internet: its own, or else the first zone
    /// that has one, as its route table says. `None` if that gateway is lost, or there is none.
    pub(super) fn way_out(&self, zone: ZoneId) -> Option<ZoneId> {
        let gateway = if self.has_nat[zone.index()] {
            zone
        } else {
            let first = self.has_nat.iter().position(|has| *has)?;
            ZoneId(u8::try_from(first).expect("six zones at most"))
        };
        (!self.is_zone_lost[gateway.index()]).then_some(gateway)
    }
}

impl World<'_> {
    /// Brings the initial fleet up: it is healthy when the run starts.
    pub(super) fn start_cloud(&mut self) {
        let now = SimTime::ZERO;
        self.carry_out(now);
        let targets: Vec<_> = self.front.targets().collect();
        for instance in targets {
            let nodes: Vec<_> = self.front.nodes_up().collect();
            for node in nodes {
                if let Some(healthy) = self.front.handle_check(node, instance, true) {
                    self.cloud
                        .control
                        .handle(now, Input::TargetHealth { instance, healthy });
                }
            }
        }
        self.carry_out(now);
        if let Some(at) = self.cloud.schedule.poll_timeout() {
            self.calendar.enter(at, Entry::Fault);
        }
    }

    pub(super) fn handle_control(&mut self, now: SimTime) {
        if self.cloud.control_due.is_some_and(|due| due <= now) {
            self.cloud.control_due = None;
        }
        self.cloud.control.handle_timeout(now);
        self.carry_out(now);
    }

    /// Tells the control plane what happened.
    pub(super) fn tell_control(&mut self, now: SimTime, input: Input) {
        self.cloud.control.handle(now, input);
        self.carry_out(now);
    }

    fn carry_out(&mut self, now: SimTime) {
        while let Some(order) = self.cloud.control.poll_order() {
            if let Some(answer) = self.obey(now, &order) {
                self.cloud.control.handle(now, answer);
            }
        }
        self.take_notices();
        if let Some(due) = self.cloud.control.poll_timeout()
            && self.cloud.control_due.is_none_or(|entered| due < entered)
        {
            self.cloud.control_due = Some(due);
            self.calendar.enter(due.max(now), Entry::Control);
        }
    }

    fn obey(&mut self, now: SimTime, order: &Order) -> Option<Input> {
        match *order {
            Order::SampleQueue => {
                self.cloud.monitor_runs += 1;
                self.cloud.meter.handle_lambda_run();
                let size = self.redis.answers(now).then(|| self.waiting());
                return Some(Input::QueueSampled { size });
            }
            Order::SampleCpu => {
                let percent = self.fleet.sample_cpu(now);
                return Some(Input::CpuSampled { percent });
            }
            Order::Launch {
                instance,
                zone,
                answers_at,
            } => {
                if self.cloud.is_zone_lost[zone.index()] {
                    // No capacity there, as AWS would say.
                    return Some(Input::InstanceLost { instance });
                }
                let kind = &self.plan.topology.instances;
                let account = if now == SimTime::ZERO {
                    CreditAccount::initial(kind)
                } else {
                    CreditAccount::launched(kind, answers_at)
                };
                self.fleet.launch(instance, zone, (answers_at, account));
                self.database.handle_instance(instance);
            }
            Order::Register { instance } => self.register(now, instance),
            Order::Deregister { instance, until } => return self.deregister(now, instance, until),
            Order::Terminate { instance } => self.terminate(now, instance),
            Order::PromoteRedis { zone } => self.promote_redis(now, zone),
            Order::PromoteDatabase { zone } => {
                self.cloud.database_zone = zone;
                self.database.handle_promoted(now);
                // What was committed is in the other zone as well, or still on the disk of the same one.
                let loss = Loss::default();
                self.cloud
                    .note_promotion(now, (DataTierPart::Database, zone), loss);
                self.handle_database(now);
            }
        }
        None
    }

    /// Where the lost primary itself comes back, because there was no replica, it is empty.
    fn promote_redis(&mut self, now: SimTime, zone: ZoneId) {
        let loss = if self.cloud.redis_zone == zone {
            self.redis.handle_restored_empty()
        } else {
            self.redis.handle_promoted()
        };
        self.cloud.redis_zone = zone;
        self.cloud
            .note_promotion(now, (DataTierPart::Redis, zone), tier::loss(loss));
    }

    fn register(&mut self, now: SimTime, instance: InstanceId) {
        let is_there = self
            .fleet
            .find(instance.0)
            .is_some_and(|instance| !instance.is_gone());
        // An instance that its zone has just taken with it gets no target.
        if !is_there {
            return;
        }
        self.front.register(instance);
        let nodes: Vec<_> = self.front.nodes_up().collect();
        for node in nodes {
            self.start_checks(now, node, instance);
        }
    }

    /// A node begins to check a target: at once if it is new, somewhere within the interval at the start of the run.
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
        let (passed, at) = if checked.answers(now) {
            let done_at = checked.book(now, time);
            let gives_up_at = now + check.timeout;
            (done_at <= gives_up_at, done_at.min(gives_up_at))
        } else if checked.is_gone() || checked.listens(now) {
            // A host that is gone drops packets, a stopped process accepts: either way nobody answers.
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

    fn deregister(&mut self, now: SimTime, instance: InstanceId, until: SimTime) -> Option<Input> {
        self.front.deregister(instance);
        let draining = self.fleet.find(instance.0)?;
        if draining.is_gone() || draining.is_idle() {
            return Some(Input::Drained { instance });
        }
        draining.is_draining = true;
        self.calendar
            .enter(until.max(now), Entry::DrainEnd(instance.0));
        None
    }

    pub(super) fn handle_drain_end(&mut self, now: SimTime, instance: u32) {
        if std::mem::take(&mut self.fleet.of(instance).is_draining) {
            self.handle_drained(now, InstanceId(instance));
        }
    }

    /// A draining target has no connection left, or its time is over.
    pub(super) fn handle_drained(&mut self, now: SimTime, instance: InstanceId) {
        self.tell_control(now, Input::Drained { instance });
    }

    fn terminate(&mut self, now: SimTime, instance: InstanceId) {
        self.front.deregister(instance);
        self.end_instance(now, instance.0, Failure::Status(502));
    }

    /// An instance ends with everything on it.
    pub(super) fn end_instance(&mut self, now: SimTime, instance: u32, failure: Failure) {
        if self
            .fleet
            .find(instance)
            .is_none_or(|ended| ended.is_gone())
        {
            return;
        }
        let has_sockets = self.fleet.of(instance).sockets > 0;
        let sockets = if has_sockets {
            self.crowd
                .sockets(|browser| browser.line_instance == instance)
        } else {
            Vec::new() // Most instances end drained: no need to look at everybody.
        };
        let calls = self.calls.matching(|call| call.instance == instance);
        let surplus = self.fleet.end(now, instance);
        self.cloud.meter.handle_surplus(surplus);
        self.database
            .handle_instance_gone(now, InstanceId(instance));
        for call in calls {
            self.cut_call(now, call, failure);
        }
        for buyer in sockets {
            self.cut_line(now, buyer);
        }
    }

    /// Notices go to the timeline, and to the meter: instances are billed from their launch to their end.
    fn take_notices(&mut self) {
        loop {
            let cloud = &mut self.cloud;
            let notice = cloud
                .notices
                .pop_front()
                .or_else(|| cloud.control.poll_notice());
            let Some(notice) = notice else { return };
            if let What::Instance {
                instance, state, ..
            } = notice.what
            {
                let at = notice.at;
                match state {
                    InstanceState::Pending => cloud.meter.handle_instance_started(at, instance),
                    InstanceState::Terminated | InstanceState::Lost => {
                        cloud.meter.handle_instance_ended(at, instance);
                    }
                    InstanceState::InService if at == SimTime::ZERO => {
                        cloud.meter.handle_instance_started(at, instance);
                    }
                    InstanceState::InService
                    | InstanceState::Healthy
                    | InstanceState::Unhealthy
                    | InstanceState::Draining => {}
                }
            }
            self.assembly.handle_notice(notice);
        }
    }

    /// Buyers in the line.
    fn waiting(&self) -> u64 {
        u64::from(self.redis.waiting(SHOW))
    }

    /// Reads the levels, each second, and the load balancer's counters for the bill.
    pub(super) fn read_levels(&mut self, now: SimTime) {
        const STATES: [InstanceState; 5] = [
            InstanceState::Pending,
            InstanceState::InService,
            InstanceState::Healthy,
            InstanceState::Unhealthy,
            InstanceState::Draining,
        ];
        let load = self.traffic.take_load(self.calls.len());
        self.cloud.meter.handle_load(now, &load);
        self.cloud.meter.handle_traffic(&self.traffic.take_paths());
        let group = self.cloud.control.fleet();
        let zones = self.plan.topology.zone_ids();
        let instances = zones
            .flat_map(|zone| STATES.map(|state| (zone, state, group.count(zone, state))))
            .filter(|(_, _, count)| *count > 0)
            .map(|(zone, state, count)| InstanceCount { zone, state, count })
            .collect();
        let redis_answers = self.redis.answers(now);
        let desired_instances = group.desired();
        let redis_lag = redis_answers.then(|| self.redis.replica_lag(now));
        self.cloud.lags.sample(redis_lag, self.database.answers());
        self.assembly.handle_gauges(Gauges {
            at: now,
            waiting: redis_answers.then(|| self.waiting()),
            active: redis_answers.then(|| u64::from(self.redis.active(SHOW))),
            seats_held: u64::from(self.seats.locked()),
            seats_sold: u64::from(self.seats.sold()),
            desired_instances,
            instances,
            cpu: self.fleet.read_cpu(now),
        });
    }
}
