//! Why a run failed: its bottleneck, what came before it, and what the control plane did about it.
//!
//! A *bottleneck* is the tier that was saturated first, of those that can explain what failed. Tiers that fill up together are
//! told apart by the path of a request: if the database is full, so are the pools in front of it. Nothing is guessed: if no such
//! tier was saturated, not even for a few seconds, there is no bottleneck, and the sentence names what failed first.

mod load;
mod reaction;
mod sentence;
mod spell;
pub mod tier;

use std::time::Duration;

use serde::Serialize;

use crate::audit::{Audit, AuditVerdict, Finding};
use crate::figure;
use crate::slo::{GateResult, GateVerdict};
use load::{Reading, WATCHED};
pub use reaction::{At, Launched, Reaction};
pub use spell::{SATURATED, Spell, WINDOW};
use tier::Tier;
use tiketi_buyer::observation::Failure;
use tiketi_cloud::notice::{DataTierPart, What};
use tiketi_core::fault::catalog::FaultKind;
use tiketi_core::units::SimTime;
use tiketi_measure::Measurements;
use tiketi_measure::series::Tick;
use tiketi_scenario::objective::GateMetric;

/// Tiers that saturate within this time of the first one fill up together, if they stay so for at least half as long as the one that
/// lasts longest; an assumption.
const TOGETHER: Duration = Duration::from_secs(10);

/// Most rows of the table by minute. A longer run has rows of several minutes.
const ROWS_MAX: usize = 240;

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cause {
    /// The answer, in one sentence.
    pub sentence: String,
    /// The tier that was saturated first, of those that can explain what failed; `None` if there is none.
    pub bottleneck: Option<Saturation>,
    /// The other tiers that were saturated, the first one first.
    pub others: Vec<Saturation>,
    /// The faults that struck before the bottleneck or, without one, before the first failed requests; the first one first.
    pub faults: Vec<Struck>,
    /// The first failed requests, of those since the last fault before the bottleneck, if there are both; `None` if no request
    /// failed.
    pub first_failure: Option<FirstFailure>,
    /// What the control plane did about it; `None` for a target outside the testbed, whose control plane is not visible.
    pub reaction: Option<Reaction>,
    /// The use of each tier by minute; empty if no tier was read.
    pub minutes: Vec<Minute>,
}

/// A tier that was saturated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Saturation {
    /// Which one.
    pub tier: Tier,
    /// When, in order of time; never empty.
    pub spells: Vec<Spell>,
}

/// A fault that struck.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Struck {
    /// When.
    #[serde(rename = "at_seconds", serialize_with = "figure::at_seconds")]
    pub at: SimTime,
    /// Its kind.
    pub action: FaultKind,
    /// Name of its zone; `None` if it affects no zone.
    pub zone: Option<String>,
    /// The part of the data tier that it affects; `None` if it affects none.
    pub part: Option<DataTierPart>,
    /// Its name, if a command of the user carried it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The first failed requests of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FirstFailure {
    /// When, to the width of a tick.
    #[serde(rename = "at_seconds", serialize_with = "figure::at_seconds")]
    pub at: SimTime,
    /// The most frequent cause in that tick; `None` if it was not recorded.
    pub failure: Option<Failure>,
    /// How many requests failed in that tick.
    pub requests: u64,
}

/// One minute of the run; longer in a long run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Minute {
    /// When it begins.
    #[serde(rename = "from_seconds", serialize_with = "figure::at_seconds")]
    pub from: SimTime,
    /// Buyers who arrived.
    pub arrived: u64,
    /// Requests that ended.
    pub requests: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Mean used share of each tier that was read, 0 to 1.
    pub used: Vec<Used>,
}

/// The mean used share of one tier.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Used {
    /// The tier.
    pub tier: Tier,
    /// Its used share, 0 to 1.
    pub share: f64,
}

impl Saturation {
    /// Returns when it began.
    pub fn since(&self) -> SimTime {
        self.spells[0].from
    }

    /// Returns how long it lasted in all.
    pub fn lasted(&self) -> Duration {
        self.spells.iter().map(Spell::length).sum()
    }
}

