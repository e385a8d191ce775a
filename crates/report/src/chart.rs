//! Charts as data: points, bands, marks, and axes with their units. Renderers turn them into pictures or tables.

use crate::number::{Number, NumberKind};

/// Line charts that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct ChartGroup {
    /// How to read them; may be empty.
    pub note: String,
    /// How they are arranged.
    pub layout: Layout,
    /// The charts.
    pub charts: Vec<Chart>,
}

/// How the charts of a group are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Full width, one below the other.
    Stacked,
    /// Small charts of the same kind side by side, with one legend for all.
    Grid,
}

/// Lines over a common axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The lines.
    pub series: Vec<ChartSeries>,
    /// Shaded stretches of the horizontal axis.
    pub bands: Vec<ChartBand>,
    /// Vertical lines.
    pub marks: Vec<ChartMark>,
}

/// An axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// Unit of its values.
    pub unit: NumberKind,
    /// How values are spaced.
    pub scale: AxisScale,
    /// Its end, where charts must be comparable; `None` for the largest value.
    pub end: Option<f64>,
}

/// How values are spaced on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisScale {
    /// Evenly.
    Linear,
    /// By factors, for values that differ by orders of magnitude.
    Logarithmic,
    /// By the number of nines, for percentiles as parts of 1: 0, 0.9, 0.99, 0.999.
    Nines,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct ChartSeries {
    /// What it shows.
    pub name: String,
    /// How it looks.
    pub style: SeriesStyle,
    /// Position and value, in ascending order of the position; a missing value interrupts the line.
    pub points: Vec<(f64, Option<f64>)>,
    /// The range around the line as position, lowest and highest value; empty if there is none.
    pub range: Vec<(f64, f64, f64)>,
}

/// How a series looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesStyle {
    /// A line.
    Line,
    /// Separate points.
    Points,
    /// A thin gray line to compare with.
    Reference,
}

/// A shaded stretch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChartBand {
    /// Its beginning.
    pub from: f64,
    /// Its end.
    pub until: f64,
}

/// A vertical line.
#[derive(Clone, Debug, PartialEq)]
pub struct ChartMark {
    /// Its position.
    pub at: f64,
    /// A word or two.
    pub label: String,
}

/// Bars with a name each.
#[derive(Clone, Debug, PartialEq)]
pub struct BarChart {
    /// What it shows.
    pub title: String,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What it shows.
    pub name: String,
    /// Its length.
    pub value: Number,
    /// A remark after the value; may be empty.
    pub note: String,
}

impl ChartGroup {
    /// Charts one below the other.
    pub const fn stacked(charts: Vec<Chart>) -> Self {
        Self {
            note: String::new(),
            layout: Layout::Stacked,
            charts,
        }
    }

    /// Sets how to read the charts.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

impl Chart {
    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        let mut points = self.series.iter().flat_map(|series| &series.points);
        points.all(|(_, value)| value.is_none())
    }
}

impl Axis {
    /// An evenly spaced axis.
    pub const fn linear(unit: NumberKind) -> Self {
        Self {
            unit,
            scale: AxisScale::Linear,
            end: None,
        }
    }

    /// An axis for durations from milliseconds to minutes: an outage must not flatten everything else.
    pub const fn latency() -> Self {
        Self {
            unit: NumberKind::Duration,
            scale: AxisScale::Logarithmic,
            end: None,
        }
    }

    /// Sets the end.
    #[must_use]
    pub const fn until(mut self, end: f64) -> Self {
        self.end = Some(end);
        self
    }
}

impl ChartSeries {
    /// A line.
    pub fn line(name: impl Into<String>, points: Vec<(f64, Option<f64>)>) -> Self {
        Self {
            name: name.into(),
            style: SeriesStyle::Line,
            points,
            range: Vec::new(),
        }
    }

    /// The same points in another style.
    #[must_use]
    pub const fn styled(mut self, style: SeriesStyle) -> Self {
        self.style = style;
        self
    }
}
