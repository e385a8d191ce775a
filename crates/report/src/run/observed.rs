//! What a metrics server knows of a target: charts, columns, changes, and when nothing was read.

use serde::Serialize;

use tiketi_measure::Measurements;
use tiketi_measure::observed::{LevelRecord, ObservationGap};
use tiketi_scenario::observe::Level;

use super::charts::thinned;
use super::highlights::Highlight;
use crate::chart::ChartSeries;
use crate::number::Number;
use crate::page::{Cell, Column, Prose, Section, Status, Table};
use crate::wording::capitalized;

/// How many times the time between two readings a value is carried forward: the next one may be late, or missing once.
const CARRIED: u32 = 3;

/// What was read of one level, for programs.
#[derive(Clone, Debug, Serialize)]
pub struct ObservedRow {
    /// The level.
    pub level: Level,
    /// The query.
    pub query: String,
    /// Values that were read.
    pub readings: u64,
    /// When there was none.
    pub gaps: Vec<GapRow>,
    /// Further times without one.
    pub gaps_dropped: u64,
}

/// A stretch of time without a value.
#[derive(Clone, Debug, Serialize)]
pub struct GapRow {
    /// The last value before it, in seconds.
    pub from_seconds: f64,
    /// The first value after it, in seconds.
    pub until_seconds: f64,
    /// Why.
    pub reason: String,
}

/// Returns what was read as data.
pub(super) fn rows(run: &Measurements) -> Vec<ObservedRow> {
    let gap = |gap: &ObservationGap| GapRow {
        from_seconds: gap.from.as_secs_f64(),
        until_seconds: gap.until.as_secs_f64(),
        reason: gap.reason.clone(),
    };
    let row = |record: &LevelRecord| ObservedRow {
        level: record.level,
        query: record.query.clone(),
        readings: record.readings,
        gaps: record.gaps.iter().map(gap).collect(),
        gaps_dropped: record.gaps_dropped,
    };
    run.ending.observed.iter().map(row).collect()
}

/// Returns whether a level was asked for.
pub(super) fn is_asked(run: &Measurements, level: Level) -> bool {
    let mut records = run.ending.observed.iter();
    records.any(|record| record.level == level)
}

/// A level over time; `None` if it was not asked for.
pub(super) fn series(run: &Measurements, level: Level) -> Option<ChartSeries> {
    if !is_asked(run, level) {
        return None;
    }
    let holds = run.plan.target.observe.every * CARRIED;
    let carried = holds.as_secs().div_ceil(run.series.width_secs());
    let carried = usize::try_from(carried).unwrap_or(usize::MAX);
    let points = thinned(run, |ticks| {
        let from = ticks.start.min(ticks.end.saturating_sub(carried));
        let mut later_first = run.series.ticks()[from..ticks.end].iter().rev();
        later_first.find_map(|tick| tick.observed?.get(level))
    });
    let name = format!("{} (metrics server)", level.title());
    Some(ChartSeries::line(&name, points))
}

/// Changes of the number of instances, for the timeline.
pub(super) fn changes(run: &Measurements) -> Vec<Highlight> {
    let ticks = run.series.ticks().iter().enumerate();
    let read = ticks.filter_map(|(index, tick)| Some((index, tick.observed?.instances?)));
    let mut before: Option<f64> = None;
    let changes = read.filter_map(|(index, instances)| {
        let from = before.replace(instances)?;
        let is_same = (from - instances).abs() < f64::EPSILON;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a run has far fewer than 2^53 seconds"
        )]
        let at_seconds = run.series.start_secs(index) as f64;
        (!is_same).then(|| Highlight {
            at_seconds,
            told: format!(
                "Metrics server: {} → {} instances",
                Number::decimal(from),
                Number::decimal(instances)
            ),
        })
    });
    changes.collect()
}

