//! A driver of the control plane in virtual time, and plans for it.

use std::collections::BTreeSet;
use std::time::Duration;

use tiketi_cloud::ControlPlane;
use tiketi_cloud::notice::{AlarmState, InstanceState, Notice, SwallowReason, What};
use tiketi_cloud::order::{Input, Order};
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_scenario::Plan;
use tiketi_scenario::scaling::{PolicyKind, StepAdjustment};

use crate::common::{documented_plan, secs};

pub(crate) const ZONE_A: ZoneId = ZoneId(0);
pub(crate) const ZONE_B: ZoneId = ZoneId(1);

/// A driver in virtual time: carries out every order at once, and lets targets pass their first health check when their
/// application responds.
pub(crate) struct Drive {
    pub(crate) plane: ControlPlane,
    pub(crate) notices: Vec<Notice>,
    pub(crate) orders: Vec<(SimTime, Order)>,
    answers_at: Vec<(SimTime, InstanceId)>,
    pub(crate) drains: bool,
    /// Zones without capacity for new instances.
    pub(crate) full: BTreeSet<ZoneId>,
    queue: Box<dyn Fn(SimTime) -> Option<u64>>,
}

impl Drive {
    pub(crate) fn new(plan: &Plan, queue: impl Fn(SimTime) -> Option<u64> + 'static) -> Self {
        let mut drive = Self {
            plane: ControlPlane::new(plan),
            notices: Vec::new(),
            orders: Vec::new(),
            answers_at: Vec::new(),
            drains: false,
            full: BTreeSet::new(),
            queue: Box::new(queue),
        };
        drive.collect(SimTime::ZERO);
        drive
    }

    /// Runs until `end`. Targets pass their health check 30 s after their application responds.
    pub(crate) fn run_until(&mut self, end: SimTime) {
        loop {
            let check = self.answers_at.iter().map(|(at, _)| *at).min();
            let Some(next) = self
                .plane
                .poll_timeout()
                .into_iter()
                .chain(check)
                .min()
                .filter(|next| *next <= end)
            else {
                return;
            };
            self.plane.handle_timeout(next);
            let (due, later) = self.answers_at.iter().partition(|(at, _)| *at <= next);
            self.answers_at = later;
            let due: Vec<(SimTime, InstanceId)> = due;
            for (_, instance) in due {
                self.plane.handle(
                    next,
                    Input::TargetHealth {
                        instance,
                        healthy: true,
                    },
                );
            }
            self.collect(next);
        }
    }

    pub(crate) fn tell(&mut self, at: u64, input: Input) {
        let at = SimTime::from_secs(at);
        self.run_until(at);
        self.plane.handle(at, input);
        self.collect(at);
    }

    pub(crate) fn collect(&mut self, now: SimTime) {
        while let Some(order) = self.plane.poll_order() {
            self.orders.push((now, order));
            match order {
                Order::SampleQueue => self.plane.handle(
                    now,
                    Input::QueueSampled {
                        size: (self.queue)(now),
                    },
                ),
                Order::SampleCpu => self.plane.handle(
                    now,
                    Input::CpuSampled {
                        percent: Some(50.0),
                    },
                ),
                Order::Launch { instance, zone, .. } if self.full.contains(&zone) => {
                    self.plane.handle(now, Input::LaunchFailed { instance });
                }
                Order::Launch {
                    instance,
                    answers_at,
                    ..
                } => self.answers_at.push((answers_at + secs(30), instance)),
                Order::Deregister { instance, .. } if self.drains => {
                    self.plane.handle(now, Input::Drained { instance });
                }
                Order::Terminate { instance } => {
                    self.answers_at.retain(|(_, other)| *other != instance);
                }
                Order::Register { .. }
                | Order::Deregister { .. }
                | Order::PromoteRedis { .. }
                | Order::PromoteDatabase { .. } => {}
            }
        }
        while let Some(notice) = self.plane.poll_notice() {
            self.notices.push(notice);
        }
    }

    /// Returns the time and new size of each resize.
    pub(crate) fn resizes(&self) -> Vec<(u64, u32)> {
        self.notices
            .iter()
            .filter_map(|notice| match notice.what {
                What::Scaled { to, .. } => Some((notice.at.as_secs(), to)),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn swallowed(&self, wanted: SwallowReason) -> usize {
        self.notices
            .iter()
            .filter(
                |notice| matches!(notice.what, What::Swallowed { reason, .. } if reason == wanted),
            )
            .count()
    }

    pub(crate) fn alarms(&self, name: &str) -> Vec<(u64, AlarmState)> {
        self.notices
            .iter()
            .filter_map(|notice| match &notice.what {
                What::Alarm { policy, state, .. } if policy == name => {
                    Some((notice.at.as_secs(), *state))
                }
                _ => None,
            })
            .collect()
    }

    pub(crate) fn first(&self, wanted: InstanceState, of: u32) -> Option<u64> {
        self.notices
            .iter()
            .find(|notice| {
                matches!(notice.what, What::Instance { instance, state, .. }
                    if instance == InstanceId(of) && state == wanted)
            })
            .map(|notice| notice.at.as_secs())
    }

    pub(crate) fn launches_after(&self, after: u64) -> Vec<ZoneId> {
        self.orders
            .iter()
            .filter_map(|(at, order)| match order {
                Order::Launch { zone, .. } if at.as_secs() >= after && at.as_secs() > 0 => {
                    Some(*zone)
                }
                _ => None,
            })
            .collect()
    }

    /// Returns when the first instance was taken out of the target group after second `after`, in seconds after it.
    pub(crate) fn first_deregistered(&self, after: u64) -> Option<u64> {
        self.orders.iter().find_map(|(at, order)| match order {
            Order::Deregister { .. } => at.as_secs().checked_sub(after),
            _ => None,
        })
    }

    pub(crate) fn in_zone(&self, zone: ZoneId) -> usize {
        self.plane
            .fleet()
            .members()
            .filter(|member| member.zone == zone && member.is_active())
            .count()
    }
}

/// A queue that is long from second `from` on.
pub(crate) fn long_from(from: u64) -> impl Fn(SimTime) -> Option<u64> + 'static {
    move |at| Some(if at.as_secs() >= from { 8_000 } else { 2_000 })
}

pub(crate) fn minutes(count: u64) -> SimTime {
    SimTime::from_secs(count * 60)
}

/// The documented plan with a step policy: +2 from the threshold, +4 from 10,000 above it.
pub(crate) fn stepped_plan(warmup: Duration) -> Plan {
    let mut plan = documented_plan();
    let step = |from, to, adjust| StepAdjustment { from, to, adjust };
    plan.scaling.policies[0].kind = PolicyKind::Step {
        steps: vec![
            step(Some(0.0), Some(10_000.0), 2),
            step(Some(10_000.0), None, 4),
        ],
        warmup,
    };
    plan.scaling.policies[1].kind = PolicyKind::Step {
        steps: vec![step(None, Some(0.0), -1)],
        warmup,
    };
    plan
}
