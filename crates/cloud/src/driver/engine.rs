//! What an engine must be able to do, so that the control plane can drive it.

use std::time::Duration;

use tiketi_core::fault::catalog::{Connections, Disruption};
use tiketi_core::impairment::Impairments;
use tiketi_core::names;
use tiketi_core::units::{DataTierPart, InstanceId, Share, SimTime, ZoneId};
use tiketi_cost::{EdgeSample, LoadSample, TrafficSample};

use super::{CpuTime, Driver};
use crate::gauges::PartReadings;
use crate::resolver::NameServerState;

/// Carries out orders and reports levels. All calls return at once: what takes time is begun, and its outcome is reported
/// later with [`tell`](super::tell).
pub trait Engine {
    /// Why an order could not be carried out, or a fault not be started or ended.
    type Error;

    /// Returns the number of buyers in the waiting room; `None` while Redis cannot be read.
    fn queue_size(&mut self, now: SimTime) -> Option<u64>;

    /// Returns the processor time of each instance whose application answers (of a paused one too: it does no work, but
    /// it exists).
    fn cpu_times(&mut self, now: SimTime) -> Vec<CpuTime>;

    /// Starts an instance. Its zone is up.
    fn launch(&mut self, now: SimTime, launch: Launch) -> Result<(), Self::Error>;

    /// Adds an instance to the target group: health checks begin, whether it answers yet or not. Does nothing if the
    /// instance is gone.
    fn register(&mut self, now: SimTime, instance: InstanceId);

    /// Takes an instance out of the target group. Open connections stay until `until`. Returns whether there are none, so
    /// that it is drained already; otherwise the engine reports [`Input::Drained`](crate::order::Input::Drained) later.
    fn deregister(&mut self, now: SimTime, instance: InstanceId, until: SimTime) -> bool;

    /// Ends an instance with everything that is connected to it. Does nothing if it is gone.
    fn terminate(&mut self, now: SimTime, instance: InstanceId);

    /// Makes the member in `zone` the primary of a part of the data tier.
    fn promote(&mut self, now: SimTime, part: DataTierPart, zone: ZoneId);

    /// Returns what the data tier holds now.
    fn show_levels(&mut self, now: SimTime) -> ShowLevels;

    /// Returns the readings of the parts that can run out, without those of the instances' CPU, which the driver adds;
    /// nothing if the engine reads none.
    fn part_readings(&mut self, now: SimTime) -> PartReadings {
        let _ = now;
        PartReadings::default()
    }

    /// Returns what the load balancer has done since the last call.
    fn take_load(&mut self) -> LoadSample;

    /// Returns what the edge has served from its caches since the last call; nothing if the engine has no edge.
    fn take_edge(&mut self) -> EdgeSample {
        EdgeSample::default()
    }

    /// Returns what went over each path since the last call; nothing if the engine does not meter traffic.
    fn take_traffic(&mut self) -> TrafficSample {
        TrafficSample::default()
    }
}

/// Breaks what the faults of a scenario break, and repairs it.
pub trait FaultTarget: Engine {
    /// Returns the instances of a zone that run, whether they answer or not, lowest number first.
    fn instances_in(&self, zone: ZoneId) -> Vec<InstanceId>;

    /// Returns the instances of a zone that answer, lowest number first.
    fn answering_in(&self, now: SimTime, zone: ZoneId) -> Vec<InstanceId>;

    /// Ends instances without a warning; the driver reports the loss.
    fn kill_instances(&mut self, now: SimTime, instances: &[InstanceId]);

    /// Stops an instance without ending it: it accepts connections and never answers.
    fn pause_instance(&mut self, now: SimTime, instance: InstanceId) -> Result<(), Self::Error>;

    /// Lets a paused instance continue. Does nothing if it is gone: the group may have replaced it.
    fn resume_instance(&mut self, now: SimTime, instance: InstanceId) -> Result<(), Self::Error>;

