//! Availability: of the run, by requests and by time, and of a year, by the faults that are expected in it.
//!
//! A second is *up* if the requests that ended in it meet the scenario's gate on `errors`. Requests that hang count for the
//! second in which they end: until then, a second in which some were due counts like that one. Seconds in which no request
//! was due are not judged, and neither is the warm-up.
//!
//! The year is what the scenario states of it ([`tiketi_scenario::availability`]): each kind of fault costs as many seconds that
//! were not up as its worst one in the run, as often as it is expected, and maintenance costs its failovers.

use std::time::Duration;

use serde::Serialize;

use super::figure::{self, share};
use super::recovery::Recovery;
use tiketi_cloud::notice::DataTierPart;
use tiketi_core::fault::catalog::FaultKind;
use tiketi_core::units::SimTime;
use tiketi_measure::Measurements;
use tiketi_measure::series::{Series, Tick};
use tiketi_scenario::objective::{Gate, GateMetric, Relation, Statistic};

/// Length of a year.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Share of failed requests below which a second is up if the scenario has no gate on `errors` (assumption: the preset's gate).
const FAILED_MAX: f64 = 0.01;

/// Availability of a run, and of a year with its faults.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Availability {
    /// Requests that ended after the warm-up.
    pub attempts: u64,
    /// Of these, the successful ones. A business refusal, such as a taken seat, is a success.
    pub successful: u64,
    /// The condition that a second must meet: `rate < 1%`.
    pub condition: String,
    /// Seconds that were judged.
    pub seconds: u64,
    /// Of these, the seconds that met the condition.
    pub seconds_up: u64,
    /// The expected year; `None` if no fault occurred while requests were due.
    pub year: Option<Year>,
}

/// The downtime that is expected in a year.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Year {
    /// Each kind of fault that occurred in the run while requests were due.
    pub faults: Vec<YearlyDowntime>,
    /// Times that maintenance interrupts the database.
    pub maintenances: f64,
    /// How long each takes.
    #[serde(rename = "maintenance_seconds", serialize_with = "figure::as_seconds")]
    pub maintenance: Duration,
    /// All downtime of the year.
    #[serde(rename = "down_seconds", serialize_with = "figure::as_seconds")]
    pub down: Duration,
    /// Whether every downtime had ended when the next fault struck or the run ended. Otherwise `down` is a lower bound.
    pub is_whole: bool,
}

/// The downtime of one kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct YearlyDowntime {
    /// The kind.
    pub action: FaultKind,
    /// Times per year.
    pub per_year: f64,
    /// Whether the scenario states how often; otherwise once is an assumption.
    pub is_stated: bool,
    /// Downtime of the worst one in the run.
    #[serde(rename = "measured_seconds", serialize_with = "figure::as_seconds")]
    pub measured: Duration,
    /// What a fault of its real length adds to that, because the sale was still down when the fault ended.
    #[serde(rename = "longer_seconds", serialize_with = "figure::as_seconds")]
    pub longer: Duration,
    /// How long people take to notice it.
    #[serde(rename = "detection_seconds", serialize_with = "figure::as_seconds")]
    pub detection: Duration,
    /// Whether the sale was up again before the next fault or the end of the run.
    pub is_over: bool,
}

impl Availability {
    /// Returns the successful requests as a share of all; `None` if none ended.
    pub fn by_requests(&self) -> Option<f64> {
        share(self.successful, self.attempts)
    }

    /// Returns the seconds that were up as a share of those judged; `None` if none was.
    pub fn by_time(&self) -> Option<f64> {
        share(self.seconds_up, self.seconds)
    }
}

impl Year {
    /// Returns the share of the year without downtime.
    pub fn share(&self) -> f64 {
        1.0 - self.down.div_duration_f64(YEAR).min(1.0)
    }
}

impl YearlyDowntime {
    /// Returns the downtime of one such fault.
    pub const fn each(&self) -> Duration {
        self.measured
            .saturating_add(self.longer)
            .saturating_add(self.detection)
    }
}

