//! The report of scaling policies: how many instances each has in service after the queue crosses its threshold.

use std::collections::BTreeMap;
use std::time::Duration;

use tiketi_cloud::policy_timeline::{FOLLOWED_FOR, PolicyTimeline, Spread, naive};

use crate::chart::{Axis, Chart, ChartGroup, ChartSeries, Layout, SeriesStyle};
use crate::number::{Number, NumberKind};
use crate::page::{Cell, Column, Headline, List, Page, Section, Status, Table};
use crate::wording::listed;

/// Minutes after the crossing that the table shows.
const SHOWN: [u64; 5] = [0, 2, 5, 10, 15];
/// Distance between two points of a line: the control plane changes no faster.
const EVERY: Duration = Duration::from_secs(10);

/// What the numbers mean, and what they leave out.
const NOTES: [&str; 4] = [
    "Time starts when the queue crosses the threshold. Sizes are medians over the seeds, with the minimum and maximum where \
     they differ. Each seed has its own second of the crossing, phases of the Lambda and of the alarm, boot times, and delays of \
     scheduled actions. An alarm sees a minute only after it has ended.",
    "An instance is healthy once it has passed its first health check and receives requests. AWS counts it as in service \
     minutes earlier: as soon as its machine runs and is registered, unless a launch hook holds it back.",
    "The queue stays above the threshold throughout: buyers and servers are not simulated, nor is what more instances do to \
     the queue. These delays are the control plane's own; tuning the application does not reduce them.",
    "'Naive' isn't an AWS policy: it adds two instances a minute, available immediately.",
];

/// Makes the page of some policies; `run_again` is the command that reproduces it.
pub fn page(policies: &[PolicyTimeline], run_again: &str) -> Page {
    let group = ChartGroup {
        note: "Healthy instances by minutes after the crossing.".to_owned(),
        layout: Layout::Grid,
        charts: policies.iter().map(chart).collect(),
    };
    let notes = NOTES.map(str::to_owned).to_vec();
    Page {
        title: "How many instances are healthy, minutes after the queue crosses its threshold?"
            .to_owned(),
        context: format!("Control plane · {} seeds", seeds(policies)),
        headline: headline(policies),
        sections: vec![
            Section::new("First fifteen minutes").with(group),
            Section::new("Policies").with(table(policies)),
            Section::new("How to read this").with(List::new(notes)),
        ],
        closing: Vec::new(),
        run_again: run_again.to_owned(),
        exit_code: None,
    }
}

/// The healthy instances after five and after ten minutes, the most first.
fn headline(policies: &[PolicyTimeline]) -> Headline {
    Headline {
        status: Status::Neutral,
        answer: format!(
            "Healthy instances after five minutes: {}.",
            after(policies, 5)
        ),
        details: vec![format!(
            "After ten minutes: {} (medians of {} seeds).",
            after(policies, 10),
            seeds(policies)
        )],
    }
}

fn after(policies: &[PolicyTimeline], minutes: u64) -> String {
    let mut by_size: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for policy in policies {
        let size = policy.useful(in_minutes(minutes)).median;
        // Names have commas of their own.
        let name = format!("\"{}\"", policy.name);
        by_size.entry(size).or_default().push(name);
    }
    let parts = by_size.into_iter().rev();
    let parts = parts.map(|(size, names)| format!("{size} with {}", listed(&names)));
    parts.collect::<Vec<_>>().join("; ")
}

const fn in_minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn seeds(policies: &[PolicyTimeline]) -> usize {
    policies.first().map_or(0, PolicyTimeline::seeds)
}

fn fleet_max(policies: &[PolicyTimeline]) -> u32 {
    let most = policies.iter().map(|policy| policy.fleet_max).max();
    most.unwrap_or_default()
}

/// One row per policy, and one for the reference.
fn table(policies: &[PolicyTimeline]) -> Table {
    let mut columns = vec![
        Column::label("Policy"),
        Column::number("First scale-out"),
        Column::number("Maximum desired"),
    ];
    columns.extend(SHOWN.map(|minutes| Column::number(format!("Healthy at {minutes} min"))));
    columns.push(Column::number("In service at 10 min"));
    let mut table = Table::new(columns).with_rows(policies.iter().map(row));
    table.push(reference(fleet_max(policies)));
    table
}

