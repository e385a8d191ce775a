//! What was measured of the data tier: replicas, failovers, memory and connections. What was not measured is left out,
//! never shown as zero.

use serde::Serialize;

use super::events;
use super::page::pairs;
use tiketi_cloud::notice::DataTierPart;
use tiketi_measure::Measurements;
use tiketi_measure::ending::{DataTierFigures, FailoverFigures, LagFigures, Loss};

use crate::number::{Number, NumberKind};
use crate::page::{Cell, Column, Prose, Section, Status, Table};
use crate::wording::capitalized;

/// What was measured of the data tier.
#[derive(Clone, Debug, Serialize)]
pub struct DataTierReport {
    /// Each loss of a primary: how long it took (RTO) and what it lost (RPO).
    pub failovers: Vec<FailoverRow>,
    /// Lag of the Redis replica; `None` if it was not measured.
    pub redis_lag: Option<LagRow>,
    /// Lag of the database replica; `None` if it was not measured.
    pub database_lag: Option<LagRow>,
    /// Memory of Redis; `None` if it was not measured.
    pub redis_memory: Option<MemoryRow>,
    /// Connections to the database; `None` if they were not measured.
    pub database_connections: Option<ConnectionRow>,
}

/// One loss of a primary.
#[derive(Clone, Debug, Serialize)]
pub struct FailoverRow {
    /// Which part.
    pub part: DataTierPart,
    /// When the primary was lost, in seconds since the start of the run.
    pub lost_at_seconds: f64,
    /// Name of its zone.
    pub lost_zone: String,
    /// From the loss until a member accepted writes; `None` if none did within the run.
    pub promoted_after_seconds: Option<f64>,
    /// Name of that member's zone.
    pub promoted_zone: Option<String>,
    /// How long writes failed for a client that follows the DNS name (RTO); `None` if no client tried, or none succeeded
    /// again.
    pub writes_failed_for_seconds: Option<f64>,
    /// Acknowledged writes that were lost (RPO).
    pub lost: LossRow,
}

/// What a failover lost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LossRow {
    /// Places in the queue.
    pub places: u64,
    /// Places that came back although their buyers had given them up.
    pub places_put_back: u64,
    /// Shopping slots of admitted buyers.
    pub active_places: u64,
    /// Sessions.
    pub sessions: u64,
    /// Paid orders.
    pub orders: u64,
    /// Age of the oldest write that was lost; `None` if nothing was.
    pub reaches_back_seconds: Option<f64>,
}

/// How far a replica lagged behind, in seconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LagRow {
    /// Number of samples.
    pub samples: u64,
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Maximum.
    pub max: f64,
}

/// Memory of Redis.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MemoryRow {
    /// Peak use in bytes.
    pub peak_bytes: u64,
    /// Limit in bytes, beyond which keys are evicted or writes refused.
    pub max_bytes: u64,
    /// Keys evicted.
    pub keys_evicted: u64,
    /// Times the queue itself, which is one key, was evicted.
    pub queues_evicted: u64,
    /// Buyers who were in it.
    pub waiting_evicted: u64,
    /// Writes refused for lack of memory.
    pub writes_refused: u64,
}

/// Connections to the database.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ConnectionRow {
    /// Most at once.
    pub peak: u32,
    /// Connections refused because the server's limit was reached.
    pub refused: u64,
}

/// What was measured of a run's data tier; `None` if nothing was.
pub(super) fn report(run: &Measurements) -> Option<DataTierReport> {
    let figures = run.data_tier()?;
    let row = |failover| failover_row(failover, run);
    Some(DataTierReport {
        failovers: figures.failovers.iter().map(row).collect(),
        redis_lag: figures.redis_lag.and_then(lag_row),
        database_lag: figures.database_lag.and_then(lag_row),
        redis_memory: memory_row(figures),
        database_connections: connection_row(figures),
    })
}

fn failover_row(failover: &FailoverFigures, run: &Measurements) -> FailoverRow {
    let topology = &run.plan.topology;
    let promoted_after = failover.promoted_at.map(|at| at - failover.lost_at);
    FailoverRow {
        part: failover.part,
        lost_at_seconds: failover.lost_at.as_secs_f64(),
        lost_zone: events::zone(failover.lost_zone, topology),
        promoted_after_seconds: promoted_after.map(|after| after.as_secs_f64()),
        promoted_zone: failover
            .promoted_zone
            .map(|zone| events::zone(zone, topology)),
        writes_failed_for_seconds: failover
            .writes_failed_for
            .map(|length| length.as_secs_f64()),
        lost: loss_row(&failover.loss),
    }
}

fn loss_row(loss: &Loss) -> LossRow {
    LossRow {
        places: loss.places,
        places_put_back: loss.places_put_back,
        active_places: loss.active_places,
        sessions: loss.sessions,
        orders: loss.orders,
        reaches_back_seconds: loss.reaches_back.map(|back| back.as_secs_f64()),
    }
}

