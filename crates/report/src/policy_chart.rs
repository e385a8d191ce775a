//! One small chart for each scaling policy, all with the same axes: instances wanted and of use, over minutes.

use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::chart::{AXIS, Drawn, GRID, MARK, PALETTE, TEXT, themed};
use tiketi_cloud::policy_timeline::{FOLLOWED_FOR, PolicyTimeline, naive};

const WIDTH: u32 = 960;
const ROW_HEIGHT: u32 = 230;
const COLUMNS: usize = 3;

/// Time between two points of a line: finer than anything in the control plane but its ingestion.
const EVERY: Duration = Duration::from_secs(10);

/// Draws the policies as an `svg` element.
pub(super) fn svg(policies: &[PolicyTimeline]) -> String {
    let rows = policies.len().div_ceil(COLUMNS).max(1);
    let height = ROW_HEIGHT * u32::try_from(rows).expect("a handful of policies");
    let mut svg = String::new();
    draw(&mut svg, policies, (rows, height))
        .expect("drawing into a String with checked ranges cannot fail");
    themed(
        &svg,
        (WIDTH, height),
        "Instances wanted and of use after the queue has passed its threshold, for each policy",
    )
}

fn draw(svg: &mut String, policies: &[PolicyTimeline], (rows, height): (usize, u32)) -> Drawn {
    let area = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    let most = policies.iter().map(|policy| policy.fleet_max).max();
    let most = most.unwrap_or(1);
    for (panel, policy) in area.split_evenly((rows, COLUMNS)).iter().zip(policies) {
        draw_panel(panel, policy, most)?;
    }
    area.present()?;
    Ok(())
}

fn draw_panel(
    panel: &DrawingArea<SVGBackend<'_>, Shift>,
    policy: &PolicyTimeline,
    most: u32,
) -> Drawn {
    let label = ("sans-serif", 12).into_font().color(&TEXT);
    let minutes = FOLLOWED_FOR.as_secs_f64() / 60.0;
    let mut plane = ChartBuilder::on(panel)
        .margin(8)
        .caption(&policy.name, ("sans-serif", 13).into_font().color(&TEXT))
        .x_label_area_size(22)
        .y_label_area_size(26)
        .build_cartesian_2d(0.0..minutes, 0.0..f64::from(most) * 1.08)?;
    plane
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(AXIS)
        .label_style(label)
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    let line = |size: &dyn Fn(Duration) -> u32| -> Vec<(f64, f64)> {
        let points = instants().map(|after| (after.as_secs_f64() / 60.0, f64::from(size(after))));
        points.collect()
    };
    let lowest = line(&|after| policy.useful(after).min);
    let highest = line(&|after| policy.useful(after).max);
    let around: Vec<_> = highest
        .into_iter()
        .chain(lowest.into_iter().rev())
        .collect();
    let (of_use, wanted) = (PALETTE[0].0, PALETTE[1].0);
    plane.draw_series([Polygon::new(around, of_use.mix(0.22).filled())])?;
    let reference = line(&|after| naive(after, policy.fleet_max));
    plane.draw_series(LineSeries::new(reference, MARK.stroke_width(1)))?;
    let desired = line(&|after| policy.desired(after).median);
    plane.draw_series(LineSeries::new(desired, wanted.stroke_width(2)))?;
    let useful = line(&|after| policy.useful(after).median);
    plane.draw_series(LineSeries::new(useful, of_use.stroke_width(3)))?;
    Ok(())
}

fn instants() -> impl Iterator<Item = Duration> {
    (0..)
        .map(|step| EVERY * step)
        .take_while(|after| *after <= FOLLOWED_FOR)
}
