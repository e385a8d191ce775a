//! The meter: counts billed usage during a run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::capacity::{
    ACTIVE_CONNECTIONS, GB_PER_HOUR, LcuHour, NEW_CONNECTIONS_PER_SECOND,
    RULE_EVALUATIONS_PER_SECOND,
};
use super::sample::{EdgeSample, LoadSample, Scope, TrafficSample};
use super::usage::{Traffic, Usage};
use tiketi_core::units::{InstanceId, SimTime};

/// Bytes that AWS bills as one gigabyte.
const BYTES_PER_GB: f64 = 1_073_741_824.0;
const SECONDS_PER_HOUR: f64 = 3_600.0;

/// Counts the usage of one run, in scenario time.
///
/// An engine reports launches and terminations as they happen, load and traffic about once per second of scenario time, and
/// surplus credits when an instance terminates or the run ends.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    scope: Scope,
    running: BTreeMap<InstanceId, SimTime>,
    ended: Duration,
    surplus_vcpu_hours: f64,
    lambda_runs: u64,
    passed: Passed,
    edge: EdgeSample,
    traffic: TrafficSample,
    hours: Vec<LcuHour>,
    sampled_at: SimTime,
    active_connections: u64,
}

/// What the edge has passed on to the load balancer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Requests, those that opened a socket included.
    pub requests: u64,
    /// Bytes of the responses, and of the messages to sockets.
    pub bytes_out: u64,
}

impl Meter {
    /// Creates an empty meter. Usage outside `scope` is not metered.
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            ..Self::default()
        }
    }

    /// Counts an instance from its launch at `now`.
    pub fn handle_instance_started(&mut self, now: SimTime, instance: InstanceId) {
        self.running.entry(instance).or_insert(now);
    }

    /// Stops counting an instance that was terminated or lost.
    pub fn handle_instance_ended(&mut self, now: SimTime, instance: InstanceId) {
        if let Some(since) = self.running.remove(&instance) {
            self.ended += now.saturating_since(since);
        }
    }

    /// Counts vCPU-hours charged to an instance beyond the credits it earned (T3, unlimited mode).
    ///
    /// AWS charges them when the instance terminates, and when they exceed what it earns in a day. An instance that outlives
    /// the run is charged at the end of the run, so that the run pays for its usage.
    pub fn handle_surplus(&mut self, vcpu_hours: f64) {
        self.surplus_vcpu_hours += vcpu_hours;
    }

    /// Counts a Lambda invocation.
    pub const fn handle_lambda_run(&mut self) {
        self.lambda_runs += 1;
    }

    /// Counts the load balancer's activity since the last sample. Its outgoing bytes go to the internet through the edge.
    pub fn handle_load(&mut self, now: SimTime, load: &LoadSample) {
        self.hold_connections(now);
        // A sample across two hours counts for the later one. Samples come about every second, so the error is small.
        let hour = self.hour_of(now);
        hour.new_connections +=
            count(load.new_connections) / NEW_CONNECTIONS_PER_SECOND / SECONDS_PER_HOUR;
        hour.processed_bytes += gigabytes(load.bytes_in + load.bytes_out) / GB_PER_HOUR;
        hour.rule_evaluations +=
            count(load.rule_evaluations) / RULE_EVALUATIONS_PER_SECOND / SECONDS_PER_HOUR;
        self.active_connections = load.active_connections;
        self.passed.requests += load.requests;
        self.passed.bytes_out += load.bytes_out;
    }

    /// Counts what the edge has served from its caches since the last sample.
    pub const fn handle_edge(&mut self, sample: &EdgeSample) {
        let EdgeSample {
            requests,
            bytes_out,
            origin_requests,
            room_requests,
            room_bytes,
        } = *sample;
        self.edge.requests += requests;
        self.edge.bytes_out += bytes_out;
        self.edge.origin_requests += origin_requests;
        self.edge.room_requests += room_requests;
        self.edge.room_bytes += room_bytes;
    }

    /// Returns what the edge has passed on to the load balancer so far.
    pub const fn passed(&self) -> Passed {
        self.passed
    }

    /// Counts the traffic by path since the last sample.
    pub const fn handle_traffic(&mut self, sample: &TrafficSample) {
        let TrafficSample {
            nat_bytes,
            internet_bytes_out,
            s3_bytes,
            s3_nat_bytes,
            s3_puts,
            detour_bytes,
            load_balancer_cross_zone_bytes,
            redis_cross_zone_bytes,
            database_cross_zone_bytes,
            replication_bytes,
            database_io,
        } = *sample;
        // Destructured above, so that a new field cannot be forgotten here.
        let sum = &mut self.traffic;
        sum.nat_bytes += nat_bytes;
        sum.internet_bytes_out += internet_bytes_out;
        sum.s3_bytes += s3_bytes;
        sum.s3_nat_bytes += s3_nat_bytes;
        sum.s3_puts += s3_puts;
        sum.detour_bytes += detour_bytes;
        sum.load_balancer_cross_zone_bytes += load_balancer_cross_zone_bytes;
        sum.redis_cross_zone_bytes += redis_cross_zone_bytes;
        sum.database_cross_zone_bytes += database_cross_zone_bytes;
        sum.replication_bytes += replication_bytes;
        sum.database_io += database_io;
    }

    /// Returns the usage until `now`, including that of running instances.
    pub fn usage(&self, now: SimTime) -> Usage {
        let running: Duration = self
            .running
            .values()
            .map(|since| now.saturating_since(*since))
            .sum();
        let sees_all = self.scope == Scope::Everything;
        Usage {
            hours: now.as_secs_f64() / SECONDS_PER_HOUR,
            instance_hours: (self.ended + running).as_secs_f64() / SECONDS_PER_HOUR,
            surplus_vcpu_hours: sees_all.then_some(self.surplus_vcpu_hours),
            lambda_runs: self.lambda_runs,
            load_balancer: self.hours.clone(),
            requests: Some(self.passed.requests + self.edge.requests + self.edge.room_requests),
            data_out_gb: gigabytes(
                self.passed.bytes_out + self.edge.bytes_out + self.edge.room_bytes,
            ),
            origin_requests: Some(self.edge.origin_requests),
            room_requests: self.edge.room_requests,
            traffic: Some(by_path(&self.traffic, self.scope)),
        }
    }

    /// Adds the active connections since the last sample to the hours that they were open in.
    fn hold_connections(&mut self, now: SimTime) {
        let units = count(self.active_connections) / ACTIVE_CONNECTIONS;
        while self.sampled_at < now {
            let hour = self.sampled_at.as_secs() / 3_600;
            let until = SimTime::from_secs((hour + 1) * 3_600).min(now);
            let held = until.saturating_since(self.sampled_at).as_secs_f64() / SECONDS_PER_HOUR;
            let at = self.sampled_at;
            self.hour_of(at).active_connections += units * held;
            self.sampled_at = until;
        }
    }

    /// Returns the hour of `at`, and creates it if needed. Hours must be requested in order.
    fn hour_of(&mut self, at: SimTime) -> &mut LcuHour {
        let hour = at.as_secs() / 3_600;
        if self.hours.last().is_none_or(|last| last.hour < hour) {
            self.hours.push(LcuHour {
                hour,
                ..LcuHour::default()
            });
        }
        self.hours.last_mut().expect("an hour was added")
    }
}

