//! How a visit ends.

use super::{Journey, Page, Step};
use crate::observation::{LeaveReason, Observation};
use tiketi_core::units::SimTime;

impl Journey {
    /// Handles the end of the run; a journey that is not over ends unfinished.
    pub fn handle_end(&mut self, now: SimTime) {
        if self.leaves_for.is_none() {
            self.leave(now, LeaveReason::Unfinished, false);
        }
        self.finish();
    }

    /// Leaves; with `notify_server`, sends a request to leave the queue first.
    pub(super) fn leave(&mut self, now: SimTime, reason: LeaveReason, notify_server: bool) {
        let way = self.passage.handle_end();
        self.observe_way(way);
        let waited = self
            .queued_since
            .take()
            .map(|since| now.saturating_since(since));
        self.gives_up_at = None;
        self.cancel_reload();
        self.drop_poll(now);
        self.observations
            .extend(self.polls.polls().map(Observation::Polls));
        self.leaves_for = Some(reason);
        self.observations.push(Observation::Left {
            at: now,
            reason,
            waited,
        });
        self.close_socket(now);
        // It would be the place of the first page that is given up.
        if notify_server && self.page == Page::First {
            self.go(Step::Leaving, now);
        } else {
            self.finish();
        }
    }

    pub(super) const fn finish(&mut self) {
        self.step = Step::Gone;
        self.due = None;
    }
}