/// Judges the availability of a run.
pub(super) fn judge(run: &Measurements, recoveries: &[Recovery]) -> Availability {
    let condition = Condition::of(run);
    let seconds = Seconds::of(&run.series, condition);
    let warm = SimTime::ZERO + run.plan.clock.warmup;
    let judged = seconds.between(warm, run.ending.ended_at);
    let width = run.series.width_secs();
    let first = seconds.index(warm);
    let ticks = run.series.ticks().iter().skip(first);
    let (attempts, failed) = ticks.fold((0, 0), |(attempts, failed), tick| {
        (attempts + tick.calls_ended(), failed + tick.calls_failed)
    });
    Availability {
        attempts,
        successful: attempts - failed,
        condition: condition.text.to_owned(),
        seconds: width * judged.len() as u64,
        seconds_up: width * judged.iter().filter(|state| **state == State::Up).count() as u64,
        year: year(run, recoveries, &seconds),
    }
}

/// The gate on the error rate.
#[derive(Clone, Copy)]
struct Condition<'a> {
    relation: Relation,
    bound: f64,
    text: &'a str,
}

impl<'a> Condition<'a> {
    fn of(run: &'a Measurements) -> Self {
        let is_it = |gate: &&Gate| {
            gate.metric == GateMetric::Errors
                && gate.operation.is_none()
                && gate.statistic == Statistic::Rate
        };
        let gate = run.plan.gates.iter().find(is_it);
        gate.map_or(
            Self {
                relation: Relation::Less,
                bound: FAILED_MAX,
                text: "rate < 1%",
            },
            |gate| Self {
                relation: gate.relation,
                bound: gate.bound,
                text: &gate.text,
            },
        )
    }
}

/// What one tick of the series was like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// What ended met the condition.
    Up,
    /// It did not, or requests hung until the end of the run.
    Down,
    /// No request was due.
    Idle,
}

/// The states of all ticks.
struct Seconds {
    width: u64,
    states: Vec<State>,
}

impl Seconds {
    fn of(series: &Series, condition: Condition<'_>) -> Self {
        // From the end: a tick in which requests hang is like the next one in which some end.
        let mut next = State::Down;
        let state = |tick: &Tick| match share(tick.calls_failed, tick.calls_ended()) {
            Some(failed) => {
                next = if condition.relation.holds(failed, condition.bound) {
                    State::Up
                } else {
                    State::Down
                };
                next
            }
            None if tick.calls_due > 0 => next,
            None => State::Idle,
        };
        let mut states: Vec<_> = series.ticks().iter().rev().map(state).collect();
        states.reverse();
        Self {
            width: series.width_secs(),
            states,
        }
    }

    fn index(&self, at: SimTime) -> usize {
        let index = usize::try_from(at.as_secs() / self.width).unwrap_or(usize::MAX);
        index.min(self.states.len())
    }

    /// The ticks that start between two instants and are judged.
    fn between(&self, from: SimTime, until: SimTime) -> Vec<State> {
        let (from, until) = (self.index(from), self.index(until));
        let judged = self.states[from..until.max(from)].iter().copied();
        judged.filter(|state| *state != State::Idle).collect()
    }

    /// Whether the sale was down in the last tick before `at` that is judged, not before `from`.
    fn is_down_before(&self, at: SimTime, from: SimTime) -> bool {
        self.between(from, at).last() == Some(&State::Down)
    }

    fn down(&self, from: SimTime, until: SimTime) -> Duration {
        let down = self.between(from, until);
        let down = down.iter().filter(|state| **state == State::Down).count() as u64;
        Duration::from_secs(down * self.width)
    }
}

fn year(run: &Measurements, recoveries: &[Recovery], seconds: &Seconds) -> Option<Year> {
    let mut faults: Vec<YearlyDowntime> = Vec::new();
    for (place, recovery) in recoveries.iter().enumerate() {
        // Faults that strike at the same instant are one interruption: the first stands for all.
        let is_first = recoveries[..place]
            .iter()
            .all(|earlier| earlier.struck_at != recovery.struck_at);
        if !is_first {
            continue;
        }
        // A fault that occurred while no request was due shows nothing.
        let Some(found) = downtime(run, recoveries, recovery, seconds) else {
            continue;
        };
        match faults.iter_mut().find(|one| one.action == found.action) {
            Some(worst) if (!found.is_over, found.each()) > (!worst.is_over, worst.each()) => {
                *worst = found;
            }
            Some(_) => {}
            None => faults.push(found),
        }
    }
    if faults.is_empty() {
        return None;
    }
    let stated = &run.plan.availability;
    let maintenance = maintenance(run, recoveries);
    let of_faults = faults
        .iter()
        .map(|fault| times(fault.each(), fault.per_year));
    let down = of_faults
        .chain([times(maintenance, stated.maintenances_per_year)])
        .fold(Duration::ZERO, Duration::saturating_add);
    Some(Year {
        is_whole: faults.iter().all(|fault| fault.is_over),
        faults,
        maintenances: stated.maintenances_per_year,
        maintenance,
        down,
    })
}

