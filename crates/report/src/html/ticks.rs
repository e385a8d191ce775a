//! Where an axis begins and ends, and which of its values are labeled.

use crate::chart::{Axis, AxisScale, Chart};
use crate::number::NumberKind;

/// Shortest duration that a logarithmic axis shows, in seconds; shorter ones look like it.
const LATENCY_MIN: f64 = 1e-3;
/// Labeled values of a logarithmic axis, in seconds.
const LATENCIES: [f64; 9] = [1e-3, 1e-2, 1e-1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 36_000.0];
/// Distances between labels of an axis of time, in seconds.
const TIME_STEPS: [f64; 15] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0,
    21_600.0,
];
/// Highest percentile with a place of its own: five nines.
const NINES_MAX: f64 = 5.0;

/// The stretch of an axis that is shown, in the axis's own spacing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spacing {
    /// Its beginning.
    pub(super) from: f64,
    /// Its end; always beyond the beginning.
    pub(super) until: f64,
}

impl AxisScale {
    /// Where a value is on the axis.
    pub(super) fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => value.max(LATENCY_MIN).log10(),
            Self::Nines => (-(1.0 - value).log10()).clamp(0.0, NINES_MAX),
        }
    }

    /// Which value is at a place.
    pub(super) fn value(self, place: f64) -> f64 {
        match self {
            Self::Linear => place,
            Self::Logarithmic => 10_f64.powf(place),
            Self::Nines => 1.0 - 10_f64.powf(-place),
        }
    }
}

impl Spacing {
    /// The stretch of the horizontal axis.
    pub(super) fn of_positions(chart: &Chart) -> Self {
        let positions = chart.series.iter().flat_map(|series| &series.points);
        let places = positions.map(|(at, _)| chart.x.scale.place(*at));
        let (mut from, mut until) = (f64::INFINITY, f64::NEG_INFINITY);
        for place in places {
            from = from.min(place);
            until = until.max(place);
        }
        if let Some(end) = chart.x.end {
            until = until.max(chart.x.scale.place(end));
        }
        if from > until {
            Self {
                from: 0.0,
                until: 1.0,
            }
        } else if from >= until {
            // A single position is in the middle.
            let around = (from.abs() * 0.1).max(0.5);
            Self {
                from: from - around,
                until: until + around,
            }
        } else {
            Self { from, until }
        }
    }

    /// The stretch of the vertical axis, which begins at zero or at the shortest duration.
    pub(super) fn of_values(chart: &Chart) -> Self {
        let scale = chart.y.scale;
        let from = match scale {
            AxisScale::Linear | AxisScale::Nines => 0.0,
            AxisScale::Logarithmic => LATENCY_MIN.log10(),
        };
        let values = chart.series.iter().flat_map(|series| {
            let values = series.points.iter().filter_map(|(_, value)| *value);
            values.chain(series.range.iter().map(|(_, _, high)| *high))
        });
        let places = values.chain(chart.y.end).map(|value| scale.place(value));
        let top = places.fold(from, f64::max);
        Self {
            from,
            until: if top > from {
                from + (top - from) * 1.05
            } else {
                from + 1.0
            },
        }
    }
}

/// The labeled places of an axis, at most about `count` of them.
pub(super) fn ticks(axis: Axis, shown: Spacing, count: usize) -> Vec<f64> {
    let within = |place: &f64| (shown.from - 1e-9..=shown.until + 1e-9).contains(place);
    let places: Vec<f64> = match axis.scale {
        AxisScale::Linear => multiples(step(axis.unit, shown, count), shown),
        AxisScale::Logarithmic => LATENCIES
            .iter()
            .map(|value| axis.scale.place(*value))
            .collect(),
        AxisScale::Nines => (0..=5_u8).map(f64::from).collect(),
    };
    places.into_iter().filter(within).collect()
}

fn step(unit: NumberKind, shown: Spacing, count: usize) -> f64 {
    let length = shown.until - shown.from;
    #[expect(clippy::cast_precision_loss, reason = "a handful of labels")]
    let least = length / count.max(1) as f64;
    match unit {
        NumberKind::Clock | NumberKind::Duration | NumberKind::Instant if least >= 0.5 => {
            let step = TIME_STEPS.into_iter().find(|step| *step >= least);
            step.unwrap_or_else(|| round_step(least))
        }
        // Half a buyer is no label.
        NumberKind::Count => round_step(least).max(1.0),
        NumberKind::Clock
        | NumberKind::Duration
        | NumberKind::Instant
        | NumberKind::Share
        | NumberKind::Decimal
        | NumberKind::Money(_)
        | NumberKind::Bytes => round_step(least),
    }
}

/// The next of 1, 2 and 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let factor = steps
        .into_iter()
        .find(|factor| factor * power >= least * 0.999);
    factor.unwrap_or(10.0) * power
}

fn multiples(step: f64, shown: Spacing) -> Vec<f64> {
    /// Far more labels than any axis has.
    const LABELS_MAX: u32 = 50;
    let first = (shown.from / step).ceil();
    let places = (0..LABELS_MAX).map(|place| (first + f64::from(place)) * step);
    places.take_while(|place| *place <= shown.until).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::ChartSeries;

    fn shown(from: f64, until: f64) -> Spacing {
        Spacing { from, until }
    }

    #[test]
    fn an_axis_of_time_is_divided_into_minutes() {
        let axis = Axis::linear(NumberKind::Clock);
        let places = ticks(axis, shown(0.0, 600.0), 11);
        assert_eq!(places.len(), 11);
        assert!((places[1] - 60.0).abs() < 1e-9, "{places:?}");
    }

    #[test]
    fn an_axis_of_numbers_has_round_labels() {
        let axis = Axis::linear(NumberKind::Decimal);
        let places = ticks(axis, shown(0.0, 52.5), 5);
        assert_eq!(places.len(), 3, "{places:?}");
        let places = ticks(Axis::linear(NumberKind::Count), shown(0.0, 2.1), 5);
        assert_eq!(places.len(), 3, "{places:?}");
    }

    #[test]
    fn a_latency_axis_is_labeled_by_factors_and_percentiles_by_nines() {
        let axis = Axis::latency();
        let labels: Vec<_> = ticks(axis, shown(-3.0, 1.1), 5)
            .into_iter()
            .map(|place| axis.unit.write(axis.scale.value(place)))
            .collect();
        assert_eq!(labels, ["1ms", "10ms", "100ms", "1s", "10s"]);
        let nines = AxisScale::Nines;
        assert!((nines.value(nines.place(0.999)) - 0.999).abs() < 1e-12);
        assert!((nines.place(1.0) - NINES_MAX).abs() < 1e-12);
    }

    #[test]
    fn a_single_position_lies_within_the_plane() {
        let chart = Chart {
            title: String::new(),
            x: Axis::linear(NumberKind::Decimal),
            y: Axis::linear(NumberKind::Decimal),
            series: vec![ChartSeries::line("value", vec![(304_000.0, Some(59.0))])],
            bands: Vec::new(),
            marks: Vec::new(),
        };
        let x = Spacing::of_positions(&chart);
        assert!(x.from < 304_000.0 && 304_000.0 < x.until, "{x:?}");
    }
}
