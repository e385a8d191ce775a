//! Recovery: how long each fault kept the system from serving requests, and what brought it back.
//!
//! The system has recovered from a fault when its successful work is back to normal *and stays there*. Two things are
//! compared with the minute before the fault, over a sliding window of 5 s:
//!
//! - the **success rate**: successful requests as a share of those that ended;
//! - the **throughput**: successful requests per second. The success rate alone is not enough: a system that answers one
//!   request a second, correctly, has a success rate of 100 %.
//!
//! Both must reach 95 % of their normal value. For throughput, normal is lowered to what was due if less was due
//! than before (the queue may simply have become shorter), and by what sampling noise explains. The recovery time ends
//! with the last window that fails, not with the first that passes, so a relapse counts. After ten minutes of normal work, a
//! fault that is over has no effect any more: what fails later has another reason.
//!
//! A system that has not recovered by the end, although the fault has been over for as long as the gates give it to recover and
//! no more buyers arrive than before, is in a *metastable* failure (Bronson et al., HotOS 2021): retries or a backlog that the
//! fault has started keep it down.
//!
//! Each fault is observed until then, until the next one occurs, or until the run ends. Faults that strike at the same instant are
//! observed together: which of them stopped the system cannot be told.

mod outcome;
mod work;

use std::time::Duration;

use serde::Serialize;

use crate::figure;
use tiketi_cloud::notice::{DataTierPart, InstanceState, Notice, What};
use tiketi_core::fault::catalog::FaultKind;
use tiketi_core::units::{SimTime, ZoneId};
use tiketi_measure::Measurements;
use tiketi_measure::command::CommandRun;

pub use outcome::Outcome;
pub use work::Work;

/// Time to recover after a fault is over, where no gate says it (documented: 30 s to 1 min, A19).
const RECOVERY_TIME: Duration = Duration::from_mins(1);

/// One fault and how the system recovered from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recovery {
    /// The kind of fault.
    pub action: FaultKind,
    /// Name of the zone it affected; `None` if it did not affect a zone.
    pub zone: Option<String>,
    /// The part of the data tier that it affected alone; `None` if there is no such part.
    pub part: Option<DataTierPart>,
    /// Its name, if a command of the user carried it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it started.
    #[serde(rename = "struck_at_seconds", serialize_with = "figure::at_seconds")]
    pub struck_at: SimTime,
    /// When it ended; `None` if it lasted beyond the run.
    #[serde(
        rename = "healed_at_seconds",
        serialize_with = "figure::maybe_at_seconds"
    )]
    pub healed_at: Option<SimTime>,
    /// From the start of the fault to the first reaction of the control plane: an instance launched or found unhealthy.
    /// `None` if it did not react.
    #[serde(
        rename = "detected_after_seconds",
        serialize_with = "figure::maybe_seconds"
    )]
    pub detected_after: Option<Duration>,
    /// From the start of the fault to the moment the first instance launched after it is healthy. `None` if none is.
    #[serde(
        rename = "replaced_after_seconds",
        serialize_with = "figure::maybe_seconds"
    )]
    pub replaced_after: Option<Duration>,
    /// Failovers of the data tier that began during the observation.
    pub failovers: Vec<Failover>,
    /// Requests in the minute before the fault: what is normal.
    pub before: Work,
    /// Requests from the start of the fault until recovery, or until the end of the observation.
    pub during: Work,
    /// Requests in the last 30 s of the observation, which ends with the next fault or with the run.
    pub at_the_end: Work,
    /// Longest time without a single successful request although requests were due.
    #[serde(rename = "longest_stop_seconds", serialize_with = "figure::as_seconds")]
    pub longest_stop: Duration,
    /// Whether the system recovered, and how long that took.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Recovery {
    /// Returns whether the fault was in progress in a part of the run, or the system had not recovered from it.
    pub fn disturbs(&self, from: SimTime, until: SimTime) -> bool {
        let over = match self.outcome {
            Outcome::Recovered { after } => Some(self.struck_at + after),
            Outcome::NotRecovered | Outcome::Metastable { .. } | Outcome::CouldNotTell { .. } => {
                None
            }
        };
        // A momentary fault has no end of its own.
        let healed = self.healed_at.unwrap_or(self.struck_at);
        self.struck_at <= until && over.is_none_or(|over| over.max(healed) >= from)
    }

    /// Returns the fault in words: `az-power-interruption in zone a`, `lose-primary on Redis`, `exec "kill a pod"`.
    pub fn fault(&self) -> String {
        if let Some(name) = &self.name {
            return format!("{} \"{name}\"", self.action);
        }
        let of = match (&self.zone, self.part) {
            (Some(zone), _) => format!(" in zone {zone}"),
            (None, Some(DataTierPart::Redis)) => " on Redis".to_owned(),
            (None, Some(DataTierPart::Database)) => " on the database".to_owned(),
            (None, None) => String::new(),
        };
        format!("{}{of}", self.action)
    }
}

