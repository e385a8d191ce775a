//! The charts of a run.

use std::time::Duration;

use tiketi_cloud::notice::{AlarmState, InstanceState, What};
use tiketi_core::units::SimTime;
use tiketi_measure::Measurements;
use tiketi_measure::gauges::Gauges;
use tiketi_measure::histogram::{Histogram, SparseHistogram};
use tiketi_measure::series::Tick;
use tiketi_scenario::observe::Level;

use super::{events, observed};
use crate::chart::{Axis, AxisScale, Chart, ChartBand, ChartGroup, ChartMark, ChartSeries};
use crate::number::{NumberKind, as_f64};
use crate::wording::capitalized;

/// Points a line has at most; more cannot be told apart on a page.
const POINTS_MAX: usize = 300;
/// How long a reading is carried forward, in seconds: at a high speed not every second has one.
const READING_HOLDS_SECS: u64 = 10;
/// Points of a line over percentiles.
const PERCENTILE_STEPS: u32 = 120;

/// What happened over time.
pub(super) fn of_run(run: &Measurements) -> ChartGroup {
    let seen_by_buyers = [throughput(run), connections(run), latency(run)];
    // A target shows neither its queue nor its fleet, unless a metrics server is asked for them.
    let is_watched = run.ending.target.is_none() || !run.ending.observed.is_empty();
    let mut charts = Vec::new();
    if is_watched {
        charts.extend([queue(run), instances(run)]);
        charts.extend(observed_shares(run));
    }
    charts.extend(seen_by_buyers);
    ChartGroup::stacked(charts).with_note(
        "Shaded area: fault in progress. Vertical lines: alarms, scaling actions, fault start and end.",
    )
}

fn queue(run: &Measurements) -> Chart {
    let waiting = |gauges: &Gauges| gauges.waiting.map(as_f64);
    let active = |gauges: &Gauges| gauges.active.map(as_f64);
    let mut series = vec![
        level(run, "waiting in the queue", waiting),
        level(run, "admitted (shopping)", active),
    ];
    series.extend(observed::series(run, Level::QueueLength));
    over_time(run, "Buyers", Axis::linear(NumberKind::Count), series)
}

fn instances(run: &Measurements) -> Chart {
    let desired = |gauges: &Gauges| Some(f64::from(gauges.desired_instances));
    let in_states = |states: &'static [InstanceState]| {
        move |gauges: &Gauges| Some(f64::from(gauges.instances_in(states)))
    };
    let starting = in_states(&[InstanceState::Pending, InstanceState::InService]);
    let ailing = in_states(&[InstanceState::Unhealthy, InstanceState::Draining]);
    let healthy = in_states(&[InstanceState::Healthy]);
    let mut series = vec![
        level(run, "desired", desired),
        level(run, "starting", starting),
        level(run, "unhealthy or draining", ailing),
        level(run, "healthy", healthy),
    ];
    series.extend(observed::series(run, Level::Instances));
    over_time(run, "Instances", Axis::linear(NumberKind::Count), series)
}

/// What a metrics server knows of the use of a target's parts; `None` if it was not asked.
fn observed_shares(run: &Measurements) -> Option<Chart> {
    let levels = [Level::Cpu, Level::CacheHits];
    let series: Vec<_> = levels
        .into_iter()
        .filter_map(|level| observed::series(run, level))
        .collect();
    let axis = Axis::linear(NumberKind::Share);
    (!series.is_empty()).then(|| over_time(run, "CPU and cache", axis, series))
}

fn throughput(run: &Measurements) -> Chart {
    let series = vec![
        rate(run, "due", |tick| tick.calls_due),
        rate(run, "failed", |tick| tick.calls_failed),
        rate(run, "successful", Tick::calls_useful),
    ];
    let axis = Axis::linear(NumberKind::Decimal);
    over_time(run, "Requests per second", axis, series)
}

fn connections(run: &Measurements) -> Chart {
    let levels = |name: &str, levels: Vec<u64>| {
        let at_end = |ticks: std::ops::Range<usize>| levels.get(ticks.end - 1).copied();
        ChartSeries::line(name, thinned(run, |ticks| at_end(ticks).map(as_f64)))
    };
    let series = vec![
        levels("open connections", run.series.sockets()),
        levels("buyers in progress", run.series.buyers()),
    ];
    let axis = Axis::linear(NumberKind::Count);
    over_time(run, "Connections and buyers", axis, series)
}

fn latency(run: &Measurements) -> Chart {
    let series = [50.0, 95.0, 99.0].map(|percent| response(run, &format!("p({percent})"), percent));
    over_time(run, "Response time", Axis::latency(), series.to_vec())
}

/// A percentile of the response time over time.
pub(crate) fn response(run: &Measurements, name: &str, percent: f64) -> ChartSeries {
    let points = thinned(run, |ticks| {
        let mut together = SparseHistogram::default();
        for tick in &run.series.ticks()[ticks] {
            together.merge(&tick.response);
        }
        let length = together.percentile(percent);
        length.map(|length| length.as_secs_f64())
    });
    ChartSeries::line(name, points)
}

