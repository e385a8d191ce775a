//! Buyers who arrive at once and have limited patience.

use tiketi_station::{Arrival, Line, Ticket};

use super::super::case::{Case, Experiment, Figure};
use super::super::formula::Burst;
use super::super::parameter::{Parameter, ParameterError, Range, Values};
use super::{mean_of, scale};
use tiketi_core::rng::Streams;
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;
use tiketi_station::calendar::Calendar;

/// The fluid limit of a burst with impatience.
pub(super) static BURST: Case = Case {
    name: "fluid-burst",
    title: "fluid limit: a burst with exponential patience, served at a constant rate",
    parameters: &[
        Parameter::new(
            "buyers",
            "buyers at the start",
            &[100_000.0],
            Range::Whole {
                from: 100,
                to: 1_000_000,
            },
        ),
        Parameter::seconds("patience", "mean patience, in seconds", &[600.0]),
        Parameter::rate("drain-rate", "service rate, per second", &[500.0]),
        scale(&[1.0]),
    ],
    prepare,
};

fn prepare(values: &Values) -> Result<Experiment, ParameterError> {
    let burst = Burst {
        buyers: values.number("buyers"),
        patience: values.number("patience"),
        drain: values.number("drain-rate"),
    };
    let scale = values.number("scale");
    let figures = vec![
        Figure::limit("empty at, s", burst.empty_at_limit(scale)),
        Figure::limit("share that gave up", burst.gave_up_limit(scale)),
    ];
    Ok(Experiment::new(figures, 1, move |streams, bursts| {
        mean_of(bursts, |number| simulate(burst, scale, streams, number))
    }))
}

#[derive(Clone, Copy, Debug)]
enum BurstEvent {
    Completion,
    Deadline(Ticket),
}

/// Simulates one burst; returns when the last buyer was served, and the share that gave up.
fn simulate(burst: Burst, scale: f64, streams: Streams, number: u64) -> [f64; 2] {
    let patience = Distribution::Exponential {
        mean: burst.patience,
    };
    let service = Distribution::Constant {
        value: 1.0 / (burst.drain * scale),
    };
    let [mut patiences, mut services] =
        ["patience", "service"].map(|name| streams.numbered(name, number));
    let mut line = Line::new(1, None);
    let mut calendar = Calendar::new();
    let buyers = burst.buyers * scale;
    let mut came = 0.0;
    while came < buyers {
        came += 1.0;
        match line.handle_arrival(SimTime::ZERO, (), service.sample(&mut services)) {
            Arrival::Started(started) => calendar.enter(started.done_at, BurstEvent::Completion),
            Arrival::Waits(ticket) => {
                let deadline = SimTime::ZERO + patience.sample(&mut patiences);
                calendar.enter(deadline, BurstEvent::Deadline(ticket));
            }
            Arrival::Blocked => unreachable!("the line has no limit"),
        }
    }
    let (mut gave_up, mut empty_at) = (0_u64, SimTime::ZERO);
    while let Some((now, entry)) = calendar.next() {
        match entry {
            BurstEvent::Completion => {
                empty_at = now;
                if let Some(started) = line.handle_completion(now) {
                    calendar.enter(started.done_at, BurstEvent::Completion);
                }
            }
            BurstEvent::Deadline(ticket) => {
                gave_up += u64::from(line.handle_deadline(ticket).is_some());
            }
        }
    }
    [empty_at.as_secs_f64(), gave_up as f64 / came]
}
