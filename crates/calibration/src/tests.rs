//! Calibration with a stand-in for the simulation whose responses are known: work, a queue, and the latency of the profile.

use std::time::Duration;

use rand_distr::{Distribution, StandardNormal};
use tiketi_station::Latency;

use super::*;
use tiketi_core::instance_class::InstanceClass;
use tiketi_core::rng::Streams;
use tiketi_measure::histogram::Histogram;
use tiketi_measure::{Engine, example};
use tiketi_model::latency_of;
use tiketi_scenario::operation::Operation;

/// Returns the service times of one operation: work and queueing of 2 to 6 ms, and a lognormal latency.
fn answers(latency: Option<Latency>) -> Histogram {
    let mut stream = Streams::new(11).named("answers");
    let mut answers = Histogram::default();
    for number in 0..20_000_u64 {
        let normal: f64 = StandardNormal.sample(&mut stream);
        let beyond = latency.map_or(0.0, |latency| {
            latency.median_ms * (latency.sigma * normal).exp()
        });
        let ms = 2.0 + f64::from(u32::try_from(number * 7_919 % 4_000).unwrap()) / 1e3 + beyond;
        answers.record(Duration::from_secs_f64(ms / 1e3));
    }
    answers
}

/// Returns a run in which every operation has its latency in the plan's profile.
fn played(plan: &Plan) -> Measurements {
    let mut run = example::run_with(plan.clone(), example::ending());
    run.ending.engine = Engine::Model;
    for operation in Operation::ALL {
        let latency = &plan.topology.instances.profile.latency;
        let latency = latency.get(latency_of(operation)).copied();
        run.tally.operations[operation.index()].service_time = answers(latency);
        if operation == Operation::PageLoad {
            run.tally.page_loads.service_time = answers(latency);
        }
    }
    run
}

#[test]
fn a_known_latency_is_found() {
    let mut hidden = example::plan();
    let truth = Latency {
        median_ms: 1.5,
        sigma: 0.9,
    };
    for operation in Operation::ALL {
        let name = latency_of(operation).to_owned();
        let latency = &mut hidden.topology.instances.profile.latency;
        latency.insert(name, truth);
    }
    let mut live = played(&hidden);
    live.plan = example::plan();
    let base = Profile::t3_medium_node();
    let mut rounds = 0;
    let found = calibrate(&live, &base, &mut |plan| {
        rounds += 1;
        Some(played(plan))
    });
    let found = found.unwrap();
    assert!(rounds > 1, "the first guess cannot be right");
    for residual in &found.residuals {
        assert!(residual.worst().unwrap() < 0.02, "{residual}");
    }
    for operation in [Operation::QueueCheck, Operation::PageLoad] {
        let latency = found.profile.latency[latency_of(operation)];
        let median = latency.median_ms / truth.median_ms - 1.0;
        assert!(median.abs() < 0.15, "{operation}: {latency:?}");
        let sigma = latency.sigma / truth.sigma - 1.0;
        assert!(sigma.abs() < 0.15, "{operation}: {latency:?}");
    }
    assert_eq!(found.profile.work_ms, base.work_ms);
}

#[test]
fn no_latency_is_added_without_need_and_a_system_that_is_too_fast_leaves_an_error() {
    let live = played(&example::plan());
    let base = Profile::t3_medium_node();
    let same = calibrate(&live, &base, &mut |plan| Some(played(plan))).unwrap();
    assert_eq!(same.profile, base);
    let faster = calibrate(&live, &base, &mut |plan| {
        let mut run = played(plan);
        let tally = &mut run.tally;
        for tally in tally.operations.iter_mut().chain([&mut tally.page_loads]) {
            tally.service_time = answers(Some(Latency {
                median_ms: 5.0,
                sigma: 0.0,
            }));
        }
        Some(run)
    });
    let faster = faster.unwrap();
    assert!(
        faster
            .residuals
            .iter()
            .all(|residual| residual.worst().unwrap() > 0.5)
    );
}

#[test]
fn an_interrupted_calibration_has_no_result() {
    let live = played(&example::plan());
    assert_eq!(calibrate(&live, &Profile::native(), &mut |_| None), None);
}

#[test]
fn service_times_of_a_target_are_labeled_as_an_assumption() {
    let mut live = played(&example::plan());
    live.ending.system = None;
    let base = Profile::native();
    let found = calibrate(&live, &base, &mut |plan| Some(played(plan))).unwrap();
    assert!(found.method.contains("assumption"));
    let ms = found.profile.work_ms["queue_check"];
    assert!((2.5..3.5).contains(&ms), "{ms}");
    assert!(found.profile.work_sigma["queue_check"] > 0.1);
}

#[test]
fn service_times_of_a_target_hold_on_its_instance_type() {
    let mut live = played(&example::plan());
    live.ending.system = None;
    live.plan.topology.instances.class = InstanceClass::C5Large;
    let base = Profile::t3_medium_node();
    let found = calibrate(&live, &base, &mut |plan| Some(played(plan))).unwrap();
    assert_eq!(found.profile.class, "c5.large");
    let (known, assumed) = (base.work_ms["health"], found.profile.work_ms["health"]);
    assert!(
        assumed < known,
        "{assumed} is that of the faster type, {known} that of the slower"
    );
}

#[test]
fn the_file_can_be_loaded_and_names_its_source() {
    let live = played(&example::plan());
    let base = Profile::t3_medium_node();
    let found = calibrate(&live, &base, &mut |plan| Some(played(plan))).unwrap();
    let text = to_toml(&found, &live, "reports/example");
    assert!(
        text.starts_with(
            "# Service times calibrated from reports/example: scenario example, seed 7"
        )
    );
    assert!(
        text.contains("#   queue_check (20,000 requests): p50 4ms, simulated"),
        "{text}"
    );
    assert_eq!(profile::load("a.toml", &text).unwrap(), found.profile);
}
