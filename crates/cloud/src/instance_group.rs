//! The Auto Scaling group: keeps the desired number of instances, evenly over the zones that are up.

use std::time::Duration;

use super::member::{LaunchCause, Member, Phase};
use super::notice::{InstanceState, What};
use super::order::Order;
use super::outbox::Outbox;
use super::scaling::Resize;
use super::termination;
use super::zone_balance::ZoneBalance;
use tiketi_core::rng::Streams;
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_scenario::Plan;
use tiketi_scenario::scaling::{HealthType, LaunchHook, Scaling};

/// From the loss of an instance to the order that removes it from the target group: EC2 checks the status of its instances
/// once a minute. Until then the load balancer must notice with its own health checks.
const BURIAL_DELAY: Duration = Duration::from_secs(60);

/// The group and its instances.
#[derive(Clone, Debug)]
pub struct InstanceGroup {
    scaling: Scaling,
    deregistration_delay: Duration,
    /// From registration until a target that does not answer counts as unhealthy.
    initial_checks: Duration,
    streams: Streams,
    is_zone_down: Vec<bool>,
    members: Vec<Member>,
    remains: Vec<(SimTime, InstanceId)>,
    grace_ends: Vec<SimTime>,
    desired_instances: u32,
    launched: u32,
    picks: u64,
    activity_cooldown: Option<Duration>,
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
            is_zone_down: vec![false; topology.zones.len()],
            members: Vec::new(),
            remains: Vec::new(),
            grace_ends: Vec::new(),
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
            Phase::Pending(at) | Phase::Draining(at) => Some(at),
            Phase::InService | Phase::Healthy | Phase::Unhealthy => None,
        });
        let burials = self.remains.iter().map(|(at, _)| *at);
        let grace_ends = self.grace_ends.iter().copied();
        phases.chain(burials).chain(grace_ends).min()
    }

    /// Registers instances that are running now, ends those that have drained, and checks those whose grace period is over.
    pub(super) fn handle_timeout(&mut self, now: SimTime, out: &mut Outbox) {
        for index in 0..self.members.len() {
            if matches!(self.members[index].phase, Phase::Pending(at) if at <= now) {
                self.register(index, now, out);
            }
        }
        while let Some(index) = self
            .members
            .iter()
            .position(|member| matches!(member.phase, Phase::Draining(until) if until <= now))
        {
            self.end(index, now, out);
        }
        self.remains.retain(|&(at, instance)| {
            if at <= now {
                out.order(Order::Terminate { instance });
            }
            at > now
        });
        self.grace_ends.retain(|at| *at > now);
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
        if !member.is_active() || member.is_pending() || member.phase == phase {
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

    /// Replaces a lost instance, regardless of any cooldown.
    pub(super) fn handle_instance_lost(
        &mut self,
        now: SimTime,
        lost: InstanceId,
        out: &mut Outbox,
    ) {
        self.bury(now, out, |member| member.instance == lost);
        self.reconcile(now, LaunchCause::Replacement, out);
    }

    /// Replaces a zone's instances in other zones, and launches nothing in the zone until it is back.
    pub(super) fn handle_zone_lost(&mut self, now: SimTime, zone: ZoneId, out: &mut Outbox) {
        self.is_zone_down[zone.index()] = true;
        self.bury(now, out, |member| member.zone == zone);
        self.reconcile(now, LaunchCause::Replacement, out);
    }

    /// Uses a zone again: the group evens out its zones.
    pub(super) fn handle_zone_restored(&mut self, now: SimTime, zone: ZoneId, out: &mut Outbox) {
        self.is_zone_down[zone.index()] = false;
        self.reconcile(now, LaunchCause::Replacement, out);
    }

    /// Brings the number of instances in line with the desired number; `cause` is why instances may be missing.
    fn reconcile(&mut self, now: SimTime, cause: LaunchCause, out: &mut Outbox) {
        self.give_up_unhealthy(now, out);
        while self.active() < self.desired_instances {
            let Some(zone) = self.balance().emptiest() else {
                break;
            };
            self.launch(zone, cause, now, out);
        }
        while self.active() - self.surplus() > self.desired_instances {
            let mut stream = self.streams.numbered("termination", self.picks);
            self.picks += 1;
            let victim = termination::victim(&self.members, &self.balance(), now, &mut stream);
            self.retire(victim, now, out);
        }
        self.rebalance(now, out);
        self.conclude_activity(now);
    }

    /// Launches instances in the emptier zones. The instances they replace end when these are in service, which is before
    /// they answer unless a launch hook delays it. The health type makes no difference: AWS documents that new instances
    /// are launched before old ones end, and that a registered instance is in service with either health-check type.
    /// Meanwhile the group may exceed its maximum by 10 % or by one instance, whichever is more.
    fn rebalance(&mut self, now: SimTime, out: &mut Outbox) {
        let (_, max) = self.limits();
        let margin = (max / 10).max(1);
        let mut balance = self.balance();
        for _ in 0..self.surplus() {
            balance.remove_from_fullest();
        }
        while self.active() < max + margin {
            let Some(zone) = balance.plan_move() else {
                break;
            };
            self.launch(zone, LaunchCause::Rebalance, now, out);
        }
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

    /// Replaces instances that fail the load balancer's health checks, if the group uses them (health type ELB): 10 % of
    /// the group or one at a time, and the next only when the replacement has passed a check. An instance that has not
    /// answered by the end of its grace period fails too: a grace period shorter than the boot replaces instances for ever.
    fn give_up_unhealthy(&mut self, now: SimTime, out: &mut Outbox) {
        if self.scaling.health_type == HealthType::Ec2 {
            return;
        }
        let at_once = (self.desired_instances / 10).max(1);
        let is_unproven = |group: &Self, member: &Member| {
            member.is_unproven_replacement() && !group.is_failing(member, now)
        };
        while count_where(&self.members, |member| is_unproven(self, member)) < at_once {
            let failing = |member: &Member| self.is_failing(member, now);
            let Some(index) = self.members.iter().position(failing) else {
                return;
            };
            self.retire(index, now, out);
            if let Some(zone) = self.balance().emptiest() {
                self.launch(zone, LaunchCause::Replacement, now, out);
            }
        }
    }

    /// Whether a group with health type ELB replaces the instance.
    fn is_failing(&self, member: &Member, now: SimTime) -> bool {
        let checked_for = match member.phase {
            Phase::Unhealthy => self.scaling.grace,
            Phase::InService => self.scaling.grace.max(self.initial_checks),
            Phase::Pending(_) | Phase::Healthy | Phase::Draining(_) => return false,
        };
        member
            .in_service_at
            .is_some_and(|since| since + checked_for <= now)
    }

    fn add_initial(&mut self, zone: ZoneId, out: &mut Outbox) {
        let instance = self.next_instance();
        out.order(Order::Launch {
            instance,
            zone,
            answers_at: SimTime::ZERO,
        });
        self.members.push(Member {
            instance,
            zone,
            phase: Phase::Pending(SimTime::ZERO),
            cause: LaunchCause::Initial,
            launched_at: SimTime::ZERO,
            in_service_at: None,
            in_activity: false,
        });
        self.register(self.members.len() - 1, SimTime::ZERO, out);
    }

    fn launch(&mut self, zone: ZoneId, cause: LaunchCause, now: SimTime, out: &mut Outbox) {
        let instance = self.next_instance();
        let mut boot = self.streams.numbered("boot", u64::from(instance.0));
        let answers_at = now + self.scaling.boot.sample(&mut boot);
        let runs_at = now + self.scaling.pending;
        out.order(Order::Launch {
            instance,
            zone,
            answers_at,
        });
        let in_service_at = match self.scaling.launch_hook {
            LaunchHook::None => runs_at,
            LaunchHook::UntilAnswers => runs_at.max(answers_at),
        };
        let member = Member {
            instance,
            zone,
            phase: Phase::Pending(in_service_at),
            cause,
            launched_at: now,
            in_service_at: None,
            in_activity: cause == LaunchCause::ScaleOut && self.activity_cooldown.is_some(),
        };
        announce(&member, now, InstanceState::Pending, out);
        self.members.push(member);
    }

    fn register(&mut self, index: usize, now: SimTime, out: &mut Outbox) {
        let member = &mut self.members[index];
        member.phase = Phase::InService;
        member.in_service_at = Some(now);
        if self.scaling.health_type == HealthType::Elb {
            self.grace_ends.push(now + self.scaling.grace);
            self.grace_ends
                .push(now + self.scaling.grace.max(self.initial_checks));
        }
        out.order(Order::Register {
            instance: member.instance,
        });
        announce(member, now, InstanceState::InService, out);
    }

    /// Drains an instance, or ends it at once if it was never registered.
    fn retire(&mut self, index: usize, now: SimTime, out: &mut Outbox) {
        let member = &mut self.members[index];
        if member.is_pending() {
            self.end(index, now, out);
            return;
        }
        let until = now + self.deregistration_delay;
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

    fn bury(&mut self, now: SimTime, out: &mut Outbox, is_lost: impl Fn(&Member) -> bool) {
        self.members.retain(|member| {
            if is_lost(member) {
                announce(member, now, InstanceState::Lost, out);
                // The launch may not have been carried out yet: it must not start an instance that is already lost.
                if !out.retract_launch(member.instance) {
                    self.remains.push((now + BURIAL_DELAY, member.instance));
                }
            }
            !is_lost(member)
        });
    }

    fn balance(&self) -> ZoneBalance {
        ZoneBalance::new(&self.members, &self.is_zone_down)
    }

    fn surplus(&self) -> u32 {
        count_where(&self.members, Member::is_surplus)
    }

    fn position(&self, instance: InstanceId) -> Option<usize> {
        self.members
            .iter()
            .position(|member| member.instance == instance)
    }

    fn next_instance(&mut self) -> InstanceId {
        self.launched += 1;
        InstanceId(self.launched - 1)
    }
}

fn count_where(members: &[Member], is_counted: impl Fn(&Member) -> bool) -> u32 {
    let count = members.iter().filter(|member| is_counted(member)).count();
    u32::try_from(count).expect("a group has far fewer instances")
}

fn announce(member: &Member, at: SimTime, state: InstanceState, out: &mut Outbox) {
    out.announce(
        at,
        What::Instance {
            instance: member.instance,
            zone: member.zone,
            state,
        },
    );
}
