//! The buyers: the same journeys as in a live run, and what the model keeps beside each.

use std::hint::black_box;
use std::sync::Arc;

use uuid::Uuid;

use tiketi_buyer::Journey;
use tiketi_cloud::routing::Cookie;
use tiketi_core::rng::Streams;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_scenario::plan::Temperament;

/// Where a buyer's socket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineState {
    Closed,
    Opening,
    Open,
}

/// What the browser of one buyer holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Browser {
    /// The load balancer's cookie.
    pub(super) cookie: Option<Cookie>,
    /// The instance the socket is, or is being, opened to.
    pub(super) line_instance: u32,
    /// Zone of the node the socket goes through.
    pub(super) line_node: u8,
    pub(super) line: LineState,
    /// Whether the socket hears of the queue.
    pub(super) hears_queue: bool,
    /// Whether the socket hears of the seats.
    pub(super) hears_seats: bool,
    /// Whether the session, which outlives a socket, has the room of the queue.
    pub(super) joined_queue: bool,
    /// Whether the session has the room of the seats.
    pub(super) joined_seats: bool,
    /// Whether the buyer watches for a seat that comes back.
    pub(super) watches: bool,
    /// Whether a call is on its way.
    pub(super) is_calling: bool,
}

/// One buyer of the plan: all that is looked at together lies together, because a crowd is larger than any cache.
#[derive(Debug)]
struct Visitor {
    /// `None` before the arrival, after the end, and while something is done with it.
    journey: Option<Box<Journey>>,
    /// When the buyer's valid entry in the calendar is.
    wake_at: SimTime,
    browser: Browser,
}

/// All buyers of a run. Whoever has not arrived, or is gone, costs a few bytes.
#[derive(Debug)]
pub(super) struct Crowd {
    temperament: Arc<Temperament>,
    streams: Streams,
    visitors: Vec<Visitor>,
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
    /// Nobody has arrived yet of `buyers`.
    pub(super) fn new(temperament: &Temperament, streams: Streams, buyers: usize) -> Self {
        Self {
            temperament: Arc::new(temperament.clone()),
            streams,
            visitors: std::iter::repeat_with(|| Visitor::NEW)
                .take(buyers)
                .collect(),
        }
    }

    /// A buyer arrives.
    pub(super) fn arrive(&self, buyer: BuyerId, now: SimTime) -> Box<Journey> {
        let temperament = Arc::clone(&self.temperament);
        Box::new(Journey::new(
            temperament,
            self.streams,
            buyer,
            user_of(buyer),
            now,
        ))
    }

    /// Takes a buyer's journey out, to do something with it; `None` before the arrival and after the end.
    pub(super) fn take(&mut self, buyer: BuyerId) -> Option<Box<Journey>> {
        self.visitor(buyer).journey.take()
    }

    /// Puts it back.
    pub(super) fn put_back(&mut self, buyer: BuyerId, journey: Box<Journey>) {
        self.visitor(buyer).journey = Some(journey);
    }

    /// Whether an entry for `at` must be made, and notes that it is.
    pub(super) fn wants_wake(&mut self, buyer: BuyerId, at: SimTime) -> bool {
        let wake_at = &mut self.visitor(buyer).wake_at;
        let is_earlier = at < *wake_at;
        if is_earlier {
            *wake_at = at;
        }
        is_earlier
    }

    /// Whether an entry that comes up is the buyer's valid one; it is used up then.
    pub(super) fn use_wake(&mut self, buyer: BuyerId, now: SimTime) -> bool {
        let wake_at = &mut self.visitor(buyer).wake_at;
        let is_valid = *wake_at == now;
        if is_valid {
            *wake_at = NEVER;
        }
        is_valid
    }

    /// Brings a buyer into the cache.
    pub(super) fn fetch(&self, buyer: BuyerId) {
        black_box(self.visitors[buyer.0 as usize].wake_at);
    }

    /// Brings a buyer's journey into the cache.
    pub(super) fn fetch_journey(&self, buyer: BuyerId) {
        if let Some(journey) = &self.visitors[buyer.0 as usize].journey {
            black_box((journey.poll_timeout(), journey.wanted_seat()));
        }
    }

    pub(super) fn browser(&mut self, buyer: BuyerId) -> &mut Browser {
        &mut self.visitor(buyer).browser
    }

    /// Buyers whose socket is open and meets a condition, in order of their number.
    pub(super) fn sockets(&self, is_meant: impl Fn(&Browser) -> bool) -> Vec<BuyerId> {
        self.numbers(|visitor| {
            visitor.browser.line == LineState::Open && is_meant(&visitor.browser)
        })
    }

    /// Buyers on their way, in order of their number.
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

/// The id by which the system knows a buyer.
pub(super) const fn user_of(buyer: BuyerId) -> Uuid {
    Uuid::from_u128(buyer.0 as u128 + 1)
}
