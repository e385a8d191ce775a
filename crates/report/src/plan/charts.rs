//! The charts of a search: waiting time and cost by audience, and the frontier of cost and waiting time.

use tiketi_capacity::figures::Measure;
use tiketi_capacity::findings::{CheapestSetup, LargestCrowd, mean_of};

use super::wording;
use crate::chart::{Axis, Chart, ChartMark, ChartSeries, SeriesStyle};
use crate::number::NumberKind;

/// Waiting time by audience.
pub(super) fn waiting(found: &LargestCrowd) -> Chart {
    by_audience(
        found,
        "Waiting time by number of buyers",
        &[
            ("median", Measure::WaitingP50),
            ("p(95)", Measure::WaitingP95),
        ],
    )
}

/// Cost of one sale by audience.
pub(super) fn cost(found: &LargestCrowd) -> Chart {
    by_audience(
        found,
        "Cost of one sale by number of buyers",
        &[("cost of one sale", Measure::CostRun)],
    )
}

fn by_audience(found: &LargestCrowd, title: &str, lines: &[(&str, Measure)]) -> Chart {
    let series = lines.iter().map(|(name, measure)| {
        let points = found.steps.iter().map(|step| {
            let mean = mean_of(&step.means, *measure);
            (f64::from(step.crowd), mean)
        });
        ChartSeries::line(*name, points.collect())
    });
    let mark = |at: u32, label: &str| ChartMark {
        at: f64::from(at),
        label: label.to_owned(),
    };
    let answer = found.crowd.map(|crowd| mark(crowd, "passes"));
    let breaks = found.breaks.as_ref();
    let breaks = breaks.map(|breaks| mark(breaks.crowd, "fails"));
    let (_, measure) = lines[0];
    Chart {
        title: title.to_owned(),
        x: Axis::linear(NumberKind::Count),
        y: Axis::linear(wording::kind(measure, found.currency)),
        series: series.collect(),
        bands: Vec::new(),
        marks: answer.into_iter().chain(breaks).collect(),
    }
}

/// The frontier of cost against waiting time, and the other configurations that passed.
pub(super) fn frontier(found: &CheapestSetup) -> Chart {
    let point = |place: usize| {
        let setup = &found.setups[place];
        // Where nobody waits, nobody waits long.
        let waiting = mean_of(&setup.means, Measure::WaitingP95).unwrap_or(0.0);
        // A lower bound has no place on an axis of costs.
        Some((setup.cost.as_ref()?.exact()?, Some(waiting)))
    };
    let on = found.frontier.iter();
    let on = on.filter_map(|place| point(*place)).collect();
    let others = (0..found.setups.len())
        .filter(|place| !found.frontier.contains(place))
        .filter(|place| found.setups[*place].held == found.setups[*place].runs);
    let others = others.filter_map(point).collect();
    let answer = found
        .cheapest
        .and_then(|place| found.setups[place].cost.as_ref()?.exact());
    Chart {
        title: "Waiting time p(95) by cost".to_owned(),
        x: Axis::linear(wording::kind(Measure::CostMonth, found.currency)),
        y: Axis::linear(NumberKind::Duration),
        series: vec![
            ChartSeries::line("frontier: nothing is both cheaper and faster", on),
            ChartSeries::line("other configurations that passed", others)
                .styled(SeriesStyle::Points),
        ],
        bands: Vec::new(),
        marks: answer
            .map(|at| ChartMark {
                at,
                label: "the answer".to_owned(),
            })
            .into_iter()
            .collect(),
    }
}
