//! Collects lapses and faults in real time, and settles them into stalls that no fault explains, in scenario time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Lapse, REPORTED_MIN, Stall, StallKind, ToolPart};
use tiketi_core::units::SimTime;

/// Stalls that a run keeps, longest first: a healthy run has none, and a broken one is as inconclusive with fewer.
const STALLS_MAX: usize = 200;
/// Lapses that are collected: a day of the shortest ones, one after the other.
const LAPSES_MAX: usize = 1_000_000;

/// Who noticed a lapse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// The part itself, in a process of its own.
    BySelf,
    /// The supervisor, or a part that lives in its process: while the supervisor stalled, that was the reason.
    InSupervisor,
}

/// A run in real time.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Its start, in nanoseconds since 1970.
    pub start_unix_ns: u64,
    /// Its end, in scenario time.
    pub ended_at: SimTime,
    /// Scenario seconds per second of real time.
    pub speed: f64,
}

/// Everything noticed so far.
#[derive(Clone, Debug, Default)]
pub struct Book {
    entries: Vec<Entry>,
    faults: Vec<Fault>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    part: ToolPart,
    kind: StallKind,
    noticed: Noticed,
    lapse: Lapse,
}

/// A fault of the scenario that keeps a part from its work.
#[derive(Clone, Copy, Debug)]
struct Fault {
    part: ToolPart,
    from_unix_ns: u64,
    /// `None` while it lasts.
    until_unix_ns: Option<u64>,
}

/// A stretch of real time, in nanoseconds since 1970.
type Stretch = (u64, u64);

impl Book {
    /// Notes a lapse.
    pub fn handle_lapse(
        &mut self,
        part: ToolPart,
        kind: StallKind,
        noticed: Noticed,
        lapse: Lapse,
    ) {
        if self.entries.len() < LAPSES_MAX {
            self.entries.push(Entry {
                part,
                kind,
                noticed,
                lapse,
            });
        }
    }

    /// Notes that a part has ended, although nothing in the scenario ends it.
    pub fn handle_ended(&mut self, part: ToolPart, at_unix_ns: u64) {
        let lapse = Lapse::between(at_unix_ns, at_unix_ns);
        self.handle_lapse(part, StallKind::Ended, Noticed::BySelf, lapse);
    }

    /// Notes that a fault of the scenario hits a part: from now on its lapses are expected.
    pub fn handle_fault(&mut self, part: ToolPart, at_unix_ns: u64) {
        self.faults.push(Fault {
            part,
            from_unix_ns: at_unix_ns,
            until_unix_ns: None,
        });
    }

    /// Notes that the oldest fault of a part that still lasts has ended.
    pub fn handle_fault_end(&mut self, part: ToolPart, at_unix_ns: u64) {
        let lasts = |fault: &&mut Fault| fault.part == part && fault.until_unix_ns.is_none();
        if let Some(fault) = self.faults.iter_mut().find(lasts) {
            fault.until_unix_ns = Some(at_unix_ns);
        }
    }

    /// Adds what another book has noted.
    pub fn absorb(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.faults.extend(other.faults);
    }

    /// Returns the stalls within the run that no fault explains, in order of time.
    pub fn settle(&self, span: Span) -> Vec<Stall> {
        let supervisor = self.stretches_of(ToolPart::Supervisor);
        let mut pieces: BTreeMap<(ToolPart, StallKind), Vec<Stretch>> = BTreeMap::new();
        for entry in &self.entries {
            let of_part = pieces.entry((entry.part, entry.kind)).or_default();
            of_part.extend(self.unexplained(entry, span, &supervisor));
        }
        let mut stalls: Vec<_> = pieces
            .into_iter()
            .flat_map(|((part, kind), stretches)| {
                let merged = merged(stretches).into_iter();
                merged.filter_map(move |stretch| stall(part, kind, stretch, span))
            })
            .collect();
        stalls.sort_by_key(|stall| std::cmp::Reverse(stall.wall));
        stalls.truncate(STALLS_MAX);
        stalls.sort_by_key(|stall| (stall.from, stall.part));
        stalls
    }

    /// Returns what is left of a lapse without the time that a fault or a stalled supervisor explains.
    fn unexplained(&self, entry: &Entry, span: Span, supervisor: &[Stretch]) -> Vec<Stretch> {
        let lapse = (entry.lapse.from_unix_ns, entry.lapse.until_unix_ns());
        let run = (span.start_unix_ns, span.ended_unix_ns());
        if lapse.1 < run.0 || lapse.0 > run.1 {
            return Vec::new();
        }
        let mut left = vec![(lapse.0.max(run.0), lapse.1.min(run.1))];
        for fault in self.faults.iter().filter(|fault| fault.part == entry.part) {
            let until = match (entry.kind, fault.until_unix_ns) {
                // A server that was down needs a moment, and its clients connect again: silence that a fault caused
                // belongs to that fault until the first answer.
                (StallKind::Silent, Some(until)) if until >= lapse.0 => u64::MAX,
                (_, until) => until.unwrap_or(u64::MAX),
            };
            left = without(left, (fault.from_unix_ns, until));
        }
        if entry.noticed == Noticed::InSupervisor {
            for &stretch in supervisor {
                left = without(left, stretch);
            }
        }
        left
    }

