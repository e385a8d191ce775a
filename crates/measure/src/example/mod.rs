//! A small plan and a small run for tests. The numbers are made up by arithmetic, but pass through the same recorder and
//! assembly as those of real runs.

mod plan;

use std::time::Duration;

use super::ending::{
    AdmissionFacts, AuditFacts, FinalState, GeneratorCheck, LostOrders, Stickiness, SystemFigures,
    TargetLoad, WorkerFigures,
};
use super::gauges::{InstanceCount, PartReadings};
use super::{Assembly, Ending, Engine, Gauges, Measurements, Recorder};
use tiketi_buyer::observation::{
    Call, Failure, Learned, LeaveReason, Observation, Outcome, SocketChange, Stage, Start,
};
use tiketi_cloud::notice::{AlarmState, DataTierPart, InstanceState, Notice, What};
use tiketi_core::fault::catalog::{Action, Connections};
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_cost::{LcuHour, PriceBook, Sales, Statement, Usage};
use tiketi_scenario::Plan;
use tiketi_scenario::operation::Operation;

pub use plan::{external_servers, gate, plan};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Returns everything the buyers of the example did, in order.
pub fn observations() -> Vec<Observation> {
    let mut seen = Vec::new();
    for buyer in 0..2_000_u64 {
        let at = SimTime::from_nanos(buyer * 200_000_000);
        let lag = Duration::from_micros(200 + buyer % 7 * 100);
        seen.push(Observation::Arrival {
            intended: at,
            sent: at + lag,
            start: Start::Started,
        });
        journey(buyer, at, lag, &mut seen);
    }
    seen
}

fn journey(buyer: u64, at: SimTime, lag: Duration, seen: &mut Vec<Observation>) {
    let mut call = |operation, after: u64| {
        let intended = at + secs(after);
        let struck = (240..270).contains(&intended.as_secs());
        let failed = struck && buyer.is_multiple_of(3);
        let took = Duration::from_micros(8_000 + buyer * 7_919 % 60_000);
        seen.push(Observation::Call(Call {
            operation,
            intended,
            sent: intended + lag,
            answered: intended + lag + if failed { secs(2) } else { took },
            outcome: match (failed, buyer % 50) {
                (true, _) => Outcome::Failed(Failure::Status(503)),
                (false, 0) if operation == Operation::SeatReserve => Outcome::Refused,
                (false, _) => Outcome::Ok,
            },
            bytes: 400,
        }));
    };
    for (place, operation) in Operation::ALL.into_iter().enumerate() {
        call(operation, place as u64 * 4);
    }
    let stages = if buyer.is_multiple_of(4) { 7 } else { 6 };
    for (place, stage) in Stage::ALL.into_iter().take(stages).enumerate() {
        let at = at + secs(place as u64 * 5);
        seen.push(Observation::Stage {
            at,
            stage,
            is_bot: false,
        });
    }
    let waited = secs(10 + buyer % 30);
    let at = at + secs(40);
    seen.push(Observation::Admitted {
        at,
        waited,
        learned: if buyer.is_multiple_of(10) {
            Learned::Poll
        } else {
            Learned::Message
        },
    });
    seen.push(Observation::Message {
        at,
        delay: Some(Duration::from_millis(20 + buyer % 90)),
    });
    for change in [SocketChange::Connected, SocketChange::Closed] {
        let at = at
            + secs(if change == SocketChange::Closed {
                60
            } else {
                0
            });
        seen.push(Observation::Socket { at, change });
    }
    seen.push(Observation::Left {
        at: at + secs(60),
        reason: match buyer % 4 {
            0 => LeaveReason::Paid,
            1 => LeaveReason::OutOfPatience,
            _ => LeaveReason::SoldOut,
        },
        waited: (buyer % 4 == 1).then_some(waited),
    });
}

fn timeline() -> Vec<Notice> {
    let at = |seconds: u64, what| Notice {
        at: SimTime::from_secs(seconds),
        what,
    };
    let zone = ZoneId(0);
    let instance = |number, zone, state| What::Instance {
        instance: InstanceId(number),
        zone: ZoneId(zone),
        state,
    };
    let action = Action::AzPowerInterruption {
        zone,
        connections: Connections::Silent,
    };
    let lost = |tier| What::PrimaryLost { tier, zone };
    let promoted = |tier| What::Promoted {
        tier,
        zone: ZoneId(1),
    };
    vec![
        at(0, instance(0, 0, InstanceState::Healthy)),
        at(0, instance(1, 1, InstanceState::Healthy)),
        at(
            130,
            What::Alarm {
                policy: "queue-high".to_owned(),
                state: AlarmState::Alarm,
                datapoint: Some(6_400.0),
            },
        ),
        at(
            130,
            What::Scaled {
                policy: "queue-high".to_owned(),
                from: 2,
                to: 4,
            },
        ),
        at(130, instance(2, 0, InstanceState::Pending)),
        at(130, instance(3, 1, InstanceState::Pending)),
        at(240, What::struck(&action)),
        at(240, instance(0, 0, InstanceState::Lost)),
        at(240, lost(DataTierPart::Redis)),
        at(240, lost(DataTierPart::Database)),
        at(242, instance(4, 1, InstanceState::Pending)),
        at(270, promoted(DataTierPart::Redis)),
        at(271, promoted(DataTierPart::Database)),
        at(380, instance(2, 0, InstanceState::Healthy)),
        at(390, instance(3, 1, InstanceState::Healthy)),
        at(480, What::healed(&action)),
        at(490, instance(4, 1, InstanceState::Healthy)),
    ]
}