/// One failover of the data tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Failover {
    /// Which part.
    pub tier: DataTierPart,
    /// When the primary was lost.
    #[serde(rename = "lost_at_seconds", serialize_with = "figure::at_seconds")]
    pub lost_at: SimTime,
    /// From the loss to the promotion, when writes are possible again; `None` if there was none within the run.
    #[serde(rename = "took_seconds", serialize_with = "figure::maybe_seconds")]
    pub took: Option<Duration>,
}

/// Follows each fault of the timeline until the next one, or until the run ends.
pub(super) fn judge(run: &Measurements) -> Vec<Recovery> {
    let strikes: Vec<_> = run.timeline.iter().filter_map(strike).collect();
    let until = |strike: &Strike<'_>| {
        let mut later = strikes.iter().filter(|next| next.at > strike.at);
        later.next().map_or(run.ending.ended_at, |next| next.at)
    };
    let follow = |strike: &Strike<'_>| {
        let (same, until) = (Same::of(&strikes, strike), until(strike));
        follow(run, strike, &same, until)
    };
    strikes.iter().map(follow).collect()
}

/// The faults that strike at the same instant, in the order of the timeline, and which of them is followed.
struct Same<'s> {
    strikes: Vec<&'s Strike<'s>>,
    index: usize,
}

impl<'s> Same<'s> {
    fn of(strikes: &'s [Strike<'_>], strike: &Strike<'_>) -> Self {
        let same: Vec<_> = strikes.iter().filter(|one| one.at == strike.at).collect();
        let index = same.iter().position(|one| std::ptr::eq(*one, strike));
        Self {
            strikes: same,
            index: index.unwrap_or(0),
        }
    }

    /// Whether the loss of this primary is attributed to the followed fault: each loss belongs to one fault only, the first
    /// that can have caused it.
    fn owns_loss(&self, tier: DataTierPart, zone: ZoneId) -> bool {
        let mut strikes = self.strikes.iter();
        let cause = strikes.position(|strike| strike.fault.can_take(tier, zone));
        cause.unwrap_or(0) == self.index
    }
}

#[derive(Clone, Copy)]
struct Strike<'n> {
    at: SimTime,
    fault: Subject<'n>,
}

/// What distinguishes a fault from others that may be in progress at the same time.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Subject<'n> {
    action: FaultKind,
    zone: Option<ZoneId>,
    part: Option<DataTierPart>,
    name: Option<&'n str>,
}

impl Subject<'_> {
    /// Whether it can have taken a primary of this part in this zone.
    fn can_take(self, tier: DataTierPart, zone: ZoneId) -> bool {
        self.part == Some(tier) || (self.part.is_none() && self.zone == Some(zone))
    }
}

fn strike(notice: &Notice) -> Option<Strike<'_>> {
    match &notice.what {
        // Nothing recovers from a remedy; it belongs to the observation of the fault that it is for.
        What::FaultStruck {
            action,
            zone,
            part,
            name,
        } if !action.is_remedy() => Some(Strike {
            at: notice.at,
            fault: Subject {
                action: *action,
                zone: *zone,
                part: *part,
                name: name.as_deref(),
            },
        }),
        _ => None,
    }
}

/// Returns when this fault ended, whatever other faults started in the meantime; `None` if it lasted beyond the run.
fn healed_at(timeline: &[Notice], strike: &Strike<'_>) -> Option<SimTime> {
    let heals = |notice: &&Notice| match &notice.what {
        What::FaultHealed {
            action,
            zone,
            part,
            name,
        } => {
            let healed = Subject {
                action: *action,
                zone: *zone,
                part: *part,
                name: name.as_deref(),
            };
            notice.at >= strike.at && strike.fault == healed
        }
        _ => false,
    };
    timeline.iter().find(heals).map(|notice| notice.at)
}

