//! How long a request stays open, and how it fails if it gets no response.

use std::time::Duration;

use super::calls::{CallRef, Step};
use super::entry::Entry;
use super::world::World;
use tiketi_buyer::observation::Failure;
use tiketi_core::units::SimTime;
use tiketi_scenario::operation::Operation;

/// How long a request without a response stays open from when it was sent, and how it fails then.
pub(super) type Patience = (Duration, Failure);

impl World<'_> {
    /// Schedules the end of a step, and the timeout if that comes first. Most requests are quick and never need the latter.
    pub(super) fn wait_until(&mut self, call: CallRef, at: SimTime) {
        let open = self.calls.find(call).expect("the caller has it");
        let (sent, operation, step) = (open.sent, open.operation, open.step);
        let (timeout, _) = self.patience(operation, step);
        if at > sent + timeout {
            self.watch(call);
        }
        self.calendar.enter(at, Entry::Step(call));
    }

    /// Schedules the timeout of a request, once.
    pub(super) fn watch(&mut self, call: CallRef) {
        let open = self.calls.find(call).expect("the caller has it");
        let (operation, step) = (open.operation, open.step);
        let (timeout, _) = self.patience(operation, step);
        let open = self.calls.find(call).expect("the caller has it");
        if !open.is_watched && !open.is_abandoned {
            open.is_watched = true;
            let overdue = open.sent + timeout;
            self.calendar.enter(overdue, Entry::Overdue(call));
        }
    }

    /// How long a request without a response stays open from when it was sent, and how it fails then: a load balancer that
    /// it has reached answers 504 after its idle timeout, and an edge that has passed it on answers 504, too, unless the buyer
    /// gives up before.
    pub(super) fn patience(&self, operation: Operation, step: Step) -> Patience {
        let (of_buyers, of_the_alb) = (
            self.plan.buyers.call_timeout,
            self.plan.topology.alb.idle_timeout,
        );
        if matches!(step, Step::Access | Step::Home) {
            return (of_buyers, Failure::Timeout);
        }
        let is_before_the_edge = matches!(step, Step::SiteName | Step::Edge);
        let is_before_the_alb = matches!(step, Step::Name | Step::Connection | Step::ToNode);
        let of_the_edge = self
            .edge_timeout(operation)
            .filter(|_| !is_before_the_edge)
            .unwrap_or(Duration::MAX);
        if of_the_alb < of_buyers.min(of_the_edge) && !is_before_the_edge && !is_before_the_alb {
            (of_the_alb, Failure::Status(504))
        } else if of_the_edge < of_buyers {
            // To buyers, the edge answers in the same way as if the connection had timed out.
            (of_the_edge, Failure::ConnectTimeout)
        } else {
            (of_buyers, Failure::Timeout)
        }
    }
}
