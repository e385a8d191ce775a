//! Recovery: how long each fault kept the system from serving requests, and what brought it back.
//!
//! The system has recovered from a fault when its successful work is back to normal *and stays there*. Two things are
//! compared with the minute before the fault, over a sliding window of [`WINDOW_SECS`]:
//!
//! - the **success rate**: successful requests as a share of those that ended;
//! - the **throughput**: successful requests per second. The success rate alone is not enough: a system that answers one
//!   request a second, correctly, has a success rate of 100 %.
//!
//! Both must reach [`BACK_TO`] of their normal value. For throughput, normal is lowered to what was due if less was due
//! than before (the queue may simply have become shorter), and by what sampling noise explains. The recovery time ends
//! with the last window that fails, not with the first that passes, so a relapse counts.
//!
//! Each fault is observed until the next one strikes, or until the run ends.

use std::time::Duration;

use serde::Serialize;

use super::figure::{self, share};
use tiketi_cloud::notice::{DataTierPart, InstanceState, Notice, What};
use tiketi_core::fault::catalog::FaultKind;
use tiketi_core::units::{SimTime, ZoneId};
use tiketi_measure::Measurements;
use tiketi_measure::series::{Series, Tick};

/// Share of the normal success rate and throughput at which work counts as back (assumption).
const BACK_TO: f64 = 0.95;

/// Length of the sliding window, in seconds. In a shorter one a single burst of retries looks like an outage; a longer one
/// adds its own length to every recovery time.
const WINDOW_SECS: u64 = 5;

/// How late responses may come and still count as keeping up with what was due, in seconds. Buyers poll in waves: while a
/// wave rises, more requests become due in a window than can have been answered in it.
const LATE_SECS: u64 = 5;

/// Length of the period at the end of the observation that shows the state in which the system ended, in seconds.
const END_SECS: u64 = 30;

/// Length of the period before a fault that defines what is normal, in seconds; shorter at the start of a run.
const BEFORE_SECS: u64 = 60;

/// Standard deviations that the successful requests of a window may fall short by. Buyers act at random times, so the
/// count in a window scatters like a Poisson count, whose standard deviation is its square root. Of 100 requests that is
/// 10: without this allowance a healthy system would miss 95 % of normal in nearly every third window, and since one bad
/// window is a relapse, it would never recover. With two deviations it passes 99 of 100 such windows.
const CHANCE_DEVIATIONS: f64 = 2.0;

/// Requests in a window below which it is not judged: with so few, one failure more or less decides.
const CALLS_MIN: u64 = 20;

/// One fault and how the system recovered from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recovery {
    /// What broke.
    pub action: FaultKind,
    /// Name of the zone it affected; `None` if it did not affect a zone.
    pub zone: Option<String>,
    /// The part of the data tier that it affected alone; `None` if there is no such part.
    pub part: Option<DataTierPart>,
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
    /// Returns the fault in words: `az-power-interruption in zone a`, `lose-primary on Redis`.
    pub fn fault(&self) -> String {
        let of = match (&self.zone, self.part) {
            (Some(zone), _) => format!(" in zone {zone}"),
            (None, Some(DataTierPart::Redis)) => " on Redis".to_owned(),
            (None, Some(DataTierPart::Database)) => " on the database".to_owned(),
            (None, None) => String::new(),
        };
        format!("{}{of}", self.action)
    }
}

/// Whether the system recovered from a fault.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// It did, and stayed recovered until the next fault or the end of the run.
    Recovered {
        /// Time from the start of the fault; zero if the fault never reduced the work.
        #[serde(rename = "after_seconds", serialize_with = "figure::as_seconds")]
        after: Duration,
    },
    /// It did not before the next fault or the end of the run.
    NotRecovered,
    /// There were too few requests to tell.
    CouldNotTell {
        /// When there were too few.
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
    /// From the loss to the promotion, when writes are possible again; `None` if there was none within the run.
    #[serde(rename = "took_seconds", serialize_with = "figure::maybe_seconds")]
    pub took: Option<Duration>,
}

/// Requests in a period of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Length of the period, in seconds of scenario time.
    pub seconds: u64,
    /// Requests that were due.
    pub due: u64,
    /// Requests that ended, whatever the outcome.
    pub ended: u64,
    /// Successful requests.
    pub useful: u64,
}

impl Work {
    fn add(&mut self, tick: &Tick, seconds: u64) {
        self.seconds += seconds;
        self.due += tick.calls_due;
        self.ended += tick.calls_ended();
        self.useful += tick.calls_useful();
    }

    /// Returns the successful requests as a share of those that ended; `None` if none ended.
    pub fn success_share(self) -> Option<f64> {
        share(self.useful, self.ended)
    }

    /// Returns the successful requests per second.
    pub fn useful_per_second(self) -> f64 {
        share(self.useful, self.seconds).unwrap_or(0.0)
    }

    fn due_per_second(self) -> f64 {
        share(self.due, self.seconds).unwrap_or(0.0)
    }

    /// Returns whether the success rate is back to its normal value.
    fn succeeds_like(self, before: Self) -> bool {
        let shares = self.success_share().zip(before.success_share());
        shares.is_some_and(|(now, normal)| now >= BACK_TO * normal)
    }

