//! Planted faults: each turns one verdict red that is not red without it. `docs/verdicts.md` lists them.

use std::time::Duration;

use super::data_tier::{of_system, run};
use super::facts;
use crate::judge;
use crate::slo::GateResult;
use crate::targets::Reached;
use tiketi_buyer::observation::{Failure, LeaveReason, Stage};
use tiketi_cloud::notice::{DataTierPart, InstanceState, Notice, RefreshOutcome, What};
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
use tiketi_measure::Measurements;
use tiketi_measure::ending::{
    CacheFigures, EdgeFigures, FrontFigures, NameFigures, PassingFigures, SystemFigures,
};
use tiketi_measure::gauges::InstanceCount;
use tiketi_measure::series::{Series, Tick};
use tiketi_scenario::grammar::{parse_condition, parse_selector};
use tiketi_scenario::objective::{Gate, GateMetric};
use tiketi_scenario::topology::{ApiWay, DatabaseKind, Eviction, RoomPlace};

/// A change to the measurements of a run.
type Change = fn(&mut Measurements);

fn nothing(_: &mut Measurements) {}

/// Changes each second of the series.
fn each_second(run: &mut Measurements, change: impl Fn(u64, &mut Tick)) {
    let mut ticks: Vec<_> = run.series.ticks().to_vec();
    run.series = Series::default();
    for (second, tick) in (0..).zip(&mut ticks) {
        change(second, tick);
        run.series.absorb(second, tick);
    }
}

/// Adds an instance refresh of seven minutes.
fn deploy(run: &mut Measurements, outcome: RefreshOutcome) {
    let mut refresh = |at, what| {
        let at = SimTime::from_secs(at);
        run.timeline
            .retain(|notice| !matches!(notice.what, What::RefreshEnded { .. }));
        run.timeline.push(Notice { at, what });
    };
    let instances = 4;
    refresh(100, What::RefreshStarted { instances });
    let replaced = instances;
    refresh(520, What::RefreshEnded { outcome, replaced });
}

/// Lets every request fail in some seconds.
fn fail(run: &mut Measurements, seconds: std::ops::Range<u64>) {
    each_second(run, |second, tick| {
        if seconds.contains(&second) {
            tick.calls_failed += std::mem::take(&mut tick.calls_ok);
            tick.calls_failed += std::mem::take(&mut tick.calls_refused);
        }
    });
}

fn system(run: &mut Measurements) -> &mut SystemFigures {
    run.ending.system.as_mut().unwrap()
}

/// Sets the number of instances that serve in the first second.
fn serving(run: &mut Measurements, wanted: u32) {
    each_second(run, |second, tick| {
        if let (0, Some(gauges)) = (second, &mut tick.gauges) {
            let zone = gauges.instances[0].zone;
            gauges.instances = vec![InstanceCount {
                zone,
                state: InstanceState::Healthy,
                count: wanted,
            }];
        }
    });
}

fn delay_scaling(run: &mut Measurements) {
    for notice in &mut run.timeline {
        if matches!(notice.what, What::Alarm { .. } | What::Scaled { .. }) {
            notice.at += Duration::from_secs(200);
        }
    }
    run.timeline.sort_by_key(|notice| notice.at);
}

/// The two instances that the example adds never become healthy.
fn lose_added_instances(run: &mut Measurements) {
    run.timeline.retain(|notice| {
        !matches!(
            notice.what,
            What::Instance { instance, state: InstanceState::Healthy, .. } if (2..=3).contains(&instance.0)
        )
    });
}

fn documented_fleet(run: &mut Measurements) {
    (run.plan.scaling.min, run.plan.scaling.max) = (2, 10);
}

fn eleven_instances(run: &mut Measurements) {
    each_second(run, |second, tick| {
        if let (400, Some(gauges)) = (second, &mut tick.gauges) {
            gauges.desired_instances = 11;
        }
    });
}

/// An instance is drained in a run without a fault.
fn drain_without_a_fault(run: &mut Measurements) {
    run.timeline.retain(|notice| {
        !matches!(
            notice.what,
            What::FaultStruck { .. } | What::FaultHealed { .. }
        )
    });
    for (at, state) in [
        (300, InstanceState::Draining),
        (340, InstanceState::Terminated),
    ] {
        let (instance, zone) = (InstanceId(1), ZoneId(1));
        let what = What::Instance {
            instance,
            zone,
            state,
        };
        let at = SimTime::from_secs(at);
        run.timeline.push(Notice { at, what });
    }
    run.timeline.sort_by_key(|notice| notice.at);
}

