//! Which charts a report has, drawn from the series.

use std::time::Duration;

use super::chart::{Band, Chart, Line, Mark};
use super::words;
use tiketi_cloud::notice::{AlarmState, InstanceState, What};
use tiketi_core::units::SimTime;
use tiketi_measure::Measurements;
use tiketi_measure::gauges::Gauges;
use tiketi_measure::histogram::{CoarseHistogram, Histogram};
use tiketi_measure::series::Tick;
use tiketi_verdict::figure::{grouped, in_words};

/// Points a line has at most; more cannot be told apart on a page.
const POINTS_MAX: usize = 300;

/// How long a level is taken to stand after its last reading, in seconds: at a high speed not every second has one.
const READING_HOLDS_SECS: u64 = 10;

/// Buyers in the queue, with faults and alarms.
pub(super) fn queue(run: &Measurements) -> Chart {
    let waiting = |gauges: &Gauges| gauges.waiting.map(count);
    let active = |gauges: &Gauges| gauges.active.map(count);
    over_time(
        run,
        "Buyers waiting and active over time",
        vec![
            level(run, "waiting in the queue", waiting),
            level(run, "on an active place", active),
        ],
    )
}

/// Instances by state, with faults and alarms.
pub(super) fn instances(run: &Measurements) -> Chart {
    let desired = |gauges: &Gauges| Some(f64::from(gauges.desired_instances));
    let healthy = |gauges: &Gauges| Some(f64::from(gauges.instances_in(&[InstanceState::Healthy])));
    let starting = |gauges: &Gauges| {
        let states = [InstanceState::Pending, InstanceState::InService];
        Some(f64::from(gauges.instances_in(&states)))
    };
    let ailing = |gauges: &Gauges| {
        let states = [InstanceState::Unhealthy, InstanceState::Draining];
        Some(f64::from(gauges.instances_in(&states)))
    };
    over_time(
        run,
        "Instances over time",
        vec![
            level(run, "desired", desired),
            level(run, "starting", starting),
            level(run, "unhealthy or draining", ailing),
            level(run, "healthy", healthy),
        ],
    )
}

/// Calls a second by what came of them.
pub(super) fn throughput(run: &Measurements) -> Chart {
    over_time(
        run,
        "Calls a second over time",
        vec![
            rate(run, "due", |tick| tick.calls_due),
            rate(run, "failed", |tick| tick.calls_failed),
            rate(run, "useful", Tick::calls_useful),
        ],
    )
}

/// Sockets and buyers on their way.
pub(super) fn sockets(run: &Measurements) -> Chart {
    let levels = |name, levels: Vec<u64>| Line {
        name,
        points: thinned(run, |ticks| levels.get(ticks.end - 1).copied().map(count)),
    };
    over_time(
        run,
        "Sockets and buyers over time",
        vec![
            levels("sockets connected", run.series.sockets()),
            levels("buyers on their way", run.series.buyers()),
        ],
    )
}

/// Response time over time.
pub(super) fn latency(run: &Measurements) -> Chart {
    let line = |name, percent: f64| Line {
        name,
        points: thinned(run, |ticks| {
            let mut together = CoarseHistogram::default();
            for tick in &run.series.ticks()[ticks] {
                together.merge(&tick.response);
            }
            together.percentile(percent).map(logarithm)
        }),
    };
    let mut chart = over_time(
        run,
        "Response time over time",
        vec![
            line("p(50)", 50.0),
            line("p(95)", 95.0),
            line("p(99)", 99.0),
        ],
    );
    chart.y_label = from_logarithm;
    chart
}

/// Response and service time by percentile; the axis widens the tail, as a logarithm of what lies above.
pub(super) fn percentiles(run: &Measurements) -> Chart {
    let all = run.tally.operation(None);
    Chart {
        title: "Response and service time by percentile",
        lines: vec![
            percentile_line("response time", &all.response_time),
            percentile_line("service time", &all.service_time),
        ],
        bands: Vec::new(),
        marks: Vec::new(),
        x_label: |nines| {
            if (nines - nines.round()).abs() > 1e-6 {
                return String::new();
            }
            let percent = 100.0 * (1.0 - 10_f64.powf(-nines));
            let shown = format!("{percent:.3}");
            format!("{}%", shown.trim_end_matches('0').trim_end_matches('.'))
        },
        y_label: from_logarithm,
    }
}

fn percentile_line(name: &'static str, histogram: &Histogram) -> Line {
    // 99.99 % of fewer than ten thousand samples is the maximum again and again.
    let nines = count(histogram.count()).log10().clamp(1.0, 5.0);
    let point = |step: u32| {
        let x = nines * f64::from(step) / 120.0;
        let percent = 100.0 * (1.0 - 10_f64.powf(-x));
        (x, histogram.percentile(percent).map(logarithm))
    };
    Line {
        name,
        points: (0..=120).map(point).collect(),
    }
}

/// Lines over time, with the faults and alarms of a run.
pub(super) fn over_time(run: &Measurements, title: &'static str, lines: Vec<Line>) -> Chart {
    Chart {
        title,
        lines,
        bands: bands(run),
        marks: marks(run),
        x_label: |minutes| {
            let length = Duration::try_from_secs_f64((minutes * 60.0).round().max(0.0));
            let whole = length.map_or(0, |length| length.as_secs());
            format!("{}:{:02}", whole / 60, whole % 60)
        },
        y_label: |value| {
            // Axis values are never negative; the cast saturates.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a label of an axis"
            )]
            let whole = value.round() as u64;
            if (value - count(whole)).abs() < 1e-9 || value >= 10.0 {
                grouped(whole)
            } else {
                format!("{value:.1}")
            }
        },
    }
}

