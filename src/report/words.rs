//! Words that the terminal summary and the page share.

use std::time::Duration;

use super::document::RunHeader;
use crate::cloud::notice::{AlarmState, DataTierPart, InstanceState, SwallowReason, What};
use crate::cost::price_book::{Basis, Currency};
use crate::measure::observation::{LeaveReason, Stage};
use crate::scenario::topology::Topology;
use crate::units::{SimTime, Won, ZoneId};
use crate::verdict::figure::{in_words, percent};
use crate::verdict::recovery::{Outcome, Recovery, Work};
use crate::verdict::scale::ScaleAction;

/// A stage of the purchase.
pub(super) const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Arrived => "arrived",
        Stage::PageLoaded => "loaded the page",
        Stage::Queued => "waited in the queue",
        Stage::Admitted => "admitted",
        Stage::SeatsSeen => "saw the seats",
        Stage::SeatHeld => "held a seat",
        Stage::Paid => "paid",
    }
}

/// Why a journey ended.
pub(super) const fn reason(reason: LeaveReason) -> &'static str {
    match reason {
        LeaveReason::Paid => "with a ticket",
        LeaveReason::SoldOut => "sold out",
        LeaveReason::OutOfPatience => "out of patience",
        LeaveReason::TooManyConflicts => "too many conflicts",
        LeaveReason::WalkedAway => "did not pay",
        LeaveReason::HoldExpired => "hold expired",
        LeaveReason::TooManyErrors => "too many errors",
        LeaveReason::Unfinished => "run ended first",
    }
}

/// A part of the data tier.
pub(super) const fn tier(part: DataTierPart) -> &'static str {
    match part {
        DataTierPart::Redis => "Redis",
        DataTierPart::Database => "database",
    }
}

/// How sure a price is.
pub(super) const fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Documented => "documented",
        Basis::Reported => "reported",
        Basis::Assumption => "assumption",
        Basis::NotFound => "no price found",
    }
}

/// An amount of money, as many digits as it takes.
pub(super) fn money(amount: f64, currency: Currency) -> String {
    match currency {
        Currency::Krw => won(amount),
        Currency::Usd if amount.abs() < 10.0 => format!("${amount:.4}"),
        Currency::Usd => format!("${amount:.2}"),
    }
}

/// An amount in won; small ones keep a fraction.
pub(super) fn won(amount: f64) -> String {
    if amount.abs() < 100.0 {
        return format!("₩{amount:.2}");
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a bill stays far below 2^63 won"
    )]
    let whole = amount.round() as i64;
    Won(whole).to_string()
}

/// Scenario time and wall time of a run, and what lies between them.
pub(super) fn both_times(run: &RunHeader) -> String {
    format!(
        "{} of scenario time in {} of wall time (speed {}); seed {}",
        in_words(Duration::from_secs_f64(run.scenario_seconds)),
        in_words(Duration::from_secs_f64(run.wall_seconds)),
        run.speed,
        run.seed
    )
}

/// What there is to tell about one recovery, as names and figures.
pub(super) fn recovery(recovery: &Recovery) -> Vec<(String, String)> {
    let outcome = match &recovery.outcome {
        Outcome::Recovered { after } => in_words(*after),
        Outcome::NotRecovered => "not within the run".to_owned(),
        Outcome::CouldNotTell { reason } => format!("could not tell: {reason}"),
    };
    let mut told = vec![
        ("successful work back after".to_owned(), outcome),
        ("work before".to_owned(), work(recovery.before)),
        ("work until then".to_owned(), work(recovery.during)),
        ("longest stop".to_owned(), in_words(recovery.longest_stop)),
        (
            "control plane reacted after".to_owned(),
            maybe(recovery.detected_after),
        ),
        (
            "first replacement in use after".to_owned(),
            maybe(recovery.replaced_after),
        ),
    ];
    told.extend(recovery.failovers.iter().map(|failover| {
        let name = format!("{} takes writes after", tier(failover.tier));
        (name, maybe(failover.took))
    }));
    told
}

fn work(work: Work) -> String {
    let success = work.success_share();
    format!(
        "{:.1} useful calls a second, {} successful",
        work.useful_per_second(),
        success.map_or_else(|| "none".to_owned(), percent)
    )
}

fn maybe(length: Option<Duration>) -> String {
    length.map_or_else(|| "not within the run".to_owned(), in_words)
}

/// One scaling action from the crossing to the last instance in use.
pub(super) fn scaling(action: &ScaleAction) -> String {
    let at = |at: SimTime| in_words(at.since_start());
    let mut told = format!(
        "{}: {} → {} at {}",
        action.policy,
        action.from,
        action.to,
        at(action.acted_at)
    );
    if let Some(crossed) = action.crossed_at {
        told = format!("{told}; queue crossed at {}", at(crossed));
    }
    if let Some(alarm) = action.alarm_at {
        told = format!("{told}; alarm at {}", at(alarm));
    }
    let each = |instants: &[Option<SimTime>]| {
        let shown = instants.iter().map(|instant| {
            let after = instant.map(|instant| instant.saturating_since(action.acted_at));
            maybe(after)
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    if !action.useful_at.is_empty() {
        told = format!("{told}; in use after {}", each(&action.useful_at));
    }
    if !action.gone_at.is_empty() {
        told = format!("{told}; gone after {}", each(&action.gone_at));
    }
    told
}

/// One notice of the control plane.
pub(super) fn notice(what: &What, topology: &Topology) -> String {
    let zone = |zone: ZoneId| {
        let known = topology.zones.get(zone.index());
        known.map_or_else(|| zone.0.to_string(), |zone| zone.name.clone())
    };
    match what {
        What::FaultStruck { action, zone: at } => format!("{action} strikes zone {}", zone(*at)),
        What::FaultHealed { action, zone: at } => format!("{action} heals in zone {}", zone(*at)),
        What::Alarm {
            policy,
            state,
            datapoint,
        } => {
            let decided = datapoint.map_or_else(String::new, |value| format!(" at {value:.0}"));
            format!("alarm of {policy}: {}{decided}", alarm(*state))
        }
        What::Scaled { policy, from, to } => format!("{policy} wants {to} instances, not {from}"),
        What::Swallowed { policy, reason } => {
            format!("{policy} does nothing: {}", swallowed(*reason))
        }
        What::Instance {
            instance,
            zone: at,
            state,
        } => format!("{instance} in zone {}: {}", zone(*at), lifecycle(*state)),
        What::PrimaryLost {
            tier: part,
            zone: at,
        } => {
            format!("{} primary in zone {} lost", tier(*part), zone(*at))
        }
        What::Promoted {
            tier: part,
            zone: at,
        } => {
            format!("{} takes writes in zone {}", tier(*part), zone(*at))
        }
    }
}

const fn alarm(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Ok => "OK",
        AlarmState::Alarm => "ALARM",
        AlarmState::InsufficientData => "not enough data",
    }
}

const fn swallowed(reason: SwallowReason) -> &'static str {
    match reason {
        SwallowReason::ActivityInProgress => "the activity before has not ended",
        SwallowReason::Cooldown => "cooldown",
        SwallowReason::WarmingUp => "warming instances already count",
        SwallowReason::AtLimit => "the fleet is at its limit",
    }
}

const fn lifecycle(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Pending => "launched",
        InstanceState::InService => "registered",
        InstanceState::Healthy => "healthy, gets requests",
        InstanceState::Unhealthy => "unhealthy",
        InstanceState::Draining => "draining",
        InstanceState::Terminated => "terminated",
        InstanceState::Lost => "lost",
    }
}
