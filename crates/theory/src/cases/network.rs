//! Networks of stations in series: open (tandem) and closed.

use tiketi_station::{Arrival, Fifo, Line};

use super::super::case::{Case, Experiment, Figure};
use super::super::formula;
use super::super::parameter::{Parameter, ParameterError, Values, check_steady};
use super::super::queue::TRANSIENT_PART;
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;
use tiketi_station::calendar::Calendar;

/// An open network.
pub(super) static TANDEM: Case = Case {
    name: "tandem",
    title: "tandem: single servers in series (Jackson)",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals per second", &[8.0]),
        Parameter::rate(
            "service-rates",
            "jobs per second of each server, in order",
            &[10.0, 12.0, 9.0],
        )
        .list(),
    ],
    prepare: prepare_tandem,
};

/// A closed network.
pub(super) static CLOSED: Case = Case {
    name: "closed",
    title: "closed network: customers think, then visit each server (MVA)",
    parameters: &[
        Parameter::seconds("think-time", "mean think time, in seconds", &[5.0]),
        Parameter::seconds(
            "demands",
            "mean service time at each server, in seconds",
            &[0.05, 0.08, 0.02],
        )
        .list(),
        Parameter::count("population", "customers", &[20.0], 10_000),
    ],
    prepare: prepare_closed,
};

fn prepare_tandem(values: &Values) -> Result<Experiment, ParameterError> {
    let arrival_rate = values.number("arrival-rate");
    let service_rates = values.list("service-rates").to_vec();
    for rate in &service_rates {
        check_steady(arrival_rate, *rate)?;
    }
    let response = formula::tandem(arrival_rate, &service_rates);
    let figures = vec![Figure::mean("response time (W), s", response)];
    Ok(Experiment::new(
        figures,
        850_000,
        move |streams, arrivals| {
            vec![simulate_tandem(
                arrival_rate,
                &service_rates,
                streams,
                arrivals,
            )]
        },
    ))
}

/// A job in the tandem.
#[derive(Clone, Copy, Debug)]
struct Passage {
    number: u64,
    born: SimTime,
    station: usize,
}

/// Returns the mean response time, in seconds.
fn simulate_tandem(
    arrival_rate: f64,
    service_rates: &[f64],
    streams: Streams,
    arrivals: u64,
) -> f64 {
    let gap = Distribution::Exponential {
        mean: 1.0 / arrival_rate,
    };
    let mut gaps = streams.named("arrivals");
    let mut stations: Vec<_> = stations_of(service_rates.iter().map(|rate| 1.0 / rate), streams)
        .map(|(service, stream)| (Fifo::new(1), service, stream))
        .collect();
    let mut calendar = Calendar::new();
    let arrival = |number, born| Passage {
        number,
        born,
        station: 0,
    };
    calendar.enter(SimTime::ZERO, arrival(0, SimTime::ZERO));
    let (mut measured, mut responses) = (0_u64, 0_u128);
    while let Some((now, job)) = calendar.next() {
        if job.station == 0 && job.number + 1 < arrivals {
            let next = now + gap.sample(&mut gaps);
            calendar.enter(next, arrival(job.number + 1, next));
        }
        let (server, service, stream) = &mut stations[job.station];
        let done_at = server.book(now, service.sample(stream));
        if job.station + 1 < service_rates.len() {
            let station = job.station + 1;
            calendar.enter(done_at, Passage { station, ..job });
        } else if job.number >= arrivals / TRANSIENT_PART {
            measured += 1;
            responses += (done_at - job.born).as_nanos();
        }
    }
    responses as f64 / measured as f64 / 1e9
}

/// Returns an exponential distribution and a random stream for each station.
fn stations_of(
    means: impl Iterator<Item = f64>,
    streams: Streams,
) -> impl Iterator<Item = (Distribution, Stream)> {
    means.zip(0..).map(move |(mean, number)| {
        let stream = streams.numbered("service", number);
        (Distribution::Exponential { mean }, stream)
    })
}

fn prepare_closed(values: &Values) -> Result<Experiment, ParameterError> {
    let think_time = values.number("think-time");
    let demands = values.list("demands").to_vec();
    let population = values.count("population");
    let network = formula::closed_network(think_time, &demands, population);
    let figures = vec![
        Figure::mean("throughput (X), per second", network.throughput),
        Figure::mean("response time (R), s", network.response),
    ];
    Ok(Experiment::new(figures, 100_000, move |streams, cycles| {
        simulate_closed(think_time, &demands, population, streams, cycles)
    }))
}

/// A customer at a station; `since` is when the think time ended.
#[derive(Clone, Copy, Debug)]
struct Visit {
    since: SimTime,
    station: usize,
}

#[derive(Clone, Copy, Debug)]
enum NetworkEvent {
    /// A customer's think time is over.
    Returns,
    /// A service is complete.
    Completion(Visit),
}

/// Returns throughput per second and mean response time in seconds over a number of cycles.
fn simulate_closed(
    think_time: f64,
    demands: &[f64],
    population: u32,
    streams: Streams,
    cycles: u64,
) -> Vec<f64> {
    let think = Distribution::Exponential { mean: think_time };
    let mut thoughts = streams.named("think");
    let mut stations: Vec<_> = stations_of(demands.iter().copied(), streams)
        .map(|(service, stream)| (Line::new(1, None), service, stream))
        .collect();
    let mut calendar = Calendar::new();
    for _ in 0..population {
        let returns_at = SimTime::ZERO + think.sample(&mut thoughts);
        calendar.enter(returns_at, NetworkEvent::Returns);
    }
    let transient = cycles / TRANSIENT_PART;
    let (mut done, mut responses, mut measured_from) = (0, 0_u128, SimTime::ZERO);
    loop {
        let (now, entry) = calendar.next().expect("customers never leave");
        let arrives = match entry {
            NetworkEvent::Returns => Visit {
                since: now,
                station: 0,
            },
            NetworkEvent::Completion(visit) => {
                if let Some(next) = stations[visit.station].0.handle_completion(now) {
                    calendar.enter(next.done_at, NetworkEvent::Completion(next.job));
                }
                if visit.station + 1 == demands.len() {
                    done += 1;
                    if done > transient {
                        responses += (now - visit.since).as_nanos();
                    } else {
                        measured_from = now;
                    }
                    if done == cycles {
                        let measured = (cycles - transient) as f64;
                        let length = (now - measured_from).as_secs_f64();
                        return vec![measured / length, responses as f64 / measured / 1e9];
                    }
                    calendar.enter(now + think.sample(&mut thoughts), NetworkEvent::Returns);
                    continue;
                }
                Visit {
                    station: visit.station + 1,
                    ..visit
                }
            }
        };
        let (server, service, stream) = &mut stations[arrives.station];
        match server.handle_arrival(now, arrives, service.sample(stream)) {
            Arrival::Started(next) => {
                calendar.enter(next.done_at, NetworkEvent::Completion(next.job));
            }
            Arrival::Waits(_) => {}
            Arrival::Blocked => unreachable!("the line has no limit"),
        }
    }
}
