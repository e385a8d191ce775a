//! Charts as inline SVG. Colors are CSS variables, so one drawing serves light and dark pages.

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::ticks::{Spacing, ticks};
use crate::chart::{Chart, ChartMark, ChartSeries, SeriesStyle};

/// Size of a drawing in user units; it scales with the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    width: u32,
    height: u32,
    /// Labels that fit below the horizontal axis.
    x_labels: usize,
    /// Room for the labels beside the vertical axis.
    y_labels_width: u32,
}

/// A chart as wide as the page.
pub(super) const WIDE: Size = Size {
    width: 960,
    height: 250,
    x_labels: 11,
    y_labels_width: 64,
};
/// A chart beside others.
pub(super) const SMALL: Size = Size {
    width: 330,
    height: 220,
    x_labels: 6,
    y_labels_width: 34,
};

/// Labels beside the vertical axis.
const Y_LABELS: usize = 5;

/// Colors of lines, in the order of the series. Plotters writes each color as a number, which is replaced by the CSS
/// variable beside it.
const LINES: [(RGBColor, &str); 4] = [
    (RGBColor(1, 1, 1), "--line-1"),
    (RGBColor(2, 2, 2), "--line-2"),
    (RGBColor(3, 3, 3), "--line-3"),
    (RGBColor(4, 4, 4), "--line-4"),
];
const AXIS: RGBColor = RGBColor(5, 5, 5);
const GRID: RGBColor = RGBColor(6, 6, 6);
const TEXT: RGBColor = RGBColor(7, 7, 7);
const BAND: RGBColor = RGBColor(8, 8, 8);
const MARK: RGBColor = RGBColor(9, 9, 9);
const OTHERS: [(RGBColor, &str); 5] = [
    (AXIS, "--axis"),
    (GRID, "--grid"),
    (TEXT, "--muted"),
    (BAND, "--bad"),
    (MARK, "--mark"),
];

/// Space around a chart.
const MARGIN: i32 = 6;
/// Space for half of the last label of the horizontal axis.
const MARGIN_RIGHT: i32 = 18;
/// Radius of a separate point.
const DOT_RADIUS: i32 = 4;
/// Size of all labels.
const FONT_SIZE: u32 = 12;
/// Mean width of a character of a label: near enough to keep labels apart.
const CHARACTER_WIDTH: usize = 6;
/// Rows of labels above the lines, so that near marks do not cover each other's label.
const LABEL_ROWS: usize = 3;
/// Height of one such row.
const LABEL_HEIGHT: i32 = 15;

type Plane<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<LabeledAxis, LabeledAxis>>;
type Drawn = Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>>;

/// An axis with labels at places of our choice.
struct LabeledAxis {
    shown: Spacing,
    labels: Vec<f64>,
}

impl Ranged for LabeledAxis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let part = (value - self.shown.from) / (self.shown.until - self.shown.from);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a place on a small drawing"
        )]
        let offset = (part * f64::from(end - start)).round() as i32;
        start + offset
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.labels.clone()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.shown.from..self.shown.until
    }
}

/// The number of a series' color, from 1.
pub(super) const fn color_number(index: usize) -> usize {
    index % LINES.len() + 1
}

/// Draws a chart as an `svg` element.
pub(super) fn chart(chart: &Chart, size: Size) -> String {
    let mut svg = String::new();
    draw(&mut svg, chart, size).expect("drawing into a String with checked ranges cannot fail");
    themed(&svg, size, &chart.title)
}

fn draw(svg: &mut String, chart: &Chart, size: Size) -> Drawn {
    let area = SVGBackend::with_string(svg, (size.width, size.height)).into_drawing_area();
    let x = Spacing::of_positions(chart);
    let y = Spacing::of_values(chart);
    let axis = |axis, shown, count| LabeledAxis {
        shown,
        labels: ticks(axis, shown, count),
    };
    let labels = labels(chart, x, size);
    let rows = labels.iter().map(|label| label.row + 1).max().unwrap_or(0);
    let head = MARGIN + LABEL_HEIGHT * rows;
    let mut plane = ChartBuilder::on(&area)
        .margin(MARGIN)
        .margin_top(head)
        .margin_right(MARGIN_RIGHT)
        .x_label_area_size(26)
        .y_label_area_size(size.y_labels_width)
        .build_cartesian_2d(axis(chart.x, x, size.x_labels), axis(chart.y, y, Y_LABELS))?;
    plane
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(AXIS)
        .label_style(("sans-serif", FONT_SIZE).into_font().color(&TEXT))
        .x_label_formatter(&|place| chart.x.unit.write(chart.x.scale.value(*place)))
        .y_label_formatter(&|place| chart.y.unit.write(chart.y.scale.value(*place)))
        .draw()?;
    for band in &chart.bands {
        let place = |at: f64| chart.x.scale.place(at).clamp(x.from, x.until);
        let corners = [(place(band.from), y.from), (place(band.until), y.until)];
        plane.draw_series([Rectangle::new(corners, BAND.mix(0.12).filled())])?;
    }
    draw_series(&mut plane, chart)?;
    draw_marks(&mut plane, chart, y)?;
    for label in &labels {
        let style = ("sans-serif", FONT_SIZE)
            .into_font()
            .color(&TEXT)
            .pos(Pos::new(HPos::Left, VPos::Top));
        // The first row is next to the lines.
        let top = head - LABEL_HEIGHT * (label.row + 1);
        area.draw(&Text::new(label.text, (label.start, top), style))?;
    }
    area.present()?;
    Ok(())
}

