//! The network between buyers and the system: how long requests, responses and messages take on it.
//!
//! ```text
//! send ─Access▶ load balancer or edge location ─▶ … ─Home▶ hand over to the buyer
//! ```
//!
//! The load workers of a live run wait in the same places, for times that are drawn in the same way. Left out: what buyers send
//! over open sockets, and the jitter and losses of what they receive there.

use std::time::Duration;

use super::calls::{Call, CallRef, NOWHERE, Reply, Step};
use super::world::World;
use tiketi_buyer::observation::Failure;
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::{SimTime, ZoneId};
use tiketi_scenario::access::{Access, Needs};
use tiketi_scenario::edge::StaticFile;
use tiketi_scenario::operation::Operation;

/// The network of the buyers, and what is drawn of it.
#[derive(Debug)]
pub(super) struct AccessNetwork {
    access: Access,
    draws: Stream,
}

impl AccessNetwork {
    /// The network of a plan; `None` if nothing is delayed.
    pub(super) fn new(access: Access, streams: Streams) -> Option<Self> {
        access.is_applied().then(|| Self {
            access,
            draws: streams.named("access"),
        })
    }

    fn way_in(&mut self, operation: Operation) -> Duration {
        match operation {
            // The request for the upgrade.
            Operation::SocketConnect => self.access.way_in(Needs::Connection, &mut self.draws),
            Operation::PageLoad
            | Operation::ShowList
            | Operation::ShowDetail
            | Operation::QueueCheck
            | Operation::QueueStatus
            | Operation::QueueLeave
            | Operation::SeatList
            | Operation::SeatReserve
            | Operation::PaymentProcess => self.access.way_in(Needs::Nothing, &mut self.draws),
        }
    }

    fn way_back(&mut self, operation: Operation, bytes: u64) -> Duration {
        let response = self.access.way_back(bytes, &mut self.draws);
        match operation {
            // Then the packet that introduces the buyer, and its answer.
            Operation::SocketConnect => {
                let there = self.access.message(&mut self.draws);
                response + there + self.access.message(&mut self.draws)
            }
            Operation::PageLoad
            | Operation::ShowList
            | Operation::ShowDetail
            | Operation::QueueCheck
            | Operation::QueueStatus
            | Operation::QueueLeave
            | Operation::SeatList
            | Operation::SeatReserve
            | Operation::PaymentProcess => response,
        }
    }

    /// Draws how much longer a page load takes.
    pub(super) fn page(&mut self, files: &[StaticFile]) -> Duration {
        self.access.page(files, &mut self.draws)
    }
}

impl World<'_> {
    /// Sends a request of a buyer over the buyers' network. Returns it if it is there at once.
    pub(super) fn leave_home(&mut self, now: SimTime, mut call: Call) -> Option<Call> {
        let late = match &mut self.access {
            Some(network) => network.way_in(call.operation),
            // The server works on a handshake after a connection, an upgrade and an introduction. Without a network these take
            // no time, but what the buyer sends at the same moment over a connection that is open arrives before.
            None if call.operation == Operation::SocketConnect => Duration::ZERO,
            None => return Some(call),
        };
        call.step = Step::Access;
        call.node = NOWHERE;
        let call = self.calls.insert(call);
        self.wait_until(call, now + late);
        None
    }

    /// A request has passed the buyers' network. If the buyer has given up on it before, nobody reads it.
    pub(super) fn after_access(&mut self, now: SimTime, call: CallRef) {
        let Some(mut call) = self.calls.remove(call).filter(|call| !call.is_abandoned) else {
            return;
        };
        call.is_watched = false;
        call.step = Step::Answer;
        call.node = 0;
        self.send_on(now, call);
    }

    /// Lets a response pass the buyers' network. Returns it if there is none, or if nothing has been sent: what a buyer notices
    /// by a timeout needs no packet.
    pub(super) fn go_home(&mut self, now: SimTime, mut call: Call) -> Option<Call> {
        let is_silence = matches!(
            call.reply,
            Reply::Failed(Failure::Timeout | Failure::ConnectTimeout | Failure::Dns)
        );
        let Some(network) = self.access.as_mut().filter(|_| !is_silence) else {
            return Some(call);
        };
        let bytes = match call.reply {
            Reply::Failed(_) | Reply::TooMany(_) | Reply::Refused => 0,
            Reply::Done
            | Reply::Queued
            | Reply::Admitted
            | Reply::Dropped
            | Reply::Seats
            | Reply::Held(_)
            | Reply::Paid => u64::from(self.service.answer_bytes(call.operation)),
        };
        let late = network.way_back(call.operation, bytes);
        call.step = Step::Home;
        call.is_watched = false;
        let call = self.calls.insert(call);
        self.wait_until(call, now + late);
        None
    }

    /// A response has passed the buyers' network.
    pub(super) fn after_home(&mut self, now: SimTime, call: CallRef) {
        let Some(mut call) = self.calls.remove(call).filter(|call| !call.is_abandoned) else {
            return;
        };
        let is_open = call.operation == Operation::SocketConnect && call.reply == Reply::Done;
        if is_open && !self.serves(now, &call) {
            // The other end of the socket is gone since it has answered.
            call.reply = Reply::Failed(Failure::Reset);
        }
        self.hand_over(now, &call);
    }

    /// How long a message to a socket takes on the buyers' network: the same for all, so that a room is one event.
    pub(super) fn message_delay(&self) -> Duration {
        let network = self.access.as_ref();
        network.map_or(Duration::ZERO, |network| network.access.delay)
    }

    /// Whether the node and the instance of a request still work.
    fn serves(&mut self, now: SimTime, call: &Call) -> bool {
        let instance = self.fleet.find(call.instance);
        let works = instance.is_some_and(|one| one.listens(now) && !one.is_silent());
        works && self.front.is_up(ZoneId(call.node))
    }
}
