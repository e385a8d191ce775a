//! Stations that lose jobs: to a limit (Erlang B, M/M/c/K) or to impatience (Erlang A).

use super::super::case::{Case, Experiment, Figure};
use super::super::formula;
use super::super::parameter::{Parameter, ParameterError, Values};
use super::super::queue::{Keep, Queue};
use super::laws;
use tiketi_scenario::distribution::Distribution;

/// Erlang B.
pub(super) static ERLANG_B: Case = Case {
    name: "erlang-b",
    title: "M/G/c/c: arrivals are lost if all servers are busy (Erlang B), any service distribution",
    parameters: &[
        Parameter::rate("load", "arrivals per mean service time, in erlangs", &[8.0]),
        Parameter::count("servers", "servers", &[10.0], 10_000),
    ],
    prepare: prepare_erlang_b,
};

/// M/M/c/K.
pub(super) static MMCK: Case = Case {
    name: "mmck",
    title: "M/M/c/K: at most K jobs in the system",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals per second", &[8.0]),
        Parameter::rate("service-rate", "jobs per second per server", &[10.0]),
        Parameter::count("servers", "servers", &[1.0], 10_000),
        Parameter::count(
            "limit",
            "maximum number of jobs in the system (K)",
            &[10.0],
            100_000,
        ),
    ],
    prepare: prepare_mmck,
};

/// Erlang A.
pub(super) static ERLANG_A: Case = Case {
    name: "erlang-a",
    title: "M/M/c+M: jobs with limited patience (Erlang A)",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals per second", &[12.0]),
        Parameter::rate("service-rate", "jobs per second per server", &[1.0]),
        Parameter::rate(
            "abandonment-rate",
            "1 / mean patience, per second (theta)",
            &[0.5],
        ),
        Parameter::count("servers", "servers", &[10.0], 10_000),
    ],
    prepare: prepare_erlang_a,
};

fn prepare_erlang_b(values: &Values) -> Result<Experiment, ParameterError> {
    let (load, servers) = (values.number("load"), values.count("servers"));
    let blocked = formula::erlang_b(load, servers);
    let laws = laws(1.0, 1.0);
    let figures = laws
        .iter()
        .map(|(name, _)| Figure::mean(format!("blocked, {name} service"), blocked));
    Ok(Experiment::new(
        figures.collect(),
        360_000,
        move |streams, arrivals| {
            let share_blocked = |service: Distribution| {
                let queue = Queue {
                    service,
                    limit: Some(servers),
                    ..Queue::markov(load, 1.0, servers)
                };
                let seen = queue.simulate(streams, arrivals, Keep::Nothing);
                seen.share_blocked()
            };
            laws.map(|(_, law)| share_blocked(law)).to_vec()
        },
    ))
}

fn prepare_mmck(values: &Values) -> Result<Experiment, ParameterError> {
    let (arrival_rate, service_rate) =
        (values.number("arrival-rate"), values.number("service-rate"));
    let (servers, limit) = (values.count("servers"), values.count("limit"));
    if limit < servers {
        return Err(ParameterError::Together(
            format!(
                "`limit` is {limit} with {servers} servers (expected at least the number of servers)"
            ),
            "`limit` includes the jobs in service",
        ));
    }
    let steady = formula::limited(arrival_rate, service_rate, servers, limit);
    let mut figures = vec![
        // Few arrivals are blocked in a well-sized system, so this is a tail probability.
        Figure::tail("blocked", steady.last),
        Figure::mean("in system (L)", steady.in_system),
    ];
    // If the limit equals the number of servers, no job ever waits.
    let has_line = limit > servers;
    figures.extend(has_line.then(|| Figure::mean("waiting (Lq)", steady.waiting)));
    let queue = Queue {
        limit: Some(limit),
        ..Queue::markov(arrival_rate, service_rate, servers)
    };
    Ok(Experiment::new(
        figures,
        300_000,
        move |streams, arrivals| {
            let seen = queue.simulate(streams, arrivals, Keep::Nothing);
            let mut estimates = vec![seen.share_blocked(), seen.in_system()];
            estimates.extend(has_line.then(|| seen.waiting()));
            estimates
        },
    ))
}

fn prepare_erlang_a(values: &Values) -> Result<Experiment, ParameterError> {
    let (arrival_rate, service_rate) =
        (values.number("arrival-rate"), values.number("service-rate"));
    let theta = values.number("abandonment-rate");
    let servers = values.count("servers");
    let steady = formula::erlang_a(arrival_rate, service_rate, theta, servers);
    let figures = vec![
        Figure::mean("abandoned", theta * steady.waiting / arrival_rate),
        Figure::mean("waiting (Lq)", steady.waiting),
    ];
    let queue = Queue {
        patience: Some(Distribution::Exponential { mean: 1.0 / theta }),
        ..Queue::markov(arrival_rate, service_rate, servers)
    };
    Ok(Experiment::new(
        figures,
        200_000,
        move |streams, arrivals| {
            let seen = queue.simulate(streams, arrivals, Keep::Nothing);
            vec![seen.share_abandoned(), seen.waiting()]
        },
    ))
}
