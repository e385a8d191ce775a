//! M/M/1 and M/M/c in steady state.

use super::super::case::{Case, Experiment, Figure};
use super::super::formula;
use super::super::parameter::{Parameter, ParameterError, Values, check_steady};
use super::super::queue::{Keep, Queue};

/// M/M/1.
pub(super) static MM1: Case = Case {
    name: "mm1",
    title: "M/M/1: one server, exponential service",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals per second", &[8.0]),
        Parameter::rate("service-rate", "jobs per second of the server", &[10.0]),
    ],
    prepare: prepare_mm1,
};

/// M/M/c.
pub(super) static MMC: Case = Case {
    name: "mmc",
    title: "M/M/c: several servers, exponential service (Erlang C)",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals per second", &[8.0]),
        Parameter::rate("service-rate", "jobs per second per server", &[1.0]),
        Parameter::count("servers", "servers", &[10.0], 10_000),
    ],
    prepare: prepare_mmc,
};

/// Arrivals per replication, enough for a narrow interval.
const ARRIVALS_MM1: u64 = 1_000_000;
/// Arrivals per replication with several servers.
const ARRIVALS_MMC: u64 = 2_000_000;

fn prepare_mm1(values: &Values) -> Result<Experiment, ParameterError> {
    let (arrival_rate, service_rate) =
        (values.number("arrival-rate"), values.number("service-rate"));
    check_steady(arrival_rate, service_rate)?;
    let in_system = formula::mm1_in_system(arrival_rate, service_rate);
    let quantile = |p| formula::mm1_response_quantile(arrival_rate, service_rate, p);
    let wait = formula::pollaczek_khinchine(arrival_rate, 1.0 / service_rate, 1.0);
    let figures = vec![
        Figure::mean("in system (L)", in_system),
        Figure::mean("response time (W), s", in_system / arrival_rate),
        Figure::mean("wait (Wq), s", wait),
        Figure::tail("response time p95, s", quantile(0.95)),
        Figure::tail("response time p99, s", quantile(0.99)),
    ];
    let queue = Queue::markov(arrival_rate, service_rate, 1);
    Ok(Experiment::new(
        figures,
        ARRIVALS_MM1,
        move |streams, arrivals| {
            let mut seen = queue.simulate(streams, arrivals, Keep::Responses(0.05));
            vec![
                seen.in_system(),
                seen.response(),
                seen.wait(),
                seen.quantile(0.95),
                seen.quantile(0.99),
            ]
        },
    ))
}

fn prepare_mmc(values: &Values) -> Result<Experiment, ParameterError> {
    let (arrival_rate, service_rate) =
        (values.number("arrival-rate"), values.number("service-rate"));
    let servers = values.count("servers");
    check_steady(arrival_rate, service_rate * f64::from(servers))?;
    let p99 = formula::erlang_c_wait_quantile(arrival_rate, service_rate, servers, 0.99);
    let mut figures = vec![
        Figure::mean(
            "share that waits (C)",
            formula::erlang_c(arrival_rate / service_rate, servers),
        ),
        Figure::mean(
            "wait (Wq), s",
            formula::erlang_c_wait(arrival_rate, service_rate, servers),
        ),
    ];
    // If fewer than 1 % wait, the percentile is 0 and proves nothing.
    let has_p99 = p99 > 0.0;
    figures.extend(has_p99.then(|| Figure::tail("wait p99, s", p99)));
    let queue = Queue::markov(arrival_rate, service_rate, servers);
    Ok(Experiment::new(
        figures,
        ARRIVALS_MMC,
        move |streams, arrivals| {
            let keep = if has_p99 {
                Keep::Waits(0.01)
            } else {
                Keep::Nothing
            };
            let mut seen = queue.simulate(streams, arrivals, keep);
            let mut estimates = vec![seen.share_waited(), seen.wait()];
            estimates.extend(has_p99.then(|| seen.quantile(0.99)));
            estimates
        },
    ))
}
