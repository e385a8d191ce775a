//! Requests that an edge location passes on, or answers itself because the waiting room is there.
//!
//! ```text
//! send ─▶ site's name ─▶ location (latency) ─┬─▶ load balancer's name ─▶ load balancer ─▶ …      passed on, uncached
//!                                            └─▶ waiting room ─▶ response                        no load on the system
//! ```
//!
//! The location is as far from the buyer as for a static file, so the whole `topology.edge.latency` is on the way in. What the
//! edge cannot get from the load balancer it answers itself, with 502 or 504.

use std::time::Duration;

use super::calls::{Call, CallRef, NOWHERE, Reply, Step};
use super::entry::Entry;
use super::world::World;
use tiketi_buyer::observation::Failure;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_data_tier::{Place, QueueState};
use tiketi_edge::{CONNECT_TIMEOUT, EdgeError, RESPONSE_TIMEOUT};
use tiketi_scenario::operation::Operation;
use tiketi_scenario::topology::Way;

/// What the edge answers if a request to the load balancer has failed like this; `None` if that is the load balancer's own
/// response, or if the buyer has given up.
const fn edge_error(failure: Failure) -> Option<EdgeError> {
    match failure {
        Failure::Dns | Failure::ConnectRefused | Failure::Reset | Failure::Handshake => {
            Some(EdgeError::BadGateway)
        }
        Failure::ConnectTimeout => Some(EdgeError::Timeout),
        Failure::Timeout | Failure::Status(_) | Failure::BadAnswer => None,
    }
}

