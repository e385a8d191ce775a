//! Charts of two runs: the same thing in both, two lines.

use crate::chart::{Chart, Line};
use crate::figures::{from_logarithm, level, logarithm, over_time, thinned};
use tiketi_cloud::notice::InstanceState;
use tiketi_measure::Measurements;
use tiketi_measure::gauges::Gauges;
use tiketi_measure::histogram::CoarseHistogram;

/// The charts of one pair.
pub(super) fn charts(runs: [&Measurements; 2], titles: [&'static str; 2]) -> Vec<Chart> {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let waiting = |gauges: &Gauges| gauges.waiting.map(|count| count as f64);
    let healthy = |gauges: &Gauges| Some(f64::from(gauges.instances_in(&[InstanceState::Healthy])));
    let of_both = |title, line: &dyn Fn(&Measurements, &'static str) -> Line| {
        let lines = (0..2).map(|side| line(runs[side], titles[side]));
        over_time(runs[0], title, lines.collect())
    };
    vec![
        of_both("Buyers waiting over time", &|run, title| {
            level(run, title, waiting)
        }),
        logarithmic(of_both("Response time p(50) over time", &|run, title| {
            response(run, title, 50.0)
        })),
        logarithmic(of_both("Response time p(95) over time", &|run, title| {
            response(run, title, 95.0)
        })),
        of_both("Healthy instances over time", &|run, title| {
            level(run, title, healthy)
        }),
    ]
}

fn response(run: &Measurements, name: &'static str, percent: f64) -> Line {
    Line {
        name,
        points: thinned(run, |ticks| {
            let mut together = CoarseHistogram::default();
            for tick in &run.series.ticks()[ticks] {
                together.merge(&tick.response);
            }
            together.percentile(percent).map(logarithm)
        }),
    }
}

fn logarithmic(mut chart: Chart) -> Chart {
    chart.y_label = from_logarithm;
    chart
}