fn draw_series(plane: &mut Plane<'_>, chart: &Chart) -> Drawn {
    for (index, series) in chart.series.iter().enumerate() {
        let color = match series.style {
            SeriesStyle::Line | SeriesStyle::Points => LINES[index % LINES.len()].0,
            SeriesStyle::Reference => MARK,
        };
        draw_range(plane, chart, series, color)?;
        let width = match series.style {
            SeriesStyle::Line | SeriesStyle::Points => 2,
            SeriesStyle::Reference => 1,
        };
        for stretch in stretches(&places(chart, &series.points)) {
            let is_separate = series.style == SeriesStyle::Points;
            // A point between two gaps leaves no trace as a line.
            if is_separate || stretch.len() == 1 {
                let dots = stretch
                    .iter()
                    .map(|at| Circle::new(*at, DOT_RADIUS, color.filled()));
                plane.draw_series(dots)?;
            }
            if !is_separate {
                plane.draw_series(LineSeries::new(stretch, color.stroke_width(width)))?;
            }
        }
    }
    Ok(())
}

fn draw_range(
    plane: &mut Plane<'_>,
    chart: &Chart,
    series: &ChartSeries,
    color: RGBColor,
) -> Drawn {
    let (x, y) = (chart.x.scale, chart.y.scale);
    let low = series
        .range
        .iter()
        .map(|(at, low, _)| (x.place(*at), y.place(*low)));
    let high = series
        .range
        .iter()
        .rev()
        .map(|(at, _, high)| (x.place(*at), y.place(*high)));
    let around: Vec<_> = low.chain(high).collect();
    if !around.is_empty() {
        plane.draw_series([Polygon::new(around, color.mix(0.22).filled())])?;
    }
    Ok(())
}

fn draw_marks(plane: &mut Plane<'_>, chart: &Chart, y: Spacing) -> Drawn {
    for mark in &chart.marks {
        let at = chart.x.scale.place(mark.at);
        let line = [(at, y.from), (at, y.until)];
        plane.draw_series(LineSeries::new(line, MARK.stroke_width(1)))?;
    }
    Ok(())
}

/// The label of a mark and where it is written.
struct PlacedLabel<'a> {
    text: &'a str,
    start: i32,
    /// Counted from the lines up.
    row: i32,
}

/// Places the labels of the marks above the lines, each in the first row where it has room.
fn labels(chart: &Chart, x: Spacing, size: Size) -> Vec<PlacedLabel<'_>> {
    let pixels = |length: u32| i32::try_from(length).unwrap_or(i32::MAX);
    let axis = LabeledAxis {
        shown: x,
        labels: Vec::new(),
    };
    let right = pixels(size.width) - MARGIN;
    let plane = (
        MARGIN + pixels(size.y_labels_width),
        pixels(size.width) - MARGIN_RIGHT,
    );
    let mut row_ends = [0; LABEL_ROWS];
    let place = |mark: &'_ ChartMark| {
        let at = axis.map(&chart.x.scale.place(mark.at), plane);
        let length = mark.label.chars().count() * CHARACTER_WIDTH;
        let length = i32::try_from(length).unwrap_or(i32::MAX);
        let start = (at - 2).min(right - length).max(0);
        let rows = 0..LABEL_ROWS;
        let free = rows.clone().find(|row| row_ends[*row] <= start);
        // Without room the label covers the one that ends first.
        let row = free.or_else(|| rows.min_by_key(|row| row_ends[*row]));
        let row = row.expect("there are rows");
        row_ends[row] = start + length;
        (start, i32::try_from(row).expect("few rows"))
    };
    let places: Vec<_> = chart.marks.iter().map(place).collect();
    let marks = chart.marks.iter().zip(places);
    let placed = marks.map(|(mark, (start, row))| PlacedLabel {
        text: &mark.label,
        start,
        row,
    });
    placed.collect()
}

