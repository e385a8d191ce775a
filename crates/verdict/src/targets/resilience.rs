//! Claims about faults: what stopped working, for how long, and what was lost.

use std::time::Duration;

use super::{Checked, Claim, Evidence, Found, NotExercised};
use crate::audit::{Audit, Finding};
use crate::figure::{in_words, percent};
use crate::recovery::{Outcome, Recovery};
use tiketi_core::fault::catalog::FaultKind;

/// Length of a year.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

fn zone_losses<'a>(evidence: &Evidence<'a>) -> Result<Vec<&'a Recovery>, NotExercised> {
    let losses: Vec<_> = evidence
        .recoveries
        .iter()
        .filter(|recovery| recovery.action == FaultKind::AzPowerInterruption)
        .collect();
    if losses.is_empty() {
        return Err("no zone was lost".into());
    }
    Ok(losses)
}

/// Describes whether, and how fast, the system recovered.
pub(super) fn outcome_in_words(recovery: &Recovery) -> String {
    match &recovery.outcome {
        Outcome::Recovered { after } => format!("recovered after {}", in_words(*after)),
        Outcome::NotRecovered => "not recovered within the run".to_owned(),
        Outcome::CouldNotTell { reason } => format!("recovery unknown: {reason}"),
    }
}

/// A5: whether the other zone took over.
pub(super) fn zone_loss(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let losses = zone_losses(evidence)?;
    let shown: Vec<_> = losses
        .iter()
        .map(|loss| {
            let success = loss.during.success_share();
            format!(
                "zone {}: {}; until then {} of the requests succeeded, longest time without a success {}",
                loss.zone.as_deref().unwrap_or("?"),
                outcome_in_words(loss),
                success.map_or_else(|| "none".to_owned(), percent),
                in_words(loss.longest_stop)
            )
        })
        .collect();
    // A short stop is not enough: the service must also have recovered.
    let went_on = losses.iter().all(|loss| {
        claim.admits(loss.longest_stop.as_secs_f64())
            && matches!(loss.outcome, Outcome::Recovered { .. })
    });
    if let Some(reason) = unknown(&losses) {
        return Err(reason.into());
    }
    Ok(Found::new(went_on, shown.join("; ")))
}

/// A19: recovery time, whatever had to fail over.
pub(super) fn failover(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let has_failover = |loss: &&Recovery| can_fail_over(loss.action);
    let losses: Vec<_> = evidence.recoveries.iter().filter(has_failover).collect();
    if losses.is_empty() {
        return Err("neither a zone nor a primary was lost".into());
    }
    if let Some(reason) = unknown(&losses) {
        return Err(reason.into());
    }
    let shown: Vec<_> = losses.iter().map(|loss| outcome_in_words(loss)).collect();
    let in_time = losses.iter().all(|loss| match loss.outcome {
        Outcome::Recovered { after } => claim.admits(after.as_secs_f64()),
        Outcome::NotRecovered | Outcome::CouldNotTell { .. } => false,
    });
    Ok(Found::new(in_time, shown.join("; ")))
}

/// Whether such a fault can make the data tier fail over.
const fn can_fail_over(kind: FaultKind) -> bool {
    match kind {
        FaultKind::AzPowerInterruption | FaultKind::LosePrimary => true,
        FaultKind::TerminateInstances
        | FaultKind::PauseInstances
        | FaultKind::LoseAlbNode
        | FaultKind::AsgInsufficientInstanceCapacityError
        | FaultKind::PausePrimary
        | FaultKind::DelayReplica
        | FaultKind::FillRedisMemory
        | FaultKind::HoldDatabaseConnections
        | FaultKind::SlowDns => false,
    }
}

/// Returns why a recovery could not be judged; `None` if all could.
pub(super) fn unknown(losses: &[&Recovery]) -> Option<String> {
    losses.iter().find_map(|loss| match &loss.outcome {
        Outcome::CouldNotTell { reason } => Some(reason.clone()),
        Outcome::Recovered { .. } | Outcome::NotRecovered => None,
    })
}

/// A9: audits of the permanent data.
pub(super) fn permanent_data(evidence: &Evidence<'_>) -> Checked {
    let wanted = [Audit::NoOversell, Audit::NoDoubleSale, Audit::NothingLost];
    let mut shown = Vec::new();
    let mut kept = true;
    for verdict in evidence.audits {
        if !wanted.contains(&verdict.audit) {
            continue;
        }
        match &verdict.finding {
            Finding::Held { .. } => {}
            Finding::Violated { .. } => kept = false,
            Finding::CouldNotCheck { reason } => return Err(reason.clone().into()),
        }
        shown.push(verdict.summary.trim_end_matches('.'));
    }
    Ok(Found::new(kept, shown.join(". ")).without("users and events"))
}

/// B1: the measured outage, extrapolated to a year.
pub(super) fn availability(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let losses = zone_losses(evidence)?;
    if let Some(reason) = unknown(&losses) {
        return Err(reason.into());
    }
    let longest = losses.iter().map(|loss| match loss.outcome {
        Outcome::Recovered { after } => Some(after),
        Outcome::NotRecovered | Outcome::CouldNotTell { .. } => None,
    });
    let Some(longest) = longest.collect::<Option<Vec<_>>>() else {
        return Ok(Found::new(
            false,
            "the system did not recover within the run".to_owned(),
        ));
    };
    // The whole recovery time counts as down time. That is pessimistic, since part of the requests succeed.
    let down = longest.into_iter().max().unwrap_or(Duration::ZERO);
    let available = 1.0 - down.div_duration_f64(YEAR);
    let measured = format!(
        "{} of degraded service after losing a zone; with one such loss per year (assumption), availability is {:.4}%",
        in_words(down),
        available * 100.0
    );
    Ok(Found::new(claim.admits(available), measured).without("a single server"))
}
