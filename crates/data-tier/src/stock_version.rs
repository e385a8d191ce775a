//! Versions of a show's stock: whether what a cache still has of it is outdated, and for how long (B13).

use std::collections::VecDeque;
use std::time::Duration;

use tiketi_core::units::SimTime;

/// Changes whose times are kept. Older ones are only known to be earlier, so an age is then at least as long as
/// measured. A body that outlives so many changes has been outdated for seconds even in a rush.
const CHANGES_MAX: usize = 4_096;

/// Age from which an outdated read is late (assumption): the time in which an application that invalidates its cache has done
/// so.
const LATE: Duration = Duration::from_secs(1);

/// The version of the stock that a read of the database returned. Each change of the tickets left is a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StockVersion(u32);

/// Reads of the stock from a cache, and how many of them were outdated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CachedReads {
    /// Reads that the cache answered.
    pub reads: u64,
    /// Of these, the ones whose stock had changed in the database.
    pub stale: u64,
    /// Of these, the ones whose stock had changed more than a second earlier.
    pub late: u64,
    /// The longest time from the first change that a read did not show to that read.
    pub stale_for_max: Duration,
    /// Changes of the stock.
    pub changes: u64,
}

impl CachedReads {
    /// The reads of two shows together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            reads: self.reads + other.reads,
            stale: self.stale + other.stale,
            late: self.late + other.late,
            stale_for_max: self.stale_for_max.max(other.stale_for_max),
            changes: self.changes + other.changes,
        }
    }
}

/// The versions of one show's stock.
#[derive(Clone, Debug, Default)]
pub(super) struct StockVersions {
    current: StockVersion,
    /// When the latest versions began, oldest first.
    began: VecDeque<SimTime>,
    reads: CachedReads,
}

impl StockVersions {
    /// The tickets left have changed.
    pub(super) fn handle_change(&mut self, now: SimTime) {
        self.current.0 += 1;
        self.reads.changes += 1;
        if self.began.len() == CHANGES_MAX {
            self.began.pop_front();
        }
        self.began.push_back(now);
    }

    /// A cache has answered with a body that was read as this version.
    pub(super) fn handle_cached_read(&mut self, now: SimTime, version: StockVersion) {
        self.reads.reads += 1;
        let Some(since) = self.outdated_since(version) else {
            return;
        };
        let stale_for = now.saturating_since(since);
        self.reads.stale += 1;
        self.reads.late += u64::from(stale_for > LATE);
        self.reads.stale_for_max = self.reads.stale_for_max.max(stale_for);
    }

    pub(super) const fn current(&self) -> StockVersion {
        self.current
    }

    pub(super) const fn reads(&self) -> CachedReads {
        self.reads
    }

    /// When the version that followed this one began; `None` if this is the current one.
    fn outdated_since(&self, version: StockVersion) -> Option<SimTime> {
        let missed = self.current.0.checked_sub(version.0)? as usize;
        let place = self.began.len().saturating_sub(missed);
        (missed > 0).then(|| self.began[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> SimTime {
        SimTime::from_secs(seconds)
    }

    #[test]
    fn a_read_is_outdated_since_the_first_change_that_it_does_not_show() {
        let mut versions = StockVersions::default();
        let first = versions.current();
        versions.handle_cached_read(at(1), first);
        assert_eq!(versions.reads().stale, 0);
        versions.handle_change(at(2));
        let second = versions.current();
        versions.handle_change(at(5));
        versions.handle_cached_read(at(5), second);
        assert_eq!((versions.reads().stale, versions.reads().late), (1, 0));
        versions.handle_cached_read(at(6), first);
        versions.handle_cached_read(at(7), versions.current());
        let expected = CachedReads {
            reads: 4,
            stale: 2,
            late: 1,
            stale_for_max: Duration::from_secs(4),
            changes: 2,
        };
        assert_eq!(versions.reads(), expected);
    }

    #[test]
    fn of_versions_long_ago_only_the_oldest_known_change_is_known() {
        let mut versions = StockVersions::default();
        let first = versions.current();
        for second in 0..CHANGES_MAX as u64 + 10 {
            versions.handle_change(at(second));
        }
        assert_eq!(versions.outdated_since(first), Some(at(10)));
        let now = at(CHANGES_MAX as u64 + 20);
        versions.handle_cached_read(now, first);
        assert_eq!(versions.reads().stale_for_max, now - at(10));
    }
}
