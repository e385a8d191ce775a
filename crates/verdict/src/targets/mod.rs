//! Documented targets: every claim of the architecture documents, held against what this run exercised of it.
//!
//! The rows are data (`scenarios/targets/tiketi.toml`); the code here measures those that a run can exercise. A row is
//! never *met* without a measurement, and never wholly if part of its claim was not measured.

mod cost;
mod data_path;
mod failover;
mod fleet;
mod network;
mod resilience;

use serde::{Deserialize, Serialize};

use super::audit::AuditVerdict;
use super::recovery::Recovery;
use super::scale::ScaleAction;
use tiketi_measure::Measurements;

/// The documented rows of the TIKETI architecture.
const ROWS: &str = include_str!("../../../../scenarios/targets/tiketi.toml");

/// One documented claim.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    system: String,
    documented: String,
    check: String,
    /// Why no run measures the row yet; `None` if runs do.
    unmeasured: Option<String>,
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetVerdict {
    /// Number of the row.
    pub id: String,
    /// What it is about.
    pub system: String,
    /// The claim.
    pub documented: String,
    /// How a run checks it.
    pub check: String,
    /// Whether it held.
    pub verdict: Reached,
    /// What was measured, or why the run does not exercise the claim.
    pub measured: String,
    /// Least value that is as documented, for claims that are held against one.
    pub low: Option<f64>,
    /// Greatest value that is as documented.
    pub high: Option<f64>,
    /// Where the bound comes from, for claims with one.
    pub bound: Option<Bound>,
}

/// Whether a claim held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// The whole claim was measured, and it is as documented.
    Met,
    /// What was measured is as documented; the claim says more than that.
    PartlyMet,
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

/// What was measured; `Err` says why the run does not exercise the row.
type Reading = Result<Found, String>;

/// What was measured of a row.
struct Found {
    as_documented: bool,
    measured: String,
    /// Parts of the claim that were not measured.
    unmeasured: Vec<&'static str>,
}

impl Found {
    fn new(as_documented: bool, measured: String) -> Self {
        Self {
            as_documented,
            measured,
            unmeasured: Vec::new(),
        }
    }

    /// The claim says something about `part` as well, which was not measured.
    fn without(mut self, part: &'static str) -> Self {
        self.unmeasured.push(part);
        self
    }

    /// [`Self::without`] unless `is_measured`.
    fn without_unless(self, is_measured: bool, part: &'static str) -> Self {
        if is_measured {
            self
        } else {
            self.without(part)
        }
    }

    fn verdict(&self) -> Reached {
        match (self.as_documented, self.unmeasured.is_empty()) {
            (false, _) => Reached::Missed,
            (true, true) => Reached::Met,
            (true, false) => Reached::PartlyMet,
        }
    }

    fn in_words(self) -> String {
        if self.unmeasured.is_empty() {
            return self.measured;
        }
        format!(
            "{}; not measured: {}",
            self.measured,
            self.unmeasured.join(", ")
        )
    }
}

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
        Ok(found) => (found.verdict(), found.in_words()),
        Err(reason) => (Reached::NotExercised, reason),
    };
    TargetVerdict {
        id: row.id,
        system: row.system,
        documented: row.documented,
        check: row.check,
        verdict,
        measured,
        low: row.low,
        high: row.high,
        bound: row.bound,
    }
}

fn read(row: &Row, evidence: &Evidence<'_>) -> Reading {
    match row.id.as_str() {
        "A4" => fleet::spread(row, evidence),
        "A5" => resilience::zone_loss(row, evidence),
        "A7" => fleet::initial(evidence),
        "A8" => data_path::redis_jobs(evidence),
        "A9" => resilience::permanent_data(evidence),
        "A10" => data_path::cache_first(row, evidence),
        "A11" => data_path::real_time(row, evidence),
        "A12" => failover::database(row, evidence, Database::Aurora),
        "A13" => fleet::monitor(row, evidence),
        "A14" => fleet::alarms(row, evidence),
        "A15" => fleet::in_service(row, evidence),
        "A16" => fleet::size(evidence),
        "A17" => cost::endpoint(row, evidence),
        "A19" => resilience::failover(row, evidence),
        "A21" => data_path::delivery(row, evidence),
        "A24" => cost::month(row, evidence),
        "B1" => resilience::availability(row, evidence),
        "B2" => network::subnets(evidence),
        "B4" => fleet::size(evidence),
        "B5" => failover::database(row, evidence, Database::Rds),
        "B6" => data_path::pool(evidence),
        "B7" => failover::redis_losses(row, evidence),
        "B8" => data_path::rate_limit(evidence),
        "B14" => failover::terms(evidence),
        _ => Err(row.unmeasured.clone().unwrap_or_default()),
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

    #[test]
    fn every_row_is_measured_or_says_why_not() {
        let run = tiketi_measure::example::run();
        for verdict in crate::judge(&run).targets {
            assert!(!verdict.measured.is_empty(), "{}", verdict.id);
        }
    }

    #[test]
    fn part_of_a_claim_is_never_the_whole() {
        let found = |as_documented| Found::new(as_documented, "30 s".to_owned());
        assert_eq!(found(true).verdict(), Reached::Met);
        assert_eq!(found(true).without("lag").verdict(), Reached::PartlyMet);
        assert_eq!(found(false).without("lag").verdict(), Reached::Missed);
        assert_eq!(
            found(true).without("lag").in_words(),
            "30 s; not measured: lag"
        );
    }
}
