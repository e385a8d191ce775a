//! A spike of arrivals that decays, served at a constant rate.

use std::time::Duration;

use tiketi_station::Fifo;

use super::super::arrivals::next_arrival;
use super::super::case::{Case, Experiment, Figure};
use super::super::formula::{Births, Spike};
use super::super::parameter::{Parameter, ParameterError, Values};
use super::{mean_of, scale};
use tiketi_core::rng::Streams;
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;
use tiketi_station::calendar::Calendar;

/// The fluid limit of a spike.
pub(super) static SPIKE: Case = Case {
    name: "fluid-spike",
    title: "fluid limit: a spike base + extra e^(-t/decay), served at a constant rate",
    parameters: &[
        Parameter::rate("base-rate", "final arrivals per second", &[100.0]),
        Parameter::rate(
            "extra-rate",
            "additional arrivals per second at the start",
            &[5_000.0],
        ),
        Parameter::seconds("decay", "time constant, in seconds", &[60.0]),
        Parameter::rate("drain-rate", "service rate, per second", &[1_000.0]),
        scale(&[3.0]),
    ],
    prepare,
};

fn prepare(values: &Values) -> Result<Experiment, ParameterError> {
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
        return Err(ParameterError::Together(
            format!(
                "`drain-rate` is {} (expected between the final rate {base} and the initial rate {})",
                spike.drain,
                base + extra
            ),
            "below the final rate the queue never ends, above the initial rate it never forms",
        ));
    }
    let scale = values.number("scale");
    let figures = vec![
        Figure::limit("time of the peak, s", spike.peak_at_limit(scale)),
        Figure::limit("queue at the peak", spike.peak_limit(scale)),
        Figure::limit("longest wait, s", spike.longest_wait_limit(scale)),
        Figure::limit("clear at, s", spike.clear_at_limit(scale)),
    ];
    Ok(Experiment::new(figures, 1, move |streams, spikes| {
        mean_of(spikes, |number| simulate(spike, scale, streams, number))
    }))
}

/// Simulates a spike at `scale`; returns the time of the peak, the queue at the peak divided by `scale`, the longest wait, and
/// when the queue is empty.
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
    // The service time is constant, so the backlog in seconds gives the queue length.
    let waiting = longest.as_secs_f64() * drain / scale;
    let clear_at = server.book(SimTime::ZERO, Duration::ZERO);
    [
        peak_at.as_secs_f64(),
        waiting,
        longest.as_secs_f64(),
        clear_at.as_secs_f64(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shallow spike, whose peak is well above its limit.
    const SHALLOW: Spike = Spike {
        births: Births {
            base: 100.0,
            extra: 1_100.0,
            tau: 60.0,
        },
        drain: 1_000.0,
    };

    #[test]
    fn the_peak_is_above_its_limit_by_the_bias() {
        const RUNS: u64 = 150;
        let peaks = (0..RUNS).map(|number| simulate(SHALLOW, 1.0, Streams::new(1), number)[1]);
        let peaks: Vec<f64> = peaks.collect();
        let mean = peaks.iter().sum::<f64>() / RUNS as f64;
        let squares: f64 = peaks.iter().map(|peak| (peak - mean).powi(2)).sum();
        let error = (squares / (RUNS as f64 - 1.0) / RUNS as f64).sqrt();
        let limit = SHALLOW.peak_limit(1.0);
        let off = mean - limit.value - limit.bias;
        assert!(
            off.abs() < limit.within + 3.0 * error,
            "{mean} ± {error}, {limit:?}"
        );
        // Without the bias, the limit is refuted.
        assert!(
            mean - limit.value > 3.0 * error,
            "{mean} ± {error}, {limit:?}"
        );
    }

    #[test]
    fn the_bias_shrinks_faster_than_the_noise_of_a_run() {
        let [small, large] = [1.0, 8.0].map(|scale| SHALLOW.peak_limit(scale).bias);
        assert!((small / large - 4.0).abs() < 1e-9, "{small} and {large}");
    }
}