impl World<'_> {
    /// Returns the way of a request.
    pub(super) const fn way(&self, operation: Operation) -> Way {
        self.plan.topology.edge.way(operation)
    }

    /// Begins a lookup of the site's name by the resolver of a buyer if one is due. Returns when the lookup in progress ends;
    /// `None` if there is none.
    pub(super) fn look_up_site(&mut self, now: SimTime, buyer: BuyerId) -> Option<SimTime> {
        let resolver = self.names.resolver_of(buyer.0);
        if self.names.site[usize::from(resolver)].needs_lookup(now) {
            let end = self.names.draw_lookup();
            let client = &mut self.names.site[usize::from(resolver)];
            match client.begin(now, end) {
                Some(until) => self.calendar.enter(until, Entry::SiteName(resolver)),
                None => self.names.end_site_lookup(now, resolver),
            }
        }
        self.names.site[usize::from(resolver)].waits_until()
    }

    /// Sends a request to an edge location.
    pub(super) fn send_to_edge(&mut self, now: SimTime, mut call: Call) {
        call.node = NOWHERE;
        match self.look_up_site(now, call.buyer) {
            Some(until) => {
                call.step = Step::SiteName;
                let call = self.calls.insert(call);
                self.wait_until(call, until.max(now));
            }
            None => self.go_to_edge(now, call),
        }
    }

    /// The lookup of the site's name that a request has waited for has ended.
    pub(super) fn after_site_lookup(&mut self, now: SimTime, call: CallRef) {
        let Some(mut call) = self.calls.remove(call).filter(|call| !call.is_abandoned) else {
            return;
        };
        call.is_watched = false;
        self.go_to_edge(now, call);
    }

    /// Sends a request on its way to a location whose address the buyer's resolver knows.
    fn go_to_edge(&mut self, now: SimTime, mut call: Call) {
        let resolver = self.names.resolver_of(call.buyer.0);
        let client = &mut self.names.site[usize::from(resolver)];
        let is_known = !client.has_no_answer(now) && client.resolver.pick(now).is_some();
        if !is_known {
            call.step = Step::SiteName;
            call.reply = Reply::Failed(Failure::Dns);
            return self.deliver(now, &call);
        }
        call.step = Step::Edge;
        let call = self.calls.insert(call);
        self.wait_until(call, now + self.plan.topology.edge.latency);
    }

    /// A request has arrived at its location. If the buyer has given up on it before, nobody reads it.
    pub(super) fn after_way_to_edge(&mut self, now: SimTime, call: CallRef) {
        let Some(mut call) = self.calls.remove(call).filter(|call| !call.is_abandoned) else {
            return;
        };
        call.is_watched = false;
        call.step = Step::Answer;
        match self.way(call.operation) {
            Way::Room => {
                call.reply = self.ask_room(now, call.buyer, call.operation);
                self.deliver(now, &call);
            }
            Way::Direct | Way::Through => {
                self.edge.passing.requests += 1;
                self.send_to_load_balancer(now, call);
            }
        }
    }

    /// Returns what the buyer gets of a response on its way: the edge answers in place of a load balancer that does not.
    pub(super) fn seen_by_buyer(&mut self, call: &Call) -> Reply {
        let failed_at_site = matches!(call.step, Step::SiteName | Step::Edge);
        if self.way(call.operation) != Way::Through || failed_at_site {
            return call.reply;
        }
        let Reply::Failed(failure) = call.reply else {
            self.edge.passing.answered += 1;
            return call.reply;
        };
        let Some(own) = edge_error(failure) else {
            let is_answered = matches!(failure, Failure::Status(_));
            self.edge.passing.answered += u64::from(is_answered);
            return call.reply;
        };
        self.edge.passing.handle_error(own);
        Reply::Failed(Failure::Status(own.status()))
    }

    /// How long a client of the load balancer waits for a connection to a node.
    pub(super) const fn connect_timeout(&self, operation: Operation) -> Duration {
        match self.way(operation) {
            Way::Through => CONNECT_TIMEOUT,
            Way::Direct | Way::Room => self.plan.buyers.connect_timeout,
        }
    }

    /// How long after a buyer has sent a request the edge has waited for its response; `None` if it does not pass by there.
    pub(super) fn edge_timeout(&self, operation: Operation) -> Option<Duration> {
        let way_in = self.plan.topology.edge.latency;
        (self.way(operation) == Way::Through).then(|| way_in + RESPONSE_TIMEOUT)
    }

    /// The waiting room at the edge answers.
    fn ask_room(&mut self, now: SimTime, buyer: BuyerId, operation: Operation) -> Reply {
        let bytes = u64::from(self.service.answer_bytes(operation));
        let room = self
            .room
            .as_mut()
            .expect("its requests come here only if there is one");
        room.handle_answer(bytes);
        let reply = match operation {
            Operation::QueueCheck => match room.join(now, buyer) {
                Place::Active => Reply::Admitted,
                Place::Waiting => Reply::Queued,
            },
            Operation::QueueStatus => match room.look(now, buyer) {
                QueueState::Waiting => Reply::Queued,
                QueueState::Active => Reply::Admitted,
                QueueState::Unknown => Reply::Dropped,
            },
            Operation::QueueLeave => {
                room.leave(now, buyer);
                Reply::Done
            }
            Operation::PageLoad
            | Operation::ShowList
            | Operation::ShowDetail
            | Operation::SocketConnect
            | Operation::SeatList
            | Operation::SeatReserve
            | Operation::PaymentProcess => unreachable!("the room does not answer it"),
        };
        if reply == Reply::Admitted {
            self.give_pass(now, buyer);
        }
        reply
    }

    /// Gives a buyer a pass, in place of an older one.
    pub(super) fn give_pass(&mut self, now: SimTime, buyer: BuyerId) {
        if let Some(room) = &self.room {
            let ends = now + room.pass_life();
            self.crowd.give_pass(buyer, ends);
        }
    }

    /// Whether an instance may serve a request: where the waiting room is at the edge, choosing and paying for a seat takes a
    /// pass.
    pub(super) fn is_admitted(&self, now: SimTime, open: &Call) -> bool {
        if self.room.is_none() {
            return true;
        }
        match open.operation {
            Operation::SeatList | Operation::SeatReserve | Operation::PaymentProcess => {
                let until = self.crowd.pass_until(open.buyer);
                until.is_some_and(|until| now < until)
            }
            Operation::PageLoad
            | Operation::ShowList
            | Operation::ShowDetail
            | Operation::SocketConnect
            | Operation::QueueCheck
            | Operation::QueueStatus
            | Operation::QueueLeave => true,
        }
    }

    /// An instance tells the waiting room at the edge that a buyer does something. Returns whether there is one.
    pub(super) fn touch_at_edge(&mut self, now: SimTime, buyer: BuyerId) -> bool {
        let Some(room) = &mut self.room else {
            return false;
        };
        room.touch(now, buyer);
        true
    }

    /// An instance tells the waiting room at the edge that a buyer has paid.
    pub(super) fn finish_at_edge(&mut self, now: SimTime, buyer: BuyerId) {
        if let Some(room) = &mut self.room {
            room.finish(now, buyer);
        }
    }

    /// The tick of the waiting room at the edge: gives free shopping slots to the head of the queue. It runs whether or not an
    /// instance does. Returns whether there is one.
    pub(super) fn admit_at_edge(&mut self, now: SimTime) -> bool {
        let Some(room) = &mut self.room else {
            return false;
        };
        room.admit(now);
        true
    }
}
