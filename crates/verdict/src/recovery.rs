//! Recovery: how long each fault kept the system from doing its work, and what brought it back.

use std::time::Duration;

use serde::Serialize;

use super::figure::{self, share};
use tiketi_cloud::notice::{DataTierPart, InstanceState, Notice, What};
use tiketi_core::units::{SimTime, ZoneId};
use tiketi_measure::Measurements;
use tiketi_measure::series::{Series, Tick};

/// Part of what it was that successful work must be back to.
const BACK_TO: f64 = 0.95;

/// Time over which work is averaged, in seconds: shorter, and single retries look like outages.
const WINDOW_SECS: u64 = 5;

/// How late answers may come and still keep up with what was due, in seconds: buyers poll in waves, and while a wave
/// rises more is due than has been answered.
const LATE_SECS: u64 = 5;

/// Stretch before the end of what is observed that shows how things stood then, in seconds.
const END_SECS: u64 = 30;

/// Longest stretch before a fault that shows what was normal.
const BEFORE_SECS: u64 = 60;

/// Standard deviations of a Poisson count that a window may fall short by: buyers come by chance, and with a hundred calls
/// in a window every other one would miss 95 % of what is normal.
const CHANCE_DEVIATIONS: f64 = 2.0;

/// Calls in a window below which it tells nothing.
const CALLS_MIN: u64 = 20;

/// One fault and the way back from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recovery {
    /// Name of the fault's action.
    pub action: String,
    /// Name of the zone it struck; `None` if it is about no zone.
    pub zone: Option<String>,
    /// The part of the data tier that it struck alone; `None` if it is about none.
    pub part: Option<DataTierPart>,
    /// When it struck.
    #[serde(rename = "struck_at_seconds", serialize_with = "figure::at_seconds")]
    pub struck_at: SimTime,
    /// When it healed; `None` if that was after the run.
    #[serde(
        rename = "healed_at_seconds",
        serialize_with = "figure::maybe_at_seconds"
    )]
    pub healed_at: Option<SimTime>,
    /// From the fault to the first reaction of the control plane: an instance launched or found unhealthy.
    #[serde(
        rename = "detected_after_seconds",
        serialize_with = "figure::maybe_seconds"
    )]
    pub detected_after: Option<Duration>,
    /// From the fault to the first instance launched after it that gets requests.
    #[serde(
        rename = "replaced_after_seconds",
        serialize_with = "figure::maybe_seconds"
    )]
    pub replaced_after: Option<Duration>,
    /// Failovers of the data tier.
    pub failovers: Vec<Failover>,
    /// Work before the fault.
    pub before: Work,
    /// Work from the fault to the end of the recovery, or of what was observed.
    pub during: Work,
    /// Work in the last half minute of what was observed: until the next fault, or the end of the run.
    pub at_the_end: Work,
    /// Longest time without a single successful call although calls were due.
    #[serde(rename = "longest_stop_seconds", serialize_with = "figure::as_seconds")]
    pub longest_stop: Duration,
    /// Whether, and when, successful work was back.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Recovery {
    /// The fault in words: `az-power-interruption in zone a`, `lose-primary of Redis`.
    pub fn fault(&self) -> String {
        let of = match (&self.zone, self.part) {
            (Some(zone), _) => format!(" in zone {zone}"),
            (None, Some(DataTierPart::Redis)) => " of Redis".to_owned(),
            (None, Some(DataTierPart::Database)) => " of the database".to_owned(),
            (None, None) => String::new(),
        };
        format!("{}{of}", self.action)
    }
}

/// Whether successful work came back.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// It did, and stayed until the next fault or the end.
    Recovered {
        /// Time from the fault.
        #[serde(rename = "after_seconds", serialize_with = "figure::as_seconds")]
        after: Duration,
    },
    /// It did not within what was observed.
    NotRecovered,
    /// There was too little to compare.
    CouldNotTell {
        /// Why.
        reason: String,
    },
}

/// One failover of the data tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Failover {
    /// Which part.
    pub tier: DataTierPart,
    /// When the primary was lost.
    #[serde(rename = "lost_at_seconds", serialize_with = "figure::at_seconds")]
    pub lost_at: SimTime,
    /// From the loss to the first possible write; `None` if there was none within the run.
    #[serde(rename = "took_seconds", serialize_with = "figure::maybe_seconds")]
    pub took: Option<Duration>,
}

/// Work done in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Length of the stretch.
    pub seconds: u64,
    /// Calls that were due.
    pub due: u64,
    /// Calls that ended.
    pub ended: u64,
    /// Calls answered as they should be.
    pub useful: u64,
}