fn by_path(bytes: &TrafficSample, scope: Scope) -> Traffic {
    let within = |bytes: u64| match scope {
        Scope::Testbed => None,
        Scope::Everything => Some(gigabytes(bytes)),
    };
    Traffic {
        nat_gb: gigabytes(bytes.nat_bytes),
        internet_gb: gigabytes(bytes.internet_bytes_out),
        s3_gb: gigabytes(bytes.s3_bytes),
        s3_nat_gb: gigabytes(bytes.s3_nat_bytes),
        s3_puts: bytes.s3_puts,
        detour_gb: gigabytes(bytes.detour_bytes),
        load_balancer_cross_zone_gb: within(bytes.load_balancer_cross_zone_bytes),
        redis_cross_zone_gb: within(bytes.redis_cross_zone_bytes),
        database_cross_zone_gb: within(bytes.database_cross_zone_bytes),
        replication_gb: within(bytes.replication_bytes),
        database_io: match scope {
            Scope::Testbed => None,
            Scope::Everything => Some(bytes.database_io),
        },
    }
}

fn gigabytes(bytes: u64) -> f64 {
    count(bytes) / BYTES_PER_GB
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
    use super::super::capacity::Dimension;
    use super::*;

    const GB: u64 = 1 << 30;

    fn hours(number: u64) -> SimTime {
        SimTime::from_secs(number * 3_600)
    }

    fn close(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 1e-9
    }

    #[test]
    fn an_instance_is_billed_once_from_launch_to_termination() {
        let mut meter = Meter::new(Scope::Testbed);
        meter.handle_instance_started(SimTime::ZERO, InstanceId(0));
        meter.handle_instance_started(hours(1), InstanceId(1));
        meter.handle_instance_ended(hours(3), InstanceId(1));
        meter.handle_instance_ended(hours(4), InstanceId(1));
        assert!(close(meter.usage(hours(5)).instance_hours, 7.0));
    }

    #[test]
    fn the_dimension_used_most_is_billed_per_hour() {
        let mut meter = Meter::new(Scope::Testbed);
        // First hour: 3,000 active connections throughout are one unit, 180,000 new ones are two.
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
        let usage = meter.usage(SimTime::from_secs(3_599));
        assert!(close(usage.lcu_hours(), 2.0));
        assert_eq!(usage.load_balancer[0].billed().0, Dimension::NewConnections);
        // Second hour: three gigabytes are three units. Third: 7,200,000 evaluations are two.
        meter.handle_load(
            hours(1),
            &LoadSample {
                bytes_out: 3 * GB,
                ..LoadSample::default()
            },
        );
        meter.handle_load(
            hours(2),
            &LoadSample {
                rule_evaluations: 7_200_000,
                ..LoadSample::default()
            },
        );
        let usage = meter.usage(hours(3));
        assert!(close(usage.lcu_hours(), 7.0), "{}", usage.lcu_hours());
        assert!(close(usage.data_out_gb, 3.0));
        let billed: Vec<_> = usage
            .load_balancer
            .iter()
            .map(|hour| hour.billed().0)
            .collect();
        assert_eq!(
            billed,
            [
                Dimension::NewConnections,
                Dimension::ProcessedBytes,
                Dimension::RuleEvaluations
            ]
        );
    }

    #[test]
    fn the_edge_bills_what_it_serves_and_what_it_passes_on() {
        let mut meter = Meter::new(Scope::Testbed);
        let api = LoadSample {
            requests: 5,
            bytes_out: GB,
            ..LoadSample::default()
        };
        meter.handle_load(SimTime::ZERO, &api);
        meter.handle_edge(&EdgeSample {
            requests: 30,
            bytes_out: 2 * GB,
            origin_requests: 3,
            room_requests: 7,
            room_bytes: GB,
        });
        let usage = meter.usage(hours(1));
        assert_eq!(usage.requests, Some(5 + 30 + 7));
        assert_eq!(usage.room_requests, 7);
        assert_eq!(usage.origin_requests, Some(3));
        assert!(close(usage.data_out_gb, 4.0));
        assert_eq!(meter.passed().requests, 5);
        // What the edge serves from its caches is no load of the load balancer.
        assert!(close(usage.lcu_hours(), 1.0));
    }

    #[test]
    fn connections_across_two_hours_count_in_both() {
        let mut meter = Meter::new(Scope::Testbed);
        let held = LoadSample {
            active_connections: 6_000,
            ..LoadSample::default()
        };
        meter.handle_load(SimTime::from_secs(1_800), &held);
        meter.handle_load(SimTime::from_secs(5_400), &LoadSample::default());
        let usage = meter.usage(hours(2));
        let held: Vec<_> = usage
            .load_balancer
            .iter()
            .map(|hour| (hour.hour, hour.active_connections))
            .collect();
        assert_eq!(held, [(0, 1.0), (1, 1.0)]);
        assert!(close(usage.lcu_hours_of(Dimension::ActiveConnections), 2.0));
    }

    #[test]
    fn not_metered_is_different_from_zero() {
        let unseen = Meter::new(Scope::Testbed).usage(hours(1));
        assert_eq!(unseen.surplus_vcpu_hours, None);
        let seen = unseen.traffic.expect("traffic out of the VPC is seen");
        assert!(close(seen.nat_gb, 0.0));
        assert_eq!((seen.replication_gb, seen.database_io), (None, None));
        let nothing = Meter::new(Scope::Everything).usage(hours(1));
        assert_eq!(nothing.surplus_vcpu_hours, Some(0.0));
        assert_eq!(nothing.traffic, Some(Traffic::NOTHING));
    }

    #[test]
    fn traffic_and_surplus_add_up() {
        let mut meter = Meter::new(Scope::Everything);
        let sample = TrafficSample {
            nat_bytes: 2 * GB,
            internet_bytes_out: GB,
            s3_bytes: 3 * GB,
            s3_nat_bytes: GB,
            s3_puts: 7,
            detour_bytes: GB / 2,
            load_balancer_cross_zone_bytes: 4 * GB,
            redis_cross_zone_bytes: 5 * GB,
            database_cross_zone_bytes: 6 * GB,
            replication_bytes: 7 * GB,
            database_io: 1_000,
        };
        meter.handle_traffic(&sample);
        meter.handle_traffic(&sample);
        meter.handle_surplus(0.25);
        meter.handle_surplus(0.5);
        let usage = meter.usage(hours(1));
        assert_eq!(usage.surplus_vcpu_hours, Some(0.75));
        assert_eq!(
            usage.traffic,
            Some(Traffic {
                nat_gb: 4.0,
                internet_gb: 2.0,
                s3_gb: 6.0,
                s3_nat_gb: 2.0,
                s3_puts: 14,
                detour_gb: 1.0,
                load_balancer_cross_zone_gb: Some(8.0),
                redis_cross_zone_gb: Some(10.0),
                database_cross_zone_gb: Some(12.0),
                replication_gb: Some(14.0),
                database_io: Some(2_000),
            })
        );
    }
}
