//! The writes that an asynchronous replica has not seen yet: a failover takes them back.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::contents::Change;
use tiketi_core::units::{BuyerId, SimTime};

/// How to take back the writes of the last window.
#[derive(Clone, Debug)]
pub(super) struct Unseen {
    window: Duration,
    /// When each write was made and the change that takes it back, oldest first.
    reverses: VecDeque<(SimTime, Change)>,
}

impl Unseen {
    /// The replica is `window` behind.
    pub(super) const fn new(window: Duration) -> Self {
        Self {
            window,
            reverses: VecDeque::new(),
        }
    }

    /// Notes a write by the change that takes it back.
    pub(super) fn note(&mut self, now: SimTime, reverse: Change) {
        self.forget_seen(now);
        if !self.window.is_zero() {
            self.reverses.push_back((now, reverse));
        }
    }

    /// Drops what the replica has seen by `now`.
    pub(super) fn forget_seen(&mut self, now: SimTime) {
        let is_seen = |at: SimTime| now.saturating_since(at) >= self.window;
        while self.reverses.front().is_some_and(|(at, _)| is_seen(*at)) {
            self.reverses.pop_front();
        }
    }

    /// The buyers whose keys such writes changed.
    pub(super) fn buyers(&self) -> BTreeSet<BuyerId> {
        let changes = self.reverses.iter().map(|(_, change)| change);
        changes.filter_map(Change::buyer).collect()
    }

    /// Age of the oldest such write at `lost_at`; `None` without one.
    pub(super) fn reaches_back(&self, lost_at: SimTime) -> Option<Duration> {
        let (oldest, _) = self.reverses.front()?;
        Some(lost_at.saturating_since(*oldest))
    }

    /// Forgets all of them: there is no replica to be behind.
    pub(super) fn clear(&mut self) {
        self.reverses.clear();
    }

    /// The changes that take back what the replica has not seen, the youngest write first.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Change> + use<> {
        let reverses = std::mem::take(&mut self.reverses);
        reverses.into_iter().rev().map(|(_, reverse)| reverse)
    }
}