/// A lag without samples was not measured.
fn lag_row(lag: LagFigures) -> Option<LagRow> {
    (lag.samples > 0).then_some(LagRow {
        samples: lag.samples,
        p50: lag.p50.as_secs_f64(),
        p99: lag.p99.as_secs_f64(),
        max: lag.max.as_secs_f64(),
    })
}

/// Memory is always read together with its limit: without a limit it was not measured.
fn memory_row(figures: &DataTierFigures) -> Option<MemoryRow> {
    (figures.redis_memory_max > 0).then_some(MemoryRow {
        peak_bytes: figures.redis_memory_peak,
        max_bytes: figures.redis_memory_max,
        keys_evicted: figures.redis_keys_evicted,
        queues_evicted: figures.redis_queues_evicted,
        waiting_evicted: figures.redis_waiting_evicted,
        writes_refused: figures.redis_writes_refused,
    })
}

/// A working system has a connection: without one, connections were not measured.
fn connection_row(figures: &DataTierFigures) -> Option<ConnectionRow> {
    (figures.database_connections_peak > 0).then_some(ConnectionRow {
        peak: figures.database_connections_peak,
        refused: figures.database_connections_refused,
    })
}

/// The failovers and what else was measured; `None` if there is nothing to show.
pub(super) fn section(report: &DataTierReport) -> Option<Section> {
    let facts = facts(report);
    if report.failovers.is_empty() && facts.is_empty() {
        return None;
    }
    let mut section = Section::new("Data tier");
    if !report.failovers.is_empty() {
        section = section.with(failovers(report)).with(Prose::muted(
            "Recovery time (RTO) is how long writes failed for a client that follows the DNS name; data loss (RPO) is what \
             had been acknowledged and was gone. A dash: unknown, or nothing was lost.",
        ));
    }
    if !facts.is_empty() {
        section = section.with(pairs("", facts));
    }
    Some(section)
}

fn failovers(report: &DataTierReport) -> Table {
    let columns = vec![
        Column::label("Failed primary"),
        Column::number("Failed at"),
        Column::number("Promoted after"),
        Column::number("Writes failed for"),
        Column::number("Queue places"),
        Column::number("Shopping slots"),
        Column::number("Sessions"),
        Column::number("Paid orders"),
        Column::number("Oldest lost write"),
    ];
    Table::new(columns)
        .titled("Failovers: recovery time (RTO) and what was lost (RPO)")
        .with_rows(report.failovers.iter().map(failover_cells))
}

fn failover_cells(failover: &FailoverRow) -> Vec<Cell> {
    let seconds = |length: Option<f64>| Cell::number(length.map(Number::seconds));
    let lost = &failover.lost;
    let count = |count: u64| match count {
        0 => Cell::count(0),
        _ => Cell::count(count).colored(Status::Fail),
    };
    let promoted = match (failover.promoted_after_seconds, &failover.promoted_zone) {
        (Some(after), zone) => {
            let note = match zone {
                Some(zone) if *zone == failover.lost_zone => "same node".to_owned(),
                Some(zone) => format!("zone {zone}"),
                None => String::new(),
            };
            Cell::number(Number::seconds(after)).with_note(note)
        }
        (None, _) => Cell::text("never").colored(Status::Fail),
    };
    vec![
        Cell::text(capitalized(events::part(failover.part)))
            .with_note(format!("zone {}", failover.lost_zone)),
        Cell::number(Number::new(failover.lost_at_seconds, NumberKind::Instant)),
        promoted,
        seconds(failover.writes_failed_for_seconds),
        count(lost.places),
        count(lost.active_places),
        count(lost.sessions),
        count(lost.orders),
        seconds(lost.reaches_back_seconds),
    ]
}

/// What was measured beside the failovers, as names and values.
fn facts(report: &DataTierReport) -> Vec<(String, String)> {
    let lags = [
        ("Redis replica lag", report.redis_lag),
        ("Database replica lag", report.database_lag),
    ];
    let mut facts: Vec<_> = lags
        .into_iter()
        .filter_map(|(name, lag)| Some((name, lag_in_words(lag?))))
        .collect();
    if let Some(memory) = &report.redis_memory {
        facts.push(("Redis memory", memory_in_words(memory)));
    }
    if let Some(connections) = &report.database_connections {
        let told = format!(
            "{} at peak, {} refused",
            Number::count(connections.peak.into()),
            Number::count(connections.refused)
        );
        facts.push(("Database connections", told));
    }
    let named = facts.into_iter();
    named.map(|(name, told)| (name.to_owned(), told)).collect()
}