    /// Returns whether throughput is back to its normal value, or to what was due if that is less.
    fn is_as_much_as(self, before: Self, due_per_second: f64) -> bool {
        let per_second = before.useful_per_second().min(due_per_second);
        let expected = per_second * count(self.seconds);
        // The noise allowance is absolute, so it matters for small windows and vanishes for large ones.
        count(self.useful) >= BACK_TO * expected - CHANCE_DEVIATIONS * expected.sqrt()
    }
}

/// Follows each fault of the timeline until the next one, or until the run ends.
pub(super) fn judge(run: &Measurements) -> Vec<Recovery> {
    let strikes: Vec<_> = run.timeline.iter().filter_map(strike).collect();
    let until = |index: usize| {
        strikes
            .get(index + 1)
            .map_or(run.ending.ended_at, |next: &Strike| next.at)
    };
    let follow = |(index, strike)| follow(run, strike, until(index));
    strikes.iter().enumerate().map(follow).collect()
}

#[derive(Clone, Copy)]
struct Strike {
    at: SimTime,
    fault: Subject,
}

/// What distinguishes a fault from others that may be in progress at the same time.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Subject {
    action: FaultKind,
    zone: Option<ZoneId>,
    part: Option<DataTierPart>,
}

fn strike(notice: &Notice) -> Option<Strike> {
    match &notice.what {
        What::FaultStruck { action, zone, part } => Some(Strike {
            at: notice.at,
            fault: Subject {
                action: *action,
                zone: *zone,
                part: *part,
            },
        }),
        _ => None,
    }
}

/// Returns when this fault ended, whatever other faults started in the meantime; `None` if it lasted beyond the run.
fn healed_at(timeline: &[Notice], strike: &Strike) -> Option<SimTime> {
    let heals = |notice: &&Notice| match &notice.what {
        What::FaultHealed { action, zone, part } => {
            let (action, zone, part) = (*action, *zone, *part);
            notice.at >= strike.at && strike.fault == Subject { action, zone, part }
        }
        _ => false,
    };
    timeline.iter().find(heals).map(|notice| notice.at)
}

fn follow(run: &Measurements, strike: &Strike, until: SimTime) -> Recovery {
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
    let before = work_before(&run.series, strike.at);
    let outcome = outcome(&run.series, before, strike.at, until);
    let observed_until = match outcome {
        Outcome::Recovered { after } => strike.at + after,
        Outcome::NotRecovered | Outcome::CouldNotTell { .. } => until,
    };
    Recovery {
        action: strike.fault.action,
        zone: strike.fault.zone.map(zone),
        part: strike.fault.part,
        struck_at: strike.at,
        healed_at: healed_at(&run.timeline, strike),
        detected_after: first_reaction(&own).map(|at| at - strike.at),
        replaced_after: first_replacement(&own).map(|at| at - strike.at),
        failovers: failovers(&own, &run.timeline),
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
            reason: "too few requests before the fault to know what is normal".to_owned(),
        };
    }
    match last_bad(series, before, struck, until) {
        LastBad::None => Outcome::Recovered {
            after: Duration::ZERO,
        },
        LastBad::Until(at) => Outcome::Recovered { after: at - struck },
        LastBad::ToTheEnd => Outcome::NotRecovered,
        LastBad::Unknown => Outcome::CouldNotTell {
            reason: "too few requests after the fault to judge".to_owned(),
        },
    }
}

/// The end of the last window whose work was not back to normal.
enum LastBad {
    /// Every window was good.
    None,
    /// A window that ended here, and all later ones were good.
    Until(SimTime),
    /// The last window.
    ToTheEnd,
    /// No window had enough requests to be judged.
    Unknown,
}

/// Slides a window over the time after the fault and finds the last one whose work was not back to normal.
///
/// The last, not the first good one: retries and waves of polls make single windows look fine in the middle of an outage,
/// and a relapse is part of the same incident.
fn last_bad(series: &Series, before: Work, struck: SimTime, until: SimTime) -> LastBad {
    let width = series.width_secs();
    let ticks_in = |seconds: u64| usize::try_from(seconds.div_ceil(width)).unwrap_or(1);
    let window_before =
        |end: usize| work_of(series, end.saturating_sub(ticks_in(WINDOW_SECS))..end);
    let first = tick_index(series, struck);
    // The tick in which the run ended is incomplete; judged as a whole one it would look like a drop.
    let last = tick_index(series, until).min(series.ticks().len());
    let mut last_bad = LastBad::Unknown;
    let mut bad_at_the_end = false;
    // The first windows reach back before the fault. That only delays their failure by less than a window, and it spares
    // the loop a special case for faults early in a run.
    for end in first + 1..=last {
        let window = window_before(end);
        // Both are checked: in an outage nothing ends but much is due, and after it what is overdue ends although little
        // is due. Either is enough to judge; with neither, silence is no evidence.
        if window.due.max(window.ended) < CALLS_MIN {
            continue;
        }
        // Responses may be late, so the window is compared with the least demand of any window that ended up to
        // LATE_SECS earlier: it has kept up if it kept up with one of them.
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

/// Returns the longest run of ticks in which requests were due or ended, and none succeeded.
fn longest_stop(series: &Series, struck: SimTime, until: SimTime) -> Duration {
    let mut longest = 0;
    let mut current = 0;
    for index in tick_index(series, struck)..tick_index(series, until) {
        let Some(tick) = series.ticks().get(index) else {
            break;
        };
        // A tick in which nobody wanted anything neither extends a stop nor starts one.
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
    // After a short observation the period would reach back to before the fault.
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