/// Where a length stands on the axis: latency is read by factors, and an outage must not flatten all the rest.
pub(super) fn logarithm(length: Duration) -> f64 {
    (length.as_secs_f64() * 1e3).max(1.0).log10()
}

/// What stands at a place of that axis.
pub(super) fn from_logarithm(value: f64) -> String {
    let length = Duration::try_from_secs_f64(10_f64.powf(value) / 1e3);
    let length = length.unwrap_or(Duration::MAX);
    let whole = length.as_micros().is_multiple_of(1_000);
    match (length.as_secs(), whole) {
        (0, true) => format!("{}ms", length.as_millis()),
        (1.., true) if length.subsec_millis() == 0 => format!("{}s", length.as_secs()),
        _ => in_words(length),
    }
}

/// Minutes, so that the axis is divided where people expect it.
fn minutes(at: SimTime) -> f64 {
    at.as_secs_f64() / 60.0
}

/// Each fault from its strike to its healing, or to the end; what is momentary has a mark and no band.
fn bands(run: &Measurements) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    let mut open = Vec::new();
    for notice in &run.timeline {
        let at = minutes(notice.at);
        match &notice.what {
            What::FaultStruck { action, zone, part } => {
                let until = if action.is_momentary() {
                    at
                } else {
                    minutes(run.ending.ended_at)
                };
                bands.push(Band { from: at, until });
                open.push((action, *zone, *part));
            }
            What::FaultHealed { action, zone, part } => {
                let fault = (action, *zone, *part);
                let last = open.iter().rposition(|other| *other == fault);
                if let Some(last) = last {
                    bands[last].until = at;
                }
            }
            _ => {}
        }
    }
    bands
}

fn marks(run: &Measurements) -> Vec<Mark> {
    let label = |what: &What| match what {
        What::FaultStruck { .. } => Some(words::struck_short(what, &run.plan.topology)),
        What::FaultHealed { .. } => Some("healed".to_owned()),
        What::Alarm {
            policy,
            state: AlarmState::Alarm,
            ..
        } => Some(format!("alarm {policy}")),
        What::Scaled { from, to, .. } => Some(format!("{from} → {to}")),
        _ => None,
    };
    let marks = run.timeline.iter().filter_map(|notice| {
        label(&notice.what).map(|label| Mark {
            at: minutes(notice.at),
            label,
        })
    });
    let mut merged: Vec<Mark> = Vec::new();
    for mark in marks {
        // An alarm and the action it causes are one instant.
        match merged.last_mut() {
            Some(last) if mark.at - last.at < 1.0 / 60.0 => {
                last.label = format!("{}, {}", last.label, mark.label);
            }
            _ => merged.push(mark),
        }
    }
    merged
}

/// A level as it was read.
pub(super) fn level(
    run: &Measurements,
    name: &'static str,
    of: impl Fn(&Gauges) -> Option<f64>,
) -> Line {
    Line {
        name,
        points: thinned(run, |ticks| {
            let carried = READING_HOLDS_SECS.div_ceil(run.series.width_secs());
            let carried = usize::try_from(carried).unwrap_or(usize::MAX);
            let from = ticks.start.min(ticks.end.saturating_sub(carried));
            let mut readings = run.series.ticks()[from..ticks.end].iter().rev();
            readings.find_map(|tick| tick.gauges.as_ref()).and_then(&of)
        }),
    }
}

fn rate(run: &Measurements, name: &'static str, of: impl Fn(&Tick) -> u64) -> Line {
    Line {
        name,
        points: thinned(run, |ticks| {
            let length = run.series.width_secs() * ticks.len() as u64;
            let sum: u64 = run.series.ticks()[ticks].iter().map(&of).sum();
            Some(count(sum) / count(length))
        }),
    }
}

/// One point for each group of ticks.
pub(super) fn thinned(
    run: &Measurements,
    value: impl Fn(std::ops::Range<usize>) -> Option<f64>,
) -> Vec<(f64, Option<f64>)> {
    let ticks = run.series.ticks().len();
    let group = ticks.div_ceil(POINTS_MAX).max(1);
    let starts = (0..ticks).step_by(group);
    let point = |start: usize| {
        let range = start..(start + group).min(ticks);
        let start = SimTime::from_secs(run.series.start_secs(start));
        (minutes(start), value(range))
    };
    starts.map(point).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn count(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::{Assembly, example};

    #[test]
    fn a_level_that_is_read_every_other_second_is_one_line() {
        let whole = example::run();
        let mut assembly = Assembly::new(example::plan());
        let readings = whole
            .series
            .ticks()
            .iter()
            .filter_map(|tick| tick.gauges.clone());
        for gauges in readings.step_by(2) {
            assembly.handle_gauges(gauges);
        }
        let run = assembly.finish(example::ending());
        let waiting = &queue(&run).lines[0];
        let known = |from: f64, until: f64| {
            let mut within = waiting
                .points
                .iter()
                .filter(|(at, _)| (from..until).contains(at));
            within.all(|(_, value)| value.is_some())
        };
        assert!(known(0.0, 4.0));
        assert!(!known(4.0, 4.5), "Redis could not be read: that is a gap");
    }
}