impl Work {
    fn add(&mut self, tick: &Tick, seconds: u64) {
        self.seconds += seconds;
        self.due += tick.calls_due;
        self.ended += tick.calls_ended();
        self.useful += tick.calls_useful();
    }

    /// Part of the ended calls that were answered as they should be; `None` without calls.
    pub fn success_share(self) -> Option<f64> {
        share(self.useful, self.ended)
    }

    /// Calls answered as they should be, a second.
    pub fn useful_per_second(self) -> f64 {
        share(self.useful, self.seconds).unwrap_or(0.0)
    }

    fn due_per_second(self) -> f64 {
        share(self.due, self.seconds).unwrap_or(0.0)
    }

    /// Whether 95 % of the part that succeeded `before` does.
    fn succeeds_like(self, before: Self) -> bool {
        let shares = self.success_share().zip(before.success_share());
        shares.is_some_and(|(now, normal)| now >= BACK_TO * normal)
    }

    /// Whether this is 95 % of the work `before`, or of what was due if that was less; what chance alone takes away from
    /// so many calls does not count.
    fn is_as_much_as(self, before: Self, due_per_second: f64) -> bool {
        let per_second = before.useful_per_second().min(due_per_second);
        let asked_for = per_second * count(self.seconds);
        count(self.useful) >= BACK_TO * asked_for - CHANCE_DEVIATIONS * asked_for.sqrt()
    }
}

/// Follows each fault of the timeline.
pub(super) fn judge(run: &Measurements) -> Vec<Recovery> {
    let strikes: Vec<_> = run.timeline.iter().filter_map(strike).collect();
    let until = |index: usize| {
        strikes
            .get(index + 1)
            .map_or(run.ending.ended_at, |next: &Strike<'_>| next.at)
    };
    let follow = |(index, strike)| follow(run, strike, until(index));
    strikes.iter().enumerate().map(follow).collect()
}

#[derive(Clone, Copy)]
struct Strike<'a> {
    at: SimTime,
    fault: Subject<'a>,
}

/// What tells one fault from another that may be there at the same time.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Subject<'a> {
    action: &'a str,
    zone: Option<ZoneId>,
    part: Option<DataTierPart>,
}

fn strike(notice: &Notice) -> Option<Strike<'_>> {
    match &notice.what {
        What::FaultStruck { action, zone, part } => Some(Strike {
            at: notice.at,
            fault: Subject {
                action,
                zone: *zone,
                part: *part,
            },
        }),
        _ => None,
    }
}

/// When this fault healed, however many others struck meanwhile; `None` if it did not within the run.
fn healed_at(timeline: &[Notice], strike: &Strike<'_>) -> Option<SimTime> {
    let heals = |notice: &&Notice| match &notice.what {
        What::FaultHealed { action, zone, part } => {
            let (zone, part) = (*zone, *part);
            notice.at >= strike.at && strike.fault == Subject { action, zone, part }
        }
        _ => false,
    };
    timeline.iter().find(heals).map(|notice| notice.at)
}

