//! How the group replaces instances that run: to even out its zones, because they fail their checks, and in a refresh.
//!
//! Without a maintenance policy, rebalancing launches first and terminates as soon as the new instance is in service, and
//! failed checks terminate first. With one, instances are launched ahead as far as its maximum permits, and terminated as
//! far as its minimum permits: only instances that are ready count.

use std::time::Duration;

use super::instance_group::{InstanceGroup, count_where};
use super::member::{LaunchCause, Member, Phase};
use super::outbox::Outbox;
use super::refresh::Census;
use tiketi_core::units::SimTime;
use tiketi_scenario::replacement::{HealthyRange, Process};
use tiketi_scenario::scaling::HealthType;

impl InstanceGroup {
    /// Launches instances in the emptier zones. Without a maintenance policy the instances they replace end when these are in
    /// service, which is before they answer unless a launch hook delays it. The health type makes no difference: AWS documents
    /// that new instances are launched before old ones end, and that a registered instance is in service with either
    /// health-check type. Meanwhile the group may exceed its maximum by 10 % or by one instance, whichever is more.
    ///
    /// A refresh launches in the emptiest zone anyway; rebalancing waits until it is over (an assumption).
    pub(super) fn rebalance(&mut self, now: SimTime, out: &mut Outbox) {
        let is_off = [Process::AzRebalance, Process::Launch]
            .into_iter()
            .any(|process| self.is_suspended(process));
        if is_off || self.refreshes.in_progress().is_some() {
            return;
        }
        let (_, max) = self.limits();
        let policy = self.scaling.maintenance;
        let most = policy.map_or(max + (max / 10).max(1), |range| {
            range.ceiling(self.desired())
        });
        let mut balance = self.balance();
        for _ in 0..self.ahead() {
            balance.remove_from_fullest();
        }
        while let Some(zone) = balance.plan_move() {
            if self.active() < most {
                self.launch_ahead(zone, LaunchCause::Rebalance, now, out);
            } else if let Some(range) = policy
                && self.takes_one_out(range, |_| true, now, out)
            {
                self.launch(zone, LaunchCause::Rebalance, now, out);
            } else {
                return;
            }
        }
    }

    /// Replaces instances that fail the load balancer's health checks, if the group uses them (health type ELB).
    ///
    /// Without a maintenance policy: 10 % of the group or one at a time, and the next only when the replacement has passed a
    /// check. An instance that has not answered by the end of its grace period fails too: a grace period shorter than the
    /// boot replaces instances for ever.
    pub(super) fn replace_unhealthy(&mut self, now: SimTime, out: &mut Outbox) {
        if self.scaling.health_type == HealthType::Ec2 || !self.notices_failures() {
            return;
        }
        if let Some(range) = self.scaling.maintenance {
            self.replace_unhealthy_within(range, now, out);
            return;
        }
        let at_once = (self.desired() / 10).max(1);
        let is_unproven = |group: &Self, member: &Member| {
            member.is_unproven_replacement() && !group.is_failing(member, now)
        };
        while count_where(&self.members, |member| is_unproven(self, member)) < at_once {
            let failing = |member: &Member| self.is_failing(member, now);
            let Some(index) = self.members.iter().position(failing) else {
                return;
            };
            let was_ahead = self.members[index].is_ahead;
            self.retire(index, now, out);
            // Nobody waits for one that was launched ahead; what launched it decides whether to try again.
            if !was_ahead {
                self.launch_in_emptiest(LaunchCause::Replacement, now, out);
            }
        }
    }

    /// As [`Self::replace_unhealthy`], with a maintenance policy.
    fn replace_unhealthy_within(&mut self, range: HealthyRange, now: SimTime, out: &mut Outbox) {
        loop {
            let failing = |member: &Member| self.is_failing(member, now);
            // One that was launched ahead and fails itself is of no use to anybody.
            if let Some(index) = self
                .members
                .iter()
                .position(|it| it.is_ahead && failing(it))
            {
                self.retire(index, now, out);
                continue;
            }
            let is_on_its_way =
                |member: &Member| member.is_ahead && member.cause == LaunchCause::Replacement;
            let on_their_way = count_where(&self.members, is_on_its_way);
            if count_where(&self.members, failing) <= on_their_way {
                return;
            }
            let may_launch = !self.is_suspended(Process::Launch);
            if may_launch && self.active() < range.ceiling(self.desired()) {
                let Some(zone) = self.balance().emptiest() else {
                    return;
                };
                self.launch_ahead(zone, LaunchCause::Replacement, now, out);
            } else if self.ready(now) >= range.floor(self.desired())
                && let Some(index) = self.members.iter().position(failing)
            {
                self.retire(index, now, out);
                self.launch_in_emptiest(LaunchCause::Replacement, now, out);
            } else {
                return;
            }
        }
    }

    /// Decides which instances that were launched ahead count from now on, so that those they replace are terminated:
    /// without a maintenance policy as soon as they are in service, with one as far as its minimum permits.
    pub(super) fn settle_ahead(&mut self, now: SimTime) {
        if self.refreshes.in_progress().is_some() {
            return;
        }
        let Some(range) = self.scaling.maintenance else {
            for member in self.members.iter_mut().filter(|it| !it.is_pending()) {
                member.is_ahead = false;
            }
            return;
        };
        let (ready, floor) = (self.ready(now), range.floor(self.desired()));
        let mut settled = ready.saturating_sub(floor);
        if ready >= floor {
            // To terminate an instance that fails takes nothing from those that are ready.
            settled += count_where(&self.members, |member| self.is_failing(member, now));
        }
        let others = self.active() - self.ahead();
        let mut settled = settled.saturating_sub(others.saturating_sub(self.desired()));
        for only_ready in [true, false] {
            for index in 0..self.members.len() {
                let is_next = !only_ready || self.is_ready(&self.members[index], now);
                if settled > 0 && is_next && self.members[index].is_ahead {
                    self.members[index].is_ahead = false;
                    settled -= 1;
                }
            }
        }
    }