/// The cache of the embedded tier counts outdated reads.
fn count_cache(run: &mut Measurements) {
    of_system(run).cache = Some(CacheFigures {
        reads: 100,
        stale: 2,
        late: 0,
        stale_for_max: Duration::from_millis(10),
        changes: 50,
        expired: 1,
        refused_from: Some(101),
    });
}

fn without_promotion(run: &mut Measurements, part: DataTierPart) {
    let is_it = |what: &What| matches!(what, What::Promoted { tier, .. } if *tier == part);
    run.timeline.retain(|notice| !is_it(&notice.what));
}

/// What a good run measures of names and the edge.
fn in_front(run: &mut Measurements) {
    let ttl = Duration::from_secs(60);
    let name = NameFigures {
        first: 2,
        expired: 18,
        uses: 10_000,
        used_after_max: ttl,
        ttl_max: ttl,
        ..NameFigures::default()
    };
    system(run).edge = Some(FrontFigures {
        files: EdgeFigures {
            requests: 6_000,
            hits: 5_990,
            misses: 6,
            collapsed: 4,
            origin_requests: 6,
            bytes: 60_000_000,
            ..EdgeFigures::default()
        },
        passed_requests: 25_000,
        passed_bytes: 9_000_000,
        site: name,
        site_astray: 0,
        load_balancer: NameFigures {
            failures: 1,
            after_failure: 1,
            ..name
        },
        ..FrontFigures::default()
    });
}

/// The same if API requests pass through the edge.
fn through(run: &mut Measurements) {
    in_front(run);
    run.plan.topology.edge.api = ApiWay::Through;
    front(run).passing = Some(PassingFigures {
        requests: 25_010,
        answered: 25_000,
        bad_gateway: 10,
        timed_out: 0,
    });
}

fn front(run: &mut Measurements) -> &mut FrontFigures {
    system(run).edge.as_mut().unwrap()
}

/// Claim, what the example needs so that the claim is exercised, and the fault.
const CLAIMS: [(&str, Change, Change); 36] = [
    ("A1", in_front, |run| front(run).site_astray = 1),
    ("A1", in_front, |run| {
        front(run).site.used_after_max = Duration::from_secs(61);
    }),
    ("A1", in_front, |run| {
        front(run).load_balancer.after_failure = 0;
    }),
    ("A2", in_front, |run| front(run).files.hits = 4_000),
    ("A2", in_front, |run| front(run).passed_requests = 10_000),
    ("A2", through, |run| front(run).passed_requests = 10_000),
    ("A2", through, |run| {
        front(run).passing.as_mut().unwrap().answered = 10_000;
    }),
    ("A4", nothing, |run| system(run).targets[0].requests *= 3),
    ("A4", nothing, |run| {
        system(run).stickiness.as_mut().unwrap().broken = 1;
    }),
    ("A5", nothing, |run| fail(run, 240..255)),
    (
        "A7",
        |run| {
            run.plan.topology.instances.initial = vec![3, 2];
            serving(run, 5);
        },
        |run| serving(run, 4),
    ),
    ("A8", nothing, |run| {
        without_promotion(run, DataTierPart::Redis);
    }),
    ("A9", nothing, |run| {
        facts(&mut run.ending).seats_paid_twice = vec![("R-1-1".to_owned(), 2)];
    }),
    ("A10", nothing, |run| system(run).cache_misses = 90_000),
    ("A11", nothing, |run| {
        run.tally
            .fan_out_delay
            .record_many(Duration::from_secs(2), 1_000);
    }),
    ("A12", nothing, |run| {
        of_system(run).database_lag.as_mut().unwrap().p99 = Duration::from_secs(2);
    }),
    ("A13", nothing, |run| system(run).monitor_runs = Some(6)),
    ("A14", nothing, delay_scaling),
    ("A14", nothing, |run| {
        run.timeline
            .retain(|notice| !matches!(notice.what, What::Alarm { .. } | What::Scaled { .. }));
    }),
    ("A15", nothing, |run| {
        for notice in &mut run.timeline {
            if matches!(notice.what, What::Instance { instance, state: InstanceState::Healthy, .. } if instance.0 == 3)
            {
                notice.at += Duration::from_secs(100);
            }
        }
    }),
    ("A15", nothing, lose_added_instances),
    ("A15", drain_without_a_fault, |run| fail(run, 310..330)),
    ("A16", documented_fleet, eleven_instances),
    ("A19", nothing, |run| fail(run, 240..320)),
    ("A21", nothing, |run| system(run).messages_due = Some(5_000)),
    ("B1", nothing, |run| fail(run, 240..600)),
    ("B4", documented_fleet, eleven_instances),
    (
        "B5",
        |run| {
            run.plan.topology.database.kind = DatabaseKind::RdsMultiAz;
            run.plan.topology.database.class = "db.t3.micro".to_owned();
        },
        |run| of_system(run).failovers[1].loss.orders = 1,
    ),
    (
        "B6",
        |run| system(run).pool_waits = 5,
        |run| run.plan.topology.database.pool_max = 10,
    ),
    ("B7", nothing, |run| {
        run.plan.topology.redis.eviction = Eviction::NoEviction;
    }),
    (
        "B8",
        |run| {
            run.plan.server.rate_limit = Some(100);
            let failed = &mut run.tally.operations[0].failed;
            failed.insert(Failure::Status(429), 7);
        },
        |run| run.plan.server.rate_limit = Some(50),
    ),
    (
        "B8",
        |run| {
            run.plan.server.rate_limit = Some(100);
            let failed = &mut run.tally.operations[0].failed;
            failed.insert(Failure::Status(429), 7);
            count_cache(run);
        },
        |run| of_system(run).cache.as_mut().unwrap().refused_from = Some(100),
    ),
    (
        "B10",
        |run| deploy(run, RefreshOutcome::Successful),
        |run| deploy(run, RefreshOutcome::Failed),
    ),
    ("B11", nothing, |run| fail(run, 240..600)),
    ("B13", count_cache, |run| {
        of_system(run).cache.as_mut().unwrap().stale_for_max = Duration::from_secs(2);
    }),
    ("B14", nothing, |run| {
        of_system(run).failovers[1].writes_failed_for = None;
    }),
];

