//! `timeseries.csv`: one row per tick, for spreadsheets and notebooks.

use std::fmt::Write as _;

use tiketi_buyer::observation::{Learned, Stage};
use tiketi_cloud::notice::InstanceState;
use tiketi_core::shown::on_one_line;
use tiketi_core::units::ZoneId;
use tiketi_measure::Measurements;
use tiketi_measure::gauges::Gauges;
use tiketi_measure::series::Tick;
use tiketi_scenario::observe::Level;

use super::observed;
use crate::csv::quoted;

/// States with a column per zone.
const STATES: [(InstanceState, &str); 5] = [
    (InstanceState::Pending, "pending"),
    (InstanceState::InService, "in_service"),
    (InstanceState::Healthy, "healthy"),
    (InstanceState::Unhealthy, "unhealthy"),
    (InstanceState::Draining, "draining"),
];

/// Stages with a column, and its name.
const STAGES: [(Stage, &str); 7] = [
    (Stage::Arrived, "arrived"),
    (Stage::PageLoaded, "page_loaded"),
    (Stage::Queued, "queued"),
    (Stage::Admitted, "admitted"),
    (Stage::SeatsSeen, "seats_seen"),
    (Stage::SeatHeld, "seat_held"),
    (Stage::Paid, "paid"),
];

/// Ways of learning of an admission, with a column for each.
const LEARNED: [(Learned, &str); 4] = [
    (Learned::Message, "admitted_by_message"),
    (
        Learned::PollBeforeMessage,
        "admitted_by_poll_before_message",
    ),
    (Learned::Poll, "admitted_by_poll"),
    (Learned::OnEntry, "admitted_on_entry"),
];

/// Renders the time series as CSV; a cell without a reading is empty. Each row has its start and its width in seconds; the
/// last one ends with the run.
pub fn timeseries(run: &Measurements) -> String {
    let mut text = header(run);
    let sockets = run.series.sockets();
    let buyers = run.series.buyers();
    for (index, tick) in run.series.ticks().iter().enumerate() {
        let width = run.tick_length(index).as_secs_f64();
        let mut cells = vec![run.series.start_secs(index).to_string(), width.to_string()];
        cells.extend(counts(tick));
        cells.push(sockets[index].to_string());
        cells.push(buyers[index].to_string());
        cells.extend(gauge_cells(tick.gauges.as_ref(), run));
        cells.extend(asked(run).map(|level| {
            let value = tick.observed.and_then(|observed| observed.get(level));
            value.map_or_else(String::new, |value| value.to_string())
        }));
        writeln!(text, "{}", cells.join(",")).expect("writing to a String cannot fail");
    }
    text
}

fn header(run: &Measurements) -> String {
    let mut names: Vec<String> = [
        "second",
        "width",
        "started",
        "shed",
        "left",
        "calls_due",
        "calls_ok",
        "calls_refused",
        "calls_failed",
        "response_ms_p50",
        "response_ms_p95",
        "response_ms_p99",
        "messages",
    ]
    .map(str::to_owned)
    .to_vec();
    names.extend(STAGES.map(|(_, name)| name.to_owned()));
    names.extend(LEARNED.map(|(_, name)| name.to_owned()));
    names.extend(
        [
            "sockets",
            "buyers",
            "waiting",
            "active",
            "seats_held",
            "seats_sold",
            "cpu",
            "desired_instances",
        ]
        .map(str::to_owned),
    );
    for zone in &run.plan.topology.zones {
        let zone = on_one_line(&zone.name);
        names.extend(STATES.map(|(_, state)| quoted(&format!("{state}_{zone}"))));
    }
    names.extend(asked(run).map(|level| format!("observed_{}", level.name())));
    names.join(",") + "\n"
}

/// The levels that a metrics server was asked for.
fn asked(run: &Measurements) -> impl Iterator<Item = Level> {
    let levels = Level::ALL.into_iter();
    levels.filter(|level| observed::is_asked(run, *level))
}

