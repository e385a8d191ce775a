//! Little's law, exact to the nanosecond.

use super::super::case::{Case, Experiment, Figure};
use super::super::parameter::{Parameter, ParameterError, Values};
use super::super::queue::{Keep, Queue};
use super::{lognormal, priority, sharing};
use tiketi_scenario::distribution::Distribution;

/// Little's law.
pub(super) static LITTLE: Case = Case {
    name: "little",
    title: "Little's law: the area under N(t) equals the sum of the sojourn times, to the nanosecond",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals per second", &[8.0]),
        Parameter::rate("service-rate", "jobs per second per server", &[3.0]),
        Parameter::count("servers", "servers of the queue", &[3.0], 1_000),
    ],
    prepare,
};

fn prepare(values: &Values) -> Result<Experiment, ParameterError> {
    let (arrival_rate, service_rate) =
        (values.number("arrival-rate"), values.number("service-rate"));
    let servers = values.count("servers");
    let figures = [
        "queue with limit and patience, ns",
        "priority classes, ns",
        "processor sharing, ns",
    ];
    let figures = figures.map(|name| Figure::identity(format!("difference, {name}"), 0.0));
    let line = Queue {
        service: lognormal(1.0 / service_rate, 1.0),
        patience: Some(Distribution::Exponential {
            mean: 2.0 / service_rate,
        }),
        limit: Some(4 * servers),
        ..Queue::markov(arrival_rate, service_rate, servers)
    };
    Ok(Experiment::new(
        figures.to_vec(),
        10_000,
        move |streams, arrivals| {
            let halves = [arrival_rate / 2.0; 2];
            let sizes = lognormal(1.0 / service_rate, 1.0);
            vec![
                line.simulate(streams, arrivals, Keep::Nothing)
                    .little_difference(),
                priority::simulate(&halves, service_rate, streams, arrivals)
                    .ledger
                    .difference(),
                sharing::simulate(arrival_rate, sizes, streams, arrivals)
                    .ledger
                    .difference(),
            ]
        },
    ))
}
