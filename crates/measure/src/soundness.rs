//! What must be true of measurements that were read from a file: anyone can edit an archive, and neither an index out of
//! range nor an overflowing sum may end the program that reads it.
//!
//! [`Bounded`] is checked while JSON is read, [`check`] after everything is decoded. Histograms check their own buckets.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Measurements;
use super::ending::{Ending, FinalState, FrontFigures, SystemFigures};
use super::gauges::Gauges;
use super::series::{Series, TICKS_MAX, Tick};
use super::tally::{OperationTally, Tally};
use super::target::TargetFigures;
use tiketi_cloud::notice::{Notice, What};
use tiketi_core::units::{SimTime, ZoneId};
use tiketi_cost::{Amount, Statement};
use tiketi_scenario::operation::Operation;

/// Largest whole number in an archive: a dozen of them can be added without overflow. It leaves room for the sum of all
/// response times in microseconds.
const NUMBER_MAX: u64 = 1 << 60;
/// Largest count in a list. All entries of the longest list can be added without overflow.
const COUNT_MAX: u64 = 1 << 44;
/// Longest list that is not limited otherwise: instances, workers, failovers, kinds of failure.
const ENTRIES_MAX: usize = 100_000;
/// Longest duration: a hundred years, far more than any run and far less than would overflow.
const DURATION_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);
/// Highest sum of a bill, in any currency: the most expensive price of a price book for millions of hours.
const MONEY_MAX: f64 = 1e18;
/// How much longer than planned a run may have taken. The end of a live run is read within seconds of its planned end.
const OVERTIME_MAX: Duration = Duration::from_secs(3_600);

/// Which condition the measurements do not meet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Unsound {
    /// The condition and the value, as a sentence fragment.
    what: String,
}

/// Returns an error with this message unless a condition is met.
fn require(is_met: bool, what: impl FnOnce() -> String) -> Result<(), Unsound> {
    if is_met {
        Ok(())
    } else {
        Err(Unsound { what: what() })
    }
}

/// Checks that measurements can be judged and reported.
pub(super) fn check(run: &Measurements) -> Result<(), Unsound> {
    let length = run.ending.ended_at.since_start();
    let planned = run.plan.ends_at().since_start();
    require(length <= planned + OVERTIME_MAX, || {
        format!("the run ended after {length:?}, but {planned:?} were planned")
    })?;
    let zones = Zones(run.plan.topology.zones.len());
    tally(&run.tally)?;
    series(&run.series, run.ending.ended_at, zones)?;
    timeline(&run.timeline, zones)?;
    ending(&run.ending, zones)
}

fn tally(tally: &Tally) -> Result<(), Unsound> {
    let operations = tally.operations.len();
    require(operations == Operation::ALL.len(), || {
        format!(
            "{operations} operations (expected {})",
            Operation::ALL.len()
        )
    })?;
    for (one, name) in tally.operations.iter().zip(Operation::ALL) {
        operation(one, name)?;
    }
    operation(&tally.page_loads, Operation::PageLoad)?;
    counts("the tally", tally.left.iter().chain(&tally.stages))
}

fn operation(tally: &OperationTally, name: Operation) -> Result<(), Unsound> {
    let counted = [&tally.ok, &tally.refused].into_iter();
    counts("an operation", counted.chain(tally.failed.values()))?;
    few("kinds of failure", tally.failed.len())?;
    let calls = tally.calls();
    for (what, histogram, samples) in [
        ("response times", &tally.response_time, calls),
        ("service times", &tally.service_time, calls),
        (
            "unsuccessful response times",
            &tally.unsuccessful,
            calls - tally.ok,
        ),
    ] {
        require(histogram.count() == samples, || {
            format!(
                "{} {what} of {name} (expected {samples})",
                histogram.count()
            )
        })?;
    }
    require(tally.response_time.contains(&tally.unsuccessful), || {
        format!("the response times of {name} lack unsuccessful ones")
    })
}

