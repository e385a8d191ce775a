//! How a buyer logs in, and what happens when the session ends before the visit.

use super::{Journey, Step};
use crate::observation::{Failure, LeaveReason, Observation};
use tiketi_core::units::SimTime;
use tiketi_scenario::plan::Expired;

/// How a system says that it does not know a buyer any more.
pub(super) const LOGGED_OUT: Failure = Failure::Status(401);

/// Whether the system knows the buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// As far as the last response says.
    Known,
    /// It has ended, and nothing has succeeded since.
    Ended,
}

impl Journey {
    /// The buyer, who has just arrived, logs in first and comes to the page at `page_at`.
    pub const fn log_in_before(&mut self, page_at: SimTime) {
        self.step = Step::LoggingIn;
        self.page_at = page_at;
    }

    /// Handles that the system does not know the buyer. Returns whether that changes what the buyer does next.
    pub(super) fn handle_logged_out(&mut self, now: SimTime) -> bool {
        match self.step {
            // Who is not known after a login, or leaves, can do nothing about it.
            Step::LoggingIn | Step::LoggingInAgain | Step::Leaving | Step::Gone => return false,
            Step::PageLoad
            | Step::ShowList
            | Step::ShowDetail
            | Step::QueueCheck
            | Step::Waiting
            | Step::SeatMap
            | Step::Watching
            | Step::Picking
            | Step::Holding => {}
        }
        let was_known = std::mem::replace(&mut self.session, Session::Ended) == Session::Known;
        if let Some(since) = self.queued_since.filter(|_| was_known) {
            let waited = now.saturating_since(since);
            self.observations
                .push(Observation::LoggedOut { at: now, waited });
        }
        match self.temperament.login.expired {
            Expired::Retries => return false,
            Expired::Leaves => self.leave(now, LeaveReason::TooManyErrors, false),
            Expired::LogsIn => {
                let retry = self.temperament.retry;
                match self.backoff.handle_failure(&retry, &mut self.draws.backoff) {
                    Some(pause) => {
                        self.drop_poll(now);
                        self.resumes = self.step;
                        self.go(Step::LoggingInAgain, now + pause);
                    }
                    None => self.leave(now, LeaveReason::TooManyErrors, false),
                }
            }
        }
        true
    }

    /// Goes on after another login. A waiting buyer asks for the place in the queue, as after a reload. That the login has
    /// succeeded is not enough to start counting failures anew.
    pub(super) fn resume(&mut self, now: SimTime) {
        let step = match self.resumes {
            Step::Waiting => Step::QueueCheck,
            other => other,
        };
        self.go(step, now);
    }
}
