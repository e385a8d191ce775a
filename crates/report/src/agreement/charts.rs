//! Charts of two runs: the same metric of both in one chart.

use tiketi_cloud::notice::InstanceState;
use tiketi_measure::Measurements;
use tiketi_measure::gauges::Gauges;

use crate::chart::{Axis, Chart, ChartGroup, ChartSeries};
use crate::number::{NumberKind, as_f64};
use crate::run::{level, over_time, response};

/// The charts of one pair.
pub(super) fn charts(runs: [&Measurements; 2], titles: [&str; 2]) -> ChartGroup {
    let waiting = |gauges: &Gauges| gauges.waiting.map(as_f64);
    let healthy = |gauges: &Gauges| Some(f64::from(gauges.instances_in(&[InstanceState::Healthy])));
    let of_both = |title, axis, line: &dyn Fn(&Measurements, &str) -> ChartSeries| -> Chart {
        let series = (0..2).map(|side| line(runs[side], titles[side]));
        let mut chart = over_time(runs[0], title, axis, series.collect());
        let ends = runs.map(|run| run.ending.ended_at.as_secs_f64());
        chart.x = chart.x.until(ends[0].max(ends[1]));
        chart
    };
    let counts = Axis::linear(NumberKind::Count);
    ChartGroup::stacked(vec![
        of_both("Buyers waiting", counts, &|run, title| {
            level(run, title, waiting)
        }),
        of_both("Response time p(50)", Axis::latency(), &|run, title| {
            response(run, title, 50.0)
        }),
        of_both("Response time p(95)", Axis::latency(), &|run, title| {
            response(run, title, 95.0)
        }),
        of_both("Healthy instances", counts, &|run, title| {
            level(run, title, healthy)
        }),
    ])
}
