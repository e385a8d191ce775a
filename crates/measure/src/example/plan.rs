//! A small plan for tests.

use std::time::Duration;

use tiketi_core::fault::catalog::{Action, Connections, Fault};
use tiketi_core::instance_class::InstanceClass;
use tiketi_core::units::{Rate, Share, SimTime, Won, ZoneId};
use tiketi_scenario::Plan;
use tiketi_scenario::access::Access;
use tiketi_scenario::arrival::{ArrivalPhase, Count, Shape};
use tiketi_scenario::availability::Availability;
use tiketi_scenario::distribution::Distribution;
use tiketi_scenario::network::{DefaultRoute, Routes, SecurityGroups, Source};
use tiketi_scenario::objective::{Gate, GateMetric, Relation, Statistic};
use tiketi_scenario::plan::{
    Bots, Clock, Cost, Login, Poll, Provider, Reload, Retry, Section, SelfCheck, Server, Show,
    Target, Temperament, WaitingRoom,
};
use tiketi_scenario::scaling::{
    Alarm, Comparison, HealthType, HookDefault, LaunchHook, Metric, MissingData, Monitor, Policy,
    PolicyKind, Scaling,
};
use tiketi_scenario::topology::{
    Alb, CpuCredits, CreditMode, DataTier, Database, DatabaseKind, Edge, Eviction, ExternalServers,
    HealthCheck, Instances, PostgresUrl, Redis, RedisUrl, Topology, Zone,
};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn share(of_one: f64) -> Share {
    Share::try_from(of_one).expect("the example is valid")
}

/// Returns a gate as it is built from a scenario.
pub fn gate(metric: GateMetric, statistic: Statistic, bound: f64, text: &str) -> Gate {
    Gate {
        metric,
        operation: None,
        statistic,
        relation: if text.contains("==") {
            Relation::Equal
        } else {
            Relation::Less
        },
        bound,
        text: text.to_owned(),
    }
}

/// Returns a plan of ten minutes with 2,000 buyers, in which zone `a` is lost at 4:00.
pub fn plan() -> Plan {
    Plan {
        name: "example".to_owned(),
        question: "Do 2,000 buyers get through the loss of a zone?".to_owned(),
        seed: 7,
        clock: Clock {
            duration: secs(600),
            warmup: secs(20),
            speed: 5.0,
        },
        show: Show {
            title: "Example".to_owned(),
            hold: secs(300),
            sections: vec![Section {
                name: "R".to_owned(),
                rows: 10,
                seats_per_row: 50,
                price: Won(99_000),
            }],
        },
        waiting_room: WaitingRoom {
            active_max: 1_000,
            admit_every: secs(1),
            idle_timeout: secs(300),
            update_every: secs(10),
        },
        arrivals: vec![ArrivalPhase {
            shape: Shape::Poisson {
                rate: Rate::try_from(5.0).expect("the example is valid"),
                from: SimTime::ZERO,
                until: SimTime::from_secs(400),
            },
            count: Count::Exact,
        }],
        buyers: temperament(),
        server: Server {
            rate_limit: Some(100),
            session_ttl: secs(3_600),
            show_list_ttl: secs(30),
            show_detail_ttl: secs(10),
            ping_interval: secs(25),
            ping_timeout: secs(60),
            receipt_bytes: 4_096,
        },
        provider: Provider::default(),
        topology: topology(),
        scaling: scaling(),
        faults: vec![Fault {
            at: SimTime::from_secs(240),
            lasts: secs(240),
            action: Action::AzPowerInterruption {
                zone: ZoneId(0),
                connections: Connections::Silent,
            },
        }],
        availability: Availability::default(),
        gates: vec![
            gate(
                GateMetric::ResponseTime,
                Statistic::Percentile(99.0),
                5e8,
                "p(99) < 500ms",
            ),
            gate(GateMetric::Errors, Statistic::Rate, 0.01, "rate < 1%"),
            gate(GateMetric::RecoveryTime, Statistic::Max, 60e9, "max < 60s"),
            gate(GateMetric::LostOrders, Statistic::Count, 0.0, "count == 0"),
        ],
        self_check: SelfCheck {
            send_lag_p99_max: Duration::from_millis(50),
            stall_max: Duration::from_millis(250),
        },
        cost: Cost {
            prices: "documented-krw".to_owned(),
            onsales_per_month: 4,
        },
        target: Target::default(),
    }
}

/// Returns servers that existed before the run, with passwords in their URLs.
pub fn external_servers() -> ExternalServers {
    ExternalServers {
        redis: RedisUrl::parse("redis://:s3cret@127.0.0.1:6379").expect("the example is valid"),
        database: PostgresUrl::parse("postgres://u:s3cret@127.0.0.1/d")
            .expect("the example is valid"),
        prefix: Some("run:".to_owned()),
        schema: None,
    }
}

