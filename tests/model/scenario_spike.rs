//! Whether `spike.toml` asks what it claims to ask, checked with arithmetic and the control plane alone.

use tiketi_cloud::ControlPlane;
use tiketi_cloud::order::{Input, Order};
use tiketi_core::units::SimTime;
use tiketi_scenario::arrival::ArrivalPhase;
use tiketi_scenario::{Overrides, Plan, arrival_times, load};
use tiketi_testbed::budget::sockets_forecast;

fn spike() -> Plan {
    let text = include_str!("../../scenarios/spike.toml");
    load("spike.toml", text, &Overrides::default()).unwrap_or_else(|d| panic!("{d}"))
}

/// Buyers waiting at `at` if every shopping slot is used for 60 s, which is less than the average buyer takes.
fn waiting(plan: &Plan, at: SimTime) -> f64 {
    let come: f64 = plan
        .arrivals
        .iter()
        .map(|phase| ArrivalPhase::planned(phase, at))
        .sum();
    let active = f64::from(plan.waiting_room.active_max);
    let rounds = 1.0 + at.as_secs_f64() / 60.0;
    (come - active * rounds).max(0.0)
}

#[test]
fn all_buyers_arrive_before_the_zone_fails_and_hold_15_000_sockets() {
    let plan = spike();
    let fault = plan.faults[0].clone();
    let arrivals = arrival_times(&plan);
    assert_eq!(arrivals.len(), 20_000);
    assert!(arrivals.iter().all(|at| *at < fault.at));
    let sockets = sockets_forecast(&plan);
    assert!((15_000..19_000).contains(&sockets), "{sockets} sockets");
}

/// The queue size as the Lambda would read it; buyers browse the page before they join.
fn queue_size(plan: &Plan, now: SimTime) -> u64 {
    let browsing = 2.0 * plan.buyers.browse.mean();
    let joined_by = SimTime::from_secs_f64(now.as_secs_f64() - browsing);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of buyers"
    )]
    let size = waiting(plan, joined_by) as u64;
    size
}

#[test]
fn fleet_scales_out_before_the_zone_fails_but_too_late_to_respond_by_then() {
    let plan = spike();
    let fault = plan.faults[0].clone();
    let mut control_plane = ControlPlane::new(&plan);
    let mut now = SimTime::ZERO;
    let mut answers = Vec::new();
    while now < fault.at {
        control_plane.handle_timeout(now);
        while let Some(order) = control_plane.poll_order() {
            match order {
                Order::Launch { answers_at, .. } if answers_at > SimTime::ZERO => {
                    answers.push(answers_at);
                }
                Order::SampleQueue => {
                    let size = Some(queue_size(&plan, now));
                    control_plane.handle(now, Input::QueueSampled { size });
                }
                _ => {}
            }
        }
        now = control_plane.poll_timeout().unwrap_or(fault.at);
    }
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert!(answers.iter().all(|at| *at > fault.at), "{answers:?}");
}
