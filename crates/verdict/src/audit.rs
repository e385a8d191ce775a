//! Audits: data-integrity checks of the system under test, made on its final state.
//!
//! An audit that finds a defect fails. One that finds none passes only if there was something that could have been wrong:
//! without a sold ticket, nothing shows that tickets are sold once.

pub(crate) mod buyers;
mod charges;

use serde::Serialize;

use super::figure::{counted, grouped};
use tiketi_buyer::observation::Stage;
use tiketi_cloud::notice::DataTierPart;
use tiketi_measure::Measurements;
use tiketi_measure::ending::{AdmissionFacts, AuditFacts, FinalState};

/// The result of one audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditVerdict {
    /// Which audit.
    pub audit: Audit,
    /// What was found, in a sentence or two for people; not part of the JSON report, which has the numbers.
    #[serde(skip)]
    pub summary: String,
    /// Whether it passed.
    #[serde(flatten)]
    pub finding: Finding,
}

/// A data-integrity check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Audit {
    /// Free, held and sold seats add up to the seats of the show.
    NoOversell,
    /// No seat has more than one paid order.
    NoDoubleSale,
    /// Every payment that was confirmed to a buyer is in the final state.
    NothingLost,
    /// The payment provider charged once for each paid order, and for nothing else.
    Ledger,
    /// Everyone who joined the queue was admitted once, left, or is still waiting.
    AdmissionsConserved,
    /// On a target: the seat map offers no seat that a buyer has paid for.
    SoldSeatsStaySold,
    /// On a target: no seat is sold whose payment was reported as failed, or got no response.
    PaymentsReportedCorrectly,
    /// On a target: at least one seat could be held.
    HoldsSucceed,
    /// On a target: a refused hold leaves the seat available.
    RefusedHoldsLockNothing,
    /// On a target: while places are free, waiting buyers are admitted.
    QueueMoves,
    /// On a target: nobody is admitted twice for one wait.
    AdmittedOnce,
    /// On a target: the position in the queue never gets worse.
    PositionsImprove,
    /// On a target: a session is restored after a reconnect.
    SessionsRestored,
    /// On a target: connections are not lost again and again.
    ConnectionsLast,
}

/// Whether an audit passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Finding {
    /// It passed.
    Held {
        /// The numbers behind it.
        evidence: String,
    },
    /// It failed.
    Violated {
        /// The numbers behind it, and some of the affected seats or orders.
        evidence: String,
    },
    /// The final state does not say, or has nothing that could be wrong.
    CouldNotCheck {
        /// Why not.
        reason: String,
    },
}

/// Why an audit, or a gate on what audits count, could not be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unchecked {
    /// The final state of the system was not read.
    #[error("{reason}")]
    NotRead {
        /// Why not.
        reason: String,
    },
    /// The final state was read, but not who was waiting.
    #[error(
        "the queue could not be accounted for: Redis was down at the end, or the log of joins and admissions has a gap"
    )]
    NoQueueLedger,
    /// There was nothing that could have been wrong.
    #[error("{}", .0.none_in_words())]
    Nothing(Denominator),
}

/// What an audit or a gate counts among: without any of it, finding no defect proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denominator {
    /// Seats that were held or sold at the end.
    SeatsTaken,
    /// Paid orders.
    PaidOrders,
    /// Payments that were confirmed to buyers.
    Confirmations,
    /// Charges at the payment provider, and paid orders.
    Charges,
    /// Joins of the queue, including those of buyers who were admitted at once.
    Joins,
    /// Payments that were reported as failed, or got no response.
    UnpaidSeats,
    /// Attempts to hold a seat.
    Holds,
    /// Seats that were refused.
    RefusedSeats,
    /// Buyers who had to wait.
    Waits,
    /// Messages about an admission to the admitted buyer.
    Entries,
    /// Positions with one before them.
    Positions,
    /// Reconnects that lasted.
    Reconnects,
    /// Connections.
    Connections,
}

impl Denominator {
    const fn none_in_words(self) -> &'static str {
        match self {
            Self::SeatsTaken => "no seat was held or sold",
            Self::PaidOrders => "no ticket was sold",
            Self::Confirmations => "no payment was confirmed to a buyer",
            Self::Charges => "nothing was charged or sold",
            Self::Joins => "nobody joined the queue",
            Self::UnpaidSeats => "every payment was confirmed",
            Self::Holds => "nobody tried to hold a seat",
            Self::RefusedSeats => "no hold of an available seat was refused",
            Self::Waits => "nobody had to wait",
            Self::Entries => "no message about an admission reached the admitted buyer",
            Self::Positions => "no two positions of one wait were stated",
            Self::Reconnects => "no connection was opened again and lasted",
            Self::Connections => "nobody connected",
        }
    }

    /// Returns `defects` if there was anything to find them in.
    fn judge(self, among: u64, defects: u64) -> Result<u64, Unchecked> {
        // A defect counts whatever it was found among.
        if among == 0 && defects == 0 {
            return Err(Unchecked::Nothing(self));
        }
        Ok(defects)
    }
}

