//! Architecture claims: every claim of the architecture documents, compared with what this run exercised of it.
//!
//! The claims are data (`scenarios/targets/tiketi.toml`); the code here measures those that a run can exercise. A claim is
//! never *met* without a measurement, and only *partly met* if a part of it was not measured.

pub mod architecture;
mod cost;
mod data_path;
mod deployment;
mod edge;
mod failover;
mod fleet;
mod network;
mod outbound;
pub mod pair;
mod resilience;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use architecture::Described;

use super::audit::{AuditVerdict, Unchecked};
use super::availability::Availability;
use super::deployment::Deployment;
use super::recovery::Recovery;
use super::scale::ScaleAction;
use tiketi_measure::Measurements;

/// The claims of the TIKETI architecture documents.
const CLAIMS: &str = include_str!("../../../../scenarios/targets/tiketi.toml");

/// One claim, as the file states it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Its number, such as `A12`.
    pub id: String,
    /// The part of the architecture that it is about.
    pub system: String,
    /// The claim as the documents state it.
    pub documented: String,
    /// How a run checks it.
    pub check: String,
    /// The shipped scenario that exercises it; `None` if none does, or if it takes a study.
    pub scenario: Option<String>,
    /// The plan or the scenario of the study that shows it; `None` if a single run can.
    pub study: Option<String>,
    /// Why no single run measures it; `None` if runs do.
    pub unmeasured: Option<String>,
    low: Option<f64>,
    high: Option<f64>,
    bound: Option<Bound>,
}

/// Where the bounds of a claim come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// Whether the documents state them.
    pub source: BoundSource,
    /// How the words of the claim are read.
    pub reads: String,
}

/// The source of a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundSource {
    /// The documents.
    Documented,
    /// This project, where the documents leave it open.
    Assumption,
}

/// One claim, compared with the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetVerdict {
    /// Number of the claim, such as `A12`.
    pub id: String,
    /// The part of the architecture that it is about.
    pub system: String,
    /// The claim as the documents state it.
    pub documented: String,
    /// How a run checks it.
    pub check: String,
    /// The verdict.
    pub verdict: Reached,
    /// What was measured, or why the run does not exercise the claim.
    pub measured: String,
    /// Lowest value that agrees with the claim; `None` if there is no lower bound.
    pub low: Option<f64>,
    /// Highest value that agrees with the claim; `None` if there is no upper bound.
    pub high: Option<f64>,
    /// Where the bounds come from; `None` without bounds.
    pub bound: Option<Bound>,
}

/// The verdict on a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// The whole claim was measured, and it agrees.
    Met,
    /// The measured part agrees, but the claim says more than that.
    PartlyMet,
    /// What was measured does not agree.
    Missed,
    /// This run does not exercise it.
    NotExercised,
}

/// What claims are measured from.
pub(super) struct Evidence<'a> {
    /// The run.
    pub(super) run: &'a Measurements,
    /// How the users recovered from each fault.
    pub(super) recoveries: &'a [Recovery],
    /// Each change of the fleet's desired size.
    pub(super) scaling: &'a [ScaleAction],
    /// Each instance refresh.
    pub(super) deployments: &'a [Deployment],
    /// Availability of the run and of a year.
    pub(super) availability: &'a Availability,
    /// The audits.
    pub(super) audits: &'a [AuditVerdict],
}

/// How many zones a run has, for claims that compare one with several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zones {
    One,
    Several,
}

impl Evidence<'_> {
    fn zones(&self) -> Zones {
        match self.run.plan.topology.zones.len() {
            0 | 1 => Zones::One,
            _ => Zones::Several,
        }
    }
}

/// Why a run does not exercise a claim.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct NotExercised(Cow<'static, str>);

impl From<&'static str> for NotExercised {
    fn from(reason: &'static str) -> Self {
        Self(reason.into())
    }
}

impl From<String> for NotExercised {
    fn from(reason: String) -> Self {
        Self(reason.into())
    }
}

impl From<Unchecked> for NotExercised {
    fn from(unchecked: Unchecked) -> Self {
        Self(unchecked.to_string().into())
    }
}

/// The result of checking a claim against a run.
type Checked = Result<Found, NotExercised>;

/// What was measured of a claim.
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

    /// Adds that the claim also covers `part`, which was not measured.
    fn without(mut self, part: &'static str) -> Self {
        self.unmeasured.push(part);
        self
    }

    /// Calls [`Self::without`] unless `is_measured`.
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

