//! Instance refreshes: when one starts, how many instances it may replace now, where it waits, and how it ends.
//!
//! [`InstanceGroup`](super::instance_group::InstanceGroup) launches and terminates.

use std::collections::VecDeque;
use std::time::Duration;

use super::notice::{RefreshOutcome, What};
use super::outbox::Outbox;
use tiketi_core::units::SimTime;
use tiketi_scenario::replacement::{HealthyRange, InstanceRefresh, NewVersion};

/// Time without progress after which a refresh fails. Documented: Auto Scaling keeps retrying for an hour, for example if
/// new instances do not pass their health checks.
const NO_PROGRESS_MAX: Duration = Duration::from_hours(1);

/// The refreshes of a run, one at a time, and the versions of the application.
#[derive(Clone, Debug)]
pub(super) struct Refreshes {
    waiting: VecDeque<InstanceRefresh>,
    current: Option<Current>,
    /// What the application of each version does, by its number.
    versions: Vec<NewVersion>,
    /// The version of instances that are launched outside a refresh.
    settled_version: u32,
}

/// A refresh in progress.
#[derive(Clone, Debug)]
struct Current {
    refresh: InstanceRefresh,
    version: u32,
    old_at_start: u32,
    checkpoints_passed: usize,
    /// Until when it waits at a checkpoint; `None` if it does not.
    waits_until: Option<SimTime>,
    /// The most new instances that were ready at once, and since when.
    progress: (u32, SimTime),
}

/// The group as a refresh sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Census {
    /// The desired number of instances.
    pub(super) desired: u32,
    /// Instances of the new version, pending ones included.
    pub(super) new: u32,
    /// Of these, the ones that are ready.
    pub(super) new_ready: u32,
    /// Of these, the ones that were launched ahead of an old instance that is still there.
    pub(super) ahead: u32,
    /// Instances of older versions that are not draining.
    pub(super) old: u32,
    /// Instances of older versions that are.
    pub(super) old_draining: u32,
}

impl Refreshes {
    pub(super) fn new(refreshes: &[InstanceRefresh]) -> Self {
        Self {
            waiting: refreshes.iter().cloned().collect(),
            current: None,
            versions: vec![NewVersion::Answers],
            settled_version: 0,
        }
    }

    /// When something is due; `None` if nothing is planned.
    pub(super) fn poll_timeout(&self) -> Option<SimTime> {
        let starts = self.waiting.front().map(|refresh| refresh.at);
        let current = self.current.as_ref().map(|current| {
            let (_, since) = current.progress;
            let next = current.waits_until.unwrap_or(since + NO_PROGRESS_MAX);
            let cancel_at = current.refresh.cancel_at;
            cancel_at.map_or(next, |cancel_at| next.min(cancel_at))
        });
        starts.into_iter().chain(current).min()
    }

    /// Starts the refreshes that are due, of a group with this many instances. AWS rejects one while another is in progress.
    /// Returns whether one has started.
    pub(super) fn start(&mut self, now: SimTime, instances: u32, out: &mut Outbox) -> bool {
        let mut has_started = false;
        while let Some(refresh) = self.waiting.pop_front_if(|refresh| refresh.at <= now) {
            if self.current.is_some() {
                let outcome = RefreshOutcome::Rejected;
                let replaced = 0;
                out.announce(now, What::RefreshEnded { outcome, replaced });
                continue;
            }
            out.announce(now, What::RefreshStarted { instances });
            self.versions.push(refresh.new_version);
            let version = u32::try_from(self.versions.len() - 1).expect("a hundred refreshes");
            self.current = Some(Current {
                refresh,
                version,
                old_at_start: instances,
                checkpoints_passed: 0,
                waits_until: None,
                progress: (0, now),
            });
            has_started = true;
        }
        has_started
    }

    /// The range and the instance warm-up of the refresh in progress; `None` if there is none.
    pub(super) fn in_progress(&self) -> Option<(HealthyRange, Duration)> {
        let refresh = &self.current.as_ref()?.refresh;
        Some((refresh.healthy, refresh.instance_warmup))
    }

    /// The version of the application on an instance that is launched now.
    pub(super) fn launch_version(&self) -> u32 {
        let current = self.current.as_ref().map(|current| current.version);
        current.unwrap_or(self.settled_version)
    }

    /// What the application of a version does.
    pub(super) fn version(&self, number: u32) -> NewVersion {
        self.versions[number as usize]
    }

    /// How many more old instances may be replaced now.
    pub(super) fn allowance(&self, census: Census) -> u32 {
        let Some(current) = self.current.as_ref().filter(|it| it.waits_until.is_none()) else {
            return 0;
        };
        let missing = current.goal(census.desired).saturating_sub(census.new);
        missing.min(census.old.saturating_sub(census.ahead))
    }

    /// Notes the progress: reaches checkpoints, leaves them, and ends the refresh when it is over.
    pub(super) fn review(&mut self, now: SimTime, census: Census, out: &mut Outbox) {
        while let Some(current) = &mut self.current {
            if current.refresh.cancel_at.is_some_and(|at| at <= now) {
                return self.end(now, RefreshOutcome::Cancelled, census, out);
            }
            match current.waits_until {
                Some(until) if now < until => return,
                Some(_) => {
                    current.waits_until = None;
                    current.checkpoints_passed += 1;
                    current.progress.1 = now;
                }
                None => {}
            }
            if census.new_ready > current.progress.0 {
                current.progress = (census.new_ready, now);
            }
            if !current.has_reached_goal(census) {
                if now >= current.progress.1 + NO_PROGRESS_MAX {
                    self.end(now, RefreshOutcome::Failed, census, out);
                }
                return;
            }
            if current.is_at_the_last() {
                return self.end(now, RefreshOutcome::Successful, census, out);
            }
            current.waits_until = Some(now + current.refresh.checkpoint_delay);
            let replaced = current.replaced(census);
            out.announce(now, What::RefreshWaits { replaced });
        }
    }

    fn end(&mut self, now: SimTime, outcome: RefreshOutcome, census: Census, out: &mut Outbox) {
        let Some(current) = self.current.take() else {
            return;
        };
        if outcome == RefreshOutcome::Successful {
            self.settled_version = current.version;
        }
        let replaced = current.replaced(census);
        out.announce(now, What::RefreshEnded { outcome, replaced });
    }
}

impl Current {
    /// New instances that the group needs before the refresh waits again, or ends. AWS states checkpoints as the minimum
    /// share of new instances.
    fn goal(&self, desired: u32) -> u32 {
        let percent = self.refresh.checkpoints.get(self.checkpoints_passed);
        let percent = u64::from(percent.copied().unwrap_or(100));
        let goal = (u64::from(desired) * percent).div_ceil(100);
        u32::try_from(goal).expect("at most the desired number")
    }

    /// Whether the goal's instances are ready and those that they replace are not in service any more. A refresh of the whole group also waits until its old instances are gone: what
    /// draining costs is part of it (an assumption; AWS does not document it).
    fn has_reached_goal(&self, census: Census) -> bool {
        let goal = self.goal(census.desired);
        let is_whole = goal == census.desired;
        let is_there = census.new_ready >= goal && census.ahead == 0;
        is_there && (!is_whole || census.old + census.old_draining == 0)
    }

    /// Whether no checkpoint comes after the one that it works towards. The last one is where it ends, at 100 % or before.
    const fn is_at_the_last(&self) -> bool {
        self.checkpoints_passed + 1 >= self.refresh.checkpoints.len()
    }

    const fn replaced(&self, census: Census) -> u32 {
        self.old_at_start.saturating_sub(census.old)
    }
}
