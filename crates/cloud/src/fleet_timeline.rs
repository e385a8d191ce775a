//! The control plane alone against a queue of a known length: how many instances it wants, runs, and has of use.
//!
//! No buyer and no server is simulated. What comes out is the delay of the control plane itself, which no tuning of the
//! application removes.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;

use super::ControlPlane;
use super::notice::{InstanceState, What};
use super::order::{Input, Order};
use tiketi_core::rng::Streams;
use tiketi_core::units::{InstanceId, SimTime};
use tiketi_scenario::Plan;

/// Sizes of the fleet over one run, each with the instant from which it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetTimeline {
    /// What the group wants.
    desired: Vec<(SimTime, u32)>,
    /// What is registered with the target group, whether it answers or not.
    in_service: Vec<(SimTime, u32)>,
    /// What passes the load balancer's checks, and so gets requests.
    useful: Vec<(SimTime, u32)>,
}

impl FleetTimeline {
    /// Plays the control plane of `plan` until `end` against a queue of `queue(now)` people. CPU alarms get no data.
    pub fn of(plan: &Plan, queue: impl Fn(SimTime) -> u64, end: SimTime) -> Self {
        let mut play = Play::new(plan, queue);
        play.run_until(end);
        play.timeline
    }

    /// Instances wanted at `at`.
    pub fn desired(&self, at: SimTime) -> u32 {
        size_at(&self.desired, at)
    }

    /// Instances in service at `at`, in AWS's sense: registered, whether they answer or not.
    pub fn in_service(&self, at: SimTime) -> u32 {
        size_at(&self.in_service, at)
    }

    /// Instances that get requests at `at`.
    pub fn useful(&self, at: SimTime) -> u32 {
        size_at(&self.useful, at)
    }

    /// When the group wanted `size` instances or more for the first time; `None` if it never did.
    pub fn first_desired(&self, size: u32) -> Option<SimTime> {
        first_of(&self.desired, size)
    }

    /// When `size` instances or more got requests for the first time; `None` if that never was.
    pub fn first_useful(&self, size: u32) -> Option<SimTime> {
        first_of(&self.useful, size)
    }
}

fn size_at(sizes: &[(SimTime, u32)], at: SimTime) -> u32 {
    let until = sizes.partition_point(|(since, _)| *since <= at);
    sizes[..until].last().map_or(0, |(_, size)| *size)
}

fn first_of(sizes: &[(SimTime, u32)], wanted: u32) -> Option<SimTime> {
    let reached = sizes.iter().find(|(_, size)| *size >= wanted);
    reached.map(|(at, _)| *at)
}

/// A driver that carries out every order at once.
struct Play<Q> {
    plane: ControlPlane,
    queue: Q,
    streams: Streams,
    check_interval: Duration,
    answers_at: BTreeMap<InstanceId, SimTime>,
    /// First checks that will pass.
    passes: BTreeMap<(SimTime, InstanceId), ()>,
    states: BTreeMap<InstanceId, InstanceState>,
    timeline: FleetTimeline,
}

impl<Q: Fn(SimTime) -> u64> Play<Q> {
    fn new(plan: &Plan, queue: Q) -> Self {
        let mut play = Self {
            plane: ControlPlane::new(plan),
            queue,
            streams: Streams::new(plan.seed),
            check_interval: plan.topology.alb.health_check.interval,
            answers_at: BTreeMap::new(),
            passes: BTreeMap::new(),
            states: BTreeMap::new(),
            timeline: FleetTimeline::default(),
        };
        play.settle(SimTime::ZERO);
        play
    }

    fn run_until(&mut self, end: SimTime) {
        loop {
            let pass = self.passes.keys().next().map(|(at, _)| *at);
            let next = self.plane.poll_timeout().into_iter().chain(pass).min();
            let Some(now) = next.filter(|now| *now <= end) else {
                return;
            };
            self.plane.handle_timeout(now);
            while let Some(entry) = self
                .passes
                .first_entry()
                .filter(|entry| entry.key().0 <= now)
            {
                let (_, instance) = *entry.key();
                entry.remove();
                let healthy = true;
                self.plane
                    .handle(now, Input::TargetHealth { instance, healthy });
            }
            self.settle(now);
        }
    }

    /// Carries out what is ordered, and notes the sizes after it.
    fn settle(&mut self, now: SimTime) {
        while let Some(order) = self.plane.poll_order() {
            self.carry_out(now, order);
        }
        while let Some(notice) = self.plane.poll_notice() {
            if let What::Instance {
                instance, state, ..
            } = notice.what
            {
                self.states.insert(instance, state);
            }
        }
        let count = |wanted: &[InstanceState]| {
            let states = self.states.values();
            let count = states.filter(|state| wanted.contains(state)).count();
            u32::try_from(count).expect("a group has far fewer instances")
        };
        let registered = [
            InstanceState::InService,
            InstanceState::Healthy,
            InstanceState::Unhealthy,
        ];
        let (in_service, useful) = (count(&registered), count(&[InstanceState::Healthy]));
        note(
            &mut self.timeline.desired,
            now,
            self.plane.fleet().desired(),
        );
        note(&mut self.timeline.in_service, now, in_service);
        note(&mut self.timeline.useful, now, useful);
    }

    fn carry_out(&mut self, now: SimTime, order: Order) {
        match order {
            Order::SampleQueue => {
                let size = Some((self.queue)(now));
                self.plane.handle(now, Input::QueueSampled { size });
            }
            Order::SampleCpu => self.plane.handle(now, Input::CpuSampled { percent: None }),
            Order::Launch {
                instance,
                answers_at,
                ..
            } => {
                self.answers_at.insert(instance, answers_at);
            }
            Order::Register { instance } => {
                self.passes
                    .insert((self.first_pass(now, instance), instance), ());
            }
            Order::Deregister { instance, .. } | Order::Terminate { instance } => {
                self.passes.retain(|(_, other), ()| *other != instance);
            }
            Order::PromoteRedis { .. } | Order::PromoteDatabase { .. } => {}
        }
    }

    /// The first check after the application answers. Checks begin somewhere in the first interval after the
    /// registration (assumption: uniform).
    fn first_pass(&self, registered: SimTime, instance: InstanceId) -> SimTime {
        let mut stream = self.streams.numbered("first-check", u64::from(instance.0));
        let mut check = registered + self.check_interval.mul_f64(stream.random::<f64>());
        let answers_at = self.answers_at.get(&instance).copied();
        while answers_at.is_some_and(|answers| check < answers) {
            check += self.check_interval;
        }
        check
    }
}

fn note(sizes: &mut Vec<(SimTime, u32)>, now: SimTime, size: u32) {
    if sizes.last().is_none_or(|(_, last)| *last != size) {
        sizes.push((now, size));
    }
}
