//! The admission tick of a waiting room.

use tiketi_station::Gate;

use super::super::case::{Case, Experiment, Figure};
use super::super::formula;
use super::super::parameter::{Parameter, ParameterError, Range, Values, check_steady};
use super::super::queue::TRANSIENT_PART;
use tiketi_core::rng::Streams;
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;
use tiketi_station::calendar::Calendar;

/// Batch admission.
pub(super) static BATCH: Case = Case {
    name: "batch",
    title: "waiting room: a tick admits a batch (Spitzer)",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals per second", &[8.0]),
        Parameter::new(
            "period",
            "time between two ticks, in seconds",
            &[1.0],
            Range::Number {
                from: 0.001,
                to: 1e4,
            },
        ),
        Parameter::count("batch", "maximum admitted per tick", &[10.0], 100_000),
    ],
    prepare,
};

fn prepare(values: &Values) -> Result<Experiment, ParameterError> {
    let (arrival_rate, period) = (values.number("arrival-rate"), values.number("period"));
    let batch = values.count("batch");
    check_steady(arrival_rate, f64::from(batch) / period)?;
    let wait = formula::batch_wait(arrival_rate, period, batch);
    let figures = vec![Figure::mean("mean wait, s", wait)];
    Ok(Experiment::new(
        figures,
        200_000,
        move |streams, arrivals| vec![simulate(arrival_rate, period, batch, streams, arrivals)],
    ))
}

#[derive(Clone, Copy, Debug)]
enum BatchEvent {
    /// The arrival with this number.
    Arrival(u64),
    Tick,
}

/// Returns the mean wait of arrivals after the transient, in seconds.
fn simulate(arrival_rate: f64, period: f64, batch: u32, streams: Streams, arrivals: u64) -> f64 {
    let gap = Distribution::Exponential {
        mean: 1.0 / arrival_rate,
    };
    let period = Distribution::Constant { value: period };
    let mut gaps = streams.named("arrivals");
    let mut ticks = streams.named("ticks");
    let mut gate = Gate::new();
    let mut calendar = Calendar::new();
    calendar.enter(
        SimTime::ZERO + gap.sample(&mut gaps),
        BatchEvent::Arrival(0),
    );
    calendar.enter(SimTime::ZERO + period.sample(&mut ticks), BatchEvent::Tick);
    let (mut measured, mut waits, mut left) = (0_u64, 0_u128, arrivals);
    while let Some((now, entry)) = calendar.next() {
        match entry {
            BatchEvent::Arrival(number) => {
                gate.handle_arrival(now, number);
                left -= 1;
                if left > 0 {
                    calendar.enter(now + gap.sample(&mut gaps), BatchEvent::Arrival(number + 1));
                }
            }
            BatchEvent::Tick => {
                for (number, waited) in gate.handle_opening(now, batch as usize) {
                    if number >= arrivals / TRANSIENT_PART {
                        measured += 1;
                        waits += waited.as_nanos();
                    }
                }
                if left > 0 || gate.waiting() > 0 {
                    calendar.enter(now + period.sample(&mut ticks), BatchEvent::Tick);
                }
            }
        }
    }
    waits as f64 / measured as f64 / 1e9
}