/// Returns the downtime from a fault until the next one strikes or the run ends; `None` if no second of it is judged.
fn downtime(
    run: &Measurements,
    recoveries: &[Recovery],
    recovery: &Recovery,
    seconds: &Seconds,
) -> Option<YearlyDowntime> {
    let from = recovery.struck_at;
    let later = recoveries.iter().map(|other| other.struck_at);
    let until = later.filter(|at| *at > from).min();
    let until = until.unwrap_or(run.ending.ended_at);
    if seconds.between(from, until).is_empty() {
        return None;
    }
    let stated = run.plan.availability.of(recovery.action);
    let healed_at = recovery.healed_at.filter(|healed_at| *healed_at <= until);
    let longer = healed_at.zip(stated.and_then(|stated| stated.lasts));
    let longer = longer.map_or(Duration::ZERO, |(healed_at, lasts)| {
        if seconds.is_down_before(healed_at, from) {
            lasts.saturating_sub(healed_at.saturating_since(from))
        } else {
            Duration::ZERO
        }
    });
    Some(YearlyDowntime {
        action: recovery.action,
        per_year: stated.map_or(1.0, |stated| stated.per_year),
        is_stated: stated.is_some(),
        measured: seconds.down(from, until),
        longer,
        detection: stated.map_or(Duration::ZERO, |stated| stated.detection),
        is_over: !seconds.is_down_before(until, from),
    })
}

/// Returns how long one maintenance interrupts the database: a failover where there is a standby, measured if there was one.
fn maintenance(run: &Measurements, recoveries: &[Recovery]) -> Duration {
    let database = &run.plan.topology.database;
    if database.standby.is_none() {
        return run.plan.availability.maintenance;
    }
    let failovers = recoveries.iter().flat_map(|recovery| &recovery.failovers);
    let of_database = failovers.filter(|failover| failover.tier == DataTierPart::Database);
    let longest = of_database.filter_map(|failover| failover.took).max();
    longest.unwrap_or(database.failover)
}

