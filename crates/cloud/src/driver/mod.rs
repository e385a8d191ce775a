//! Drives the control plane of a run: one driver for live runs and for the model.
//!
//! ```text
//! engine ──what happened──▶ tell ─▶ ControlPlane ─orders─▶ carry_out ──▶ engine
//!                                        └────notices─▶ poll_notice ─▶ bill, timeline
//! Schedule ──fault due──▶ handle_faults ──▶ engine breaks something, control plane learns of it
//! ```
//!
//! An engine implements [`Engine`] (how to launch, register, promote, read) and [`FaultTarget`] (how to break and repair).
//! Everything in between happens here, once: which order becomes which call, what each fault means to the control plane,
//! what is billed, and how the metrics that feed alarms and gauges are computed.
//!
//! The functions take the engine and its [`Driver`] together, as one value that implements [`Driven`]: in the model a
//! call into the engine can lead to the next report to the control plane before the call returns.

mod billing;
mod cpu;
mod engine;
mod faults;
mod orders;
mod primaries;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tiketi_core::fault::Schedule;
use tiketi_core::fault::catalog::Fault;
use tiketi_core::impairment::Impairments;
use tiketi_core::instance_class::InstanceClass;
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_cost::Scope;
use tiketi_scenario::Plan;

use super::ControlPlane;
use super::gauges::{Gauges, InstanceCount, PartReadings};
use super::notice::{InstanceState, Notice, What};
pub use billing::Billing;
pub use cpu::{CpuSampler, CpuTime, CpuUse};
pub use engine::{Driven, Engine, FaultTarget, Launch, Shift, ShowLevels, Strain};
pub use faults::{handle_evictions, handle_faults};
pub use orders::{carry_out, handle_timeout, tell};
pub use primaries::{Primaries, Promotion};

/// From the loss of a load-balancer node to the removal of its address from the DNS record, an assumption: Route 53 gives
/// up on an address after three failed health checks, 10 s apart. AWS does not document the time for load-balancer names.
pub const NODE_EVICTION: Duration = Duration::from_secs(30);

/// The states that gauges count, in the order in which an instance passes through them.
const COUNTED_STATES: [InstanceState; 5] = [
    InstanceState::Pending,
    InstanceState::InService,
    InstanceState::Healthy,
    InstanceState::Unhealthy,
    InstanceState::Draining,
];

/// The control plane of a run, the faults still to come, and what the driver keeps between two calls.
#[derive(Debug)]
pub struct Driver {
    control: ControlPlane,
    schedule: Schedule,
    billing: Billing,
    /// Samples of the queue that were taken.
    queue_samples: u64,
    zones: Vec<ZoneId>,
    class: InstanceClass,
    /// Starts and ends of faults that have not been polled yet.
    fault_notices: VecDeque<Notice>,
    lost_zones: BTreeSet<ZoneId>,
    /// Zones in which a fault lets launches fail.
    full_zones: BTreeSet<ZoneId>,
    /// Zones whose load-balancer node a fault of its own keeps down.
    lost_nodes: BTreeSet<ZoneId>,
    /// When the address of a lost node leaves the DNS record.
    evictions: BTreeMap<ZoneId, SimTime>,
    paused: BTreeSet<(ZoneId, InstanceId)>,
    /// Instances with other work on their processors.
    stressed: BTreeSet<(ZoneId, InstanceId)>,
    /// Packets that come late or are lost.
    impairments: Impairments,
    /// Whether orders wait: a zone is being lost, and the control plane does not know it yet.
    holds_orders: bool,
    alarm_cpu: CpuSampler,
    gauge_cpu: CpuSampler,
}

impl Driver {
    /// Builds the control plane of `plan`; the orders for the initial instances are carried out by the first
    /// [`carry_out`]. What is outside `scope` is not billed. Faults that commands of the user carry out are left to others.
    pub fn new(plan: &Plan, scope: Scope) -> Self {
        let is_own = |fault: &&Fault| !fault.action.kind().is_command();
        Self {
            control: ControlPlane::new(plan),
            schedule: Schedule::new(plan.faults.iter().filter(is_own)),
            billing: Billing::new(scope),
            queue_samples: 0,
            zones: plan.topology.zone_ids().collect(),
            class: plan.topology.instances.class,
            fault_notices: VecDeque::new(),
            lost_zones: BTreeSet::new(),
            full_zones: BTreeSet::new(),
            lost_nodes: BTreeSet::new(),
            evictions: BTreeMap::new(),
            paused: BTreeSet::new(),
            stressed: BTreeSet::new(),
            impairments: Impairments::default(),
            holds_orders: false,
            alarm_cpu: CpuSampler::default(),
            gauge_cpu: CpuSampler::default(),
        }
    }

