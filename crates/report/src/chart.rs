//! Charts as inline SVG. Colors are CSS variables, so that one drawing serves light and dark pages.

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

/// Size of a chart in user units; it scales with the page.
const WIDTH: u32 = 960;
/// Height of a chart over time.
const HEIGHT: u32 = 250;

/// Colors that plotters writes, and the CSS variable that takes the place of each.
pub(super) const PALETTE: [(RGBColor, &str); 9] = [
    (RGBColor(1, 1, 1), "--line-1"),
    (RGBColor(2, 2, 2), "--line-2"),
    (RGBColor(3, 3, 3), "--line-3"),
    (RGBColor(4, 4, 4), "--line-4"),
    (AXIS, "--axis"),
    (GRID, "--grid"),
    (TEXT, "--muted"),
    (BAND, "--bad"),
    (MARK, "--mark"),
];
pub(super) const AXIS: RGBColor = RGBColor(5, 5, 5);
pub(super) const GRID: RGBColor = RGBColor(6, 6, 6);
pub(super) const TEXT: RGBColor = RGBColor(7, 7, 7);
const BAND: RGBColor = RGBColor(8, 8, 8);
pub(super) const MARK: RGBColor = RGBColor(9, 9, 9);

/// Radius of a point that stands alone.
const DOT_RADIUS: i32 = 4;

/// Rows in which the labels of marks take turns, so that near ones do not cover each other.
const LABEL_ROWS: usize = 3;

/// One line of a chart; a point without a value interrupts it.
#[derive(Debug)]
pub(super) struct Line {
    /// What it shows.
    pub(super) name: &'static str,
    /// Position and value.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// A stretch of time with something broken.
#[derive(Debug)]
pub(super) struct Band {
    /// Its beginning.
    pub(super) from: f64,
    /// Its end.
    pub(super) until: f64,
}

/// An instant worth a vertical line.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Its position.
    pub(super) at: f64,
    /// A word or two.
    pub(super) label: String,
}

/// Lines over something.
#[derive(Debug)]
pub(super) struct Chart {
    /// What screen readers say.
    pub(super) title: &'static str,
    /// The lines.
    pub(super) lines: Vec<Line>,
    /// Shaded stretches.
    pub(super) bands: Vec<Band>,
    /// Vertical lines.
    pub(super) marks: Vec<Mark>,
    /// How positions are written.
    pub(super) x_label: fn(f64) -> String,
    /// How values are written.
    pub(super) y_label: fn(f64) -> String,
}

type Plane<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
pub(super) type Drawn = Result<(), Box<dyn std::error::Error>>;

impl Chart {
    /// Whether there is anything to draw.
    pub(super) fn is_empty(&self) -> bool {
        let mut values = self.lines.iter().flat_map(|line| &line.points);
        !values.any(|(_, value)| value.is_some())
    }

    /// Draws the chart as an `svg` element.
    pub(super) fn svg(&self) -> String {
        let mut svg = String::new();
        self.draw(&mut svg)
            .expect("drawing into a String with checked ranges cannot fail");
        themed(&svg, (WIDTH, HEIGHT), self.title)
    }

    fn draw(&self, svg: &mut String) -> Drawn {
        let area = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
        let (x, top) = self.ranges();
        // Marks are labelled above the lines.
        let head = if self.marks.is_empty() { 1.05 } else { 1.32 };
        let mut plane = ChartBuilder::on(&area)
            .margin(6)
            .margin_right(18)
            .x_label_area_size(26)
            .y_label_area_size(64)
            .build_cartesian_2d(x.clone(), 0.0..top * head)?;
        let label = ("sans-serif", 12).into_font().color(&TEXT);
        plane
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(AXIS)
            .label_style(label)
            .x_labels(10)
            .y_labels(5)
            .x_label_formatter(&|x| (self.x_label)(*x))
            .y_label_formatter(&|y| (self.y_label)(*y))
            .draw()?;
        for band in &self.bands {
            let corners = [(band.from, 0.0), (band.until.min(x.end), top * head)];
            plane.draw_series([Rectangle::new(corners, BAND.mix(0.12).filled())])?;
        }
        self.draw_marks(&mut plane, top * head)?;
        for (line, (color, _)) in self.lines.iter().zip(PALETTE) {
            for stretch in stretches(&line.points) {
                // A point between two gaps would leave no trace as a line.
                if let [alone] = stretch[..] {
                    plane.draw_series([Circle::new(alone, DOT_RADIUS, color.filled())])?;
                }
                plane.draw_series(LineSeries::new(stretch, color.stroke_width(2)))?;
            }
        }
        area.present()?;
        Ok(())
    }

    fn draw_marks(&self, plane: &mut Plane<'_>, top: f64) -> Drawn {
        let label = ("sans-serif", 12).into_font().color(&TEXT);
        for (index, mark) in self.marks.iter().enumerate() {
            let line = [(mark.at, 0.0), (mark.at, top)];
            plane.draw_series(LineSeries::new(line, MARK.stroke_width(1)))?;
            #[expect(clippy::cast_precision_loss, reason = "one of three rows")]
            let row = (index % LABEL_ROWS) as f64;
            let place = (mark.at, top * (1.0 - 0.07 * row));
            let text = EmptyElement::at(place)
                + Text::new(format!("{} ", mark.label), (3, 0), label.clone());
            plane.draw_series([text])?;
        }
        Ok(())
    }