fn series(series: &Series, end: SimTime, zones: Zones) -> Result<(), Unsound> {
    let (width, ticks) = (series.width_secs(), series.ticks().len());
    require(width.is_power_of_two() && ticks <= TICKS_MAX, || {
        format!("{ticks} ticks of {width} s (expected at most {TICKS_MAX}, of a power of two)")
    })?;
    let mut ended = series.clone();
    ended.end_at(end);
    let is_whole = (ended.width_secs(), ended.ticks().len()) == (width, ticks);
    require(is_whole, || {
        format!("{ticks} ticks of {width} s do not end with the run")
    })?;
    for tick in series.ticks() {
        counts("a tick", counted_in(tick).iter())?;
        few("kinds of failure", tick.failures.len())?;
        counts("a tick", tick.failures.values())?;
        if let Some(read) = &tick.gauges {
            gauges(read, zones)?;
        }
    }
    Ok(())
}

fn counted_in(tick: &Tick) -> Vec<u64> {
    let mut counted = vec![
        tick.started,
        tick.shed,
        tick.left,
        tick.calls_due,
        tick.calls_ok,
        tick.calls_refused,
        tick.calls_failed,
        tick.messages,
        tick.sockets_change.unsigned_abs(),
        tick.sockets_lost,
    ];
    counted.extend(tick.stages);
    counted
}

fn gauges(gauges: &Gauges, zones: Zones) -> Result<(), Unsound> {
    few("groups of instances", gauges.instances.len())?;
    let levels = [
        gauges.waiting.unwrap_or(0),
        gauges.active.unwrap_or(0),
        gauges.seats_held,
        gauges.seats_sold,
    ];
    counts("a reading", levels.iter())?;
    let parts = &gauges.parts;
    let levels = [
        parts.redis_memory,
        parts.redis_refused,
        parts.connections_refused,
    ];
    counts("a reading", levels.iter().flatten())?;
    let busy = [parts.broadcast_busy, parts.redis_busy, parts.database_busy];
    durations(busy.into_iter().flatten())?;
    let instances: u64 = gauges
        .instances
        .iter()
        .map(|entry| u64::from(entry.count))
        .sum();
    require(instances <= u64::from(u32::MAX), || {
        format!("{instances} instances at {:?}", gauges.at)
    })?;
    gauges
        .instances
        .iter()
        .try_for_each(|entry| zones.know(entry.zone))
}

fn timeline(timeline: &[Notice], zones: Zones) -> Result<(), Unsound> {
    require(timeline.is_sorted_by_key(|notice| notice.at), || {
        "the timeline is not in order of time".to_owned()
    })?;
    let zone = |what: &What| match *what {
        What::FaultStruck { zone, .. } | What::FaultHealed { zone, .. } => zone,
        What::Instance { zone, .. }
        | What::PrimaryLost { zone, .. }
        | What::Promoted { zone, .. } => Some(zone),
        What::Alarm { .. }
        | What::Scaled { .. }
        | What::Swallowed { .. }
        | What::RefreshStarted { .. }
        | What::RefreshWaits { .. }
        | What::RefreshEnded { .. } => None,
    };
    let mut named = timeline.iter().filter_map(|notice| zone(&notice.what));
    named.try_for_each(|zone| zones.know(zone))
}

fn ending(ending: &Ending, zones: Zones) -> Result<(), Unsound> {
    let workers = &ending.generator.workers;
    few("load workers", workers.len())?;
    for worker in workers {
        counts(
            "a load worker",
            [worker.files_refused, worker.connected_peak].iter(),
        )?;
    }
    durations(
        [ending.wall]
            .into_iter()
            .chain(workers.iter().map(|worker| worker.cpu)),
    )?;
    match &ending.state {
        FinalState::Read(facts) => {
            few("seats that were paid twice", facts.seats_paid_twice.len())?;
            counts(
                "the final state",
                facts.seats_paid_twice.iter().map(|(_, count)| count),
            )?;
        }
        FinalState::Unread { .. } => {}
    }
    if let Some(figures) = &ending.target {
        target(figures)?;
    }
    few("probes", ending.probes.len())?;
    let mut probes = ending.probes.iter();
    probes.try_for_each(|probe| zones.know(probe.zone))?;
    ending.statement.as_ref().map_or(Ok(()), bill)?;
    ending
        .system
        .as_ref()
        .map_or(Ok(()), |figures| system(figures, zones))
}

