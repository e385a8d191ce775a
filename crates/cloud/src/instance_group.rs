//! The Auto Scaling group: keeps the desired number of instances, evenly over the zones that are up.

use std::time::Duration;

use super::member::{LaunchCause, Member, PendingEnd, Phase};
use super::notice::{InstanceState, What};
use super::order::Order;
use super::outbox::Outbox;
use super::refresh::Refreshes;
use super::scaling::Resize;
use super::termination;
use super::zone_balance::{ZoneBalance, ZoneState};
use tiketi_core::rng::Streams;
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_scenario::Plan;
use tiketi_scenario::replacement::Process;
use tiketi_scenario::scaling::{HealthType, Scaling};

/// The group and its instances.
#[derive(Clone, Debug)]
pub struct InstanceGroup {
    pub(super) scaling: Scaling,
    deregistration_delay: Duration,
    /// From registration until a target that does not answer counts as unhealthy.
    initial_checks: Duration,
    pub(super) streams: Streams,
    pub(super) zones: Vec<ZoneState>,
    pub(super) members: Vec<Member>,
    pub(super) refreshes: Refreshes,
    pub(super) remains: Vec<(SimTime, InstanceId)>,
    /// When time alone changes something: a grace period or a warm-up ends.
    wakeups: Vec<SimTime>,
    desired_instances: u32,
    pub(super) launched: u32,
    /// Victims of the termination policy so far: each has a random stream of its own.
    pub(super) picks: u64,
    pub(super) activity_cooldown: Option<Duration>,
    cooldown_until: Option<SimTime>,
}

impl InstanceGroup {
    /// Builds the group with its initial instances in service; puts their orders into `out`.
    pub(super) fn new(plan: &Plan, out: &mut Outbox) -> Self {
        let topology = &plan.topology;
        let mut group = Self {
            scaling: plan.scaling.clone(),
            deregistration_delay: topology.alb.deregistration_delay,
            initial_checks: topology.alb.health_check.interval
                * topology.alb.health_check.unhealthy_count,
            streams: Streams::new(plan.seed),
            zones: vec![ZoneState::Up; topology.zones.len()],
            members: Vec::new(),
            refreshes: Refreshes::new(&plan.scaling.refreshes),
            remains: Vec::new(),
            wakeups: Vec::new(),
            desired_instances: topology.instances.initial.iter().sum(),
            launched: 0,
            picks: 0,
            activity_cooldown: None,
            cooldown_until: None,
        };
        for (zone, count) in topology.zone_ids().zip(&topology.instances.initial) {
            for _ in 0..*count {
                group.add_initial(zone, out);
            }
        }
        group
    }

    /// Returns the desired number of instances.
    pub const fn desired(&self) -> u32 {
        self.desired_instances
    }

    /// Returns the minimum and the maximum of the desired number.
    pub const fn limits(&self) -> (u32, u32) {
        (self.scaling.min, self.scaling.max)
    }

    /// Returns all instances that have not ended, in launch order.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    /// Returns the number of instances in a zone and a state.
    pub fn count(&self, zone: ZoneId, state: InstanceState) -> u32 {
        count_where(&self.members, |member| {
            member.zone == zone && member.state() == state
        })
    }

    /// Returns the number of instances that count towards the desired number: pending ones included, draining ones not.
    pub fn active(&self) -> u32 {
        count_where(&self.members, Member::is_active)
    }

    /// Whether a launch or a termination is in progress; simple policies wait for it.
    pub fn is_busy(&self) -> bool {
        self.members
            .iter()
            .any(|member| member.is_pending() || !member.is_active())
    }

    /// Whether the cooldown after the last simple scaling activity has not passed at `now`.
    pub fn is_cooling_down(&self, now: SimTime) -> bool {
        self.cooldown_until.is_some_and(|until| now < until)
    }

    /// Returns the number of instances that are warm at `now`: in service for at least `warmup`, or initial.
    pub fn warmed(&self, now: SimTime, warmup: Duration) -> u32 {
        count_where(&self.members, |member| member.is_warm(now, warmup))
    }

    /// Whether an instance launched by a policy has not been in service for `warmup` yet.
    pub fn is_warming(&self, now: SimTime, warmup: Duration) -> bool {
        self.members.iter().any(|member| {
            member.cause == LaunchCause::ScaleOut
                && member.is_active()
                && !member.is_warm(now, warmup)
        })
    }