fn follow(run: &Measurements, strike: &Strike<'_>, until: SimTime) -> Recovery {
    let zones = &run.plan.topology.zones;
    let zone = |zone: ZoneId| {
        let known = zones.get(zone.index());
        known.map_or_else(|| zone.0.to_string(), |zone| zone.name.clone())
    };
    // What happens as the next fault strikes is that one's.
    let is_last = until == run.ending.ended_at;
    let is_own = |notice: &&Notice| {
        notice.at >= strike.at && (notice.at < until || (is_last && notice.at == until))
    };
    let after: Vec<_> = run.timeline.iter().filter(is_own).collect();
    let before = work_before(&run.series, strike.at);
    let outcome = outcome(&run.series, before, strike.at, until);
    let observed_until = match outcome {
        Outcome::Recovered { after } => strike.at + after,
        Outcome::NotRecovered | Outcome::CouldNotTell { .. } => until,
    };
    Recovery {
        action: strike.fault.action.to_owned(),
        zone: strike.fault.zone.map(zone),
        part: strike.fault.part,
        struck_at: strike.at,
        healed_at: healed_at(&run.timeline, strike),
        detected_after: first_reaction(&after).map(|at| at - strike.at),
        replaced_after: first_replacement(&after).map(|at| at - strike.at),
        failovers: failovers(&after, &run.timeline),
        before,
        during: work_between(&run.series, strike.at, observed_until),
        at_the_end: work_at_the_end(&run.series, strike.at, until),
        longest_stop: longest_stop(&run.series, strike.at, until),
        outcome,
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

/// The primaries lost in a stretch of the timeline; they may be promoted long after it, when something else has struck.
fn failovers(after: &[&Notice], timeline: &[Notice]) -> Vec<Failover> {
    let lost = after.iter().filter_map(|notice| match notice.what {
        What::PrimaryLost { tier, .. } => Some((tier, notice.at)),
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

fn outcome(series: &Series, before: Work, struck: SimTime, until: SimTime) -> Outcome {
    if before.ended < CALLS_MIN || before.useful == 0 {
        return Outcome::CouldNotTell {
            reason: "too few calls before the fault to compare with".to_owned(),
        };
    }
    match last_bad(series, before, struck, until) {
        LastBad::None => Outcome::Recovered {
            after: Duration::ZERO,
        },
        LastBad::Until(at) => Outcome::Recovered { after: at - struck },
        LastBad::ToTheEnd => Outcome::NotRecovered,
        LastBad::Unknown => Outcome::CouldNotTell {
            reason: "too few calls after the fault to compare".to_owned(),
        },
    }
}

enum LastBad {
    None,
    Until(SimTime),
    ToTheEnd,
    Unknown,
}

/// Slides a window over the time after the fault and finds the end of the last one whose work was not back.
fn last_bad(series: &Series, before: Work, struck: SimTime, until: SimTime) -> LastBad {
    let width = series.width_secs();
    let ticks_in = |seconds: u64| usize::try_from(seconds.div_ceil(width)).unwrap_or(1);
    let window_before =
        |end: usize| work_of(series, end.saturating_sub(ticks_in(WINDOW_SECS))..end);
    let first = tick_index(series, struck);
    // The tick in which the run ended is only half there: it is left out.
    let last = tick_index(series, until).min(series.ticks().len());
    let mut last_bad = LastBad::Unknown;
    let mut bad_at_the_end = false;
    for end in first + 1..=last {
        let window = window_before(end);
        if window.due.max(window.ended) < CALLS_MIN {
            continue;
        }
        let earlier = end.saturating_sub(ticks_in(LATE_SECS))..=end;
        let due = earlier.map(|end| window_before(end).due_per_second());
        let is_enough = window.is_as_much_as(before, due.fold(f64::INFINITY, f64::min));
        bad_at_the_end = !(window.succeeds_like(before) && is_enough);
        if bad_at_the_end {
            last_bad = LastBad::Until(SimTime::from_secs(series.start_secs(end)));
        } else if matches!(last_bad, LastBad::Unknown) {
            last_bad = LastBad::None;
        }
    }
    if bad_at_the_end {
        return LastBad::ToTheEnd;
    }
    last_bad
}

/// The longest run of ticks with calls due and none that succeeded.
fn longest_stop(series: &Series, struck: SimTime, until: SimTime) -> Duration {
    let mut longest = 0;
    let mut current = 0;
    for index in tick_index(series, struck)..tick_index(series, until) {
        let Some(tick) = series.ticks().get(index) else {
            break;
        };
        let stopped = tick.calls_useful() == 0 && tick.calls_due + tick.calls_ended() > 0;
        current = if stopped { current + 1 } else { 0 };
        longest = longest.max(current);
    }
    Duration::from_secs(longest * series.width_secs())
}

fn work_before(series: &Series, struck: SimTime) -> Work {
    let from = SimTime::from_secs(struck.as_secs().saturating_sub(BEFORE_SECS));
    work_between(series, from, struck)
}

fn work_at_the_end(series: &Series, struck: SimTime, until: SimTime) -> Work {
    let from = SimTime::from_secs(until.as_secs().saturating_sub(END_SECS));
    work_between(series, from.max(struck), until)
}

fn work_between(series: &Series, from: SimTime, until: SimTime) -> Work {
    work_of(series, tick_index(series, from)..tick_index(series, until))
}

fn work_of(series: &Series, ticks: std::ops::Range<usize>) -> Work {
    let mut work = Work::default();
    let end = ticks.end.min(series.ticks().len());
    for tick in &series.ticks()[ticks.start.min(end)..end] {
        work.add(tick, series.width_secs());
    }
    work
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a run stay far below 2^53"
)]
const fn count(number: u64) -> f64 {
    number as f64
}

fn tick_index(series: &Series, at: SimTime) -> usize {
    usize::try_from(at.as_secs() / series.width_secs()).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