fn reached(run: &Measurements, id: &str) -> (Reached, String) {
    let targets = judge(run).targets;
    let target = targets.into_iter().find(|target| target.id == id).unwrap();
    (target.verdict, target.measured)
}

#[test]
fn each_measured_claim_is_refuted_by_its_planted_fault() {
    for (id, prepare, plant) in CLAIMS {
        let mut run = run(prepare);
        let (verdict, measured) = reached(&run, id);
        let agrees = matches!(verdict, Reached::Met | Reached::PartlyMet);
        assert!(agrees, "{id} without the fault: {verdict:?}: {measured}");
        plant(&mut run);
        let (verdict, measured) = reached(&run, id);
        assert_eq!(verdict, Reached::Missed, "{id} with the fault: {measured}");
    }
}

/// Claims that no run measures.
const UNMEASURED: [&str; 4] = ["A22", "A23", "B9", "B12"];

#[test]
fn only_requests_that_pass_through_the_edge_show_the_whole_claim_about_it() {
    let (verdict, measured) = reached(&run(in_front), "A2");
    assert_eq!(verdict, Reached::PartlyMet);
    assert!(
        measured.contains("sent to the load balancer directly"),
        "{measured}"
    );
    let (verdict, measured) = reached(&run(through), "A2");
    assert_eq!(verdict, Reached::Met);
    assert!(
        measured.contains("the edge passed on 25,010 API requests"),
        "{measured}"
    );
}

#[test]
fn a_waiting_room_at_the_edge_is_not_the_documented_architecture() {
    let at_edge = |run: &mut Measurements| {
        through(run);
        run.plan.topology.edge.waiting_room = RoomPlace::Edge;
    };
    let (verdict, measured) = reached(&run(at_edge), "A2");
    assert_eq!(verdict, Reached::NotExercised);
    let because = "`topology.edge.waiting_room` is edge (documented: application)";
    assert!(measured.contains(because), "{measured}");
}

#[test]
fn a_claim_that_no_run_measures_is_never_called_met() {
    for id in UNMEASURED {
        let (verdict, measured) = reached(&run(nothing), id);
        assert_eq!(verdict, Reached::NotExercised, "{id}: {measured}");
    }
}

