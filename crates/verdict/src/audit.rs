//! Audits: promises of the system under test, checked against its final state.

use serde::Serialize;

use super::figure::grouped;
use tiketi_cloud::notice::DataTierPart;
use tiketi_measure::Measurements;
use tiketi_measure::ending::{AdmissionFacts, AuditFacts, FinalState};

/// What came of one audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditVerdict {
    /// Which promise.
    pub audit: Audit,
    /// Whether it was kept.
    #[serde(flatten)]
    pub finding: Finding,
}

/// A promise of the system under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Audit {
    /// Free, held and sold seats add up to the seats there are.
    NoOversell,
    /// At most one paid order for each seat.
    NoDoubleSale,
    /// Every acknowledged payment is in the final state.
    NothingLost,
    /// The payment provider charged for each paid order once, and for nothing else.
    Ledger,
    /// Everyone who joined the queue was admitted once, left, or still waits.
    AdmissionsConserved,
}

/// Whether a promise was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Finding {
    /// It was kept.
    Held {
        /// The numbers that show it.
        evidence: String,
    },
    /// It was broken.
    Violated {
        /// The numbers, and some of the things concerned.
        evidence: String,
    },
    /// Nobody can tell.
    CouldNotCheck {
        /// Why not.
        reason: String,
    },
}

impl Audit {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoOversell => "no oversell",
            Self::NoDoubleSale => "no double sale",
            Self::NothingLost => "nothing lost",
            Self::Ledger => "ledger",
            Self::AdmissionsConserved => "admissions conserved",
        }
    }
}

/// Checks all promises.
pub(super) fn judge(run: &Measurements) -> Vec<AuditVerdict> {
    let verdict = |audit, finding: Result<Finding, String>| AuditVerdict {
        audit,
        finding: finding.unwrap_or_else(|reason| Finding::CouldNotCheck { reason }),
    };
    vec![
        verdict(Audit::NoOversell, facts(run).map(no_oversell)),
        verdict(Audit::NoDoubleSale, facts(run).map(no_double_sale)),
        verdict(Audit::NothingLost, facts(run).map(nothing_lost)),
        verdict(Audit::Ledger, facts(run).map(ledger)),
        verdict(
            Audit::AdmissionsConserved,
            admissions(run).map(|ledger| admissions_conserved(ledger, places_lost(run))),
        ),
    ]
}

/// Seats sold or held beyond those that exist, or why nobody can tell.
pub(super) fn oversold_seats(run: &Measurements) -> Result<u64, String> {
    facts(run).map(|facts| (facts.seats_sold + facts.seats_held).saturating_sub(facts.seats_total))
}

/// Seats with more than one paid order, or why nobody can tell.
pub(super) fn double_sales(run: &Measurements) -> Result<u64, String> {
    facts(run).map(|facts| facts.seats_paid_twice.len() as u64)
}

/// Acknowledged payments missing from the final state, or why nobody can tell.
pub(super) fn lost_orders(run: &Measurements) -> Result<u64, String> {
    facts(run).map(|facts| facts.lost_orders.count)
}

/// Buyers who vanished from the queue, or why nobody can tell.
pub(super) fn lost_admissions(run: &Measurements) -> Result<u64, String> {
    admissions(run).map(|ledger| entered(ledger).saturating_sub(accounted_for(ledger)))
}

fn facts(run: &Measurements) -> Result<&AuditFacts, String> {
    match &run.ending.state {
        FinalState::Read(facts) => Ok(facts),
        FinalState::Unread { reason } => Err(reason.clone()),
    }
}

fn admissions(run: &Measurements) -> Result<&AdmissionFacts, String> {
    let ledger = facts(run)?.admissions.as_ref();
    ledger.ok_or_else(|| {
        "Redis was out at the end, or a step at its doors was not witnessed: nobody can tell who waited"
            .to_owned()
    })
}

fn entered(ledger: &AdmissionFacts) -> u64 {
    ledger.joined + ledger.put_back
}