impl Audit {
    /// All audits: those of the final state, then those of a target.
    pub const ALL: [Self; 14] = [
        Self::NoOversell,
        Self::NoDoubleSale,
        Self::NothingLost,
        Self::Ledger,
        Self::AdmissionsConserved,
        Self::SoldSeatsStaySold,
        Self::PaymentsReportedCorrectly,
        Self::HoldsSucceed,
        Self::RefusedHoldsLockNothing,
        Self::QueueMoves,
        Self::AdmittedOnce,
        Self::PositionsImprove,
        Self::SessionsRestored,
        Self::ConnectionsLast,
    ];

    /// Returns the name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoOversell => "no oversell",
            Self::NoDoubleSale => "no double sale",
            Self::NothingLost => "no lost order",
            Self::Ledger => "charges match orders",
            Self::AdmissionsConserved => "no lost queue place",
            Self::SoldSeatsStaySold => "sold seats stay sold",
            Self::PaymentsReportedCorrectly => "payments reported correctly",
            Self::HoldsSucceed => "holds succeed",
            Self::RefusedHoldsLockNothing => "refused holds lock nothing",
            Self::QueueMoves => "free places are given",
            Self::AdmittedOnce => "nobody admitted twice",
            Self::PositionsImprove => "queue positions improve",
            Self::SessionsRestored => "sessions restored",
            Self::ConnectionsLast => "connections last",
        }
    }
}

/// Runs all audits.
pub(super) fn judge(run: &Measurements) -> Vec<AuditVerdict> {
    if let Some(target) = &run.ending.target {
        return buyers::judge(run, target);
    }
    let queue = match admissions(run) {
        Ok(ledger) => Ok(admissions_conserved(ledger, places_lost(run))),
        // Without an account of the queue, what buyers saw still shows a loss, though never that there was none.
        Err(unchecked) => dropped(run).ok_or(unchecked),
    };
    vec![
        verdict(Audit::NoOversell, facts(run).map(no_oversell)),
        verdict(Audit::NoDoubleSale, facts(run).map(no_double_sale)),
        verdict(Audit::NothingLost, facts(run).map(nothing_lost)),
        verdict(Audit::Ledger, facts(run).map(charges::ledger)),
        verdict(Audit::AdmissionsConserved, queue),
    ]
}

/// Returns how many more seats are sold or held than exist.
pub(super) fn oversold_seats(run: &Measurements) -> Result<u64, Unchecked> {
    let facts = facts(run)?;
    let taken = facts.seats_sold + facts.seats_held;
    Denominator::SeatsTaken.judge(taken, taken.saturating_sub(facts.seats_total))
}

/// Returns the number of seats with more than one paid order.
pub(super) fn double_sales(run: &Measurements) -> Result<u64, Unchecked> {
    // On a target, confirmations to buyers show a double sale, though never that there was none.
    let target = run.ending.target.as_ref();
    if let Some(seats) = target
        .map(|target| target.tickets.seats_twice.count)
        .filter(|seats| *seats > 0)
    {
        return Ok(seats);
    }
    let facts = facts(run)?;
    Denominator::PaidOrders.judge(facts.paid_orders, facts.seats_paid_twice.len() as u64)
}

/// Returns the number of confirmed payments that are missing from the final state.
pub(super) fn lost_orders(run: &Measurements) -> Result<u64, Unchecked> {
    let facts = facts(run)?;
    Denominator::Confirmations.judge(facts.acknowledged, facts.lost_orders.count)
}

/// Returns the number of buyers who vanished from the queue.
pub(super) fn lost_admissions(run: &Measurements) -> Result<u64, Unchecked> {
    let ledger = match admissions(run) {
        Ok(ledger) => ledger,
        Err(_) if run.tally.dropped.certain() > 0 => return Ok(run.tally.dropped.certain()),
        Err(unchecked) => return Err(unchecked),
    };
    let lost = entered(ledger).saturating_sub(accounted_for(ledger));
    Denominator::Joins.judge(entered(ledger), lost)
}

/// What one audit found.
struct Checked {
    passed: bool,
    /// What it was checked among, and how many of these there were.
    among: (Denominator, u64),
    summary: String,
    evidence: String,
}