    /// Returns the control plane, for reading.
    pub const fn control(&self) -> &ControlPlane {
        &self.control
    }

    /// Returns the bill so far.
    pub const fn billing(&self) -> &Billing {
        &self.billing
    }

    /// Returns the bill so far, for what only the engine knows.
    pub const fn billing_mut(&mut self) -> &mut Billing {
        &mut self.billing
    }

    /// Returns how often the queue monitor has read the size of the queue. A run of its Lambda that could not read Redis is billed,
    /// but is no sample.
    pub const fn queue_samples(&self) -> u64 {
        self.queue_samples
    }

    /// When the control plane has something to do next ([`handle_timeout`]); `None` if nothing is planned.
    pub fn control_due(&self) -> Option<SimTime> {
        self.control.poll_timeout()
    }

    /// When the next fault starts or ends ([`handle_faults`]); `None` after the last one.
    pub fn fault_due(&self) -> Option<SimTime> {
        self.schedule.poll_timeout()
    }

    /// When the address of a lost node leaves the DNS record next ([`handle_evictions`]); `None` if no node is lost.
    pub fn eviction_due(&self) -> Option<SimTime> {
        self.evictions.values().min().copied()
    }

    /// When any of the three is due; `None` if nothing is planned.
    pub fn poll_timeout(&self) -> Option<SimTime> {
        let timeouts = [self.control_due(), self.fault_due(), self.eviction_due()];
        timeouts.into_iter().flatten().min()
    }

    /// Returns the next entry of the timeline, oldest first, and bills what it says.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        let fault = self.fault_notices.pop_front();
        let notice = fault.or_else(|| self.control.poll_notice())?;
        self.billing.handle_notice(&notice);
        Some(notice)
    }

    /// Whether a fault keeps a zone down.
    pub fn is_zone_lost(&self, zone: ZoneId) -> bool {
        self.lost_zones.contains(&zone)
    }

    /// Whether an instance can be launched in a zone. AWS has no capacity in one that is down.
    fn has_capacity(&self, zone: ZoneId) -> bool {
        !self.lost_zones.contains(&zone) && !self.full_zones.contains(&zone)
    }

    fn announce(&mut self, at: SimTime, what: What) {
        self.fault_notices.push_back(Notice { at, what });
    }

    fn instance_counts(&self) -> Vec<InstanceCount> {
        let group = self.control.fleet();
        let zones = self.zones.iter();
        zones
            .flat_map(|&zone| COUNTED_STATES.map(|state| (zone, state, group.count(zone, state))))
            .filter(|(_, _, count)| *count > 0)
            .map(|(zone, state, count)| InstanceCount { zone, state, count })
            .collect()
    }
}

/// Takes what the load balancer, the edge and the paths have counted since the last call to the bill. After the load has ended,
/// a last call bills the requests that arrived since the last reading.
pub fn meter<D: Driven + ?Sized>(driven: &mut D, now: SimTime) {
    let engine = driven.engine();
    let load = engine.take_load();
    let edge = engine.take_edge();
    let traffic = engine.take_traffic();
    let billing = &mut driven.driver().billing;
    billing.handle_load(now, &load);
    billing.handle_edge(&edge);
    billing.handle_traffic(&traffic);
}

/// Reads the levels at `now`, and takes the load balancer's counters to the bill on the way. About once per second of
/// scenario time.
pub fn read_gauges<D: Driven + ?Sized>(driven: &mut D, now: SimTime) -> Gauges {
    meter(driven, now);
    let engine = driven.engine();
    let levels = engine.show_levels(now);
    let times = engine.cpu_times(now);
    let parts = engine.part_readings(now);
    let driver = driven.driver();
    let cpu = driver.gauge_cpu.sample(now, &times);
    Gauges {
        at: now,
        waiting: levels.waiting,
        active: levels.active,
        seats_held: levels.seats_held,
        seats_sold: levels.seats_sold,
        desired_instances: driver.control.fleet().desired(),
        instances: driver.instance_counts(),
        cpu: cpu.map(|cpu| cpu.mean),
        parts: PartReadings {
            cpu_busiest: cpu.map(|cpu| cpu.busiest),
            cpu_instances: u32::try_from(times.len()).unwrap_or(u32::MAX),
            ..parts
        },
    }
}

#[cfg(test)]
mod tests;