    /// Replaces old instances as far as the refresh in progress permits it now.
    pub(super) fn replace_old(&mut self, now: SimTime, out: &mut Outbox) {
        if self.refreshes.in_progress().is_none() {
            return;
        }
        self.refreshes.review(now, self.census(now), out);
        self.replace_next(now, out);
        self.refreshes.review(now, self.census(now), out);
        if self.refreshes.in_progress().is_none() {
            self.retire_ahead(now, out);
        }
    }

    /// Terminates the instances that a refresh launched ahead and that never got ready in it: after a failure or a cancellation
    /// those that they were to replace stay (an assumption; AWS documents only that nothing is rolled back).
    fn retire_ahead(&mut self, now: SimTime, out: &mut Outbox) {
        let is_left = |it: &Member| it.is_ahead && it.cause == LaunchCause::Refresh;
        while let Some(index) = self.members.iter().position(is_left) {
            self.retire(index, now, out);
        }
    }

    fn replace_next(&mut self, now: SimTime, out: &mut Outbox) {
        let Some((range, _)) = self.refreshes.in_progress() else {
            return;
        };
        let version = self.refreshes.launch_version();
        let may_launch = !self.is_suspended(Process::Launch);
        loop {
            let census = self.census(now);
            let allowance = self.refreshes.allowance(census);
            let has_room = self.active() < range.ceiling(self.desired());
            if allowance > 0
                && may_launch
                && has_room
                && let Some(zone) = self.balance().emptiest()
            {
                self.launch_ahead(zone, LaunchCause::Refresh, now, out);
            } else if allowance + census.ahead > 0
                && self.takes_one_out(range, |member| member.version < version, now, out)
            {
                self.end_one_ahead(now);
                self.fill(LaunchCause::Refresh, now, out);
            } else {
                return;
            }
        }
    }

    /// Terminates an instance that `may_go`, if the range permits it. Returns whether it did.
    fn takes_one_out(
        &mut self,
        range: HealthyRange,
        may_go: impl Fn(&Member) -> bool,
        now: SimTime,
        out: &mut Outbox,
    ) -> bool {
        if self.is_suspended(Process::Terminate) {
            return false;
        }
        let Some(index) = self.victim(may_go, now) else {
            return false;
        };
        let loss = u32::from(self.is_ready(&self.members[index], now));
        let is_permitted = self.ready(now) >= range.floor(self.desired()) + loss;
        if is_permitted {
            self.picks += 1;
            self.retire(index, now, out);
        }
        is_permitted
    }

    /// The instance that was launched ahead of one that is terminated now takes its place: a ready one if there is any.
    fn end_one_ahead(&mut self, now: SimTime) {
        let ready = |it: &Member| it.is_ahead && self.is_ready(it, now);
        let ready = self.members.iter().position(ready);
        if let Some(index) = ready.or_else(|| self.members.iter().position(|it| it.is_ahead)) {
            self.members[index].is_ahead = false;
        }
    }

    /// Instances stay ahead only while there are more than desired: one that an instance ahead was to replace may be lost.
    pub(super) fn end_stale_ahead(&mut self, now: SimTime) {
        while self.ahead() > self.active().saturating_sub(self.desired()) {
            self.end_one_ahead(now);
        }
    }

    fn census(&self, now: SimTime) -> Census {
        let version = self.refreshes.launch_version();
        let count = |is_counted: &dyn Fn(&Member) -> bool| count_where(&self.members, is_counted);
        let is_new = |member: &Member| member.version == version;
        Census {
            desired: self.desired(),
            new: count(&|member| is_new(member) && member.is_active()),
            new_ready: count(&|member| is_new(member) && self.is_ready(member, now)),
            ahead: self.ahead(),
            old: count(&|member| !is_new(member) && member.is_active()),
            old_draining: count(&|member| !is_new(member) && !member.is_active()),
        }
    }

    /// Instances that are ready to serve as far as the group knows: in service, past the instance warm-up, and passing the
    /// load balancer's checks if the group uses them. EC2's own check passes as soon as the machine runs (an assumption; AWS
    /// checks once a minute). With health type EC2 an application that does not answer is no reason to wait.
    fn ready(&self, now: SimTime) -> u32 {
        count_where(&self.members, |member| self.is_ready(member, now))
    }

    fn is_ready(&self, member: &Member, now: SimTime) -> bool {
        let passes = match member.phase {
            Phase::InService | Phase::Unhealthy => self.scaling.health_type == HealthType::Ec2,
            Phase::Healthy => true,
            Phase::Pending { .. } | Phase::Draining(_) | Phase::Lost => false,
        };
        passes && member.is_warm(now, self.instance_warmup())
    }

    /// Time from in service to ready.
    pub(super) fn instance_warmup(&self) -> Duration {
        let refresh = self.refreshes.in_progress().map(|(_, warmup)| warmup);
        let default = self.scaling.default_instance_warmup.unwrap_or_default();
        refresh.unwrap_or(default)
    }

    /// Whether the group replaces instances that are lost or fail their checks. Documented: it does not without `Terminate`.
    pub(super) fn notices_failures(&self) -> bool {
        [
            Process::HealthCheck,
            Process::ReplaceUnhealthy,
            Process::Terminate,
        ]
        .into_iter()
        .all(|process| !self.is_suspended(process))
    }

    /// Instances that were launched ahead of those they replace.
    pub(super) fn ahead(&self) -> u32 {
        count_where(&self.members, |member| member.is_ahead)
    }
}