fn row(policy: &PolicyTimeline) -> Vec<Cell> {
    let mut cells = vec![
        Cell::text(&policy.name),
        time(policy.grows()),
        time(policy.wants(policy.fleet_max)),
    ];
    cells.extend(SHOWN.map(|minutes| size(policy.useful(in_minutes(minutes)))));
    cells.push(size(policy.in_service(in_minutes(10))));
    cells
}

fn reference(most: u32) -> Vec<Cell> {
    let at = |minutes: u64| Cell::count(naive(in_minutes(minutes), most).into());
    let full = (0..60).find(|minutes| naive(in_minutes(*minutes), most) == most);
    let full = full.map(|minutes| Number::duration(in_minutes(minutes)));
    let mut cells = vec![
        Cell::text("naive (not AWS)"),
        Cell::number(Number::seconds(0.0)),
        full.map_or_else(|| Cell::text("never"), Cell::number),
    ];
    cells.extend(SHOWN.map(at));
    cells.push(at(10));
    cells
}

fn size(spread: Spread<u32>) -> Cell {
    let Spread { min, median, max } = spread;
    let cell = Cell::count(median.into());
    if min == max {
        cell
    } else {
        cell.with_note(format!("{min} to {max}"))
    }
}

fn time(spread: Option<Spread<Duration>>) -> Cell {
    let Some(Spread { min, median, max }) = spread else {
        return Cell::text("not with every seed");
    };
    if max == Duration::ZERO {
        return Cell::text("before the crossing");
    }
    let [min, median, max] = [min, median, max].map(Number::duration);
    Cell::number(median).with_note(format!("{min} to {max}"))
}

/// Healthy and desired instances of one policy, beside the reference.
fn chart(policy: &PolicyTimeline) -> Chart {
    let line = |size: &dyn Fn(Duration) -> u32| {
        let points = instants().map(|after| (after.as_secs_f64(), Some(f64::from(size(after)))));
        points.collect::<Vec<_>>()
    };
    let range = instants().map(|after| {
        let spread = policy.useful(after);
        (
            after.as_secs_f64(),
            f64::from(spread.min),
            f64::from(spread.max),
        )
    });
    let mut healthy = ChartSeries::line(
        "healthy: median, and range over all seeds",
        line(&|after| policy.useful(after).median),
    );
    healthy.range = range.collect();
    Chart {
        title: policy.name.clone(),
        x: Axis::linear(NumberKind::Clock).until(FOLLOWED_FOR.as_secs_f64()),
        y: Axis::linear(NumberKind::Count).until(f64::from(policy.fleet_max)),
        series: vec![
            healthy,
            ChartSeries::line(
                "desired: median",
                line(&|after| policy.desired(after).median),
            ),
            ChartSeries::line(
                "naive (not AWS)",
                line(&|after| naive(after, policy.fleet_max)),
            )
            .styled(SeriesStyle::Reference),
        ],
        bands: Vec::new(),
        marks: Vec::new(),
    }
}

fn instants() -> impl Iterator<Item = Duration> {
    (0..)
        .map(|step| EVERY * step)
        .take_while(|after| *after <= FOLLOWED_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_self_contained, assert_well_formed, show};
    use crate::{html, markdown};
    use tiketi_cloud::policy_timeline::{CROSSING, built_in};

    #[test]
    fn the_page_of_the_built_in_policies_answers_first() {
        let follow = |(name, plan): (String, _)| PolicyTimeline::new(&name, &plan, CROSSING, 5);
        let timelines: Vec<_> = built_in().into_iter().filter_map(follow).collect();
        assert_eq!(timelines.len(), 5);
        let page = page(&timelines, "tiketi-sim timeline");
        let answer = &page.headline.answer;
        let early = "five minutes: 10 with \"scheduled, 15 min before\"; ";
        assert!(answer.contains(early), "{answer}");
        let shown = markdown::render(&page);
        let reference = "| naive (not AWS) | 0s | 4m00s | 2 | 6 | 10 | 10 | 10 | 10 |";
        assert!(shown.contains(reference), "{shown}");
        let shown = html::render(&page);
        show("timeline.html", &shown);
        assert_eq!(shown.matches("<svg").count(), 5);
        assert_self_contained(&shown);
        assert_well_formed(&shown);
    }
}
