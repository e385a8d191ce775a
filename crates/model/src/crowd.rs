//! All buyers: the same journeys as in a live run, and what the simulation keeps for each of them.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use uuid::Uuid;

use tiketi_buyer::Journey;
use tiketi_cloud::routing::Cookie;
use tiketi_core::rng::Streams;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_scenario::Plan;
use tiketi_scenario::plan::Temperament;
use tiketi_scenario::topology::RoomPlace;

/// The state of a buyer's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineState {
    Closed,
    Opening,
    Open,
    /// Both ends believe that it is open, but nothing passes: the node or the instance has lost power.
    Silent,
}

/// The state of one buyer's browser.
#[derive(Clone, Copy, Debug)]
pub(super) struct Browser {
    /// The load balancer's cookie.
    pub(super) cookie: Option<Cookie>,
    /// The instance that the socket is open to.
    pub(super) line_instance: u32,
    /// Zone of the load-balancer node that the socket goes through.
    pub(super) line_node: u8,
    pub(super) line: LineState,
    /// Whether the socket is in the room of the queue.
    pub(super) hears_queue: bool,
    /// Whether the socket is in the room of the seats.
    pub(super) hears_seats: bool,
    /// Whether the session is in the room of the queue; it outlives the socket.
    pub(super) joined_queue: bool,
    /// Whether the session is in the room of the seats.
    pub(super) joined_seats: bool,
    /// Whether the buyer is watching for a seat to become free.
    pub(super) watches: bool,
    /// Whether a request is in progress.
    pub(super) is_calling: bool,
}

/// One buyer. What is used together is stored together: all buyers do not fit into any cache, so each access to another
/// place in memory costs a cache miss.
#[derive(Debug)]
struct Visitor {
    /// `None` before the arrival, after the end, and while the journey is taken out to be driven.
    journey: Option<Box<Journey>>,
    /// When the buyer's valid calendar entry is due. An entry at any other time is stale.
    wake_at: SimTime,
    browser: Browser,
}

/// All buyers of a run. One who has not arrived or has left takes only a few bytes, because journeys are boxed.
#[derive(Debug)]
pub(super) struct Crowd {
    temperament: Arc<Temperament>,
    room: RoomPlace,
    streams: Streams,
    visitors: Vec<Visitor>,
    /// Until when the passes of the waiting room at the edge are valid; empty if it is in the application.
    passes: BTreeMap<u32, SimTime>,
}

/// No entry in the calendar.
const NEVER: SimTime = SimTime::from_nanos(u64::MAX);

impl Visitor {
    const NEW: Self = Self {
        journey: None,
        wake_at: NEVER,
        browser: Browser {
            cookie: None,
            line_instance: 0,
            line_node: 0,
            line: LineState::Closed,
            hears_queue: false,
            hears_seats: false,
            joined_queue: false,
            joined_seats: false,
            watches: false,
            is_calling: false,
        },
    };
}

impl Crowd {
    /// Creates `buyers` buyers, none of whom has arrived.
    pub(super) fn new(plan: &Plan, streams: Streams, buyers: usize) -> Self {
        Self {
            temperament: Arc::new(plan.buyers.clone()),
            room: plan.topology.edge.waiting_room,
            streams,
            visitors: std::iter::repeat_with(|| Visitor::NEW)
                .take(buyers)
                .collect(),
            passes: BTreeMap::new(),
        }
    }

    /// Creates the journey of a buyer who arrives.
    pub(super) fn arrive(&self, buyer: BuyerId, now: SimTime) -> Box<Journey> {
        let temperament = Arc::clone(&self.temperament);
        let journey = Journey::new(temperament, self.streams, buyer, user_of(buyer), now);
        Box::new(journey.waiting_at(self.room))
    }

    /// Takes a buyer's journey out to drive it; `None` before the arrival and after the end. Taking it out lets the caller
    /// change the world while it drives the journey.
    pub(super) fn take(&mut self, buyer: BuyerId) -> Option<Box<Journey>> {
        self.visitor(buyer).journey.take()
    }

    /// Puts a journey back.
    pub(super) fn put_back(&mut self, buyer: BuyerId, journey: Box<Journey>) {
        self.visitor(buyer).journey = Some(journey);
    }

    /// Returns whether the calendar needs an entry for `at`, and assumes that the caller makes it.
    ///
    /// It needs none if there is an earlier one: when that is due, the buyer is scheduled again. A later one that is there
    /// already becomes stale, because entries cannot be removed from the calendar.
    pub(super) fn wants_wake(&mut self, buyer: BuyerId, at: SimTime) -> bool {
        let wake_at = &mut self.visitor(buyer).wake_at;
        let is_earlier = at < *wake_at;
        if is_earlier {
            *wake_at = at;
        }
        is_earlier
    }

    /// Returns whether an entry that is due now is the buyer's valid one, and uses it up.
    pub(super) fn use_wake(&mut self, buyer: BuyerId, now: SimTime) -> bool {
        let wake_at = &mut self.visitor(buyer).wake_at;
        let is_valid = *wake_at == now;
        if is_valid {
            *wake_at = NEVER;
        }
        is_valid
    }

    /// Loads a buyer into the CPU cache.
    pub(super) fn fetch(&self, buyer: BuyerId) {
        // `black_box` keeps the compiler from removing a read whose value nobody uses.
        black_box(self.visitors[buyer.0 as usize].wake_at);
    }

    /// Loads a buyer's journey into the CPU cache.
    pub(super) fn fetch_journey(&self, buyer: BuyerId) {
        if let Some(journey) = &self.visitors[buyer.0 as usize].journey {
            black_box((journey.poll_timeout(), journey.wanted_seat()));
        }
    }

    /// Gives a buyer a pass of the waiting room at the edge.
    pub(super) fn give_pass(&mut self, buyer: BuyerId, until: SimTime) {
        self.passes.insert(buyer.0, until);
    }

    /// Returns until when the buyer's pass is valid; `None` without one.
    pub(super) fn pass_until(&self, buyer: BuyerId) -> Option<SimTime> {
        self.passes.get(&buyer.0).copied()
    }

    pub(super) fn browser(&mut self, buyer: BuyerId) -> &mut Browser {
        &mut self.visitor(buyer).browser
    }

    /// Returns the buyers whose socket is open and meets a condition, in order of their number.
    pub(super) fn sockets(&self, is_meant: impl Fn(&Browser) -> bool) -> Vec<BuyerId> {
        self.numbers(|visitor| {
            visitor.browser.line == LineState::Open && is_meant(&visitor.browser)
        })
    }

    /// Returns the buyers in progress, in order of their number.
    pub(super) fn present(&self) -> Vec<BuyerId> {
        self.numbers(|visitor| visitor.journey.is_some())
    }

    fn numbers(&self, is_meant: impl Fn(&Visitor) -> bool) -> Vec<BuyerId> {
        let numbered = (0..).zip(&self.visitors);
        let meant = numbered.filter(|(_, visitor)| is_meant(visitor));
        meant.map(|(number, _)| BuyerId(number)).collect()
    }

    fn visitor(&mut self, buyer: BuyerId) -> &mut Visitor {
        &mut self.visitors[buyer.0 as usize]
    }
}

/// Returns the id by which the system knows a buyer.
pub(super) const fn user_of(buyer: BuyerId) -> Uuid {
    Uuid::from_u128(buyer.0 as u128 + 1)
}