fn temperament() -> Temperament {
    let pause = Distribution::Constant { value: 2.0 };
    let retry = Retry {
        first: secs(1),
        max: secs(5),
        jitter: share(0.5),
        tries_max: Some(5),
    };
    Temperament {
        browse: pause,
        patience: Distribution::Constant { value: 900.0 },
        seat_pick: pause,
        seat_repick: pause,
        conflicts_max: 10,
        payment: pause,
        pays: share(0.9),
        poll: Poll {
            connected: secs(30),
            disconnected: secs(5),
            on_update: false,
        },
        retry,
        reconnect: retry,
        call_timeout: secs(10),
        connect_timeout: secs(5),
        connect_tries_max: None,
        returns_after_disconnect: true,
        poll_by_position: Vec::new(),
        login: Login::default(),
        reload: Reload::default(),
        second_tab: Share::NONE,
        second_device: Share::NONE,
        checks_admission: true,
        joins_event_room: false,
        bots: Bots::default(),
        network: Access::default(),
    }
}

fn topology() -> Topology {
    let zone = |name: &str, number: u8| Zone {
        name: name.to_owned(),
        public: format!("10.0.{number}.0/24")
            .parse()
            .expect("the example is valid"),
        private: format!("10.0.1{number}.0/24")
            .parse()
            .expect("the example is valid"),
        data: format!("10.0.2{number}.0/24")
            .parse()
            .expect("the example is valid"),
        nat_gateway: true,
        routes: Routes {
            public: DefaultRoute::InternetGateway,
            private: DefaultRoute::NatGateway(ZoneId(number - 1)),
            data: DefaultRoute::None,
        },
    };
    Topology {
        vpc: "10.0.0.0/16".parse().expect("the example is valid"),
        zones: vec![zone("a", 1), zone("b", 2)],
        security_groups: SecurityGroups {
            load_balancer: vec![Source::Internet],
            instances: vec![Source::LoadBalancer],
            redis: vec![Source::Instances],
            database: vec![Source::Instances],
        },
        instances: Instances {
            class: InstanceClass::T3Medium,
            credits: CreditMode::Unlimited,
            profile: tiketi_station::Profile::t3_medium_node(),
            initial: vec![1, 1],
        },
        edge: Edge::without_files(),
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
        data_tier: DataTier::Embedded,
        redis: redis(),
        database: database(),
        s3_endpoint: true,
    }
}

fn redis() -> Redis {
    Redis {
        class: "cache.t3.micro".to_owned(),
        primary: ZoneId(0),
        replica: Some(ZoneId(1)),
        failover: secs(30),
        lost_window: Duration::from_millis(100),
        dns_ttl: secs(5),
        tls: false,
        idle_timeout: secs(300),
        timeout: secs(2),
        memory_mib: 512,
        reserved: share(0.25),
        other_mib: 0,
        eviction: Eviction::AllKeysLru,
        command: Duration::from_micros(10),
        cpu_credits: CpuCredits::Full,
        baseline: share(0.2),
    }
}

fn database() -> Database {
    Database {
        kind: DatabaseKind::Aurora,
        class: "db.t3.medium".to_owned(),
        primary: ZoneId(0),
        standby: Some(ZoneId(1)),
        failover: secs(30),
        dns_ttl: secs(5),
        pool_max: 20,
        pool_connect_timeout: secs(2),
        pool_idle: secs(30),
        keep_alive: secs(5),
        connections_max: 400,
        cores: 2,
        commit: Duration::from_millis(2),
        replica_lag: Duration::from_millis(20),
    }
}

fn scaling() -> Scaling {
    let policy = |name: &str, comparison, threshold, adjust| Policy {
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
    };
    Scaling {
        min: 2,
        max: 10,
        pending: secs(30),
        launch_hook: LaunchHook::None,
        launch_hook_timeout: secs(3_600),
        launch_hook_default: HookDefault::Abandon,
        maintenance: None,
        default_instance_warmup: None,
        suspended: Vec::new(),
        refreshes: Vec::new(),
        scheduled: Vec::new(),
        boot: Distribution::Constant { value: 240.0 },
        monitor: Monitor {
            period: secs(60),
            phase: Some(secs(10)),
            ingest: secs(2),
        },
        policies: vec![
            policy("queue-high", Comparison::Above, 5_000.0, 2),
            policy("queue-low", Comparison::Below, 1_000.0, -1),
        ],
        health_type: HealthType::Elb,
        grace: secs(300),
    }
}
