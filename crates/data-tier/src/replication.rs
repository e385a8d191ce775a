//! The writes that an asynchronous replica has not seen yet: a failover takes them back.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tiketi_core::units::{BuyerId, SimTime};

use super::contents::{Change, Payload};

/// How to take back the writes of the last window.
///
/// A second copy of the data would need as much memory again, for every buyer. What is noted here grows with the writes of
/// the window instead.
#[derive(Clone, Debug)]
pub(super) struct Unseen<P: Payload> {
    window: Duration,
    /// When each write was made and the change that takes it back, oldest first.
    reverses: VecDeque<(SimTime, Change<P>)>,
}

impl<P: Payload> Unseen<P> {
    /// The replica is `window` behind.
    pub(super) const fn new(window: Duration) -> Self {
        Self {
            window,
            reverses: VecDeque::new(),
        }
    }

    /// How far the replica is behind from now on. What it has seen it keeps.
    pub(super) fn set_window(&mut self, now: SimTime, window: Duration) {
        self.forget_seen(now);
        self.window = window;
    }

    /// Notes a write by the change that takes it back.
    pub(super) fn note(&mut self, now: SimTime, reverse: Change<P>) {
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

    /// Age of the oldest such write at `at`; `None` without one.
    pub(super) fn reaches_back(&self, at: SimTime) -> Option<Duration> {
        let (oldest, _) = self.reverses.front()?;
        Some(at.saturating_since(*oldest))
    }

    /// Forgets all of them: there is no replica to be behind.
    pub(super) fn clear(&mut self) {
        self.reverses.clear();
    }

    /// The changes that take back what the replica has not seen, the youngest write first.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Change<P>> + use<P> {
        let reverses = std::mem::take(&mut self.reverses);
        reverses.into_iter().rev().map(|(_, reverse)| reverse)
    }
}