fn lag_in_words(lag: LagRow) -> String {
    let [p50, p99, max] = [lag.p50, lag.p99, lag.max].map(Number::seconds);
    let samples = Number::count(lag.samples);
    format!("p(50) {p50}, p(99) {p99}, max {max} ({samples} samples)")
}

fn memory_in_words(memory: &MemoryRow) -> String {
    let counted = |count: u64| Number::count(count);
    let [peak, max] = [memory.peak_bytes, memory.max_bytes].map(Number::bytes);
    let queue = match memory.queues_evicted {
        0 => "the queue was never evicted".to_owned(),
        times => format!(
            "the queue was evicted {} times with {} buyers in it",
            counted(times),
            counted(memory.waiting_evicted)
        ),
    };
    format!(
        "{peak} of {max} at peak; {} keys evicted; {queue}; {} writes refused",
        counted(memory.keys_evicted),
        counted(memory.writes_refused)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{document, page};
    use crate::{html, json, text};
    use std::time::Duration;
    use tiketi_core::units::{SimTime, ZoneId};
    use tiketi_measure::{Engine, example};
    use tiketi_scenario::data_tier::DataTier;
    use tiketi_verdict::judge;

    fn run(figures: Option<DataTierFigures>) -> Measurements {
        let mut plan = example::plan();
        plan.topology.data_tier = DataTier::Servers;
        let mut run = example::run_with(plan, example::ending());
        run.ending.system.as_mut().unwrap().data_tier = figures;
        run
    }

    fn shown(run: &Measurements) -> [String; 3] {
        let document = document(run, judge(run), "tiketi-sim run example.toml");
        let page = page(&document, run);
        [
            text::render(&page, text::Color::Plain, None),
            html::render(&page),
            json(&document),
        ]
    }

    fn failover() -> FailoverFigures {
        FailoverFigures {
            part: DataTierPart::Redis,
            lost_at: SimTime::from_secs(240),
            lost_zone: ZoneId(0),
            promoted_at: Some(SimTime::from_secs(270)),
            promoted_zone: Some(ZoneId(1)),
            writes_failed_for: Some(Duration::from_millis(31_500)),
            loss: Loss {
                places: 7_654,
                reaches_back: Some(Duration::from_millis(80)),
                ..Loss::default()
            },
        }
    }

    fn figures(failover: FailoverFigures) -> DataTierFigures {
        DataTierFigures {
            failovers: vec![failover],
            ..DataTierFigures::default()
        }
    }

    #[test]
    fn every_failover_shows_its_recovery_time_and_its_loss() {
        let [text, page, json] = shown(&run(Some(figures(failover()))));
        for shown in [&text, &page] {
            for part in ["(RTO)", "31.5s", "7,654", "80ms", "zone b"] {
                assert!(shown.contains(part), "no `{part}` in:\n{shown}");
            }
        }
        for part in [
            "\"writes_failed_for_seconds\": 31.5",
            "\"data_tier\": \"servers\"",
        ] {
            assert!(json.contains(part), "no `{part}` in the summary");
        }
    }

    #[test]
    fn what_was_not_measured_is_not_shown() {
        let [text, page, _] = shown(&run(Some(DataTierFigures::default())));
        for shown in [text, page] {
            for absent in [
                "replica lag",
                "Redis memory",
                "Database connections",
                "Failovers: ",
            ] {
                assert!(!shown.contains(absent), "`{absent}` is shown");
            }
        }
        let [_, _, json] = shown(&run(None));
        assert!(json.contains("\"data_tier\": null"), "nothing was measured");
        assert!(
            json.contains("\"data_tier\": \"servers\""),
            "the tier is known"
        );
    }

    #[test]
    fn a_node_that_is_promoted_again_or_never_is_told_apart() {
        let mut again = failover();
        again.promoted_zone = Some(ZoneId(0));
        let [text, ..] = shown(&run(Some(figures(again.clone()))));
        assert!(text.contains("same node"), "{text}");
        (again.promoted_at, again.promoted_zone) = (None, None);
        let [text, ..] = shown(&run(Some(figures(again))));
        assert!(text.contains("never"), "{text}");
    }

    #[test]
    fn the_report_names_the_data_tier_and_no_password() {
        let mut theirs = run(None);
        theirs.plan.topology.data_tier = DataTier::External(example::external_servers());
        let [text, page, json] = shown(&theirs);
        assert!(text.contains("data tier: external"), "{text}");
        assert!(page.contains("existing servers, which belong to no zone"));
        for shown in [text, page, json] {
            assert!(!shown.contains("s3cret"), "a password is shown");
        }
        theirs.ending.engine = Engine::Model;
        assert!(shown(&theirs)[2].contains("\"data_tier\": \"model\""));
        theirs.ending.engine = Engine::Live;
        theirs.ending.system = None;
        assert!(!shown(&theirs)[0].contains("data tier:"), "it is unknown");
    }
}