/// Response and service time by percentile; the axis widens the tail.
pub(super) fn percentiles(run: &Measurements) -> Chart {
    let all = run.tally.operation(None);
    Chart {
        title: "Response and service time by percentile".to_owned(),
        x: Axis {
            unit: NumberKind::Share,
            scale: AxisScale::Nines,
            end: None,
        },
        y: Axis::latency(),
        series: vec![
            by_percentile("response time", &all.response_time),
            by_percentile("service time", &all.service_time),
        ],
        bands: Vec::new(),
        marks: Vec::new(),
    }
}

fn by_percentile(name: &str, histogram: &Histogram) -> ChartSeries {
    // Of fewer than ten thousand samples, everything from 99.99 % on is the maximum.
    let nines = as_f64(histogram.count()).log10().clamp(1.0, 5.0);
    let point = |step: u32| {
        let nines = nines * f64::from(step) / f64::from(PERCENTILE_STEPS);
        let share = 1.0 - 10_f64.powf(-nines);
        let length = histogram.percentile(100.0 * share);
        (share, length.map(|length| length.as_secs_f64()))
    };
    ChartSeries::line(name, (0..=PERCENTILE_STEPS).map(point).collect())
}

/// Lines over time, with the faults and alarms of a run.
pub(crate) fn over_time(
    run: &Measurements,
    title: &str,
    y: Axis,
    series: Vec<ChartSeries>,
) -> Chart {
    Chart {
        title: title.to_owned(),
        x: Axis::linear(NumberKind::Clock).until(run.ending.ended_at.as_secs_f64()),
        y,
        series,
        bands: bands(run),
        marks: marks(run),
    }
}

/// Each fault from its start to its end, or to the end of the run; a momentary fault and a remedy have a mark and no band.
fn bands(run: &Measurements) -> Vec<ChartBand> {
    let mut bands: Vec<ChartBand> = Vec::new();
    let mut open = Vec::new();
    for notice in &run.timeline {
        let at = notice.at.as_secs_f64();
        match &notice.what {
            What::FaultStruck { action, .. } if action.is_remedy() => {}
            What::FaultStruck {
                action,
                zone,
                part,
                name,
            } => {
                let until = if action.is_momentary() {
                    at
                } else {
                    run.ending.ended_at.as_secs_f64()
                };
                bands.push(ChartBand { from: at, until });
                open.push((action, *zone, *part, name));
            }
            What::FaultHealed {
                action,
                zone,
                part,
                name,
            } => {
                let fault = (action, *zone, *part, name);
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

fn marks(run: &Measurements) -> Vec<ChartMark> {
    let label = |what: &What| match what {
        What::FaultStruck { .. }
        | What::FaultHealed { .. }
        | What::RefreshStarted { .. }
        | What::RefreshEnded { .. } => Some(events::event(what, &run.plan)),
        What::Alarm {
            policy,
            state: AlarmState::Alarm,
            ..
        } => Some(format!("alarm {policy}")),
        What::Scaled { from, to, .. } => Some(format!("{from} → {to}")),
        _ => None,
    };
    let mut marks: Vec<ChartMark> = Vec::new();
    for notice in &run.timeline {
        let Some(label) = label(&notice.what) else {
            continue;
        };
        let at = notice.at.as_secs_f64();
        match marks.last_mut() {
            // An alarm and the action it causes are one instant.
            Some(last) if at - last.at < 1.0 => last.label = format!("{}, {label}", last.label),
            _ => marks.push(ChartMark {
                at,
                label: capitalized(&label),
            }),
        }
    }
    marks
}

/// A level as it was read.
pub(crate) fn level(
    run: &Measurements,
    name: &str,
    of: impl Fn(&Gauges) -> Option<f64>,
) -> ChartSeries {
    let points = thinned(run, |ticks| {
        let carried = READING_HOLDS_SECS.div_ceil(run.series.width_secs());
        let carried = usize::try_from(carried).unwrap_or(usize::MAX);
        let from = ticks.start.min(ticks.end.saturating_sub(carried));
        let mut readings = run.series.ticks()[from..ticks.end].iter().rev();
        readings.find_map(|tick| tick.gauges.as_ref()).and_then(&of)
    });
    ChartSeries::line(name, points)
}

fn rate(run: &Measurements, name: &str, of: impl Fn(&Tick) -> u64) -> ChartSeries {
    let points = thinned(run, |ticks| {
        let length: Duration = ticks.clone().map(|tick| run.tick_length(tick)).sum();
        let sum: u64 = run.series.ticks()[ticks].iter().map(&of).sum();
        (!length.is_zero()).then(|| as_f64(sum) / length.as_secs_f64())
    });
    ChartSeries::line(name, points)
}

/// One point per group of ticks.
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
        (start.as_secs_f64(), value(range))
    };
    starts.map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::{Assembly, example};

    #[test]
    fn readings_every_other_second_make_one_line() {
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
        let waiting = &queue(&run).series[0];
        let known = |from: f64, until: f64| {
            let mut within = waiting
                .points
                .iter()
                .filter(|(at, _)| (from..until).contains(at));
            within.all(|(_, value)| value.is_some())
        };
        assert!(known(0.0, 240.0));
        assert!(!known(240.0, 270.0), "Redis could not be read: a gap");
    }

    #[test]
    fn a_fault_is_a_band_from_its_start_to_its_end() {
        let bands = bands(&example::run());
        assert_eq!(bands.len(), 1);
        assert!((bands[0].from - 240.0).abs() < 1e-9 && (bands[0].until - 480.0).abs() < 1e-9);
    }
}
