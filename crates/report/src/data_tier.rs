//! What was measured of the data tier: its replicas, its failovers, its memory and connections. What nobody measured is
//! left out, and never shown as zero.

use std::time::Duration;

use serde::Serialize;

use super::words;
use tiketi_cloud::notice::DataTierPart;
use tiketi_measure::Measurements;
use tiketi_measure::ending::{DataTierFigures, FailoverFigures, LagFigures, Loss};
use tiketi_verdict::figure::{grouped, in_words};

/// What was measured of the data tier.
#[derive(Clone, Debug, Serialize)]
pub struct DataTierReport {
    /// Each loss of a primary: how long it took (RTO) and what it cost (RPO).
    pub failovers: Vec<FailoverRow>,
    /// How far the replica of Redis was behind; `None` if nobody measured it.
    pub redis_lag: Option<LagRow>,
    /// How far the replica of the database was behind; `None` if nobody measured it.
    pub database_lag: Option<LagRow>,
    /// Memory of Redis; `None` if nobody measured it.
    pub redis_memory: Option<MemoryRow>,
    /// Connections of the database; `None` if nobody measured them.
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
    /// From the loss until a member took writes; `None` if none did until the end.
    pub promoted_after_seconds: Option<f64>,
    /// Name of that member's zone.
    pub promoted_zone: Option<String>,
    /// How long writes failed for a client that follows the name (RTO); `None` if nobody tried, or none succeeded again.
    pub writes_failed_for_seconds: Option<f64>,
    /// What was lost of what had been acknowledged (RPO).
    pub lost: LossRow,
}

/// What a failover lost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LossRow {
    /// Places in the queue.
    pub places: u64,
    /// Places that came back although their buyers had left them.
    pub places_put_back: u64,
    /// Active places.
    pub active_places: u64,
    /// Sessions.
    pub sessions: u64,
    /// Paid orders.
    pub orders: u64,
    /// Age of the oldest write that was lost; `None` if nothing was.
    pub reaches_back_seconds: Option<f64>,
}

/// How far a replica was behind, in seconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LagRow {
    /// Times it was measured.
    pub samples: u64,
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// The most.
    pub max: f64,
}

/// Memory of Redis.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MemoryRow {
    /// Bytes at the peak.
    pub peak_bytes: u64,
    /// Bytes beyond which keys are evicted or writes refused.
    pub max_bytes: u64,
    /// Keys evicted.
    pub keys_evicted: u64,
    /// Times the queue itself, which is one key, was evicted.
    pub queues_evicted: u64,
    /// Buyers who stood in it.
    pub waiting_evicted: u64,
    /// Writes refused for lack of memory.
    pub writes_refused: u64,
}

/// Connections of the database.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ConnectionRow {
    /// Most at once.
    pub peak: u32,
    /// Refused because there were as many as the server admits.
    pub refused: u64,
}

/// What was measured of the data tier of a run; `None` if nobody measured anything of it.
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
        lost_zone: words::zone(failover.lost_zone, topology),
        promoted_after_seconds: promoted_after.map(|after| after.as_secs_f64()),
        promoted_zone: failover
            .promoted_zone
            .map(|zone| words::zone(zone, topology)),
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

/// A lag without a sample is none.
fn lag_row(lag: LagFigures) -> Option<LagRow> {
    (lag.samples > 0).then_some(LagRow {
        samples: lag.samples,
        p50: lag.p50.as_secs_f64(),
        p99: lag.p99.as_secs_f64(),
        max: lag.max.as_secs_f64(),
    })
}

/// Whoever reads the memory of Redis reads its limit as well: without one nobody has looked.
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

/// A system that worked had a connection: without one nobody has looked.
fn connection_row(figures: &DataTierFigures) -> Option<ConnectionRow> {
    (figures.database_connections_peak > 0).then_some(ConnectionRow {
        peak: figures.database_connections_peak,
        refused: figures.database_connections_refused,
    })
}

impl DataTierReport {
    /// What there is to say beside the failovers, as names and figures.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let lags = [
            ("Redis replica behind by", self.redis_lag),
            ("database replica behind by", self.database_lag),
        ];
        let mut lines: Vec<_> = lags
            .into_iter()
            .filter_map(|(name, lag)| Some((name, lag?.in_words())))
            .collect();
        if let Some(memory) = &self.redis_memory {
            lines.push(("Redis memory at most", memory.in_words()));
        }
        if let Some(connections) = &self.database_connections {
            let told = format!(
                "{} at once, {} refused",
                connections.peak,
                grouped(connections.refused)
            );
            lines.push(("database connections", told));
        }
        lines
    }
}

impl LagRow {
    fn in_words(self) -> String {
        format!(
            "p(50)={}, p(99)={}, max={} ({} samples)",
            length(self.p50),
            length(self.p99),
            length(self.max),
            grouped(self.samples)
        )
    }
}

