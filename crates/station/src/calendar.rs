//! The calendar: what happens next, ordered by time and, within the same nanosecond, by the order of entry.
//!
//! Entries that are near stand in a heap. A million waiting buyers have a million entries that are far: those lie
//! unsorted in buckets of time, and are sorted only when their bucket comes up, so that an entry costs the same with ten
//! thousand others as with a million.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

use crate::time::SimTime;

/// Width of a bucket, as a power of two of nanoseconds: 16.8 ms.
const BUCKET_BITS: u32 = 24;
/// Buckets of the wheel, as a power of two: together nine minutes, more than the pause between two polls.
const WHEEL_BITS: u32 = 15;
const WHEEL_BUCKETS: usize = 1 << WHEEL_BITS;
/// Entries up to which the heap takes whatever comes: it is then in the cache, and buckets would only be a detour.
const HEAP_SMALL: usize = 512;

/// One entry.
#[derive(Clone, Copy, Debug)]
struct Entry<W> {
    at: SimTime,
    sequence: u64,
    what: W,
}

/// Entries in order of time and entry.
#[derive(Debug)]
pub struct Calendar<W> {
    /// Whatever is due before `wheel` and `later` have anything.
    near: BinaryHeap<Entry<W>>,
    wheel: Wheel<W>,
    /// Beyond the wheel, by turn of the wheel.
    later: BTreeMap<u64, Vec<Entry<W>>>,
    /// What was sorted in since it was asked for last.
    sorted_in: Vec<W>,
    sequence: u64,
    length: usize,
}

impl<W: Copy> Default for Calendar<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W: Copy> Calendar<W> {
    /// An empty calendar.
    pub fn new() -> Self {
        Self {
            near: BinaryHeap::new(),
            wheel: Wheel::new(),
            later: BTreeMap::new(),
            sorted_in: Vec::new(),
            sequence: 0,
            length: 0,
        }
    }

    /// Enters `what` at `at`: after everything that was entered for that instant before.
    pub fn enter(&mut self, at: SimTime, what: W) {
        let entry = Entry {
            at,
            sequence: self.sequence,
            what,
        };
        self.sequence += 1;
        self.length += 1;
        let bucket = bucket_of(at);
        if bucket < self.wheel.next || self.near.len() < HEAP_SMALL {
            self.near.push(entry);
        } else if bucket >> WHEEL_BITS == self.wheel.turn() {
            self.wheel.put(bucket, entry);
        } else {
            let turn = bucket >> WHEEL_BITS;
            self.later.entry(turn).or_default().push(entry);
        }
    }

    /// Takes the next entry.
    #[expect(
        clippy::should_implement_trait,
        reason = "entries are made while others are taken: no iterator"
    )]
    pub fn next(&mut self) -> Option<(SimTime, W)> {
        loop {
            let heap_until = self
                .near
                .peek()
                .map_or(u64::MAX, |first| bucket_of(first.at));
            let Some(bucket) = self.first_bucket(heap_until) else {
                break;
            };
            if heap_until < bucket {
                break;
            }
            self.sort_in(bucket);
        }
        let entry = self.near.pop()?;
        self.length -= 1;
        Some((entry.at, entry.what))
    }

    /// Exchanges `entries`, which is empty, for those of the bucket that has just been sorted in, in the order in which they
    /// were made: they come up within the next milliseconds. Returns whether there are any.
    pub fn take_sorted_in(&mut self, entries: &mut Vec<W>) -> bool {
        std::mem::swap(&mut self.sorted_in, entries);
        !entries.is_empty()
    }

    /// Entries that have not come up yet.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Entries made so far, those that have come up included.
    pub const fn entered(&self) -> u64 {
        self.sequence
    }

    /// The first bucket with anything in it, unless all of them come after the bucket `heap_until`.
    fn first_bucket(&mut self, heap_until: u64) -> Option<u64> {
        if let Some(bucket) = self.wheel.first() {
            return Some(bucket);
        }
        let turn = self.later.first_entry()?;
        if heap_until < turn.key() << WHEEL_BITS {
            return None; // Turning the wheel now would leave the time until then to the heap alone.
        }
        self.wheel.start_turn(*turn.key());
        for entry in turn.remove() {
            self.wheel.put(bucket_of(entry.at), entry);
        }
        self.wheel.first()
    }

    fn sort_in(&mut self, bucket: u64) {
        let mut entries = self.wheel.take(bucket);
        self.sorted_in
            .extend(entries.iter().map(|entry| entry.what));
        self.near.extend(entries.drain(..));
        self.wheel.give_back(bucket, entries);
    }
}