    fn stretches_of(&self, part: ToolPart) -> Vec<Stretch> {
        let of_part = self.entries.iter().filter(|entry| entry.part == part);
        of_part
            .map(|entry| (entry.lapse.from_unix_ns, entry.lapse.until_unix_ns()))
            .collect()
    }
}

impl Span {
    fn ended_unix_ns(self) -> u64 {
        let wall = self.ended_at.since_start().div_f64(self.speed);
        let wall = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX);
        self.start_unix_ns.saturating_add(wall)
    }

    fn scenario(self, wall_ns: u64) -> Duration {
        Duration::from_nanos(wall_ns).mul_f64(self.speed)
    }
}

/// Returns the stall of a stretch; `None` if so little of it is left that it is not worth a report.
fn stall(part: ToolPart, kind: StallKind, (from, until): Stretch, span: Span) -> Option<Stall> {
    let wall = Duration::from_nanos(until - from);
    (kind == StallKind::Ended || wall >= REPORTED_MIN).then(|| Stall {
        part,
        kind,
        from: SimTime::ZERO + span.scenario(from - span.start_unix_ns),
        lasted: span.scenario(until - from),
        wall,
    })
}

/// Cuts a stretch out of others.
fn without(stretches: Vec<Stretch>, (from, until): Stretch) -> Vec<Stretch> {
    let cut = |(start, end): Stretch| {
        if until <= start || end <= from {
            return vec![(start, end)];
        }
        let before = (start < from).then_some((start, from));
        let after = (until < end).then_some((until, end));
        before.into_iter().chain(after).collect()
    };
    stretches.into_iter().flat_map(cut).collect()
}