fn accounted_for(ledger: &AdmissionFacts) -> u64 {
    ledger.admitted + ledger.left + ledger.waiting
}

fn found(kept: bool, evidence: String) -> Finding {
    if kept {
        Finding::Held { evidence }
    } else {
        Finding::Violated { evidence }
    }
}

fn no_oversell(facts: &AuditFacts) -> Finding {
    let sum = facts.seats_free + facts.seats_held + facts.seats_sold;
    let evidence = format!(
        "{} free + {} held + {} sold = {} of {} seats",
        grouped(facts.seats_free),
        grouped(facts.seats_held),
        grouped(facts.seats_sold),
        grouped(sum),
        grouped(facts.seats_total),
    );
    found(sum == facts.seats_total, evidence)
}

fn no_double_sale(facts: &AuditFacts) -> Finding {
    if facts.seats_paid_twice.is_empty() {
        let evidence = format!(
            "{} paid orders for {} seats, none twice",
            grouped(facts.paid_orders),
            grouped(facts.seats_sold)
        );
        return found(true, evidence);
    }
    let shown = facts.seats_paid_twice.iter().take(EXAMPLES_MAX);
    let seats: Vec<_> = shown
        .map(|(seat, orders)| format!("{seat} ({orders} orders)"))
        .collect();
    let evidence = format!(
        "{} seats have more than one paid order: {}",
        grouped(facts.seats_paid_twice.len() as u64),
        seats.join(", ")
    );
    found(false, evidence)
}

/// Things shown as evidence; the rest is only counted.
const EXAMPLES_MAX: usize = 5;

fn nothing_lost(facts: &AuditFacts) -> Finding {
    let lost = &facts.lost_orders;
    let mut evidence = format!(
        "{} payments acknowledged to buyers, {} missing from the final state",
        grouped(facts.acknowledged),
        grouped(lost.count)
    );
    if lost.count > 0 {
        let shown: Vec<_> = lost.examples.iter().take(EXAMPLES_MAX).cloned().collect();
        evidence = format!("{evidence}: {}", shown.join(", "));
    }
    found(lost.count == 0, evidence)
}

fn ledger(facts: &AuditFacts) -> Finding {
    let evidence = format!(
        "{} charges for {} paid orders",
        grouped(facts.captures),
        grouped(facts.paid_orders)
    );
    found(facts.captures == facts.paid_orders, evidence)
}

/// Places in the queue that went with a primary of Redis; `None` if nobody counted them.
fn places_lost(run: &Measurements) -> Option<u64> {
    let failovers = &run.data_tier()?.failovers;
    let of_redis = failovers
        .iter()
        .filter(|failover| failover.part == DataTierPart::Redis);
    let lost: u64 = of_redis.map(|failover| failover.loss.places).sum();
    (lost > 0).then_some(lost)
}

/// A place that went with a primary is a broken promise as any other; how many did is said, because it explains them.
fn admissions_conserved(ledger: &AdmissionFacts, places_lost: Option<u64>) -> Finding {
    let mut entered_in_words = format!("{} joined", grouped(ledger.joined));
    if ledger.put_back > 0 {
        let put_back = grouped(ledger.put_back);
        entered_in_words =
            format!("{entered_in_words} + {put_back} put back by a failover of Redis");
    }
    let is_even = accounted_for(ledger) == entered(ledger);
    let mut evidence = format!(
        "{entered_in_words} {} {} admitted + {} left + {} waiting; {} admitted twice for one join; {} not where the \
         witness at the door saw them go",
        if is_even { "=" } else { "≠" },
        grouped(ledger.admitted),
        grouped(ledger.left),
        grouped(ledger.waiting),
        grouped(ledger.admitted_twice),
        grouped(ledger.astray),
    );
    if let Some(lost) = places_lost {
        evidence = format!(
            "{evidence}; {} places went with a primary of Redis",
            grouped(lost)
        );
    }
    found(
        is_even && ledger.admitted_twice == 0 && ledger.astray == 0,
        evidence,
    )
}
