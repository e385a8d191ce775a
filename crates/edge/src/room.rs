//! The waiting room at the edge: the queue in a managed store that all locations share.
//!
//! ```text
//! buyer ─▶ location ─ join, look, leave ─▶ Room ◀─ touch, finish ─ application
//!                ◀─ pass, when admitted ─┘
//! ```
//!
//! Its rules are those of the application's waiting room: the commands are those of [`Redis`], on a store of its own that no
//! fault touches, that is never full, and that loses nothing.

use std::convert::Infallible;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_data_tier::{
    Eviction, Ledger, Payload, Place, QueueState, Redis, RedisError, RedisSettings, ShowNumber,
};
use tiketi_scenario::Plan;

/// The one show of a plan.
const SHOW: ShowNumber = ShowNumber::FIRST;

/// Nothing but the queue is in the store.
#[derive(Clone, Copy, Debug)]
struct QueueOnly;

impl Payload for QueueOnly {
    type Session = ();
    type CacheKey = ();
    type Body = ();
}

/// Whether anybody asks for places in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// Responses state them.
    Told,
    /// Nobody reads them.
    Untold,
}

/// The waiting room at the edge.
#[derive(Clone, Debug)]
pub struct Room {
    store: Redis<QueueOnly>,
    pass_life: Duration,
    figures: RoomFigures,
}

/// Requests of buyers to the waiting room at the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoomFigures {
    /// Requests to join.
    pub joins: u64,
    /// Polls of the place in the queue.
    pub polls: u64,
    /// Requests to leave.
    pub leaves: u64,
    /// Passes that were issued: one per response that says that the buyer is admitted.
    pub passes: u64,
    /// Bytes of the responses.
    pub bytes: u64,
}

impl RoomFigures {
    /// Returns all requests of buyers.
    pub const fn requests(&self) -> u64 {
        self.joins + self.polls + self.leaves
    }

    /// Returns what was counted since `before`.
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            joins: self.joins - before.joins,
            polls: self.polls - before.polls,
            leaves: self.leaves - before.leaves,
            passes: self.passes - before.passes,
            bytes: self.bytes - before.bytes,
        }
    }
}

impl Room {
    /// Opens the empty waiting room of `plan`, for the buyers with numbers below `buyers`.
    pub fn new(plan: &Plan, buyers: usize, places: Places) -> Self {
        let room = &plan.waiting_room;
        let mut store = Redis::new(
            RedisSettings {
                lost_window: Duration::ZERO,
                command: Duration::ZERO,
                timeout: Duration::ZERO,
                memory_max: u64::MAX,
                memory_other: 0,
                eviction: Eviction::NoEviction,
                active_max: room.active_max,
                idle_timeout: room.idle_timeout,
                admit_every: room.admit_every,
                session_ttl: Duration::ZERO,
                counts_requests: false,
                tells_places: places == Places::Told,
                seed: plan.seed,
            },
            buyers,
        );
        let show = store.add_show();
        debug_assert_eq!(show, SHOW);
        Self {
            store,
            pass_life: pass_life(plan),
            figures: RoomFigures::default(),
        }
    }

    /// Makes room for the buyers with numbers below `buyers`; does nothing if there is room.
    pub fn grow(&mut self, buyers: usize) {
        self.store.grow(buyers);
    }

    /// A buyer takes a shopping slot or joins the queue; one who has either keeps it.
    pub fn join(&mut self, now: SimTime, buyer: BuyerId) -> Place {
        self.figures.joins += 1;
        let place = sound(self.store.enter(now, SHOW, buyer));
        self.figures.passes += u64::from(place == Place::Active);
        place
    }

    /// A buyer asks for the place in the queue. The slot of one who is admitted is renewed.
    pub fn look(&mut self, now: SimTime, buyer: BuyerId) -> QueueState {
        self.figures.polls += 1;
        let state = sound(self.store.status(now, SHOW, buyer));
        if state == QueueState::Active {
            self.figures.passes += 1;
            sound(self.store.touch(now, SHOW, buyer));
        }
        state
    }

    /// A buyer leaves the queue, or gives the slot back.
    pub fn leave(&mut self, now: SimTime, buyer: BuyerId) {
        self.figures.leaves += 1;
        self.finish(now, buyer);
    }

    /// The application says that an admitted buyer does something: the slot is renewed.
    pub fn touch(&mut self, now: SimTime, buyer: BuyerId) {
        sound(self.store.touch(now, SHOW, buyer));
    }

    /// The application says that a buyer has paid: the slot is free.
    pub fn finish(&mut self, now: SimTime, buyer: BuyerId) {
        sound(self.store.leave(now, SHOW, buyer));
    }

    /// Takes back slots that were idle for too long, and gives free ones to the head of the queue. Due every
    /// `waiting_room.admit_every`.
    pub fn admit(&mut self, now: SimTime) {
        // Admissions are not pushed: buyers learn of them from their next poll.
        let mut admitted = Vec::new();
        sound(self.store.admit(now, SHOW, &mut admitted));
    }