    /// When the group has something to do next; `None` if nothing is planned.
    pub fn poll_timeout(&self) -> Option<SimTime> {
        let phases = self.members.iter().filter_map(|member| match member.phase {
            Phase::Pending { until, .. } | Phase::Draining(until) => Some(until),
            Phase::InService | Phase::Healthy | Phase::Unhealthy | Phase::Lost => None,
        });
        let burials = self.remains.iter().map(|(at, _)| *at);
        let wakeups = self.wakeups.iter().copied();
        phases
            .chain(burials)
            .chain(wakeups)
            .chain(self.refreshes.poll_timeout())
            .min()
    }

    /// Registers instances that are running now, ends those that have drained or were abandoned by their launch hook, checks
    /// those whose grace period is over, and goes on with a refresh.
    pub(super) fn handle_timeout(&mut self, now: SimTime, out: &mut Outbox) {
        for index in 0..self.members.len() {
            if let Phase::Pending {
                until,
                then: PendingEnd::InService,
            } = self.members[index].phase
                && until <= now
            {
                self.register(index, now, out);
            }
        }
        let is_over = |member: &Member| match member.phase {
            Phase::Draining(until)
            | Phase::Pending {
                until,
                then: PendingEnd::Abandoned,
            } => until <= now,
            Phase::Pending { .. }
            | Phase::InService
            | Phase::Healthy
            | Phase::Unhealthy
            | Phase::Lost => false,
        };
        while let Some(index) = self.members.iter().position(is_over) {
            self.end(index, now, out);
        }
        self.remains.retain(|&(at, instance)| {
            if at <= now {
                out.order(Order::Terminate { instance });
            }
            at > now
        });
        self.wakeups.retain(|at| *at > now);
        self.start_refresh(now, out);
        self.reconcile(now, LaunchCause::Replacement, out);
    }

    /// Changes the desired number of instances. With a cooldown this is a simple scaling activity: the cooldown starts when
    /// its last instance has finished launching or draining.
    pub(super) fn handle_desired(&mut self, now: SimTime, resize: Resize, out: &mut Outbox) {
        let (min, max) = self.limits();
        let desired = resize.desired;
        assert!(
            (min..=max).contains(&desired),
            "desired {desired} is outside {min} to {max}"
        );
        self.desired_instances = desired;
        self.activity_cooldown = resize.cooldown.or(self.activity_cooldown);
        self.reconcile(now, LaunchCause::ScaleOut, out);
    }

    /// Changes the limits. The caller then sets a desired number within them.
    pub(super) const fn set_limits(&mut self, min: u32, max: u32) {
        self.scaling.min = min;
        self.scaling.max = max;
    }

    /// Handles a change of a target's health.
    pub(super) fn handle_target_health(
        &mut self,
        now: SimTime,
        instance: InstanceId,
        healthy: bool,
        out: &mut Outbox,
    ) {
        let Some(index) = self.position(instance) else {
            return;
        };
        let phase = if healthy {
            Phase::Healthy
        } else {
            Phase::Unhealthy
        };
        let member = &mut self.members[index];
        let is_in_service = matches!(
            member.phase,
            Phase::InService | Phase::Healthy | Phase::Unhealthy
        );
        if !is_in_service || member.phase == phase {
            return;
        }
        member.phase = phase;
        announce(member, now, member.state(), out);
        self.reconcile(now, LaunchCause::Replacement, out);
    }

    /// Ends an instance that has no connections any more.
    pub(super) fn handle_drained(&mut self, now: SimTime, drained: InstanceId, out: &mut Outbox) {
        if let Some(index) = self.position(drained)
            && !self.members[index].is_active()
        {
            self.end(index, now, out);
            self.reconcile(now, LaunchCause::Replacement, out);
        }
    }

    /// Brings the number of instances in line with the desired number; `cause` is why instances may be missing.
    pub(super) fn reconcile(&mut self, now: SimTime, cause: LaunchCause, out: &mut Outbox) {
        self.replace_unhealthy(now, out);
        self.fill(cause, now, out);
        self.end_stale_ahead(now);
        self.replace_old(now, out);
        self.settle_ahead(now);
        self.shrink(now, out);
        self.rebalance(now, out);
        self.conclude_activity(now);
    }

    /// Launches the instances that are missing.
    pub(super) fn fill(&mut self, cause: LaunchCause, now: SimTime, out: &mut Outbox) {
        while self.active() < self.desired_instances
            && self.launch_in_emptiest(cause, now, out).is_some()
        {}
    }

    /// Terminates the instances that are too many, apart from those launched ahead.
    fn shrink(&mut self, now: SimTime, out: &mut Outbox) {
        let is_suspended = self.is_suspended(Process::Terminate);
        while !is_suspended && self.active() - self.ahead() > self.desired_instances {
            let Some(victim) = self.victim(|_| true, now) else {
                return;
            };
            self.picks += 1;
            self.retire(victim, now, out);
        }
    }

