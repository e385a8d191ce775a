//! The same show, open in a second tab or on a second device of a buyer.

use std::rc::Rc;

use tokio::time::sleep_until;

use super::{Socket, Visit};
use tiketi_buyer::{Elsewhere, Journey};
use tiketi_core::units::SimTime;

impl Visit {
    /// Starts a visit to the same show by the same buyer, elsewhere.
    pub(super) fn second(&self, now: SimTime, elsewhere: Elsewhere) -> Self {
        let world = &self.world;
        world.tally.buyers.set(world.tally.buyers.get() + 1);
        let mut visitor = self.visitor.clone();
        match elsewhere {
            Elsewhere::Tab => {}
            Elsewhere::Device => {
                visitor.identity.cookie = None;
                visitor.identity.pass = None;
            }
        }
        let journey = Journey::new(
            world.temperament.clone(),
            world.streams,
            visitor.buyer,
            visitor.user,
            now,
        );
        let journey = journey.waiting_at(world.room()).on_second_page();
        Self {
            journey: journey.listening_to(world.api.channel()),
            visitor,
            call: None,
            line: Socket::Closed,
            rest: None,
            alarm: Box::pin(sleep_until(world.clock.wall_instant(now))),
            trace: None,
            is_second: true,
            world: Rc::clone(world),
        }
    }
}
