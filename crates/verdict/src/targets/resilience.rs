//! Rows about faults: what stopped, for how long, and what was lost.

use std::time::Duration;

use super::{Evidence, Found, Reading, Row};
use crate::audit::{Audit, Finding};
use crate::figure::{in_words, percent};
use crate::recovery::{Outcome, Recovery};
use tiketi_core::fault::catalog::Action;

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

pub(super) fn outcome_in_words(recovery: &Recovery) -> String {
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

/// A19: from the fault to the return of successful work, whatever had to fail over.
pub(super) fn failover(row: &Row, evidence: &Evidence<'_>) -> Reading {
    let has_failover = |loss: &&Recovery| {
        let zone_or_primary = [Action::NAMES[0], Action::NAMES[4]];
        zone_or_primary.contains(&loss.action.as_str())
    };
    let losses: Vec<_> = evidence.recoveries.iter().filter(has_failover).collect();
    if losses.is_empty() {
        return Err("neither a zone nor a primary was lost".to_owned());
    }
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

pub(super) fn unknown(losses: &[&Recovery]) -> Option<String> {
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