/// Finds out why a run failed; `None` if no gate failed and no audit found a defect.
pub(super) fn judge(
    run: &Measurements,
    gates: &[GateVerdict],
    audits: &[AuditVerdict],
) -> Option<Cause> {
    let failed = failed(run, gates, audits);
    if failed.is_empty() {
        return None;
    }
    let readings = load::readings(run);
    let mut first_failure = first_failure(run, SimTime::ZERO);
    let from = onset_at_least(run, &failed);
    let mut saturated = saturated_for(WINDOW, run, &readings);
    let mut bottleneck = bottleneck(run, &saturated, (&failed, from));
    if bottleneck.is_none() {
        let briefly = saturated_for(spell::BURST, run, &readings);
        bottleneck = self::bottleneck(run, &briefly, (&failed, from));
        if bottleneck.is_some() {
            saturated = briefly;
        }
    }
    let named = bottleneck.as_ref().map(|one| one.tier);
    let others = saturated.into_iter().filter(|one| Some(one.tier) != named);
    let others = others.collect();
    let onset = bottleneck.as_ref().map(Saturation::since);
    let onset = onset.or(first_failure.map(|first| first.at));
    let faults = faults(run, onset.unwrap_or(run.ending.ended_at));
    if let (Some(_), Some(fault)) = (&bottleneck, faults.last()) {
        // What failed before the fault has another cause.
        first_failure = self::first_failure(run, fault.at);
    }
    // The control plane reacts to what came first: the fault or the load.
    let begun = faults
        .first()
        .map(|fault| fault.at)
        .into_iter()
        .chain(onset);
    let begun = begun.min().unwrap_or(SimTime::ZERO);
    let mut cause = Cause {
        sentence: String::new(),
        bottleneck,
        others,
        faults,
        first_failure,
        reaction: run
            .ending
            .system
            .as_ref()
            .map(|_| reaction::find(run, begun)),
        minutes: minutes(run, &readings),
    };
    cause.sentence = sentence::of(&cause, run);
    Some(cause)
}

/// Something that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failed {
    Gate(GateMetric),
    Audit(Audit),
}

fn failed(run: &Measurements, gates: &[GateVerdict], audits: &[AuditVerdict]) -> Vec<Failed> {
    let gates = run.plan.gates.iter().zip(gates);
    let gates = gates.filter(|(_, verdict)| verdict.result == GateResult::Failed);
    let violated = |audit: &&AuditVerdict| matches!(audit.finding, Finding::Violated { .. });
    let audits = audits.iter().filter(violated);
    gates
        .map(|(gate, _)| Failed::Gate(gate.metric))
        .chain(audits.map(|audit| Failed::Audit(audit.audit)))
        .collect()
}

/// Returns the earliest time at which a bottleneck can begin that explains what failed: a recovery begins with its fault.
fn onset_at_least(run: &Measurements, failed: &[Failed]) -> SimTime {
    let is_recovery = |one: &Failed| *one == Failed::Gate(GateMetric::RecoveryTime);
    let judged_from = SimTime::ZERO + run.plan.clock.warmup;
    if !failed.iter().all(is_recovery) {
        return judged_from;
    }
    let first_fault = run.plan.faults.iter().map(|fault| fault.at).min();
    first_fault.map_or(judged_from, |at| at.max(judged_from))
}

/// Returns every tier that was saturated for this long after the warm-up, the first one first.
fn saturated_for(length: Duration, run: &Measurements, readings: &[Reading]) -> Vec<Saturation> {
    let judged_from = SimTime::ZERO + run.plan.clock.warmup;
    let each = WATCHED.into_iter().enumerate();
    let mut saturated: Vec<_> = each
        .map(|(place, tier)| {
            let spells = spell::spells(readings, place, length).into_iter();
            let spells = spells.filter(|spell| spell.until > judged_from).collect();
            Saturation { tier, spells }
        })
        .filter(|one| !one.spells.is_empty())
        .collect();
    // Stable: tiers that begin together stay in the order of the path.
    saturated.sort_by_key(Saturation::since);
    saturated
}

/// Returns the bottleneck: of the tiers that can explain what failed and were saturated at or after `from`, the one that the first
/// of them waits for.
fn bottleneck(
    run: &Measurements,
    saturated: &[Saturation],
    (failed, from): (&[Failed], SimTime),
) -> Option<Saturation> {
    let candidates = saturated.iter().filter_map(|one| {
        if !explains(run, one.tier, failed) {
            return None;
        }
        let spells = one.spells.iter().copied();
        let spells: Vec<_> = spells.filter(|spell| spell.until > from).collect();
        (!spells.is_empty()).then_some(Saturation {
            tier: one.tier,
            spells,
        })
    });
    let candidates: Vec<_> = candidates.collect();
    let first = candidates.iter().map(Saturation::since).min()?;
    let together: Vec<_> = candidates
        .into_iter()
        .filter(|one| one.since() <= first + TOGETHER)
        .collect();
    // A tier that is full for a moment is not what the others wait for all along.
    let longest = together.iter().map(Saturation::lasted).max()?;
    let lasting = together
        .into_iter()
        .filter(|one| one.lasted() * 2 >= longest);
    lasting.min_by_key(|one| WATCHED.iter().position(|tier| *tier == one.tier))
}

