//! How the group launches instances, and how long they are pending.

use std::time::Duration;

use super::instance_group::{InstanceGroup, announce};
use super::member::{LaunchCause, Member, PendingEnd, Phase};
use super::notice::InstanceState;
use super::order::Order;
use super::outbox::Outbox;
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_scenario::replacement::{NewVersion, Process};
use tiketi_scenario::scaling::{HookDefault, LaunchHook};

/// From the launch of an instance whose application never answers to the instant at which it does: longer than any run.
const NEVER: Duration = Duration::from_hours(31 * 24);

impl InstanceGroup {
    pub(super) fn add_initial(&mut self, zone: ZoneId, out: &mut Outbox) {
        let instance = self.next_instance();
        out.order(Order::Launch {
            instance,
            zone,
            answers_at: SimTime::ZERO,
        });
        self.members.push(Member {
            instance,
            zone,
            phase: Phase::Pending {
                until: SimTime::ZERO,
                then: PendingEnd::InService,
            },
            cause: LaunchCause::Initial,
            launched_at: SimTime::ZERO,
            in_service_at: None,
            in_activity: false,
            version: 0,
            is_ahead: false,
        });
        self.register(self.members.len() - 1, SimTime::ZERO, out);
    }

    /// Launches an instance where there are fewest; `None` if none can be launched.
    pub(super) fn launch_in_emptiest(
        &mut self,
        cause: LaunchCause,
        now: SimTime,
        out: &mut Outbox,
    ) -> Option<ZoneId> {
        if self.is_suspended(Process::Launch) {
            return None;
        }
        let zone = self.balance().emptiest()?;
        self.launch(zone, cause, now, out);
        Some(zone)
    }

    /// Launches an instance before the one that it replaces ends.
    pub(super) fn launch_ahead(
        &mut self,
        zone: ZoneId,
        cause: LaunchCause,
        now: SimTime,
        out: &mut Outbox,
    ) {
        self.launch(zone, cause, now, out);
        if let Some(launched) = self.members.last_mut() {
            launched.is_ahead = true;
        }
    }

    pub(super) fn launch(
        &mut self,
        zone: ZoneId,
        cause: LaunchCause,
        now: SimTime,
        out: &mut Outbox,
    ) {
        let instance = self.next_instance();
        let version = self.refreshes.launch_version();
        let mut boot = self.streams.numbered("boot", u64::from(instance.0));
        let boot = self.scaling.boot.sample(&mut boot);
        let answers_at = match self.refreshes.version(version) {
            NewVersion::Answers => now + boot,
            NewVersion::NeverAnswers => now + NEVER,
        };
        out.order(Order::Launch {
            instance,
            zone,
            answers_at,
        });
        let (until, then) = self.pending_end(now, answers_at);
        let member = Member {
            instance,
            zone,
            phase: Phase::Pending { until, then },
            cause,
            launched_at: now,
            in_service_at: None,
            in_activity: cause == LaunchCause::ScaleOut && self.activity_cooldown.is_some(),
            version,
            is_ahead: false,
        };
        announce(&member, now, InstanceState::Pending, out);
        self.members.push(member);
    }

    /// When and how an instance that is launched now stops being pending. The hook's timeout counts from the running machine.
    fn pending_end(&self, now: SimTime, answers_at: SimTime) -> (SimTime, PendingEnd) {
        let runs_at = now + self.scaling.pending;
        let times_out_at = runs_at + self.scaling.launch_hook_timeout;
        match (self.scaling.launch_hook, self.scaling.launch_hook_default) {
            (LaunchHook::None, _) => (runs_at, PendingEnd::InService),
            (LaunchHook::UntilAnswers, _) if answers_at <= times_out_at => {
                (runs_at.max(answers_at), PendingEnd::InService)
            }
            (LaunchHook::UntilAnswers, HookDefault::Continue) => {
                (times_out_at, PendingEnd::InService)
            }
            (LaunchHook::UntilAnswers, HookDefault::Abandon) => {
                (times_out_at, PendingEnd::Abandoned)
            }
        }
    }

    fn next_instance(&mut self) -> InstanceId {
        self.launched += 1;
        InstanceId(self.launched - 1)
    }
}
