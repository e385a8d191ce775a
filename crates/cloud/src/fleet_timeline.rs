//! The control plane alone against a queue of known length: how many instances are desired, in service and healthy.
//!
//! No buyers and no servers are simulated. The result is the delay of the control plane itself, which no tuning of the
//! application can remove.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use rand::RngExt;

use super::driver::{self, CpuTime, Driven, Driver, Engine, Launch, ShowLevels};
use super::notice::{InstanceState, What};
use super::order::Input;
use tiketi_core::rng::Streams;
use tiketi_core::units::{DataTierPart, InstanceId, SimTime, ZoneId};
use tiketi_cost::{LoadSample, Scope};
use tiketi_scenario::Plan;

/// Sizes of the fleet over one run, each with the time from which it applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetTimeline {
    /// The desired number of instances.
    desired: Vec<(SimTime, u32)>,
    /// Instances registered with the target group, whether they answer or not.
    in_service: Vec<(SimTime, u32)>,
    /// Instances that pass the load balancer's health checks, and so get requests.
    useful: Vec<(SimTime, u32)>,
}

impl FleetTimeline {
    /// Runs the control plane of `plan` until `end` against a queue of `queue(now)` buyers. CPU alarms get no data.
    pub fn of(plan: &Plan, queue: impl Fn(SimTime) -> u64, end: SimTime) -> Self {
        let mut play = Play::new(plan, queue);
        play.run_until(end);
        play.timeline
    }

    /// Returns the desired number of instances at `at`.
    pub fn desired(&self, at: SimTime) -> u32 {
        size_at(&self.desired, at)
    }

    /// Returns the number of instances in service at `at`, in AWS's sense: registered, whether they answer or not.
    pub fn in_service(&self, at: SimTime) -> u32 {
        size_at(&self.in_service, at)
    }

    /// Returns the number of instances that get requests at `at`.
    pub fn useful(&self, at: SimTime) -> u32 {
        size_at(&self.useful, at)
    }

    /// Returns when the desired number first reached `size`; `None` if it never did.
    pub fn first_desired(&self, size: u32) -> Option<SimTime> {
        first_of(&self.desired, size)
    }

    /// Returns when at least `size` instances first got requests; `None` if they never did.
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

/// An engine without servers: every order takes effect at once.
struct Play<Q> {
    driver: Driver,
    queue: Q,
    streams: Streams,
    check_interval: Duration,
    answers_at: BTreeMap<InstanceId, SimTime>,
    /// First health checks that will pass.
    passes: BTreeMap<(SimTime, InstanceId), ()>,
    states: BTreeMap<InstanceId, InstanceState>,
    timeline: FleetTimeline,
}

impl<Q: Fn(SimTime) -> u64> Play<Q> {
    fn new(plan: &Plan, queue: Q) -> Self {
        let mut play = Self {
            driver: Driver::new(plan, Scope::Testbed),
            queue,
            streams: Streams::new(plan.seed),
            check_interval: plan.topology.alb.health_check.interval,
            answers_at: BTreeMap::new(),
            passes: BTreeMap::new(),
            states: BTreeMap::new(),
            timeline: FleetTimeline::default(),
        };
        let Ok(()) = driver::carry_out(&mut play, SimTime::ZERO);
        play
    }

    fn run_until(&mut self, end: SimTime) {
        loop {
            let pass = self.passes.keys().next().map(|(at, _)| *at);
            let next = self.driver.control_due().into_iter().chain(pass).min();
            let Some(now) = next.filter(|now| *now <= end) else {
                return;
            };
            let Ok(()) = driver::handle_timeout(self, now);
            while let Some(entry) = self
                .passes
                .first_entry()
                .filter(|entry| entry.key().0 <= now)
            {
                let (_, instance) = *entry.key();
                entry.remove();
                let healthy = true;
                let Ok(()) = driver::tell(self, now, Input::TargetHealth { instance, healthy });
            }
        }
    }

    /// Notes the current sizes.
    fn note_sizes(&mut self, now: SimTime) {
        while let Some(notice) = self.driver.poll_notice() {
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
            self.driver.control().fleet().desired(),
        );
        note(&mut self.timeline.in_service, now, in_service);
        note(&mut self.timeline.useful, now, useful);
    }

    /// The first check after the application answers. Checks start at a random time in the first interval after the
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

impl<Q: Fn(SimTime) -> u64> Driven for Play<Q> {
    type Engine = Self;

    fn driver(&mut self) -> &mut Driver {
        &mut self.driver
    }

    fn engine(&mut self) -> &mut Self {
        self
    }

    fn handle_settled(&mut self, now: SimTime) {
        self.note_sizes(now);
    }
}

impl<Q: Fn(SimTime) -> u64> Engine for Play<Q> {
    type Error = Infallible;

    fn queue_size(&mut self, now: SimTime) -> Option<u64> {
        Some((self.queue)(now))
    }

    fn cpu_times(&mut self, _now: SimTime) -> Vec<CpuTime> {
        Vec::new()
    }

    fn launch(&mut self, _now: SimTime, launch: Launch) -> Result<(), Infallible> {
        self.answers_at.insert(launch.instance, launch.answers_at);
        Ok(())
    }

    fn register(&mut self, now: SimTime, instance: InstanceId) {
        let pass = self.first_pass(now, instance);
        self.passes.insert((pass, instance), ());
    }

    fn deregister(&mut self, now: SimTime, instance: InstanceId, _until: SimTime) -> bool {
        self.terminate(now, instance);
        // Connections stay for the whole deregistration delay.
        false
    }

    fn terminate(&mut self, _now: SimTime, instance: InstanceId) {
        self.passes.retain(|(_, other), ()| *other != instance);
    }

    fn promote(&mut self, _now: SimTime, _part: DataTierPart, _zone: ZoneId) {}

    fn show_levels(&mut self, _now: SimTime) -> ShowLevels {
        ShowLevels::default()
    }

    fn take_load(&mut self) -> LoadSample {
        LoadSample::default()
    }
}

fn note(sizes: &mut Vec<(SimTime, u32)>, now: SimTime, size: u32) {
    // Several things can happen at the same instant; only the size after the last of them counts.
    if sizes.last().is_some_and(|(at, _)| *at == now) {
        sizes.pop();
    }
    if sizes.last().is_none_or(|(_, last)| *last != size) {
        sizes.push((now, size));
    }
}