impl MemoryRow {
    fn in_words(self) -> String {
        /// One mebibyte, with a decimal: a small sale needs little of one.
        fn mebibytes(bytes: u64) -> String {
            let tenths = (bytes * 10) >> 20;
            format!("{}.{}", grouped(tenths / 10), tenths % 10)
        }
        format!(
            "{} of {} MiB; {} keys evicted, the queue itself {} times with {} who stood in it; {} writes refused",
            mebibytes(self.peak_bytes),
            mebibytes(self.max_bytes),
            grouped(self.keys_evicted),
            grouped(self.queues_evicted),
            grouped(self.waiting_evicted),
            grouped(self.writes_refused)
        )
    }
}

/// The columns of the table of failovers.
pub(super) const COLUMNS: [&str; 9] = [
    "part",
    "lost at",
    "promoted after",
    "writes failed for",
    "places",
    "active",
    "sessions",
    "orders",
    "reaches back",
];

impl FailoverRow {
    /// The cells of the table, in the order of [`COLUMNS`].
    pub(super) fn cells(&self) -> [String; 9] {
        let or_dash = |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), length);
        let promoted = match (self.promoted_after_seconds, &self.promoted_zone) {
            (Some(after), Some(zone)) if *zone == self.lost_zone => {
                format!("{}, itself in {zone}", length(after))
            }
            (Some(after), Some(zone)) => format!("{}, in {zone}", length(after)),
            (Some(after), None) => length(after),
            (None, _) => "never".to_owned(),
        };
        [
            words::tier(self.part).to_owned(),
            format!("{}, in {}", length(self.lost_at_seconds), self.lost_zone),
            promoted,
            or_dash(self.writes_failed_for_seconds),
            grouped(self.lost.places),
            grouped(self.lost.active_places),
            grouped(self.lost.sessions),
            grouped(self.lost.orders),
            or_dash(self.lost.reaches_back_seconds),
        ]
    }
}

/// What the table of failovers means.
pub(super) const EXPLAINED: &str = "Recovery time (RTO) is how long writes failed for a client that follows the name; data \
     loss (RPO) is what had been acknowledged and was gone. A dash: nobody could tell, or nothing was lost.";

fn length(seconds: f64) -> String {
    in_words(Duration::from_secs_f64(seconds.max(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{document, html, json, text};
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
        [
            text::render(&document, text::Color::Plain),
            html::render(&document, run),
            json::render(&document),
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

    #[test]
    fn every_failover_is_shown_with_both_terms() {
        let figures = DataTierFigures {
            failovers: vec![failover()],
            ..DataTierFigures::default()
        };
        let [text, page, json] = shown(&run(Some(figures)));
        for part in ["FAILOVERS", "31.5s", "7,654", "80ms", "30s, in b"] {
            assert!(text.contains(part), "no `{part}` in:\n{text}");
        }
        for part in [
            "Failovers: RTO and RPO",
            "31.5s",
            "7,654",
            "data tier: servers",
        ] {
            assert!(page.contains(part), "no `{part}` in the page");
        }
        for part in [
            "\"writes_failed_for_seconds\": 31.5",
            "\"data_tier\": \"servers\"",
        ] {
            assert!(json.contains(part), "no `{part}` in the summary");
        }
    }

    #[test]
    fn what_nobody_measured_is_not_shown_at_all() {
        let [text, page, _] = shown(&run(Some(DataTierFigures::default())));
        for shown in [text, page] {
            for absent in [
                "behind by",
                "Redis memory",
                "database connections",
                "Failovers",
            ] {
                assert!(!shown.contains(absent), "`{absent}` is shown");
            }
            assert!(!shown.contains("FAILOVERS"));
        }
        let [_, _, json] = shown(&run(None));
        assert!(json.contains("\"data_tier\": null"), "nothing was measured");
        assert!(
            json.contains("\"data_tier\": \"servers\""),
            "the tier is known"
        );
    }

    #[test]
    fn a_primary_that_comes_back_itself_or_never_says_so() {
        let mut row = failover();
        row.promoted_zone = Some(ZoneId(0));
        let figures = |row| {
            Some(DataTierFigures {
                failovers: vec![row],
                ..DataTierFigures::default()
            })
        };
        let [itself, ..] = shown(&run(figures(row.clone())));
        assert!(itself.contains("itself in a"));
        (row.promoted_at, row.promoted_zone, row.writes_failed_for) = (None, None, None);
        let [never, ..] = shown(&run(figures(row)));
        assert!(never.contains("never"));
    }

    #[test]
    fn the_report_says_what_kept_the_data() {
        let mut theirs = run(None);
        theirs.plan.topology.data_tier = DataTier::External(example::external_servers());
        let [text, page, json] = shown(&theirs);
        assert!(text.contains("data tier: external"));
        assert!(page.contains("existed before the run"));
        for shown in [text, page, json] {
            assert!(!shown.contains("s3cret"), "a password is shown");
        }
        theirs.ending.engine = Engine::Model;
        assert!(shown(&theirs)[0].contains("data tier: model"));
        theirs.ending.engine = Engine::Live;
        theirs.ending.system = None;
        assert!(!shown(&theirs)[0].contains("data tier:"), "nobody knows");
    }
}
