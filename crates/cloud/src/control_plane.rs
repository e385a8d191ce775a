//! The whole control plane: monitor, alarms, policies, group and failovers behind one pure interface.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;

use super::alarm::{self, AlarmWatch, Evaluation};
use super::datapoint::MetricHistory;
use super::failover::Failover;
use super::instance_group::InstanceGroup;
use super::notice::{DataTierPart, Notice, SwallowReason, What};
use super::order::{Input, Order};
use super::outbox::Outbox;
use super::queue_monitor::QueueMonitor;
use super::scaling::{self, Decision, Resize};
use super::schedule::ScheduledActions;
use tiketi_core::rng::Streams;
use tiketi_core::units::SimTime;
use tiketi_scenario::Plan;
use tiketi_scenario::replacement::Process;
use tiketi_scenario::scaling::{Metric, Policy, ScheduledAction};

/// Time between two CPU datapoints: detailed monitoring of EC2.
const CPU_PERIOD: Duration = Duration::from_secs(60);

/// The control plane of one run.
///
/// A driver reports what happened with [`Self::handle`], carries out what [`Self::poll_order`] returns, and calls
/// [`Self::handle_timeout`] at [`Self::poll_timeout`]. Everything due is processed with its own timestamp even if the
/// driver wakes late, so a late driver changes no decision.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    monitors: Vec<(Metric, QueueMonitor)>,
    histories: BTreeMap<Metric, MetricHistory>,
    watched: Vec<WatchedPolicy>,
    schedule: ScheduledActions,
    group: InstanceGroup,
    failovers: Vec<Failover>,
    out: Outbox,
}

#[derive(Clone, Debug)]
struct WatchedPolicy {
    policy: Policy,
    watch: AlarmWatch,
    /// Whether the policy did nothing when it was last invoked, for a reason that lasts.
    rests: bool,
}

impl ControlPlane {
    /// Builds the control plane of `plan`; the orders for the initial instances can be polled at once.
    pub fn new(plan: &Plan) -> Self {
        let streams = Streams::new(plan.seed);
        let mut out = Outbox::default();
        let group = InstanceGroup::new(plan, &mut out);
        Self {
            monitors: monitors(plan, streams),
            histories: histories(plan),
            watched: (0_u64..)
                .zip(&plan.scaling.policies)
                .map(|(number, policy)| WatchedPolicy {
                    policy: policy.clone(),
                    watch: AlarmWatch::new(
                        policy.alarm,
                        streams.numbered("alarm-phase", number).random(),
                    ),
                    rests: false,
                })
                .collect(),
            schedule: ScheduledActions::new(&plan.scaling, streams),
            group,
            failovers: failovers(plan),
            out,
        }
    }