/// Returns whether a saturated tier can explain something that failed.
///
/// A full waiting room makes buyers wait. It fails no request, so it explains waiting, and only if nothing else failed.
fn explains(run: &Measurements, tier: Tier, failed: &[Failed]) -> bool {
    let figures = run.data_tier();
    match tier {
        Tier::ActivePlaces => failed.iter().all(|one| is_waiting(*one)),
        // A full memory that only drops cached bodies works as configured.
        Tier::RedisMemory => figures.is_some_and(|figures| {
            figures.redis_writes_refused > 0 || figures.redis_queues_evicted > 0
        }),
        Tier::InstanceCpu
        | Tier::Broadcasts
        | Tier::DatabaseConnections
        | Tier::DatabaseCores
        | Tier::RedisCpu
        | Tier::ConnectionPool
        | Tier::LoadBalancer => failed.iter().any(|one| is_of_load(*one)),
        Tier::Instances
        | Tier::PoolTimeouts
        | Tier::RedisCommands
        | Tier::DatabaseStatements
        | Tier::LoadBalancerUnits
        | Tier::Sockets => false,
    }
}

/// Whether a failure is that buyers waited too long for their admission.
const fn is_waiting(failed: Failed) -> bool {
    matches!(
        failed,
        Failed::Gate(GateMetric::WaitingTime | GateMetric::Abandoned | GateMetric::TicketsSold)
    )
}

/// Whether a system that is too slow can fail in this way. Lost and duplicated data have other reasons.
const fn is_of_load(failed: Failed) -> bool {
    match failed {
        Failed::Gate(metric) => match metric {
            GateMetric::ResponseTime
            | GateMetric::ServiceTime
            | GateMetric::WaitingTime
            | GateMetric::FanOutDelay
            | GateMetric::Errors
            | GateMetric::Calls
            | GateMetric::RecoveryTime
            | GateMetric::TicketsSold
            | GateMetric::Abandoned => true,
            GateMetric::SendLag
            | GateMetric::OversoldSeats
            | GateMetric::DoubleSales
            | GateMetric::LostOrders
            | GateMetric::LostAdmissions
            | GateMetric::RedisLag
            | GateMetric::DatabaseLag
            | GateMetric::LostPlaces
            | GateMetric::LostSessions
            | GateMetric::Shed => false,
        },
        Failed::Audit(audit) => match audit {
            Audit::NoOversell
            | Audit::NoDoubleSale
            | Audit::NothingLost
            | Audit::Ledger
            | Audit::AdmissionsConserved
            // Those of a target, whose parts are unknown.
            | Audit::SoldSeatsStaySold
            | Audit::PaymentsReportedCorrectly
            | Audit::HoldsSucceed
            | Audit::RefusedHoldsLockNothing
            | Audit::QueueMoves
            | Audit::AdmittedOnce
            | Audit::PositionsImprove
            | Audit::SessionsRestored
            | Audit::ConnectionsLast => false,
        },
    }
}

/// Returns the first tick after the warm-up, and from `since` on, in which requests failed.
fn first_failure(run: &Measurements, since: SimTime) -> Option<FirstFailure> {
    let (warmup, since) = (run.plan.clock.warmup.as_secs(), since.as_secs());
    let width = run.series.width_secs();
    let ticks = run.series.ticks().iter().enumerate();
    let mut judged = ticks.filter(|(index, _)| {
        let start = run.series.start_secs(*index);
        start >= warmup && start + width > since
    });
    let (index, tick) = judged.find(|(_, tick)| tick.calls_failed > 0)?;
    Some(FirstFailure {
        at: SimTime::from_secs(run.series.start_secs(index)),
        failure: most_frequent(tick),
        requests: tick.calls_failed,
    })
}

fn most_frequent(tick: &Tick) -> Option<Failure> {
    let most = tick.failures.iter().max_by_key(|(_, count)| **count);
    most.map(|(failure, _)| *failure)
}