fn places(chart: &Chart, points: &[(f64, Option<f64>)]) -> Vec<(f64, Option<f64>)> {
    let place = |(at, value): &(f64, Option<f64>)| {
        (
            chart.x.scale.place(*at),
            value.map(|value| chart.y.scale.place(value)),
        )
    };
    points.iter().map(place).collect()
}

/// The stretches of a line between its gaps.
fn stretches(points: &[(f64, Option<f64>)]) -> Vec<Vec<(f64, f64)>> {
    let known = points.split(|(_, value)| value.is_none());
    let solid = known.map(|stretch| {
        let values = stretch
            .iter()
            .filter_map(|(x, value)| value.map(|value| (*x, value)));
        values.collect::<Vec<_>>()
    });
    solid.filter(|stretch| !stretch.is_empty()).collect()
}

/// Makes a drawing fit the page: it scales with its column, takes its colors from the page, and names itself to screen
/// readers.
fn themed(svg: &str, size: Size, title: &str) -> String {
    let Size { width, height, .. } = size;
    let title = maud::html! { (title) }.into_string().replace('"', "&quot;");
    let sized = format!("width=\"{width}\" height=\"{height}\"");
    let scaling = format!("viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\"");
    let mut svg = svg
        .replacen(&sized, &scaling, 1)
        .replace(" xmlns=\"http://www.w3.org/2000/svg\"", "");
    for (color, variable) in LINES.into_iter().chain(OTHERS) {
        let written = format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2);
        svg = svg.replace(&written, &format!("var({variable})"));
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Axis, ChartBand};
    use crate::number::NumberKind;

    fn one_line(points: Vec<(f64, Option<f64>)>) -> Chart {
        Chart {
            title: "\"test\"".to_owned(),
            x: Axis::linear(NumberKind::Decimal),
            y: Axis::linear(NumberKind::Decimal),
            series: vec![ChartSeries::line("value", points)],
            bands: Vec::new(),
            marks: Vec::new(),
        }
    }

    fn drawn(points: Vec<(f64, Option<f64>)>) -> String {
        chart(&one_line(points), WIDE)
    }

    #[test]
    fn a_chart_takes_every_color_from_the_page() {
        let mut full = one_line(vec![(0.0, Some(1.0)), (10.0, Some(2.0))]);
        full.series[0].range = vec![(0.0, 0.5, 1.5), (10.0, 1.0, 3.0)];
        full.bands.push(ChartBand {
            from: 2.0,
            until: 40.0,
        });
        full.marks.push(ChartMark {
            at: 3.0,
            label: "<fault>".to_owned(),
        });
        let svg = chart(&full, SMALL);
        assert!(svg.contains("var(--line-1)"));
        assert!(svg.contains("var(--bad)"));
        assert!(!svg.contains("=\"#"), "a fixed color is left: {svg}");
        assert!(!svg.contains("http"), "{svg}");
        assert!(svg.contains("&lt;fault&gt;"), "{svg}");
        assert!(svg.contains("aria-label=\"&quot;test&quot;\""), "{svg}");
    }

    #[test]
    fn a_gap_interrupts_the_line() {
        let points = vec![(0.0, Some(1.0)), (1.0, None), (2.0, Some(3.0))];
        assert_eq!(stretches(&points).len(), 2);
    }

    #[test]
    fn a_single_point_is_a_dot() {
        let points = vec![(0.0, Some(1.0)), (1.0, None), (2.0, Some(3.0))];
        assert_eq!(drawn(points).matches("<circle").count(), 2);
    }

    #[test]
    fn near_marks_have_their_labels_in_different_rows() {
        let mut near = one_line(vec![(0.0, Some(1.0)), (100.0, Some(2.0))]);
        near.marks = [50.0, 50.5, 51.0]
            .map(|at| ChartMark {
                at,
                label: format!("mark {at}"),
            })
            .to_vec();
        let svg = chart(&near, WIDE);
        let row = |label: &str| {
            let (before, _) = svg.split_once(label).expect("the label is drawn");
            let (_, tag) = before.rsplit_once("<text").expect("it is text");
            tag.split(" y=\"").nth(1).map(|rest| rest[..2].to_owned())
        };
        let rows = [row("mark 50\n"), row("mark 50.5"), row("mark 51")];
        assert!(
            rows[0] != rows[1] && rows[1] != rows[2] && rows[0] != rows[2],
            "{rows:?}"
        );
    }

    #[test]
    fn charts_without_data_are_drawn_without_panic() {
        assert!(drawn(Vec::new()).starts_with("<svg"));
        assert!(drawn(vec![(0.0, Some(0.0))]).starts_with("<svg"));
    }
}
