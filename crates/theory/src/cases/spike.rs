//! A spike that decays while it is drained at a constant rate.

use std::time::Duration;

use tiketi_station::Fifo;

use super::super::arrivals::next_arrival;
use super::super::case::{Case, Experiment, Figure};
use super::super::formula::{Births, Spike};
use super::super::parameter::{Parameter, Problem, Values};
use super::{mean_of, scale};
use tiketi_core::rng::Streams;
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;
use tiketi_station::calendar::Calendar;

/// The fluid limit of a spike.
pub(super) static SPIKE: Case = Case {
    name: "fluid-spike",
    title: "fluid limit: a spike base + extra e^(-t/decay), drained at a constant rate",
    parameters: &[
        Parameter::rate("base-rate", "arrivals a second in the end", &[100.0]),
        Parameter::rate(
            "extra-rate",
            "arrivals a second more at the start",
            &[5_000.0],
        ),
        Parameter::seconds("decay", "time constant, seconds", &[60.0]),
        Parameter::rate("drain-rate", "drained a second", &[1_000.0]),
        scale(&[3.0]),
    ],
    prepare,
};

fn prepare(values: &Values) -> Result<Experiment, Problem> {
    let spike = Spike {
        births: Births {
            base: values.number("base-rate"),
            extra: values.number("extra-rate"),
            tau: values.number("decay"),
        },
        drain: values.number("drain-rate"),
    };
    let Births { base, extra, .. } = spike.births;
    if spike.drain <= base || spike.drain >= base + extra {
        return Err(Problem::Together(
            format!(
                "`drain-rate` is {} (legal: between the base rate {base} and the first rate {})",
                spike.drain,
                base + extra
            ),
            "below the base the queue never ends, above the first rate it never forms",
        ));
    }
    let figures = vec![
        Figure::mean("peak of the queue at, s", spike.peak_at()),
        Figure::mean("waiting at the peak", spike.waiting_at(spike.peak_at())),
        Figure::mean("longest wait, s", spike.longest_wait()),
        Figure::mean("clear at, s", spike.clear_at()),
    ];
    let scale = values.number("scale");
    Ok(Experiment::new(figures, 1, move |streams, spikes| {
        mean_of(spikes, |number| simulate(spike, scale, streams, number))
    }))
}

/// One spike, `scale` times as large: when most wait, how many by scale, the longest wait, and when nobody waits any more.
fn simulate(spike: Spike, scale: f64, streams: Streams, number: u64) -> [f64; 4] {
    let births = Births {
        base: spike.births.base * scale,
        extra: spike.births.extra * scale,
        ..spike.births
    };
    let drain = spike.drain * scale;
    let [mut arrivals, mut services] =
        ["arrivals", "service"].map(|name| streams.numbered(name, number));
    let service = Distribution::Constant { value: 1.0 / drain };
    let mut server = Fifo::new(1);
    let mut calendar = Calendar::new();
    let (mut peak_at, mut longest) = (SimTime::ZERO, Duration::ZERO);
    calendar.enter(SimTime::ZERO, ());
    while let Some((now, ())) = calendar.next() {
        let wait = server.backlog(now);
        if wait > longest {
            (peak_at, longest) = (now, wait);
        }
        if wait.is_zero() && now.as_secs_f64() > spike.peak_at() {
            break;
        }
        server.book(now, service.sample(&mut services));
        let next = next_arrival(births, now, &mut arrivals);
        calendar.enter(next, ());
    }
    // Service always takes as long, so the backlog in seconds is the number that waits.
    let waiting = longest.as_secs_f64() * drain / scale;
    let clear_at = server.book(SimTime::ZERO, Duration::ZERO);
    [
        peak_at.as_secs_f64(),
        waiting,
        longest.as_secs_f64(),
        clear_at.as_secs_f64(),
    ]
}