fn counts(tick: &Tick) -> Vec<String> {
    let milliseconds = |percent| {
        let length = tick.response.percentile(percent);
        length.map_or_else(String::new, |length| {
            format!("{:.3}", length.as_secs_f64() * 1e3)
        })
    };
    let plain = [
        tick.started,
        tick.shed,
        tick.left,
        tick.calls_due,
        tick.calls_ok,
        tick.calls_refused,
        tick.calls_failed,
    ];
    let mut cells: Vec<_> = plain.iter().map(u64::to_string).collect();
    cells.extend([50.0, 95.0, 99.0].map(milliseconds));
    cells.push(tick.messages.to_string());
    cells.extend(STAGES.map(|(stage, _)| tick.stages[stage as usize].to_string()));
    cells.extend(LEARNED.map(|(learned, _)| tick.admitted[learned as usize].to_string()));
    cells
}

fn gauge_cells(gauges: Option<&Gauges>, run: &Measurements) -> Vec<String> {
    let zones: Vec<_> = run.plan.topology.zone_ids().collect();
    let Some(gauges) = gauges else {
        return vec![String::new(); 6 + zones.len() * STATES.len()];
    };
    let maybe = |level: Option<u64>| level.map_or_else(String::new, |level| level.to_string());
    let mut cells = vec![
        maybe(gauges.waiting),
        maybe(gauges.active),
        gauges.seats_held.to_string(),
        gauges.seats_sold.to_string(),
        gauges
            .cpu
            .map_or_else(String::new, |cpu| format!("{cpu:.3}")),
        gauges.desired_instances.to_string(),
    ];
    for zone in zones {
        cells.extend(STATES.map(|(state, _)| in_zone(gauges, zone, state).to_string()));
    }
    cells
}

fn in_zone(gauges: &Gauges, zone: ZoneId, state: InstanceState) -> u32 {
    let here = gauges
        .instances
        .iter()
        .filter(|entry| entry.zone == zone && entry.state == state);
    here.map(|entry| entry.count).sum()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use tiketi_core::units::SimTime;
    use tiketi_measure::example;
    use tiketi_measure::observed::{LevelRecord, Observed};

    #[test]
    fn every_row_has_a_cell_per_column() {
        let text = timeseries(&example::run());
        let columns = text.lines().next().unwrap().split(',').count();
        assert_eq!(text.lines().count(), 601);
        assert!(text.lines().all(|line| line.split(',').count() == columns));
    }

    #[test]
    fn levels_that_a_metrics_server_was_asked_for_have_columns() {
        let mut run = example::run();
        run.ending.observed = vec![LevelRecord {
            level: Level::Cpu,
            query: "avg(cpu)".to_owned(),
            readings: 1,
            gaps: Vec::new(),
            gaps_dropped: 0,
        }];
        let tick = Tick {
            observed: Some(Observed::of(Level::Cpu, 0.25)),
            ..Tick::default()
        };
        run.series.absorb(3, &tick);
        let text = timeseries(&run);
        let mut lines = text.lines();
        assert!(lines.next().unwrap().ends_with(",observed_cpu"));
        assert!(lines.next().unwrap().ends_with(','));
        assert!(lines.nth(2).unwrap().ends_with(",0.25"));
    }

    #[test]
    fn rows_cover_the_run_and_nothing_after_it() {
        let mut run = example::run();
        run.ending.ended_at = SimTime::from_secs(599) + Duration::from_millis(250);
        let text = timeseries(&run);
        let rows: Vec<_> = text.lines().skip(1).collect();
        assert!(rows[0].starts_with("0,1,") && rows[598].starts_with("598,1,"));
        assert!(rows[599].starts_with("599,0.25,"), "{}", rows[599]);
        assert_eq!(rows.len(), 600);
    }

    #[test]
    fn names_of_zones_neither_break_cells_nor_control_a_terminal() {
        let mut run = example::run();
        run.plan.topology.zones[0].name = "a,\"\u{1b}[31m".to_owned();
        let text = timeseries(&run);
        let header = text.lines().next().unwrap();
        assert!(header.contains(",\"healthy_a,\"\"␛[31m\","), "{header}");
    }
}
