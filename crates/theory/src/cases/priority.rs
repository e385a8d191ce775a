//! M/M/1 with priority classes.

use tiketi_station::{Priority, Started};

use super::super::case::{Case, Experiment, Figure};
use super::super::formula;
use super::super::ledger::Ledger;
use super::super::parameter::{Parameter, ParameterError, Values, check_steady};
use super::super::queue::TRANSIENT_PART;
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;
use tiketi_station::calendar::Calendar;

/// M/M/1 with non-preemptive priorities.
pub(super) static PRIORITY: Case = Case {
    name: "priority",
    title: "M/M/1 with non-preemptive priority classes",
    parameters: &[
        Parameter::rate(
            "arrival-rates",
            "arrivals per second of each class, most urgent first",
            &[3.0, 5.0],
        )
        .list(),
        Parameter::rate("service-rate", "jobs per second of the server", &[10.0]),
    ],
    prepare,
};

fn prepare(values: &Values) -> Result<Experiment, ParameterError> {
    let arrival_rates = values.list("arrival-rates").to_vec();
    let service_rate = values.number("service-rate");
    check_steady(arrival_rates.iter().sum(), service_rate)?;
    let waits = formula::priority_waits(&arrival_rates, service_rate);
    let figures = waits
        .into_iter()
        .zip(1..)
        .map(|(wait, class)| Figure::mean(format!("wait of class {class}, s"), wait));
    Ok(Experiment::new(
        figures.collect(),
        800_000,
        move |streams, arrivals| simulate(&arrival_rates, service_rate, streams, arrivals).waits(),
    ))
}

/// A job: its class and arrival time.
#[derive(Clone, Copy, Debug)]
struct Job {
    class: usize,
    born: SimTime,
    is_measured: bool,
}

#[derive(Clone, Copy, Debug)]
enum PriorityEvent {
    /// An arrival of this class.
    Arrival(usize),
    Completion(Job),
}

/// The measurements.
#[derive(Debug)]
pub(super) struct PriorityStats {
    /// Number of jobs and their waiting time in nanoseconds, by class.
    waits: Vec<(u64, u128)>,
    pub(super) ledger: Ledger,
}

impl PriorityStats {
    /// Returns the mean wait of each class, in seconds.
    fn waits(&self) -> Vec<f64> {
        self.waits
            .iter()
            .map(|(jobs, waits)| *waits as f64 / *jobs as f64 / 1e9)
            .collect()
    }

    fn handle_start(&mut self, started: Started<Job>) {
        if started.job.is_measured {
            let (jobs, waits) = &mut self.waits[started.job.class];
            *jobs += 1;
            *waits += started.waited.as_nanos();
        }
    }
}

/// Simulates a number of arrivals of all classes together, and then until all jobs have left.
pub(super) fn simulate(
    arrival_rates: &[f64],
    service_rate: f64,
    streams: Streams,
    arrivals: u64,
) -> PriorityStats {
    let service = Distribution::Exponential {
        mean: 1.0 / service_rate,
    };
    let mut services = streams.named("service");
    let mut gaps: Vec<(Distribution, Stream)> = std::iter::zip(arrival_rates, 0..)
        .map(|(rate, class)| {
            let mean = 1.0 / rate;
            let stream = streams.numbered("arrivals", class);
            (Distribution::Exponential { mean }, stream)
        })
        .collect();
    let mut calendar = Calendar::new();
    for (class, (gap, stream)) in gaps.iter_mut().enumerate() {
        calendar.enter(
            SimTime::ZERO + gap.sample(stream),
            PriorityEvent::Arrival(class),
        );
    }
    let mut server: Priority<Job> = Priority::new(1, arrival_rates.len());
    let mut seen = PriorityStats {
        waits: vec![(0, 0); arrival_rates.len()],
        ledger: Ledger::default(),
    };
    let mut arrived = 0;
    while let Some((now, entry)) = calendar.next() {
        seen.ledger.handle_stretch(now, server.in_system(), 0);
        let started = match entry {
            PriorityEvent::Arrival(_) if arrived >= arrivals => None,
            PriorityEvent::Arrival(class) => {
                let job = Job {
                    class,
                    born: now,
                    is_measured: arrived >= arrivals / TRANSIENT_PART,
                };
                arrived += 1;
                let (gap, stream) = &mut gaps[class];
                calendar.enter(now + gap.sample(stream), PriorityEvent::Arrival(class));
                server.handle_arrival(now, job, class, service.sample(&mut services))
            }
            PriorityEvent::Completion(job) => {
                seen.ledger.handle_departure(job.born, now);
                server.handle_completion(now)
            }
        };
        if let Some(started) = started {
            seen.handle_start(started);
            calendar.enter(started.done_at, PriorityEvent::Completion(started.job));
        }
    }
    seen
}