/// One turn of buckets.
#[derive(Debug)]
struct Wheel<W> {
    buckets: Vec<Vec<Entry<W>>>,
    /// A bit for each bucket that holds something.
    filled: Vec<u64>,
    /// Buckets that hold something: none is the common case of a small calendar, and then there is nothing to search.
    filled_count: usize,
    /// The first bucket that has not been sorted in yet.
    next: u64,
}

impl<W: Copy> Wheel<W> {
    fn new() -> Self {
        Self {
            buckets: (0..WHEEL_BUCKETS).map(|_| Vec::new()).collect(),
            filled: vec![0; WHEEL_BUCKETS / 64],
            filled_count: 0,
            next: 0,
        }
    }

    const fn turn(&self) -> u64 {
        self.next >> WHEEL_BITS
    }

    const fn start_turn(&mut self, turn: u64) {
        self.next = turn << WHEEL_BITS;
    }

    fn put(&mut self, bucket: u64, entry: Entry<W>) {
        let place = place(bucket);
        self.filled_count += usize::from(self.buckets[place].is_empty());
        self.buckets[place].push(entry);
        self.filled[place / 64] |= 1 << (place % 64);
    }

    /// The first filled bucket of this turn.
    fn first(&self) -> Option<u64> {
        if self.filled_count == 0 {
            return None;
        }
        let start = place(self.next);
        let mut word = start / 64;
        let mut bits = self.filled[word] & (u64::MAX << (start % 64));
        while bits == 0 {
            word += 1;
            bits = *self.filled.get(word)?;
        }
        let found = word * 64 + bits.trailing_zeros() as usize;
        Some((self.turn() << WHEEL_BITS) + found as u64)
    }

    /// Takes what is in a bucket; entries for it go to the heap from now on.
    fn take(&mut self, bucket: u64) -> Vec<Entry<W>> {
        let place = place(bucket);
        self.filled_count -= 1;
        self.filled[place / 64] &= !(1 << (place % 64));
        // The last bucket of a turn leaves `next` in that turn: the next turn starts with its own first entry.
        self.next = if place + 1 == WHEEL_BUCKETS {
            bucket
        } else {
            bucket + 1
        };
        std::mem::take(&mut self.buckets[place])
    }

    /// Keeps the room of an emptied bucket for its next turn.
    fn give_back(&mut self, bucket: u64, room: Vec<Entry<W>>) {
        self.buckets[place(bucket)] = room;
    }
}

const fn bucket_of(at: SimTime) -> u64 {
    at.as_nanos() >> BUCKET_BITS
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "masked to the size of the wheel"
)]
const fn place(bucket: u64) -> usize {
    (bucket & (WHEEL_BUCKETS as u64 - 1)) as usize
}

/// Reversed, for a heap that gives out its greatest.
impl<W> Ord for Entry<W> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

impl<W> PartialOrd for Entry<W> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<W> PartialEq for Entry<W> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<W> Eq for Entry<W> {}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use tiketi_core::rng::Streams;

    #[test]
    fn entries_come_up_by_time_and_then_by_entry_wherever_they_lay() {
        let mut stream = Streams::new(5).named("calendar");
        let mut calendar = Calendar::new();
        let mut expected: Vec<(SimTime, u32)> = Vec::new();
        // Spans from one instant to hours, in bursts, so that heap, wheel and later turns all take part.
        for number in 0..40_000_u32 {
            let span = [1_u64, 1 << 20, 1 << 34, 1 << 39, 1 << 43][stream.random_range(0..5)];
            let at = SimTime::from_nanos(stream.random_range(0..span));
            calendar.enter(at, number);
            expected.push((at, number));
        }
        expected.sort_by_key(|(at, _)| *at);
        let mut came = Vec::new();
        while let Some(next) = calendar.next() {
            came.push(next);
        }
        assert!(came == expected, "the order differs");
        assert!(calendar.is_empty());
    }

    #[test]
    fn entries_made_on_the_way_find_their_place() {
        let mut stream = Streams::new(6).named("calendar");
        let mut calendar = Calendar::new();
        for number in 0..5_000_u32 {
            calendar.enter(SimTime::from_nanos(stream.random_range(0..1 << 38)), number);
        }
        let (mut last, mut came) = (SimTime::ZERO, 0);
        while let Some((now, _)) = calendar.next() {
            assert!(now >= last, "{now} after {last}");
            last = now;
            came += 1;
            if came < 200_000 {
                let ahead = stream.random_range(0..[1_u64 << 10, 1 << 26, 1 << 38][came % 3]);
                calendar.enter(SimTime::from_nanos(now.as_nanos() + ahead), 0);
            }
        }
        assert_eq!(calendar.entered(), came as u64);
    }
}
