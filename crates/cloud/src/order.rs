//! Inputs and orders of the control plane: its interface to the driver.

use tiketi_core::units::{DataTierPart, InstanceId, SimTime, ZoneId};

/// What happened, as reported to the control plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    /// The queue's size, the answer to [`Order::SampleQueue`]; `None` if Redis could not be read.
    QueueSampled {
        /// Buyers waiting.
        size: Option<u64>,
    },
    /// The mean CPU utilization of the instances that answer, in percent, the answer to [`Order::SampleCpu`].
    CpuSampled {
        /// `None` if no instance answers.
        percent: Option<f64>,
    },
    /// The load balancer's verdict on a target has changed; the first pass of a new target included.
    TargetHealth {
        /// The target.
        instance: InstanceId,
        /// Whether it is healthy now.
        healthy: bool,
    },
    /// The last connection of a draining target has closed, or its deregistration delay has ended.
    Drained {
        /// The target.
        instance: InstanceId,
    },
    /// A zone has failed with everything in it.
    ZoneLost {
        /// The zone.
        zone: ZoneId,
    },
    /// A zone is back, empty.
    ZoneRestored {
        /// The zone.
        zone: ZoneId,
    },
    /// An instance could not be launched: its zone has no capacity.
    LaunchFailed {
        /// The instance, which never existed.
        instance: InstanceId,
    },
    /// A zone has capacity for new instances again.
    CapacityRestored {
        /// The zone.
        zone: ZoneId,
    },
    /// One instance is gone (killed, crashed).
    InstanceLost {
        /// The instance.
        instance: InstanceId,
    },
    /// The primary of one part of the data tier is gone; the rest of its zone is up.
    PrimaryLost {
        /// Which part.
        part: DataTierPart,
    },
    /// The member that was lost as primary is back, as a replica.
    MemberRestored {
        /// Of which part.
        part: DataTierPart,
    },
}

/// What the driver must do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    /// The Lambda runs: read the queue's size and answer with [`Input::QueueSampled`].
    SampleQueue,
    /// A CPU datapoint is due: answer with [`Input::CpuSampled`]. Ordered only if a policy watches the CPU.
    SampleCpu,
    /// Start an instance.
    Launch {
        /// Its number.
        instance: InstanceId,
        /// Its zone.
        zone: ZoneId,
        /// When its application answers.
        answers_at: SimTime,
    },
    /// Add an instance to the target group: health checks begin. It may not answer yet.
    Register {
        /// The instance.
        instance: InstanceId,
    },
    /// Take an instance out of the target group: no new requests, open connections stay until `until`.
    Deregister {
        /// The instance.
        instance: InstanceId,
        /// End of the deregistration delay.
        until: SimTime,
    },
    /// End an instance.
    Terminate {
        /// The instance.
        instance: InstanceId,
    },
    /// Make the Redis replica in `zone` the primary, and point the endpoint's DNS record at it.
    PromoteRedis {
        /// Zone of the replica.
        zone: ZoneId,
    },
    /// Make the database standby in `zone` the writer, and point the endpoint's DNS record at it.
    PromoteDatabase {
        /// Zone of the standby.
        zone: ZoneId,
    },
}
