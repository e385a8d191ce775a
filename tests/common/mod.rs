//! A plan with the documented figures, built without a scenario file, for tests of single parts.

use std::time::Duration;

use tiketi_sim::scenario::Plan;
use tiketi_sim::scenario::distribution::Distribution;
use tiketi_sim::scenario::plan::{
    Clock, Cost, Poll, Retry, SelfCheck, Server, Show, Target, Temperament, WaitingRoom,
};
use tiketi_sim::scenario::scaling::{
    Alarm, Comparison, HealthType, Metric, MissingData, Monitor, Policy, PolicyKind, Scaling,
};
use tiketi_sim::scenario::topology::{
    Alb, Database, DatabaseKind, HealthCheck, Instances, Redis, Topology, Zone,
};
use tiketi_sim::units::{Share, ZoneId};

/// Seconds as a length of time.
pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The documented architecture: two zones, 2 to 10 instances, +2 above 5,000 waiting, -1 below 1,000. Samples come
/// at 10 s past the minute and instances always boot in 240 s, so that timelines can be written down.
pub(crate) fn documented_plan() -> Plan {
    Plan {
        name: "documented".to_owned(),
        question: String::new(),
        seed: 7,
        clock: Clock {
            duration: secs(720),
            warmup: secs(30),
            speed: 1.0,
        },
        show: Show {
            title: "Show".to_owned(),
            hold: secs(300),
            sections: Vec::new(),
        },
        waiting_room: WaitingRoom {
            active_max: 1_000,
            admit_every: secs(1),
            idle_timeout: secs(300),
            update_every: secs(1),
        },
        arrivals: Vec::new(),
        buyers: temperament(),
        server: Server {
            rate_limit: None,
            session_ttl: secs(3_600),
            show_list_ttl: secs(30),
            show_detail_ttl: secs(10),
        },
        topology: topology(),
        scaling: scaling(),
        faults: Vec::new(),
        gates: Vec::new(),
        self_check: SelfCheck {
            send_lag_p99_max: secs(1),
        },
        cost: Cost {
            prices: "documented-krw".to_owned(),
            onsales_per_month: 20,
        },
        target: Target::default(),
    }
}

fn simple(name: &str, comparison: Comparison, threshold: f64, adjust: i32) -> Policy {
    Policy {
        name: name.to_owned(),
        alarm: Alarm {
            metric: Metric::QueueSize,
            comparison,
            threshold,
            period: secs(60),
            datapoints_to_alarm: 1,
            evaluation_periods: 1,
            missing: MissingData::Missing,
        },
        kind: PolicyKind::Simple {
            adjust,
            cooldown: secs(300),
        },
    }
}

fn scaling() -> Scaling {
    Scaling {
        min: 2,
        max: 10,
        pending: secs(17),
        boot: Distribution::Constant { value: 240.0 },
        monitor: Monitor {
            period: secs(60),
            phase: Some(secs(10)),
            ingest: secs(5),
        },
        policies: vec![
            simple("queue-high", Comparison::Above, 5_000.0, 2),
            simple("queue-low", Comparison::Below, 1_000.0, -1),
        ],
        health_type: HealthType::Ec2,
        grace: secs(300),
    }
}

fn topology() -> Topology {
    Topology {
        vpc: net("10.0.0.0/16"),
        zones: vec![zone("a", 1), zone("b", 2)],
        instances: Instances {
            class: "t3.medium".to_owned(),
            profile: "t3-medium-node".to_owned(),
            initial: vec![1, 1],
        },
        alb: Alb {
            health_check: HealthCheck {
                interval: secs(30),
                timeout: secs(5),
                healthy_count: 5,
                unhealthy_count: 2,
            },
            deregistration_delay: secs(300),
            stickiness: Some(secs(86_400)),
            idle_timeout: secs(60),
            connect_timeout: secs(10),
            dns_ttl: secs(60),
        },
        redis: Redis {
            class: "cache.t3.micro".to_owned(),
            primary: ZoneId(0),
            replica: Some(ZoneId(1)),
            failover: secs(30),
            lost_window: Duration::from_millis(100),
            dns_ttl: secs(5),
        },
        database: Database {
            kind: DatabaseKind::Aurora,
            class: "db.t3.medium".to_owned(),
            primary: ZoneId(0),
            standby: Some(ZoneId(1)),
            failover: secs(45),
            dns_ttl: secs(5),
            pool_max: 20,
            pool_connect_timeout: secs(2),
            connections_max: 420,
        },
        s3_endpoint: true,
    }
}

fn zone(name: &str, number: u8) -> Zone {
    let tier = |tens: u8| net(&format!("10.0.{}.0/24", tens * 10 + number));
    Zone {
        name: name.to_owned(),
        public: tier(0),
        private: tier(1),
        data: tier(2),
        nat_gateway: true,
    }
}

fn net(text: &str) -> ipnet::Ipv4Net {
    text.parse().expect("is a network")
}

fn temperament() -> Temperament {
    let second = Distribution::Constant { value: 1.0 };
    let retry = Retry {
        first: secs(1),
        max: secs(5),
        jitter: Share::NONE,
        tries_max: None,
    };
    Temperament {
        browse: second,
        patience: second,
        seat_pick: second,
        seat_repick: second,
        conflicts_max: 5,
        payment: second,
        pays: Share::NONE,
        poll: Poll {
            connected: secs(30),
            disconnected: secs(5),
            on_update: false,
        },
        retry,
        reconnect: retry,
        call_timeout: secs(10),
    }
}
