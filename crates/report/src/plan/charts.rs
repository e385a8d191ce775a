//! The charts of a search: what a crowd waits and costs, what set-ups cost and let wait, what breaks first.

use crate::chart::{Bar, Chart, Line, Mark};
use crate::words::money;
use tiketi_capacity::figures::Measure;
use tiketi_capacity::findings::{CheapestSetup, LargestCrowd, MissCount, mean_of};
use tiketi_cost::price_book::Currency;
use tiketi_verdict::figure::grouped;

use super::words;

/// Waiting time over the crowd.
pub(super) fn waiting(found: &LargestCrowd) -> Chart {
    let mut chart = over_crowds(
        found,
        "Waiting time over the crowd",
        &[
            ("median", Measure::WaitingP50),
            ("p(95)", Measure::WaitingP95),
        ],
    );
    chart.y_label = |seconds| words::value(Measure::WaitingP95, seconds, None);
    chart
}

/// Cost of one on-sale over the crowd.
pub(super) fn cost(found: &LargestCrowd) -> Chart {
    let mut chart = over_crowds(
        found,
        "Cost of one on-sale over the crowd",
        &[("cost of one on-sale", Measure::CostRun)],
    );
    chart.y_label = money_label(found.currency);
    chart
}

fn over_crowds(
    found: &LargestCrowd,
    title: &'static str,
    lines: &[(&'static str, Measure)],
) -> Chart {
    let line = |(name, measure): &(&'static str, Measure)| Line {
        name,
        points: found
            .steps
            .iter()
            .map(|step| (f64::from(step.crowd), mean_of(&step.means, *measure)))
            .collect(),
    };
    let mark = |at: u32, label: &str| Mark {
        at: f64::from(at),
        label: label.to_owned(),
    };
    let answer = found.crowd.map(|crowd| mark(crowd, "holds"));
    let breaks = found
        .breaks
        .as_ref()
        .map(|breaks| mark(breaks.crowd, "breaks"));
    Chart {
        title,
        lines: lines.iter().map(line).collect(),
        bands: Vec::new(),
        marks: answer.into_iter().chain(breaks).collect(),
        x_label: |buyers| words::number(buyers.max(0.0)),
        y_label: words::number,
    }
}

/// The frontier of cost against waiting time, and the set-ups that held beside it.
pub(super) fn frontier(found: &CheapestSetup) -> Chart {
    let point = |place: usize| {
        let setup = &found.setups[place];
        // Where nobody waits, nobody waits long.
        let waiting = mean_of(&setup.means, Measure::WaitingP95).unwrap_or(0.0);
        Some((setup.cost?, Some(waiting)))
    };
    let on = found
        .frontier
        .iter()
        .filter_map(|place| point(*place))
        .collect();
    let beside = (0..found.setups.len())
        .filter(|place| !found.frontier.contains(place))
        .filter(|place| found.setups[*place].held == found.setups[*place].runs);
    // Gaps between the points: they are no line.
    let beside = beside
        .filter_map(point)
        .flat_map(|(cost, waiting)| [(cost, waiting), (cost, None)]);
    let answer = found.cheapest.and_then(|place| found.setups[place].cost);
    Chart {
        title: "Waiting time, p(95), over cost",
        lines: vec![
            Line {
                name: "frontier: nothing is both cheaper and quicker",
                points: on,
            },
            Line {
                name: "other set-ups that held",
                points: beside.collect(),
            },
        ],
        bands: Vec::new(),
        marks: answer
            .map(|at| Mark {
                at,
                label: "the answer".to_owned(),
            })
            .into_iter()
            .collect(),
        x_label: money_label(found.currency),
        y_label: |seconds| words::value(Measure::WaitingP95, seconds, None),
    }
}

/// How many runs missed each objective, as bars.
pub(super) fn missed(counts: &[MissCount]) -> Vec<Bar> {
    let bars = counts.iter().map(|count| Bar {
        name: count.miss.what.clone(),
        value: f64::from(count.runs),
        label: format!(
            "{} missed {}",
            grouped(count.runs.into()),
            count.miss.wanted
        ),
    });
    bars.collect()
}

/// Labels are plain functions, so that one is chosen for each currency.
const fn money_label(currency: Option<Currency>) -> fn(f64) -> String {
    match currency {
        Some(Currency::Krw) => |amount| money(amount, Currency::Krw),
        Some(Currency::Usd) => |amount| money(amount, Currency::Usd),
        None => words::number,
    }
}
