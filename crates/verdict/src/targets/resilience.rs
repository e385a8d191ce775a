//! Claims about faults: what stopped working, for how long, and what was lost.

use super::{Checked, Claim, Evidence, Found, NotExercised, Zones, pair};
use crate::audit::{Audit, Finding};
use crate::availability::{Availability, Year};
use crate::figure::{grouped, in_words, percent, significant};
use crate::recovery::{Outcome, Recovery};
use tiketi_core::fault::catalog::FaultKind;
use tiketi_core::units::SimTime;
use tiketi_measure::Measurements;

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
        Outcome::Metastable { .. } => {
            "not recovered although the fault was over: a metastable failure".to_owned()
        }
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
        Outcome::NotRecovered | Outcome::Metastable { .. } | Outcome::CouldNotTell { .. } => false,
    });
    Ok(Found::new(in_time, shown.join("; ")))
}

/// Whether such a fault can make the data tier fail over.
const fn can_fail_over(kind: FaultKind) -> bool {
    match kind {
        FaultKind::AzPowerInterruption | FaultKind::LosePrimary => true,
        FaultKind::TerminateInstances
        | FaultKind::PauseInstances
        | FaultKind::CpuStress
        | FaultKind::NetworkLatency
        | FaultKind::NetworkPacketLoss
        | FaultKind::LoseAlbNode
        | FaultKind::StartZonalAutoshift
        | FaultKind::AsgInsufficientInstanceCapacityError
        | FaultKind::PausePrimary
        | FaultKind::DelayReplica
        | FaultKind::FillRedisMemory
        | FaultKind::HoldDatabaseConnections
        | FaultKind::SlowDns
        | FaultKind::LoseNatGateway
        | FaultKind::ReplaceRoute
        | FaultKind::S3Unavailable
        | FaultKind::LoseS3Endpoint
        | FaultKind::ProviderSlow
        | FaultKind::ProviderDown
        | FaultKind::Exec
        | FaultKind::Fis => false,
    }
}

/// Returns why a recovery could not be judged; `None` if all could.
pub(super) fn unknown(losses: &[&Recovery]) -> Option<String> {
    losses.iter().find_map(|loss| match &loss.outcome {
        Outcome::CouldNotTell { reason } => Some(reason.clone()),
        Outcome::Recovered { .. } | Outcome::NotRecovered | Outcome::Metastable { .. } => None,
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
    Ok(Found::new(kept, shown.join(". ")).without("users and events (no run changes them)"))
}

/// Availability that a single server stays under (documented, B1).
const SINGLE_SERVER_MAX: f64 = 0.99;

/// B1: the downtime that is expected in a year. A run in a single zone, where one fault stops everything, stands for the single
/// server (assumption).
pub(super) fn availability(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    zone_losses(evidence)?;
    let year = evidence.availability.year.as_ref();
    let year = year.ok_or("there were too few requests after a fault to know its downtime")?;
    let measured = format!(
        "{}; {}",
        year_in_words(year),
        run_in_words(evidence.availability)
    );
    let share = year.share();
    Ok(match evidence.zones() {
        Zones::One => Found::new(share < SINGLE_SERVER_MAX, measured).without(pair::TWO_ZONES),
        Zones::Several => {
            let agrees = year.is_whole && claim.admits(share);
            Found::new(agrees, measured).without(pair::ONE_ZONE)
        }
    })
}

fn year_in_words(year: &Year) -> String {
    let faults = year.faults.iter().map(|fault| {
        let assumed = if fault.is_stated { "" } else { " (assumption)" };
        format!(
            "{} {} × {}{assumed}",
            fault.action,
            significant(fault.per_year),
            in_words(fault.each())
        )
    });
    let maintenance = (year.maintenances > 0.0).then(|| {
        format!(
            "maintenance {} × {}",
            significant(year.maintenances),
            in_words(year.maintenance)
        )
    });
    let parts: Vec<_> = faults.chain(maintenance).collect();
    let at_least = if year.is_whole { "" } else { "at least " };
    format!(
        "{:.4}% of a year, with {at_least}{} of downtime: {}",
        year.share() * 100.0,
        in_words(year.down),
        parts.join(", ")
    )
}

fn run_in_words(availability: &Availability) -> String {
    let none = || "none".to_owned();
    format!(
        "in this run {} of {} requests succeeded, and {} of the seconds met `{}`",
        availability.by_requests().map_or_else(none, percent),
        grouped(availability.attempts),
        availability.by_time().map_or_else(none, percent),
        availability.condition
    )
}

/// B11: whether a single zone stops altogether when it fails, and two zones do not.
pub(super) fn one_zone(evidence: &Evidence<'_>) -> Checked {
    let losses = zone_losses(evidence)?;
    if let Some(reason) = unknown(&losses) {
        return Err(reason.into());
    }
    let ended_at = evidence.run.ending.ended_at;
    let away: Vec<_> = losses
        .iter()
        .map(|loss| {
            let until = loss.healed_at.unwrap_or(ended_at);
            let work = work_inside(evidence.run, loss.struck_at, until);
            (loss, until.saturating_since(loss.struck_at), work)
        })
        .collect();
    if away.iter().any(|(_, _, work)| work.due == 0) {
        return Err("no request was due while the zone was down".into());
    }
    let shown: Vec<_> = away
        .iter()
        .map(|(loss, length, work)| {
            format!(
                "zone {} was away for {}: {} of {} requests succeeded meanwhile; {}",
                loss.zone.as_deref().unwrap_or("?"),
                in_words(*length),
                grouped(work.useful),
                grouped(work.due),
                outcome_in_words(loss)
            )
        })
        .collect();
    let measured = shown.join("; ");
    Ok(match evidence.zones() {
        Zones::One => {
            let stopped = away.iter().all(|(_, _, work)| work.useful == 0);
            Found::new(stopped, measured).without(pair::TWO_ZONES)
        }
        Zones::Several => {
            let went_on = away.iter().all(|(_, _, work)| work.useful > 0);
            Found::new(went_on, measured).without(pair::ONE_ZONE)
        }
    })
}

/// Requests that were due, and that succeeded, in the whole ticks between two instants: what had been answered when the zone
/// was lost, and what is answered when it is back, says nothing about the time between.
fn work_inside(run: &Measurements, from: SimTime, until: SimTime) -> Inside {
    let width = run.series.width_secs();
    let first = from.as_secs() / width + 1;
    let ticks = run.series.ticks().iter().enumerate();
    let inside =
        ticks.filter(|(index, _)| (first..until.as_secs() / width).contains(&(*index as u64)));
    inside.fold(Inside::default(), |sum, (_, tick)| Inside {
        due: sum.due + tick.calls_due,
        useful: sum.useful + tick.calls_useful(),
    })
}

#[derive(Clone, Copy, Debug, Default)]
struct Inside {
    due: u64,
    useful: u64,
}
