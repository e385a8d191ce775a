//! The calendar of a simulation: future events ordered by time and, within a nanosecond, by insertion.
//!
//! Near entries are in a heap. A million waiting buyers have a million entries in the far future; these stay unsorted in
//! time buckets and are sorted only when their bucket is due, so that an entry costs the same among ten thousand others as
//! among a million.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

use crate::time::SimTime;

/// Width of a bucket, as a power of two of nanoseconds: 16.8 ms.
const BUCKET_BITS: u32 = 24;
/// Number of buckets in the wheel, as a power of two: nine minutes in total, more than the time between two polls.
const WHEEL_BITS: u32 = 15;
const WHEEL_BUCKETS: usize = 1 << WHEEL_BITS;
/// Below this size the heap takes every entry: it fits into the CPU cache, and buckets would not pay off.
const HEAP_SMALL: usize = 512;

/// A future event.
#[derive(Clone, Copy, Debug)]
struct Entry<W> {
    at: SimTime,
    sequence: u64,
    what: W,
}

/// Future events, ordered by time and insertion.
#[derive(Debug)]
pub struct Calendar<W> {
    /// Entries that are due before anything in `wheel` or `later`, and possibly others while it is small.
    near: BinaryHeap<Entry<W>>,
    /// Entries of the current turn, in buckets.
    wheel: Wheel<W>,
    /// Entries of later turns of the wheel, by turn.
    later: BTreeMap<u64, Vec<Entry<W>>>,
    /// Entries moved to the heap since [`take_sorted_in`](Self::take_sorted_in) was last called.
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
    /// Creates an empty calendar.
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

    /// Adds `what` at the time `at`, after all entries already there for the same time.
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

    /// Removes and returns the next entry, or `None` if the calendar is empty.
    #[expect(
        clippy::should_implement_trait,
        reason = "entries are added while others are taken, which an iterator forbids"
    )]
    pub fn next(&mut self) -> Option<(SimTime, W)> {
        // Move buckets to the heap until its first entry is due before the first bucket.
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

    /// Swaps the empty `entries` with those moved to the heap since the last call, in order of insertion; they are due within
    /// milliseconds. Returns whether there are any. The caller can use them to prefetch memory.
    pub fn take_sorted_in(&mut self, entries: &mut Vec<W>) -> bool {
        std::mem::swap(&mut self.sorted_in, entries);
        !entries.is_empty()
    }

    /// Returns the number of entries that are still due.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Returns whether the calendar is empty.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns the number of entries added so far, including those already taken.
    pub const fn entered(&self) -> u64 {
        self.sequence
    }

    /// Returns the first bucket that has entries, or `None` if there is none or the heap is due before the wheel's next turn.
    /// Starts a new turn of the wheel if needed. `heap_until` is the bucket of the heap's first entry.
    fn first_bucket(&mut self, heap_until: u64) -> Option<u64> {
        if let Some(bucket) = self.wheel.first() {
            return Some(bucket);
        }
        let turn = self.later.first_entry()?;
        if heap_until < turn.key() << WHEEL_BITS {
            // After turning the wheel now, all new entries until that turn would have to go to the heap.
            return None;
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

/// One turn of time buckets.
#[derive(Debug)]
struct Wheel<W> {
    buckets: Vec<Vec<Entry<W>>>,
    /// One bit per bucket: whether it has entries.
    filled: Vec<u64>,
    /// Number of buckets with entries. It is 0 in small calendars, which then need no search.
    filled_count: usize,
    /// The first bucket that was not moved to the heap yet.
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

    /// Returns the first bucket of this turn that has entries, or `None`.
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

    /// Takes the entries of a bucket. New entries for its time go to the heap from now on.
    fn take(&mut self, bucket: u64) -> Vec<Entry<W>> {
        let place = place(bucket);
        self.filled_count -= 1;
        self.filled[place / 64] &= !(1 << (place % 64));
        // After the last bucket, `next` stays in this turn: `start_turn` begins the next one with its first entry.
        self.next = if place + 1 == WHEEL_BUCKETS {
            bucket
        } else {
            bucket + 1
        };
        std::mem::take(&mut self.buckets[place])
    }

    /// Returns the buffer of an emptied bucket, to be reused in the next turn.
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

/// Reversed, because `BinaryHeap` is a max-heap and the earliest entry must come out first.
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
    fn entries_are_ordered_by_time_and_insertion() {
        let mut stream = Streams::new(5).named("calendar");
        let mut calendar = Calendar::new();
        let mut expected: Vec<(SimTime, u32)> = Vec::new();
        // Spans from one nanosecond to hours, so that the heap, the wheel and later turns are all used.
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
    fn entries_added_while_others_are_taken_are_ordered() {
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