fn target(figures: &TargetFigures) -> Result<(), Unsound> {
    let witness = &figures.witness;
    few("samples", witness.samples.len())?;
    few("seconds", witness.seconds.len())?;
    require(
        witness
            .seconds
            .is_sorted_by(|(one, _), (next, _)| one < next),
        || "the seconds of the buyers are not in order of time".to_owned(),
    )?;
    few("steps", witness.steps.len())?;
    counts(
        "the steps of the mapping",
        witness
            .steps
            .values()
            .flat_map(|step| [&step.calls, &step.failed]),
    )?;
    durations(
        witness
            .steps
            .values()
            .flat_map(|step| [step.total, step.longest]),
    )?;
    counts(
        "the samples",
        witness.samples.iter().map(|sample| &sample.count),
    )?;
    let mut counted = vec![
        witness.samples_left_out,
        witness.occupancies,
        witness.positions.compared,
        witness.positions.backward,
        witness.entries.own,
        witness.entries.others,
        witness.entries.twice,
        witness.sessions.messages,
        witness.sessions.due,
        witness.sessions.restored,
        witness.paid_after_failure,
        witness.turned_away,
        figures.tickets.confirmed,
        figures.tickets.seats_twice.count,
    ];
    if let Some(Ok(maps)) = &figures.seats {
        counted.extend([
            maps.free_before,
            maps.free_after,
            maps.refused,
            maps.locked_for_nobody.count,
            maps.sold_but_free.count,
            maps.sold_but_free_for_a_while,
            maps.reported_unpaid,
            maps.reported_unpaid_but_sold.count,
            maps.unanswered,
            maps.unanswered_but_sold.count,
        ]);
    }
    counts("what buyers saw", counted.iter())
}

/// Checks that the sums of a bill can be printed and compared.
fn bill(statement: &Statement) -> Result<(), Unsound> {
    let totals = [&statement.run.total, &statement.month.total].map(Amount::at_least);
    let is_sum = |total: &f64| (0.0..=MONEY_MAX).contains(total);
    require(totals.iter().all(is_sum), || {
        format!("bills of {totals:?} (expected 0 to {MONEY_MAX})")
    })
}

fn system(figures: &SystemFigures, zones: Zones) -> Result<(), Unsound> {
    few("instances", figures.targets.len())?;
    counts(
        "an instance",
        figures.targets.iter().map(|target| &target.requests),
    )?;
    durations(figures.targets.iter().map(|target| target.in_service))?;
    figures.edge.as_ref().map_or(Ok(()), front)?;
    let uses = figures.outbound.as_deref().unwrap_or_default();
    few("ways of calls", uses.len())?;
    for one in uses {
        zones.know(one.zone)?;
        counts(
            "calls out of the VPC",
            [one.calls, one.bytes_out, one.bytes_back].iter(),
        )?;
    }
    let Some(data) = &figures.data_tier else {
        return Ok(());
    };
    few("failovers", data.failovers.len())?;
    durations([data.redis_busy, data.database_busy].into_iter())?;
    let lags = [data.redis_lag, data.database_lag].into_iter().flatten();
    durations(lags.flat_map(|lag| [lag.p50, lag.p99, lag.max]))?;
    for failover in &data.failovers {
        zones.know(failover.lost_zone)?;
        failover
            .promoted_zone
            .map_or(Ok(()), |zone| zones.know(zone))?;
        let promoted_at = failover.promoted_at.unwrap_or(failover.lost_at);
        require(promoted_at >= failover.lost_at, || {
            "a primary was replaced before it was lost".to_owned()
        })?;
        let loss = &failover.loss;
        let lost = [
            loss.places,
            loss.places_put_back,
            loss.active_places,
            loss.sessions,
            loss.orders,
        ];
        counts("a failover", lost.iter())?;
        durations(
            failover
                .writes_failed_for
                .into_iter()
                .chain(loss.reaches_back),
        )?;
    }
    Ok(())
}

fn front(figures: &FrontFigures) -> Result<(), Unsound> {
    let files = &figures.files;
    let mut counted = vec![
        files.requests,
        files.hits,
        files.stale,
        files.misses,
        files.collapsed,
        files.refused,
        files.failed,
        files.origin_requests,
        files.origin_unchanged,
        figures.passed_requests,
        figures.site_astray,
    ];
    for name in [&figures.site, &figures.load_balancer] {
        counted.extend([name.first, name.expired, name.after_failure]);
        counted.extend([name.unanswered, name.failures, name.uses]);
        durations([name.used_after_max, name.ttl_max].into_iter())?;
    }
    if let Some(passing) = &figures.passing {
        counted.extend([passing.requests, passing.answered]);
        counted.extend([passing.bad_gateway, passing.timed_out]);
    }
    if let Some(room) = &figures.room {
        counted.extend([room.joins, room.polls, room.leaves, room.passes]);
    }
    counts("the edge", counted.iter())
}