#[test]
fn every_claim_has_a_planted_fault_or_is_never_measured() {
    // These need a bill or another plan, and have their own tests.
    let elsewhere = ["A3", "A6", "A17", "A18", "A20", "A24", "B2", "B3"];
    for target in judge(&run(nothing)).targets {
        let id = target.id.as_str();
        let is_planted = CLAIMS.iter().any(|(of, ..)| *of == id);
        let is_known = is_planted || UNMEASURED.contains(&id) || elsewhere.contains(&id);
        assert!(is_known, "{id} has no planted fault");
    }
}

/// Metric, condition, what the example needs so that the gate is measured and passes, and the fault.
const GATES: [(&str, &str, Change, Change); 19] = [
    ("response_time", "max < 10s", nothing, |run| {
        let late = &mut run.tally.operations[0].response_time;
        late.record(Duration::from_secs(11));
    }),
    ("service_time", "max < 10s", nothing, |run| {
        let late = &mut run.tally.operations[0].service_time;
        late.record(Duration::from_secs(11));
    }),
    ("send_lag", "max < 1s", nothing, |run| {
        run.tally.send_lag.record(Duration::from_secs(2));
    }),
    ("waiting_time", "max < 2m", nothing, |run| {
        run.tally.waiting_time.record(Duration::from_secs(121));
    }),
    ("fan_out_delay", "max < 1s", nothing, |run| {
        run.tally.fan_out_delay.record(Duration::from_secs(2));
    }),
    ("errors", "rate < 10%", nothing, |run| {
        let failed = &mut run.tally.operations[0].failed;
        failed.insert(Failure::Timeout, 20_000);
    }),
    ("calls", "count > 1000", nothing, |run| {
        run.tally.operations.truncate(1);
        run.tally.operations[0].ok = 9;
        run.tally.operations[0].refused = 0;
        run.tally.operations[0].failed.clear();
    }),
    ("recovery_time", "max < 60s", nothing, |run| {
        fail(run, 240..320);
    }),
    ("tickets_sold", "count > 0", nothing, |run| {
        run.tally.stages[Stage::Paid as usize] = 0;
    }),
    ("abandoned", "rate < 50%", nothing, |run| {
        run.tally.left[LeaveReason::OutOfPatience as usize] = 1_500;
    }),
    ("oversold_seats", "count == 0", nothing, |run| {
        facts(&mut run.ending).seats_sold += 1;
    }),
    ("double_sales", "count == 0", nothing, |run| {
        facts(&mut run.ending).seats_paid_twice = vec![("R-1-1".to_owned(), 2)];
    }),
    ("lost_orders", "count == 0", nothing, |run| {
        facts(&mut run.ending).lost_orders.count = 1;
    }),
    ("lost_admissions", "count == 0", nothing, |run| {
        facts(&mut run.ending).admissions.as_mut().unwrap().joined += 1;
    }),
    ("redis_lag", "p(99) < 1s", nothing, |run| {
        of_system(run).redis_lag.as_mut().unwrap().p99 = Duration::from_secs(2);
    }),
    ("database_lag", "p(99) < 1s", nothing, |run| {
        of_system(run).database_lag.as_mut().unwrap().p99 = Duration::from_secs(2);
    }),
    ("lost_places", "count == 3", nothing, |run| {
        of_system(run).failovers[0].loss.places = 4;
    }),
    ("lost_sessions", "count == 2", nothing, |run| {
        of_system(run).failovers[0].loss.sessions = 3;
    }),
    ("shed", "count == 0", nothing, |run| {
        run.tally.arrivals.shed = 1;
    }),
];

#[test]
fn each_gate_metric_fails_for_its_planted_fault() {
    for metric in GateMetric::ALL {
        let rows = GATES.iter().filter(|(name, ..)| *name == metric.name());
        assert_eq!(rows.count(), 1, "{metric:?} has no planted fault");
    }
    for (name, condition, prepare, plant) in GATES {
        let (metric, operation) = parse_selector(name).unwrap();
        let (statistic, relation, bound) = parse_condition(metric, condition).unwrap();
        let mut run = run(prepare);
        run.plan.gates = vec![Gate {
            metric,
            operation,
            statistic,
            relation,
            bound,
            text: condition.to_owned(),
        }];
        let of = |run: &Measurements| judge(run).gates.remove(0);
        let verdict = of(&run);
        assert_eq!(verdict.result, GateResult::Passed, "{name}: {verdict:?}");
        plant(&mut run);
        let verdict = of(&run);
        assert_eq!(verdict.result, GateResult::Failed, "{name}: {verdict:?}");
    }
}