    /// From now on other work takes this share of the processor of an instance; none ends that. Does nothing if the instance
    /// is gone.
    fn stress_instance(&mut self, now: SimTime, instance: InstanceId, load: Share);

    /// The impairments of the network from now on, all of them.
    fn impair(&mut self, now: SimTime, impairments: &Impairments);

    /// Takes everything in a zone at once: instances, load-balancer node, servers of the data tier, NAT gateway. Their peers
    /// hear of it what `connections` says.
    fn lose_zone(&mut self, now: SimTime, zone: ZoneId, connections: Connections);

    /// Brings the data tier's servers of a zone back. Instances come by orders, the node by [`Self::restore_node`].
    fn restore_zone(&mut self, now: SimTime, zone: ZoneId) -> Result<(), Self::Error>;

    /// Takes the load-balancer node of a zone. Its address stays in the DNS record until [`Self::evict_node`].
    fn lose_node(&mut self, now: SimTime, zone: ZoneId);

    /// Shifts traffic away from a zone, or back: its address leaves the DNS record or returns, and no node sends requests to
    /// targets in the zone in between. Open connections stay.
    fn shift_zone(&mut self, now: SimTime, zone: ZoneId, shift: Shift);

    /// Removes the address of a lost node from the DNS record.
    fn evict_node(&mut self, zone: ZoneId);

    /// Starts the load-balancer node of a zone again. Its address is in the DNS record once the node listens.
    fn restore_node(&mut self, now: SimTime, zone: ZoneId) -> Result<(), Self::Error>;

    /// Changes how the name server answers queries for the site and the load balancer.
    fn set_name_server(&mut self, now: SimTime, state: NameServerState);

    /// Starts a fault of the data tier.
    fn strain(&mut self, now: SimTime, strain: Strain);

    /// Ends a fault of the data tier.
    fn relieve(&mut self, now: SimTime, strain: Strain);

    /// Breaks, or changes, something on the way of calls out of the VPC, or at their destination.
    fn disrupt(&mut self, now: SimTime, disruption: Disruption);

    /// Ends a disruption. A changed route has no end.
    fn repair(&mut self, now: SimTime, disruption: Disruption);
}

/// Where a zonal shift moves the traffic of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// To the other zones.
    Away,
    /// Back.
    Back,
}

names!(Shift {
    Away = "away",
    Back = "back",
});

/// An engine together with its driver.
pub trait Driven {
    /// The engine.
    type Engine: Engine;

    /// Returns the driver.
    fn driver(&mut self) -> &mut Driver;

    /// Returns the engine.
    fn engine(&mut self) -> &mut Self::Engine;

    /// Called when all orders of the moment have been carried out: notices can be polled, and the driver's next timeout
    /// may have changed.
    fn handle_settled(&mut self, now: SimTime) {
        let _ = now;
    }
}

/// An instance to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Its number.
    pub instance: InstanceId,
    /// Its zone.
    pub zone: ZoneId,
    /// When its application answers; the start of the run for an initial instance.
    pub answers_at: SimTime,
}

/// What the data tier holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShowLevels {
    /// Buyers in the waiting room; `None` if Redis could not be read.
    pub waiting: Option<u64>,
    /// Buyers who are admitted and shopping; `None` if Redis could not be read.
    pub active: Option<u64>,
    /// Seats with an active hold.
    pub seats_held: u64,
    /// Seats that are paid for.
    pub seats_sold: u64,
}

/// What a fault does to the data tier, other than the loss of a whole zone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strain {
    /// The primary is killed; its process comes back as a replica when the fault ends.
    LosePrimary(DataTierPart),
    /// The primary is stopped: it accepts connections and never answers.
    PausePrimary(DataTierPart),
    /// The replica is this far behind, in scenario time.
    DelayReplica(DataTierPart, Duration),
    /// Another workload fills this share of the memory of Redis.
    FillRedisMemory(Share),
    /// Another client takes this many database connections.
    HoldDatabaseConnections(u32),
}
