//! Documented targets: every claim of the architecture documents, held against what this run exercised of it.
//!
//! The rows are data (`scenarios/targets/tiketi.toml`); the code here measures those that a run can exercise. A row is
//! never *met* without a measurement.

mod cost;
mod data_path;
mod fleet;
mod resilience;

use serde::{Deserialize, Serialize};

use super::audit::AuditVerdict;
use super::recovery::Recovery;
use super::scale::ScaleAction;
use crate::measure::Measurements;

/// The documented rows of the TIKETI architecture.
const ROWS: &str = include_str!("../../../scenarios/targets/tiketi.toml");

/// One documented claim.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    system: String,
    documented: String,
    check: String,
    low: Option<f64>,
    high: Option<f64>,
    bound: Option<Bound>,
}

/// Where the bounds of a row come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// Whether the claim states them.
    pub source: BoundSource,
    /// How the claim's words are read.
    pub reads: String,
}

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundSource {
    /// The documents.
    Documented,
    /// This project, where the documents leave it open.
    Assumption,
}

/// One documented claim, held against the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetVerdict {
    /// Number of the row.
    pub id: String,
    /// What it is about.
    pub system: String,
    /// The claim.
    pub documented: String,
    /// Whether it held.
    pub verdict: Reached,
    /// What was measured, or why the run does not exercise the claim.
    pub measured: String,
    /// Where the bound comes from, for claims with one.
    pub bound: Option<Bound>,
}

/// Whether a claim held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// What was measured is as documented.
    Met,
    /// What was measured is not as documented.
    Missed,
    /// This run says nothing about it.
    NotExercised,
}

/// What a row is measured from.
struct Evidence<'a> {
    run: &'a Measurements,
    recoveries: &'a [Recovery],
    scaling: &'a [ScaleAction],
    audits: &'a [AuditVerdict],
}

/// What was measured, and whether it is as documented; `Err` says why the run does not exercise the row.
type Reading = Result<(bool, String), String>;

/// Holds every row against the run.
pub(super) fn judge(
    run: &Measurements,
    recoveries: &[Recovery],
    scaling: &[ScaleAction],
    audits: &[AuditVerdict],
) -> Vec<TargetVerdict> {
    let evidence = Evidence {
        run,
        recoveries,
        scaling,
        audits,
    };
    rows().into_iter().map(|row| hold(row, &evidence)).collect()
}

fn rows() -> Vec<Row> {
    #[derive(Deserialize)]
    struct File {
        target: Vec<Row>,
    }
    let file: File = toml::from_str(ROWS).expect("the rows are part of the program, and tested");
    file.target
}

fn hold(row: Row, evidence: &Evidence<'_>) -> TargetVerdict {
    let (verdict, measured) = match read(&row, evidence) {
        Ok((true, measured)) => (Reached::Met, measured),
        Ok((false, measured)) => (Reached::Missed, measured),
        Err(reason) => (Reached::NotExercised, reason),
    };
    TargetVerdict {
        id: row.id,
        system: row.system,
        documented: row.documented,
        verdict,
        measured,
        bound: row.bound,
    }
}

fn read(row: &Row, evidence: &Evidence<'_>) -> Reading {
    match row.id.as_str() {
        "A2" => data_path::edge(row, evidence),
        "A4" => fleet::spread(row, evidence),
        "A5" => resilience::zone_loss(row, evidence),
        "A7" => fleet::initial(evidence),
        "A8" => data_path::redis_jobs(evidence),
        "A9" => resilience::permanent_data(evidence),
        "A10" => data_path::cache_first(row, evidence),
        "A11" => data_path::real_time(row, evidence),
        "A12" => resilience::database_failover(row, evidence, Database::Aurora),
        "A13" => fleet::monitor(row, evidence),
        "A14" => fleet::alarms(row, evidence),
        "A15" => fleet::in_service(row, evidence),
        "A16" | "B4" => fleet::size(row, evidence),
        "A19" => resilience::failover(row, evidence),
        "A21" => data_path::delivery(row, evidence),
        "A24" => cost::month(row, evidence),
        "B1" => resilience::availability(row, evidence),
        "B5" => resilience::database_failover(row, evidence, Database::Rds),
        "B6" => data_path::pool(evidence),
        "B14" => resilience::terms(evidence),
        _ => Err(format!("this run does not measure it: {}", row.check)),
    }
}

/// Which of the two documented databases a row is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Database {
    Aurora,
    Rds,
}

impl Row {
    /// Whether `value` lies within the row's bounds.
    fn admits(&self, value: f64) -> bool {
        self.low.is_none_or(|low| value >= low) && self.high.is_none_or(|high| value <= high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_all_there_once_and_in_order() {
        let ids: Vec<_> = rows().into_iter().map(|row| row.id).collect();
        let a = (1..=24).map(|number| format!("A{number}"));
        let b = (1..=14).map(|number| format!("B{number}"));
        assert_eq!(ids, a.chain(b).collect::<Vec<_>>());
    }

    #[test]
    fn every_bound_says_where_it_comes_from() {
        for row in rows() {
            let bounded = row.low.is_some() || row.high.is_some();
            assert_eq!(bounded, row.bound.is_some(), "{}", row.id);
        }
    }
}
