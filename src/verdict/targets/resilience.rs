//! Rows about faults: what stopped, for how long, and what was lost.

use std::time::Duration;

use super::{Database, Evidence, Reading, Row};
use crate::cloud::notice::DataTierPart;
use crate::fault::catalog::Action;
use crate::scenario::topology::DatabaseKind;
use crate::verdict::audit::{self, Audit, Finding};
use crate::verdict::figure::{grouped, in_words, percent};
use crate::verdict::recovery::{Outcome, Recovery};

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
                "zone {}: {} of the calls succeeded until then, longest stop {}, {}",
                loss.zone,
                success.map_or_else(|| "none".to_owned(), percent),
                in_words(loss.longest_stop),
                outcome_in_words(loss)
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
    Ok((went_on, shown.join("; ")))
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
    Ok((in_time, shown.join("; ")))
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
    Ok((kept, shown.join("; ")))
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
    let lost = audit::lost_orders(evidence.run);
    let shown: Vec<_> = took
        .iter()
        .map(|took| took.map_or_else(|| "not promoted within the run".to_owned(), in_words))
        .collect();
    let in_time = took
        .iter()
        .all(|took| took.is_some_and(|took| row.admits(took.as_secs_f64())));
    let data_loss = match &lost {
        Ok(count) => format!("{} acknowledged orders lost", grouped(*count)),
        Err(reason) => format!("data loss unknown: {reason}"),
    };
    // Only the row of RDS promises that nothing is lost.
    let nothing_lost = which == Database::Aurora || lost == Ok(0);
    Ok((
        in_time && nothing_lost,
        format!(
            "promotion took {}; {data_loss}; replication lag not measured",
            shown.join(", ")
        ),
    ))
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
        return Ok((false, "the service did not recover".to_owned()));
    };
    let down = longest.into_iter().max().unwrap_or(Duration::ZERO);
    let available = 1.0 - down.div_duration_f64(YEAR);
    Ok((
        row.admits(available),
        format!(
            "{} degraded for one lost zone; one such loss a year (assumption) leaves {:.4}%",
            in_words(down),
            available * 100.0
        ),
    ))
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
    let lost = audit::lost_orders(evidence.run)?;
    let shown: Vec<_> = losses.iter().map(|loss| outcome_in_words(loss)).collect();
    Ok((
        true,
        format!(
            "recovery time: {}; data loss: {} acknowledged orders",
            shown.join("; "),
            grouped(lost)
        ),
    ))
}