/// Compares every claim with the run. What is not the architecture that a claim is about does not exercise it.
pub(super) fn judge(described: &Described, evidence: &Evidence<'_>) -> Vec<TargetVerdict> {
    claims()
        .into_iter()
        .map(|claim| compare(claim, described, evidence))
        .collect()
}

/// Returns every claim, in the order of the documents.
pub fn claims() -> Vec<Claim> {
    #[derive(Deserialize)]
    struct File {
        target: Vec<Claim>,
    }
    let file: File =
        toml::from_str(CLAIMS).expect("the claims are part of the program, and tested");
    file.target
}

fn compare(claim: Claim, described: &Described, evidence: &Evidence<'_>) -> TargetVerdict {
    let checked = match described.objection(&claim.id) {
        Some(objection) => Err(objection.into()),
        None => read(&claim, evidence),
    };
    let (verdict, measured) = match checked {
        Ok(found) => (found.verdict(), found.in_words()),
        Err(reason) => (Reached::NotExercised, reason.to_string()),
    };
    TargetVerdict {
        id: claim.id,
        system: claim.system,
        documented: claim.documented,
        check: claim.check,
        verdict,
        measured,
        low: claim.low,
        high: claim.high,
        bound: claim.bound,
    }
}

fn read(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    match claim.id.as_str() {
        "A1" => edge::names(evidence),
        "A2" => edge::files(claim, evidence),
        "A3" => network::way_in(evidence),
        "A4" => fleet::spread(claim, evidence),
        "A5" => resilience::zone_loss(claim, evidence),
        "A6" => network::tiers(evidence),
        "A7" => fleet::initial(evidence),
        "A8" => data_path::redis_jobs(evidence),
        "A9" => resilience::permanent_data(evidence),
        "A10" => data_path::cache_first(claim, evidence),
        "A11" => data_path::real_time(claim, evidence),
        "A12" => failover::database(claim, evidence, ClaimedDatabase::Aurora),
        "A13" => fleet::monitor(claim, evidence),
        "A14" => fleet::alarms(claim, evidence),
        "A15" => fleet::in_service(claim, evidence),
        "A16" => fleet::size(evidence),
        "A17" => cost::endpoint(claim, evidence),
        "A18" => network::gateways(evidence),
        "A19" => resilience::failover(claim, evidence),
        "A20" => network::database(evidence),
        "A21" => data_path::delivery(claim, evidence),
        "A24" => cost::month(claim, evidence),
        "B1" => resilience::availability(claim, evidence),
        "B2" => network::subnets(evidence),
        "B3" => network::routes(evidence),
        "B4" => fleet::size(evidence),
        "B5" => failover::database(claim, evidence, ClaimedDatabase::Rds),
        "B6" => data_path::pool(evidence),
        "B7" => failover::redis_losses(claim, evidence),
        "B8" => data_path::rate_limit(evidence),
        "B10" => deployment::rolling(claim, evidence),
        "B11" => resilience::one_zone(evidence),
        "B13" => data_path::stale_reads(claim, evidence),
        "B14" => failover::terms(evidence),
        _ => Err(claim.unmeasured.clone().unwrap_or_default().into()),
    }
}

/// Which of the two documented databases a claim is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClaimedDatabase {
    Aurora,
    Rds,
}

impl Claim {
    /// Returns whether `value` lies within the bounds of the claim.
    fn admits(&self, value: f64) -> bool {
        self.low.is_none_or(|low| value >= low) && self.high.is_none_or(|high| value <= high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_is_listed_once_and_in_order() {
        let ids: Vec<_> = claims().into_iter().map(|claim| claim.id).collect();
        let a = (1..=24).map(|number| format!("A{number}"));
        let b = (1..=14).map(|number| format!("B{number}"));
        assert_eq!(ids, a.chain(b).collect::<Vec<_>>());
    }

    #[test]
    fn every_bound_has_a_source() {
        for claim in claims() {
            let bounded = claim.low.is_some() || claim.high.is_some();
            assert_eq!(bounded, claim.bound.is_some(), "{}", claim.id);
        }
    }

    #[test]
    fn every_claim_is_measured_or_says_why_not() {
        let run = tiketi_measure::example::run();
        for verdict in crate::judge(&run).targets {
            assert!(!verdict.measured.is_empty(), "{}", verdict.id);
        }
    }

    #[test]
    fn a_claim_with_an_unmeasured_part_is_at_most_partly_met() {
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