    /// The instance to terminate next, of those that `may_go`: one that fails its checks if the group replaces those, or else
    /// as the termination policy says.
    pub(super) fn victim(&self, may_go: impl Fn(&Member) -> bool, now: SimTime) -> Option<usize> {
        if self.scaling.maintenance.is_some() {
            let is_next = |it: &Member| !it.is_ahead && may_go(it) && self.is_failing(it, now);
            if let Some(index) = self.members.iter().position(is_next) {
                return Some(index);
            }
        }
        let mut stream = self.streams.numbered("termination", self.picks);
        termination::victim(&self.members, may_go, &self.balance(), now, &mut stream)
    }

    fn start_refresh(&mut self, now: SimTime, out: &mut Outbox) {
        if self.refreshes.start(now, self.active(), out) {
            let warmup = self.instance_warmup();
            let since = self.members.iter().filter_map(|it| it.in_service_at);
            let warm_at = since.map(|since| since + warmup).filter(|at| *at > now);
            self.wakeups.extend(warm_at);
        }
    }

    /// Whether a process of the group is suspended.
    pub fn is_suspended(&self, process: Process) -> bool {
        self.scaling.suspended.contains(&process)
    }

    fn conclude_activity(&mut self, now: SimTime) {
        let is_over = !self
            .members
            .iter()
            .any(|member| member.in_activity && (member.is_pending() || !member.is_active()));
        if is_over && let Some(cooldown) = self.activity_cooldown.take() {
            self.cooldown_until = Some(now + cooldown);
        }
    }

    /// Whether a group with health type ELB replaces the instance.
    pub(super) fn is_failing(&self, member: &Member, now: SimTime) -> bool {
        let checked_for = match member.phase {
            Phase::Unhealthy => self.scaling.grace,
            Phase::InService => self.scaling.grace.max(self.initial_checks),
            Phase::Pending { .. } | Phase::Healthy | Phase::Draining(_) | Phase::Lost => {
                return false;
            }
        };
        if self.scaling.health_type == HealthType::Ec2 || !self.notices_failures() {
            return false;
        }
        member
            .in_service_at
            .is_some_and(|since| since + checked_for <= now)
    }

    pub(super) fn register(&mut self, index: usize, now: SimTime, out: &mut Outbox) {
        let is_refreshing = self.refreshes.in_progress().is_some();
        let waits_for_warmup = is_refreshing || self.scaling.maintenance.is_some();
        let warm_at = now + self.instance_warmup();
        let member = &mut self.members[index];
        member.phase = Phase::InService;
        member.in_service_at = Some(now);
        if self.scaling.health_type == HealthType::Elb {
            self.wakeups.push(now + self.scaling.grace);
            self.wakeups
                .push(now + self.scaling.grace.max(self.initial_checks));
        }
        if waits_for_warmup {
            self.wakeups.push(warm_at);
        }
        out.order(Order::Register {
            instance: member.instance,
        });
        announce(member, now, InstanceState::InService, out);
    }

    /// Drains an instance, or ends it at once if it was never registered.
    pub(super) fn retire(&mut self, index: usize, now: SimTime, out: &mut Outbox) {
        let member = &mut self.members[index];
        if member.is_pending() || member.phase == Phase::Lost {
            self.end(index, now, out);
            return;
        }
        let until = now + self.deregistration_delay;
        member.is_ahead = false;
        member.phase = Phase::Draining(until);
        member.in_activity = self.activity_cooldown.is_some();
        out.order(Order::Deregister {
            instance: member.instance,
            until,
        });
        announce(member, now, InstanceState::Draining, out);
    }

    fn end(&mut self, index: usize, now: SimTime, out: &mut Outbox) {
        let member = self.members.remove(index);
        out.order(Order::Terminate {
            instance: member.instance,
        });
        announce(&member, now, InstanceState::Terminated, out);
    }

    pub(super) fn balance(&self) -> ZoneBalance {
        ZoneBalance::new(&self.members, &self.zones)
    }

    pub(super) fn position(&self, instance: InstanceId) -> Option<usize> {
        self.members
            .iter()
            .position(|member| member.instance == instance)
    }
}

pub(super) fn count_where(members: &[Member], is_counted: impl Fn(&Member) -> bool) -> u32 {
    let count = members.iter().filter(|member| is_counted(member)).count();
    u32::try_from(count).expect("a group has far fewer instances")
}

pub(super) fn announce(member: &Member, at: SimTime, state: InstanceState, out: &mut Outbox) {
    out.announce(
        at,
        What::Instance {
            instance: member.instance,
            zone: member.zone,
            state,
        },
    );
}
