//! A load that exceeds the capacity of the fleet until it has grown.

use tiketi_station::{Arrival, Line};

use super::super::case::{Case, Experiment, Figure};
use super::super::formula::Steps;
use super::super::parameter::{Parameter, ParameterError, Range, Values};
use super::{mean_of, scale};
use tiketi_core::rng::Streams;
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;
use tiketi_station::calendar::Calendar;

/// The fluid limit of scaling in steps.
pub(super) static STEPS: Case = Case {
    name: "fluid-steps",
    title: "fluid limit: a constant load on a fleet that grows in steps",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals per second", &[3_000.0]),
        Parameter::rate("service-rate", "jobs per second per instance", &[250.0]),
        Parameter::new(
            "instances",
            "instances at the start and after each step",
            &[4.0, 8.0, 16.0],
            Range::Whole { from: 1, to: 1_000 },
        )
        .list(),
        Parameter::seconds(
            "steps-at",
            "times of the steps, in seconds",
            &[180.0, 300.0],
        )
        .list(),
        scale(&[0.1]),
    ],
    prepare,
};

fn prepare(values: &Values) -> Result<Experiment, ParameterError> {
    let instances = values.list("instances");
    let steps_at = values.list("steps-at");
    let grows = instances.is_sorted_by(|a, b| a < b) && steps_at.is_sorted_by(|a, b| a < b);
    if !grows || instances.len() != steps_at.len() + 1 {
        return Err(ParameterError::Together(
            format!(
                "`instances` are {instances:?} with steps at {steps_at:?} (expected ascending values, and one more value of `instances`)"
            ),
            "for example --instances 4,8 --steps-at 180",
        ));
    }
    let starts = std::iter::once(0.0).chain(steps_at.iter().copied());
    let steps = Steps {
        arrival_rate: values.number("arrival-rate"),
        service_rate: values.number("service-rate"),
        fleet: starts.zip(instances.iter().copied()).collect(),
    };
    let scale = values.number("scale");
    let Some((peak, clear_at)) = steps.backlog_limits(scale) else {
        return Err(ParameterError::Together(
            format!(
                "{} arrivals/s on {:?} instances of {}/s each have no backlog that is cleared after the last step",
                steps.arrival_rate, instances, steps.service_rate
            ),
            "use more arrivals than the fleet can serve before the last step, and fewer than it can serve after it",
        ));
    };
    let figures = vec![
        Figure::limit("peak backlog", peak),
        Figure::limit("clear at, s", clear_at),
    ];
    Ok(Experiment::new(figures, 1, move |streams, runs| {
        mean_of(runs, |number| simulate(&steps, scale, streams, number))
    }))
}

#[derive(Clone, Copy, Debug)]
enum StepsEvent {
    Arrival,
    Completion,
    /// Adds this many instances.
    Step(f64),
}

/// Simulates one run; returns the largest backlog divided by `scale`, and when the queue is empty after the last step.
fn simulate(steps: &Steps, scale: f64, streams: Streams, number: u64) -> [f64; 2] {
    let gap = Distribution::Exponential {
        mean: 1.0 / (steps.arrival_rate * scale),
    };
    // The speed of the instances is scaled, because their number must stay whole.
    let service = Distribution::Constant {
        value: 1.0 / (steps.service_rate * scale),
    };
    let [mut arrivals, mut services] =
        ["arrivals", "service"].map(|name| streams.numbered(name, number));
    let mut line = Line::new(1, None);
    let mut calendar = Calendar::new();
    // A `Line` starts with one server.
    let mut before = 1.0;
    for &(at, instances) in &steps.fleet {
        let more = StepsEvent::Step(instances - before);
        calendar.enter(SimTime::from_secs_f64(at), more);
        before = instances;
    }
    calendar.enter(SimTime::ZERO, StepsEvent::Arrival);
    let mut steps_left = steps.fleet.len();
    let mut peak = 0;
    loop {
        let (now, entry) = calendar.next().expect("arrivals never end");
        match entry {
            StepsEvent::Arrival => {
                let service_time = service.sample(&mut services);
                if let Arrival::Started(started) = line.handle_arrival(now, (), service_time) {
                    calendar.enter(started.done_at, StepsEvent::Completion);
                }
                calendar.enter(now + gap.sample(&mut arrivals), StepsEvent::Arrival);
            }
            StepsEvent::Completion => {
                if let Some(started) = line.handle_completion(now) {
                    calendar.enter(started.done_at, StepsEvent::Completion);
                }
            }
            StepsEvent::Step(instances) => {
                steps_left -= 1;
                let mut more = instances;
                while more > 0.0 {
                    more -= 1.0;
                    if let Some(started) = line.add_server(now) {
                        calendar.enter(started.done_at, StepsEvent::Completion);
                    }
                }
            }
        }
        peak = peak.max(line.waiting());
        if steps_left == 0 && line.waiting() == 0 {
            return [peak as f64 / scale, now.as_secs_f64()];
        }
    }
}