    /// The range of positions, and the highest value; never empty, so that there is a plane to draw on.
    fn ranges(&self) -> (std::ops::Range<f64>, f64) {
        let points = self.lines.iter().flat_map(|line| &line.points);
        let mut from = f64::INFINITY;
        let mut until = f64::NEG_INFINITY;
        let mut top: f64 = 0.0;
        for (x, value) in points {
            from = from.min(*x);
            until = until.max(*x);
            top = top.max(value.unwrap_or(0.0));
        }
        if from > until {
            (from, until) = (0.0, 1.0);
        } else if from >= until {
            // A single position stands in the middle.
            let around = (from.abs() * 0.1).max(0.5);
            (from, until) = (from - around, until + around);
        }
        (from..until, if top > 0.0 { top } else { 1.0 })
    }
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

/// One bar.
#[derive(Debug)]
pub(super) struct Bar {
    /// What it shows.
    pub(super) name: String,
    /// Its length.
    pub(super) value: f64,
    /// What stands at its end.
    pub(super) label: String,
}

/// Height of one bar with the gap below it.
const BAR_HEIGHT: u32 = 30;
/// Room for the names of bars.
const BAR_NAMES: i32 = 190;
/// Room for the labels at the ends of bars.
const BAR_LABELS: i32 = 190;

/// Draws bars one below the other.
pub(super) fn bars(title: &str, bars: &[Bar]) -> String {
    let height = BAR_HEIGHT * u32::try_from(bars.len().max(1)).unwrap_or(u32::MAX);
    let mut svg = String::new();
    draw_bars(&mut svg, bars, height).expect("drawing into a String cannot fail");
    themed(&svg, (WIDTH, height), title)
}

fn draw_bars(svg: &mut String, bars: &[Bar], height: u32) -> Drawn {
    let area = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    let longest = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let room = f64::from(WIDTH.cast_signed() - BAR_NAMES - BAR_LABELS);
    let text = ("sans-serif", 14).into_font().color(&TEXT);
    let mut y = 6;
    for bar in bars {
        let part = if longest > 0.0 {
            bar.value / longest
        } else {
            0.0
        };
        #[expect(clippy::cast_possible_truncation, reason = "at most the room there is")]
        let end = BAR_NAMES + (room * part.clamp(0.0, 1.0)) as i32;
        let corners = [(BAR_NAMES, y), (end.max(BAR_NAMES + 1), y + 18)];
        area.draw(&Text::new(bar.name.clone(), (0, y + 3), text.clone()))?;
        area.draw(&Rectangle::new(corners, PALETTE[0].0.filled()))?;
        area.draw(&Text::new(
            bar.label.clone(),
            (end + 8, y + 3),
            text.clone(),
        ))?;
        y += BAR_HEIGHT.cast_signed();
    }
    area.present()?;
    Ok(())
}

/// Makes a drawing fit the page: scales with its column, takes its colors from the page, tells screen readers.
pub(super) fn themed(svg: &str, (width, height): (u32, u32), title: &str) -> String {
    let sized = format!("width=\"{width}\" height=\"{height}\"");
    let scaling = format!("viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\"");
    let mut svg = svg
        .replacen(&sized, &scaling, 1)
        .replace(" xmlns=\"http://www.w3.org/2000/svg\"", "");
    for (color, variable) in PALETTE {
        let written = format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2);
        svg = svg.replace(&written, &format!("var({variable})"));
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, Option<f64>)>) -> Chart {
        Chart {
            title: "test",
            lines: vec![Line {
                name: "value",
                points,
            }],
            bands: Vec::new(),
            marks: Vec::new(),
            x_label: |x| format!("{x}"),
            y_label: |y| format!("{y}"),
        }
    }

    #[test]
    fn a_chart_takes_every_color_from_the_page() {
        let mut full = chart(vec![(0.0, Some(1.0)), (10.0, Some(2.0))]);
        full.bands.push(Band {
            from: 2.0,
            until: 4.0,
        });
        full.marks.push(Mark {
            at: 3.0,
            label: "fault".to_owned(),
        });
        let svg = full.svg();
        assert!(svg.contains("var(--line-1)"));
        assert!(svg.contains("var(--bad)"));
        assert!(!svg.contains("=\"#"), "a fixed color is left: {svg}");
        assert!(!svg.contains("http"), "{svg}");
    }

    #[test]
    fn a_gap_interrupts_the_line() {
        let points = vec![(0.0, Some(1.0)), (1.0, None), (2.0, Some(3.0))];
        assert_eq!(stretches(&points).len(), 2);
    }

    #[test]
    fn a_point_that_stands_alone_is_a_dot() {
        let points = vec![(0.0, Some(1.0)), (1.0, None), (2.0, Some(3.0))];
        assert_eq!(chart(points).svg().matches("<circle").count(), 2);
    }

    #[test]
    fn a_single_position_lies_within_the_plane() {
        let (x, _) = chart(vec![(304_000.0, Some(59.0))]).ranges();
        assert!(x.contains(&304_000.0), "{x:?}");
    }

    #[test]
    fn charts_of_nothing_are_drawn_without_panic() {
        assert!(chart(Vec::new()).svg().starts_with("<svg"));
        assert!(chart(vec![(0.0, Some(0.0))]).svg().starts_with("<svg"));
        assert!(bars("none", &[]).starts_with("<svg"));
    }
}
