//! Compares the closed-form solutions with independently computed values.

use super::*;

/// Compares within the precision of the expected value.
#[track_caller]
fn assert_close(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{found} instead of {expected}"
    );
}

const SIX: f64 = 5.1e-7;

#[test]
#[expect(
    clippy::approx_constant,
    reason = "a percentile that happens to be ln 10"
)]
fn one_server() {
    assert_close(mm1_in_system(8.0, 10.0), 4.0, SIX);
    assert_close(mm1_in_system(8.0, 10.0) / 8.0, 0.5, SIX);
    assert_close(pollaczek_khinchine(8.0, 0.1, 1.0), 0.4, SIX);
    assert_close(mm1_response_quantile(8.0, 10.0, 0.95), 1.497_866, SIX);
    assert_close(mm1_response_quantile(8.0, 10.0, 0.99), 2.302_585, SIX);
}

#[test]
fn one_server_with_other_laws_and_disciplines() {
    assert_close(pollaczek_khinchine(8.0, 0.1, 0.0), 0.2, SIX);
    assert_close(deterministic_wait_within(8.0, 0.1, 0.1), 0.445_108, SIX);
    let lognormal = 1_f64.exp_m1();
    assert_close(pollaczek_khinchine(8.0, 0.1, lognormal), 0.543_656, SIX);
    assert_close(sharing_response(8.0, 0.1, 0.1), 0.5, SIX);
    let waits = priority_waits(&[3.0, 5.0], 10.0);
    assert_close(waits[0], 0.114_286, SIX);
    assert_close(waits[1], 0.571_429, SIX);
}

#[test]
fn several_servers() {
    assert_close(erlang_b(8.0, 10), 0.121_661, SIX);
    assert_close(erlang_c(8.0, 10), 0.409_180, SIX);
    assert_close(erlang_c_wait(8.0, 1.0, 10), 0.204_590, SIX);
    assert_close(erlang_c_wait_quantile(8.0, 1.0, 10, 0.99), 1.855_785, SIX);
    assert_close(erlang_c(1.5, 2), 0.642_857, SIX);
    assert_close(erlang_c_wait(1.5, 1.0, 2), 1.285_714, SIX);
}

#[test]
fn wait_quantile_is_zero_if_almost_nobody_waits() {
    assert_close(erlang_c_wait_quantile(1.0, 1.0, 20, 0.99), 0.0, 0.0);
}

#[test]
fn limits_and_patience() {
    let one = limited(8.0, 10.0, 1, 10);
    assert_close(one.last, 0.023_492_9, 5.1e-8);
    assert_close(one.in_system, 2.966_314, SIX);
    let five = limited(6.0, 1.0, 5, 8);
    assert_close(five.last, 0.241_926, SIX);
    assert_close(five.waiting, 1.296_990, SIX);
    let impatient = erlang_a(12.0, 1.0, 0.5, 10);
    assert_close(impatient.waiting, 4.695_743, SIX);
    assert_close(0.5 * impatient.waiting / 12.0, 0.195_656, SIX);
}

#[test]
fn heavy_load_does_not_overflow() {
    let crowded = limited(1e6, 1.0, 100, 10_000);
    assert_close(crowded.last, 1.0 - 100.0 / 1e6, 1e-6);
    assert!(erlang_a(5e3, 1.0, 1.0, 100).waiting.is_finite());
}

#[test]
fn networks() {
    assert_close(tandem(8.0, &[10.0, 12.0, 9.0]), 1.75, SIX);
    let network = closed_network(5.0, &[0.05, 0.08, 0.02], 20);
    assert_close(network.throughput, 3.850_013, SIX);
    assert_close(network.response, 0.194_787, SIX);
}

#[test]
fn waiting_rooms_sessions_seats_and_retries() {
    assert_close(batch_wait(8.0, 1.0, 10), 0.609_828, SIX);
    assert_close(sessions(100.0, 0.2, 10.0), 432.332_4, 5.1e-5);
    assert_close(seat_collision(1_000, 10_000), 0.048_33, 5.1e-6);
    assert_close(tries(0.5, 3), 1.875, 0.0);
}

#[test]
fn transients() {
    let steady = Births {
        base: 8.0,
        extra: 0.0,
        tau: 1.0,
    };
    assert_close(in_system_at(steady, 10.0, 1, &[1.0])[0], 2.030_282, SIX);
    let flash = Births {
        base: 5.0,
        extra: 20.0,
        tau: 10.0,
    };
    let means = in_system_at(flash, 1.0, 10, &[5.0, 10.0, 20.0]);
    assert_close(means[0], 56.460_726, SIX);
    assert_close(means[1], 79.191_017, SIX);
    assert_close(means[2], 75.703_886, SIX);
}

#[test]
fn fluid_limits() {
    let spike = Spike {
        births: Births {
            base: 100.0,
            extra: 5_000.0,
            tau: 60.0,
        },
        drain: 1_000.0,
    };
    assert_close(spike.peak_at(), 102.888, 5.1e-4);
    assert_close(spike.waiting_at(spike.peak_at()), 153_401.0, 0.51);
    assert_close(spike.longest_wait(), 153.40, 5.1e-3);
    assert_close(spike.clear_at(), 332.016, 5.1e-4);
    let burst = Burst {
        buyers: 100_000.0,
        patience: 600.0,
        drain: 500.0,
    };
    assert_close(burst.empty_at(), 172.609, 5.1e-4);
    assert_close(burst.gave_up(), 0.136_95, 5.1e-6);
    let steps = Steps {
        arrival_rate: 3_000.0,
        service_rate: 250.0,
        fleet: vec![(0.0, 4.0), (180.0, 8.0), (300.0, 16.0)],
    };
    assert_eq!(steps.backlog(), Some((480_000.0, 780.0)));
}

#[test]
fn fleet_that_never_catches_up_has_no_result() {
    let steps = Steps {
        arrival_rate: 3_000.0,
        service_rate: 250.0,
        fleet: vec![(0.0, 4.0), (180.0, 12.0)],
    };
    assert_eq!(steps.backlog(), None);
}
