//! Systems that start empty, observed at given times. A replication is the mean over many paths.

use tiketi_station::{Arrival, Line};

use super::super::arrivals::next_arrival;
use super::super::case::{Case, Experiment, Figure};
use super::super::formula::{self, Births};
use super::super::parameter::{Parameter, ParameterError, Range, Values};
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;
use tiketi_station::calendar::Calendar;

/// M/M/1 from empty.
pub(super) static FROM_EMPTY: Case = Case {
    name: "mm1-from-empty",
    title: "M/M/1 from empty: the transient",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals per second", &[8.0]),
        Parameter::rate("service-rate", "jobs per second of the server", &[10.0]),
        Parameter::seconds("times", "observation times, in seconds", &[1.0]).list(),
    ],
    prepare: prepare_from_empty,
};

/// M(t)/M/c.
pub(super) static FLASH_CROWD: Case = Case {
    name: "flash-crowd",
    title: "flash crowd M(t)/M/c: a rate that decays, base + extra e^(-t/decay)",
    parameters: &[
        Parameter::rate("base-rate", "final arrivals per second", &[5.0]),
        Parameter::rate(
            "extra-rate",
            "additional arrivals per second at the start",
            &[20.0],
        ),
        Parameter::seconds("decay", "time constant, in seconds", &[10.0]),
        Parameter::rate("service-rate", "jobs per second per server", &[1.0]),
        Parameter::count("servers", "servers", &[10.0], 1_000),
        Parameter::seconds("times", "observation times, in seconds", &[5.0, 10.0, 20.0]).list(),
    ],
    prepare: prepare_flash_crowd,
};

/// M/G/inf from empty.
pub(super) static SESSIONS: Case = Case {
    name: "sessions",
    title: "M(t)/G/inf: sessions after a step of arrivals",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals per second", &[100.0]),
        Parameter::rate(
            "leaving-rate",
            "1 / mean session duration, per second",
            &[0.2],
        ),
        Parameter::new(
            "times",
            "observation times, in seconds",
            &[10.0],
            Range::Number {
                from: 1e-5,
                to: 1e3,
            },
        )
        .list(),
    ],
    prepare: prepare_sessions,
};

/// Maximum number of state changes until the last observation, because the equations are integrated through all of them.
const CHANGES_MAX: f64 = 50_000.0;

fn prepare_from_empty(values: &Values) -> Result<Experiment, ParameterError> {
    let births = constant(values.number("arrival-rate"));
    let service_rate = values.number("service-rate");
    prepare_markov(births, service_rate, 1, values.list("times"), 12_000)
}

fn prepare_flash_crowd(values: &Values) -> Result<Experiment, ParameterError> {
    let births = Births {
        base: values.number("base-rate"),
        extra: values.number("extra-rate"),
        tau: values.number("decay"),
    };
    let service_rate = values.number("service-rate");
    let servers = values.count("servers");
    prepare_markov(births, service_rate, servers, values.list("times"), 650)
}

/// Prepares a Markovian case; the exact values are integrated numerically.
fn prepare_markov(
    births: Births,
    service_rate: f64,
    servers: u32,
    times: &[f64],
    paths: u64,
) -> Result<Experiment, ParameterError> {
    let times = ascending(times)?;
    let last = *times.last().expect("at least one");
    let changes = last * (births.at(0.0) + service_rate * f64::from(servers));
    if changes > CHANGES_MAX {
        return Err(ParameterError::Together(
            format!(
                "{changes:.0} arrivals and departures until {last} s (expected at most {CHANGES_MAX})"
            ),
            "use earlier times or lower rates",
        ));
    }
    let exact = formula::in_system_at(births, service_rate, servers, &times);
    Ok(experiment(
        births,
        service_rate,
        servers as usize,
        times,
        &exact,
        paths,
    ))
}

fn prepare_sessions(values: &Values) -> Result<Experiment, ParameterError> {
    let (arrival_rate, leaving_rate) =
        (values.number("arrival-rate"), values.number("leaving-rate"));
    let times = ascending(values.list("times"))?;
    let exact: Vec<f64> = times
        .iter()
        .map(|time| formula::sessions(arrival_rate, leaving_rate, *time))
        .collect();
    let births = constant(arrival_rate);
    Ok(experiment(
        births,
        leaving_rate,
        usize::MAX,
        times,
        &exact,
        40,
    ))
}

const fn constant(rate: f64) -> Births {
    Births {
        base: rate,
        extra: 0.0,
        tau: 1.0,
    }
}

fn ascending(times: &[f64]) -> Result<Vec<f64>, ParameterError> {
    if times.is_sorted_by(|a, b| a < b) {
        return Ok(times.to_vec());
    }
    Err(ParameterError::Together(
        format!("`times` are {times:?} (expected ascending values)"),
        "sort the times",
    ))
}

fn experiment(
    births: Births,
    service_rate: f64,
    servers: usize,
    times: Vec<f64>,
    exact: &[f64],
    paths: u64,
) -> Experiment {
    let figures = std::iter::zip(&times, exact)
        .map(|(time, exact)| Figure::mean(format!("in system at {time} s (L)"), *exact));
    Experiment::new(figures.collect(), paths, move |streams, paths| {
        let mut walk = Walk::new(births, service_rate, servers, streams);
        let mut totals = vec![0.0; times.len()];
        for _ in 0..paths {
            walk.path(&times, &mut totals);
        }
        totals.iter().map(|total| total / paths as f64).collect()
    })
}

#[derive(Clone, Copy, Debug)]
enum PathEvent {
    Arrival,
    Completion,
    /// The observation with this number.
    Look(usize),
}

/// Simulates paths one after the other with the same calendar.
struct Walk {
    births: Births,
    service: Distribution,
    servers: usize,
    calendar: Calendar<PathEvent>,
    arrivals: Stream,
    services: Stream,
}

impl Walk {
    fn new(births: Births, service_rate: f64, servers: usize, streams: Streams) -> Self {
        Self {
            births,
            service: Distribution::Exponential {
                mean: 1.0 / service_rate,
            },
            servers,
            calendar: Calendar::new(),
            arrivals: streams.named("arrivals"),
            services: streams.named("service"),
        }
    }

    /// Adds the number in the system at each of `times` to `totals`.
    fn path(&mut self, times: &[f64], totals: &mut [f64]) {
        let mut line = Line::new(self.servers, None);
        for (number, time) in times.iter().enumerate() {
            let at = SimTime::from_secs_f64(*time);
            self.calendar.enter(at, PathEvent::Look(number));
        }
        self.enter_arrival(SimTime::ZERO);
        while let Some((now, entry)) = self.calendar.next() {
            let started = match entry {
                PathEvent::Arrival => {
                    self.enter_arrival(now);
                    let service_time = self.service.sample(&mut self.services);
                    match line.handle_arrival(now, (), service_time) {
                        Arrival::Started(started) => Some(started),
                        Arrival::Waits(_) | Arrival::Blocked => None,
                    }
                }
                PathEvent::Completion => line.handle_completion(now),
                PathEvent::Look(number) => {
                    totals[number] += line.in_system() as f64;
                    if number + 1 == times.len() {
                        break;
                    }
                    None
                }
            };
            if let Some(started) = started {
                self.calendar.enter(started.done_at, PathEvent::Completion);
            }
        }
        // The remaining events belong to this path, not to the next.
        while self.calendar.next().is_some() {}
    }

    fn enter_arrival(&mut self, now: SimTime) {
        let next = next_arrival(self.births, now, &mut self.arrivals);
        self.calendar.enter(next, PathEvent::Arrival);
    }
}