/// Joins stretches that overlap: the processes of one part stall together, and threads stall with their process.
fn merged(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_unstable();
    let mut merged: Vec<Stretch> = Vec::new();
    for (from, until) in stretches {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            Some(_) | None => merged.push((from, until)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_core::units::{DataTierPart, InstanceId, ZoneId};

    const MS: u64 = 1_000_000;
    /// When the run starts, in milliseconds.
    const START: u64 = 1_000_000;
    const INSTANCE: ToolPart = ToolPart::Instance(InstanceId(3));
    const REDIS: ToolPart = ToolPart::DataTier(DataTierPart::Redis);

    /// Ten seconds of real time at speed 10.
    const SPAN: Span = Span {
        start_unix_ns: START * MS,
        ended_at: SimTime::from_secs(100),
        speed: 10.0,
    };

    /// A lapse in milliseconds since the start.
    fn lapse(from: u64, until: u64) -> Lapse {
        Lapse::between((START + from) * MS, (START + until) * MS)
    }

    fn at(ms: u64) -> u64 {
        (START + ms) * MS
    }

    /// What is left, as (part, start in scenario milliseconds, length in real milliseconds).
    fn settled(book: &Book) -> Vec<(ToolPart, u128, u128)> {
        let stalls = book.settle(SPAN).into_iter();
        stalls
            .map(|stall| {
                let from = stall.from.since_start().as_millis();
                (stall.part, from, stall.wall.as_millis())
            })
            .collect()
    }

    #[test]
    fn a_stopped_process_is_a_stall_in_real_and_in_scenario_time() {
        let mut book = Book::default();
        let node = ToolPart::Node(ZoneId(1));
        book.handle_lapse(
            node,
            StallKind::Stopped,
            Noticed::BySelf,
            lapse(3_000, 4_000),
        );
        let expected = Stall {
            part: node,
            kind: StallKind::Stopped,
            from: SimTime::from_secs(30),
            lasted: Duration::from_secs(10),
            wall: Duration::from_secs(1),
        };
        assert_eq!(book.settle(SPAN), [expected]);
    }

    #[test]
    fn only_what_happens_within_the_run_counts() {
        let mut book = Book::default();
        for (from, until) in [(0, 2_000), (9_500, 12_000), (11_000, 14_000)] {
            let lapse = Lapse::between((START - 1_500 + from) * MS, (START - 1_500 + until) * MS);
            book.handle_lapse(
                ToolPart::Supervisor,
                StallKind::Stopped,
                Noticed::BySelf,
                lapse,
            );
        }
        book.handle_lapse(
            ToolPart::Worker(0),
            StallKind::Stopped,
            Noticed::BySelf,
            lapse(10_100, 11_000),
        );
        let expected = [
            (ToolPart::Supervisor, 0, 500),
            (ToolPart::Supervisor, 80_000, 2_000),
        ];
        assert_eq!(settled(&book), expected);
    }

    #[test]
    fn a_fault_excuses_the_part_that_it_hits_while_it_lasts_and_no_other() {
        let mut book = Book::default();
        book.handle_fault(INSTANCE, at(2_000));
        book.handle_fault_end(INSTANCE, at(3_000));
        for part in [INSTANCE, ToolPart::Instance(InstanceId(4))] {
            book.handle_lapse(
                part,
                StallKind::Stopped,
                Noticed::BySelf,
                lapse(1_950, 3_050),
            );
        }
        book.handle_lapse(
            INSTANCE,
            StallKind::Stopped,
            Noticed::BySelf,
            lapse(5_000, 5_400),
        );
        let expected = [
            (ToolPart::Instance(InstanceId(4)), 19_500, 1_100),
            (INSTANCE, 50_000, 400),
        ];
        assert_eq!(settled(&book), expected);
    }

    #[test]
    fn a_stall_that_outlasts_its_fault_counts_from_the_end_of_the_fault() {
        let mut book = Book::default();
        book.handle_fault(INSTANCE, at(2_000));
        book.handle_fault_end(INSTANCE, at(3_000));
        book.handle_lapse(
            INSTANCE,
            StallKind::Stopped,
            Noticed::BySelf,
            lapse(2_000, 3_700),
        );
        assert_eq!(settled(&book), [(INSTANCE, 30_000, 700)]);
    }

    #[test]
    fn a_fault_that_lasts_until_the_end_excuses_everything_after_it() {
        let mut book = Book::default();
        book.handle_fault(REDIS, at(2_000));
        book.handle_lapse(
            REDIS,
            StallKind::Silent,
            Noticed::InSupervisor,
            lapse(1_500, 9_900),
        );
        assert_eq!(settled(&book), [(REDIS, 15_000, 500)]);
    }

    #[test]
    fn silence_that_a_fault_caused_is_excused_until_the_first_answer_and_later_silence_is_not() {
        let mut book = Book::default();
        book.handle_fault(REDIS, at(2_000));
        book.handle_fault_end(REDIS, at(3_000));
        for (from, until) in [(2_010, 4_500), (6_000, 7_000)] {
            book.handle_lapse(
                REDIS,
                StallKind::Silent,
                Noticed::InSupervisor,
                lapse(from, until),
            );
        }
        assert_eq!(settled(&book), [(REDIS, 60_000, 1_000)]);
    }

    #[test]
    fn only_the_supervisor_is_named_when_it_stops_with_all_that_lives_in_it() {
        let mut book = Book::default();
        book.handle_lapse(
            ToolPart::Supervisor,
            StallKind::Stopped,
            Noticed::BySelf,
            lapse(3_000, 4_000),
        );
        for part in [INSTANCE, REDIS] {
            book.handle_lapse(
                part,
                StallKind::Stopped,
                Noticed::InSupervisor,
                lapse(3_020, 4_030),
            );
        }
        let worker = ToolPart::Worker(1);
        book.handle_lapse(
            worker,
            StallKind::Stopped,
            Noticed::BySelf,
            lapse(3_000, 4_000),
        );
        let expected = [
            (ToolPart::Supervisor, 30_000, 1_000),
            (worker, 30_000, 1_000),
        ];
        assert_eq!(settled(&book), expected);
    }

    #[test]
    fn processes_of_one_part_that_stall_together_are_one_stall() {
        let mut book = Book::default();
        for (from, until) in [(3_000, 4_000), (3_010, 4_010)] {
            book.handle_lapse(
                INSTANCE,
                StallKind::Stopped,
                Noticed::BySelf,
                lapse(from, until),
            );
        }
        assert_eq!(settled(&book), [(INSTANCE, 30_000, 1_010)]);
    }

    #[test]
    fn an_unexpected_end_is_kept_although_it_takes_no_time() {
        let mut book = Book::default();
        book.handle_ended(INSTANCE, at(4_000));
        let stalls = book.settle(SPAN);
        assert_eq!(stalls.len(), 1);
        assert_eq!(stalls[0].kind, StallKind::Ended);
        assert_eq!(stalls[0].from, SimTime::from_secs(40));
    }

    #[test]
    fn the_longest_stalls_are_kept() {
        let mut book = Book::default();
        for number in 0..STALLS_MAX as u64 + 50 {
            let worker = ToolPart::Worker(u32::try_from(number).unwrap());
            let lapse = lapse(1_000, 1_200 + number);
            book.handle_lapse(worker, StallKind::Stopped, Noticed::BySelf, lapse);
        }
        let stalls = book.settle(SPAN);
        assert_eq!(stalls.len(), STALLS_MAX);
        assert!(
            stalls
                .iter()
                .all(|stall| stall.wall >= Duration::from_millis(250))
        );
    }
}