fn follow(run: &Measurements, strike: &Strike<'_>, same: &Same<'_>, next: SimTime) -> Recovery {
    let before = work::work_before(&run.series, strike.at);
    let healed_at = healed_at(&run.timeline, strike);
    let over_at = over_at(strike, healed_at);
    let settled =
        over_at.and_then(|over| outcome::settled_at(&run.series, before, (strike.at, over), next));
    let until = settled.unwrap_or(next);
    let zones = &run.plan.topology.zones;
    let zone = |zone: ZoneId| {
        let known = zones.get(zone.index());
        known.map_or_else(|| zone.0.to_string(), |zone| zone.name.clone())
    };
    // What happens at the very instant of the next fault belongs to that fault. The end of the run is no fault, so what
    // happens at that instant still belongs to the last one.
    let is_last = until == run.ending.ended_at;
    let is_own = |notice: &&Notice| {
        notice.at >= strike.at && (notice.at < until || (is_last && notice.at == until))
    };
    let own: Vec<_> = run.timeline.iter().filter(is_own).collect();
    let outcome = outcome::outcome(&run.series, before, strike.at, until);
    let outcome = metastable(run, strike, (over_at, until), outcome);
    let outcome = unless_its_command_failed(run, strike, outcome);
    // Once recovered, the fault no longer affects the requests that follow, so they are left out.
    let observed_until = match outcome {
        Outcome::Recovered { after } => strike.at + after,
        Outcome::NotRecovered | Outcome::Metastable { .. } | Outcome::CouldNotTell { .. } => until,
    };
    Recovery {
        action: strike.fault.action,
        zone: strike.fault.zone.map(zone),
        part: strike.fault.part,
        name: strike.fault.name.map(str::to_owned),
        struck_at: strike.at,
        healed_at,
        detected_after: first_reaction(&own).map(|at| at - strike.at),
        replaced_after: first_replacement(&own).map(|at| at - strike.at),
        failovers: failovers(&own, &run.timeline, same),
        before,
        during: work::work_between(&run.series, strike.at, observed_until),
        at_the_end: work::work_at_the_end(&run.series, strike.at, until),
        longest_stop: outcome::longest_stop(&run.series, strike.at, until),
        outcome,
    }
}

/// Returns when the fault was over; `None` if it lasted beyond the run.
fn over_at(strike: &Strike<'_>, healed_at: Option<SimTime>) -> Option<SimTime> {
    healed_at.or(strike.fault.action.is_momentary().then_some(strike.at))
}

/// Tells a failure that goes on by itself from one whose fault still lasts, has only just ended, or came with more buyers.
fn metastable(
    run: &Measurements,
    strike: &Strike<'_>,
    (over_at, until): (Option<SimTime>, SimTime),
    outcome: Outcome,
) -> Outcome {
    let Some(over_at) = over_at else {
        return outcome;
    };
    let healed_for = until.saturating_since(over_at);
    let had_time = healed_for >= run.plan.recovery_limit().unwrap_or(RECOVERY_TIME);
    let is_normal = || outcome::arrivals_are_normal(&run.series, strike.at, until);
    if outcome == Outcome::NotRecovered && had_time && is_normal() {
        return Outcome::Metastable { healed_for };
    }
    outcome
}

/// Nothing can be said about recovery from a fault that may not have taken place, or may not be over.
fn unless_its_command_failed(run: &Measurements, strike: &Strike<'_>, outcome: Outcome) -> Outcome {
    let is_own = |command: &&CommandRun| {
        strike.fault.name == Some(command.fault.as_str()) && command.outcome.is_failure()
    };
    match run.ending.commands.iter().find(is_own) {
        Some(command) => Outcome::CouldNotTell {
            reason: format!(
                "its command `{}` {}",
                command.purpose.name(),
                command.ended()
            ),
        },
        None => outcome,
    }
}

fn first_reaction(after: &[&Notice]) -> Option<SimTime> {
    let reaction = after.iter().find(|notice| {
        matches!(
            &notice.what,
            What::Instance {
                state: InstanceState::Pending | InstanceState::Unhealthy,
                ..
            }
        )
    });
    reaction.map(|notice| notice.at)
}

fn first_replacement(after: &[&Notice]) -> Option<SimTime> {
    // An instance that was already booting when the fault started is not a replacement.
    let mut launched = Vec::new();
    for notice in after {
        match notice.what {
            What::Instance {
                instance,
                state: InstanceState::Pending,
                ..
            } => launched.push(instance),
            What::Instance {
                instance,
                state: InstanceState::Healthy,
                ..
            } if launched.contains(&instance) => return Some(notice.at),
            _ => {}
        }
    }
    None
}

/// Returns the failovers that began in `after`. The promotion is looked up in the whole timeline: it may come when the
/// next fault has already started.
fn failovers(after: &[&Notice], timeline: &[Notice], same: &Same<'_>) -> Vec<Failover> {
    let lost = after.iter().filter_map(|notice| match notice.what {
        What::PrimaryLost { tier, zone } => same.owns_loss(tier, zone).then_some((tier, notice.at)),
        _ => None,
    });
    let promoted = |tier, lost_at| {
        let found = timeline.iter().find(|notice| {
            notice.at >= lost_at
                && matches!(notice.what, What::Promoted { tier: promoted, .. } if promoted == tier)
        });
        found.map(|notice| notice.at - lost_at)
    };
    lost.map(|(tier, lost_at)| Failover {
        tier,
        lost_at,
        took: promoted(tier, lost_at),
    })
    .collect()
}

#[cfg(test)]
mod tests;