fn gauges(second: u64) -> Gauges {
    let waiting = if second < 300 {
        second * 50
    } else {
        15_000_u64.saturating_sub((second - 300) * 80)
    };
    let healthy = match second {
        0..240 => [1, 1],
        240..390 => [0, 1],
        _ => [1, 3],
    };
    let count = |(zone, count): (u8, u32)| InstanceCount {
        zone: ZoneId(zone),
        state: InstanceState::Healthy,
        count,
    };
    Gauges {
        at: SimTime::from_secs(second),
        waiting: (!(240..270).contains(&second)).then_some(waiting),
        active: Some(100),
        seats_held: 40,
        seats_sold: (second * 450 / 600).min(450),
        desired_instances: if second < 130 { 2 } else { 4 },
        instances: (0..2).zip(healthy).map(count).collect(),
        cpu: Some(0.6),
        parts: PartReadings {
            cpu_busiest: Some(0.8),
            cpu_instances: 2,
            ..PartReadings::default()
        },
    }
}

fn statement() -> Statement {
    let usage = Usage {
        hours: 600.0 / 3_600.0,
        instance_hours: 0.6,
        lambda_runs: 10,
        load_balancer: vec![LcuHour {
            active_connections: 0.2,
            processed_bytes: 0.06,
            ..LcuHour::default()
        }],
        requests: Some(40_000),
        data_out_gb: 0.05,
        ..Usage::default()
    };
    let sales = Sales {
        buyers: 2_000,
        tickets: 500,
    };
    let book = PriceBook::built_in("documented-krw").expect("the example is valid");
    Statement::new(&plan(), usage, sales, &book)
}

/// Returns the end of the example, in which nothing is wrong.
pub fn ending() -> Ending {
    Ending {
        engine: Engine::Live,
        began: "2026-01-01T00:00:00Z".to_owned(),
        ended_at: SimTime::from_secs(600),
        interrupted: false,
        failure: None,
        wall: secs(120),
        generator: GeneratorCheck {
            planned: 2_000,
            workers: vec![WorkerFigures {
                cpu: secs(40),
                waited: None,
                resident_connected_bytes: 22 << 20,
                resident_peak_bytes: 24 << 20,
                connected_peak: 300,
                files_peak: 500,
                files_limit: 20_000,
                files_refused: 0,
            }],
            credential_error: None,
            tool: None,
        },
        state: FinalState::Read(AuditFacts {
            seats_total: 500,
            seats_free: 0,
            seats_held: 0,
            seats_sold: 500,
            paid_orders: 500,
            seats_paid_twice: Vec::new(),
            captures: 500,
            charges: None,
            acknowledged: 500,
            lost_orders: LostOrders::default(),
            admissions: Some(AdmissionFacts {
                joined: 2_000,
                put_back: 0,
                admitted: 1_500,
                left: 500,
                waiting: 0,
                admitted_twice: 0,
                astray: 0,
            }),
        }),
        system: Some(SystemFigures {
            cache_hits: 9_000,
            cache_misses: 1_000,
            database_queries: 4_000,
            redis_operations: 40_000,
            monitor_runs: Some(10),
            targets: vec![
                TargetLoad {
                    instance: InstanceId(0),
                    requests: 4_700,
                    in_service: secs(240),
                },
                TargetLoad {
                    instance: InstanceId(1),
                    requests: 12_500,
                    in_service: secs(600),
                },
            ],
            stickiness: Some(Stickiness {
                kept: 16_000,
                target_gone: 900,
                broken: 0,
            }),
            messages_due: Some(2_000),
            data_tier: None,
            ..SystemFigures::default()
        }),
        statement: Some(statement()),
        target: None,
        probes: Vec::new(),
        commands: Vec::new(),
        observed: Vec::new(),
    }
}

/// Returns the example with another plan or another ending.
pub fn run_with(plan: Plan, ending: Ending) -> Measurements {
    let mut recorder = Recorder::new(&plan);
    for observation in &observations() {
        recorder.observe(observation);
    }
    let mut assembly = Assembly::new(plan);
    assembly.absorb(recorder.take_frame());
    for second in 0..600 {
        assembly.handle_gauges(gauges(second));
    }
    for notice in timeline() {
        assembly.handle_notice(notice);
    }
    assembly.finish(ending)
}

/// Returns the example run.
pub fn run() -> Measurements {
    run_with(plan(), ending())
}