/// Checks the counts of one part.
fn counts<'c>(part: &str, mut counts: impl Iterator<Item = &'c u64>) -> Result<(), Unsound> {
    match counts.find(|count| **count > COUNT_MAX) {
        Some(count) => Err(Unsound {
            what: format!("a count of {count} in {part} (expected at most {COUNT_MAX})"),
        }),
        None => Ok(()),
    }
}

fn durations(mut lengths: impl Iterator<Item = Duration>) -> Result<(), Unsound> {
    match lengths.find(|length| *length > DURATION_MAX) {
        Some(length) => Err(Unsound {
            what: format!("a duration of {length:?} (expected at most {DURATION_MAX:?})"),
        }),
        None => Ok(()),
    }
}

fn few(what: &str, entries: usize) -> Result<(), Unsound> {
    require(entries <= ENTRIES_MAX, || {
        format!("{entries} {what} (expected at most {ENTRIES_MAX})")
    })
}

/// How many zones the plan has.
#[derive(Clone, Copy)]
struct Zones(usize);

impl Zones {
    fn know(self, zone: ZoneId) -> Result<(), Unsound> {
        require(zone.index() < self.0, || {
            format!("zone number {} of {}", zone.0, self.0)
        })
    }
}

/// Any JSON whose whole numbers are at most [`NUMBER_MAX`]. It keeps nothing of what it reads.
pub(super) struct Bounded;

impl<'de> Deserialize<'de> for Bounded {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Bounded {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JSON with whole numbers up to {NUMBER_MAX}")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self, E> {
        if number > NUMBER_MAX {
            return Err(E::invalid_value(de::Unexpected::Unsigned(number), &self));
        }
        Ok(self)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self, E> {
        self.visit_u64(number.unsigned_abs())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while entries.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while entries.next_entry::<IgnoredAny, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn problem(edit: impl FnOnce(&mut Measurements)) -> String {
        let mut run = example::run();
        assert_eq!(check(&run), Ok(()));
        edit(&mut run);
        check(&run)
            .expect_err("the edit contradicts the rest")
            .to_string()
    }

    #[test]
    fn each_contradiction_is_named() {
        assert_eq!(
            problem(|run| drop(run.tally.operations.pop())),
            "9 operations (expected 10)"
        );
        assert_eq!(
            problem(|run| run.tally.operations[0].ok += 1),
            "1900 response times of page_load (expected 1901)"
        );
        assert!(
            problem(|run| run.tally.left[0] = 1 << 50)
                .starts_with("a count of 1125899906842624 in the tally")
        );
        assert_eq!(
            problem(|run| run.series = Series::default()),
            "0 ticks of 1 s do not end with the run"
        );
        assert_eq!(
            problem(|run| run.timeline.reverse()),
            "the timeline is not in order of time"
        );
        let far = |run: &mut Measurements| run.ending.ended_at = SimTime::from_secs(1_000_000);
        assert!(problem(far).starts_with("the run ended after 1000000s"));
        let ill = |run: &mut Measurements| {
            for notice in &mut run.timeline {
                if let What::Instance { zone, .. } = &mut notice.what {
                    *zone = ZoneId(9);
                }
            }
        };
        assert_eq!(problem(ill), "zone number 9 of 2");
        let dear = |run: &mut Measurements| {
            run.ending.statement.as_mut().unwrap().month.total = Amount::Exact(1e300);
        };
        assert!(problem(dear).starts_with("bills of "));
        let many = |run: &mut Measurements| {
            let mut figures = TargetFigures::default();
            figures.witness.entries.others = 1 << 50;
            run.ending.target = Some(Box::new(figures));
        };
        assert!(problem(many).ends_with("in what buyers saw (expected at most 17592186044416)"));
    }

    #[test]
    fn numbers_whose_sum_could_overflow_are_rejected() {
        let read = |text: &str| serde_json::from_str::<Bounded>(text).map(|_| ());
        assert!(
            read("{\"a\": [1, -2.5, null, \"b\", true, {\"c\": 1152921504606846976}]}").is_ok()
        );
        for text in [
            "[1152921504606846977]",
            "{\"a\": {\"b\": -9223372036854775808}}",
            "[1e999]",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
