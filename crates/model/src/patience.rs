//! How long a request stays open, and how it fails if it gets no response.

use std::time::Duration;

use super::calls::{CallRef, Step};
use super::entry::Entry;
use super::world::World;
use tiketi_buyer::observation::Failure;
use tiketi_core::units::SimTime;

/// How long a request without a response stays open from when it was sent, and how it fails then.
pub(super) type Patience = (Duration, Failure);

impl World<'_> {
    /// Schedules the end of a step, and the timeout if that comes first. Most requests are quick and never need the latter.
    pub(super) fn wait_until(&mut self, call: CallRef, at: SimTime) {
        let open = self.calls.find(call).expect("the caller has it");
        let (sent, step) = (open.sent, open.step);
        let (timeout, _) = self.patience(step);
        if at > sent + timeout {
            self.watch(call);
        }
        self.calendar.enter(at, Entry::Step(call));
    }

    /// Schedules the timeout of a request, once.
    pub(super) fn watch(&mut self, call: CallRef) {
        let step = self.calls.find(call).expect("the caller has it").step;
        let (timeout, _) = self.patience(step);
        let open = self.calls.find(call).expect("the caller has it");
        if !open.is_watched && !open.is_abandoned {
            open.is_watched = true;
            let overdue = open.sent + timeout;
            self.calendar.enter(overdue, Entry::Overdue(call));
        }
    }

    /// How long a request without a response stays open from when it was sent, and how it fails then: a load balancer that
    /// it has reached answers 504 after its idle timeout, unless the buyer gives up before.
    pub(super) fn patience(&self, step: Step) -> Patience {
        let (of_buyers, of_the_alb) = (
            self.plan.buyers.call_timeout,
            self.plan.topology.alb.idle_timeout,
        );
        let is_at_the_alb = !matches!(step, Step::Name | Step::Connection | Step::ToNode);
        if of_the_alb < of_buyers && is_at_the_alb {
            (of_the_alb, Failure::Status(504))
        } else {
            (of_buyers, Failure::Timeout)
        }
    }
}
