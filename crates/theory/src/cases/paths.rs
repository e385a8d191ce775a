//! Systems on the way from empty, seen at given instants: a replication is the mean over many paths.

use tiketi_station::{Arrival, Line};

use super::super::arrivals::next_arrival;
use super::super::case::{Case, Experiment, Figure};
use super::super::formula::{self, Births};
use super::super::parameter::{Legal, Parameter, Problem, Values};
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;
use tiketi_station::calendar::Calendar;

/// M/M/1 from empty.
pub(super) static FROM_EMPTY: Case = Case {
    name: "mm1-from-empty",
    title: "M/M/1 from empty: the transient",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals a second", &[8.0]),
        Parameter::rate("service-rate", "jobs a second the server can do", &[10.0]),
        Parameter::seconds("times", "instants to look at, seconds", &[1.0]).list(),
    ],
    prepare: prepare_from_empty,
};

/// M(t)/M/c.
pub(super) static FLASH_CROWD: Case = Case {
    name: "flash-crowd",
    title: "flash crowd M(t)/M/c: a rate that decays, base + extra e^(-t/decay)",
    parameters: &[
        Parameter::rate("base-rate", "arrivals a second in the end", &[5.0]),
        Parameter::rate("extra-rate", "arrivals a second more at the start", &[20.0]),
        Parameter::seconds("decay", "time constant, seconds", &[10.0]),
        Parameter::rate("service-rate", "jobs a second one server can do", &[1.0]),
        Parameter::count("servers", "servers", &[10.0], 1_000),
        Parameter::seconds("times", "instants to look at, seconds", &[5.0, 10.0, 20.0]).list(),
    ],
    prepare: prepare_flash_crowd,
};

/// M/G/inf from empty.
pub(super) static SESSIONS: Case = Case {
    name: "sessions",
    title: "M(t)/G/inf: sessions after a step of arrivals",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals a second", &[100.0]),
        Parameter::rate(
            "leaving-rate",
            "1 / mean length of a session, a second",
            &[0.2],
        ),
        Parameter::new(
            "times",
            "instants to look at, seconds",
            &[10.0],
            Legal::Number {
                from: 1e-5,
                to: 1e3,
            },
        )
        .list(),
    ],
    prepare: prepare_sessions,
};

/// Changes of state until the last instant, at most: the equations are integrated through all of them.
const CHANGES_MAX: f64 = 50_000.0;

fn prepare_from_empty(values: &Values) -> Result<Experiment, Problem> {
    let births = constant(values.number("arrival-rate"));
    let service_rate = values.number("service-rate");
    prepare_markov(births, service_rate, 1, values.list("times"), 12_000)
}

fn prepare_flash_crowd(values: &Values) -> Result<Experiment, Problem> {
    let births = Births {
        base: values.number("base-rate"),
        extra: values.number("extra-rate"),
        tau: values.number("decay"),
    };
    let service_rate = values.number("service-rate");
    let servers = values.count("servers");
    prepare_markov(births, service_rate, servers, values.list("times"), 650)
}

/// The exact figures are integrated state by state.
fn prepare_markov(
    births: Births,
    service_rate: f64,
    servers: u32,
    times: &[f64],
    paths: u64,
) -> Result<Experiment, Problem> {
    let times = ascending(times)?;
    let last = *times.last().expect("at least one");
    let changes = last * (births.at(0.0) + service_rate * f64::from(servers));
    if changes > CHANGES_MAX {
        return Err(Problem::Together(
            format!(
                "{changes:.0} arrivals and departures until {last} s (legal: up to {CHANGES_MAX})"
            ),
            "look earlier, or at lower rates",
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

fn prepare_sessions(values: &Values) -> Result<Experiment, Problem> {
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

fn ascending(times: &[f64]) -> Result<Vec<f64>, Problem> {
    if times.is_sorted_by(|a, b| a < b) {
        return Ok(times.to_vec());
    }
    Err(Problem::Together(
        format!("`times` are {times:?} (legal: each later than the one before)"),
        "sort them",
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
enum Entry {
    Arrival,
    Completion,
    /// At the instant with this number.
    Look(usize),
}

/// Paths, one after the other, with the same calendar.
struct Walk {
    births: Births,
    service: Distribution,
    servers: usize,
    calendar: Calendar<Entry>,
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
            self.calendar.enter(at, Entry::Look(number));
        }
        self.enter_arrival(SimTime::ZERO);
        while let Some((now, entry)) = self.calendar.next() {
            let started = match entry {
                Entry::Arrival => {
                    self.enter_arrival(now);
                    let service_time = self.service.sample(&mut self.services);
                    match line.handle_arrival(now, (), service_time) {
                        Arrival::Started(started) => Some(started),
                        Arrival::Waits(_) | Arrival::Blocked => None,
                    }
                }
                Entry::Completion => line.handle_completion(now),
                Entry::Look(number) => {
                    totals[number] += line.in_system() as f64;
                    if number + 1 == times.len() {
                        break;
                    }
                    None
                }
            };
            if let Some(started) = started {
                self.calendar.enter(started.done_at, Entry::Completion);
            }
        }
        // What is left belongs to this path, not to the next.
        while self.calendar.next().is_some() {}
    }

    fn enter_arrival(&mut self, now: SimTime) {
        let next = next_arrival(self.births, now, &mut self.arrivals);
        self.calendar.enter(next, Entry::Arrival);
    }
}
