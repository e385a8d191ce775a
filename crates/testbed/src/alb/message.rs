//! What travels between the supervisor and a node process, one JSON value a line.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use tiketi_core::units::{InstanceId, SimTime};
use tiketi_scenario::topology::Alb;

/// The first line a node process reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeSettings {
    /// Where the node listens. Its processes share the address (`SO_REUSEPORT`).
    pub listen: SocketAddr,
    /// Scenario seconds in a wall second.
    pub speed: f64,
    /// Scenario time at which the process is started; it counts on from there.
    pub now: SimTime,
    /// Checks, stickiness, delays, timeouts.
    pub alb: Alb,
    /// Whether this process makes the node's health checks; its siblings are told the verdicts.
    pub checks: bool,
}

/// What a node process is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "command")]
pub enum Command {
    /// Add a target.
    Register {
        /// The target.
        instance: InstanceId,
        /// Where it answers, now or later.
        address: SocketAddr,
    },
    /// Take a target out for new requests; open connections stay for `delay`, then they are cut.
    Deregister {
        /// The target.
        instance: InstanceId,
        /// The deregistration delay.
        delay: Duration,
    },
    /// Forget a target at once and cut what is open to it.
    Remove {
        /// The target.
        instance: InstanceId,
    },
    /// The verdict of the node's checking process on a target.
    SetHealth {
        /// The target.
        instance: InstanceId,
        /// Whether it is healthy.
        healthy: bool,
    },
    /// End. The end of the input means the same.
    Stop,
}

/// What a node process says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Answer {
    /// It listens.
    Ready {
        /// Its port.
        port: u16,
    },
    /// The node's verdict on a target has changed.
    Health {
        /// The target.
        instance: InstanceId,
        /// Whether it is healthy.
        healthy: bool,
    },
    /// Nothing is open to a deregistered target any more.
    Drained {
        /// The target.
        instance: InstanceId,
    },
    /// About once a wall second: totals since the start of the process, except for `connections`.
    Load(Load),
}

/// What went through a load-balancer process, or a sum over several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Client connections open now.
    pub connections: u64,
    /// Client connections accepted.
    pub new_connections: u64,
    /// WebSockets open now.
    pub web_sockets: u64,
    /// Requests taken.
    pub requests: u64,
    /// Bytes read from clients.
    pub bytes_in: u64,
    /// Bytes written to clients.
    pub bytes_out: u64,
    /// What became of stickiness cookies.
    pub sticky: Sticky,
    /// Answers of the load balancer's own, by code.
    pub errors: Errors,
}

/// Requests that came with a cookie that still bound them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sticky {
    /// They went to the target that the cookie names.
    pub kept: u64,
    /// That target is gone or unhealthy: they went to another one.
    pub target_gone: u64,
    /// They went to another one although that target is there and healthy.
    pub broken: u64,
}

/// Requests that the load balancer answered itself, or could not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// 460: the client closed the connection before the answer.
    pub client_closed: u64,
    /// 502: the target refused or broke the connection, or its deregistration delay ended.
    pub bad_gateway: u64,
    /// 503: no target is registered.
    pub no_target: u64,
    /// 504: the target did not accept the connection or answer in time.
    pub timed_out: u64,
    /// Connections that could not be accepted for want of files.
    pub rejected: u64,
}

impl std::ops::Add for Load {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            new_connections: self.new_connections + other.new_connections,
            web_sockets: self.web_sockets + other.web_sockets,
            requests: self.requests + other.requests,
            bytes_in: self.bytes_in + other.bytes_in,
            bytes_out: self.bytes_out + other.bytes_out,
            sticky: Sticky {
                kept: self.sticky.kept + other.sticky.kept,
                target_gone: self.sticky.target_gone + other.sticky.target_gone,
                broken: self.sticky.broken + other.sticky.broken,
            },
            errors: Errors {
                client_closed: self.errors.client_closed + other.errors.client_closed,
                bad_gateway: self.errors.bad_gateway + other.errors.bad_gateway,
                no_target: self.errors.no_target + other.errors.no_target,
                timed_out: self.errors.timed_out + other.errors.timed_out,
                rejected: self.errors.rejected + other.errors.rejected,
            },
        }
    }
}

impl std::iter::Sum for Load {
    fn sum<I: Iterator<Item = Self>>(loads: I) -> Self {
        loads.fold(Self::default(), |sum, load| sum + load)
    }
}
