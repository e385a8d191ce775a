//! M/D/1 and M/G/1 on the station that is also the virtual CPU of an emulated instance.

use std::time::Duration;

use tiketi_station::Fifo;

use super::super::case::{Case, Experiment, Figure};
use super::super::formula;
use super::super::parameter::{Parameter, ParameterError, Range, Values, check_steady};
use super::super::queue::TRANSIENT_PART;
use super::lognormal;
use tiketi_core::rng::Streams;
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;
use tiketi_station::calendar::Calendar;

/// M/D/1.
pub(super) static MD1: Case = Case {
    name: "md1",
    title: "M/D/1: one server, constant service",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals per second", &[8.0]),
        Parameter::seconds("service-time", "service time, in seconds", &[0.1]),
        Parameter::seconds("within", "t of P(Wq <= t), in seconds", &[0.1]),
    ],
    prepare: prepare_md1,
};

/// M/G/1.
pub(super) static MG1: Case = Case {
    name: "mg1",
    title: "M/G/1: one server, lognormal service (Pollaczek-Khinchine)",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals per second", &[8.0]),
        Parameter::seconds("service-time", "mean service time, in seconds", &[0.1]),
        Parameter::new(
            "sigma",
            "standard deviation of the logarithm of the service time",
            &[1.0],
            Range::Number { from: 0.0, to: 1.5 },
        ),
    ],
    prepare: prepare_mg1,
};

/// Service times up to which P(Wq <= t) is precise to six digits; its terms alternate in sign.
const WITHIN_MAX: f64 = 12.0;

fn prepare_md1(values: &Values) -> Result<Experiment, ParameterError> {
    let (arrival_rate, service_time) =
        (values.number("arrival-rate"), values.number("service-time"));
    let within = values.number("within");
    check_steady(arrival_rate, 1.0 / service_time)?;
    if within > WITHIN_MAX * service_time {
        return Err(ParameterError::Together(
            format!(
                "`within` is {within} with a service time of {service_time} (expected at most {WITHIN_MAX} service times)"
            ),
            "the closed-form solution is imprecise beyond that",
        ));
    }
    let figures = vec![
        Figure::mean(
            "wait (Wq), s",
            formula::pollaczek_khinchine(arrival_rate, service_time, 0.0),
        ),
        Figure::mean(
            format!("P(Wq <= {within} s)"),
            formula::deterministic_wait_within(arrival_rate, service_time, within),
        ),
    ];
    let service = Distribution::Constant {
        value: service_time,
    };
    Ok(Experiment::new(
        figures,
        400_000,
        move |streams, arrivals| {
            let seen = simulate(arrival_rate, service, within, streams, arrivals);
            vec![seen.wait, seen.share_within]
        },
    ))
}

fn prepare_mg1(values: &Values) -> Result<Experiment, ParameterError> {
    let (arrival_rate, service_time) =
        (values.number("arrival-rate"), values.number("service-time"));
    let sigma = values.number("sigma");
    check_steady(arrival_rate, 1.0 / service_time)?;
    let cs2 = (sigma * sigma).exp_m1();
    let wait = formula::pollaczek_khinchine(arrival_rate, service_time, cs2);
    let figures = vec![Figure::mean("wait (Wq), s", wait)];
    let service = lognormal(service_time, sigma);
    Ok(Experiment::new(
        figures,
        2_200_000,
        move |streams, arrivals| vec![simulate(arrival_rate, service, 0.0, streams, arrivals).wait],
    ))
}

struct WaitStats {
    /// Mean wait, in seconds.
    wait: f64,
    share_within: f64,
}

/// Simulates Poisson arrivals at one server; measures the waits after the transient.
fn simulate(
    arrival_rate: f64,
    service: Distribution,
    within: f64,
    streams: Streams,
    arrivals: u64,
) -> WaitStats {
    let within = Duration::from_secs_f64(within);
    let gap = Distribution::Exponential {
        mean: 1.0 / arrival_rate,
    };
    let [mut gaps, mut services] = ["arrivals", "service"].map(|name| streams.named(name));
    let mut server = Fifo::new(1);
    let mut calendar = Calendar::new();
    calendar.enter(SimTime::ZERO, 0);
    let (mut measured, mut waits, mut soon) = (0_u64, 0_u128, 0_u64);
    while let Some((now, number)) = calendar.next() {
        let wait = server.backlog(now);
        server.book(now, service.sample(&mut services));
        if number >= arrivals / TRANSIENT_PART {
            measured += 1;
            waits += wait.as_nanos();
            soon += u64::from(wait <= within);
        }
        if number + 1 < arrivals {
            calendar.enter(now + gap.sample(&mut gaps), number + 1);
        }
    }
    WaitStats {
        wait: waits as f64 / measured as f64 / 1e9,
        share_within: soon as f64 / measured as f64,
    }
}