/// The section; `None` if no metrics server was asked.
pub(super) fn section(run: &Measurements) -> Option<Section> {
    let records = &run.ending.observed;
    if records.is_empty() {
        return None;
    }
    let row = |record: &LevelRecord| {
        let is_whole = record.gaps.is_empty();
        let status = if is_whole {
            Status::Pass
        } else {
            Status::Unknown
        };
        vec![
            Cell::status(status),
            Cell::text(capitalized(record.level.title())),
            Cell::code(&record.query),
            Cell::count(record.readings),
            Cell::text(not_read(record)),
        ]
    };
    let columns = vec![
        Column::status(),
        Column::label("Level"),
        Column::label("Query"),
        Column::number("Values"),
        Column::prose("Not read"),
    ];
    let server = run.plan.target.observe.server();
    let note = format!(
        "Asked of {} every {} while the run lasted. What was not read makes no difference to the verdict.",
        server.unwrap_or("a metrics server"),
        Number::duration(run.plan.target.observe.every)
    );
    let table = Table::new(columns).with_rows(records.iter().map(row));
    let section = Section::new("Metrics of the target");
    Some(section.with(Prose::muted(note)).with(table))
}

fn not_read(record: &LevelRecord) -> String {
    let gaps = record.gaps.iter().map(|gap| {
        let [from, until] = [gap.from, gap.until].map(Number::instant);
        format!("{from} to {until}: {}", gap.reason)
    });
    let mut gaps: Vec<_> = gaps.collect();
    match (gaps.is_empty(), record.gaps_dropped) {
        (true, _) => return "–".to_owned(),
        (false, 0) => {}
        (false, more) => gaps.push(format!("{} more times", Number::count(more))),
    }
    gaps.join("; ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use tiketi_core::units::SimTime;
    use tiketi_measure::observed::Observed;
    use tiketi_measure::{Assembly, example};

    fn run() -> Measurements {
        let mut plan = example::plan();
        plan.target.observe.every = Duration::from_secs(5);
        let mut assembly = Assembly::new(plan);
        for (second, instances) in [(5, 2.0), (10, 2.0), (15, 4.0), (100, 4.0)] {
            let observed = Observed::of(Level::Instances, instances);
            assembly.handle_observed(SimTime::from_secs(second), observed);
        }
        let mut ending = example::ending();
        ending.observed = vec![LevelRecord {
            level: Level::Instances,
            query: "count(up)".to_owned(),
            readings: 4,
            gaps: vec![ObservationGap {
                from: SimTime::from_secs(15),
                until: SimTime::from_secs(100),
                reason: "connection refused".to_owned(),
            }],
            gaps_dropped: 0,
        }];
        assembly.finish(ending)
    }

    #[test]
    fn a_level_is_a_line_with_a_hole_where_nothing_was_read() {
        let run = run();
        let line = series(&run, Level::Instances).unwrap();
        let at = |second: f64| {
            let mut points = line.points.iter();
            points
                .rfind(|(at, _)| *at <= second)
                .and_then(|(_, value)| *value)
        };
        assert_eq!((at(2.0), at(50.0)), (None, None));
        assert_eq!(
            (at(12.0), at(18.0), at(102.0)),
            (Some(2.0), Some(4.0), Some(4.0))
        );
        assert!(series(&run, Level::Cpu).is_none());
    }

    #[test]
    fn the_timeline_has_changes_of_the_number_of_instances_only() {
        let told = changes(&run());
        let told: Vec<_> = told.iter().map(|line| line.told.as_str()).collect();
        assert_eq!(told, ["Metrics server: 2 → 4 instances"]);
    }

    #[test]
    fn the_report_says_what_was_not_read_and_when() {
        let run = run();
        assert!(section(&run).is_some() && section(&example::run()).is_none());
        let told = not_read(&run.ending.observed[0]);
        assert!(
            told.ends_with(": connection refused") && told.contains(" to "),
            "{told}"
        );
    }
}
