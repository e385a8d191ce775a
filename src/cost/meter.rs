//! The meter: counts what is billed while a run goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{InstanceId, SimTime};

/// Bytes that AWS bills as one gigabyte.
const BYTES_A_GB: f64 = 1_073_741_824.0;
const SECONDS_AN_HOUR: f64 = 3_600.0;

/// What one load-balancer capacity unit covers, each dimension for itself.
const NEW_CONNECTIONS_A_SECOND: f64 = 25.0;
const ACTIVE_CONNECTIONS: f64 = 3_000.0;
const GB_AN_HOUR: f64 = 1.0;

/// Counts one run; time is scenario time.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    running: BTreeMap<InstanceId, SimTime>,
    ended: Duration,
    lambda_runs: u64,
    requests: u64,
    bytes_out: u64,
    capacity: Capacity,
    closed_lcu_hours: f64,
    hour: u64,
    sampled_at: SimTime,
    active_connections: u64,
}

/// What the load balancer has done since the last sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadSample {
    /// Connections opened by clients.
    pub new_connections: u64,
    /// Connections open now.
    pub active_connections: u64,
    /// Requests.
    pub requests: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}

/// Use of the load balancer in the current hour, each dimension in unit-hours.
#[derive(Clone, Copy, Debug, Default)]
struct Capacity {
    new_connections: f64,
    active_connections: f64,
    bytes: f64,
}

/// What a run used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Length of the run.
    pub hours: f64,
    /// Hours of all instances together, from launch to end.
    pub instance_hours: f64,
    /// Runs of the Lambda.
    pub lambda_runs: u64,
    /// Capacity units of the load balancer: the greatest of new connections, active connections and bytes, hour by hour.
    pub lcu_hours: f64,
    /// Requests that reached the edge.
    pub requests: u64,
    /// Gigabytes to the internet.
    pub data_out_gb: f64,
}

impl Meter {
    /// Builds a meter that has counted nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that an instance was launched: it is billed from here.
    pub fn handle_instance_started(&mut self, now: SimTime, instance: InstanceId) {
        self.running.entry(instance).or_insert(now);
    }

    /// Notes that an instance was terminated or lost.
    pub fn handle_instance_ended(&mut self, now: SimTime, instance: InstanceId) {
        if let Some(since) = self.running.remove(&instance) {
            self.ended += now.saturating_since(since);
        }
    }

    /// Notes that the Lambda ran.
    pub const fn handle_lambda_run(&mut self) {
        self.lambda_runs += 1;
    }

    /// Notes what the load balancer has done since the last sample. Its bytes go to the internet, through the edge.
    pub fn handle_load(&mut self, now: SimTime, load: &LoadSample) {
        let hour = now.as_secs() / 3_600;
        if hour > self.hour {
            // A sample that straddles two hours counts for the later one; samples come every second or so.
            self.closed_lcu_hours += self.capacity.lcu_hours();
            self.capacity = Capacity::default();
            self.hour = hour;
        }
        let held = now.saturating_since(self.sampled_at).as_secs_f64() / SECONDS_AN_HOUR;
        self.capacity.active_connections +=
            count(self.active_connections) * held / ACTIVE_CONNECTIONS;
        self.capacity.new_connections +=
            count(load.new_connections) / NEW_CONNECTIONS_A_SECOND / SECONDS_AN_HOUR;
        self.capacity.bytes += count(load.bytes_in + load.bytes_out) / BYTES_A_GB / GB_AN_HOUR;
        self.sampled_at = now;
        self.active_connections = load.active_connections;
        self.handle_edge(load.requests, load.bytes_out);
    }

    /// Notes requests that the edge answered, and the bytes it sent, without the load balancer.
    pub const fn handle_edge(&mut self, requests: u64, bytes_out: u64) {
        self.requests += requests;
        self.bytes_out += bytes_out;
    }

    /// What has been used until `now`; running instances are counted up to here.
    pub fn usage(&self, now: SimTime) -> Usage {
        let running: Duration = self
            .running
            .values()
            .map(|since| now.saturating_since(*since))
            .sum();
        Usage {
            hours: now.as_secs_f64() / SECONDS_AN_HOUR,
            instance_hours: (self.ended + running).as_secs_f64() / SECONDS_AN_HOUR,
            lambda_runs: self.lambda_runs,
            lcu_hours: self.closed_lcu_hours + self.capacity.lcu_hours(),
            requests: self.requests,
            data_out_gb: count(self.bytes_out) / BYTES_A_GB,
        }
    }
}

impl Capacity {
    /// Only the dimension that was used most is billed.
    const fn lcu_hours(self) -> f64 {
        self.new_connections
            .max(self.active_connections)
            .max(self.bytes)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of one run stay far below 2^52"
)]
pub(super) const fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(number: u64) -> SimTime {
        SimTime::from_secs(number * 3_600)
    }

    fn close(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 1e-9
    }

    #[test]
    fn an_instance_is_billed_from_launch_to_end_and_only_once() {
        let mut meter = Meter::new();
        meter.handle_instance_started(SimTime::ZERO, InstanceId(0));
        meter.handle_instance_started(hours(1), InstanceId(1));
        meter.handle_instance_ended(hours(3), InstanceId(1));
        meter.handle_instance_ended(hours(4), InstanceId(1));
        assert!(close(meter.usage(hours(5)).instance_hours, 7.0));
    }

    #[test]
    fn the_dimension_used_most_is_billed_hour_by_hour() {
        let mut meter = Meter::new();
        // First hour: 3,000 connections held throughout are one unit, 180,000 new ones are two.
        meter.handle_load(
            SimTime::ZERO,
            &LoadSample {
                active_connections: 3_000,
                ..LoadSample::default()
            },
        );
        meter.handle_load(
            SimTime::from_secs(3_599),
            &LoadSample {
                new_connections: 180_000,
                active_connections: 3_000,
                ..LoadSample::default()
            },
        );
        assert!(close(meter.usage(SimTime::from_secs(3_599)).lcu_hours, 2.0));
        // Second hour: three gigabytes are three units.
        meter.handle_load(
            hours(1),
            &LoadSample {
                bytes_out: 3 << 30,
                ..LoadSample::default()
            },
        );
        let usage = meter.usage(hours(2));
        assert!(close(usage.lcu_hours, 5.0), "{}", usage.lcu_hours);
        assert!(close(usage.data_out_gb, 3.0));
    }
}