fn verdict(audit: Audit, checked: Result<Checked, Unchecked>) -> AuditVerdict {
    let (summary, finding) = match checked {
        Ok(Checked {
            passed: true,
            among: (denominator, 0),
            ..
        }) => return verdict(audit, Err(Unchecked::Nothing(denominator))),
        Ok(Checked {
            passed,
            summary,
            evidence,
            ..
        }) => {
            let finding = if passed {
                Finding::Held { evidence }
            } else {
                Finding::Violated { evidence }
            };
            (summary, finding)
        }
        Err(unchecked) => {
            let reason = unchecked.to_string();
            (reason.clone(), Finding::CouldNotCheck { reason })
        }
    };
    AuditVerdict {
        audit,
        summary,
        finding,
    }
}

fn facts(run: &Measurements) -> Result<&AuditFacts, Unchecked> {
    match &run.ending.state {
        FinalState::Read(facts) => Ok(facts),
        FinalState::Unread { reason } => Err(Unchecked::NotRead {
            reason: reason.clone(),
        }),
    }
}

fn admissions(run: &Measurements) -> Result<&AdmissionFacts, Unchecked> {
    let ledger = facts(run)?.admissions.as_ref();
    ledger.ok_or(Unchecked::NoQueueLedger)
}

const fn entered(ledger: &AdmissionFacts) -> u64 {
    ledger.joined + ledger.put_back
}

const fn accounted_for(ledger: &AdmissionFacts) -> u64 {
    ledger.admitted + ledger.left + ledger.waiting
}

fn no_oversell(facts: &AuditFacts) -> Checked {
    let total = facts.seats_total;
    let claimed = facts.seats_held + facts.seats_sold;
    // Every seat is exactly one of these three, so a sum that is off in either direction is a defect, not only an
    // oversold show.
    let sum = facts.seats_free + claimed;
    let evidence = format!(
        "{} free + {} held + {} sold = {} of {} seats",
        grouped(facts.seats_free),
        grouped(facts.seats_held),
        grouped(facts.seats_sold),
        grouped(sum),
        grouped(total),
    );
    let summary = if sum == total {
        format!(
            "All {} are accounted for: {} sold, {} held, {} free.",
            counted(total, "seat"),
            grouped(facts.seats_sold),
            grouped(facts.seats_held),
            grouped(facts.seats_free)
        )
    } else if claimed > total {
        let over = counted(claimed - total, "seat");
        format!("{over} more sold or held than the show has.")
    } else if sum > total {
        let over = counted(sum - total, "seat");
        format!("{over} counted twice: as free and as sold or held.")
    } else {
        let missing = counted(total - sum, "seat");
        format!("{missing} missing: neither free, held nor sold.")
    };
    Checked {
        passed: sum == total,
        among: (Denominator::SeatsTaken, claimed),
        summary,
        evidence,
    }
}

/// Affected seats or orders that are listed; the rest is only counted.
const EXAMPLES_MAX: usize = 5;

fn no_double_sale(facts: &AuditFacts) -> Checked {
    let among = (Denominator::PaidOrders, facts.paid_orders);
    if facts.seats_paid_twice.is_empty() {
        return Checked {
            passed: true,
            among,
            summary: "No seat was sold twice.".to_owned(),
            evidence: format!(
                "{} for {}, at most one each",
                counted(facts.paid_orders, "paid order"),
                counted(facts.seats_sold, "seat")
            ),
        };
    }
    let listed = facts.seats_paid_twice.iter().take(EXAMPLES_MAX);
    let listed: Vec<_> = listed
        .map(|(seat, orders)| format!("{seat} ({})", counted(*orders, "order")))
        .collect();
    let seats = counted(facts.seats_paid_twice.len() as u64, "seat");
    Checked {
        passed: false,
        among,
        summary: format!("{seats} sold more than once."),
        evidence: format!(
            "{seats} with more than one paid order: {}",
            listed.join(", ")
        ),
    }
}

fn nothing_lost(facts: &AuditFacts) -> Checked {
    let lost = &facts.lost_orders;
    let confirmed = counted(facts.acknowledged, "payment");
    let mut evidence = format!(
        "{confirmed} confirmed to buyers, {} missing from the final state",
        grouped(lost.count)
    );
    if lost.count > 0 {
        let listed: Vec<_> = lost.examples.iter().take(EXAMPLES_MAX).cloned().collect();
        evidence = format!("{evidence}: {}", listed.join(", "));
    }
    let summary = if lost.count == 0 {
        format!("No order was lost: everything buyers paid for is in the database ({confirmed}).")
    } else {
        let orders = counted(lost.count, "order");
        format!("{orders} lost: confirmed to the buyer, but not in the database.")
    };
    Checked {
        passed: lost.count == 0,
        among: (Denominator::Confirmations, facts.acknowledged),
        summary,
        evidence,
    }
}

