//! Counts what becomes of one buyer's polls, so that none is missing without a trace.

use std::time::Duration;

use crate::observation::Polls;

/// The polls of one buyer. Small, because there are as many as buyers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PollLedger {
    due: u32,
    sent: u32,
    cancelled: u32,
    missed: u32,
}

impl PollLedger {
    /// Notes that a poll was scheduled.
    pub(super) const fn handle_scheduled(&mut self) {
        self.due = self.due.saturating_add(1);
    }

    /// Notes that the scheduled poll was sent, `late` after it was due; the buyer's page polls every `interval`.
    pub(super) fn handle_sent(&mut self, late: Duration, interval: Duration) {
        self.sent = self.sent.saturating_add(1);
        self.handle_late(late, interval);
    }

    /// Notes that the scheduled poll is no longer needed, `late` after it was due; zero if it was not due yet.
    pub(super) fn handle_cancelled(&mut self, late: Duration, interval: Duration) {
        self.cancelled = self.cancelled.saturating_add(1);
        self.handle_late(late, interval);
    }

    /// The page would have sent one more poll for each interval that passed.
    fn handle_late(&mut self, late: Duration, interval: Duration) {
        if late < interval {
            return;
        }
        let missed = late.as_nanos() / interval.as_nanos().max(1);
        let missed = u32::try_from(missed).unwrap_or(u32::MAX);
        self.due = self.due.saturating_add(missed);
        self.missed = self.missed.saturating_add(missed);
    }

    /// Returns the counts; `None` for a buyer who never had to poll.
    pub(super) fn polls(self) -> Option<Polls> {
        (self.due > 0).then(|| Polls {
            due: self.due.into(),
            sent: self.sent.into(),
            cancelled: self.cancelled.into(),
            missed: self.missed.into(),
        })
    }
}
