//! Rows about faults: what stopped, for how long, and what was lost.

use std::time::Duration;

use super::{Database, Evidence, Found, Reading, Row};
use crate::cloud::notice::DataTierPart;
use crate::fault::catalog::Action;
use crate::scenario::topology::DatabaseKind;
use crate::verdict::audit::{self, Audit, Finding};
use crate::verdict::figure::{grouped, in_words, percent};
use crate::verdict::recovery::{Outcome, Recovery};

/// Part of the calls that must succeed for users to "hardly notice" (assumption).
const UNNOTICED: f64 = 0.99;

/// Seconds of a year.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

fn zone_losses<'a>(evidence: &Evidence<'a>) -> Result<Vec<&'a Recovery>, String> {
    let losses: Vec<_> = evidence
        .recoveries
        .iter()
        .filter(|recovery| recovery.action == Action::NAMES[0])
        .collect();
    if losses.is_empty() {
        return Err("no zone was lost".to_owned());
    }
    Ok(losses)
}

fn outcome_in_words(recovery: &Recovery) -> String {
    match &recovery.outcome {
        Outcome::Recovered { after } => format!("recovered after {}", in_words(*after)),
        Outcome::NotRecovered => "not recovered within the run".to_owned(),
        Outcome::CouldNotTell { reason } => format!("recovery unknown: {reason}"),
    }
}

/// A5: whether the service went on in the other zone.
pub(super) fn zone_loss(row: &Row, evidence: &Evidence<'_>) -> Reading {
    let losses = zone_losses(evidence)?;
    let shown: Vec<_> = losses
        .iter()
        .map(|loss| {
            let success = loss.during.success_share();
            format!(
                "zone {}: {}; meanwhile {} of the calls succeeded, longest time without one {}",
                loss.zone.as_deref().unwrap_or("?"),
                outcome_in_words(loss),
                success.map_or_else(|| "none".to_owned(), percent),
                in_words(loss.longest_stop)
            )
        })
        .collect();
    let went_on = losses.iter().all(|loss| {
        row.admits(loss.longest_stop.as_secs_f64())
            && matches!(loss.outcome, Outcome::Recovered { .. })
    });
    if let Some(reason) = unknown(&losses) {
        return Err(reason);
    }
    Ok(Found::new(went_on, shown.join("; ")))
}

/// A19: from the fault to the return of successful work.
pub(super) fn failover(row: &Row, evidence: &Evidence<'_>) -> Reading {
    let losses = zone_losses(evidence)?;
    if let Some(reason) = unknown(&losses) {
        return Err(reason);
    }
    let shown: Vec<_> = losses.iter().map(|loss| outcome_in_words(loss)).collect();
    let in_time = losses.iter().all(|loss| match loss.outcome {
        Outcome::Recovered { after } => row.admits(after.as_secs_f64()),
        Outcome::NotRecovered | Outcome::CouldNotTell { .. } => false,
    });
    Ok(Found::new(in_time, shown.join("; ")))
}

fn unknown(losses: &[&Recovery]) -> Option<String> {
    losses.iter().find_map(|loss| match &loss.outcome {
        Outcome::CouldNotTell { reason } => Some(reason.clone()),
        Outcome::Recovered { .. } | Outcome::NotRecovered => None,
    })
}

/// A9: the rows of the database, audited.
pub(super) fn permanent_data(evidence: &Evidence<'_>) -> Reading {
    let wanted = [Audit::NoOversell, Audit::NoDoubleSale, Audit::NothingLost];
    let mut shown = Vec::new();
    let mut kept = true;
    for verdict in evidence.audits {
        if !wanted.contains(&verdict.audit) {
            continue;
        }
        match &verdict.finding {
            Finding::Held { evidence } => shown.push(evidence.clone()),
            Finding::Violated { evidence } => {
                kept = false;
                shown.push(evidence.clone());
            }
            Finding::CouldNotCheck { reason } => return Err(reason.clone()),
        }
    }
    Ok(Found::new(kept, shown.join("; ")).without("users and events"))
}