/// Returns how many places in the queue were lost with a primary of Redis; `None` if none were, or if that was not
/// measured.
fn places_lost(run: &Measurements) -> Option<u64> {
    let failovers = &run.data_tier()?.failovers;
    let of_redis = failovers
        .iter()
        .filter(|failover| failover.part == DataTierPart::Redis);
    let lost: u64 = of_redis.map(|failover| failover.loss.places).sum();
    (lost > 0).then_some(lost)
}

/// A place lost in a failover fails the audit like any other. The cause is named because it explains the loss.
fn admissions_conserved(ledger: &AdmissionFacts, places_lost: Option<u64>) -> Checked {
    let is_even = accounted_for(ledger) == entered(ledger);
    Checked {
        passed: is_even && ledger.admitted_twice == 0 && ledger.astray == 0,
        among: (Denominator::Joins, entered(ledger)),
        summary: queue_summary(ledger, places_lost),
        evidence: queue_evidence(ledger, places_lost),
    }
}

/// Returns the audit of the queue as its buyers saw it; `None` if none of them was dropped.
fn dropped(run: &Measurements) -> Option<Checked> {
    let dropped = run.tally.dropped;
    (dropped.certain() > 0).then(|| Checked {
        passed: false,
        among: (Denominator::Joins, run.tally.reached(Stage::Queued)),
        summary: format!(
            "{} lost their place in the queue, as they saw it.",
            counted(dropped.certain(), "buyer")
        ),
        evidence: format!(
            "{} joined the queue; {} no longer in it without an admission: {} went on to the seats, {} joined again",
            counted(run.tally.reached(Stage::Queued), "buyer"),
            grouped(dropped.certain()),
            grouped(dropped.entered),
            grouped(dropped.rejoined)
        ),
    })
}

fn queue_summary(ledger: &AdmissionFacts, places_lost: Option<u64>) -> String {
    let (entered, accounted_for) = (entered(ledger), accounted_for(ledger));
    // Several defects can occur at once, and each has its own cause: all of them are named.
    let mut wrong = Vec::new();
    if entered > accounted_for {
        let lost = counted(entered - accounted_for, "buyer");
        let cause = if places_lost.is_some() {
            " when Redis failed over"
        } else {
            ""
        };
        wrong.push(format!("{lost} lost their place in the queue{cause}."));
    }
    if accounted_for > entered {
        let extra = counted(accounted_for - entered, "buyer");
        wrong.push(format!(
            "{extra} too many: more left the queue than joined it."
        ));
    }
    if ledger.admitted_twice > 0 {
        let twice = counted(ledger.admitted_twice, "buyer");
        wrong.push(format!("{twice} admitted twice."));
    }
    if ledger.astray > 0 {
        let astray = counted(ledger.astray, "buyer");
        wrong.push(format!(
            "{astray} not where the log of joins and admissions has them."
        ));
    }
    if !wrong.is_empty() {
        return wrong.join(" ");
    }
    let joined = grouped(ledger.joined);
    let outcome = if ledger.left == 0 && ledger.waiting == 0 {
        format!("All {joined} who joined the queue were admitted.")
    } else {
        format!(
            "All {joined} who joined the queue are accounted for: {} admitted, {} left, {} still waiting.",
            grouped(ledger.admitted),
            grouped(ledger.left),
            grouped(ledger.waiting)
        )
    };
    format!("{outcome} Nobody lost their place or was admitted twice.")
}

fn queue_evidence(ledger: &AdmissionFacts, places_lost: Option<u64>) -> String {
    let mut entered_in_words = format!("{} joined", grouped(ledger.joined));
    if ledger.put_back > 0 {
        let put_back = grouped(ledger.put_back);
        entered_in_words = format!("{entered_in_words} + {put_back} put back by a Redis failover");
    }
    let is_even = accounted_for(ledger) == entered(ledger);
    let evidence = format!(
        "{entered_in_words} {} {} admitted + {} left + {} waiting; {} admitted twice; {} not where the log of joins and \
         admissions has them",
        if is_even { "=" } else { "≠" },
        grouped(ledger.admitted),
        grouped(ledger.left),
        grouped(ledger.waiting),
        grouped(ledger.admitted_twice),
        grouped(ledger.astray),
    );
    match places_lost {
        Some(lost) => {
            let places = counted(lost, "place");
            format!("{evidence}; {places} lost with the Redis primary")
        }
        None => evidence,
    }
}