/// A length of time, so many times; at most the longest one that can be stated.
fn times(length: Duration, count: f64) -> Duration {
    Duration::try_from_secs_f64(length.as_secs_f64() * count).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_cloud::notice::{Notice, What};
    use tiketi_measure::example;
    use tiketi_scenario::availability::YearlyFault;

    const KIND: FaultKind = FaultKind::PauseInstances;

    /// A run of 600 s with 10 requests per second, all of which fail in `down`. A fault lasts from 200 s to 260 s.
    fn run(down: std::ops::Range<u64>) -> Measurements {
        let mut run = example::run();
        run.plan.clock.warmup = Duration::from_secs(100);
        run.series = Series::default();
        for second in 0..600 {
            let failed = if down.contains(&second) { 10 } else { 0 };
            let tick = Tick {
                calls_due: 10,
                calls_ok: 10 - failed,
                calls_failed: failed,
                ..Tick::default()
            };
            run.series.absorb(second, &tick);
        }
        let (action, zone, part) = (KIND, None, None);
        let notice = |at, what| Notice {
            at: SimTime::from_secs(at),
            what,
        };
        run.timeline = vec![
            notice(
                200,
                What::FaultStruck {
                    action,
                    zone,
                    part,
                    name: None,
                },
            ),
            notice(
                260,
                What::FaultHealed {
                    action,
                    zone,
                    part,
                    name: None,
                },
            ),
        ];
        run.plan.availability.faults = vec![YearlyFault {
            action: KIND,
            per_year: 2.0,
            lasts: None,
            detection: Duration::ZERO,
        }];
        run
    }

    fn judged(run: &Measurements) -> Availability {
        judge(run, &crate::recovery::judge(run))
    }

    fn year_of(run: &Measurements) -> Year {
        judged(run).year.unwrap()
    }

    #[test]
    fn availability_is_counted_by_requests_and_by_seconds_after_the_warm_up() {
        let mut run = run(50..225);
        let availability = judged(&run);
        assert_eq!(
            (availability.attempts, availability.successful),
            (5_000, 3_750)
        );
        assert_eq!((availability.seconds, availability.seconds_up), (500, 375));
        run.plan
            .gates
            .retain(|gate| gate.metric != GateMetric::Errors);
        assert_eq!(judged(&run).condition, "rate < 1%");
    }

    #[test]
    fn a_second_must_meet_the_gate_of_the_scenario() {
        let mut run = run(0..0);
        let one_of_twenty = Tick {
            calls_ok: 9,
            calls_failed: 1,
            ..Tick::default()
        };
        run.series.absorb(300, &one_of_twenty);
        assert_eq!(judged(&run).seconds_up, 499);
        for gate in &mut run.plan.gates {
            gate.bound = 0.06;
        }
        assert_eq!(judged(&run).seconds_up, 500);
    }

    #[test]
    fn seconds_in_which_requests_hang_count_like_the_one_in_which_they_end() {
        let mut run = run(0..0);
        let mut ticks = run.series.ticks().to_vec();
        for (second, tick) in ticks.iter_mut().enumerate() {
            match second {
                200..210 => tick.calls_ok = 0,
                210 => (tick.calls_ok, tick.calls_failed) = (0, 110),
                300..310 => tick.calls_ok = 0,
                400..450 => (tick.calls_due, tick.calls_ok) = (0, 0),
                590.. => tick.calls_ok = 0,
                _ => {}
            }
        }
        run.series = Series::default();
        for (second, tick) in (0..).zip(&ticks) {
            run.series.absorb(second, tick);
        }
        let availability = judged(&run);
        assert_eq!(availability.seconds, 450, "no request was due for 50 s");
        assert_eq!(availability.seconds_up, 450 - 11 - 10);
    }

    #[test]
    fn a_year_has_the_worst_downtime_of_each_fault_as_often_as_stated_and_maintenance() {
        let mut run = run(205..235);
        run.plan.availability.maintenances_per_year = 4.0;
        run.plan.topology.database.failover = Duration::from_secs(30);
        let year = year_of(&run);
        assert_eq!(year.faults[0].measured, Duration::from_secs(30));
        assert_eq!(year.down, Duration::from_secs(2 * 30 + 4 * 30));
        assert!(year.is_whole && year.faults[0].is_stated);
        // Without a standby, maintenance takes what the scenario states.
        run.plan.topology.database.standby = None;
        run.plan.availability.maintenance = Duration::from_mins(15);
        assert_eq!(year_of(&run).down, Duration::from_secs(2 * 30 + 4 * 900));
        run.plan.availability.faults.clear();
        let year = year_of(&run);
        assert_eq!(year.down, Duration::from_secs(30 + 4 * 900), "once");
        assert!(!year.faults[0].is_stated);
        run.timeline.clear();
        assert_eq!(judged(&run).year, None, "nothing broke");
    }

    #[test]
    fn the_real_length_of_a_fault_counts_only_if_the_sale_was_down_until_its_end() {
        let hours = Duration::from_hours(4);
        let down = |seconds| {
            let mut run = run(seconds);
            let stated = &mut run.plan.availability.faults[0];
            (stated.per_year, stated.lasts) = (1.0, Some(hours));
            year_of(&run).down
        };
        assert_eq!(down(200..230), Duration::from_secs(30), "it had recovered");
        let outage = down(200..270);
        assert_eq!(outage, Duration::from_secs(70 - 60) + hours);
    }

    #[test]
    fn detection_by_people_is_added_each_time() {
        let mut run = run(200..230);
        run.plan.availability.faults[0].detection = Duration::from_mins(10);
        assert_eq!(year_of(&run).down, 2 * Duration::from_secs(630));
    }

    #[test]
    fn downtime_that_has_not_ended_is_a_lower_bound() {
        let year = year_of(&run(205..600));
        assert!(!year.is_whole);
        assert_eq!(year.faults[0].measured, Duration::from_secs(395));
        assert!(year_of(&run(205..599)).is_whole);
    }

    #[test]
    fn faults_of_the_same_instant_are_one_interruption() {
        let mut run = run(205..235);
        let struck = run.timeline[0].clone();
        let other = match struck.what {
            What::FaultStruck { zone, part, .. } => What::FaultStruck {
                action: FaultKind::LoseAlbNode,
                zone,
                part,
                name: None,
            },
            other => other,
        };
        run.timeline.insert(
            1,
            Notice {
                at: struck.at,
                what: other,
            },
        );
        let year = year_of(&run);
        assert_eq!(year.faults.len(), 1);
        assert_eq!(year.down, Duration::from_secs(60));
    }
}
