//! What a driver asks about a visit, without changing it.

use uuid::Uuid;

use super::{Journey, Request, Step};

impl Journey {
    /// Returns the seat that the buyer has picked and not requested yet, or `None`.
    ///
    /// For a driver that doesn't deliver every message about seats: only messages about this seat have an effect.
    pub fn wanted_seat(&self) -> Option<Uuid> {
        let is_choosing = self.step == Step::Picking && self.in_flight.is_none();
        is_choosing.then(|| self.choice.favorite()).flatten()
    }

    /// Returns whether it matters where in the queue the buyer is.
    pub fn minds_position(&self) -> bool {
        !self.temperament.poll_by_position.is_empty()
    }

    /// Returns the request that has no response yet, or `None`.
    pub fn unanswered(&self) -> Option<Request> {
        self.in_flight.and(self.request())
    }

    /// Returns whether the buyer found all seats taken and waits for one to be released.
    pub fn is_watching(&self) -> bool {
        self.step == Step::Watching
    }

    /// Returns whether the journey is over.
    pub fn is_over(&self) -> bool {
        self.step == Step::Gone
    }
}
