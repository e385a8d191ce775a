//! Impaired paths: how much longer the packets of a request take on each part of its way.
//!
//! ```text
//! buyer ─to_node▶ node ─to_instance▶ instance ─trips▶ Redis, database      each ▶ is delayed if a fault impairs it
//!   ◀─────────────way_back──────────────┘
//! ```
//!
//! Left out: messages over open sockets, replication, messages between instances, and the connections that pools open.

use std::time::Duration;

use super::calls::{Call, CallRef, Step};
use super::world::World;
use tiketi_core::impairment::{Impairments, Quality, tcp};
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::{DataTierPart, SimTime, ZoneId};
use tiketi_data_tier::Transaction;
use tiketi_scenario::operation::Operation;

/// Bytes of a buyer's request with its headers (assumption).
pub(super) const REQUEST_BYTES: u64 = 700;
/// Bytes of a Redis command or its response, of a statement, or of a health check: less than a segment.
const SMALL: u64 = 200;

/// The impairments of the moment, and what is drawn from them.
#[derive(Debug)]
pub(super) struct Paths {
    impairments: Impairments,
    draws: Stream,
}

impl Paths {
    /// All paths are clear.
    pub(super) fn new(streams: Streams) -> Self {
        Self {
            impairments: Impairments::default(),
            draws: streams.named("paths"),
        }
    }

    /// Whether no path is impaired. Asked on the way of every request, and true in most runs.
    pub(super) const fn are_clear(&self) -> bool {
        self.impairments.is_empty()
    }

    /// These are impaired from now on, and no others.
    pub(super) fn set(&mut self, impairments: &Impairments) {
        self.impairments = impairments.clone();
    }

    /// How much longer a health check from one zone takes in another: a new connection, the request and its response.
    pub(super) fn of_check(&mut self, node: ZoneId, instance: ZoneId) -> Duration {
        if self.are_clear() {
            return Duration::ZERO;
        }
        let path = self.impairments.between(node, instance);
        self.connection(path) + self.trip(path, SMALL)
    }

    fn connection(&mut self, path: Quality) -> Duration {
        tcp::handshake(path, &mut self.draws)
    }

    fn one_way(&mut self, path: Quality, bytes: u64) -> Duration {
        tcp::transfer(path, bytes, &mut self.draws)
    }

    fn trip(&mut self, path: Quality, response: u64) -> Duration {
        tcp::exchange(path, (SMALL, response), &mut self.draws)
    }

    /// A request on its way over a path; a socket also needs a new connection there.
    fn request(&mut self, path: Quality, operation: Operation) -> Duration {
        let connection = match operation {
            Operation::SocketConnect => self.connection(path),
            Operation::PageLoad
            | Operation::ShowList
            | Operation::ShowDetail
            | Operation::QueueCheck
            | Operation::QueueStatus
            | Operation::QueueLeave
            | Operation::SeatList
            | Operation::SeatReserve
            | Operation::PaymentProcess => Duration::ZERO,
        };
        connection + self.one_way(path, REQUEST_BYTES)
    }
}

impl World<'_> {
    /// Sends a request to a node whose path to the buyers may be impaired.
    pub(super) fn travel_to_node(&mut self, now: SimTime, mut call: Call, node: ZoneId) {
        let path = self.paths.impairments.to_buyers(node);
        let late = self.paths.request(path, call.operation);
        if late.is_zero() {
            return self.reach_node(now, call, node);
        }
        call.node = node.0;
        call.step = Step::ToNode;
        let call = self.calls.insert(call);
        self.wait_until(call, now + late);
    }

    /// A request has arrived at its node. If the buyer has given up on it before, the connection is closed, and nobody reads
    /// it.
    pub(super) fn after_way_to_node(&mut self, now: SimTime, call: CallRef) {
        let Some(mut call) = self.calls.remove(call).filter(|call| !call.is_abandoned) else {
            return;
        };
        call.is_watched = false;
        // The node may answer in place of an instance.
        call.step = Step::Answer;
        let node = ZoneId(call.node);
        self.reach_node(now, call, node);
    }

    /// How much longer a request takes from its node to an instance in another zone.
    pub(super) fn way_to_instance(&mut self, call: &Call, instance: ZoneId) -> Duration {
        let path = self.paths.impairments.between(ZoneId(call.node), instance);
        self.paths.request(path, call.operation)
    }

    /// A request has arrived at its instance.
    pub(super) fn after_way_to_instance(&mut self, now: SimTime, call: CallRef, open: &Call) {
        let time = self.service.time(open.operation);
        let done_at = self.fleet.of(open.instance).book(now, time);
        self.step_at(call, Step::Processor, done_at);
    }

    /// How much longer the response takes to the buyer: from the instance to the node, and from there.
    pub(super) fn way_back(&mut self, open: &Call) -> Duration {
        if self.paths.are_clear() {
            return Duration::ZERO;
        }
        let node = ZoneId(open.node);
        let bytes = u64::from(self.service.answer_bytes(open.operation));
        let hop = match self.fleet.find(open.instance) {
            Some(instance) => self.paths.impairments.between(instance.zone, node),
            None => Quality::default(),
        };
        let last = self.paths.impairments.to_buyers(node);
        self.paths.one_way(hop, bytes) + self.paths.one_way(last, bytes)
    }

    /// How much longer commands of Redis take, one after the other.
    ///
    /// # Errors
    ///
    /// After which time the instance gives up, because one of them takes longer than its client waits.
    pub(super) fn trips_to_redis(
        &mut self,
        open: &Call,
        commands: u32,
    ) -> Result<Duration, Duration> {
        if self.paths.are_clear() {
            return Ok(Duration::ZERO);
        }
        let path = self.path_to(open, DataTierPart::Redis);
        let timeout = self.plan.topology.redis.timeout;
        let mut taken = Duration::ZERO;
        for _ in 0..commands {
            let trip = self.paths.trip(path, SMALL);
            if trip > timeout {
                return Err(taken + timeout);
            }
            taken += trip;
        }
        Ok(taken)
    }

    /// How much longer a transaction keeps its connection to the database.
    pub(super) fn trips_to_database(&mut self, open: &Call, transaction: Transaction) -> Duration {
        if self.paths.are_clear() {
            return Duration::ZERO;
        }
        let path = self.path_to(open, DataTierPart::Database);
        let bytes = u64::from(self.service.answer_bytes(open.operation));
        let trips = (0..transaction.round_trips()).map(|_| self.paths.trip(path, bytes));
        trips.sum()
    }

    fn path_to(&mut self, open: &Call, part: DataTierPart) -> Quality {
        let here = self.fleet.of(open.instance).zone;
        let there = self.cloud.primaries.zone(part);
        self.paths.impairments.between(here, there)
    }
}