/// Returns the faults that struck until `onset`; one second more, because readings are that coarse.
fn faults(run: &Measurements, onset: SimTime) -> Vec<Struck> {
    let until = onset + Duration::from_secs(run.series.width_secs().max(1));
    let struck = run.timeline.iter().filter_map(|notice| match &notice.what {
        What::FaultStruck { action, .. } if action.is_remedy() => None,
        What::FaultStruck {
            action,
            zone,
            part,
            name,
        } => Some(Struck {
            at: notice.at,
            action: *action,
            zone: zone.map(|zone| run.plan.topology.zones[zone.index()].name.clone()),
            part: *part,
            name: name.clone(),
        }),
        What::FaultHealed { .. }
        | What::Alarm { .. }
        | What::Scaled { .. }
        | What::Swallowed { .. }
        | What::Instance { .. }
        | What::RefreshStarted { .. }
        | What::RefreshWaits { .. }
        | What::RefreshEnded { .. }
        | What::PrimaryLost { .. }
        | What::Promoted { .. } => None,
    });
    struck.filter(|fault| fault.at <= until).collect()
}

/// Returns the use of each tier by minute.
fn minutes(run: &Measurements, readings: &[Reading]) -> Vec<Minute> {
    if readings.is_empty() {
        return Vec::new();
    }
    let whole = run.ending.ended_at.as_secs().max(1);
    let minutes = whole.div_ceil(60);
    let length = 60 * minutes.div_ceil(ROWS_MAX as u64).max(1);
    let starts = (0..whole.div_ceil(length)).map(|row| row * length);
    starts
        .map(|from| minute(run, readings, (from, from + length)))
        .collect()
}

fn minute(run: &Measurements, readings: &[Reading], (from, until): (u64, u64)) -> Minute {
    let ticks = run.series.ticks().iter().enumerate();
    let within = ticks.filter(|(index, _)| {
        let start = run.series.start_secs(*index);
        (from..until).contains(&start)
    });
    let mut row = Minute {
        from: SimTime::from_secs(from),
        arrived: 0,
        requests: 0,
        failed: 0,
        used: Vec::new(),
    };
    for (_, tick) in within {
        row.arrived += tick.started;
        row.requests += tick.calls_ended();
        row.failed += tick.calls_failed;
    }
    let within: Vec<_> = readings
        .iter()
        .filter(|reading| (from..until).contains(&reading.from.as_secs()))
        .collect();
    for (place, tier) in WATCHED.into_iter().enumerate() {
        let read = within.iter().filter_map(|reading| {
            let seconds = reading.length.as_secs_f64();
            Some((reading.used[place]? * seconds, seconds))
        });
        let (used, seconds) = read.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        if seconds > 0.0 {
            let share = used / seconds;
            row.used.push(Used { tier, share });
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::example;

    fn saturation(tier: Tier, from: u64, until: u64) -> Saturation {
        let [from, until] = [from, until].map(SimTime::from_secs);
        Saturation {
            tier,
            spells: vec![Spell { from, until }],
        }
    }

    fn found(saturated: &[Saturation], failed: GateMetric) -> Option<Tier> {
        let failed = [Failed::Gate(failed)];
        let run = example::run();
        bottleneck(&run, saturated, (&failed, SimTime::ZERO)).map(|one| one.tier)
    }

    #[test]
    fn of_tiers_that_fill_up_together_the_one_behind_the_others_is_the_bottleneck() {
        let cpu = saturation(Tier::InstanceCpu, 60, 120);
        let of = |other: Saturation| found(&[cpu.clone(), other], GateMetric::Errors);
        let cores = |from, until| saturation(Tier::DatabaseCores, from, until);
        assert_eq!(of(cores(65, 120)), Some(Tier::DatabaseCores));
        // It came later, or stayed for a moment only.
        assert_eq!(of(cores(80, 120)), Some(Tier::InstanceCpu));
        assert_eq!(of(cores(65, 78)), Some(Tier::InstanceCpu));
    }

    #[test]
    fn a_full_waiting_room_explains_waiting_and_nothing_else() {
        let room = [saturation(Tier::ActivePlaces, 60, 600)];
        assert_eq!(
            found(&room, GateMetric::WaitingTime),
            Some(Tier::ActivePlaces)
        );
        assert_eq!(found(&room, GateMetric::Errors), None);
        let mut both = room.to_vec();
        both.push(saturation(Tier::InstanceCpu, 300, 400));
        assert_eq!(
            found(&both, GateMetric::WaitingTime),
            Some(Tier::ActivePlaces),
            "it was first"
        );
        assert_eq!(found(&both, GateMetric::Errors), Some(Tier::InstanceCpu));
    }

    #[test]
    fn load_explains_no_lost_data() {
        let cpu = [saturation(Tier::InstanceCpu, 60, 120)];
        assert_eq!(found(&cpu, GateMetric::LostOrders), None);
        let failed = [Failed::Audit(Audit::NoOversell)];
        let run = example::run();
        assert_eq!(bottleneck(&run, &cpu, (&failed, SimTime::ZERO)), None);
    }
}