    /// Processes what happened at `now`.
    pub fn handle(&mut self, now: SimTime, input: Input) {
        self.handle_timeout(now);
        let Self {
            group,
            failovers,
            out,
            ..
        } = self;
        match input {
            Input::QueueSampled { size } => {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "a queue is far shorter than 2^52"
                )]
                let size = size.map(|size| size as f64);
                self.handle_sample(now, Metric::QueueSize, size);
            }
            Input::CpuSampled { percent } => {
                self.handle_sample(now, Metric::CpuUtilization, percent);
            }
            Input::TargetHealth { instance, healthy } => {
                group.handle_target_health(now, instance, healthy, out);
            }
            Input::Drained { instance } => group.handle_drained(now, instance, out),
            Input::LaunchFailed { instance } => group.handle_launch_failed(now, instance, out),
            Input::CapacityRestored { zone } => group.handle_capacity_restored(now, zone, out),
            Input::InstanceLost { instance } => group.handle_instance_lost(now, instance, out),
            Input::PrimaryLost { part } => {
                for failover in failovers.iter_mut().filter(|other| other.part() == part) {
                    failover.handle_primary_lost(now, out);
                }
            }
            Input::MemberRestored { part } => {
                for failover in failovers.iter_mut().filter(|other| other.part() == part) {
                    failover.handle_member_restored(now);
                }
            }
            Input::ZoneLost { zone } => {
                for failover in failovers {
                    failover.handle_zone_lost(now, zone, out);
                }
                group.handle_zone_lost(now, zone, out);
            }
            Input::ZoneRestored { zone } => {
                for failover in failovers {
                    failover.handle_zone_restored(now, zone);
                }
                group.handle_zone_restored(now, zone, out);
            }
        }
    }

    /// Processes everything that is due by `now`, in order, each with its own timestamp.
    pub fn handle_timeout(&mut self, now: SimTime) {
        while let Some(due) = self.poll_timeout().filter(|due| *due <= now) {
            self.handle_due(due);
        }
    }

    /// When [`Self::handle_timeout`] must be called next; `None` if nothing is planned.
    pub fn poll_timeout(&self) -> Option<SimTime> {
        let monitors = self
            .monitors
            .iter()
            .map(|(_, monitor)| monitor.poll_timeout());
        let alarms = self
            .watched
            .iter()
            .map(|watched| watched.watch.poll_timeout());
        let failovers = self.failovers.iter().filter_map(Failover::poll_timeout);
        monitors
            .chain(alarms)
            .chain(failovers)
            .chain(self.schedule.poll_timeout())
            .chain(self.group.poll_timeout())
            .min()
    }

    /// Returns the next order, oldest first; `None` if there is none.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.out.poll_order()
    }

    /// Returns the next notice, oldest first; `None` if there is none.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.out.poll_notice()
    }

    /// Returns the Auto Scaling group.
    pub const fn fleet(&self) -> &InstanceGroup {
        &self.group
    }

    fn handle_sample(&mut self, now: SimTime, metric: Metric, value: Option<f64>) {
        // A sample that could not be taken is not published: alarms see a missing datapoint.
        if let (Some(history), Some(value)) = (self.histories.get_mut(&metric), value) {
            history.handle_sample(now, value);
        }
    }

    fn handle_due(&mut self, now: SimTime) {
        for (metric, monitor) in &mut self.monitors {
            if monitor.poll_due(now) {
                self.out.order(match metric {
                    Metric::QueueSize => Order::SampleQueue,
                    Metric::CpuUtilization => Order::SampleCpu,
                });
            }
        }
        for failover in &mut self.failovers {
            failover.handle_timeout(now, &mut self.out);
        }
        self.group.handle_timeout(now, &mut self.out);
        while let Some(action) = self.schedule.poll_due(now) {
            self.follow_schedule(now, &action);
        }
        self.evaluate_alarms(now);
    }

    /// Sets the size that a scheduled action asks for. Cooldowns neither delay it nor follow it.
    fn follow_schedule(&mut self, now: SimTime, action: &ScheduledAction) {
        if self.group.is_suspended(Process::ScheduledActions) {
            self.out.announce(
                now,
                What::Swallowed {
                    policy: action.name.clone(),
                    reason: SwallowReason::Suspended,
                },
            );
            return;
        }
        let (min, max) = self.group.limits();
        let (min, max) = (action.min.unwrap_or(min), action.max.unwrap_or(max));
        let desired = action.desired.unwrap_or(self.group.desired());
        self.group.set_limits(min, max);
        let resize = Resize {
            desired: desired.clamp(min, max),
            cooldown: None,
        };
        if resize.desired != self.group.desired() {
            self.resize(now, &action.name, resize);
        }
    }

    fn resize(&mut self, now: SimTime, cause: &str, resize: Resize) {
        self.out.announce(
            now,
            What::Scaled {
                policy: cause.to_owned(),
                from: self.group.desired(),
                to: resize.desired,
            },
        );
        self.group.handle_desired(now, resize, &mut self.out);
    }

    /// Evaluates the alarms that are due, and applies one of the policies they invoke.
    fn evaluate_alarms(&mut self, now: SimTime) {
        let mut resizes: Vec<(&Policy, Resize)> = Vec::new();
        for watched in &mut self.watched {
            let Some(history) = self.histories.get(&watched.policy.alarm.metric) else {
                continue;
            };
            let Some(evaluation) = watched.watch.poll_evaluation(now, history) else {
                continue;
            };
            watched.announce_change(now, evaluation, &mut self.out);
            if !evaluation.fires {
                continue;
            }
            let decision = if self.group.is_suspended(Process::AlarmNotification) {
                Decision::Swallow(SwallowReason::Suspended)
            } else {
                scaling::decide(&watched.policy, evaluation.datapoint, &self.group, now)
            };
            watched.announce_refusal(now, decision, &mut self.out);
            if let Decision::Resize(resize) = decision {
                resizes.push((&watched.policy, resize));
            }
        }
        let winner =
            scaling::winner(&resizes).map(|(policy, resize)| (policy.name.clone(), resize));
        if let Some((policy, resize)) = winner {
            self.resize(now, &policy, resize);
        }
    }
}