/// A12 and B5: promotion of the database's standby.
pub(super) fn database_failover(row: &Row, evidence: &Evidence<'_>, which: Database) -> Reading {
    let kind = evidence.run.plan.topology.database.kind;
    let matches = match kind {
        DatabaseKind::Aurora => which == Database::Aurora,
        DatabaseKind::RdsMultiAz => which == Database::Rds,
    };
    if !matches {
        return Err("the scenario runs the other kind of database".to_owned());
    }
    let failovers = evidence
        .recoveries
        .iter()
        .flat_map(|recovery| &recovery.failovers);
    let took: Vec<_> = failovers
        .filter(|failover| failover.tier == DataTierPart::Database)
        .map(|failover| failover.took)
        .collect();
    if took.is_empty() {
        return Err("the database never lost its primary".to_owned());
    }
    let shown: Vec<_> = took
        .iter()
        .map(|took| took.map_or_else(|| "not promoted within the run".to_owned(), in_words))
        .collect();
    let in_time = took
        .iter()
        .all(|took| took.is_some_and(|took| row.admits(took.as_secs_f64())));
    let promotion = format!("promotion took {}", shown.join(", "));
    match which {
        Database::Aurora => Ok(noticed(evidence, in_time, &promotion)),
        Database::Rds => {
            let lost = audit::lost_orders(evidence.run)?;
            let measured = format!("{promotion}; {} acknowledged orders lost", grouped(lost));
            let found = Found::new(in_time && lost == 0, measured);
            Ok(found.without("PostgreSQL itself: an embedded store stands in for it"))
        }
    }
}

/// Aurora: whether users hardly noticed.
fn noticed(evidence: &Evidence<'_>, in_time: bool, promotion: &str) -> Found {
    let recoveries = evidence.recoveries.iter();
    let with_failover = recoveries.filter(|recovery| {
        let mut failovers = recovery.failovers.iter();
        failovers.any(|failover| failover.tier == DataTierPart::Database)
    });
    let shares = with_failover.filter_map(|recovery| recovery.during.success_share());
    // With nothing to recover from, nobody noticed anything.
    let succeeded = shares.fold(1.0, f64::min);
    let measured = format!(
        "{promotion}; {} of the calls succeeded from the fault until the work was back, or the run ended",
        percent(succeeded)
    );
    Found::new(in_time && succeeded >= UNNOTICED, measured).without("replication lag")
}

/// B1: what the measured outage makes of a year.
pub(super) fn availability(row: &Row, evidence: &Evidence<'_>) -> Reading {
    let losses = zone_losses(evidence)?;
    if let Some(reason) = unknown(&losses) {
        return Err(reason);
    }
    let longest = losses.iter().map(|loss| match loss.outcome {
        Outcome::Recovered { after } => Some(after),
        Outcome::NotRecovered | Outcome::CouldNotTell { .. } => None,
    });
    let Some(longest) = longest.collect::<Option<Vec<_>>>() else {
        return Ok(Found::new(
            false,
            "the service did not recover within the run".to_owned(),
        ));
    };
    let down = longest.into_iter().max().unwrap_or(Duration::ZERO);
    let available = 1.0 - down.div_duration_f64(YEAR);
    let measured = format!(
        "{} degraded for one lost zone; one such loss a year (assumption) leaves {:.4}%",
        in_words(down),
        available * 100.0
    );
    Ok(Found::new(row.admits(available), measured).without("a single server"))
}

/// B14: both terms for every failover.
pub(super) fn terms(evidence: &Evidence<'_>) -> Reading {
    if evidence.recoveries.is_empty() {
        return Err("nothing had to recover".to_owned());
    }
    let losses: Vec<_> = evidence.recoveries.iter().collect();
    if let Some(reason) = unknown(&losses) {
        return Err(reason);
    }
    if losses
        .iter()
        .any(|loss| loss.outcome == Outcome::NotRecovered)
    {
        return Err("the run ended before the recovery did: its time is not known".to_owned());
    }
    let lost = audit::lost_orders(evidence.run)?;
    let shown: Vec<_> = losses.iter().map(|loss| outcome_in_words(loss)).collect();
    let measured = format!(
        "recovery time: {}; data loss: {} acknowledged orders",
        shown.join("; "),
        grouped(lost)
    );
    Ok(Found::new(true, measured))
}