    /// Counts the bytes of a response.
    pub const fn handle_answer(&mut self, bytes: u64) {
        self.figures.bytes += bytes;
    }

    /// Returns the buyers in the queue.
    pub fn waiting(&self) -> u32 {
        self.store.waiting(SHOW)
    }

    /// Returns the buyers with a shopping slot.
    pub fn active(&self) -> u32 {
        self.store.active(SHOW)
    }

    /// Returns the place of a buyer in the queue, 1 for its head; `None` for one who does not wait, or without
    /// [`Places::Told`].
    pub fn position(&self, buyer: BuyerId) -> Option<u32> {
        self.store.position(SHOW, buyer)
    }

    /// Returns the admissions per second, smoothed; assumed until some are measured.
    pub fn admission_rate(&self) -> f64 {
        self.store.admission_rate(SHOW)
    }

    /// Returns the log of joins and admissions.
    pub fn ledger(&self) -> Ledger {
        self.store.ledger(SHOW)
    }

    /// Returns the buyers who are elsewhere than the log says, counted one by one.
    pub fn astray(&self) -> u64 {
        self.store.astray(SHOW).expect("the store is never lost")
    }

    /// Returns how long a pass is valid from the response that it came with.
    pub const fn pass_life(&self) -> Duration {
        self.pass_life
    }

    /// Returns what was counted.
    pub const fn figures(&self) -> &RoomFigures {
        &self.figures
    }
}

/// How long a pass is valid from the response that it came with: as long as an idle buyer keeps the slot, or a seat on hold if
/// that is longer. Each response of the application to a buyer who chooses a seat has a new one.
pub fn pass_life(plan: &Plan) -> Duration {
    plan.waiting_room.idle_timeout.max(plan.show.hold)
}

/// Returns the result of a command: a managed store has no outage here, and is never full.
fn sound<T>(result: Result<T, RedisError>) -> T {
    let Ok(done) = result
        .map_err(|error| -> Infallible { unreachable!("the managed store has failed: {error}") });
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_scenario::{Overrides, load};

    const ONE: BuyerId = BuyerId(0);
    const TWO: BuyerId = BuyerId(1);
    const THREE: BuyerId = BuyerId(2);

    fn at(seconds: u64) -> SimTime {
        SimTime::from_secs(seconds)
    }

    fn plan(hold: &str) -> Plan {
        let text = format!(
            "name = \"x\"\n[waiting_room]\nactive_max = 1\nidle_timeout = \"60s\"\n[show]\nhold = \"{hold}\"\n"
        );
        load("x.toml", &text, &Overrides::default()).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn room() -> Room {
        Room::new(&plan("30s"), 3, Places::Told)
    }

    #[test]
    fn the_first_to_come_is_the_first_to_shop() {
        let mut room = room();
        assert_eq!(room.join(at(0), ONE), Place::Active);
        assert_eq!(room.join(at(1), TWO), Place::Waiting);
        assert_eq!(room.join(at(2), THREE), Place::Waiting);
        assert_eq!(
            (room.position(TWO), room.position(THREE)),
            (Some(1), Some(2))
        );
        room.finish(at(3), ONE);
        room.admit(at(4));
        assert_eq!(room.look(at(5), TWO), QueueState::Active);
        assert_eq!(room.look(at(5), THREE), QueueState::Waiting);
        assert_eq!((room.waiting(), room.active()), (1, 1));
        let ledger = room.ledger();
        assert_eq!((ledger.joined, ledger.admitted), (3, 2));
        assert_eq!(room.astray(), 0);
    }

    #[test]
    fn an_idle_buyer_loses_the_slot_and_one_who_does_something_keeps_it() {
        let mut room = room();
        room.join(at(0), ONE);
        room.join(at(0), TWO);
        room.touch(at(50), ONE);
        room.admit(at(70));
        assert_eq!(room.look(at(71), TWO), QueueState::Waiting);
        room.admit(at(111));
        assert_eq!(room.look(at(112), TWO), QueueState::Active);
        assert_eq!(room.ledger().expired, 1);
    }

    #[test]
    fn requests_are_counted_and_those_of_the_application_are_not() {
        let mut room = room();
        room.join(at(0), ONE);
        room.join(at(0), TWO);
        room.look(at(1), ONE);
        room.look(at(1), TWO);
        room.leave(at(2), TWO);
        room.touch(at(3), ONE);
        room.finish(at(4), ONE);
        room.handle_answer(300);
        let figures = *room.figures();
        assert_eq!((figures.joins, figures.polls, figures.leaves), (2, 2, 1));
        assert_eq!(
            (figures.requests(), figures.passes, figures.bytes),
            (5, 2, 300)
        );
        assert_eq!(figures.since(&figures), RoomFigures::default());
    }

    #[test]
    fn a_pass_lasts_as_long_as_the_slot_or_the_seat() {
        assert_eq!(pass_life(&plan("30s")), Duration::from_secs(60));
        assert_eq!(pass_life(&plan("300s")), Duration::from_secs(300));
    }
}