impl WatchedPolicy {
    fn announce_change(&mut self, now: SimTime, evaluation: Evaluation, out: &mut Outbox) {
        if evaluation.changed {
            self.rests = false;
            out.announce(
                now,
                What::Alarm {
                    policy: self.policy.name.clone(),
                    state: evaluation.state,
                    datapoint: evaluation.datapoint,
                },
            );
        }
    }

    /// Announces that the policy did nothing. A group that stays at its limit is announced once, not every minute: while
    /// the queue is empty, the scale-in alarm stays in ALARM for as long as the smallest fleet runs. So is a suspended
    /// process.
    fn announce_refusal(&mut self, now: SimTime, decision: Decision, out: &mut Outbox) {
        let rested = self.rests;
        self.rests = matches!(
            decision,
            Decision::Swallow(SwallowReason::AtLimit | SwallowReason::Suspended)
        );
        let Decision::Swallow(reason) = decision else {
            return;
        };
        if !(rested && self.rests) {
            out.announce(
                now,
                What::Swallowed {
                    policy: self.policy.name.clone(),
                    reason,
                },
            );
        }
    }
}

/// A failover for each part of the data tier; none if the run uses existing servers, which it cannot promote.
fn failovers(plan: &Plan) -> Vec<Failover> {
    let topology = &plan.topology;
    if !topology.data_tier.is_of_the_run() {
        return Vec::new();
    }
    let (redis, database) = (&topology.redis, &topology.database);
    vec![
        Failover::new(
            DataTierPart::Redis,
            redis.primary,
            redis.replica,
            redis.failover,
        ),
        Failover::new(
            DataTierPart::Database,
            database.primary,
            database.standby,
            database.failover,
        ),
    ]
}

/// The Lambda, always (it runs whether or not an alarm uses its metric), and the CPU agent if a policy watches the CPU.
fn monitors(plan: &Plan, streams: Streams) -> Vec<(Metric, QueueMonitor)> {
    let lambda = plan.scaling.monitor;
    let mut monitors = vec![(
        Metric::QueueSize,
        QueueMonitor::new(
            lambda.period,
            lambda.phase,
            &mut streams.named("lambda-phase"),
        ),
    )];
    if watches(plan, Metric::CpuUtilization) {
        monitors.push((
            Metric::CpuUtilization,
            QueueMonitor::new(CPU_PERIOD, None, &mut streams.named("cpu-phase")),
        ));
    }
    monitors
}

fn histories(plan: &Plan) -> BTreeMap<Metric, MetricHistory> {
    [Metric::QueueSize, Metric::CpuUtilization]
        .into_iter()
        .map(|metric| {
            let keep = plan
                .scaling
                .policies
                .iter()
                .filter(|policy| policy.alarm.metric == metric)
                .map(|policy| alarm::lookback(&policy.alarm))
                .max()
                .unwrap_or_default();
            (
                metric,
                MetricHistory::new(plan.scaling.monitor.ingest, keep),
            )
        })
        .collect()
}

fn watches(plan: &Plan, metric: Metric) -> bool {
    plan.scaling
        .policies
        .iter()
        .any(|policy| policy.alarm.metric == metric)
}
